"""What goes into and comes out of observing over blocks of time: bars and markets with a leading axis of time.

In: rows of bars. Out: the same as arrays, and `Block`, from which a `Market` of one row is a view. It stands apart so that
a backtest can hand them around without the machinery that computes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

import numpy as np

from .bars import BarRow, Bools, Codes, Floats, Ints, Sides
from .calendar import SessionCalendar
from .market import Ahead, Counts, Market


@dataclass(frozen=True, slots=True)
class BarRows:
    """Closed 15m bars of some rows, oldest first: the fields of `BarRow` with a leading axis of time."""

    start: Ints
    end: Ints
    known_at: Ints
    values: Floats
    present: Bools

    def row(self, index: int) -> BarRow:
        """One of them."""
        times = int(self.start[index]), int(self.end[index]), int(self.known_at[index])
        return BarRow(*times, self.values[index], self.present[index])

    def part(self, low: int, high: int) -> BarRows:
        """Some of them, as views."""
        cut = slice(low, high)
        return BarRows(self.start[cut], self.end[cut], self.known_at[cut], self.values[cut], self.present[cut])

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What the calendar says to rows of bars, worked out for all of them at once.

    bars      index of each in the 15m grid;  regular  False where it is not on the grid, or not closed when known
    follows   False where it is not newer than the one before it, or was known earlier;  full  everybody has a bar
    due       rate -> end of the newest bar that should be known when the row is (1 = none), int64
    """

    bars: list[int]
    regular: Bools
    follows: Bools
    full: Bools
    end: Ints
    known_at: Ints
    due: dict[str, Ints]

    @classmethod
    def of(cls, rows: BarRows, calendar: SessionCalendar, delay: int) -> Timetable:
        """The timetable of some rows; `delay` is that of their feed."""
        grid = calendar.grid("15m")
        index = np.minimum(grid.starts.searchsorted(rows.start), len(grid.starts) - 1)
        regular = (grid.starts[index] == rows.start) & (grid.ends[index] == rows.end) & (rows.known_at >= rows.end)
        # where the calendar does not reach the row is fed alone, and refused
        regular &= (rows.known_at >= calendar.opens[0]) & (rows.known_at < calendar.until)
        due = {}
        for rate in ("15m", "60m"):
            ends = calendar.grid(rate).ends
            count = ends.searchsorted(rows.known_at - delay, side="right")
            due[rate] = np.where(count > 0, ends[np.maximum(count - 1, 0)], 1)
        follows = np.ones(len(rows), np.bool_)
        follows[1:] = (np.diff(rows.start) > 0) & (np.diff(rows.known_at) >= 0)
        full: Bools = np.logical_and.reduce(rows.present, axis=1)
        return cls(index.tolist(), regular, follows, full, rows.end, rows.known_at, due)


@dataclass(frozen=True, slots=True)
class Block:
    """`Market` over T rows; every array is contiguous, read-only and has a leading axis of time.

    known_at, bar_start, bar_end  [T];  behind_15m, behind_60m  [T, S] at each row's known-at
    features  [T, F, S], F = 0 when they were not asked for;  shadow  [T, 5, S], None where there is none
    """

    known_at: Ints
    bar_start: Ints
    bar_end: Ints
    mark: Floats
    behind_15m: Counts
    behind_60m: Counts
    p: Floats
    p_reason: Codes
    confidence: Floats
    when: Codes
    stay: Codes
    signal: Sides
    signal_known: Bools
    signal_reason: Codes
    size: Floats
    stop: Floats
    take: Floats
    guards: Codes
    fit: Floats
    features: Floats
    shadow: Floats | None

    def __len__(self) -> int:
        return len(self.known_at)

    def market(
        self, index: int, calendar: SessionCalendar, now: int | None = None, ahead: Ahead | None = None
    ) -> Market:
        """The market of one row as of a decision tick at `now` (its known-at, unless said otherwise: a tick may come some
        seconds later, as long as no further bar is known): views, no copies."""
        now = int(self.known_at[index]) if now is None else now
        bars = int(self.bar_start[index]), int(self.bar_end[index])
        columns: list[Any] = [rows[index] for rows in _COLUMNS(self)]
        shadow = None if self.shadow is None else self.shadow[index]
        clock = calendar.times(now), True, calendar.regular_hours(now)
        return Market(*clock, *bars, *columns, shadow=shadow, ahead=ahead)  # type: ignore[misc]


#: the columns that `Market` has as well, in its order
_COLUMNS = attrgetter(
    *(
        field.name
        for field in fields(Market)
        if field.name in {of.name for of in fields(Block)} - {"bar_start", "bar_end", "shadow"}
    )
)


def stacked(rows: Sequence[BarRow]) -> BarRows:
    """Rows one below the other."""

    def times(name: str) -> Ints:
        return np.array([getattr(row, name) for row in rows], dtype=np.int64)

    # one below the other and then folded: much faster than `np.stack`
    values = np.concatenate([row.values for row in rows]).reshape(len(rows), *rows[0].values.shape)
    present = np.concatenate([row.present for row in rows]).reshape(len(rows), -1)
    return BarRows(times("start"), times("end"), times("known_at"), values, present)
