"""As many points as a screen can show, chosen so that nothing a person would see is lost.

In: a series over all ticks. Out: indexes or bucket means. A column of pixels shows the lowest and the highest value that fall
into it, so both are kept; averaging would hide the very bar in which the account fell.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..bars import Floats, Ints


def buckets(count: int, most: int) -> Ints:
    """Edges of at most `most` buckets over `count` rows: ascending, from 0 to `count`; bucket i is edges[i]:edges[i + 1]."""
    return np.unique(np.linspace(0, count, min(most, count) + 1).astype(np.int64))


def extremes(values: Floats, edges: Ints) -> Ints:
    """Indexes to draw, ascending: of each bucket the lowest and the highest finite value and the first that is not finite
    (the gap), and the two ends of the series."""
    keep = {0, len(values) - 1} if len(values) else set()
    finite = np.isfinite(values)
    low, high = np.where(finite, values, np.inf), np.where(finite, values, -np.inf)
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        keep.add(start + int(low[start:end].argmin()))
        keep.add(start + int(high[start:end].argmax()))
        if not finite[start:end].all():
            keep.add(start + int(finite[start:end].argmin()))
    return np.array(sorted(keep), dtype=np.int64)


def means(values: Floats, edges: Ints) -> Floats:
    """Mean of each bucket over its finite values, by column: [T, K] -> [buckets, K]; NaN where a bucket has none."""
    finite = np.isfinite(values)
    total = np.add.reduceat(np.where(finite, values, 0.0), edges[:-1], axis=0)
    count = np.add.reduceat(finite.astype(np.int64), edges[:-1], axis=0)
    found: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return found


def runs(mask: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """Stretches of True as half-open pairs."""
    turns = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return tuple((int(a), int(b)) for a, b in zip(turns[::2], turns[1::2], strict=True))
