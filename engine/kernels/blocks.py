"""Which way each kernel goes over a block.

In: a kernel, its arguments as blocks of rows (or numbers, where they are constants of an elementwise one) and the block to
write. Out: a `Run`. It stands apart because it is the one place that knows all ways.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ..bars import Bools
from .block import Run, Scratch, Stepped
from .blocklatch import CrossesRun, LatchRun, RatchetRun
from .blockrecursive import AtrRun, AverageRun, RsiRun, TrueRangeRun
from .blockspread import PercentileRun, SpreadRun
from .blockwindow import ExtremumRun, Pushed, WindowedRun
from .cross import CROSS, CROSS_BLOCKS
from .elementwise import COMPARISONS, ELEMENTWISE, comparison
from .kernel import Active, Array, Kernel
from .latches import Crosses, Latch, Ratchet
from .rank import Percentile
from .recursive import Atr, Average, Rsi, TrueRange
from .spread import Spread
from .window import Extremum, Windowed
from .windowed import WindowKernel

Argument = Array | float
_WINDOWED: dict[type[WindowKernel], Callable[..., Run]] = {
    Windowed: WindowedRun,
    Extremum: ExtremumRun,
    Spread: SpreadRun,
    Percentile: PercentileRun,
}
_REMEMBERING: dict[type[Kernel], Callable[..., Run]] = {
    TrueRange: TrueRangeRun,
    Atr: AtrRun,
    Rsi: RsiRun,
    Crosses: CrossesRun,
    Latch: LatchRun,
    Ratchet: RatchetRun,
}


class Plain:
    """An elementwise kernel, or one across the universe: it remembers nothing."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        self.act()

    def commit(self, active: Active | None) -> None:
        """Nothing to move on."""

    def ready(self) -> Bools | None:
        return None


def over(op: str, kernel: Kernel, args: tuple[Argument, ...], out: Array, *, scratch: Scratch) -> Run:
    """How `kernel` of `op` computes the rows of `out` from blocks of rows. Arguments are [rows, columns] or [rows, 1], for
    elementwise ops also one row for all or a number. A windowed kernel that shares its window reads that, not `args`."""
    if op in ELEMENTWISE or op in COMPARISONS:
        return Plain(_elementwise(op, args, out, scratch))
    rows = tuple(_rows(arg, len(out)) for arg in args)
    if op in CROSS:
        return Plain(partial(CROSS_BLOCKS[op], rows[0], out))
    if isinstance(kernel, WindowKernel):
        kernel.reserve(len(out))
        bind = partial(_WINDOWED[type(kernel)], kernel, out, scratch)
        return Pushed(kernel.window, rows[0], bind) if kernel.pushes else bind()
    if isinstance(kernel, Average):
        return AverageRun(kernel, rows, out)
    way = _REMEMBERING.get(type(kernel))
    return Stepped(kernel, rows, out) if way is None else way(kernel, rows, out, scratch)


def _elementwise(op: str, args: tuple[Argument, ...], out: Array, scratch: Scratch) -> Callable[[], object]:
    """The step's own function: over blocks it makes the same numbers in one call."""
    if op in COMPARISONS:
        flags = scratch.bools("flags", len(out), 2 * out.shape[1]).reshape(2, *out.shape)
        return partial(comparison(op, flags), *args, out)
    if op == "div" and isinstance(args[1], float) and args[1] != 0.0:
        return partial(np.divide, *args, out)
    if op == "clip" and all(isinstance(bound, float) and bound > 0.0 for bound in args[1:]):
        return partial(_clip_above_zero, args, out)
    return partial(ELEMENTWISE[op], *args, out)


def _clip_above_zero(args: tuple[Argument, ...], out: Array) -> None:
    """`clip` where no zero can come out, of either sign."""
    x, low, high = args
    np.maximum(x, low, out=out)
    np.minimum(out, high, out=out)


def _rows(arg: Argument, count: int) -> Array:
    """A block of rows of an argument that may be a row for all of them."""
    row = np.atleast_1d(np.asarray(arg))
    return row if row.ndim == 2 else np.broadcast_to(row, (count, len(row)))
