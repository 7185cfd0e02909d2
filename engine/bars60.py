"""60m bars from 15m rows, on the session grid.

In: rows of 15m bars in order. Out: a 60m bar when its last 15m slot is known, also when a symbol - or the whole feed -
missed that slot: it closes with what it has. A symbol without a bar in the hour has no 60m bar. The open hour is state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .bars import FIELDS, Bools, Floats, Ints
from .calendar import SessionCalendar
from .kernels import PLAIN_ZERO


@dataclass(frozen=True, slots=True)
class Hour:
    """A closed 60m bar: its index in the calendar's 60m grid, values [5, symbols] and who has one."""

    index: int
    values: Floats
    present: Bools


@dataclass(frozen=True, slots=True)
class Break:
    """Before a row of a block something becomes known that closes an open hour which ended before `after`."""

    row: int
    after: int


@dataclass(frozen=True, slots=True)
class Hours:
    """60m bars that close within a block of 15m rows: their indexes in the 60m grid and their values [n, 5, symbols]; how many
    of them each 15m row has behind it, [rows]; how many breaks each of them has behind it, [n]."""

    indexes: tuple[int, ...]
    values: Floats
    before: Ints
    breaks: Ints


@dataclass(frozen=True, slots=True)
class _Closing:
    """A 60m bar that closes in a block: its index, the rows low to high that are in it, the row that sees it first, and the
    breaks before it."""

    index: int
    low: int
    high: int
    seen: int
    breaks: int


class HourBars:
    """The open hour of every symbol. `index` is the bar's place in the 60m grid, -1 while none is open."""

    def __init__(self, calendar: SessionCalendar, width: int) -> None:
        bars, hours = calendar.grid("15m"), calendar.grid("60m")
        self._hour_ends = hours.ends.tolist()
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
        _plain(hour.values)
        self.clear()
        return hour

    def over(
        self, bars: Sequence[int], values: Floats, present: Bools, *, breaks: Sequence[Break], fields: Sequence[int]
    ) -> Hours:
        """Put a block of 15m rows into their hours: bars of the 15m grid in order, values [rows, 5, symbols], and who has a
        bar in every row of them; nobody else has one, in none, and not in an hour that is open now either. The same as
        `add` and `close` row by row. `fields` are those that are needed of every hour; the last one has all."""
        found = self._closings(bars, breaks)
        closed: Floats = np.empty((len(found), *values.shape[1:]))
        first = 0
        if self.index >= 0 and found:
            for row in range(found[0].high):
                self.add(bars[row], values[row], present)
            hour = self.close()
            assert hour is not None, "it is open"
            closed[0], first = hour.values, 1
        _aggregate(values, found[first:], (closed[first:], fields))
        for row in range(found[-1].high if found else 0, len(bars)):
            self.add(bars[row], values[row], present)
        seen = (
            np.bincount([closing.seen for closing in found], minlength=len(bars)) if found else np.zeros(len(bars), int)
        )
        indexes = tuple(closing.index for closing in found)
        return Hours(indexes, closed, np.cumsum(seen), np.array([closing.breaks for closing in found], dtype=np.int64))

    def _closings(self, bars: Sequence[int], breaks: Sequence[Break]) -> list[_Closing]:
        found: list[_Closing] = []
        index, low, passed = self.index, 0, 0
        for row, bar in enumerate(bars):
            while passed < len(breaks) and breaks[passed].row == row:
                if index >= 0 and self._hour_ends[index] < breaks[passed].after:
                    found.append(_Closing(index, low, row, row, passed))
                    index, low = -1, row
                passed += 1
            hour = self._hour_of[bar]
            if index not in {-1, hour}:  # the feed skipped its last slot
                found.append(_Closing(index, low, row, row, passed))
                low = row
            index = hour
            if self.is_last(bar):
                found.append(_Closing(index, low, row + 1, row, passed))
                index, low = -1, row + 1
        return found

    def clear(self) -> None:
        """No open hour."""
        self.index = -1
        self.values.fill(np.nan)
        self.present.fill(False)


def _plain(values: Floats) -> None:
    """Highs and lows [..., 5, symbols] without a negative zero: which zero an extreme of both is, numpy leaves open."""
    extremes = values[..., 1:3, :]
    np.add(extremes, PLAIN_ZERO, extremes)


def _aggregate(values: Floats, closings: Sequence[_Closing], into: tuple[Floats, Sequence[int]]) -> None:
    """Bars of some rows each into [closings, 5, symbols]: the fields asked for, and all of the last one."""
    (out, fields), first = into, 0
    for size, group in groupby(closing.high - closing.low for closing in closings):
        last = first + len(list(group))
        low, high = closings[first].low, closings[last - 1].high
        # hours of one size stand next to each other: their first rows are taken together, then their second ones
        rows = values[low:high].reshape(last - first, size, *values.shape[1:])
        for field in fields:
            _merge(rows[:, :, field], field, out[first:last, field])
        if last == len(closings):
            for field in set(range(len(FIELDS))) - set(fields):
                _merge(rows[-1:, :, field], field, out[-1:, field])
        first = last
    _plain(out if {1, 2} & set(fields) else out[-1:])


def _merge(rows: Floats, field: int, out: Floats) -> None:
    """One field of [bars, rows, symbols] -> [bars, symbols], rows from the first to the last."""
    np.copyto(out, rows[:, -1 if FIELDS[field] == "close" else 0])
    pick = _MERGED.get(FIELDS[field])
    if pick is not None:
        for row in range(1, rows.shape[1]):
            pick(out, rows[:, row], out=out)


#: how the values of an hour's bars come together; the open is the first, the close the last
_MERGED: dict[str, np.ufunc] = {"high": np.maximum, "low": np.minimum, "volume": np.add}
