"""percentile: where the newest value of a window stands among the others.

In: a row of values. Out: a function of the window and of nothing else: it counts, so it rounds once. Most of the work is
reading the window; it is therefore kept a second time in single precision, where rounding never turns an order around.
Only columns in which that makes values equal are counted again in full.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Ints
from .kernel import Active, Arena, Array
from .window import Window

_TINY = np.finfo(np.float32).smallest_subnormal


class Percentile:
    """Share of the last rows at or below the newest value, ties averaged: pandas `rolling(n).rank(pct=True)`."""

    __slots__ = (
        "_below",
        "_codes",
        "_flags",
        "_row",
        "_stale",
        "_up_to",
        "known",
        "near",
        "out",
        "pushes",
        "rows",
        "window",
    )

    def __init__(self, window: Window, rows: int, arena: Arena, *, pushes: bool) -> None:
        self.window = window
        self.rows = rows
        self.pushes = pushes
        self._row: Array = window.last(1)[0].copy()  # a fresh window holds missing values only
        width = len(self._row)
        self.near = Window(rows, width, np.float32(np.nan))
        self._codes = arena.codes(rows, width)
        self._flags: Bools = self._codes.view(np.bool_)
        self._below, self._up_to = np.empty((2, width), dtype=np.uint8 if rows <= 255 else np.uint16)
        self.known = False  # True: the window holds no missing value
        self._stale = False
        self.out: Array = self._row[: window.width]

    def reserve(self, rows: int) -> None:
        """Make room for blocks of so many rows."""
        for window in (self.window, self.near):
            window.reserve(rows)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if self.pushes:
            self.window.push(args[0], active)
        newest = self.window.last(1)[0]
        if self._stale:
            self.refresh()
        else:
            self.near.push(narrowed(newest), active)
        self._count()
        row = self._row
        np.add(self._below, self._up_to, row, dtype=np.float64)
        np.add(row, 1.0, row)
        np.multiply(row, 0.5, row)
        np.divide(row, float(self.rows), row)
        self._blank(newest)
        return self.out

    def refresh(self) -> None:
        """The window in single precision, where it is not known."""
        if self._stale:
            self.near.replace(narrowed(self.window.last(self.rows)))
            self.known = self._stale = False

    def _count(self) -> None:
        """Values below the newest and not above it, per column."""
        near, below, up_to = self.near.last(self.rows), self._below, self._up_to
        for compare, count in ((np.less, below), (np.less_equal, up_to)):
            compare(near, near[-1], self._flags)
            np.add.reduce(self._codes, axis=0, dtype=count.dtype, out=count)
        tied = (up_to - below > 1) & (near[-1] != 0)  # only zero is zero in both precisions
        if 1 in tied.tobytes():
            self._recount(np.flatnonzero(tied))

    def _recount(self, columns: Ints) -> None:
        block = np.take(self.window.last(self.rows), columns, axis=1)
        self._below[columns] = np.add.reduce(block < block[-1], axis=0, dtype=self._below.dtype)
        self._up_to[columns] = np.add.reduce(block <= block[-1], axis=0, dtype=self._up_to.dtype)

    def _blank(self, newest: Array) -> None:
        """A window that holds a missing value has no value; looked for only after one came in, until it has left."""
        self.known = self.known and 1 not in np.isnan(newest).tobytes()
        if not self.known:
            near = self.near.last(self.rows)
            np.not_equal(near, near, self._flags)
            missing = np.logical_or.reduce(self._flags, axis=0)
            np.copyto(self._row, np.nan, where=missing)
            self.known = not missing.any()

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


def narrowed(values: Array) -> Array:
    """Single precision, in an order that fits: a < b is never answered with b < a, and only zero becomes zero."""
    near = values.astype(np.float32)
    vanished = (near == 0) & (values != 0)
    if 1 in vanished.tobytes():
        np.copyto(near, np.copysign(_TINY, values.astype(np.float32)), where=vanished)
    return near
