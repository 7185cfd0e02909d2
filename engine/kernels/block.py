"""A kernel over a block of rows at once: the same numbers as stepping it row by row, in far fewer calls.

In: a kernel, its arguments as blocks [rows, columns] ([rows, 1] for values of the market) and a block to write into, all
bound once and used again. Out: a `Run`. Running it computes the rows and leaves the kernel's memory as it was; `commit`
moves the memory on to what stepping would have left. In between somebody may run the same rows again.

Bits: an operation on one element gives the same bits however many elements stand beside it (+ - * / sqrt by IEEE 754; exp,
log and tanh because numpy's loops work lane by lane, which tests/observe/test_blocks_floats.py checks), and every sum is
added up in the order in which the step adds it. Columns that have no bar in the block (idle ones) are computed like the
others and thrown away: whoever runs a block puts their last values back.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..bars import Bools, Codes, Floats
from .kernel import UNKNOWN, Active, Array, Kernel


class Run(Protocol):
    """One kernel over the rows of one block."""

    def run(self, active: Active | None) -> None:
        """Compute the rows. `active` are the columns that have a bar in every row of the block; the others in none."""
        ...

    def commit(self, active: Active | None) -> None:
        """Leave the kernel as stepping the rows of the last `run` would have."""
        ...

    def ready(self) -> Bools | None:
        """What `Kernel.ready` would have said after each row, [rows, columns]; None for True everywhere. Asked between
        `run` and `commit`, and not about idle columns."""
        ...


class Scratch:
    """Blocks that hold something only while one kernel runs, shared by all kernels of a layer so that they stay in the
    processor's cache."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, tuple[int, ...]], Array] = {}

    def floats(self, use: str, *shape: int) -> Floats:
        """An uninitialised float64 block, one for each `use` and shape of its rows."""
        return self._block("f" + use, shape, np.float64)

    def codes(self, use: str, *shape: int) -> Codes:
        """The same for uint8."""
        return self._block("u" + use, shape, np.uint8)

    def words(self, use: str, *shape: int) -> Array:
        """The same for uint16."""
        return self._block("w" + use, shape, np.uint16)

    def bools(self, use: str, *shape: int) -> Bools:
        """The same for truths of numpy."""
        return self._block("b" + use, shape, np.bool_)

    def _block(self, use: str, shape: tuple[int, ...], kind: type[np.generic]) -> Array:
        count, *row = shape
        found = self._blocks.get((use, tuple(row)))
        if found is None or len(found) < count:
            found = self._blocks[use, tuple(row)] = np.empty(shape, kind)
        return found[:count]


class Stepped:
    """Row by row: for kernels and moments that have no faster way."""

    def __init__(self, kernel: Kernel, args: tuple[Array, ...], out: Array) -> None:
        self._kernel = kernel
        self._args = args
        self._out = out
        self._after: tuple[Array, ...] = ()
        self._ready: Bools = np.ones(out.shape, dtype=np.bool_)

    def run(self, active: Active | None) -> None:
        kernel, before, last = self._kernel, self._kernel.state(), self._kernel.out.copy()
        for index, row in enumerate(self._out):
            row[...] = kernel.step(tuple(arg[index] for arg in self._args), active)
            self._ready[index] = kernel.ready()
        self._after = kernel.state()
        kernel.restore(before)
        np.copyto(kernel.out, last)

    def commit(self, active: Active | None) -> None:  # noqa: ARG002 - stepping left out the idle ones
        self._kernel.restore(self._after)

    def ready(self) -> Bools | None:
        return self._ready


def lacks(rows: Floats, active: Active | None) -> bool:
    """True when a column that advances lacks a value; the last axis is that of the columns."""
    missing = np.isnan(rows)
    if not missing.any():
        return False
    return active is None or bool(missing[..., active.mask].any())


def keep_columns(kept: Array, row: Array, active: Active | None) -> None:
    """Write `row` to the columns that advance, the last axis being columns."""
    if active is None:
        np.copyto(kept, row)
    else:
        np.copyto(kept, row, where=active.mask)


def known_windows(reach: Array, rows: int) -> Bools:
    """Which windows of so many rows hold no missing value: [n + rows - 1, columns] -> [n, columns]."""
    missing = reach == UNKNOWN if reach.dtype == np.uint8 else np.isnan(reach)
    before = np.zeros((len(reach) + 1, reach.shape[1]), dtype=np.int32)
    np.cumsum(missing, axis=0, out=before[1:])
    known: Bools = before[rows:] == before[:-rows]
    return known
