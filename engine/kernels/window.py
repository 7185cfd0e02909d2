"""Kernels whose value depends on the last n values of one argument, and on nothing else.

In: a row of values. Out: a function of the window in logical order, oldest first. The window is always one contiguous
slice of a buffer that is longer than it, so that the order of every sum is the same whatever the history start: same
bits. A window that holds a missing value has no value; before n values it holds NaN from the start, which is the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..bars import Bools
from .kernel import PLAIN_ZERO, UNKNOWN, Active, Array

Compute = Callable[[Array, Array], None]
Missing = np.float64 | np.float32 | np.uint8


class Window:
    """The last `length` rows, float, or uint8, [length, width] or [values, length, width], oldest first. Rows are at least two
    wide inside: over a single column numpy would add up in another order than over many.

    A block of rows goes in at once: `settle` moves the window to the front, the block is written into `slot`, and `take`
    makes it part of the window. Until then the window is what it was."""

    __slots__ = ("_end", "buffer", "length", "width")

    def __init__(self, length: int, width: int, missing: Missing, values: int = 0) -> None:
        self.length = length
        self.width = width
        shape = (length + max(length, 8), max(width, 2))
        self.buffer: Array = np.full((values, *shape) if values else shape, missing)
        self._end = length

    def last(self, rows: int) -> Array:
        """The newest rows as one contiguous block."""
        block: Array = self.buffer[..., self._end - rows : self._end, :]
        return block

    def push(self, row: Array, active: Active | None) -> None:
        """Append a row; idle columns keep their content, which takes a copy of those columns."""
        kept = None if active is None else self.last(self.length)[..., active.idle]
        if self._end == self.buffer.shape[-2]:
            self.settle()
        self.buffer[..., self._end, :] = row
        self._end += 1
        if active is not None:
            self.last(self.length)[..., active.idle] = kept

    def replace(self, rows: Array) -> None:
        """Overwrite the newest rows."""
        self.last(rows.shape[-2])[...] = rows

    def reserve(self, rows: int) -> None:
        """Make room for blocks of so many rows. Views of the buffer that were taken before are of no use after it."""
        if self.buffer.shape[-2] < self.length + rows:
            kept = self.last(self.length)
            self.buffer = np.zeros((*kept.shape[:-2], self.length + rows, kept.shape[-1]), kept.dtype)
            self.buffer[..., : self.length, :] = kept
            self._end = self.length

    def settle(self) -> None:
        """Move the window to the front of its buffer, where the next block continues it."""
        if self._end != self.length:
            self.buffer[..., : self.length, :] = self.last(self.length)
            self._end = self.length

    def slot(self, rows: int) -> Array:
        """Where the next so many rows go, once the window is settled."""
        return self.reach(0, rows)

    def reach(self, before: int, rows: int) -> Array:
        """The newest `before` rows of the settled window and the slot of the next `rows`, as one contiguous block."""
        block: Array = self.buffer[..., self.length - before : self.length + rows, :]
        return block

    def take(self, rows: int, active: Active | None) -> None:
        """What stands in the slot are the newest rows now; idle columns keep their content."""
        self._end = self.length + rows
        if active is not None:
            self.last(self.length)[..., active.idle] = self.buffer[..., : self.length, active.idle]


class Windowed:
    """A function of the last rows of a window. With `pushes` the window is the kernel's own; kernels that read the same
    values share one, which is pushed before the first of them steps."""

    __slots__ = ("_compute", "_row", "op", "out", "pushes", "rows", "window")

    def __init__(self, op: str, window: Window, rows: int, *, pushes: bool) -> None:
        self.op = op
        self.window = window
        self.rows = rows
        self.pushes = pushes
        self._compute = BLOCKS[op](rows)
        self._row: Array = window.last(1)[0].copy()  # a fresh window holds missing values only
        self.out: Array = self._row[: window.width]

    def reserve(self, rows: int) -> None:
        """Make room for blocks of so many rows."""
        self.window.reserve(rows)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self.pushes:
            self.window.push(args[0], active)
        self._compute(self.window.last(self.rows), self._row)
        return self.out

    def _own(self) -> Array:
        rows: Array = self.window.last(self.rows)[:, : len(self.out)]
        return rows

    def state(self) -> tuple[Array, ...]:
        return (self._own().copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self.window.replace(state[0])

    def ready(self) -> Bools:
        rows = self._own()
        known = rows != UNKNOWN if rows.dtype == np.uint8 else rows == rows  # noqa: PLR0124 - NaN differs from itself
        ready: Bools = np.logical_and.reduce(known, axis=0)
        return ready


class Extremum:
    """The largest or smallest of a window in a few operations per step, however long it is.

    Every n steps the window is folded backwards: `fold[k]` is the extreme of its rows k to n-1. After k more steps those
    are the old rows still inside, and the newer ones are in `newer`. An extreme is exact, so the grouping changes no bit.
    """

    __slots__ = ("fold", "newer", "out", "pick", "pushes", "row", "rows", "since", "window")

    def __init__(self, window: Window, rows: int, pick: np.ufunc, *, pushes: bool) -> None:
        self.window = window
        self.rows = rows
        self.pick = pick
        self.pushes = pushes
        self.row: Array = window.last(1)[0].copy()
        self.newer: Array = self.row.copy()
        self.fold: Array = np.full((rows, len(self.row)), np.nan)
        self.since = rows  # steps since the last fold; `rows` asks for one
        self.out: Array = self.row[: window.width]

    def reserve(self, rows: int) -> None:
        """Make room for blocks of so many rows."""
        self.window.reserve(rows)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self.pushes:
            self.window.push(args[0], active)
        self.since += 1
        if self.since >= self.rows:
            self.refold(self.window.last(self.rows))
            np.add(self.fold[0], PLAIN_ZERO, self.row)
            return self.out
        newest = self.window.last(1)[0]
        if self.since == 1:
            np.copyto(self.newer, newest)
        else:
            self.pick(self.newer, newest, out=self.newer)
        if active is not None:
            # an idle column still has the row that the others lost
            self.fold[self.since :, active.idle] = self.fold[self.since - 1 : -1, active.idle]
        self.pick(self.fold[self.since], self.newer, out=self.row)
        np.add(self.row, PLAIN_ZERO, self.row)
        return self.out

    def refold(self, rows: Array) -> None:
        """Fold this window backwards."""
        fold, pick = self.fold, self.pick
        fold[-1] = rows[-1]
        for index in range(self.rows - 2, -1, -1):
            pick(rows[index], fold[index + 1], out=fold[index])
        self.since = 0

    def state(self) -> tuple[Array, ...]:
        return (self.window.last(self.rows)[:, : len(self.out)].copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self.window.replace(state[0])
        self.since = self.rows

    def ready(self) -> Bools:
        missing: Bools = np.logical_or.reduce(np.isnan(self.window.last(self.rows)[:, : len(self.out)]), axis=0)
        return ~missing


def rows_of(op: str, length: int) -> int:
    """Rows of window that an op of this length reads: `lag` and `roc` look `length` back and need one more."""
    return length + 1 if op in {"lag", "roc"} else length


def window_for(op: str, rows: int, width: int) -> Window:
    """A fresh window for values of the kind that `op` reads."""
    return Window(rows, width, UNKNOWN if op == "for_bars" else np.float64(np.nan))


def _simple(compute: Compute) -> Callable[[int], Compute]:
    return lambda _rows: compute


def _lag(window: Array, out: Array) -> None:
    np.copyto(out, window[0])


def change(base: Array, newest: Array, out: Array) -> None:
    """newest / base - 1; there is none from 0."""
    np.divide(newest, base, out)
    np.subtract(out, 1.0, out)
    zero = np.equal(base, 0.0)
    if 1 in zero.tobytes():
        np.copyto(out, np.nan, where=zero)


def _roc(window: Array, out: Array) -> None:
    change(window[0], window[-1], out)


def _sum(window: Array, out: Array) -> None:
    # from 0.0, whatever numpy's own beginning is: a sum of nothing but -0.0 is 0.0
    np.add.reduce(window, axis=0, out=out, initial=0.0)


def _sma(window: Array, out: Array) -> None:
    _sum(window, out)
    np.divide(out, float(len(window)), out)


def _all_true(window: Array, out: Array) -> None:
    np.minimum.reduce(window, axis=0, out=out)


def slope_weights(rows: int) -> tuple[Array, float]:
    """Weights of the rows, [rows], and what their weighted sum is divided by: least squares against 0..n-1."""
    steps = np.arange(rows) - (rows - 1) / 2
    return steps, float(np.sum(steps * steps))


def _slope(rows: int) -> Compute:
    """Ordinary least squares against 0..n-1, per bar (TA-Lib LINEARREG_SLOPE)."""
    steps, scale = slope_weights(rows)
    weighted: list[Array] = []

    def compute(window: Array, out: Array) -> None:
        if not weighted:
            weighted.append(np.empty_like(window))
        np.multiply(window, steps[:, np.newaxis], weighted[0])
        _sum(weighted[0], out)
        np.divide(out, scale, out)

    return compute


EXTREMA: dict[str, np.ufunc] = {"highest": np.maximum, "lowest": np.minimum}

#: ops as functions of the last rows, by their number
BLOCKS: dict[str, Callable[[int], Compute]] = {
    "lag": _simple(_lag),
    "roc": _simple(_roc),
    "sum": _simple(_sum),
    "sma": _simple(_sma),
    "slope": _slope,
    "for_bars": _simple(_all_true),
}
