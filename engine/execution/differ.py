"""What changed at a broker that only says how things are: the differ. Pure.

In: the book as we know it and a `Told`. Out: `Differences`: numbered events of our orders, answers to open questions, orders
that are not what we sent, orders that are not ours. Everything is judged by the client order id, never by symbol, side and
quantity (R04). Quantities are cumulative, so an answer that is told twice, late or in another order changes nothing.

Events continue the book's own numbers: the journal holds them, and a restart reads them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ..orders import PREFIX, OrderState
from ..ports import BrokerEvent, BrokerOrder, Reply, Told
from .book import Book
from .lifecycle import OPEN_QUESTIONS, Tracked

_NOTHING = Decimal(0)
_MILLIONTH: Final = Decimal("0.000001")
_ENDS: Final = {
    OrderState.CANCELED: "canceled",
    OrderState.EXPIRED: "expired",
    OrderState.REJECTED: "rejected",
    OrderState.FILLED: "canceled",  # full for the broker, and less than we ordered: the rest will not come
}


@dataclass(frozen=True, slots=True)
class Differences:
    """What is new.

    events      the broker's own, or numbered on from the book's last one; oldest first
    found       answers to submissions of which the answer was lost: the order is there
    mismatched  orders under an id of ours that are not what we sent under it
    strangers   client ids with our prefix that work or ended at the broker, or to which something happened, and that are in no book
    others      symbols in which orders work that the book does not have
    back        ids of the watch list that are at the broker after all
    """

    events: tuple[BrokerEvent, ...] = ()
    found: tuple[Reply, ...] = ()
    mismatched: tuple[BrokerOrder, ...] = ()
    strangers: tuple[str, ...] = ()
    others: frozenset[str] = frozenset()
    back: frozenset[str] = frozenset()


def differences(book: Book, told: Told) -> Differences:
    """What the broker's answer says beyond the book. `told.events` stand first where a broker numbers its events itself."""
    ours = {t.order.client_order_id: t for t in book.orders}
    watched = {t.order.client_order_id: t for t in book.watched}
    known = {o.client_order_id: o for o in (*told.snapshot.open_orders, *told.orders)}
    same = {name: order for name, order in known.items() if name in ours and same_order(ours[name], order)}
    wrong = tuple(order for name, order in known.items() if name in ours and name not in same)
    seen = dict.fromkeys(
        (
            *(o.client_order_id for o in told.snapshot.open_orders),
            *(event.client_order_id for event in told.events),
            *told.ended,
        )
    )
    strange = {o.client_order_id: o.symbol for o in told.snapshot.open_orders if o.client_order_id not in ours}
    return Differences(
        events=(*told.events, *_numbered(book, told, [(ours[name], order) for name, order in same.items()])),
        found=tuple(reply for name, order in same.items() if (reply := found(ours[name], order)) is not None),
        mismatched=wrong,
        strangers=tuple(n for n in seen if n.startswith(PREFIX) and n not in ours and n not in watched),
        others=frozenset(symbol for name, symbol in strange.items() if name not in watched),
        back=frozenset(name for name in known if name in watched),
    )


def same_order(tracked: Tracked, order: BrokerOrder) -> bool:
    """Whether the broker has under our id what we sent: symbol, side and quantity, and no more filled than that."""
    ours = tracked.order
    sent = (ours.symbol, ours.side, ours.qty)
    return sent == (order.symbol, order.side, order.qty) and order.filled <= ours.qty


def found(tracked: Tracked, order: BrokerOrder) -> Reply | None:
    """The answer to a submission that a lookup gave; None where there is no open question."""
    if tracked.state not in OPEN_QUESTIONS:
        return None
    if order.state == OrderState.REJECTED:
        return Reply(order.client_order_id, str(OrderState.REJECTED), 403, "business", order.detail)
    return Reply(order.client_order_id, str(OrderState.ACCEPTED), 200, "", "")


def _numbered(book: Book, told: Told, pairs: list[tuple[Tracked, BrokerOrder]]) -> Iterator[BrokerEvent]:
    """Events of orders and flows by time; ids settle ties, so that the same answer gives the same numbers."""
    if told.numbered:
        return
    raw = [event for tracked, order in pairs for event in changes_of(tracked, order)]
    raw += [
        BrokerEvent(0, "flow", "", "", _NOTHING, a.amount, _NOTHING, a.at, a.id)
        for a in told.activities
        if a.kind == "flow"
    ]
    raw.sort(key=lambda event: (event.at, event.client_order_id))
    for number, event in enumerate(raw, book.last_seq + 1):
        yield BrokerEvent(
            number, event.kind, event.client_order_id, event.symbol, event.qty, event.price, event.fee, event.at,
            event.detail,
        )  # fmt: skip


def changes_of(tracked: Tracked, order: BrokerOrder) -> Iterator[BrokerEvent]:
    """What happened to one order since the book: a fill of what is more than before, and its end. Less filled than we know of
    is an old answer and says nothing."""
    more = order.filled - tracked.filled
    if more < 0:
        return
    name, symbol, at = order.client_order_id, order.symbol, order.updated_at
    if more:
        sign = 1 if order.side == "buy" else -1
        yield BrokerEvent(0, "fill", name, symbol, sign * more, _price(tracked, order, more), _NOTHING, at, "")
    state = OrderState(order.state)
    refused = state is OrderState.REJECTED and tracked.state in OPEN_QUESTIONS and not order.filled
    if state in _ENDS and order.filled < order.qty and not refused:  # a refusal is the answer, not an event
        # after a first fill nothing is refused any more: what is left was taken back
        kind = "canceled" if state is OrderState.REJECTED and order.filled else _ENDS[state]
        left = (order.qty - order.filled) * (1 if order.side == "buy" else -1)
        yield BrokerEvent(0, kind, name, symbol, left, _NOTHING, _NOTHING, at, order.detail)


def _price(tracked: Tracked, order: BrokerOrder, more: Decimal) -> Decimal:
    """What the new part cost a share: the cumulative average less what is known, to a millionth; the average where that is
    no price (brokers round averages)."""
    price = ((order.average * order.filled - tracked.cost) / more).quantize(_MILLIONTH)
    return price if price > 0 else order.average
