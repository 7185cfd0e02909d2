"""Rounding columns to whole numbers exactly, although they are computed in floats.

In: float64 values with a bound of their error. Out: int64, the same as exact decimals give. Where the value is so close to
a tie that the error could turn it, the exact rule is asked for that element; everywhere else rounding the float is
rounding the exact value. So columns are as fast as floats and as exact as decimals.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..bars import Floats, Ints

#: relative error of a handful of float64 operations, with room
FEW = 8 * 2.0**-53
#: integers below this leave room in int64
LARGE = 2.0**62
#: a sum of floats is believed to this fraction
SURE = 1e-9


def length(value: Floats) -> float:
    """Nothing in `value` is larger in magnitude; much faster than its maximum."""
    return math.sqrt(value.dot(value)) * (1 + SURE)


def nearest(value: Floats, most: float, exact: Callable[[int], int]) -> Ints:
    """Ties-to-even integers of `value`, which carries at most the error of a few operations and is at most `most` in
    magnitude; `exact(i)` answers for element i where that leaves a doubt."""
    rounded = np.rint(value)
    whole = rounded.astype(np.int64)
    rounded -= value
    room = 0.5 - (most * FEW + FEW)
    if length(rounded) < room:
        return whole
    np.abs(rounded, out=rounded)
    if np.maximum.reduce(rounded) < room:
        return whole  # nobody is near a tie
    for i in np.flatnonzero(0.5 - rounded <= np.abs(value) * FEW + FEW).tolist():
        whole[i] = exact(i)
    return whole


def half_even(numerator: Ints, denominator: Ints) -> Ints:
    """numerator / denominator, ties to even; denominators positive."""
    quotient, rest = np.divmod(numerator, denominator)
    rest += rest
    rest += quotient & 1  # what is half exactly goes up from an odd quotient only
    quotient += rest > denominator
    return quotient
