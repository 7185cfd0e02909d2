"""What blocks rest on: numpy gives an element the same bits wherever it stands and however many stand beside it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 800.0, -800.0]


def bits(cells: Floats) -> NDArray[np.uint64]:
    """Bits, every NaN alike."""
    return np.where(np.isnan(cells), np.nan, cells).view(np.uint64)


def numbers(random: np.random.Generator, count: int, trial: int) -> Floats:
    """Ordinary numbers, numbers of every size, special ones among them, and any bits at all."""
    if trial % 4 == 0:
        return np.exp(random.uniform(-745, 709, count)) * random.choice([-1, 1], count)
    if trial % 4 == 1:
        return random.integers(0, 2**63, count).astype(np.uint64).view(np.float64) * random.choice([-1, 1], count)
    values = random.normal(0, 1, count) * 10.0 ** random.integers(-12, 3)
    if trial % 4 == 2:
        values[random.random(count) < 0.1] = random.choice(SPECIAL)
    return values


@pytest.mark.parametrize("function", [np.exp, np.log, np.tanh, np.sqrt, np.sign, np.negative, np.absolute])
def test_functions_of_one_number_do_not_see_their_neighbours(function: np.ufunc) -> None:
    random = np.random.default_rng(7)
    with np.errstate(all="ignore"):
        for trial in range(150):
            rows, width, offset = (int(random.integers(low, high)) for low, high in ((1, 12), (1, 70), (0, 9)))
            block = numbers(random, rows * width + 16, trial)[offset : offset + rows * width].reshape(rows, width)
            whole = function(block)
            apart = np.empty((rows, 3, width))
            function(block, apart[:, 1])
            assert np.array_equal(bits(apart[:, 1]), bits(whole))
            inside = block.copy()
            function(inside, inside)
            assert np.array_equal(bits(inside), bits(whole))
            for row, expected in zip(block, whole, strict=True):
                shifted = np.empty(width + 1)[1:]
                function(row, shifted)
                assert np.array_equal(bits(shifted), bits(expected))
                assert np.array_equal(bits(function(row.copy())), bits(expected))
            assert np.array_equal(bits(function(block[:, :1])), bits(whole[:, :1]))


def test_a_sum_over_rows_adds_row_after_row() -> None:
    """`np.add.reduce` over the rows of a block that is two or more wide, from 0.0, and 0.0 + the first + the second ..."""
    random = np.random.default_rng(8)
    for _ in range(300):
        rows, width, step = (int(random.integers(low, high)) for low, high in ((1, 130), (2, 40), (1, 4)))
        block = random.normal(0, 1, (rows * step, width)) * 10.0 ** random.integers(-6, 7, (rows * step, width))
        block[random.random(block.shape) < 0.05] = -0.0
        total = block[0] + 0.0
        for row in block[step::step]:
            total = total + row
        assert np.array_equal(bits(np.add.reduce(block[::step], axis=0, initial=0.0)), bits(total))
    zeros = np.full((5, 3), -0.0)
    assert not np.signbit(np.add.reduce(zeros, axis=0, initial=0.0)).any()
