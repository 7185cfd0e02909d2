"""Kernels that remember more than a window: exponential averages, RSI, true range.

In: rows of values. Out: one row. A missing value is skipped: no value for that bar, state untouched. `seen` counts the
values that went in and stops at n, so that state does not depend on how long a kernel has been running.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..bars import Bools, Floats
from .kernel import PLAIN_ZERO, Active, Array, keep

#: (value before, argument, value after) of one step after another
Steps = Iterable[tuple[Floats, Floats, Floats]]
Update = Callable[[Steps], None]


class Average:
    """A recursive average of one argument: `update` takes steps once it is `ready`, `begin` changes what comes of the steps
    before. Missing until n values were seen."""

    __slots__ = ("_begin", "_known", "_warm", "length", "out", "seen", "update", "value")

    def __init__(self, length: int, width: int, update: Update, begin: Callable[..., None]) -> None:
        self.length = length
        self.update = update
        self._begin = begin
        self.value: Floats = np.zeros(width)
        self.seen = np.zeros(width, dtype=np.int32)
        self._known: Bools = np.empty(width, dtype=np.bool_)
        self._warm = False
        self.out = np.full(width, np.nan)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if not self._warm:
            return self._warming(args[0], active)
        if active is not None:
            return self._masked(args[0], active)
        self.update(((self.value, args[0], self.out),))
        np.equal(self.out, self.out, self._known)
        np.copyto(self.value, self.out, where=self._known)
        return self.out

    def _masked(self, row: Array, active: Active) -> Array:
        after = np.empty_like(self.out)
        self.update(((self.value, row, after),))
        np.copyto(self.out, after, where=active.mask)
        np.equal(after, after, self._known)
        np.logical_and(self._known, active.mask, self._known)
        np.copyto(self.value, after, where=self._known)
        return self.out

    def _warming(self, row: Array, active: Active | None) -> Array:
        after = np.empty_like(self.out)
        known = np.broadcast_to(row == row, after.shape)  # noqa: PLR0124 - NaN differs from itself
        known = known if active is None else known & active.mask
        self.update(((self.value, row, after),))
        self._begin(self.value, row, self.seen, after)
        np.copyto(self.value, after, where=known)
        self.seen += known & (self.seen < self.length)
        after[~known | (self.seen < self.length)] = np.nan
        keep(self.out, after, active)
        self._warm = bool(self.seen.min() >= self.length)
        return self.out

    def warm(self, active: Active | None) -> bool:
        """True when every column that advances has its n values."""
        return self._warm or (active is not None and bool((self.seen >= self.length)[active.mask].all()))

    def state(self) -> tuple[Array, ...]:
        return self.value.copy(), self.seen.copy()

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.value, state[0])
        np.copyto(self.seen, state[1])
        self._warm = bool(self.seen.min() >= self.length)

    def ready(self) -> Bools:
        return self.seen >= self.length


def ema(length: int, width: int) -> Average:
    """pandas `ewm(span=n, adjust=False, ignore_na=True).mean()`, written so that a constant stays exactly constant."""
    # a row of one number: a ufunc loops over two rows at once, a number it has to spread first
    weight = np.full(width, 2.0 / (length + 1.0))

    def update(steps: Steps) -> None:
        for value, row, out in steps:
            np.subtract(row, value, out)
            np.multiply(out, weight, out)
            np.add(out, value, out)

    def begin(_value: Floats, row: Floats, seen: Array, out: Floats) -> None:
        np.copyto(out, row, where=seen == 0)

    return Average(length, width, update, begin)


def wilder(length: int, width: int) -> Average:
    """Wilder's average, seeded with the mean of the first n values (TA-Lib); until then the value holds their sum."""
    before, count = np.full(width, length - 1.0), np.full(width, float(length))

    def update(steps: Steps) -> None:
        for value, row, out in steps:
            np.multiply(value, before, out)
            np.add(out, row, out)
            np.divide(out, count, out)

    def begin(value: Floats, row: Floats, seen: Array, out: Floats) -> None:
        np.add(value, row, out, where=seen < length)
        np.divide(out, float(length), out, where=seen == length - 1)

    return Average(length, width, update, begin)


class TrueRange:
    """max(high, previous close) - min(low, previous close); none on the first bar (TA-Lib TRANGE)."""

    __slots__ = ("_known", "_low", "close", "out")

    def __init__(self, width: int) -> None:
        self.close: Floats = np.full(width, np.nan)
        self._low: Floats = np.empty(width)
        self._known: Bools = np.empty(width, dtype=np.bool_)
        self.out = np.full(width, np.nan)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        high, low, close = args
        row = self.out if active is None else np.empty_like(self.out)
        np.minimum(low, self.close, out=self._low)
        np.maximum(high, self.close, out=row)
        np.subtract(row, self._low, row)
        np.add(row, PLAIN_ZERO, row)
        if active is not None:
            np.copyto(self.out, row, where=active.mask)
        _remember(self.close, close, self._known, active)
        return self.out

    def state(self) -> tuple[Array, ...]:
        return (self.close.copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.close, state[0])

    def ready(self) -> Bools:
        return ~np.isnan(self.close)


class Atr:
    """Wilder's average of the true range (TA-Lib ATR)."""

    __slots__ = ("average", "out", "range")

    def __init__(self, length: int, width: int) -> None:
        self.range = TrueRange(width)
        self.average = wilder(length, width)
        self.out = self.average.out

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        return self.average.step((self.range.step(args, active),), active)

    def state(self) -> tuple[Array, ...]:
        return (*self.range.state(), *self.average.state())

    def restore(self, state: tuple[Array, ...]) -> None:
        self.range.restore(state[:1])
        self.average.restore(state[1:])

    def ready(self) -> Bools:
        return self.average.ready()


class Rsi:
    """100 x gains / (gains + losses), both Wilder averages of the changes (TA-Lib RSI). A series that never moved has
    none; TA-Lib answers 0 there, which would read as oversold."""

    __slots__ = ("_change", "_known", "gains", "last", "losses", "out")

    def __init__(self, length: int, width: int) -> None:
        self.last: Floats = np.full(width, np.nan)
        self._change: Floats = np.empty((2, width))
        self._known: Bools = np.empty(width, dtype=np.bool_)
        self.gains = wilder(length, width)
        self.losses = wilder(length, width)
        self.out = np.full(width, np.nan)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        up, down = self._change
        np.subtract(args[0], self.last, down)
        np.maximum(down, 0.0, out=up)
        np.add(up, PLAIN_ZERO, up)
        np.subtract(up, down, down)
        gains = self.gains.step((up,), active)
        losses = self.losses.step((down,), active)
        np.add(gains, losses, up)
        np.divide(gains, up, up)
        np.multiply(up, 100.0, up)
        keep(self.out, up, active)
        _remember(self.last, args[0], self._known, active)
        return self.out

    def state(self) -> tuple[Array, ...]:
        return (self.last.copy(), *self.gains.state(), *self.losses.state())

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.last, state[0])
        self.gains.restore(state[1:3])
        self.losses.restore(state[3:5])

    def ready(self) -> Bools:
        return self.gains.ready()


def _remember(last: Floats, row: Array, known: Bools, active: Active | None) -> None:
    """Keep the newest value that is not missing."""
    np.equal(row, row, known)
    if active is not None:
        np.logical_and(known, active.mask, known)
    np.copyto(last, row, where=known)
