"""Windowed kernels over a block: the window's rows and the block's stand in one buffer, so a window of n rows that ends
at each row of the block is n shifted views of it.

In: a kernel, and its window settled with the block in its slot. Out: a `Run`. Sums are added oldest row first, as the
step does; extremes are exact in any order.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..bars import Bools
from .block import Run, Scratch, known_windows
from .kernel import PLAIN_ZERO, Active, Array
from .window import Extremum, Window, Windowed, change, slope_weights

Act = Callable[[], None]

#: below this many columns, or with this few rows of window, doubling takes less than folding
_NARROW, _SHORT = 128, 16


class Pushed:
    """A kernel whose window is its own: the block goes into it first."""

    def __init__(self, window: Window, source: Array, bind: Callable[[], Run]) -> None:
        self._window = window
        self._source = source
        self._inner = bind()

    def run(self, active: Active | None) -> None:
        self._window.settle()
        self._window.slot(len(self._source))[...] = self._source
        self._inner.run(active)

    def commit(self, active: Active | None) -> None:
        self._inner.commit(active)
        self._window.take(len(self._source), active)

    def ready(self) -> Bools | None:
        return self._inner.ready()


class WindowedRun:
    """`Windowed` over a block."""

    def __init__(self, kernel: Windowed, out: Array, scratch: Scratch) -> None:
        self._rows = kernel.rows
        self._reach = kernel.window.reach(kernel.rows - 1, len(out))[:, : out.shape[1]]
        self._act = _BIND[kernel.op](self._reach, kernel.rows, out, scratch)

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        self._act()

    def commit(self, active: Active | None) -> None:
        """The window is all that there is, and whoever filled it moves it on."""

    def ready(self) -> Bools | None:
        return known_windows(self._reach, self._rows)


class ExtremumRun:
    """`Extremum` over a block: long windows are folded as in a step, short ones by doubling."""

    def __init__(self, kernel: Extremum, out: Array, scratch: Scratch) -> None:
        self._kernel = kernel
        self._out = out
        count, self._width = out.shape
        self._reach = kernel.window.reach(kernel.rows - 1, count)
        self._doubles = kernel.rows <= _SHORT or self._width <= _NARROW
        if self._doubles:
            self._act = _doubling(self._reach[:, : self._width], kernel, out, scratch)
        else:
            self._newer = scratch.floats("newer", *self._reach[-count:].shape)
            self._pairs = list(zip(self._newer, self._newer[1:], self._reach[kernel.rows :], strict=False))
        self._since = kernel.rows
        self._last = kernel.newer.copy()

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        if self._doubles:
            self._act()
        else:
            self._since = self._folded()
            np.add(self._out, PLAIN_ZERO, self._out)

    def _folded(self) -> int:
        """As `Extremum.step`, with the rows between two folds at once. Returns the steps since the last fold."""
        kernel, count, at = self._kernel, len(self._out), 0
        since, rows, width = kernel.since, kernel.rows, self._width
        while at < count:
            if since + 1 >= rows:
                kernel.refold(self._reach[at : at + rows])
                kernel.since = rows  # a second run of these rows begins with a fold
                np.copyto(self._out[at], kernel.fold[0, :width])
                at, since = at + 1, 0
                continue
            stop = min(count, at + rows - 1 - since)
            newest = self._reach[at + rows - 1]
            if since == 0:
                np.copyto(self._newer[at], newest)
            else:
                kernel.pick(self._newer[at - 1] if at else kernel.newer, newest, out=self._newer[at])
            for before, after, row in self._pairs[at : stop - 1]:
                kernel.pick(before, row, out=after)
            older = kernel.fold[since + 1 : since + 1 + stop - at, :width]
            kernel.pick(older, self._newer[at:stop, :width], out=self._out[at:stop])
            since, at = since + stop - at, stop
        if since:
            np.copyto(self._last, self._newer[-1])
        return since

    def commit(self, active: Active | None) -> None:
        kernel = self._kernel
        kernel.since = kernel.rows if self._doubles or active is not None else self._since
        np.copyto(kernel.newer, self._last)

    def ready(self) -> Bools | None:
        return known_windows(self._reach[:, : self._width], self._kernel.rows)


def _doubling(reach: Array, kernel: Extremum, out: Array, scratch: Scratch) -> Act:
    """Extremes of 2, 4, 8 ... rows, each of two of the half; the last two overlap."""
    pick, rows, count = kernel.pick, kernel.rows, len(out)
    steps: list[tuple[Array, Array, Array]] = []
    size, now = 1, reach
    while size * 2 <= rows:
        after = scratch.floats(f"doubled{len(steps) % 2}", len(reach), out.shape[1])[: len(now) - size]
        steps.append((now[:-size], now[size:], after))
        size, now = size * 2, after
    steps.append((now[:count], now[rows - size : rows - size + count], out))

    def act() -> None:
        for one, other, after in steps:
            pick(one, other, out=after)
        np.add(out, PLAIN_ZERO, out)

    return act


def _lag(reach: Array, _rows: int, out: Array, _scratch: Scratch) -> Act:
    oldest = reach[: len(out)]
    return lambda: np.copyto(out, oldest)


def _roc(reach: Array, rows: int, out: Array, _scratch: Scratch) -> Act:
    base, newest = reach[: len(out)], reach[rows - 1 :]
    return lambda: change(base, newest, out)


def shifted(reach: Array, rows: int, count: int) -> list[Array]:
    """The rows of `count` windows: the oldest of all of them, the next of all, and so on."""
    return [reach[index : index + count] for index in range(rows)]


def add_up(parts: list[Array], out: Array) -> None:
    """0.0 + the first + the second ...: the order of `np.add.reduce` over rows."""
    np.add(parts[0], PLAIN_ZERO, out)
    for part in parts[1:]:
        np.add(out, part, out)


def _sum(reach: Array, rows: int, out: Array, _scratch: Scratch) -> Act:
    parts = shifted(reach, rows, len(out))
    return lambda: add_up(parts, out)


def _sma(reach: Array, rows: int, out: Array, _scratch: Scratch) -> Act:
    parts = shifted(reach, rows, len(out))

    def act() -> None:
        add_up(parts, out)
        np.divide(out, float(rows), out)

    return act


def _slope(reach: Array, rows: int, out: Array, scratch: Scratch) -> Act:
    weights, scale = slope_weights(rows)
    parts = list(zip(weights.tolist(), shifted(reach, rows, len(out)), strict=True))
    weighted = scratch.floats("weighted", *out.shape)

    def act() -> None:
        out.fill(0.0)
        for weight, part in parts:
            np.multiply(part, weight, weighted)
            np.add(out, weighted, out)
        np.divide(out, scale, out)

    return act


def _for_bars(reach: Array, rows: int, out: Array, _scratch: Scratch) -> Act:
    first, *parts = shifted(reach, rows, len(out))

    def act() -> None:
        np.copyto(out, first)
        for part in parts:
            np.minimum(out, part, out=out)

    return act


_BIND: dict[str, Callable[[Array, int, Array, Scratch], Act]] = {
    "lag": _lag,
    "roc": _roc,
    "sum": _sum,
    "sma": _sma,
    "slope": _slope,
    "for_bars": _for_bars,
}
