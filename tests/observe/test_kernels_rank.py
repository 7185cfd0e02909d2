"""percentile counts in single precision; where that cannot tell values apart it has to answer as if it had not."""

from __future__ import annotations

import numpy as np
import pytest

from qmtl.engine.kernels import active_of, make
from qmtl.engine.kernels.rank import narrowed
from qmtl.engine.kernels.spread import block_of

ROWS, WIDTH, LENGTH = 160, 23, 24


def _values(kind: str) -> np.ndarray:
    random = np.random.default_rng(5)
    plain = random.normal(0, 1, (ROWS, WIDTH))
    missing = np.where(random.random((ROWS, WIDTH)) < 0.02, np.nan, plain)
    return {
        "plain": plain,
        "missing": missing,
        "equal in single precision": 1.0 + random.integers(0, 3, (ROWS, WIDTH)) * 2.0**-50,
        "zero in single precision": random.integers(-2, 3, (ROWS, WIDTH)) * 1e-60,
        "infinite in single precision": random.integers(1, 4, (ROWS, WIDTH)) * 1e60,
        "ties": random.integers(0, 4, (ROWS, WIDTH)).astype(np.float64),
    }[kind]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize(
    "kind",
    [
        "plain",
        "missing",
        "equal in single precision",
        "zero in single precision",
        "infinite in single precision",
        "ties",
    ],
)
@pytest.mark.parametrize("idle", [0.0, 0.2])
def test_percentile_counts_as_in_double_precision(kind: str, idle: float) -> None:
    random, values = np.random.default_rng(6), _values(kind)
    kernel = make("percentile", (LENGTH,), WIDTH)
    windows = np.full((LENGTH, WIDTH), np.nan)
    for row in values:
        mask = random.random(WIDTH) >= idle
        windows[:, mask] = np.vstack((windows[1:], row))[:, mask]
        below = (windows < windows[-1]).sum(axis=0)
        up_to = (windows <= windows[-1]).sum(axis=0)
        expected = np.where(np.isnan(windows).any(axis=0), np.nan, (below + up_to + 1) * 0.5 / LENGTH)
        np.testing.assert_array_equal(kernel.step((row,), active_of(mask)), expected)


@pytest.mark.filterwarnings("ignore:overflow")
def test_narrowed_never_turns_an_order_around() -> None:
    values = np.sort(np.array([-1e60, -1.0, -1e-60, -0.0, 0.0, 1e-60, 1.0, 1.0 + 2**-50, 1e60, np.inf]))
    near = narrowed(values)
    assert (np.diff(near[np.isfinite(near)]) >= 0).all()
    assert ((near == 0) == (values == 0)).all()


def test_blocks_divide_a_window() -> None:
    assert [block_of(rows) for rows in (1, 2, 13, 20, 50, 60, 120)] == [1, 1, 1, 4, 5, 6, 10]
