"""The limits of opening orders that a world declares under `orders:`: value, share of volume, orders and turnover. Pure.

In: the Tick of one world, and its orders one after another in the order in which they are to be sent. Out: why one is denied, and
the counts of the exchange day for the next state. Sizing asks here, because only there an order has a quantity.

Orders that close or reduce are counted and never denied (R42, R47): they come first, so what is left is for openings. What is
counted is what leaves here, whatever the broker then says: a limit that forgets refused orders is none against a loop of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from qmtl.dsl.model import OrderRules
from qmtl.dsl.program import VOLUME

from .frame import EPS, Frame, day_number
from .reasons import Reason
from .state import DecideState
from .tick import Tick

#: a limit of money is kept to this fraction
_SLACK: Final = 1 + 1e-12


def limited(rules: OrderRules) -> bool:
    """Whether a world declares any of these limits."""
    limits = (rules.max_notional, rules.max_volume, rules.max_per_tick, rules.max_per_day, rules.max_turnover)
    return any(limit is not None for limit in limits)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an opening order is denied, and the numbers that decided: what there would be, and what there may be."""

    reason: Reason
    found: float
    limit: float


class Gates:
    """The limits of one world at one tick. Use per order: `refused` for an opening one, then `sent`."""

    def __init__(self, tick: Tick) -> None:
        self._rules, self._tick = tick.frame.program.settings.orders, tick
        self._day = day_number(tick.market.session.day)
        before = tick.before
        same = int(before.sent_day) == self._day
        self._orders = int(before.sent_orders) if same else 0
        self._value = float(before.sent_value) if same else 0.0
        self._now = 0
        self._volume = tick.frame.recent.of(_volume_row, tick.frame)

    def refused(self, column: int, qty: float, value: float) -> Refused | None:
        """Why an opening order of `qty` shares worth `value` is denied; None when it may be sent."""
        rules = self._rules
        if rules.max_notional is not None and value > float(rules.max_notional) * _SLACK:
            return Refused(Reason.DENIED_ORDER_NOTIONAL, value, float(rules.max_notional))
        if rules.max_volume is not None:
            most = rules.max_volume * self._average(column)
            if not qty <= most * _SLACK:  # an average that is not known is NaN, and allows nothing
                return Refused(Reason.DENIED_VOLUME, qty, most)
        if rules.max_per_tick is not None and self._now >= rules.max_per_tick:
            return Refused(Reason.DENIED_PER_TICK, self._now, rules.max_per_tick)
        if rules.max_per_day is not None and self._orders >= rules.max_per_day:
            return Refused(Reason.DENIED_PER_DAY, self._orders, rules.max_per_day)
        if rules.max_turnover is not None:
            most = rules.max_turnover * self._tick.load.capital
            if self._value + value > most * (1 + EPS):
                return Refused(Reason.DENIED_TURNOVER, self._value + value, most)
        return None

    def sent(self, value: float) -> None:
        """An order leaves, worth so much."""
        self._now += 1
        self._orders += 1
        self._value += value

    def after(self, state: DecideState) -> DecideState:
        """The state with what was sent; the same one when nothing was, or when no limit of a day asks for it."""
        if not self._now or (self._rules.max_per_day is None and self._rules.max_turnover is None):
            return state
        counts = (np.array(number, dtype=np.int32) for number in (self._day, self._orders))
        day, orders = counts
        return replace(state, sent_day=day, sent_orders=orders, sent_value=np.array(self._value))

    def _average(self, column: int) -> float:
        row = self._volume
        return float("nan") if row is None else float(self._tick.market.features[row, column])


def _volume_row(frame: Frame) -> int | None:
    """The row of `Market.features` with the average daily volume; None in a program without one."""
    names = [name for name, _ in frame.program.features]
    return names.index(VOLUME) if VOLUME in names else None
