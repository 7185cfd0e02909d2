"""The only place from which an order reaches a broker.

In: orders that are already journaled, and a `Permit`. Out: replies; a failed call is an UNKNOWN reply, never a retry. An order
that may not leave any more gets no reply: it stays INTENDED, and reconciliation settles it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..errors import BrokerError
from ..orders import Order, OrderState
from ..ports import Broker, Reply
from .grounds import Grounds, lacking
from .lifecycle import Tracked

#: says why an order may not leave now; "" = it may
Check = Callable[[Order], str]


@dataclass(frozen=True, slots=True)
class Permit:
    """Whether an order may leave: asked for each, at the last moment. After a stop, a kill, the loss of the lock or the end of
    a tick's time nothing is submitted any more (R07, R36, R53); a kill still lets exits go (R42)."""

    checks: tuple[Check, ...] = ()

    def refuses(self, order: Order) -> str:
        """Why it may not, "" when it may."""
        return next((why for check in self.checks if (why := check(order))), "")


#: of runs that nobody can stop in the middle of a tick: tests and cases
ALWAYS = Permit()
#: of a dry run
NEVER = Permit((lambda _order: "a dry run sends nothing",))


def submit_all(broker: Broker, orders: Iterable[Tracked], now: int, permit: Permit) -> tuple[Reply, ...]:
    """Submit each journaled order once, in the order given; those that the permit stops are left out."""
    replies = (submit(broker, tracked, now, permit) for tracked in orders)
    return tuple(reply for reply in replies if reply is not None)


def submit(broker: Broker, tracked: Tracked, now: int, permit: Permit) -> Reply | None:
    """Send one order; None when it may not leave."""
    if permit.refuses(tracked.order):
        return None
    try:
        return broker.submit(tracked.order, now)
    except BrokerError as error:
        return Reply(tracked.order.client_order_id, OrderState.UNKNOWN, 0, "unknown", str(error))


def cancel_all(broker: Broker, client_order_ids: Iterable[str], now: int) -> tuple[Reply, ...]:
    """Ask for cancels; whether they worked is told by the broker later, so the replies only say that the call was made."""
    replies = []
    for name in client_order_ids:
        try:
            replies.append(broker.cancel(name, now))
        except BrokerError as error:
            replies.append(Reply(name, OrderState.UNKNOWN, 0, "unknown", str(error)))
    return tuple(replies)


def still_true(broker: Broker, orders: Sequence[Tracked]) -> tuple[tuple[Tracked, ...], tuple[Reply, ...]]:
    """(Orders whose symbol is held as it was when they were decided, refusals of the others): a fill between the reading and the
    sending changes what they were computed from. Nothing is left when positions cannot be read: then nobody knows."""
    if not orders:
        return (), ()
    try:
        grounds = Grounds.of(broker.positions())
    except BrokerError:
        return (), ()
    true, refused = list[Tracked](), list[Reply]()
    for tracked in orders:
        lack = lacking(tracked, grounds)
        if lack:
            why = f"{lack}; the next decision asks anew"
            refused.append(Reply(tracked.order.client_order_id, OrderState.EXPIRED_UNSENT, 0, "", why))
        else:
            true.append(tracked)
    return tuple(true), tuple(refused)
