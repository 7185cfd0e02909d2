"""The book: every order of ours that is not terminal, and what changed since the last tick. Pure.

In: the book as of the last tick, replies to submissions, numbered broker events. Out: the next book, fills and results
for `decide`. The transition table is the law; an illegal transition is an error, never a guess (R17).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ..errors import StateError
from ..market import Fill, OrderResult, WorkingOrder
from ..orders import TERMINAL, Order, OrderState
from ..ports import BrokerEvent, Reply

_S = OrderState
_OPEN_ENDS = {_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.REJECTED, _S.EXPIRED}

#: state -> states that may follow it
TRANSITIONS: dict[OrderState, frozenset[OrderState]] = {
    _S.INTENDED: frozenset({_S.SUBMITTED, _S.ACCEPTED, _S.UNKNOWN, _S.DENIED, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.SUBMITTED: frozenset({_S.ACCEPTED, _S.UNKNOWN, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.SUBMITTED, _S.EXPIRED_UNSENT, *_OPEN_ENDS}),
    _S.ACCEPTED: frozenset(_OPEN_ENDS),
    _S.PARTIALLY_FILLED: frozenset(_OPEN_ENDS - {_S.REJECTED}),
    **{state: frozenset() for state in TERMINAL},
}


@dataclass(frozen=True, slots=True)
class Tracked:
    """One order and where it stands. `filled` is unsigned and cumulative."""

    order: Order
    state: OrderState
    filled: Decimal = Decimal(0)

    def to(self, state: OrderState) -> Tracked:
        """The same order in its next state; StateError for a transition that the table does not have."""
        if state is self.state:
            return self
        if state not in TRANSITIONS[self.state]:
            raise StateError(f"order {self.order.client_order_id}: {self.state} cannot become {state}")
        return replace(self, state=state)


@dataclass(frozen=True, slots=True)
class Book:
    """Orders that are not terminal, by the order they were sent, and the newest broker event applied.

    `ledger` pairs (symbol, signed quantity) of what our own fills add up to, without zeros, sorted; `cash` pairs (symbol,
    money that flowed in, fees taken off) of every symbol that was ever traded, sorted."""

    orders: tuple[Tracked, ...] = ()
    last_seq: int = 0
    ledger: tuple[tuple[str, Decimal], ...] = ()
    cash: tuple[tuple[str, Decimal], ...] = ()


#: a book before the first order
EMPTY = Book()


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last tick, oldest first."""

    fills: tuple[Fill, ...]
    results: tuple[OrderResult, ...]


def add(book: Book, orders: Iterable[Order]) -> Book:
    """The book with new intents; they are journaled in the same commit."""
    return replace(book, orders=(*book.orders, *(Tracked(order, OrderState.INTENDED) for order in orders)))


def apply(book: Book, replies: Sequence[Reply], events: Sequence[BrokerEvent], interval: int) -> tuple[Book, Changes]:
    """Apply replies, then events, each exactly once (an event at or below `last_seq` is old news). `interval` seconds
    between grid times: a fill counts from the grid time it happened in, not from when it was heard.

    Orders that became terminal leave the book. An event for an order that the book does not hold is left alone here:
    its quantity shows up as external."""
    known = {tracked.order.client_order_id: tracked for tracked in book.orders}
    results: list[OrderResult] = []
    fills: list[Fill] = []
    traded: list[BrokerEvent] = []
    for reply in replies:
        tracked = known.get(reply.client_order_id)
        if tracked is not None:
            state = OrderState(reply.state)
            # an event can be faster than its reply; a terminal or partly filled order takes no older news
            if state in TRANSITIONS[tracked.state] or state is tracked.state:
                known[reply.client_order_id] = tracked.to(state)
            results.append(_result(tracked.order, reply.state, reply.error, reply.detail))
    last = book.last_seq
    for event in events:
        tracked = known.get(event.client_order_id)
        if event.seq <= last:
            continue
        last = event.seq
        if tracked is None:
            continue
        known[event.client_order_id] = after = _after(tracked, event)
        if event.kind == "fill":
            fills.append(_fill(after.order, event, event.at // interval * interval))
            traded.append(event)
        if after.state in TERMINAL:
            error = "business" if event.kind == "rejected" else ""
            results.append(_result(after.order, after.state, error, event.detail))
    left = tuple(tracked for tracked in known.values() if tracked.state not in TERMINAL)
    kept = replace(book, orders=left, last_seq=last)
    return settled(kept, traded) if traded else kept, Changes(tuple(fills), tuple(results))


def settled(book: Book, traded: Iterable[BrokerEvent]) -> Book:
    """The book with the quantities and the money of these fills."""
    ledger, cash = dict(book.ledger), dict(book.cash)
    for event in traded:
        ledger[event.symbol] = ledger.get(event.symbol, Decimal(0)) + event.qty
        cash[event.symbol] = cash.get(event.symbol, Decimal(0)) - event.qty * event.price - event.fee
    held = tuple(sorted((symbol, qty) for symbol, qty in ledger.items() if qty))
    return replace(book, ledger=held, cash=tuple(sorted(cash.items())))


def working(book: Book) -> tuple[WorkingOrder, ...]:
    """Our open orders as decide sees them: what remains, signed."""
    return tuple(
        WorkingOrder(
            t.order.client_order_id,
            t.order.symbol,
            t.order.signed - (t.filled if t.order.side == "buy" else -t.filled),
            t.order.leg,
            t.order.epoch,
            t.order.attempt,
        )
        for t in book.orders
    )


_KINDS = {"canceled": OrderState.CANCELED, "rejected": OrderState.REJECTED, "expired": OrderState.EXPIRED}


def _after(tracked: Tracked, event: BrokerEvent) -> Tracked:
    if event.kind != "fill":
        return tracked.to(_KINDS[event.kind])
    filled = tracked.filled + abs(event.qty)
    if filled > tracked.order.qty:
        raise StateError(f"order {tracked.order.client_order_id}: {filled} filled of {tracked.order.qty}")
    state = OrderState.FILLED if filled == tracked.order.qty else OrderState.PARTIALLY_FILLED
    return replace(tracked.to(state), filled=filled)


def _fill(order: Order, event: BrokerEvent, at: int) -> Fill:
    part = order.attribution[0]
    return Fill(
        order.client_order_id, order.symbol, event.qty, event.price, at, part.world, part.strategy, part.generation
    )


def _result(order: Order, outcome: str, error: str, detail: str) -> OrderResult:
    return OrderResult(order.client_order_id, order.symbol, str(outcome), error, detail, order.leg)
