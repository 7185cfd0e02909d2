"""Kernels that remember a side: crossings, the ratcheting stop line, the signal latch.

In: rows of numbers or truths. Out: one row. Only a definite truth moves a latch; an unknown leaves it where it is.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..bars import Bools, Codes, Floats
from .elementwise import Compute, comparison
from .kernel import PLAIN_ZERO, TRUE, UNKNOWN, Active, Array, full_of, keep


class Crosses:
    """a > b now and a <= b one step ago; with `swap` the other way down. Unknown on the first step."""

    __slots__ = ("_above", "_now", "before", "out", "swap")

    def __init__(self, width: int, *, swap: bool) -> None:
        self.swap = swap
        self._above: Compute = comparison("gt", np.empty((2, width), dtype=np.bool_))
        self._now: Codes = np.empty(width, dtype=np.uint8)
        self.before: Codes = np.full(width, UNKNOWN)  # truth of a <= b
        self.out: Codes = np.full(width, UNKNOWN)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        first, second = reversed(args) if self.swap else args
        self._above(first, second, self._now)
        keep(self.out, np.minimum(self._now, self.before), active)
        np.subtract(TRUE, self._now, self._now)
        keep(self.before, self._now, active)
        return self.out

    def state(self) -> tuple[Array, ...]:
        return (self.before.copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.before, state[0])

    def ready(self) -> Bools:
        ready: Bools = self.before != UNKNOWN
        return ready


class Ratchet:
    """A stop line that moves only toward the price: `ratchet(x, lower, upper)`.

    Above it, line = max(line, lower), and x below the line flips it to `upper`; below it, line = min(line, upper), and x
    above it flips it to `lower`. It starts above when x >= (lower + upper) / 2."""

    __slots__ = ("line", "out", "side")

    def __init__(self, width: int) -> None:
        self.line: Floats = np.full(width, np.nan)
        self.side: NDArray[np.int8] = np.zeros(width, dtype=np.int8)
        self.out: Floats = np.full(width, np.nan)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        x, lower, upper = args
        unknown = np.isnan(x + lower + upper)
        side = self.side
        if 0 in side.tobytes():
            begins = np.where(x >= (lower + upper) / 2, np.int8(1), np.int8(-1))
            side = np.where(side == 0, begins, side)
        above = side > 0
        # below the line everything is mirrored, so that both sides are one formula: exact, a sign rounds nothing
        sign = side.astype(np.float64)
        line = self.line * sign
        # fmax leaves out the line that a fresh column does not have yet
        np.fmax(line, np.where(above, lower, upper) * sign, line)
        flips = x * sign < line
        np.multiply(line, sign, line)
        if 1 in flips.tobytes():
            np.copyto(line, np.where(above, upper, lower), where=flips)
            side = np.where(flips, -side, side)
        np.add(line, PLAIN_ZERO, line)
        self._keep(line, side, unknown, active)
        return self.out

    def _keep(self, line: Floats, side: NDArray[np.int8], unknown: Bools, active: Active | None) -> None:
        if active is None and 1 not in unknown.tobytes():
            for kept in (self.line, self.out):
                np.copyto(kept, line)
            np.copyto(self.side, side)
            return
        moves = ~unknown if active is None else ~unknown & active.mask
        np.copyto(self.line, line, where=moves)
        np.copyto(self.side, side, where=moves)
        np.copyto(line, np.nan, where=unknown)
        keep(self.out, line, active)

    def state(self) -> tuple[Array, ...]:
        return self.line.copy(), self.side.copy()

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.line, state[0])
        np.copyto(self.side, state[1])

    def ready(self) -> Bools:
        ready: Bools = self.side != 0
        return ready


class Latch:
    """A signal in {-1, 0, 1} from `latch(long, short, exit_long, exit_short)`; the rule is `latched`. Missing while flat
    with an unknown entry condition."""

    __slots__ = ("_one", "_three", "_which", "out", "side")

    def __init__(self, width: int) -> None:
        self.side: NDArray[np.int8] = np.zeros(width, dtype=np.int8)
        self._which: Codes = np.empty(width, dtype=np.uint8)
        self._one, self._three = full_of(np.uint8(1), width), full_of(np.uint8(3), width)
        self.out: Floats = np.full(width, np.nan)

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        # side and four truths are five digits of base 3: at most 242, which a byte holds
        which = self._which
        np.add(self.side.view(np.uint8), self._one, which)
        for truth in args:
            np.multiply(which, self._three, which)
            np.add(which, truth, which)
        row = which.astype(np.intp)
        keep(self.side, _SIDES.take(row), active)
        keep(self.out, _SIGNALS.take(row), active)
        return self.out

    def state(self) -> tuple[Array, ...]:
        return (self.side.copy(),)

    def restore(self, state: tuple[Array, ...]) -> None:
        np.copyto(self.side, state[0])

    def ready(self) -> Bools:
        return np.ones(len(self.side), dtype=np.bool_)


def latched(side: int, long: int, short: int, exits: tuple[int, int]) -> int:
    """The side after one step: exit first, then entry. An opposite entry flips; both entries at once change nothing."""
    if (side > 0 and exits[0] == TRUE) or (side < 0 and exits[1] == TRUE):
        side = 0
    if (long == TRUE) == (short == TRUE):
        return side
    return 1 if long == TRUE else -1


def _latch_tables() -> tuple[NDArray[np.int8], Floats]:
    """Next side and signal for every side and every four truths."""
    sides, signals = np.empty(243, dtype=np.int8), np.empty(243)
    for which, (side, long, short, *exits) in enumerate(product((-1, 0, 1), *[(0, 1, 2)] * 4)):
        sides[which] = after = latched(side, long, short, (exits[0], exits[1]))
        signals[which] = np.nan if after == 0 and UNKNOWN in {long, short} else after
    return sides, signals


_SIDES, _SIGNALS = _latch_tables()
