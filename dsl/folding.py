"""Operations on constants, done when compiling.

In: an operation and the values of its arguments. Out: its value, or None where there is none (division by 0) or where it
is not an operation on single values. The same formulas as the kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

_FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "abs": abs,
    "min2": min,
    "max2": max,
    "clip": lambda x, low, high: min(max(x, low), high),
    "log": math.log,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "sign": lambda x: (x > 0) - (x < 0),
    "choose": lambda when, a, b: a if when else b,
    "coalesce": lambda a, _b: a,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
    "not": lambda a: not a,
    "coalesce_truth": lambda a, _b: bool(a),
}


def fold(op: str, values: Sequence[float | int | str]) -> float | None:
    """The value of an operation on constants, or None when it stays an operation."""
    function = _FUNCTIONS.get(op)
    if function is None:
        return None
    try:
        result = float(function(*values))
    except (ZeroDivisionError, ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None
