"""Ops of the last n rows -> kernels. It stands apart from the kernels because it is the one place that knows them all."""

from __future__ import annotations

from .kernel import Arena, Kernel
from .rank import Percentile
from .spread import Spread
from .window import BLOCKS, EXTREMA, Extremum, Window, Windowed, rows_of

#: kernels that read a window
WindowKernel = Windowed | Extremum | Spread | Percentile

_SPREADS = {"stdev": False, "zscore": True}

WINDOWED = frozenset({*BLOCKS, *EXTREMA, *_SPREADS, "percentile"})


def windowed(op: str, length: int, window: Window, arena: Arena, *, pushes: bool) -> Kernel:
    """Kernel of a windowed op over a window that is at least `rows_of(op, length)` long and as wide as the kernel."""
    rows = rows_of(op, length)
    if op in EXTREMA:
        return Extremum(window, rows, EXTREMA[op], pushes=pushes)
    if op in _SPREADS:
        return Spread(window, rows, arena, score=_SPREADS[op], pushes=pushes)
    if op == "percentile":
        return Percentile(window, rows, arena, pushes=pushes)
    return Windowed(op, window, rows, pushes=pushes)
