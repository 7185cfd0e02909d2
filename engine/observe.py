"""Observe: closed bars -> columns. The first of a tick's three verbs.

In: a Program, the exchange's calendar, rows of closed 15m bars and daily values in the order in which they became known.
Out: a `Market` for any moment since. What it remembers depends on the rows alone, never on when somebody looked.

1. feed        a 15m row steps what closes with it: the 60m bar it completes first, then the 15m nodes
2. feed_macro  a daily row steps the daily nodes
3. market      assembles the columns once per bar, and what the clock adds: session, regular hours, bars behind
4. snapshot, restore, adopt   the same state after a restart, and under an edited program
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from qmtl.dsl.program import Program

from .assemble import Assembly, Columns
from .bars import BarRow, Bools, Floats, MacroRow
from .bars60 import Hour
from .calendar import SessionCalendar, iso
from .errors import DataError
from .market import Counts, Market
from .memory import blank
from .observe_state import ObserveState, decode, encode
from .transfer import adopt_state, observe_state, restore_state

_COLUMNS = tuple(field.name for field in fields(Columns))


class Observer:
    """The observing half of one world. `delay` is the feed's: seconds from a bar's end until it is known."""

    def __init__(self, program: Program, calendar: SessionCalendar, delay: int) -> None:
        self.program = program
        self.calendar = calendar
        self.delay = delay
        self.memory = blank(program, calendar)
        self._assembly = Assembly(program, self.memory.graph)
        self._columns: Columns | None = None

    def feed(self, row: BarRow) -> None:
        """Take the next row of closed 15m bars. Raises `DataError` for a row that is not on the session grid, not newer
        than the last one, of another universe, or not closed yet."""
        memory, bar = self.memory, self.place(row)
        self.leave_hour(bar)
        somebody = bool(row.present.any())
        if somebody:
            memory.hours.add(bar, row.values, row.present)
        if memory.hours.is_last(bar):
            self._close_hour()
        if somebody:  # a row of nobody is no row
            self._step("15m", row.end, row.values, row.present)
            memory.bar_start, memory.bar_end = row.start, row.end
            memory.known_at = max(memory.known_at, row.known_at)

    def feed_macro(self, row: MacroRow) -> None:
        """Take a daily row; one of a series that no node reads is left out. Raises `DataError` for a day that is not newer
        than the last one."""
        memory, series = self.memory, row.series.lower()
        last = memory.days.get(series, "")
        if row.day <= last:
            raise DataError(f"{row.series} of {row.day} comes after the one of {last}", "daily rows go forward in time")
        memory.days[series] = row.day
        memory.known_at = max(memory.known_at, row.known_at)
        if memory.hours.index >= 0 and row.known_at > self._hour_known():
            self._close_hour()
        if series in memory.graph.series():
            memory.graph.step_daily(series, row.values)
            self._columns = None

    def market(self, now: int, *, decision: bool) -> Market:
        """The market at `now` (epoch seconds). Raises `DataError` when a row was fed that is not known by then."""
        if now < self.memory.known_at:
            raise DataError(
                f"a row known at {iso(self.memory.known_at)} was fed, but the market of {iso(now)} is asked for"
            )
        if self._columns is None:
            self.memory.graph.settle()
            self._columns = self._assembly.columns()
        columns = {name: getattr(self._columns, name) for name in _COLUMNS}
        return Market(
            session=self.calendar.times(now),
            decision=decision,
            regular_hours=self.calendar.regular_hours(now),
            bar_start=self.memory.bar_start,
            bar_end=self.memory.bar_end,
            behind_15m=self._behind("15m", now),
            behind_60m=self._behind("60m", now),
            **columns,
        )

    def state(self) -> ObserveState:
        """All that is remembered, as a value."""
        self.memory.graph.settle()
        return observe_state(self.memory)

    def snapshot(self) -> bytes:
        """All that is remembered, as bytes of format "qmtl.observe.v1"; equal state is equal bytes."""
        return encode(self.state())

    def restore(self, payload: bytes) -> None:
        """Continue where `snapshot` of the same program stood, to the bit. Raises `StateError`; nothing is changed then."""
        self.memory.graph.settle()
        restore_state(self.memory, decode(payload))
        self._columns = None

    def adopt(self, old: Observer) -> None:
        """Take over the state of every node that `old` has as well, column by symbol name; the rest stays as it was warmed
        up. Both must stand at the same bar, else `StateError`."""
        self.memory.graph.settle()
        adopt_state(self.memory, old.state())
        self._columns = None

    def place(self, row: BarRow) -> int:
        """The row's index in the 15m grid. Raises `DataError` for a row that `feed` would not take."""
        grid, width, last = self.calendar.grid("15m"), self.memory.graph.width, self.memory.bar_start
        bar = int(grid.starts.searchsorted(row.start))
        if bar == len(grid.starts) or int(grid.starts[bar]) != row.start or int(grid.ends[bar]) != row.end:
            raise DataError(
                f"the bar {iso(row.start)} to {iso(row.end)} is not on the 15m grid of {self.calendar.name}"
            )
        if row.start <= last:
            raise DataError(
                f"the bar of {iso(row.start)} comes after the one of {iso(last)}", "rows go forward in time"
            )
        if row.known_at < row.end:
            raise DataError(f"the bar of {iso(row.start)} is known at {iso(row.known_at)}: it is still forming")
        if row.values.shape != (5, width) or row.present.shape != (width,):
            raise DataError(f"a row of {row.values.shape[-1]} symbols was fed to a world of {width}")
        return bar

    def leave_hour(self, bar: int) -> None:
        """Before a bar of the 15m grid: the feed may have skipped the last slot of an hour, and any later row closes it."""
        if self.memory.hours.index not in {-1, self.memory.hours.hour_of(bar)}:
            self._close_hour()

    def moved(self) -> None:
        """The memory was moved on from outside, as `blocks` does: columns are assembled anew."""
        self._columns = None

    def _close_hour(self) -> None:
        hour = self.memory.hours.close()
        if hour is not None:
            self._step_hour(hour)

    def _step_hour(self, hour: Hour) -> None:
        end = int(self.calendar.grid("60m").ends[hour.index])
        self._step("60m", end, hour.values, hour.present)

    def _hour_known(self) -> int:
        return int(self.calendar.grid("60m").ends[self.memory.hours.index]) + self.delay

    def _step(self, rate: str, end: int, values: Floats, present: Bools) -> None:
        np.copyto(self.memory.last_end[rate], end, where=present)
        self.memory.graph.step_bars(rate, values, present)
        self._columns = None

    def _behind(self, rate: str, now: int) -> Counts:
        return self.calendar.bars_behind(self.memory.last_end[rate], now, rate, self.delay)
