"""Kernels whose value depends on the last n values of one argument, and on nothing else.

In: a row of values. Out: a function of the window in logical order, oldest first. The window is always one contiguous
slice of a buffer of double length, so that the order of every sum is the same whatever the history start: same bits.
A window that holds a missing value has no value; before n values it holds NaN from the start, which is the warm-up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..bars import Bools
from .kernel import PLAIN_ZERO, UNKNOWN, Active, Array

Compute = Callable[[Array, Array], None]
Missing = np.float64 | np.float32 | np.uint8


class Window:
    """The last `length` rows, float, or uint8, [length, width] or [length, values, width], oldest first. Rows are at least
    two wide inside: over a single column numpy would add up in another order than over many."""

    __slots__ = ("_buffer", "_end", "_length", "width")

    def __init__(self, length: int, width: int, missing: Missing, values: int = 0) -> None:
        self._length = length
        self.width = width
        shape = (values, max(width, 2)) if values else (max(width, 2),)
        self._buffer: Array = np.full((length + max(length, 8), *shape), missing)
        self._end = length

    def last(self, rows: int) -> Array:
        """The newest rows as one contiguous block."""
        block: Array = self._buffer[self._end - rows : self._end]
        return block

    def push(self, row: Array, active: Active | None) -> None:
        """Append a row; idle columns keep their content, which takes a copy of those columns."""
        kept = None if active is None else self.last(self._length)[..., active.idle]
        if self._end == len(self._buffer):
            self._buffer[: self._length] = self.last(self._length)
            self._end = self._length
        self._buffer[self._end] = row
        self._end += 1
        if active is not None:
            self.last(self._length)[..., active.idle] = kept

    def replace(self, rows: Array) -> None:
        """Overwrite the newest rows."""
        self.last(len(rows))[...] = rows


class Windowed:
    """A function of the last rows of a window. With `pushes` the window is the kernel's own; kernels that read the same
    values share one, which is pushed before the first of them steps."""

    __slots__ = ("_compute", "_pushes", "_row", "_rows", "_window", "out")

    def __init__(self, window: Window, rows: int, compute: Compute, *, pushes: bool) -> None:
        self._window = window
        self._rows = rows
        self._compute = compute
        self._pushes = pushes
        self._row: Array = window.last(1)[0].copy()  # a fresh window holds missing values only
        self.out: Array = self._row[: window.width]

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self._pushes:
            self._window.push(args[0], active)
        self._compute(self._window.last(self._rows), self._row)
        return self.out

    def _own(self) -> Array:
        rows: Array = self._window.last(self._rows)[:, : len(self.out)]
        return rows

    def state(self) -> tuple[Array, ...]:
        return (self._own().copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self._window.replace(state[0])

    def ready(self) -> Bools:
        rows = self._own()
        known = rows != UNKNOWN if rows.dtype == np.uint8 else rows == rows  # noqa: PLR0124 - NaN differs from itself
        ready: Bools = np.logical_and.reduce(known, axis=0)
        return ready


class Extremum:
    """The largest or smallest of a window in a few operations per step, however long it is.

    Every n steps the window is folded backwards: `_fold[k]` is the extreme of its rows k to n-1. After k more steps those
    are the old rows still inside, and the newer ones are in `_newer`. An extreme is exact, so the grouping changes no bit.
    """

    __slots__ = ("_fold", "_newer", "_pick", "_pushes", "_row", "_rows", "_since", "_window", "out")

    def __init__(self, window: Window, rows: int, pick: np.ufunc, *, pushes: bool) -> None:
        self._window = window
        self._rows = rows
        self._pick = pick
        self._pushes = pushes
        self._row: Array = window.last(1)[0].copy()
        self._newer: Array = self._row.copy()
        self._fold: Array = np.full((rows, len(self._row)), np.nan)
        self._since = rows  # steps since the last fold; `rows` asks for one
        self.out: Array = self._row[: window.width]

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self._pushes:
            self._window.push(args[0], active)
        self._since += 1
        if self._since >= self._rows:
            self._refold()
            return self.out
        newest = self._window.last(1)[0]
        if self._since == 1:
            np.copyto(self._newer, newest)
        else:
            self._pick(self._newer, newest, out=self._newer)
        if active is not None:
            # an idle column still has the row that the others lost
            self._fold[self._since :, active.idle] = self._fold[self._since - 1 : -1, active.idle]
        self._pick(self._fold[self._since], self._newer, out=self._row)
        np.add(self._row, PLAIN_ZERO, self._row)
        return self.out

    def _refold(self) -> None:
        rows, fold = self._window.last(self._rows), self._fold
        fold[-1] = rows[-1]
        for index in range(self._rows - 2, -1, -1):
            self._pick(rows[index], fold[index + 1], out=fold[index])
        np.add(fold[0], PLAIN_ZERO, self._row)
        self._since = 0

    def state(self) -> tuple[Array, ...]:
        return (self._window.last(self._rows)[:, : len(self.out)].copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        self._window.replace(state[0])
        self._since = self._rows

    def ready(self) -> Bools:
        missing: Bools = np.logical_or.reduce(np.isnan(self._window.last(self._rows)[:, : len(self.out)]), axis=0)
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


def _roc(window: Array, out: Array) -> None:
    base = window[0]
    np.divide(window[-1], base, out)
    np.subtract(out, 1.0, out)
    np.copyto(out, np.nan, where=base == 0.0)


def _sum(window: Array, out: Array) -> None:
    np.add.reduce(window, axis=0, out=out)


def _sma(window: Array, out: Array) -> None:
    np.add.reduce(window, axis=0, out=out)
    np.divide(out, float(len(window)), out)


def _all_true(window: Array, out: Array) -> None:
    np.minimum.reduce(window, axis=0, out=out)


def _slope(rows: int) -> Compute:
    """Ordinary least squares against 0..n-1, per bar (TA-Lib LINEARREG_SLOPE)."""
    steps = np.arange(rows) - (rows - 1) / 2
    scale = float(np.sum(steps * steps))

    def compute(window: Array, out: Array) -> None:
        np.einsum("i,ij->j", steps, window, out=out)
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
