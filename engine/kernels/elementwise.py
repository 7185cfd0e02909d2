"""Kernels without memory: arithmetic on numbers, Kleene logic on truths.

In: rows of float64 with NaN for missing, or uint8 truths (0 false, 1 unknown, 2 true). Out: one row, written into a
buffer. A division by zero, a logarithm of what is not positive and a root of a negative have no value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..bars import Bools
from .kernel import FALSE, PLAIN_ZERO, TRUE, UNKNOWN, Active, Array, empty_row, full_of

#: arguments first, the row to write last
Compute = Callable[..., Any]


class Elementwise:
    """One function of the current rows; idle columns keep their last output."""

    __slots__ = ("_compute", "out")

    def __init__(self, compute: Compute, kind: str, width: int) -> None:
        self._compute = compute
        self.out = empty_row(kind, width)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        if active is None:
            self._compute(*args, self.out)
        else:
            row = np.empty_like(self.out)
            self._compute(*args, row)
            np.copyto(self.out, row, where=active.mask)
        return self.out

    def bound(self, args: tuple[Array | float, ...]) -> Callable[[], object]:
        """A step of all columns with these argument buffers or numbers. Most of a narrow graph's time is calls."""
        return partial(self._compute, *args, self.out)

    def state(self) -> tuple[Array, ...]:
        return ()

    def restore(self, state: tuple[Array, ...]) -> None:
        """Nothing to take over."""

    def ready(self) -> Bools:
        return np.ones(len(self.out), dtype=np.bool_)


def comparison(op: str, flags: Bools) -> Compute:
    """gt ge lt le eq ne of two rows of numbers as truths: 1 + holds - fails, and neither does with a missing side. `flags`
    is room for two rows, or blocks, of what is compared."""
    holds, fails = flags
    plus, minus = holds.view(np.uint8), fails.view(np.uint8)
    unknown = full_of(UNKNOWN, len(holds)) if holds.ndim == 1 else UNKNOWN

    def ordered(a: Array, b: Array, out: Array) -> None:
        yes(a, b, holds)
        no(a, b, fails)
        np.subtract(plus, minus, out)
        np.add(out, unknown, out)

    def equal(a: Array, b: Array, out: Array) -> None:
        np.less(a, b, holds)
        np.greater(a, b, fails)
        np.logical_or(holds, fails, fails)
        np.equal(a, b, holds)
        np.subtract(plus, minus, out)
        np.add(out, unknown, out)

    def differs(a: Array, b: Array, out: Array) -> None:
        equal(a, b, out)
        np.subtract(TRUE, out, out)

    if op in ORDERED:
        yes, no = ORDERED[op]
        return ordered
    return equal if op == "eq" else differs


ORDERED: dict[str, tuple[np.ufunc, np.ufunc]] = {
    "gt": (np.greater, np.less_equal),
    "ge": (np.greater_equal, np.less),
    "lt": (np.less, np.greater_equal),
    "le": (np.less_equal, np.greater),
}


def _divide(a: Array, b: Array, out: Array) -> None:
    np.divide(a, b, out)
    zero = np.equal(b, 0.0)
    if 1 in zero.tobytes():  # a tenth of what `any` takes
        np.copyto(out, np.nan, where=zero)


def _log(x: Array, out: Array) -> None:
    np.log(x, out)
    outside = np.less_equal(x, 0.0)
    if 1 in outside.tobytes():
        np.copyto(out, np.nan, where=outside)


def _clip(x: Array, low: Array, high: Array, out: Array) -> None:
    np.maximum(x, low, out=out)
    np.minimum(out, high, out=out)
    np.add(out, PLAIN_ZERO, out)


def _smaller(a: Array, b: Array, out: Array) -> None:
    np.minimum(a, b, out=out)
    np.add(out, PLAIN_ZERO, out)


def _larger(a: Array, b: Array, out: Array) -> None:
    np.maximum(a, b, out=out)
    np.add(out, PLAIN_ZERO, out)


def _and(a: Array, b: Array, out: Array) -> None:
    np.minimum(a, b, out=out)


def _or(a: Array, b: Array, out: Array) -> None:
    np.maximum(a, b, out=out)


def _sigmoid(x: Array, out: Array) -> None:
    np.negative(x, out)
    np.exp(out, out)
    np.add(out, 1.0, out)
    np.divide(1.0, out, out)


def _choose(truth: Array, a: Array, b: Array, out: Array) -> None:
    np.copyto(out, np.nan)
    np.copyto(out, a, where=truth == TRUE)
    np.copyto(out, b, where=truth == FALSE)


def _coalesce(a: Array, b: Array, out: Array) -> None:
    np.copyto(out, a)
    np.copyto(out, b, where=np.isnan(a))


def _not(a: Array, out: Array) -> None:
    np.subtract(2, a, out)  # a plain 2 is read faster than a uint8 of numpy's


def _coalesce_truth(a: Array, b: Array, out: Array) -> None:
    np.copyto(out, a)
    np.copyto(out, b, where=a == UNKNOWN)


#: ops of one or more rows; comparisons need scratch and are made by `comparison`
ELEMENTWISE: dict[str, Compute] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": _divide,
    "neg": np.negative,
    "abs": np.absolute,
    "min2": _smaller,
    "max2": _larger,
    "clip": _clip,
    "log": _log,
    "exp": np.exp,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "sign": np.sign,
    "choose": _choose,
    "coalesce": _coalesce,
    "and": _and,
    "or": _or,
    "not": _not,
    "coalesce_truth": _coalesce_truth,
}

COMPARISONS = frozenset({*ORDERED, "eq", "ne"})
#: ops that can have no value although every argument has one
PARTIAL = frozenset({"div", "log", "sqrt"})
