"""Recorded or generated bars: the market that the venue fills against and serves.

In: a folder of `<SYMBOL>.csv.gz` (header timestamp,open,high,low,close,volume; timestamp is the bar's start, ISO 8601 UTC;
the step is the smallest gap). Out: `Series` per symbol. A bar's life [begin, end) is the part of its time that lies in a
session: the 09:00 bar of an hourly file lives from 09:30, a daily bar from open to close.

Splits happen in the venue's book, not in the files: a file's prices are those before any split. From a split on a share
costs 1/ratio of them (`Market.factor`).
"""

from __future__ import annotations

import csv
import gzip
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from .amounts import ZERO, moment
from .hours import Hours

NANO = 1_000_000_000
DAY = 86_400
TICK = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `start` as it stands in the file, life [begin, end), prices before splits."""

    start: int
    begin: int
    end: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


@dataclass(frozen=True, slots=True)
class Series:
    """Bars of one symbol as columns; begins and ends ascend."""

    starts: array[int]
    begins: array[int]
    ends: array[int]
    prices: tuple[array[float], array[float], array[float], array[float]]
    volumes: array[int]

    def __len__(self) -> int:
        return len(self.starts)

    def bar(self, row: int) -> Bar:
        # the text of a float is the text of the file again, so the Decimal is the recorded price
        opens, highs, lows, closes = self.prices
        return Bar(
            self.starts[row],
            self.begins[row],
            self.ends[row],
            Decimal(str(opens[row])),
            Decimal(str(highs[row])),
            Decimal(str(lows[row])),
            Decimal(str(closes[row])),
            self.volumes[row],
        )

    def begun(self, now: float) -> int:
        """Row of the last bar that has begun at `now`, -1 = none."""
        return bisect_right(self.begins, now) - 1

    def ended(self, now: float) -> int:
        """How many bars have ended at `now`."""
        return bisect_right(self.ends, now)

    def beginning_in(self, first: float, last: float) -> range:
        """Rows of the bars that begin in [first, last]."""
        return range(bisect_left(self.begins, first), bisect_right(self.begins, last))

    def ending_in(self, after: float, until: float) -> range:
        """Rows of the bars that end in (after, until]."""
        return range(bisect_right(self.ends, after), bisect_right(self.ends, until))


@dataclass(frozen=True, slots=True)
class Split:
    """`ratio` new shares for one old from `at` on; 0.1 is a reverse split."""

    symbol: str
    at: int
    ratio: Decimal


class Market:
    """All symbols of a folder, read when they are first asked for, and the splits that happened."""

    def __init__(self, folder: Path, hours: Hours, splits: Iterable[Split] = ()) -> None:
        self.folder = folder
        self._hours = hours
        self._files = {path.name.removesuffix(".csv.gz"): path for path in sorted(folder.glob("*.csv.gz"))}
        self._series: dict[str, Series] = {}
        self.splits: tuple[Split, ...] = tuple(splits)
        self.step = min((_step(path) for path in list(self._files.values())[:3]), default=900)

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self._files)

    def series(self, symbol: str) -> Series | None:
        """Bars of a symbol, None when the folder has no such file."""
        if symbol not in self._series and symbol in self._files:
            self._series[symbol] = read(self._files[symbol], self.step, self._hours)
        return self._series.get(symbol)

    def factor(self, symbol: str, at: float) -> Decimal:
        """How many shares one share of the file has become at a moment."""
        factor = Decimal(1)
        for split in self.splits:
            if split.symbol == symbol and split.at <= at:
                factor *= split.ratio
        return factor

    def traded(self, symbol: str, price: Decimal, at: float) -> Decimal:
        """What a price of the file is at a moment in dollars a share."""
        factor = self.factor(symbol, at)
        return price if factor == 1 else (price / factor).quantize(TICK)

    def price(self, symbol: str, now: float) -> Decimal:
        """What a share costs now: the open of the bar in progress, else the last close; 0 before the first bar."""
        series = self.series(symbol)
        row = series.begun(now) if series else -1
        if series is None or row < 0:
            return ZERO
        column = series.prices[0 if now < series.ends[row] else 3]
        return self.traded(symbol, Decimal(str(column[row])), now)

    def close_before(self, symbol: str, until: float) -> Decimal:
        """The close of the last bar that ended by `until`, in the shares of that moment; 0 before the first."""
        series = self.series(symbol)
        ended = series.ended(until) if series else 0
        return self.traded(symbol, series.bar(ended - 1).close, until) if series and ended else ZERO


def _step(path: Path) -> int:
    with gzip.open(path, "rt", newline="") as file:
        starts = [moment(row["timestamp"]) // NANO for _, row in zip(range(200), csv.DictReader(file), strict=False)]
    return min((b - a for a, b in pairwise(starts)), default=900)


def read(path: Path, step: int, hours: Hours) -> Series:
    """One file as a series. Bars outside sessions keep their own time."""
    starts, begins, ends, volumes = array("q"), array("q"), array("q"), array("q")
    prices = (array("d"), array("d"), array("d"), array("d"))
    with gzip.open(path, "rt", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for timestamp, *values in rows:
            start = moment(timestamp) // NANO
            day = hours.overlapping(start, start + min(step, DAY))
            starts.append(start)
            begins.append(max(start, day.open) if day else start)
            ends.append(min(start + step, day.close) if day else start + step)
            for column, value in zip(prices, values, strict=False):
                column.append(float(value))
            volumes.append(int(float(values[4])))
    return Series(starts, begins, ends, prices, volumes)


def write(path: Path, rows: Sequence[tuple[str, object, object, object, object, int]]) -> None:
    """Write a file of bars as `read` takes it: (timestamp, open, high, low, close, volume) a row. For generated bars."""
    with gzip.open(path, "wt", newline="") as file:
        out = csv.writer(file)
        out.writerow(("timestamp", "open", "high", "low", "close", "volume"))
        out.writerows(rows)
