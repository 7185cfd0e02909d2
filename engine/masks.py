"""Choosing by a mask without a branch per element.

In: masks and float64 columns. Out: new columns, equal to the bit to what `np.where` gives. It stands apart because it is
about the processor, not about trading: `np.where` branches at each element, and on [N, S] masks without a pattern, as
signals are, the mispredicted branches cost more than all other work of a stage. Use `np.where` for masks of single
symbols and for masks that hold almost nowhere.
"""

from __future__ import annotations

import numpy as np

from .bars import Bools, Floats, Ints, Small


def kept(mask: Bools, values: Floats) -> Floats:
    """`np.where(mask, values, 0.0)`."""
    bits = _ones(mask)
    bits &= values.view(np.int64)
    return bits.view(np.float64)


def either(mask: Bools, values: Floats, others: Floats | np.float64) -> Floats:
    """`np.where(mask, values, others)`."""
    low = others.view(np.int64)
    bits = _ones(mask)
    bits &= values.view(np.int64) ^ low
    bits ^= low
    return bits.view(np.float64)


def _ones(mask: Bools) -> Ints:
    """All 64 bits set where the mask holds, none elsewhere."""
    return np.negative(mask.view(np.int8)).astype(np.int64)


def first_row(missed: Bools) -> Small:
    """[..., S] from [..., R, S]: the first row that is not missed, R where all are. Horner's scheme; argmax walks columns
    slowly."""
    row = np.zeros((*missed.shape[:-2], missed.shape[-1]), dtype=np.int16)
    for k in range(missed.shape[-2] - 1, -1, -1):
        row += 1
        row *= missed[..., k, :]
    return row
