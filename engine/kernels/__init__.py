"""The kernels: op name -> how one row of it is computed.

In: op, parameters and kind of a `Node`, the number of columns. Out: a `Kernel`. `observe` steps it once per closed bar,
live and over history alike; there is no second implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from .cross import CROSS
from .elementwise import COMPARISONS, ELEMENTWISE, PARTIAL, Elementwise, comparison
from .kernel import PLAIN_ZERO, Active, Arena, Array, Kernel, active_of
from .latches import Crosses, Latch, Ratchet
from .recursive import Atr, Rsi, TrueRange, ema, wilder
from .window import Window, rows_of, window_for
from .windowed import WINDOWED, WindowKernel, windowed

#: width -> kernel, for ops with state and no parameters
_PLAIN: dict[str, Callable[[int], Kernel]] = {
    "true_range": TrueRange,
    "crosses_above": lambda width: Crosses(width, swap=False),
    "crosses_below": lambda width: Crosses(width, swap=True),
    "ratchet": Ratchet,
    "latch": Latch,
}

#: (n, width) -> kernel, for recursive ops of length n
_LENGTH: dict[str, Callable[[int, int], Kernel]] = {"ema": ema, "wilder": wilder, "rsi": Rsi, "atr": Atr}

_TRUTHS = COMPARISONS | {"and", "or", "not", "coalesce_truth"}

CROSS_OPS = frozenset(CROSS)
STATEFUL = frozenset({*WINDOWED, *_PLAIN, *_LENGTH})
OPS = frozenset({*ELEMENTWISE, *COMPARISONS, *CROSS, *STATEFUL})


def make(op: str, params: Sequence[float | int | str], width: int, arena: Arena | None = None) -> Kernel:
    """A fresh kernel of `op` for `width` columns; raises KeyError for an op that is none (`input` and `const` are
    rows, not kernels)."""
    if op in WINDOWED:
        length = int(params[0])
        return windowed(op, length, window_for(op, rows_of(op, length), width), arena or Arena(), pushes=True)
    if op in _LENGTH:
        return _LENGTH[op](int(params[0]), width)
    if op in _PLAIN:
        return _PLAIN[op](width)
    if op in COMPARISONS:
        return Elementwise(comparison(op, np.empty((2, width), dtype=np.bool_)), "truth", width)
    if op in CROSS:
        return Elementwise(CROSS[op], "num", width)
    return Elementwise(ELEMENTWISE[op], "truth" if op in _TRUTHS else "num", width)


__all__ = [
    "CROSS_OPS",
    "OPS",
    "PARTIAL",
    "PLAIN_ZERO",
    "STATEFUL",
    "WINDOWED",
    "Active",
    "Arena",
    "Array",
    "Elementwise",
    "Kernel",
    "Window",
    "WindowKernel",
    "active_of",
    "make",
    "rows_of",
    "window_for",
    "windowed",
]
