"""stdev, zscore and percentile over a block.

In: a kernel, and its window settled with the block in its slot. Out: a `Run`. The sums over blocks of a window that the
step keeps are kept here as well, the new ones added up in the same order.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Floats
from .block import Scratch, known_windows
from .blockwindow import add_up, shifted
from .kernel import Active, Array
from .rank import Percentile, narrowed
from .spread import Spread, deviations, exactly


class SpreadRun:
    """`Spread` over a block."""

    def __init__(self, kernel: Spread, out: Array, scratch: Scratch) -> None:
        self._kernel = kernel
        self._out = out
        window, count, rows = kernel.window, len(out), kernel.rows
        self._reach = window.reach(rows - 1, count)
        width = self._reach.shape[1]
        near = window.reach(kernel.block - 1, count)
        squares = scratch.floats("squares", *near.shape)
        self._squared = near, squares
        self._total, self._square = scratch.floats("total", count, width), scratch.floats("square", count, width)
        # a block's sum at each row, then a window's as the sum of blocks that follow one another
        blocks = kernel.blocks.reach(kernel.depth - 1, count)
        self._sums = [
            (shifted(values, kernel.block, count), shifted(sums, kernel.depth, count)[:: kernel.block], whole)
            for values, sums, whole in zip((near, squares), blocks, (self._total, self._square), strict=True)
        ]
        self._mean = scratch.floats("mean", count, width)
        self._gap = scratch.floats("gap", count, width)
        self._narrow = scratch.bools("narrow", count, width)
        self._row = out if out.shape[1] == width else scratch.floats("spread", count, width)

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        kernel, row = self._kernel, self._row
        kernel.refresh()
        near, squares = self._squared
        np.multiply(near, near, squares)
        kernel.blocks.settle()
        for parts, blocks, whole in self._sums:
            add_up(parts, blocks[-1])
            add_up(blocks, whole)
        deviations(kernel.rows, self._total, self._square, (self._mean, self._gap, self._narrow, row))
        if kernel.score:
            np.subtract(self._reach[kernel.rows - 1 :], self._mean, self._gap)
        if self._narrow.any():
            self._exact()
        np.divide(row, kernel.rows - 1.0, row)
        np.sqrt(row, row)
        if kernel.score:
            np.divide(self._gap, row, row)
        if row is not self._out:
            np.copyto(self._out, row[:, : self._out.shape[1]])

    def _exact(self) -> None:
        times, columns = np.nonzero(self._narrow)
        if len(times) == 1:  # one window alone would be added up in another order
            times, columns = np.repeat(times, 2), np.repeat(columns, 2)
        windows = windows_of(self._reach, self._kernel.rows, times, columns)
        self._row[times, columns], self._gap[times, columns] = exactly(windows)

    def commit(self, active: Active | None) -> None:
        self._kernel.blocks.take(len(self._out), active)

    def ready(self) -> Bools | None:
        return known_windows(self._reach[:, : self._out.shape[1]], self._kernel.rows)


class PercentileRun:
    """`Percentile` over a block: as the step, but what follows the counting is done once."""

    def __init__(self, kernel: Percentile, out: Array, scratch: Scratch) -> None:
        self._kernel = kernel
        self._out = out
        window, count, rows = kernel.window, len(out), kernel.rows
        self._reach = window.reach(rows - 1, count)
        self._near = kernel.near.reach(rows - 1, count)
        width = self._reach.shape[1]
        self._codes = scratch.codes("flags", rows, width)
        wide = scratch.codes if rows <= 255 else scratch.words
        self._below, self._up_to = wide("below", count, width), wide("up to", count, width)
        self._row = out if out.shape[1] == width else scratch.floats("spread", count, width)
        self._known = False

    def run(self, active: Active | None) -> None:
        kernel, row, rows = self._kernel, self._row, self._kernel.rows
        kernel.refresh()
        kernel.near.settle()
        newest = self._near[rows - 1 :]
        newest[...] = narrowed(self._reach[rows - 1 :])
        self._count()
        tied = (self._up_to - self._below > 1) & (newest != 0)  # only zero is zero in both precisions
        if tied.any():
            self._recount(*np.nonzero(tied))
        np.add(self._below, self._up_to, row, dtype=np.float64)
        np.add(row, 1.0, row)
        np.multiply(row, 0.5, row)
        np.divide(row, float(rows), row)
        self._known = kernel.known and active is None and not np.isnan(newest).any()
        if not self._known:
            known = known_windows(self._near, rows)
            np.copyto(row, np.nan, where=~known)
            self._known = bool(known[-1].all()) and active is None
        if row is not self._out:
            np.copyto(self._out, row[:, : self._out.shape[1]])

    def _count(self) -> None:
        flags, rows = self._codes.view(np.bool_), self._kernel.rows
        for index, (below, up_to) in enumerate(zip(self._below, self._up_to, strict=True)):
            near = self._near[index : index + rows]
            for compare, count in ((np.less, below), (np.less_equal, up_to)):
                compare(near, near[-1], flags)
                np.add.reduce(self._codes, axis=0, dtype=count.dtype, out=count)

    def _recount(self, times: Array, columns: Array) -> None:
        windows = windows_of(self._reach, self._kernel.rows, times, columns)
        self._below[times, columns] = np.add.reduce(windows < windows[-1], axis=0, dtype=self._below.dtype)
        self._up_to[times, columns] = np.add.reduce(windows <= windows[-1], axis=0, dtype=self._up_to.dtype)

    def commit(self, active: Active | None) -> None:
        self._kernel.near.take(len(self._out), active)
        self._kernel.known = self._known

    def ready(self) -> Bools | None:
        return known_windows(self._reach[:, : self._out.shape[1]], self._kernel.rows)


def windows_of(reach: Array, rows: int, times: Array, columns: Array) -> Floats:
    """Windows that end at some rows in some columns, [rows, windows]."""
    windows: Floats = reach[np.arange(rows)[:, np.newaxis] + times, columns]
    return windows
