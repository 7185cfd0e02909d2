"""The grounds that an order was decided on, looked at again before it leaves. Pure.

In: an order of ours, and the account as it is now, with what of ours is closing. Out: what is not true any more, "" = everything
still is. An order leaves with the very tick that decided it, or later, when its answer was lost or the run was killed in between;
by then somebody may have traded, the broker may have blocked the account, another runner may have come.

The position has to be the one that the order was sized on: then an exit can neither cross zero nor leave a rest, and an entry adds
to nothing that its decision did not know. What blocks entries stops an entry; no condition ever holds up an exit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..ports import Position
from .conditions import FREE, Conditions
from .lifecycle import Tracked

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Grounds:
    """The account now: signed quantity by symbol, what may not be done, and symbols in which an order of ours closes."""

    held: Mapping[str, Decimal]
    conditions: Conditions
    closing: frozenset[str] = frozenset()

    @classmethod
    def of(cls, positions: Iterable[Position], conditions: Conditions = FREE, ours: Iterable[Tracked] = ()) -> Grounds:
        """From what the broker holds, and orders of ours that have not ended."""
        closing = frozenset(t.order.symbol for t in ours if t.order.leg == "close")
        return cls({position.symbol: position.qty for position in positions}, conditions, closing)


def lacking(tracked: Tracked, grounds: Grounds) -> str:
    """Why an order must not leave on these grounds, "" when it may."""
    order, now = tracked.order, grounds.conditions
    if grounds.held.get(order.symbol, _NOTHING) != tracked.bound:
        return "the position is not the one that it was decided on"
    if order.leg == "close":
        return ""
    if order.symbol in grounds.closing:
        return "an order of ours closes the position"
    if now.halt or now.blocked:
        return "nothing may be opened in this account now"
    if any(symbol == order.symbol for symbol, _ in now.barred):
        return "nothing may be opened in this symbol now"
    if order.side == "sell" and (not now.shorts or order.symbol in now.unborrowed):
        return "the symbol cannot be sold short now"
    return ""
