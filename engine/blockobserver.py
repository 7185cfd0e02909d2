"""Observe over blocks of time: what `Observer` says after each row, for many rows at once. For backtests.

In: rows of closed 15m bars and daily values, in the order in which they became known. Out: `Block`s, whose row i equals
`Observer.market` at that row's known-at field by field, to the bit. It works on an observer's own memory and leaves it as
feeding the rows one by one would, so that blocks, single rows and snapshots go together in any order.

1. rows in which the same symbols have a bar are computed together, as many as are worth it; any other row is fed to the
   observer as in a live tick
2. what the clocks do within them: daily nodes are stepped, 60m bars close, each at its row
3. 60m nodes over the hours that closed, then 15m nodes and the columns
4. where a signal or a probability is unknown, the 15m nodes are computed again with every row kept, and one walk finds the
   reasons; as long as that goes on, they are kept at once
5. the memory is moved on
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from .assemble import Columns
from .bars import BarRow, Bools, Ints, MacroRow
from .bars60 import Break, Hours
from .blockcolumns import Target, output_rows, say_why, shapes_of
from .blockdays import Days
from .blocks import BarRows, Block, Timetable
from .kernels import Array
from .layer import Layer, Masks
from .observe import Observer

#: bytes of one node's rows in a block. Measured: up to here longer blocks save calls, beyond it nothing more
_BYTES = 416 * 1024
_FEWEST, _MOST = 4, 256
#: fewer rows than this in which some symbols have no bar are fed one by one
_WORTH = 4
#: most daily values that become known within a block
_DAYS = 32
_BEHIND = ("behind_15m", "behind_60m")


def rows_of_block(width: int) -> int:
    """How many rows of so many symbols are computed together."""
    return max(_FEWEST, min(_MOST, _BYTES // (8 * max(width, 1))))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Rows low to high of what was fed, in which the same symbols have a bar; daily values that become known between them, each
    before a row counted from `low`."""

    low: int
    high: int
    days: tuple[tuple[int, MacroRow], ...]
    everybody: bool


class BlockObserver:
    """An observer that looks at many rows at once; one for each `Observer`. `features`: also the named features, which only
    people read; `rows`: at most so many rows in a block."""

    def __init__(self, observer: Observer, *, features: bool = False, rows: int | None = None) -> None:
        self.observer = observer
        graph, most = observer.memory.graph, rows_of_block(observer.memory.graph.width)
        self._features = features
        self._shapes = shapes_of(observer.program, features=features)
        self._target = Target(self._shapes.blank(0))
        self._rows = min(most, rows or most)
        self._days = Days(graph, _DAYS)
        self._hours = Layer(graph, "60m", 2 * most, (self._days,))  # a row can close the hour before it and its own
        self._quick, self._kept = (
            Layer(graph, "15m", most, (self._days, self._hours), keep=keep) for keep in (False, True)
        )
        for layer in (self._quick, self._kept):
            layer.add_outputs(output_rows(observer.program, self._target, features=features))
        self._fields = self._hours.fields()
        self._keeps = False
        self._present: Bools = np.zeros(0, np.bool_)

    def feed(self, bars: BarRows, macros: Sequence[MacroRow] = ()) -> Iterator[Block]:
        """Feed rows and daily values in the order in which they became known, daily values first where times are equal; yields
        the columns block by block. What was yielded has been fed, and nothing after it. Raises `DataError` as
        `Observer.feed` and `Observer.market` do."""
        waiting, low = list(macros), 0
        times = Timetable.of(bars, self.observer.calendar, self.observer.delay)
        while low < len(bars):
            end = self._block(bars, times, (low, min(low + self._rows, len(bars))), waiting)
            yield self._written(end - low)
            low = end
        for macro in waiting:
            self.observer.feed_macro(macro)

    def _block(self, bars: BarRows, times: Timetable, span: tuple[int, int], waiting: list[MacroRow]) -> int:
        """Write the columns of some rows, up to the returned one: what would be refused begins a block of its own."""
        begin, end = span
        self._target.arrays = self._blank(bars.part(begin, end))
        low = begin
        while low < end and (low == begin or not self._refused(bars, times, low, waiting)):
            while waiting and waiting[0].known_at <= bars.known_at[low]:
                self.observer.feed_macro(waiting.pop(0))
            stretch = self._stretch(bars, times, (low, end), waiting)
            self._target.low, self._target.high = low - begin, max(stretch.high, low + 1) - begin
            if stretch.high > low:
                del waiting[: len(stretch.days)]
                self._run(bars.part(low, stretch.high), times, stretch)
            else:
                self._step(bars.row(low))
            low = begin + self._target.high
        return low

    def _refused(self, bars: BarRows, times: Timetable, row: int, waiting: Sequence[MacroRow]) -> bool:
        """True where a row, or a daily value before it, cannot be fed."""
        last = dict(self.observer.memory.days)
        for macro in waiting:
            if macro.known_at > bars.known_at[row]:
                break
            if macro.day <= last.get(macro.series.lower(), ""):
                return True
            last[macro.series.lower()] = macro.day
        return not (times.regular[row] and times.follows[row])

    def _written(self, count: int) -> Block:
        """The columns that were written, so many rows of them."""
        arrays = {name: array[:count] for name, array in self._target.arrays.items()}
        self._target.arrays = {}
        shadow = arrays.pop("shadow")
        arrays["confidence"] = arrays["confidence"][:, 0]
        for array in (*arrays.values(), shadow):
            array.setflags(write=False)
        return Block(shadow=shadow if shadow.shape[1] else None, **arrays)

    def _blank(self, bars: BarRows) -> dict[str, Array]:
        arrays = self._shapes.blank(len(bars))
        arrays.update({name: np.zeros(bars.present.shape, np.int32) for name in _BEHIND})
        arrays["bar_start"], arrays["bar_end"], arrays["known_at"] = (
            times.copy() for times in (bars.start, bars.end, bars.known_at)
        )
        return arrays

    def _step(self, row: BarRow) -> None:
        """A row as in a live tick."""
        self.observer.feed(row)
        market = self.observer.market(row.known_at, decision=True)
        for name in (*(column.name for column in fields(Columns)), *_BEHIND, "bar_start", "bar_end"):
            value = getattr(market, name)
            if value is not None and (name != "features" or self._features):
                self._target.part(name)[...] = value

    # -- which rows go together ----------------------------------------------------------------------------------------

    def _stretch(self, bars: BarRows, times: Timetable, span: tuple[int, int], waiting: Sequence[MacroRow]) -> _Stretch:
        """The rows that are computed together from the first of `span` on; none when that one cannot be."""
        low, end = span
        memory, nobody = self.observer.memory, _Stretch(low, low, (), everybody=False)
        if (
            bars.values.shape[1:] != (5, memory.graph.width)
            or bars.start[low] <= memory.bar_start
            or bars.known_at[low] < memory.known_at
        ):
            return nobody
        everybody = bool(times.full[low])
        fits = times.regular[low:end].copy()
        fits[1:] &= times.follows[low + 1 : end]
        fits &= times.full[low:end] if everybody else (bars.present[low:end] == bars.present[low]).all(axis=1)
        count = len(fits) if fits.all() else int(fits.argmin())
        if not count:
            return nobody
        if not everybody and (count < _WORTH or self._closed_for_some(times.bars[low], bars.present[low])):
            return nobody
        days, count = self._between(bars.known_at[low : low + count], waiting)
        return _Stretch(low, low + count, days, everybody)

    def _closed_for_some(self, bar: int, present: Bools) -> bool:
        """True when nobody has a bar, or somebody has one in the hour that goes on and none in the rows that follow."""
        hours = self.observer.memory.hours
        goes_on = hours.index == hours.hour_of(bar)
        return not present.any() or (goes_on and bool((hours.present & ~present).any()))

    def _between(self, known_at: Ints, waiting: Sequence[MacroRow]) -> tuple[tuple[tuple[int, MacroRow], ...], int]:
        """Daily values that become known after the first and by the last of some rows, each with the row that it comes before;
        and how many of the rows come before the first one that is too many, or that `feed_macro` would refuse."""
        found: list[tuple[int, MacroRow]] = []
        last, row = dict(self.observer.memory.days), 0
        for macro in waiting:
            series = macro.series.lower()
            row = max(row, int(known_at.searchsorted(macro.known_at)))
            if row == len(known_at):
                break
            if len(found) == _DAYS or macro.day <= last.get(series, ""):
                return tuple(found), row
            last[series] = macro.day
            found.append((row, macro))
        return tuple(found), len(known_at)

    # -- rows that are computed together -------------------------------------------------------------------------------

    def _run(self, bars: BarRows, times: Timetable, stretch: _Stretch) -> None:
        memory, present = self.observer.memory, bars.present[0]
        index = times.bars[stretch.low : stretch.high]
        self.observer.leave_hour(index[0])
        masks = self._masks(present, everybody=stretch.everybody)
        last_60m = memory.last_end["60m"].copy()
        breaks = [Break(row, macro.known_at - self.observer.delay) for row, macro in stretch.days]
        hours = memory.hours.over(index, bars.values, present, breaks=breaks, fields=self._fields)
        self._mark(bars, present)
        with np.errstate(all="ignore"):
            self._days.begin()
            for _, macro in stretch.days:
                self._days.step(macro.series.lower(), macro.values)
            self._hours.begin()
            if hours.indexes:
                self._hours.run(hours.values, [hours.breaks], masks["60m"])
            self._columns(bars, (_days_before(stretch), hours.before), masks["15m"])
            if hours.indexes:
                self._hours.commit()
        self._move(bars, hours, masks)
        for _, macro in stretch.days:
            memory.days[macro.series.lower()] = macro.day
        self._behind(times, stretch, hours, (present, last_60m))

    def _masks(self, present: Bools, *, everybody: bool) -> dict[str, Masks | None]:
        graph = self.observer.memory.graph
        if not np.array_equal(present, self._present):
            graph.settle()  # those without a bar keep their last values, which stand in the graph's rows
            self._present = present.copy()
        return {rate: None if everybody else graph.masks(rate, present) for rate in ("15m", "60m")}

    def _columns(self, bars: BarRows, indexes: tuple[Ints, Ints], masks: Masks | None) -> None:
        """15m nodes and the columns."""
        target = self._target
        for layer in (self._kept,) if self._keeps else (self._quick, self._kept):
            layer.begin()
            target.unknown = False
            layer.run(bars.values, indexes, masks)
            if not target.unknown:
                break
        self._keeps = target.unknown
        if target.unknown:
            self.observer.memory.graph.settle("60m")
            say_why(self.observer.program, target, layer)
        layer.commit()

    def _mark(self, bars: BarRows, present: Bools) -> None:
        mark = self._target.part("mark")
        np.copyto(mark, bars.values[:, 3])
        if not present.all():
            np.copyto(mark, self.observer.memory.graph.bars["15m"][3], where=~present)

    def _move(self, bars: BarRows, hours: Hours, masks: dict[str, Masks | None]) -> None:
        """The rest of the memory, after the kernels."""
        memory, present = self.observer.memory, bars.present[0]
        graph, ends = memory.graph, memory.calendar.grid("60m").ends
        np.copyto(graph.bars["15m"], bars.values[-1], where=present)
        np.copyto(memory.last_end["15m"], bars.end[-1], where=present)
        graph.unsettle("15m", masks["15m"])
        if hours.indexes:
            np.copyto(graph.bars["60m"], hours.values[-1], where=present)
            np.copyto(memory.last_end["60m"], ends[hours.indexes[-1]], where=present)
            graph.unsettle("60m", masks["60m"])
        memory.bar_start, memory.bar_end = int(bars.start[-1]), int(bars.end[-1])
        memory.known_at = int(bars.known_at[-1])
        self.observer.moved()

    def _behind(self, times: Timetable, stretch: _Stretch, hours: Hours, seen: tuple[Bools, Ints]) -> None:
        """Bars that should be known and are not there, per row: as `SessionCalendar.bars_behind`, where a bar is behind at all.
        `seen` are those who have bars, and where everybody's 60m bars ended before."""
        calendar, (present, last_60m) = self.observer.calendar, seen
        ends = calendar.grid("60m").ends
        closed = np.array([0, *(ends[index] for index in hours.indexes)])[hours.before]
        last = {"15m": times.end[stretch.low : stretch.high], "60m": closed}
        before = {"15m": self.observer.memory.last_end["15m"], "60m": last_60m}
        for rate, newest in last.items():
            due = times.due[rate][stretch.low : stretch.high]
            late = np.ones(len(due), np.bool_) if not stretch.everybody else newest < due
            known: dict[tuple[int, int], Array] = {}
            out = self._target.part(f"behind_{rate}")
            for row in np.flatnonzero(late).tolist():
                key = int(newest[row]), int(due[row])
                if key not in known:
                    last_end = np.where(present, newest[row], before[rate]) if newest[row] else before[rate]
                    now = int(times.known_at[stretch.low + row])
                    known[key] = calendar.bars_behind(last_end, now, rate, self.observer.delay)
                out[row] = known[key]


def _days_before(stretch: _Stretch) -> Ints:
    """How many daily values each row of a stretch has behind it."""
    rows = np.zeros(stretch.high - stretch.low, dtype=np.int64)
    for row, _ in stretch.days:
        rows[row:] += 1
    return rows
