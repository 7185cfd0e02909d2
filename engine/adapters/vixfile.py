"""Daily VIX from a file: the two layouts in which it is published, as macro rows known after their day.

In: CBOE's layout (date,open,high,low,close) or FRED's (DATE or observation_date, VIXCLS; "." or a blank on holidays).
Out: `MacroRow` of the series "vix". A day's row is known from the midnight, New York, that ends the day, so a session
never sees its own day (R27). FRED's layout has closes only: open, high and low stay missing, they are not made up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from ..bars import Floats, Ints, MacroRow
from ..errors import DataError, SilentFeedError
from .barfile import require, table

SERIES = "vix"
_ZONE = ZoneInfo("America/New_York")
_OHLC = ("open", "high", "low", "close")


def known_after(day: date) -> int:
    """Epoch seconds of the midnight, New York, that ends a day."""
    following = day + timedelta(days=1)
    return int(datetime(following.year, following.month, following.day, tzinfo=_ZONE).timestamp())


class VixFile:
    """Implements `ports.MacroFeed` over one file, read once."""

    def __init__(self, path: Path) -> None:
        """DataError with file and line when the file is missing or holds something else."""
        if not path.is_file():
            raise DataError(f"the VIX file {path} does not exist", "give a CSV file as published by CBOE or FRED")
        self._days, self._values = _read(path)
        self._known: Ints = np.array([known_after(day) for day in self._days], np.int64)
        self._values.flags.writeable = False

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        """Rows with after < known_at <= until."""
        first, stop = np.searchsorted(self._known, (after, until), side="right")
        for i in range(int(first), int(stop)):
            yield MacroRow(SERIES, self._days[i].isoformat(), int(self._known[i]), self._values[i])


class WatchedVixFile:
    """Implements `ports.MacroFeed` over a file that somebody goes on writing, for a wall clock: it is read again when it changes.

    A day that comes into the file after the moment it was due is known from the tick that finds it, so that each day reaches
    exactly one tick; those up to `served` (the newest day that the journal holds, "" for a new one) are history."""

    def __init__(self, path: Path, served: str = "") -> None:
        """DataError as `VixFile`."""
        self._path, self._served = path, served
        self._stamp = _stamp(path)
        self._file = VixFile(path)

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        """Rows with after < known_at <= until; a warm-up asks from 0 on, and gets no day that a tick has not had. SilentFeedError
        while the changed file cannot be read."""
        self._read_again()
        due = list(self._file.rows(0, until))
        if not self._served:  # whoever asks first has had what was due before
            self._served = max((row.day for row in due if not after or row.known_at <= after), default="")
        history = [row for row in due if row.day <= self._served]
        if not after:
            return iter(history)
        fresh = [row for row in due if row.day > self._served]
        self._served = fresh[-1].day if fresh else self._served
        late = (replace(row, known_at=until) if row.known_at <= after else row for row in fresh)
        return iter([*(row for row in history if after < row.known_at), *late])

    def _read_again(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            self._file, self._stamp = VixFile(self._path), stamp
        except DataError as error:  # perhaps it is being written right now
            raise SilentFeedError(str(error), error.hint) from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


class NoMacro:
    """Implements `ports.MacroFeed` for a deployment without such a series."""

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:  # noqa: ARG002 - the port's signature
        """Nothing."""
        return iter(())


def _read(path: Path) -> tuple[tuple[date, ...], Floats]:
    frame = table(path, dtype=str, keep_default_na=False)
    frame = frame[(frame != "").any(axis=1)]
    frame.columns = frame.columns.str.lower()
    frame = frame.rename(columns={"observation_date": "date", "vixcls": "fred"})
    if "fred" in frame.columns and "close" not in frame.columns:
        require(path, frame, ("date", "fred"))
        frame = frame[~frame["fred"].str.strip().isin([".", ""])].rename(columns={"fred": "close"})
        names: tuple[str, ...] = ("close",)
    else:
        names = _OHLC
        require(path, frame, ("date", *names))
    if frame.empty:
        raise DataError(f"{path}: there is no value in it", "give a CSV file as published by CBOE or FRED")
    lines = frame.index.to_numpy(np.int64) + 2
    days = _days(path, frame["date"].str.strip(), lines)
    values = np.full((len(frame), 5), np.nan)
    for name in names:
        values[:, _OHLC.index(name)] = _column(path, frame[name], name, lines)
    return days, values


def _days(path: Path, text: pd.Series, lines: Ints) -> tuple[date, ...]:
    us_layout = bool(text.str.match(r"^\d\d/\d\d/\d{4}$").all())
    days = pd.to_datetime(text, format="%m/%d/%Y" if us_layout else "%Y-%m-%d", errors="coerce")
    bad = np.flatnonzero(days.isna())
    if len(bad):
        row = int(bad[0])
        raise DataError(f"{path}:{lines[row]}: '{text.iloc[row][:40]}' is not a date", "write dates as 2025-11-28")
    falling = np.flatnonzero(np.diff(days.to_numpy().astype(np.int64)) <= 0)
    if len(falling):
        row = int(falling[0]) + 1
        raise DataError(
            f"{path}:{lines[row]}: {text.iloc[row]} is not later than the line before", "sort, keep one per day"
        )
    return tuple(moment.date() for moment in days)


def _column(path: Path, column: pd.Series, name: str, lines: Ints) -> Floats:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers > 0)))
    if len(bad):
        row = int(bad[0])
        raise DataError(f"{path}:{lines[row]}: {name} is '{column.iloc[row]}'", "a VIX value is a number above 0")
    return numbers
