"""Kernels across the universe: over the symbols that have a value.

In: one row over symbols. Out: one value for all of them (`count`, `breadth`, `xmean`), or one per symbol (`xrank`).
"""

from __future__ import annotations

import numpy as np

from ..bars import Codes, Floats
from .elementwise import Compute
from .kernel import TRUE, UNKNOWN


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


CROSS: dict[str, Compute] = {"count": count, "breadth": breadth, "xmean": xmean, "xrank": xrank}
