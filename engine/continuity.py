"""May this run go on where the journal stands? What must agree between journal, broker, feed and text before a start.

In: the stored facts of the last tick and what was opened now. Out: nothing, or StateError that says what differs and the
way out. A run that goes on with the wrong account, feed or worlds would orphan positions or trade them twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from qmtl.dsl.program import Program

from .errors import StateError
from .execution.book import Book
from .orders import PREFIX, OrderState
from .ports import BarFeed, Broker, Known, Reply
from .record import AccountIdentity, FeedIdentity, LastTick, TickHeader

_NOTHING = Decimal(0)
#: the account said that it has these
_THERE = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED})
#: equity further away than this is that of another account
_JUMP = Decimal("0.2")
_AFRESH = "use another --out, or --fresh, which moves the old folder aside"


def check_feed(stored: FeedIdentity | None, feed: BarFeed, interval: int) -> None:
    """The same data and the same clock; the columns may change with the text."""
    if stored is None:
        return
    if stored.source != feed.source:
        raise StateError(f"the journal was fed by {stored.source}, and the feed is now {feed.source}", _AFRESH)
    if stored.interval != interval:
        raise StateError(f"the journal ticks every {stored.interval} s, and the clock says {interval} s", _AFRESH)


def check_identity(stored: AccountIdentity | None, account: AccountIdentity) -> None:
    """The same account at the same broker."""
    if stored is not None and stored != account:
        raise StateError(
            f"the journal is of account {stored.account} at {stored.broker}, and this is {account.account} at {account.broker}",
            f"run it with the keys of the former account; or {_AFRESH}",
        )


def check_mode(stored: str, mode: str) -> None:
    """A dry run decides from positions that its orders never reach; mixing it with another would spoil both."""
    if stored != mode:
        raise StateError(f"the journal is of a {stored} run, and this is a {mode} run", _AFRESH)


def check_new_account(broker: Broker) -> None:
    """A journal without ticks needs an account without orders of ours."""
    if broker.traces(PREFIX):
        raise StateError(
            "the account has orders of ours that the journal does not know", f"restore the journal; or {_AFRESH}"
        )


def check_account(broker: Broker, book: Book, last: TickHeader, replies: Sequence[Reply] = ()) -> None:
    """The account is the one the journal knows: as many events, every order that it accepted, and something of ours in it or about the equity of the last
    tick. `replies` were stored and are not in the book yet. What differs in single symbols is judged by the first tick: a split, closed by somebody else, or external (R10)."""
    told = broker.hear(Known(last_seq=book.last_seq, cursor=book.cursor), last.now)
    if not told.numbered:  # an account with a number of its own was compared by that
        return
    snapshot = told.snapshot
    if snapshot.last_seq < book.last_seq:
        raise StateError(
            f"the account has {snapshot.last_seq} events, and the journal heard {book.last_seq}: it is another account",
            f"restore the account's file; or {_AFRESH}",
        )
    accepted = {reply.client_order_id for reply in replies if reply.state == OrderState.ACCEPTED}
    for tracked in book.orders:
        name = tracked.order.client_order_id
        if (tracked.state in _THERE or name in accepted) and broker.lookup(name) is None:
            raise StateError(
                f"the account has no order {name}, which it accepted: its file is older than the journal",
                f"restore the account's file; or {_AFRESH}",
            )
    held = {position.symbol: position.qty for position in snapshot.positions}
    ours = any(held.get(symbol, _NOTHING) * qty > 0 for symbol, qty in book.ledger)
    before = last.account.equity if last.account else snapshot.equity
    alike = abs(snapshot.equity - before) <= _JUMP * abs(before)
    if snapshot.last_seq == book.last_seq and book.ledger and not ours and not alike:
        symbol, qty = book.ledger[0]
        raise StateError(
            f"the journal holds {qty} {symbol}, the account {held.get(symbol, _NOTHING)}, and nothing else of ours either: "
            f"its equity is {snapshot.equity:.2f}, and was {before:.2f}",
            _AFRESH,
        )


def check_worlds(programs: Sequence[Program], stored: Mapping[str, LastTick], book: Book) -> None:
    """Every position, order and kill of the journal still has its world."""
    names = {program.settings.world for program in programs}
    owner = {symbol: p.settings.world for p in programs for symbol in p.settings.universe}
    for symbol in busy(book):
        if symbol not in owner:
            raise StateError(
                f"{symbol} is held or has an order working, and no world has it in its universe",
                "put the symbol or its world back until it is flat",
            )
        if owner[symbol] not in stored:
            raise StateError(
                f"{symbol} is held, and world {owner[symbol]} is new: its owner, stops and loss limits would be lost",
                "keep the world's name until the symbol is flat",
            )
    for name, last in stored.items():
        if name not in names and int(last.state.kill):
            raise StateError(f"world {name} is killed and is no longer there", "resume it first, then take it out")


def busy(book: Book) -> tuple[str, ...]:
    """Symbols with a position or a working order of ours, sorted."""
    symbols: Iterable[str] = (*(symbol for symbol, _ in book.ledger), *(t.order.symbol for t in book.orders))
    return tuple(sorted(set(symbols)))
