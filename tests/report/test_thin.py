"""Laws of thinning: what a column of pixels hides must not be an extreme."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmtl.engine.report.thin import buckets, extremes, means, runs

VALUES = arrays(
    np.float64, st.integers(1, 400), elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), fill=st.nothing()
)


@settings(deadline=None)
@given(st.integers(1, 5000), st.integers(1, 1200))
def test_buckets_cover_every_row_once(count: int, most: int) -> None:
    edges = buckets(count, most)
    assert edges[0] == 0
    assert edges[-1] == count
    assert (np.diff(edges) > 0).all()
    assert len(edges) - 1 <= most


@settings(deadline=None)
@given(VALUES, st.integers(1, 60))
def test_every_bucket_keeps_its_lowest_and_its_highest_value(values: np.ndarray, most: int) -> None:
    edges = buckets(len(values), most)
    at = extremes(values, edges)
    assert (np.diff(at) > 0).all()
    assert at[0] == 0
    assert at[-1] == len(values) - 1
    for start, end in pairwise(edges):
        every, kept = values[start:end], values[at[(at >= start) & (at < end)]]
        known = every[np.isfinite(every)]
        assert len(known) == 0 or (np.nanmin(kept) == known.min() and np.nanmax(kept) == known.max())
        assert np.isfinite(every).all() or not np.isfinite(kept).all()  # a gap stays a gap
    assert len(at) <= 3 * (len(edges) - 1) + 2


@settings(deadline=None)
@given(VALUES, st.integers(1, 60))
def test_means_are_those_of_the_known_values(values: np.ndarray, most: int) -> None:
    edges = buckets(len(values), most)
    found = means(values[:, None], edges)[:, 0]
    for value, start, end in zip(found, edges[:-1], edges[1:], strict=True):
        known = values[start:end][np.isfinite(values[start:end])]
        assert np.isnan(value) if len(known) == 0 else np.isclose(value, known.mean(), atol=1e-6)


@settings(deadline=None)
@given(arrays(np.bool_, st.integers(0, 60)))
def test_runs_are_the_stretches_of_true(mask: np.ndarray) -> None:
    again = np.zeros(len(mask), dtype=bool)
    for start, end in runs(mask):
        assert mask[start:end].all()
        assert start == 0 or not mask[start - 1]
        assert end == len(mask) or not mask[end]
        again[start:end] = True
    assert (again == mask).all()
