"""What a person has to hear about the account and its edges, one line for each thing that is wrong. Pure.

In: what a tick heard. Out: `Trouble`s; who shows them repeats what lasts. An intent that has not ended and cannot go on is a
named block: the symbol, the order and why, so that nothing is ever stuck in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..orders import OrderState
from ..ports import BrokerSnapshot
from .book import Book, Correction
from .ledger import own_part
from .lifecycle import OPEN_QUESTIONS, Tracked
from .reconcile import Reconciled

_NOTHING: Final = Decimal(0)
#: ticks after which an order should have ended, where nobody says otherwise; and those that it may take beyond being cancelled
PATIENCE: Final = 6
LATER: Final = 4


@dataclass(frozen=True, slots=True)
class Trouble:
    """`kind` names what is wrong, the same one as long as it lasts; `text` says it to a person."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """A symbol in which nothing can be opened because of an order of ours. `kind`: "unknown" (nobody knows whether the broker
    has it), "stuck" (it should have ended), "unsent" (journaled and not sent yet). `since` epoch seconds."""

    symbol: str
    kind: str
    client_order_id: str
    since: int


@dataclass(frozen=True, slots=True)
class Moment:
    """When it is: the tick's time, seconds between ticks, and ticks after which an order should have ended."""

    now: int
    interval: int
    patience: int = PATIENCE


def patience(ages: Iterable[int]) -> int:
    """Ticks after which an order should have ended, from those after which the worlds cancel it."""
    return max(PATIENCE, *(age + LATER for age in ages))


def blocks(book: Book, at: Moment) -> tuple[Block, ...]:
    """The named blocks of a book, by the order they were sent."""
    return tuple(block for t in book.orders if (block := _block(t, at)) is not None)


def troubles_of(
    heard: Reconciled, corrected: Iterable[Correction], feed: str, unreadable: tuple[str, ...], at: Moment
) -> tuple[Trouble, ...]:
    """Everything wrong at one tick; `corrected` is what happened to positions of ours without an order of ours, `feed` says what a
    feed did not answer, "" = all did; `unreadable` are commands that cannot be understood."""
    changed = tuple(corrected)
    return (
        *_unread(heard.error, feed),
        *(Trouble(f"command {one}", f"{one} is no command: take it away") for one in unreadable),
        *_runners(heard.runners),
        *(_account(heard.snapshot) if heard.snapshot is not None else ()),
        *(Trouble(f"closed {one.symbol} {at.now}", _gone(one)) for one in changed if one.why == "closed_elsewhere"),
        *_disagreeing(heard, frozenset(one.symbol for one in changed)),
        *(_told(block, at.now) for block in blocks(heard.book, at) if block.kind != "unsent"),
    )


def differing(book: Book, held: Mapping[str, Decimal]) -> Iterator[tuple[str, Decimal, Decimal]]:
    """(Symbol, ours by our fills, the broker's) where the two differ and no order of ours explains it by being on its way."""
    busy = {t.order.symbol for t in book.orders}
    for symbol, ours in book.ledger:
        theirs = held.get(symbol, _NOTHING)
        if theirs != ours and symbol not in busy:
            yield symbol, ours, theirs


def _disagreeing(heard: Reconciled, explained: frozenset[str]) -> Iterator[Trouble]:
    """Somebody else traded in what is ours (R10); not told of what fills or corrections of this very tick explain."""
    if heard.snapshot is None:
        return
    fresh = explained | {fill.symbol for fill in heard.changes.fills}
    held = {position.symbol: position.qty for position in heard.snapshot.positions}
    for symbol, ours, theirs in differing(heard.book, held):
        if symbol not in fresh:
            yield Trouble(
                f"differs {symbol}",
                f"{symbol}: the account holds {theirs}, and by our fills it is {ours}: somebody else traded there; nothing is opened in"
                f" it, and exits take {abs(own_part(theirs, ours))}, which is what is left of ours",
            )


def _gone(one: Correction) -> str:
    return (
        f"{one.before} {one.symbol} of ours are gone without an order of ours: somebody else closed them; they are written off at"
        f" the price of the last mark, {one.money:.2f} in all"
    )


def _block(tracked: Tracked, at: Moment) -> Block | None:
    order, now = tracked.order, at.now
    if tracked.state is OrderState.UNKNOWN or tracked.lost:
        kind = "unknown"
    elif tracked.state in OPEN_QUESTIONS:
        if now <= order.epoch:  # sent with this very tick: its answer is stored with the next one
            return None
        kind = "unsent"
    elif now - tracked.since > at.patience * at.interval:
        kind = "stuck"
    else:
        return None
    return Block(order.symbol, kind, order.client_order_id, order.epoch)


def _told(block: Block, now: int) -> Trouble:
    minutes = (now - block.since) // 60
    what = {
        "unknown": "nobody knows whether the broker has it: nothing is opened there until a lookup says so",
        "stuck": "it should have ended by now: look at it at the broker, and cancel it there if need be",
    }[block.kind]
    return Trouble(
        f"{block.kind} {block.client_order_id}",
        f"order {block.client_order_id} in {block.symbol}, {minutes} min old: {what}",
    )


def _unread(broker: str, feed: str) -> Iterator[Trouble]:
    if broker:
        yield Trouble("broker", f"the account cannot be read, so nothing is sent: {broker}")
    if feed:
        yield Trouble("feed", f"the feed does not answer, so nothing new is decided; exits go on: {feed}")


def _runners(names: tuple[str, ...]) -> Iterator[Trouble]:
    if names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield Trouble(
            "runner",
            f"the broker has order {names[0]}{more}, which this journal never sent: another runner trades this account; stop it,"
            " then lift the kill with `qmtl resume`",
        )


def _account(snapshot: BrokerSnapshot) -> Iterator[Trouble]:
    if snapshot.blocked:
        yield Trouble("blocked", f"nothing is opened in this account, only exits go: {snapshot.blocked}")
