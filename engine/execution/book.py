"""The book: every order of ours that is not terminal, and what changed since the last tick. Pure.

In: the book as of the last tick, replies to submissions, numbered broker events. Out: the next book, fills and results
for `decide`. The transition table is the law; an illegal transition is an error, never a guess (R17).

The ledger says what of a position is ours; what the broker holds beyond it is external, so ledger + external = broker after
every event. A closing order takes from the ledger first and never turns it around: what it closes beyond that was external.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from ..errors import StateError
from ..market import Fill, OrderResult, WorkingOrder
from ..orders import TERMINAL, Order, OrderState
from ..ports import BrokerEvent, Reply

_NOTHING = Decimal(0)
#: kind of the event that takes the cost of a short off the cash
BORROW = "borrow"
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
    money that flowed in, fees taken off) of every symbol that was ever traded, sorted; `flows` is what was paid into the
    account less what was taken out since the journal began."""

    orders: tuple[Tracked, ...] = ()
    last_seq: int = 0
    ledger: tuple[tuple[str, Decimal], ...] = ()
    cash: tuple[tuple[str, Decimal], ...] = ()
    flows: Decimal = Decimal(0)


#: a book before the first order
EMPTY = Book()


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last tick, oldest first; `flows` is money paid in less money taken out."""

    fills: tuple[Fill, ...]
    results: tuple[OrderResult, ...]
    flows: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Correction:
    """Our quantity of a symbol changed from `before` to `after` without a fill of ours, after the event `seq`.

    why     "split" (`shares` of now for one of before) or "closed_elsewhere" (`money` is what it is taken to have brought)
    """

    symbol: str
    why: str
    shares: float
    before: Decimal
    after: Decimal
    money: Decimal
    seq: int


class Deal(NamedTuple):
    """A fill of ours as the ledger sees it: the broker's event and the leg of its order; or what a short paid for a night,
    with BORROW for a leg."""

    event: BrokerEvent
    leg: str


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
    fresh = _fresh(events, book.last_seq)
    flows = sum((event.price for event in fresh if event.kind == "flow"), _NOTHING)
    traded = [Deal(event, BORROW) for event in fresh if event.kind == BORROW]
    for reply in replies:
        tracked = known.get(reply.client_order_id)
        if tracked is not None:
            state = OrderState(reply.state)
            # an event can be faster than its reply; a terminal or partly filled order takes no older news
            if state in TRANSITIONS[tracked.state] or state is tracked.state:
                known[reply.client_order_id] = tracked.to(state)
            results.append(_result(tracked.order, reply.state, reply.error, reply.detail))
    for event in fresh:
        tracked = known.get(event.client_order_id)
        if tracked is None:
            continue
        known[event.client_order_id] = after = _after(tracked, event)
        if event.kind == "fill":
            fills.append(_fill(after.order, event, event.at // interval * interval))
            traded.append(Deal(event, after.order.leg))
        if after.state in TERMINAL:
            error = "business" if event.kind == "rejected" else ""
            results.append(_result(after.order, after.state, error, event.detail))
    left = tuple(tracked for tracked in known.values() if tracked.state not in TERMINAL)
    last = fresh[-1].seq if fresh else book.last_seq
    kept = replace(book, orders=left, last_seq=last, flows=book.flows + flows)
    return settled(kept, traded) if traded else kept, Changes(tuple(fills), tuple(results), flows)


def _fresh(events: Sequence[BrokerEvent], last: int) -> list[BrokerEvent]:
    """Events above `last` in rising order, each once."""
    fresh = []
    for event in events:
        if event.seq > last:
            fresh.append(event)
            last = event.seq
    return fresh


def settled(book: Book, entries: Iterable[Deal | Correction]) -> Book:
    """The book with the quantities and the money of these fills and corrections, in the order they happened."""
    ledger, cash = dict(book.ledger), dict(book.cash)
    for entry in entries:
        if isinstance(entry, Correction):
            ledger[entry.symbol] = entry.after
            if entry.money:
                cash[entry.symbol] = cash.get(entry.symbol, _NOTHING) + entry.money
            continue
        if entry.leg == BORROW:
            cash[entry.event.symbol] = cash.get(entry.event.symbol, _NOTHING) - entry.event.price
            continue
        event, held = entry.event, ledger.get(entry.event.symbol, _NOTHING)
        qty = _ours(event.qty, held) if entry.leg == "close" else event.qty
        ledger[event.symbol] = held + qty
        cash[event.symbol] = cash.get(event.symbol, _NOTHING) - qty * event.price - event.fee
    left = tuple(sorted((symbol, qty) for symbol, qty in ledger.items() if qty))
    return replace(book, ledger=left, cash=tuple(sorted(cash.items())))


def _ours(qty: Decimal, held: Decimal) -> Decimal:
    """How much of a closing fill takes from what is ours: never more than there is."""
    if qty * held >= 0:
        return _NOTHING
    return qty if abs(qty) <= abs(held) else -held


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
