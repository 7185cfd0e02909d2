"""Rows of closed bars and of daily macro values: what feeds deliver and `observe` consumes.

Times are whole epoch seconds, UTC, as ints; a row is one bar of every symbol of the universe (columns).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]

#: order of the rows of `BarRow.values`
FIELDS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class BarRow:
    """Closed bars of one rate that started together.

    start, end, known_at  epoch seconds; known_at = end + the feed's delay, never earlier than end
    values   float64 [5, symbols], in the order of FIELDS; NaN where `present` is False
    present  bool [symbols]: False where the symbol has no bar at this start
    """

    start: int
    end: int
    known_at: int
    values: Floats
    present: Bools


@dataclass(frozen=True, slots=True)
class OpenRow:
    """Opening prices of bars that have started: what a market order can trade at. float64 [symbols], NaN = no bar."""

    start: int
    prices: Floats


@dataclass(frozen=True, slots=True)
class MacroRow:
    """One daily value set of a market series such as VIX: `values` in the order of FIELDS, NaN for volume.
    `day` is the ISO date of the session it belongs to; known_at is after that day's publication."""

    series: str
    day: str
    known_at: int
    values: Floats
