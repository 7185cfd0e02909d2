"""What to do about an order whose answer was lost: the decisions of reconciliation. Pure; a table, row by row below.

In: the order as tracked, what looking it up by its id gave, and the time. Out: a `Verdict`.

    looked up as       while it is valid                  later
    there, same        adopt: its answer is known         adopt
    there, other       mismatch: blocked, alert           mismatch
    not there (404)    send again: same id, same payload  wait; given up after 3 such answers over 60 s or more
    no answer          wait                               wait

An entry is valid for two ticks, an exit for ten: what it is for does not go away. Both only on the grounds that they were
decided on (`grounds`). An order that is sent again keeps its id, so a broker that has it after all refuses the second one. An
order that is not allowed to leave any more (a kill, a stop, another position) waits as if it were late. Giving up is
EXPIRED_UNSENT: the next decision asks anew; the id stays on the watch list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..orders import Order
from ..ports import BrokerOrder
from .differ import same_order
from .lifecycle import Tracked

#: lookups without a trace, and seconds between the first and the last of them, before an order counts as never sent
ENOUGH: Final = 3
#: ticks after its decision in which an exit may be sent
EXIT_TICKS: Final = 10
SECONDS: Final = 60


class Verdict(StrEnum):
    """What reconciliation does next."""

    ADOPT = "adopt"
    MISMATCH = "mismatch"
    SEND = "send"
    WAIT = "wait"
    GIVE_UP = "give_up"


@dataclass(frozen=True, slots=True)
class Looked:
    """What a lookup gave: the order, nothing, or (`answered` False) no answer at all."""

    order: BrokerOrder | None
    answered: bool = True


def valid_until(order: Order, interval: int) -> int:
    """The last moment (epoch seconds) at which an order may be sent; `interval` seconds between ticks."""
    return order.valid_until or order.epoch + EXIT_TICKS * interval


def verdict(tracked: Tracked, looked: Looked, now: int, interval: int) -> Verdict:
    """What to do; `tracked` counts this lookup already. `interval` seconds between ticks."""
    if not looked.answered:
        return Verdict.WAIT
    if looked.order is not None:
        return Verdict.ADOPT if same_order(tracked, looked.order) else Verdict.MISMATCH
    if now <= valid_until(tracked.order, interval):
        return Verdict.SEND
    enough = tracked.missed >= ENOUGH and now - tracked.missed_at >= SECONDS
    return Verdict.GIVE_UP if enough else Verdict.WAIT
