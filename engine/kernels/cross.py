"""Kernels across the universe: over the symbols that have a value.

In: one row over symbols. Out: one value for all of them (`count`, `breadth`, `xmean`), or one per symbol (`xrank`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..bars import Codes, Floats
from .elementwise import Compute
from .kernel import TRUE, UNKNOWN, Array


def count(truth: Codes, out: Floats) -> None:
    """How many symbols are definitely true; missing when nothing is known of any."""
    codes = truth.tobytes()  # searching bytes takes a tenth of comparing an array
    out[0] = codes.count(TRUE) if codes.count(UNKNOWN) < len(codes) else np.nan


def breadth(truth: Codes, out: Floats) -> None:
    """Share of true among the symbols for which it is known."""
    codes = truth.tobytes()
    known = len(codes) - codes.count(UNKNOWN)
    out[0] = codes.count(TRUE) / known if known else np.nan


def xmean(row: Floats, out: Floats) -> None:
    """Mean over the symbols that have a value."""
    known = row[~np.isnan(row)]
    out[0] = np.add.reduce(known) / len(known) if len(known) else np.nan


def xrank(row: Floats, out: Floats) -> None:
    """Rank among the symbols that have a value as a share in (0, 1], ties averaged: pandas `rank(pct=True)`."""
    order = np.argsort(row, kind="stable")  # missing values sort last
    ordered = row[order]
    known = len(row) - int(np.count_nonzero(np.isnan(row)))
    out.fill(np.nan)
    if not known:
        return
    ordered = ordered[:known]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    ends = np.append(begins[1:], known)
    ranks = np.repeat((begins + ends + 1) / 2, ends - begins)
    out[order[:known]] = ranks / known


def _judged_rows(block: Codes) -> Iterator[tuple[int, int]]:
    """How many symbols are definitely true, and how many are known, in every row."""
    trues, knowns = block == TRUE, block != UNKNOWN
    return zip(map(np.count_nonzero, trues), map(np.count_nonzero, knowns), strict=True)


def _count_rows(block: Codes, out: Floats) -> None:
    """`count` of every row."""
    out[:, 0] = [true if known else np.nan for true, known in _judged_rows(block)]


def _breadth_rows(block: Codes, out: Floats) -> None:
    """`breadth` of every row."""
    out[:, 0] = [true / known if known else np.nan for true, known in _judged_rows(block)]


def _each(compute: Compute) -> Compute:
    """Row by row: what is added up or sorted across symbols goes by the row."""

    def rows(block: Array, out: Floats) -> None:
        for row, after in zip(block, out, strict=True):
            compute(row, after)

    return rows


CROSS: dict[str, Compute] = {"count": count, "breadth": breadth, "xmean": xmean, "xrank": xrank}
#: the same over blocks of rows
CROSS_BLOCKS: dict[str, Compute] = {
    "count": _count_rows,
    "breadth": _breadth_rows,
    "xmean": _each(xmean),
    "xrank": _each(xrank),
}
