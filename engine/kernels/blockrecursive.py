"""Recursive kernels over a block: the recursion goes row by row in as few calls as it takes, the rest at once.

In: a kernel and its arguments as blocks. Out: a `Run`. The fast way holds for kernels that are warm and values that are
all there. A missing one makes every later row of the plain recursion missing, so its last row tells; then, and while a
kernel warms up, the block is stepped row by row.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Floats
from .block import Scratch, Stepped, keep_columns, lacks
from .kernel import PLAIN_ZERO, Active, Array
from .recursive import Atr, Average, Rsi, TrueRange


def _steps(value: Floats, rows: Array, out: Array) -> list[tuple[Floats, Floats, Floats]]:
    """The steps of a recursion over a block; the first begins at what a kernel remembers."""
    values = [value, *out[:-1]]
    return list(zip(values, rows, out, strict=True))


class _Fast:
    """A run that has a fast way and a sure one. `fast` says whether it was right; then `settle` makes it the memory."""

    def __init__(self, sure: Stepped) -> None:
        self._sure = sure
        self._was_fast = False

    def run(self, active: Active | None) -> None:
        self._was_fast = self.fast(active)
        if not self._was_fast:
            self._sure.run(active)

    def commit(self, active: Active | None) -> None:
        if self._was_fast:
            self.settle(active)
        else:
            self._sure.commit(active)

    def ready(self) -> Bools | None:
        return None if self._was_fast else self._sure.ready()

    def fast(self, active: Active | None) -> bool:
        raise NotImplementedError

    def settle(self, active: Active | None) -> None:
        raise NotImplementedError


class AverageRun(_Fast):
    """`Average` over a block."""

    def __init__(self, kernel: Average, args: tuple[Array, ...], out: Array) -> None:
        super().__init__(Stepped(kernel, args, out))
        self._kernel = kernel
        self._steps = _steps(kernel.value, args[0], out)
        self._last = out[-1]
        self._after = np.empty_like(kernel.value)

    def fast(self, active: Active | None) -> bool:
        kernel = self._kernel
        if not kernel.warm(active):
            return False
        kernel.update(self._steps)
        np.copyto(self._after, self._last)
        return not lacks(self._after, active)

    def settle(self, active: Active | None) -> None:
        keep_columns(self._kernel.value, self._after, active)


class _Ranges:
    """True ranges of a block, none of which looks for missing values."""

    def __init__(self, kernel: TrueRange, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        high, low, close = (np.broadcast_to(arg, out.shape) for arg in args)
        lowest = scratch.floats("lowest", *out.shape)
        before = kernel.close
        self._steps = (
            (np.minimum, low[0], before, lowest[0]),
            (np.minimum, low[1:], close[:-1], lowest[1:]),
            (np.maximum, high[0], before, out[0]),
            (np.maximum, high[1:], close[:-1], out[1:]),
        )
        self._lowest, self._out = lowest, out
        self.closes = close
        self.after = np.empty_like(before)

    def __call__(self) -> None:
        for pick, one, other, out in self._steps:
            pick(one, other, out=out)
        np.subtract(self._out, self._lowest, self._out)
        np.add(self._out, PLAIN_ZERO, self._out)
        np.copyto(self.after, self.closes[-1])


class TrueRangeRun(_Fast):
    """`TrueRange` over a block."""

    def __init__(self, kernel: TrueRange, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        super().__init__(Stepped(kernel, args, out))
        self._kernel = kernel
        self._ranges = _Ranges(kernel, args, out, scratch)

    def fast(self, active: Active | None) -> bool:
        # a close that is missing is not remembered, so that a later range reaches back further
        if lacks(self._kernel.close, active) or lacks(self._ranges.closes, active):
            return False
        self._ranges()
        return True

    def settle(self, active: Active | None) -> None:
        keep_columns(self._kernel.close, self._ranges.after, active)


class AtrRun(_Fast):
    """`Atr` over a block."""

    def __init__(self, kernel: Atr, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        super().__init__(Stepped(kernel, args, out))
        self._kernel = kernel
        between = scratch.floats("ranges", *out.shape)
        self._ranges = _Ranges(kernel.range, args, between, scratch)
        self._average = AverageRun(kernel.average, (between,), out)

    def fast(self, active: Active | None) -> bool:
        self._ranges()
        # where the average has a value, every range has one, and so every close that one of them needed
        return self._average.fast(active) and not lacks(self._ranges.after, active)

    def settle(self, active: Active | None) -> None:
        keep_columns(self._kernel.range.close, self._ranges.after, active)
        self._average.settle(active)


class RsiRun(_Fast):
    """`Rsi` over a block."""

    def __init__(self, kernel: Rsi, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        super().__init__(Stepped(kernel, args, out))
        self._kernel = kernel
        self._values = np.broadcast_to(args[0], out.shape)
        self._out = out
        self._up, self._down, gains, losses = (
            scratch.floats(use, *out.shape) for use in ("up", "down", "gain", "loss")
        )
        self._gains = AverageRun(kernel.gains, (self._up,), gains)
        self._losses = AverageRun(kernel.losses, (self._down,), losses)
        self._averages = gains, losses
        self._last = np.empty_like(kernel.last)

    def fast(self, active: Active | None) -> bool:
        values, up, down = self._values, self._up, self._down
        np.subtract(values[0], self._kernel.last, down[0])
        np.subtract(values[1:], values[:-1], down[1:])
        np.maximum(down, 0.0, out=up)
        np.add(up, PLAIN_ZERO, up)
        np.subtract(up, down, down)
        np.copyto(self._last, values[-1])
        # where both averages have a value, every change has one, and so has every value
        if not (self._gains.fast(active) and self._losses.fast(active)):
            return False
        (gains, losses), out = self._averages, self._out
        np.add(gains, losses, out)
        np.divide(gains, out, out)
        np.multiply(out, 100.0, out)
        return True

    def settle(self, active: Active | None) -> None:
        self._gains.settle(active)
        self._losses.settle(active)
        keep_columns(self._kernel.last, self._last, active)
