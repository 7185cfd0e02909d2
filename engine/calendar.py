"""Sessions of an exchange and the grid of bars that stands on them.

In: a calendar name of `exchange_calendars` ("XNYS", "24/7") and the days to cover. Out: numbers only - opens, closes,
bar ends, session times. It stands here so that freshness, aggregation, warm-up and the clock all read one schedule:
schedule rows, never a library helper (R31). Times are epoch seconds UTC; intervals are half-open, open <= t < close.

A session with a lunch break has two stretches and each begins its own grid. The last bar of a stretch is short when
the stretch is no whole number of bars (60m on XNYS: 15:30-16:00); it closes with the stretch and counts.
"""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qmtl.dsl.model import RATE_SECONDS

from .bars import Ints
from .errors import CalendarError
from .market import Counts, SessionTimes


@dataclass(frozen=True, slots=True)
class Grid:
    """All bars of one rate in order: starts, ends and the index of their session, int64 [bars]."""

    starts: Ints
    ends: Ints
    session: Ints


@dataclass(frozen=True, slots=True)
class Schedule:
    """Sessions in order. `stretches` are trading times, int64 [3, n]: start, end, session; `until` is where coverage ends."""

    days: tuple[str, ...]
    opens: Ints
    closes: Ints
    stretches: Ints
    until: int


@dataclass(frozen=True, slots=True)
class Hours:
    """What the clock says: the session, whether the exchange is open, and when that changes (epoch seconds)."""

    session: SessionTimes
    regular: bool
    until: int


class SessionCalendar:
    """Sessions from `first_day` to `last_day` (ISO dates, both inclusive); raises `CalendarError` for an unknown name
    or days that the calendar does not have."""

    def __init__(self, name: str, first_day: str, last_day: str) -> None:
        schedule = _schedule(name, first_day, last_day)
        self.name = name
        self.days = schedule.days
        self.opens = schedule.opens
        self.closes = schedule.closes
        self.until = schedule.until
        self._opens: list[int] = schedule.opens.tolist()
        self._begins: list[int] = schedule.stretches[0].tolist()
        self._ends: list[int] = schedule.stretches[1].tolist()
        self._grids = {rate: _grid(schedule.stretches, RATE_SECONDS[rate]) for rate in ("15m", "60m")}
        self._times = _session_times(schedule)

    def times(self, now: int) -> SessionTimes:
        """The session that contains `now`, else the last one that began."""
        return self._times[self._session_at(now)]

    def regular_hours(self, now: int) -> bool:
        """True while open <= now < close, lunch breaks left out (R34)."""
        self._session_at(now)
        at = bisect_right(self._begins, now) - 1
        return now < self._ends[at]

    def hours(self, now: int) -> Hours:
        """`times` and `regular_hours` at once, and until when they stay so."""
        session, at = self._session_at(now), bisect_right(self._begins, now) - 1
        regular = now < self._ends[at]
        changes = self._ends[at : at + 1] if regular else self._begins[at + 1 : at + 2]
        return Hours(self._times[session], regular, min([*changes, self.until]))

    def grid(self, rate: str) -> Grid:
        """Every bar of `rate` ("15m" or "60m") of the covered sessions."""
        found = self._grids.get(rate)
        if found is None:
            raise CalendarError(f"there is no bar grid at {rate}", "bars are 15m or 60m")
        return found

    def bar_ends(self, rate: str) -> Ints:
        """Ends of all bars of `rate`, ascending, int64."""
        return self.grid(rate).ends

    def due(self, now: int, rate: str, delay: int) -> int:
        """How many bars of the grid should be known: end + delay <= now."""
        self._session_at(now)
        return int(self.grid(rate).ends.searchsorted(now - delay, side="right"))

    def bars_behind(self, last_end: Ints, now: int, rate: str, delay: int) -> Counts:
        """Bars that should be known at `now` and end after each symbol's last one, int32 [S]; -1 where `last_end` is 0
        or less (never a bar)."""
        ends, due = self.grid(rate).ends, self.due(now, rate, delay)
        behind = np.zeros(len(last_end), dtype=np.int32)
        late = np.flatnonzero(last_end < (ends[due - 1] if due else 1))  # most symbols have the newest bar
        if len(late):
            seen = ends.searchsorted(last_end[late], side="right")
            behind[late] = np.where(last_end[late] > 0, np.maximum(due - seen, 0), -1)
        return behind

    def sessions_between(self, start_day: str, end_day: str) -> tuple[str, ...]:
        """ISO days of the sessions from `start_day` to `end_day`, both inclusive."""
        low, high = self._span(start_day, end_day)
        return self.days[low:high]

    def decision_times(self, start_day: str, end_day: str, delay: int, *, interval: int = 60) -> Ints:
        """Grid times of the ticks that first know a 15m bar of the sessions `start_day`..`end_day`: end + delay, rounded
        up to the tick interval; int64, ascending."""
        low, high = self._span(start_day, end_day)
        bars = self.grid("15m")
        known = bars.ends[(bars.session >= low) & (bars.session < high)] + delay
        return np.unique(-(-known // interval) * interval)

    def _session_at(self, now: int) -> int:
        if now < self._opens[0] or now >= self.until:
            raise CalendarError(
                f"{iso(now)} is outside the days that calendar {self.name} covers, {self.days[0]} to {self.days[-1]}",
                "open the calendar for more days",
            )
        return bisect_right(self._opens, now) - 1

    def _span(self, start_day: str, end_day: str) -> tuple[int, int]:
        low = bisect_right(self.days, _day(start_day) - timedelta(days=1), key=date.fromisoformat)
        return low, max(low, bisect_right(self.days, _day(end_day), key=date.fromisoformat))


def warmup_start(calendar: SessionCalendar, at: int, warmup: Sequence[tuple[str, int]]) -> int:
    """First instant of the history that holds, for every (rate, bars) pair, that many bars ended by `at` (1d: as many
    whole sessions); raises `CalendarError` when the covered days begin too late."""
    return min((_bars_before(calendar, at, rate, bars) for rate, bars in warmup if bars > 0), default=at)


def _bars_before(calendar: SessionCalendar, at: int, rate: str, bars: int) -> int:
    grid = Grid(calendar.opens, calendar.closes, np.arange(len(calendar.days))) if rate == "1d" else calendar.grid(rate)
    first = int(grid.ends.searchsorted(at, side="right")) - bars
    if first < 0:
        raise CalendarError(
            f"calendar {calendar.name} covers {-first} bars of {rate} too few before {iso(at)}: {bars} are needed",
            f"open it from an earlier day than {calendar.days[0]}",
        )
    return int(grid.starts[first])


@lru_cache(maxsize=16)
def _schedule(name: str, first_day: str, last_day: str) -> Schedule:
    """Read the sessions once per (name, days): building a calendar costs a tenth of a second."""
    import exchange_calendars

    start, end = _day(first_day), _day(last_day)
    with warnings.catch_warnings():
        # 4.13 uses what pandas 3.1 deprecates; the warnings name pandas, so only the place can narrow them
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        try:
            calendar = exchange_calendars.get_calendar(name, start=start.isoformat(), end=end.isoformat())
        except exchange_calendars.errors.InvalidCalendarName as error:
            raise CalendarError(f"there is no calendar {name}", _known_names(name)) from error
        except (exchange_calendars.errors.CalendarError, ValueError) as error:
            raise CalendarError(f"calendar {name} has no sessions from {first_day} to {last_day}: {error}") from error
        rows = calendar.schedule
    until = datetime.combine(end + timedelta(days=1), datetime.min.time(), calendar.tz)
    columns = [_seconds(rows[key]) for key in ("open", "close", "break_start", "break_end")]
    days = tuple(day.date().isoformat() for day in rows.index)
    latest = max(int(until.timestamp()), int(columns[1][-1]))
    return Schedule(days, columns[0], columns[1], _stretches(*columns), latest)


def _known_names(name: str) -> str:
    import difflib

    import exchange_calendars

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    near = difflib.get_close_matches(name.upper(), known, n=3, cutoff=0.6)
    return (
        f"did you mean {' or '.join(near)}?" if near else "names are those of exchange_calendars, such as XNYS or 24/7"
    )


def _seconds(column: object) -> Ints:
    """A timezone-aware pandas column as epoch seconds; NaT becomes the lowest int64."""
    stamps: NDArray[np.datetime64] = column.dt.tz_convert(None).to_numpy()  # type: ignore[attr-defined]
    return stamps.astype("datetime64[s]").astype(np.int64)


def _stretches(opens: Ints, closes: Ints, break_starts: Ints, break_ends: Ints) -> Ints:
    """Trading times: a session without a break is one stretch, with one it is two; int64 [3, n]."""
    session = np.arange(len(opens))
    pause = break_starts > 0
    morning = np.stack([opens, np.where(pause, break_starts, closes), session])
    afternoon = np.stack([break_ends, closes, session])[:, pause]
    both = np.concatenate([morning, afternoon], axis=1)
    return both[:, np.argsort(both[0])]


def _grid(stretches: Ints, seconds: int) -> Grid:
    begins, ends, session = stretches
    counts = -(-(ends - begins) // seconds)
    which = np.repeat(np.arange(len(begins)), counts)
    step = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = begins[which] + step * seconds
    return Grid(starts, np.minimum(starts + seconds, ends[which]), session[which])


def _session_times(schedule: Schedule) -> tuple[SessionTimes, ...]:
    rows = zip(schedule.opens.tolist(), schedule.closes.tolist(), schedule.days, strict=True)
    return tuple(SessionTimes(opened, closed, day, _week(day)) for opened, closed, day in rows)


def _week(day: str) -> str:
    year, week, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{week:02d}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise CalendarError(f"{text!r} is not a day", "write days as 2025-11-28") from error


def iso(at: int) -> str:
    """Epoch seconds as people read them: 2025-11-28T18:00:00Z."""
    return str(np.datetime64(at, "s")) + "Z"
