"""Kernels that remember a side, over a block.

In: a kernel and its arguments as blocks. Out: a `Run`. A crossing looks one row back, which is a shift. A latch is worked
out from when things last happened: a running maximum of row numbers. The ratchet goes row by row, both of its lines at once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..bars import Bools, Codes
from .block import Scratch, Stepped, keep_columns, lacks
from .elementwise import comparison
from .kernel import PLAIN_ZERO, TRUE, UNKNOWN, Active, Array
from .latches import Crosses, Latch, Ratchet


class CrossesRun:
    """`Crosses` over a block."""

    def __init__(self, kernel: Crosses, args: tuple[Array, ...], out: Codes, scratch: Scratch) -> None:
        self._kernel = kernel
        self._args = args[::-1] if kernel.swap else args
        self._out = out
        self._above = comparison("gt", scratch.bools("flags", *out.shape, 2).reshape(2, *out.shape))
        self._now = scratch.codes("now", *out.shape)
        self._after = np.empty_like(kernel.before)

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        now, out = self._now, self._out
        self._above(*self._args, now)
        np.subtract(TRUE, now[:-1], out[1:])  # truth of a <= b, one row ago
        np.copyto(out[0], self._kernel.before)
        np.minimum(out, now, out=out)
        np.subtract(TRUE, now[-1], self._after)

    def commit(self, active: Active | None) -> None:
        keep_columns(self._kernel.before, self._after, active)

    def ready(self) -> Bools | None:
        self._above(*self._args, self._now)  # other crossings wrote here since
        ready: Bools = self._now != UNKNOWN
        return ready


#: rows for which four times their number and a side fit into a byte
_BYTE = 62


class LatchRun:
    """`Latch` over a block, in parts that are short enough for bytes.

    An entry of one side alone sets the side whatever it was; an exit ends it if it comes later. So the side at a row
    follows from the last entry until then, the start of the block counting as row 0, and from the last exit of its side."""

    def __init__(self, kernel: Latch, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        self._kernel = kernel
        rows = [np.broadcast_to(arg, out.shape) for arg in args]
        cuts = range(0, len(out), _BYTE)
        self._parts = [_Latched([row[at : at + _BYTE] for row in rows], out[at : at + _BYTE], scratch) for at in cuts]
        self._after = kernel.side

    def run(self, active: Active | None) -> None:  # noqa: ARG002 - idle columns are put back by the caller
        side = self._kernel.side
        for part in self._parts:
            side = part.run(side)
        self._after = side

    def commit(self, active: Active | None) -> None:
        keep_columns(self._kernel.side, self._after, active)

    def ready(self) -> Bools | None:
        return None


class _Latched:
    """The rows of a latch from one side on."""

    def __init__(self, args: Sequence[Array], out: Array, scratch: Scratch) -> None:
        self._args = args
        self._out = out
        count, width = out.shape
        # four times the number of the row, and the side in the two lowest bits
        self._numbers = np.repeat(np.arange(1, count + 1, dtype=np.uint8), width).reshape(count, width)
        self._fours = self._numbers * 4
        self._events = scratch.codes("events", 3, count + 1, width), scratch.codes("events, too", 3, count + 1, width)
        self._side = scratch.codes("side", count, width)
        self._flags = scratch.bools("latch", count, 4 * width).reshape(4, count, width)
        self._now = scratch.codes("now", count, width).view(np.int8)
        self._after = np.empty(width, dtype=np.int8)

    def run(self, before: NDArray[np.int8]) -> NDArray[np.int8]:
        """Signals of all rows; returns the side after the last."""
        long, short, *exits = self._flags
        for truth, flags in zip(self._args, self._flags, strict=True):
            np.equal(truth, TRUE, flags)
        events = self._events[0]
        np.add(before, 1, out=events[0, 0], casting="unsafe")
        events[1:, 0] = 0
        entry, *leaves = events[:, 1:]
        for flags, leave in zip(exits, leaves, strict=True):
            np.multiply(flags.view(np.uint8), self._numbers, leave)
        np.not_equal(long, short, short)  # an entry, and of one side alone
        sides = np.add(long.view(np.uint8), long.view(np.uint8), self._now.view(np.uint8))
        np.add(sides, self._fours, self._side)
        np.multiply(self._side, short.view(np.uint8), entry)
        self._follow(_running_maximum(self._events))
        return self._after

    def _follow(self, events: Array) -> None:
        """Sides and signals from the last entry and the last exits at every row. An exit in the row of an entry is none of
        the side that begins there."""
        side = self._side
        entry, leave_long, leave_short = events[:, 1:]
        long, short, left_long, left_short = self._flags
        np.bitwise_and(entry, 3, side)
        np.equal(side, 2, long)
        np.equal(side, 0, short)
        np.right_shift(entry, 2, side)
        np.greater(leave_long, side, left_long)
        np.greater(leave_short, side, left_short)
        np.greater(long, left_long, long)
        np.greater(short, left_short, short)
        np.subtract(long.view(np.int8), short.view(np.int8), self._now)
        np.copyto(self._out, self._now)
        np.copyto(self._after, self._now[-1])
        if any(UNKNOWN in truth.tobytes() for truth in self._args[:2]):
            unknown = np.equal(self._args[0], UNKNOWN) | np.equal(self._args[1], UNKNOWN)
            np.copyto(self._out, np.nan, where=unknown & (self._now == 0))


def _running_maximum(blocks: tuple[Array, Array]) -> Array:
    """The largest of a row and all before it, [events, rows, columns]: of 2 rows, of 4, of 8, from one block to the other and
    back. Returns the one that holds it."""
    now, after = blocks
    reach = 1
    while reach < now.shape[1]:
        np.copyto(after[:, :reach], now[:, :reach])
        np.maximum(now[:, reach:], now[:, :-reach], out=after[:, reach:])
        now, after, reach = after, now, reach * 2
    return now


class RatchetRun:
    """`Ratchet` over a block.

    Both lines go along: above, the largest `lower` since the line was taken, and mirrored, the largest `-upper`. The line
    that is not in use begins anew in every row, so that it stands at its own band when the side turns."""

    def __init__(self, kernel: Ratchet, args: tuple[Array, ...], out: Array, scratch: Scratch) -> None:
        self._sure = Stepped(kernel, args, out)
        self._was_fast = False
        self._kernel = kernel
        self._args = [np.broadcast_to(arg, out.shape) for arg in args]
        self._out = out
        count, width = out.shape
        self._bands = scratch.floats("bands", count, 2 * width)
        self._prices = scratch.floats("prices", count, 2 * width)
        self._lines = scratch.floats("lines", count + 1, 2 * width)
        self._idle = scratch.bools("sides", count + 1, 2 * width)  # the line is not in use
        self._below, self._mirrored = scratch.bools("below", count, width), scratch.floats("mirrored", count, width)
        crossed = scratch.bools("crossed", 2, 2 * width)
        turned = crossed[0].reshape(2, width)[::-1], crossed[0].reshape(2, width), crossed[1].reshape(2, width)
        self._crossed, self._turned = crossed, turned
        self._rows = list(
            zip(self._lines, self._lines[1:], self._idle, self._idle[1:], self._bands, self._prices, strict=False)
        )
        self._after = np.empty_like(kernel.line), np.empty_like(kernel.side)

    def run(self, active: Active | None) -> None:
        sides = self._kernel.side if active is None else self._kernel.side[active.mask]
        self._was_fast = not (0 in sides.tobytes() or self._unknown(active))
        if self._was_fast:
            self._begin()
            self._recur()
            self._end()
        else:
            self._sure.run(active)

    def _unknown(self, active: Active | None) -> bool:
        x, lower, upper = self._args
        np.add(x, lower, self._out)
        np.add(self._out, upper, self._out)
        return lacks(self._out, active)

    def _begin(self) -> None:
        (x, lower, upper), width, kernel = self._args, self._out.shape[1], self._kernel
        np.copyto(self._bands[:, :width], lower)
        np.negative(upper, self._bands[:, width:])
        np.copyto(self._prices[:, :width], x)
        np.negative(x, self._prices[:, width:])
        np.copyto(self._lines[0, :width], kernel.line)
        np.negative(kernel.line, self._lines[0, width:])
        np.less(kernel.side, 0, self._idle[0, :width])
        np.greater(kernel.side, 0, self._idle[0, width:])

    def _recur(self) -> None:
        crossed, turn = self._crossed
        mirrored, straight, both = self._turned
        for line, after, idle, idle_after, band, price in self._rows:
            np.putmask(line, idle, -np.inf)  # half of what a masked copy takes
            np.maximum(line, band, out=after)
            np.less(price, after, crossed)
            np.greater(crossed, idle, crossed)  # only the line that is in use can be crossed
            np.logical_or(straight, mirrored, both)
            np.not_equal(idle, turn, idle_after)

    def _end(self) -> None:
        width, out, below = self._out.shape[1], self._out, self._below
        np.copyto(out, self._lines[1:, :width])
        np.copyto(below, self._idle[1:, :width])
        np.negative(self._lines[1:, width:], self._mirrored)
        np.putmask(out, below, self._mirrored)
        np.add(out, PLAIN_ZERO, out)
        line, side = self._after
        np.copyto(line, out[-1])
        np.copyto(side, np.where(below[-1], np.int8(-1), np.int8(1)))

    def commit(self, active: Active | None) -> None:
        if not self._was_fast:
            self._sure.commit(active)
            return
        line, side = self._after
        keep_columns(self._kernel.line, line, active)
        keep_columns(self._kernel.side, side, active)

    def ready(self) -> Bools | None:
        return None if self._was_fast else self._sure.ready()
