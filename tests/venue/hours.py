"""Market hours: sessions of XNYS, from the calendar library's schedule rows.

In: nothing, or days of a test. Out: `Hours`, which answers in epoch seconds UTC. Sessions are half-open, open <= t < close.
The extended day (04:00-20:00 in New York) stands beside, because orders of extended hours live in it.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from .amounts import NEW_YORK

FIRST, LAST = "2015-01-02", "2029-12-31"
MIDNIGHT_TO_PREMARKET, MIDNIGHT_TO_NIGHT = timedelta(hours=4), timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Day:
    """One session: its date in New York, regular open and close, start and end of the extended day."""

    date: str
    open: int
    close: int
    premarket: int
    night: int


class Hours:
    """Sessions in order, and where a moment stands among them."""

    def __init__(self, days: Sequence[Day]) -> None:
        self.days = tuple(days)
        self._opens = [day.open for day in self.days]
        self._closes = [day.close for day in self.days]
        self._dates = [day.date for day in self.days]

    def session(self, now: float) -> Day | None:
        """The session that is under way."""
        day = self.next_to_close(now)
        return day if day.open <= now else None

    def next_to_close(self, now: float) -> Day:
        """The session under way, else the next one."""
        return self.days[bisect_right(self._closes, now)]

    def next_to_open(self, now: float) -> Day:
        return self.days[bisect_right(self._opens, now)]

    def last_closed(self, now: float) -> Day:
        return self.days[bisect_right(self._closes, now) - 1]

    def following(self, day: Day, sessions: int = 1) -> Day:
        return self.days[bisect_left(self._dates, day.date) + sessions]

    def extended(self, now: float) -> Day:
        """The day whose extended session is under way or next."""
        day = self.last_closed(now)
        return day if now < day.night else self.next_to_close(now)

    def between(self, first: str, last: str) -> tuple[Day, ...]:
        """Sessions from a date to a date, both inclusive."""
        return self.days[bisect_left(self._dates, first) : bisect_right(self._dates, last)]

    def overlapping(self, start: float, end: float) -> Day | None:
        """The first session that shares time with [start, end)."""
        day = self.next_to_close(start)
        return day if day.open < end else None

    def closing_in(self, after: float, until: float) -> tuple[Day, ...]:
        return self.days[bisect_right(self._closes, after) : bisect_right(self._closes, until)]

    def opening_in(self, after: float, until: float) -> tuple[Day, ...]:
        return self.days[bisect_right(self._opens, after) : bisect_right(self._opens, until)]


def of_session(date: str, opens: int, closes: int) -> Day:
    """A day from its date and its regular times."""
    midnight = datetime.fromisoformat(date).replace(tzinfo=NEW_YORK)
    premarket, night = midnight + MIDNIGHT_TO_PREMARKET, midnight + MIDNIGHT_TO_NIGHT
    return Day(date, opens, closes, int(premarket.timestamp()), int(night.timestamp()))


@cache
def xnys() -> Hours:
    """Regular sessions of the New York Stock Exchange, 2015 to 2029, holidays and early closes as published."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about pandas, inside the library
        import exchange_calendars

        schedule = exchange_calendars.get_calendar("XNYS", start=FIRST, end=LAST).schedule
    rows = zip(schedule.index, schedule["open"], schedule["close"], strict=True)
    return Hours([of_session(day.strftime("%Y-%m-%d"), int(a.timestamp()), int(z.timestamp())) for day, a, z in rows])
