"""The book: every order of ours that is not terminal, what we hold, and what changed since the last tick. Pure.

In: the book as of the last tick, replies to submissions, numbered broker events. Out: the next book, fills and results
for `decide`. What an order may become is `lifecycle`'s table, what a fill does to what we hold is `ledger`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ..market import Fill, OrderResult, WorkingOrder
from ..orders import TERMINAL, Order, OrderState
from ..ports import BrokerEvent, Position, Reply
from . import ledger as ledgers
from .ledger import Borrowed, Change, Correction, Holding
from .lifecycle import TRANSITIONS, Tracked, check_attempt

_NOTHING = Decimal(0)
#: kind of the event that takes the cost of a short off the cash
BORROW = "borrow"
#: an order that was given up as never sent is looked for this long (seconds): a session and the night after it
WATCH = 86_400


@dataclass(frozen=True, slots=True)
class Book:
    """Orders that are not terminal, by the order they were sent, and the newest broker event applied.

    `watched` were given up as never sent and may still show up. `holdings` is what our own fills add up to, by world and
    symbol; `flows` is what was paid into the account less what was taken out since the journal began; `cursor` the newest
    activity heard of a broker that numbers no events, `heard` when the account was last read (epoch seconds, 0 = never)."""

    orders: tuple[Tracked, ...] = ()
    last_seq: int = 0
    holdings: tuple[Holding, ...] = ()
    flows: Decimal = Decimal(0)
    watched: tuple[Tracked, ...] = ()
    cursor: str = ""
    heard: int = 0

    @property
    def ledger(self) -> tuple[tuple[str, Decimal], ...]:
        """(symbol, signed shares) of what is ours, all worlds together, without zeros, sorted."""
        return ledgers.quantities(self.holdings)

    @property
    def cash(self) -> tuple[tuple[str, Decimal], ...]:
        """(symbol, money that flowed in, fees taken off) of every symbol that was ever traded, sorted."""
        return ledgers.monies(self.holdings)


#: a book before the first order
EMPTY = Book()


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last tick, oldest first; `flows` is money paid in less money taken out."""

    fills: tuple[Fill, ...]
    results: tuple[OrderResult, ...]
    flows: Decimal = Decimal(0)


def add(book: Book, orders: Iterable[Order], positions: Iterable[Position] = ()) -> Book:
    """The book with new intents; they are journaled in the same commit. `positions` are the account's that they were decided
    on. StateError while another attempt of the same leg lives."""
    held = {position.symbol: position.qty for position in positions}
    fresh = tuple(Tracked(order, OrderState.INTENDED, bound=held.get(order.symbol, _NOTHING)) for order in orders)
    for tracked in fresh:
        check_attempt(tracked.order, book.orders)
    return replace(book, orders=(*book.orders, *fresh))


def apply(book: Book, replies: Sequence[Reply], events: Sequence[BrokerEvent], interval: int) -> tuple[Book, Changes]:
    """Apply replies, then events, each exactly once (an event at or below `last_seq` is old news). `interval` seconds
    between grid times: a fill counts from the grid time it happened in, not from when it was heard.

    Orders that became terminal leave the book. An event for an order that the book does not hold is left alone here:
    its quantity shows up as external."""
    known = {tracked.order.client_order_id: tracked for tracked in book.orders}
    results: list[OrderResult] = []
    for reply in replies:
        tracked = known.get(reply.client_order_id)
        if tracked is not None:
            known[reply.client_order_id] = _answered(tracked, reply)
            results.append(_result(tracked.order, reply.state, reply.error, reply.detail))
    fills: list[Fill] = []
    moved: list[Change] = []
    fresh = _fresh(events, book.last_seq)
    for event in fresh:
        if event.kind == BORROW:
            moved.append(Borrowed(event.symbol, event.price))
        tracked = known.get(event.client_order_id)
        if tracked is None:
            continue
        known[event.client_order_id] = after = _after(tracked, event)
        if event.kind == "fill":
            fills.append(_fill(after.order, event, event.at // interval * interval))
            moved += parts_of(tracked, after, event)
        if after.state in TERMINAL:
            error = "business" if event.kind == "rejected" else ""
            results.append(_result(after.order, after.state, error, event.detail))
    flows = sum((event.price for event in fresh if event.kind == "flow"), _NOTHING)
    kept = replace(
        book,
        orders=tuple(tracked for tracked in known.values() if tracked.state not in TERMINAL),
        last_seq=fresh[-1].seq if fresh else book.last_seq,
        holdings=ledgers.after(book.holdings, moved) if moved else book.holdings,
        flows=book.flows + flows,
    )
    return kept, Changes(tuple(fills), tuple(results), flows)


def settled(book: Book, corrections: Iterable[Correction]) -> Book:
    """The book after what happened to our positions without a fill of ours."""
    return replace(book, holdings=ledgers.after(book.holdings, corrections))


def parts_of(before: Tracked, now: Tracked, event: BrokerEvent) -> list[ledgers.Traded]:
    """The parts of a fill by world; `before` and `now` are its order without and with it."""
    had = before.parts or (_NOTHING,) * len(now.parts)
    moved = [part - former for part, former in zip(now.parts, had, strict=True)]
    deal = (event.price, event.fee, 1 if event.qty > 0 else -1)
    return ledgers.traded(event.symbol, now.order.leg, now.order.attribution, moved, deal)


def watching(book: Book, given_up: Iterable[Tracked], now: int) -> Book:
    """The book with orders that were given up on its watch list, and without those that need no watching any more."""
    kept = (tracked for tracked in book.watched if now - tracked.order.epoch < WATCH)
    watched = tuple({t.order.client_order_id: t for t in (*kept, *given_up)}.values())
    return book if watched == book.watched else replace(book, watched=watched)


def adopting(book: Book, client_order_ids: frozenset[str]) -> Book:
    """The book with these orders of its watch list among its orders again: they are at the broker after all."""
    back = tuple(t.adopted() for t in book.watched if t.order.client_order_id in client_order_ids)
    left = tuple(t for t in book.watched if t.order.client_order_id not in client_order_ids)
    return replace(book, orders=(*book.orders, *back), watched=left) if back else book


def working(book: Book) -> tuple[WorkingOrder, ...]:
    """Our open orders as decide sees them: what remains, signed. `lost`: it was looked for and not found."""
    return tuple(
        WorkingOrder(
            t.order.client_order_id,
            t.order.symbol,
            t.left,
            t.order.leg,
            t.since,
            t.order.attempt,
            lost=t.lost,
        )
        for t in book.orders
    )


def _fresh(events: Sequence[BrokerEvent], last: int) -> list[BrokerEvent]:
    """Events above `last` in rising order, each once."""
    fresh = []
    for event in events:
        if event.seq > last:
            fresh.append(event)
            last = event.seq
    return fresh


def _answered(tracked: Tracked, reply: Reply) -> Tracked:
    """An event can be faster than its reply: a terminal or partly filled order takes no older news."""
    state = OrderState(reply.state)
    return tracked.to(state) if state in TRANSITIONS[tracked.state] else tracked


_KINDS = {"canceled": OrderState.CANCELED, "rejected": OrderState.REJECTED, "expired": OrderState.EXPIRED}


def _after(tracked: Tracked, event: BrokerEvent) -> Tracked:
    if event.kind != "fill":
        return tracked.to(_KINDS[event.kind])
    return tracked.with_fill(abs(event.qty), event.price)


def _fill(order: Order, event: BrokerEvent, at: int) -> Fill:
    part = order.attribution[0]
    return Fill(
        order.client_order_id, order.symbol, event.qty, event.price, at, part.world, part.strategy, part.generation
    )


def _result(order: Order, outcome: str, error: str, detail: str) -> OrderResult:
    return OrderResult(order.client_order_id, order.symbol, str(outcome), error, detail, order.leg)


__all__ = [
    "BORROW",
    "EMPTY",
    "TRANSITIONS",
    "Book",
    "Changes",
    "Correction",
    "Holding",
    "Tracked",
    "add",
    "adopting",
    "apply",
    "settled",
    "watching",
    "working",
]
