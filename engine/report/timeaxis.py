"""The one time axis under all charts of a page: every decision tick has the same width, nights and weekends have none.

In: grid times and sessions of the account's steps. Out: positions 0..1000, marks at real dates, and the probes at which a reader's crosshair may stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Floats, Ints
from .figures import clock, short_day
from .thin import buckets
from .ticks import day_ticks

#: width of the drawing in its own units, and how many pairs of points a line may have: about one a pixel
WIDTH: Final = 1000
COLUMNS: Final = 1000
PROBES: Final = 640


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A labelled position on the axis; `rank` as in `DayTick`."""

    x: float
    label: str
    rank: int


@dataclass(frozen=True, slots=True, eq=False)
class TimeAxis:
    """T ticks. `starts` first tick of each session that has any, `days` its ISO date, `session` [T] index into both;
    `probes` ticks of the crosshair, `moments` what they are called."""

    count: int
    starts: Ints
    days: tuple[str, ...]
    session: Ints
    marks: tuple[TimeMark, ...]
    probes: Ints
    moments: tuple[str, ...]

    def x(self, ticks: Ints) -> Floats:
        """Middles of the slots of ticks."""
        return (ticks.astype(np.float64) + 0.5) * (WIDTH / self.count)

    def edge(self, tick: int) -> float:
        """Where the slot of a tick begins; `edge(count)` is the right end."""
        return tick * WIDTH / self.count


def time_axis(at: Ints, session: Ints, days: tuple[str, ...], probes: int = PROBES) -> TimeAxis:
    """The axis of at least one tick: grid times `at` [T], `session` [T] the index of each into `days`, ISO dates. The crosshair
    may stand in at most `probes` places."""
    count = len(at)
    turns = np.flatnonzero(np.diff(session)) + 1
    starts = np.concatenate(([0], turns)).astype(np.int64)
    named = tuple(days[int(session[i])] for i in starts)
    which = np.zeros(count, dtype=np.int64)
    which[turns] = 1
    which = which.cumsum()
    stops = buckets(count, probes)[1:] - 1
    daily = count == len(starts)  # one tick a session: its hour says nothing
    moments = tuple(
        short_day(named[int(which[i])]) + ("" if daily else f", {clock(int(at[i]))} UTC") for i in stops
    )  # fmt: skip
    marks = _hours(at, count) if len(named) == 1 else _dates(starts, named, count)
    return TimeAxis(count, starts, named, which, marks, stops, moments)


def _dates(starts: Ints, days: tuple[str, ...], count: int) -> tuple[TimeMark, ...]:
    return tuple(TimeMark(int(starts[t.session]) * WIDTH / count, t.label, t.rank) for t in day_ticks(days))


def _hours(at: Ints, count: int) -> tuple[TimeMark, ...]:
    """Within one session the full clock hours, every second or third where there are many; the first tick where none is."""
    full = np.flatnonzero(at % 3600 == 0).tolist() or [0]
    stride = -(-len(full) // 9)
    marked = [i for i in full if int(at[i]) // 3600 % stride == 0] or full[:1]
    return tuple(TimeMark((i + 0.5) * WIDTH / count, clock(int(at[i])), n % 3) for n, i in enumerate(marked))
