"""The book in the journal: what a tick's header says of orders, and the whole book from it and the streams beside it.

In: a `Book`, or a journal. Out: the header's part, or the same `Book` again. Orders stand in the stream `intent`, fills in
`event`, corrections in `ledger`; the header adds only where each order stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from . import wire
from .errors import StateError
from .execution import ledger as ledgers
from .execution.book import BORROW, Book, Correction, Tracked, parts_of
from .execution.lifecycle import OPEN_QUESTIONS
from .orders import Order, OrderState
from .ports import BrokerEvent, JournalView


@dataclass(frozen=True, slots=True)
class StoredOrder:
    """An order that is not terminal; the order itself stands in `intent` at its epoch."""

    client_order_id: str
    epoch: int
    state: OrderState
    filled: Decimal
    missed: int = 0
    missed_at: int = 0
    bound: Decimal | None = None
    again: int = 0

    @classmethod
    def of(cls, tracked: Tracked) -> StoredOrder:
        """What of a tracked order stands nowhere else."""
        order, bound = tracked.order, tracked.bound if tracked.state in OPEN_QUESTIONS else None
        return cls(
            order.client_order_id,
            order.epoch,
            tracked.state,
            tracked.filled,
            tracked.missed,
            tracked.missed_at,
            bound,
            tracked.again,
        )


@dataclass(frozen=True, slots=True)
class StoredBook:
    """The book without what other streams hold already."""

    orders: tuple[StoredOrder, ...]
    last_seq: int
    watched: tuple[StoredOrder, ...] = ()
    cursor: str = ""
    heard: int = 0

    @classmethod
    def of(cls, book: Book) -> StoredBook:
        """The book as a header holds it."""
        orders, watched = (tuple(StoredOrder.of(t) for t in rows) for rows in (book.orders, book.watched))
        return cls(orders, book.last_seq, watched, book.cursor, book.heard)


def read_book(journal: JournalView, stored: StoredBook) -> Book:
    """The book again: orders from the journaled intents, quantities and money from the journaled fills of our orders and the
    corrections, in the order they happened. StateError when an intent is missing."""
    intents = {s.entry.key: s.entry.payload for s in journal.read("intent")}
    wanted = (*stored.orders, *stored.watched)
    missing = [order.client_order_id for order in wanted if order.client_order_id not in intents]
    if missing:
        raise StateError(f"the journal has no intent of order {missing[0]}", "restore the journal from a backup")
    events = [event for s in journal.read("event") for event in wire.loads_all(BrokerEvent, s.entry.payload)]
    flows = sum((event.price for event in events if event.kind == "flow"), Decimal(0))
    lives: dict[str, Tracked] = {}
    happened = [(event.seq, 0, change) for event in events for change in _changes(event, intents, lives)]
    corrections = (wire.loads(Correction, s.entry.payload) for s in journal.read("ledger"))
    happened += ((correction.seq, 1, correction) for correction in corrections)
    happened.sort(key=lambda item: item[:2])  # stable: two corrections after the same event stay as they were
    orders, watched = (tuple(_tracked(one, intents, lives) for one in rows) for rows in (stored.orders, stored.watched))
    holdings = ledgers.after((), (change for _, _, change in happened))
    return Book(orders, stored.last_seq, holdings, flows, watched, stored.cursor, stored.heard)


def _changes(event: BrokerEvent, intents: Mapping[str, bytes], lives: dict[str, Tracked]) -> Iterator[ledgers.Change]:
    """What an event did to the ledger; `lives` are our orders as they were filled so far."""
    name = event.client_order_id
    if event.kind == BORROW:
        yield ledgers.Borrowed(event.symbol, event.price)
    elif event.kind == "fill" and name in intents:
        before = lives.get(name) or Tracked(wire.loads(Order, intents[name]), OrderState.INTENDED)
        lives[name] = before.with_fill(abs(event.qty), event.price)
        yield from parts_of(before, lives[name], event)


def _tracked(stored: StoredOrder, intents: Mapping[str, bytes], lives: Mapping[str, Tracked]) -> Tracked:
    name = stored.client_order_id
    life = lives.get(name) or Tracked(wire.loads(Order, intents[name]), OrderState.INTENDED)
    return replace(
        life,
        state=stored.state,
        filled=stored.filled,
        missed=stored.missed,
        missed_at=stored.missed_at,
        bound=stored.bound,
        again=stored.again,
    )
