"""Where an axis is marked: round numbers for values, first sessions of weeks, months and years for time.

In: the range of an axis. Out: tick values, ascending and inside the range. It stands apart because it is a law that can be
tested: a tick is a whole multiple of 1, 2 or 5 times a power of ten.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np

from ..bars import Ints
from .figures import MONTHS

_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Step:
    """A round distance between ticks: `digit` x 10^`power`, digit 1, 2 or 5."""

    digit: int
    power: int

    @property
    def size(self) -> float:
        """The distance."""
        return float(f"{self.digit}e{self.power}")

    @property
    def decimals(self) -> int:
        """Decimals that its multiples need."""
        return max(0, -self.power)


def round_step(low: float, high: float, most: int) -> Step:
    """The smallest round step that puts at most `most` (>= 2) ticks between `low` < `high`."""
    power = math.floor(math.log10((high - low) / most)) - 1
    while True:
        for digit in _STEPS:
            step = Step(digit, power)
            if len(_multiples(low, high, step)) <= most:
                return step
        power += 1


def round_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Multiples of `round_step` inside [low, high], ascending."""
    step = round_step(low, high, most)
    return tuple(float(f"{k * step.digit}e{step.power}") for k in _multiples(low, high, step))


def log_ticks(low: float, high: float, most: int) -> tuple[float, ...]:
    """Ticks for a logarithmic axis, 0 < low < high: 1, 2, 5 or only powers of ten; linear ticks where the range is too short
    for three of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in (_STEPS, (1, 5), (1,)):
        ticks = tuple(v for p in powers for d in digits if low <= (v := float(f"{d}e{p}")) <= high)
        if 3 <= len(ticks) <= most:
            return ticks
    if math.log10(high / low) > most:  # more decades than ticks: every second, third, ...
        stride = math.ceil(len(powers) / most)
        return tuple(v for p in powers[::stride] if low <= (v := float(f"1e{p}")) <= high)
    return round_ticks(low, high, most)


@dataclass(frozen=True, slots=True)
class DayTick:
    """A mark on the time axis: index of the session, its label, and `rank`: 0 stays on the narrowest screen, 1 needs more
    room, 2 most."""

    session: int
    label: str
    rank: int


def day_ticks(days: Sequence[str], most: int = 13) -> tuple[DayTick, ...]:
    """First sessions of days, weeks, months, quarters or years, whichever first gives at most `most` marks."""
    parsed = [date.fromisoformat(day) for day in days]
    for unit in _UNITS:
        at = _changes(parsed, unit)
        if len(at) <= most:
            break
    else:
        at = at[:: math.ceil(len(at) / most)]
    januaries = [n for n, i in enumerate(at) if parsed[i].month == 1] if unit in {"month", "quarter"} else []
    labels = [_label(parsed[i], unit, year=n == 0 and not januaries) for n, i in enumerate(at)]
    anchor = januaries[0] if januaries else 0  # the mark with the year is the last to go
    ranks = [_rank(n - anchor, len(at)) for n in range(len(at))]
    return tuple(DayTick(i, text, rank) for i, text, rank in zip(at, labels, ranks, strict=True))


def periods(days: Sequence[str], most: int = 260) -> tuple[str, Ints]:
    """The finest of session, week, month and year that has at most `most` periods (years however many), and the index of the
    first session of each."""
    parsed = [date.fromisoformat(day) for day in days]
    for unit in ("session", "week", "month", "year"):
        keys = [_key(day, "day" if unit == "session" else unit) for day in parsed]
        first = [i for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
        if len(first) <= most:
            break
    return unit, np.array(first, dtype=np.int64)


_UNITS: Final = ("day", "week", "month", "quarter", "year")


def _changes(days: list[date], unit: str) -> list[int]:
    keys = [_key(day, unit) for day in days]
    found = [i for i in range(1, len(days)) if keys[i] != keys[i - 1]]
    # the first session is a mark only where its unit begins: a mark in the middle of a month would say "1st" wrongly
    begins = bool(days) and (unit == "day" or _begins(days[0], unit))
    return [0, *found] if begins or (days and not found) else found


def _begins(day: date, unit: str) -> bool:
    """Whether no session of the day's week, month, quarter or year can have been before it."""
    if unit == "week":
        return day.weekday() == 0
    months = {"month": 1, "quarter": 3}.get(unit, 12)
    return day.day <= 4 and (day.month - 1) % months == 0


def _key(day: date, unit: str) -> tuple[int, ...]:
    if unit == "day":
        return (day.toordinal(),)
    if unit == "week":
        return day.isocalendar()[:2]
    return {"month": (day.year, day.month), "quarter": (day.year, (day.month - 1) // 3)}.get(unit, (day.year,))


def _label(day: date, unit: str, *, year: bool) -> str:
    """`year`: say it although it is not January, because no mark is."""
    month = MONTHS[day.month - 1][:3]
    if unit in {"day", "week"}:
        return f"{day.day} {month}"
    if unit == "year":
        return str(day.year)
    return f"{month} {day.year}" if year or day.month == 1 else month


def _rank(index: int, count: int) -> int:
    """Strides that contain each other, so that what remains on a narrow screen is still evenly spaced."""
    narrow = 1 if count <= 4 else 2 if count <= 8 else 4
    if index % narrow == 0:
        return 0
    return 1 if count <= 8 or index % 2 == 0 else 2


def _multiples(low: float, high: float, step: Step) -> range:
    """Whole numbers k with low <= k x step <= high, checked on the very floats that become ticks."""
    first, last = math.ceil(low / step.size), math.floor(high / step.size)
    first += float(f"{first * step.digit}e{step.power}") < low
    first -= float(f"{(first - 1) * step.digit}e{step.power}") >= low
    last -= float(f"{last * step.digit}e{step.power}") > high
    last += float(f"{(last + 1) * step.digit}e{step.power}") <= high
    return range(first, last + 1)
