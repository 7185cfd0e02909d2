"""60m bars from 15m rows, on the session grid.

In: rows of 15m bars in order. Out: a 60m bar when its last 15m slot is known, also when a symbol - or the whole feed -
missed that slot: it closes with what it has. A symbol without a bar in the hour has no 60m bar. The open hour is state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .bars import FIELDS, Bools, Floats
from .calendar import SessionCalendar


@dataclass(frozen=True, slots=True)
class Hour:
    """A closed 60m bar: its index in the calendar's 60m grid, values [5, symbols] and who has one."""

    index: int
    values: Floats
    present: Bools


class HourBars:
    """The open hour of every symbol. `index` is the bar's place in the 60m grid, -1 while none is open."""

    def __init__(self, calendar: SessionCalendar, width: int) -> None:
        bars, hours = calendar.grid("15m"), calendar.grid("60m")
        self._hour_of = (hours.starts.searchsorted(bars.starts, side="right") - 1).tolist()
        self.index = -1
        self.values: Floats = np.full((len(FIELDS), width), np.nan)
        self.present: Bools = np.zeros(width, dtype=np.bool_)

    def hour_of(self, bar: int) -> int:
        """The hour that holds a bar of the 15m grid."""
        hour: int = self._hour_of[bar]
        return hour

    def is_last(self, bar: int) -> bool:
        """True for the last 15m slot of its hour."""
        return bar + 1 == len(self._hour_of) or self._hour_of[bar + 1] != self._hour_of[bar]

    def add(self, bar: int, values: Floats, present: Bools) -> None:
        """Put a 15m row into its hour; the hour before must have been closed."""
        self.index = self.hour_of(bar)
        first = present & ~self.present
        np.copyto(self.values, values, where=first)
        more = present & self.present
        if more.any():
            _, high, low, close, volume = self.values
            np.maximum(high, values[1], out=high, where=more)
            np.minimum(low, values[2], out=low, where=more)
            np.copyto(close, values[3], where=more)
            np.add(volume, values[4], out=volume, where=more)
        np.logical_or(self.present, present, out=self.present)

    def close(self) -> Hour | None:
        """Take the open hour away; None when no symbol has a bar in it."""
        if self.index < 0:
            return None
        hour = Hour(self.index, self.values.copy(), self.present.copy())
        self.clear()
        return hour

    def clear(self) -> None:
        """No open hour."""
        self.index = -1
        self.values.fill(np.nan)
        self.present.fill(False)
