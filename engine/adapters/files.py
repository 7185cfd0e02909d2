"""Bar feed from a folder of files, one per symbol: recorded data for replays and for a market written by another program.

In: a folder of `<SYMBOL>.csv[.gz]` or `<SYMBOL>.parquet`, the universe, the exchange's sessions, the rate of the files.
Out: closed 15m bars on the session grid, as views of one read-only block. Finer files are aggregated here (session grid,
first open, highest high, lowest low, last close, sum of volume); their own opens stay at hand for fills. Bars outside
regular sessions are dropped and counted. Files are read once, when the feed is opened.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ..bars import FIELDS, BarRow, Bools, Floats, Ints, OpenRow
from ..errors import DataError
from .barfile import SUFFIXES, RawBars, read_bars
from .sessions import BAR, Sessions, bar_ends, locate

RATES = {"15m": 900, "5m": 300, "1m": 60}


@dataclass(frozen=True, slots=True)
class FileNote:
    """What was taken from one file: bars kept (at the file's rate) and bars dropped as outside regular sessions."""

    symbol: str
    path: Path
    kept: int
    dropped: int


@dataclass(frozen=True, slots=True)
class _Series:
    starts: Ints
    values: Floats


class FilesBars:
    """Implements `ports.BarFeed` over files that do not change while they are used."""

    def __init__(
        self,
        folder: Path,
        symbols: tuple[str, ...],
        sessions: Sessions,
        *,
        rate: Literal["15m", "5m", "1m"] = "15m",
        delay: int = 0,
    ) -> None:
        """Read all symbols; DataError names what is missing or wrong. `delay`: seconds from a bar's end to known."""
        paths = find_files(folder, symbols)
        self._symbols = symbols
        self._source = f"files:{folder.name}"
        notes: list[FileNote] = []
        fine: list[_Series] = []
        for symbol, path in zip(symbols, paths, strict=True):
            series, note = _regular(symbol, read_bars(path), sessions, rate)
            fine.append(series)
            notes.append(note)
        self.notes = tuple(notes)
        coarse = fine if rate == "15m" else [_aggregate(series, sessions) for series in fine]
        self._starts, self._values, self._present = _block(coarse)
        self._ends = bar_ends(sessions, self._starts)
        self._known = self._ends + delay
        if rate == "15m":
            self._open_starts, self._opens = self._starts, self._values[:, 0]
        else:
            self._open_starts, self._opens = _open_block(fine)
        for array in (self._values, self._present, self._opens):
            array.flags.writeable = False

    @property
    def symbols(self) -> tuple[str, ...]:
        """The universe, in column order."""
        return self._symbols

    @property
    def source(self) -> str:
        """`files:` and the folder's name."""
        return self._source

    def span(self) -> tuple[int, int]:
        """Start of the first and end of the last bar."""
        return int(self._starts[0]), int(self._ends[-1])

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until; `values` and `present` are read-only views."""
        first, stop = np.searchsorted(self._known, (after, until), side="right")
        for i in range(int(first), int(stop)):
            yield BarRow(
                int(self._starts[i]), int(self._ends[i]), int(self._known[i]), self._values[i], self._present[i]
            )

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        """Opening prices at the files' own rate with after < start <= until."""
        first, stop = np.searchsorted(self._open_starts, (after, until), side="right")
        for i in range(int(first), int(stop)):
            yield OpenRow(int(self._open_starts[i]), self._opens[i])


def find_files(folder: Path, symbols: tuple[str, ...]) -> tuple[Path, ...]:
    """The file of each symbol; DataError lists every symbol without one, with near names, or with several."""
    if not symbols:
        raise DataError("the universe is empty", "name at least one symbol")
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise DataError(f"the bars folder {folder} {what}", "give the folder that holds <SYMBOL>.csv files")
    there = _listing(folder)
    if not there:
        raise DataError(
            f"the bars folder {folder} holds no bar file", "it should hold <SYMBOL>.csv, .csv.gz or .parquet"
        )
    missing = [symbol for symbol in symbols if symbol not in there]
    if missing:
        listed = ", ".join(_near(symbol, there) for symbol in missing)
        raise DataError(
            f"{folder} has no bars for {len(missing)} of {len(symbols)} symbols: {listed}",
            "add <SYMBOL>.csv files or take these symbols out of the universe",
        )
    doubled = [symbol for symbol in symbols if len(there[symbol]) > 1]
    if doubled:
        names = ", ".join(path.name for path in there[doubled[0]])
        raise DataError(f"{folder} has more than one file for {doubled[0]}: {names}", "keep one of them")
    return tuple(there[symbol][0] for symbol in symbols)


def _listing(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        for suffix in SUFFIXES:
            if path.name.endswith(suffix):
                found.setdefault(path.name.removesuffix(suffix), []).append(path)
    return found


def _near(symbol: str, there: dict[str, list[Path]]) -> str:
    upper = {name.upper(): name for name in there}
    close = difflib.get_close_matches(symbol.upper(), list(upper), 2, 0.7)
    return f"{symbol} (near: {', '.join(upper[name] for name in close)})" if close else symbol


def _regular(symbol: str, bars: RawBars, sessions: Sessions, rate: str) -> tuple[_Series, FileNote]:
    """Bars inside regular sessions, on the grid of their rate."""
    _check_coverage(bars, sessions)
    number, inside = locate(sessions, bars.starts)
    if not inside.any():
        raise DataError(
            f"{bars.path}: none of its {len(bars.starts)} bars lies in a regular session",
            "are local times written as UTC, or is it the calendar of another exchange?",
        )
    seconds = RATES[rate]
    off = inside & ((bars.starts - sessions.opens[number]) % seconds != 0)
    if off.any():
        row = int(np.flatnonzero(off)[0])
        stamp = np.datetime_as_string(np.datetime64(int(bars.starts[row]), "s"))
        raise DataError(
            f"{bars.place(row)}: {stamp}Z is off the {rate} grid of its session",
            _rate_hint(bars.starts[inside], seconds),
        )
    starts = bars.starts[inside]
    step = int(np.diff(starts).min()) if len(starts) >= 26 else seconds
    # a session's worth of bars that all stand on a coarser grid are coarser bars, not chance
    if step > seconds and not ((starts - sessions.opens[number[inside]]) % step).any():
        raise DataError(f"{bars.path}: no two bars are {rate} apart", _rate_hint(starts, seconds))
    series = _Series(starts, bars.fields[:, inside])
    return series, FileNote(symbol, bars.path, len(starts), len(bars.starts) - len(starts))


def _rate_hint(starts: Ints, seconds: int) -> str:
    steps = np.diff(starts)
    least = int(steps.min()) if len(steps) else seconds
    fitting = next((name for name, size in RATES.items() if size == least != seconds), "")
    return f"the file seems to hold {fitting} bars: say `rate: {fitting}`" if fitting else "remove or correct this bar"


def _check_coverage(bars: RawBars, sessions: Sessions) -> None:
    """Bars far outside of the calendar's own range would be dropped as if the exchange had been closed."""
    slack = 7 * 86400
    early = bars.starts[0] < sessions.opens[0] - slack
    if early or bars.starts[-1] > sessions.closes[-1] + slack:
        row = 0 if early else len(bars.starts) - 1
        first, last = (
            np.datetime64(int(m), "s").astype("datetime64[D]") for m in (sessions.opens[0], sessions.closes[-1])
        )
        raise DataError(
            f"{bars.place(row)}: the calendar covers {first} to {last} only", "remove the bars outside of that range"
        )


def _aggregate(series: _Series, sessions: Sessions) -> _Series:
    """Finer bars of one symbol as 15m bars counted from each session's open."""
    number, _ = locate(sessions, series.starts)
    opens = sessions.opens[number]
    bucket = opens + (series.starts - opens) // BAR * BAR
    first = np.flatnonzero(np.diff(bucket, prepend=-1))
    last = np.append(first[1:], len(bucket)) - 1
    open_, high, low, close, volume = series.values
    values = np.stack(
        (
            open_[first],
            np.maximum.reduceat(high, first),
            np.minimum.reduceat(low, first),
            close[last],
            np.add.reduceat(volume, first),
        )
    )
    return _Series(bucket[first], values)


def _block(columns: list[_Series]) -> tuple[Ints, Floats, Bools]:
    """All symbols on the union of their starts: starts [T], values [T, 5, S], present [T, S]."""
    grid = np.unique(np.concatenate([series.starts for series in columns]))
    values = np.full((len(grid), len(FIELDS), len(columns)), np.nan)
    present = np.zeros((len(grid), len(columns)), bool)
    for i, series in enumerate(columns):
        at = np.searchsorted(grid, series.starts)
        values[at, :, i] = series.values.T
        present[at, i] = True
    return grid, values, present


def _open_block(columns: list[_Series]) -> tuple[Ints, Floats]:
    grid = np.unique(np.concatenate([series.starts for series in columns]))
    prices = np.full((len(grid), len(columns)), np.nan)
    for i, series in enumerate(columns):
        prices[np.searchsorted(grid, series.starts), i] = series.values[0]
    return grid, prices
