"""What to do about an order whose answer was lost: the decisions of reconciliation. Pure; a table, row by row below.

In: the order as tracked, what looking it up by its id gave, and the time. Out: a `Verdict`.

    looked up as       within two ticks of its decision   later
    there, same        adopt: its answer is known         adopt
    there, other       mismatch: blocked, alert           mismatch
    not there (404)    send again: same id, same payload  wait; given up after 3 such answers over 60 s or more
    no answer          wait                               wait

An order that is sent again keeps its id, so a broker that has it after all refuses the second one. An order that is not
allowed to leave any more (a kill, a stop) waits as if it were late. Giving up is EXPIRED_UNSENT: what the order was computed
from is no longer true, exits included, and the next decision asks anew; the id stays on the watch list.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ..ports import BrokerOrder
from .differ import same_order
from .lifecycle import Tracked

#: lookups without a trace, and seconds between the first and the last of them, before an order counts as never sent
ENOUGH: Final = 3
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


def verdict(tracked: Tracked, looked: Looked, now: int, valid: int) -> Verdict:
    """What to do; `tracked` counts this lookup already. `valid` seconds after its decision an order may still be sent."""
    if not looked.answered:
        return Verdict.WAIT
    if looked.order is not None:
        return Verdict.ADOPT if same_order(tracked, looked.order) else Verdict.MISMATCH
    if now <= tracked.order.epoch + valid:
        return Verdict.SEND
    enough = tracked.missed >= ENOUGH and now - tracked.missed_at >= SECONDS
    return Verdict.GIVE_UP if enough else Verdict.WAIT
