"""Rows of closed bars and of daily macro values: what feeds deliver and `observe` consumes.

Times are whole epoch seconds, UTC, as ints; a row is one bar of every symbol of the universe (columns).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8]
Sides = NDArray[np.int8]
Small = NDArray[np.int16]
Hashes = NDArray[np.uint64]

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


def traded(row: BarRow) -> BarRow:
    """The row without the bars in which nobody traded: no volume, and one price all the time. Aggregators make them up where
    a symbol has none (R26); a price that nobody paid is not traded at, and counts for no freshness."""
    opened, high, low, close, volume = row.values
    if np.count_nonzero(volume) == len(volume):
        return row
    made_up = row.present & (volume == 0) & (high == low) & (opened == close)
    if not np.count_nonzero(made_up):
        return row
    return replace(row, values=np.where(made_up, np.nan, row.values), present=row.present & ~made_up)


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
