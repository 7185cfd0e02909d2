"""What every kernel is: one step of one node for all columns at once, the same code live and over history.

In: the node's argument rows and which columns have a bar now. Out: the node's row, a buffer that the kernel owns and
overwrites on the next step. State can be taken and put back to the bit; every state array has the columns as last axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bars import Bools, Codes, Floats, Ints

Array = NDArray[Any]
FALSE, UNKNOWN, TRUE = np.uint8(0), np.uint8(1), np.uint8(2)
#: added after a maximum or minimum: which of 0.0 and -0.0 numpy answers depends on where a column stands
PLAIN_ZERO = 0.0


@dataclass(frozen=True, slots=True)
class Active:
    """Columns that advance in this step: `mask` bool [width], `idle` the indexes where it is False. Where all columns
    advance a step gets None instead."""

    mask: Bools
    idle: Ints


def active_of(mask: Bools) -> Active | None:
    """None when all columns advance."""
    idle = np.flatnonzero(~mask)
    return Active(mask, idle) if len(idle) else None


class Kernel(Protocol):
    """Idle columns keep state and last output. NaN in an active column is NaN out; windows hold it, recursions skip it."""

    out: Array

    def step(self, args: tuple[Array, ...], active: Active | None) -> Array:
        """Advance by one row; arguments are [width] or [1]. Returns `out`."""
        ...

    def state(self) -> tuple[Array, ...]:
        """Copies in canonical form: equal content is equal bytes."""
        ...

    def restore(self, state: tuple[Array, ...]) -> None:
        """Take over what `state` of a kernel of the same node gave."""
        ...

    def ready(self) -> Bools:
        """Columns that have seen enough: where they are missing all the same, the formula has no value there."""
        ...


class Arena:
    """Scratch blocks shared by the kernels of one graph, so that they stay in the processor's cache."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int, str], Array] = {}

    def floats(self, rows: int, width: int, use: str = "") -> Floats:
        """An uninitialised float64 [rows, width], one for each `use`; its content lasts until the next kernel steps."""
        return self._block(rows, width, f"f{use}", np.float64)

    def codes(self, rows: int, width: int, use: str = "") -> Codes:
        """The same for uint8."""
        return self._block(rows, width, f"u{use}", np.uint8)

    def _block(self, rows: int, width: int, use: str, kind: type[np.generic]) -> Array:
        found = self._blocks.get((rows, width, use))
        if found is None:
            found = self._blocks[rows, width, use] = np.empty((rows, width), kind)
        return found


def empty_row(kind: str, width: int) -> Array:
    """A row of missing values: NaN for "num", unknown for "truth"."""
    return np.full(width, np.nan) if kind == "num" else np.full(width, UNKNOWN)


@cache
def full_of(value: np.uint8, width: int) -> Codes:
    """A row of one code. Over two rows numpy loops at once; a single number it first spreads, which takes longer."""
    row = np.full(width, value)
    row.setflags(write=False)
    return row


def keep(out: Array, row: Array, active: Active | None) -> None:
    """Write `row` to the columns that advance."""
    if active is None:
        np.copyto(out, row)
    else:
        np.copyto(out, row, where=active.mask)
