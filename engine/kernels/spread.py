"""stdev and zscore: kernels of a window's spread, from sums of x and x x.

In: a row of values. Out: a function of the window and of nothing else. A window is added up in blocks counted from its
newest row, so a block's sum is the same whatever the history start and stands ready when the block has moved on: of 120
rows 22 are read. Adding in blocks also rounds less than adding row by row: the error of a sum is below
(block + rows / block) x 2**-53 times the sum of the absolute values.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from ..bars import Bools
from .kernel import Active, Arena, Array
from .window import Window

#: below this share of the squares the difference of the two sums is mostly rounding: 1/3000 of the level
_NOISE = 1e-7


class Spread:
    """Sample standard deviation (ddof 1) of the last rows, or with `score` (newest - mean) / that.

    In columns where the spread is less than 1/3000 of the level it comes from deviations from the newest value, which
    gives exactly 0 for a constant, and so no score. Which way a column goes depends on its own window alone."""

    __slots__ = (
        "_block",
        "_blocks",
        "_depth",
        "_gap",
        "_narrow",
        "_newest",
        "_pushes",
        "_row",
        "_rows",
        "_score",
        "_scratch",
        "_stale",
        "_sums",
        "_window",
        "out",
    )

    def __init__(self, window: Window, rows: int, arena: Arena, *, score: bool, pushes: bool) -> None:
        self._window = window
        self._rows = rows
        self._score = score
        self._pushes = pushes
        self._block = block_of(rows)
        self._depth = rows - self._block + 1
        self._row: Array = window.last(1)[0].copy()  # a fresh window holds missing values only
        width = len(self._row)
        self._blocks = Window(self._depth, width, np.float64(np.nan), values=2)  # sums of x and of x x over a block
        self._newest, self._sums, self._scratch, (self._gap, _) = arena.floats(8, width).reshape(4, 2, width)
        self._narrow: Bools = np.empty(width, dtype=np.bool_)
        self._stale = False
        self.out: Array = self._row[: window.width]

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self._pushes:
            self._window.push(args[0], active)
        if self._stale:
            self._rebuild()
        else:
            self._add_up(self._window.last(self._block))
            self._blocks.push(self._newest, active)
        np.add.reduce(self._blocks.last(self._depth)[:: self._block], axis=0, out=self._sums)
        self._deviate()
        if self._score:
            np.divide(self._gap, self._row, self._row)
        return self.out

    def _add_up(self, block: Array) -> None:
        total, squares = self._newest
        np.add.reduce(block, axis=0, out=total)
        np.einsum("ij,ij->j", block, block, out=squares)

    def _rebuild(self) -> None:
        """All blocks of the window, added up one by one as they would have been step by step."""
        rows = self._window.last(self._rows)
        sums = np.empty((self._depth, *self._newest.shape))
        for index, row in enumerate(sums):
            self._add_up(rows[index : index + self._block])
            row[...] = self._newest
        self._blocks.replace(sums)
        self._stale = False

    def _deviate(self) -> None:
        """Standard deviation into `_row`, newest value less the mean into `_gap`."""
        (total, squares), (mean, noise), row = self._sums, self._scratch, self._row
        np.divide(total, float(self._rows), mean)
        np.multiply(squares, _NOISE, noise)
        np.multiply(total, mean, row)
        np.subtract(squares, row, row)
        np.less_equal(row, noise, self._narrow)
        if self._score:
            np.subtract(self._window.last(1)[0], mean, self._gap)
        if 1 in self._narrow.tobytes():
            self._exact()
        np.divide(row, self._rows - 1.0, row)
        np.sqrt(row, row)

    def _exact(self) -> None:
        columns = np.flatnonzero(self._narrow)
        columns = np.resize(columns, max(len(columns), 2))  # one column alone would be added up in another order
        block = np.take(self._window.last(self._rows), columns, axis=1)
        block -= block[-1].copy()
        total = np.add.reduce(block, axis=0)
        # the newest value is among them, so that this subtraction loses a factor n at most
        self._row[columns] = np.einsum("ij,ij->j", block, block) - total * total / self._rows
        self._gap[columns] = -total / self._rows

    def _own(self) -> Array:
        rows: Array = self._window.last(self._rows)[:, : len(self.out)]
        return rows

    def state(self) -> tuple[Array, ...]:
        return (self._own().copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self._window.replace(state[0])
        self._stale = True

    def ready(self) -> Bools:
        missing: Bools = np.logical_or.reduce(np.isnan(self._own()), axis=0)
        return ~missing


def block_of(rows: int) -> int:
    """The largest divisor of `rows` that is not above its root: as few rows to read as whole blocks allow."""
    return next(size for size in range(isqrt(rows), 0, -1) if rows % size == 0)
