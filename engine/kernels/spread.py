"""stdev and zscore: kernels of a window's spread, from sums of x and x x.

In: a row of values. Out: a function of the window and of nothing else. A window is added up in blocks counted from its
newest row, so a block's sum is the same whatever the history start and stands ready when the block has moved on: of 120
rows 22 are read. Adding in blocks also rounds less than adding row by row: the error of a sum is below
(block + rows / block) x 2**-53 times the sum of the absolute values.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from ..bars import Bools, Floats
from .kernel import Active, Arena, Array
from .window import Window

#: below this share of the squares the difference of the two sums is mostly rounding: 1/3000 of the level
_NOISE = 1e-7


class Spread:
    """Sample standard deviation (ddof 1) of the last rows, or with `score` (newest - mean) / that.

    In columns where the spread is less than 1/3000 of the level it comes from deviations from the newest value, which
    gives exactly 0 for a constant, and so no score. Which way a column goes depends on its own window alone."""

    __slots__ = (
        "_gap",
        "_narrow",
        "_newest",
        "_row",
        "_scratch",
        "_squares",
        "_stale",
        "_sums",
        "block",
        "blocks",
        "depth",
        "out",
        "pushes",
        "rows",
        "score",
        "window",
    )

    def __init__(self, window: Window, rows: int, arena: Arena, *, score: bool, pushes: bool) -> None:
        self.window = window
        self.rows = rows
        self.score = score
        self.pushes = pushes
        self.block = block_of(rows)
        self.depth = rows - self.block + 1
        self._row: Array = window.last(1)[0].copy()  # a fresh window holds missing values only
        width = len(self._row)
        self._squares = arena.floats(self.block, width, use="squares")
        self.blocks = Window(self.depth, width, np.float64(np.nan), values=2)  # sums of x and of x x over a block
        self._newest, self._sums, self._scratch, (self._gap, _) = arena.floats(8, width).reshape(4, 2, width)
        self._narrow: Bools = np.empty(width, dtype=np.bool_)
        self._stale = False
        self.out: Array = self._row[: window.width]

    def reserve(self, rows: int) -> None:
        """Make room for blocks of so many rows."""
        for window in (self.window, self.blocks):
            window.reserve(rows)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self.pushes:
            self.window.push(args[0], active)
        if self._stale:
            self.refresh()
        else:
            self._add_up(self.window.last(self.block))
            self.blocks.push(self._newest, active)
        np.add.reduce(self.blocks.last(self.depth)[:, :: self.block], axis=1, out=self._sums, initial=0.0)
        self._deviate()
        if self.score:
            np.divide(self._gap, self._row, self._row)
        return self.out

    def _add_up(self, block: Array) -> None:
        total, squares = self._newest
        np.add.reduce(block, axis=0, out=total, initial=0.0)
        np.multiply(block, block, self._squares)
        np.add.reduce(self._squares, axis=0, out=squares, initial=0.0)

    def refresh(self) -> None:
        """All blocks of the window, added up one by one as they would have been step by step, where they are not known."""
        if not self._stale:
            return
        rows, sums = self.window.last(self.rows), self.blocks.last(self.depth)
        for index in range(self.depth):
            self._add_up(rows[index : index + self.block])
            sums[:, index] = self._newest
        self._stale = False

    def _deviate(self) -> None:
        """Standard deviation into `_row`, newest value less the mean into `_gap`."""
        (total, squares), (mean, noise), row = self._sums, self._scratch, self._row
        deviations(self.rows, total, squares, (mean, noise, self._narrow, row))
        if self.score:
            np.subtract(self.window.last(1)[0], mean, self._gap)
        if 1 in self._narrow.tobytes():
            columns = np.flatnonzero(self._narrow)
            columns = np.resize(columns, max(len(columns), 2))  # one column alone would be added up in another order
            row[columns], self._gap[columns] = exactly(np.take(self.window.last(self.rows), columns, axis=1))
        np.divide(row, self.rows - 1.0, row)
        np.sqrt(row, row)

    def _own(self) -> Array:
        rows: Array = self.window.last(self.rows)[:, : len(self.out)]
        return rows

    def state(self) -> tuple[Array, ...]:
        return (self._own().copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self.window.replace(state[0])
        self._stale = True

    def ready(self) -> Bools:
        missing: Bools = np.logical_or.reduce(np.isnan(self._own()), axis=0)
        return ~missing


def deviations(rows: int, total: Floats, squares: Floats, out: tuple[Floats, Floats, Bools, Floats]) -> None:
    """From the sums of x and x x over `rows` values: mean, what counts as noise, where there is nothing but noise, and the
    sum of squared deviations, into the four of `out`."""
    mean, noise, narrow, row = out
    np.divide(total, float(rows), mean)
    np.multiply(squares, _NOISE, noise)
    np.multiply(total, mean, row)
    np.subtract(squares, row, row)
    np.less_equal(row, noise, narrow)


def exactly(windows: Floats) -> tuple[Floats, Floats]:
    """Sum of squared deviations, and newest value less the mean, of windows [rows, two or more] of their own."""
    gaps = windows - windows[-1]
    total = np.add.reduce(gaps, axis=0, initial=0.0)
    # the newest value is among them, so that this subtraction loses a factor n at most
    return np.add.reduce(gaps * gaps, axis=0, initial=0.0) - total * total / len(windows), -total / len(windows)


def block_of(rows: int) -> int:
    """The largest divisor of `rows` that is not above its root: as few rows to read as whole blocks allow."""
    return next(size for size in range(isqrt(rows), 0, -1) if rows % size == 0)
