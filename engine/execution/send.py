"""The only place from which an order reaches a broker, and the only one that asks about lost answers.

In: orders that are already journaled. Out: replies, one per order; a failed call is an UNKNOWN reply, never a retry.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import BrokerError
from ..orders import OrderState
from ..ports import Broker, Reply
from .book import Book, Tracked


def submit_all(broker: Broker, orders: Iterable[Tracked], now: int) -> tuple[Reply, ...]:
    """Submit each journaled order once, in the order given."""
    return tuple(_submit(broker, tracked, now) for tracked in orders)


def cancel_all(broker: Broker, client_order_ids: Iterable[str], now: int) -> tuple[Reply, ...]:
    """Ask for cancels; whether they worked is told by broker events, so the replies only say that the call was made."""
    replies = []
    for name in client_order_ids:
        try:
            replies.append(broker.cancel(name, now))
        except BrokerError as error:
            replies.append(_unknown(name, error))
    return tuple(replies)


def settle(broker: Broker, book: Book, answered: frozenset[str], now: int, fresh: int) -> tuple[Reply, ...]:
    """Find out about orders whose answer was lost (a crash after the commit, a timeout): look each up by its client id;
    one that the broker does not know is sent again with the same id and payload within `fresh` seconds of its tick (R01,
    R05). Later it is not, exits included: what they were computed from is no longer true, and the next tick asks anew."""
    replies = []
    for tracked in book.orders:
        name = tracked.order.client_order_id
        if tracked.state not in (OrderState.INTENDED, OrderState.UNKNOWN) or name in answered:
            continue
        try:
            found = broker.lookup(name)
        except BrokerError as error:
            replies.append(_unknown(name, error))
            continue
        if found is not None:
            refused = found.state == OrderState.REJECTED
            replies.append(
                Reply(name, found.state, 403, "business", "") if refused else Reply(name, "ACCEPTED", 200, "", "")
            )
        elif now > tracked.order.epoch + fresh:
            replies.append(
                Reply(name, OrderState.EXPIRED_UNSENT, 0, "", "not sent in time; the next decision asks anew")
            )
        else:
            replies.append(_submit(broker, tracked, now))
    return tuple(replies)


def _submit(broker: Broker, tracked: Tracked, now: int) -> Reply:
    try:
        return broker.submit(tracked.order, now)
    except BrokerError as error:
        return _unknown(tracked.order.client_order_id, error)


def _unknown(client_order_id: str, error: BrokerError) -> Reply:
    return Reply(client_order_id, OrderState.UNKNOWN, 0, "unknown", str(error))
