"""Every kernel over blocks of rows against the same kernel stepped row by row: rows, state and readiness, to the bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qmtl.engine.kernels import OPS, Array, Kernel, active_of, make
from qmtl.engine.kernels.block import Scratch
from qmtl.engine.kernels.blocks import over
from qmtl.engine.kernels.cross import CROSS
from qmtl.engine.kernels.windowed import WINDOWED

from ..thorough import often

TRUTHS = {"and": 2, "or": 2, "not": 1, "coalesce_truth": 2, "for_bars": 1, "latch": 4, "count": 1, "breadth": 1}
NUMBERS = {
    **dict.fromkeys(("clip", "ratchet", "true_range", "atr"), 3),
    **dict.fromkeys(("add", "sub", "mul", "div", "min2", "max2", "coalesce", "crosses_above", "crosses_below"), 2),
    **dict.fromkeys(("gt", "ge", "lt", "le", "eq", "ne"), 2),
}
LENGTHS = {*WINDOWED, "ema", "wilder", "rsi", "atr"}
MARKET = {"count", "breadth", "xmean"}


def kinds(op: str) -> str:
    return "tnn" if op == "choose" else "t" * TRUTHS[op] if op in TRUTHS else "n" * NUMBERS.get(op, 1)


@dataclass(frozen=True, slots=True)
class Case:
    """An op with inputs [T, W], who advances in each part, and where parts end; parts of rank 0 are stepped."""

    op: str
    params: tuple[int, ...]
    inputs: tuple[Array, ...]
    cuts: tuple[int, ...]
    masks: tuple[NDArray[np.bool_], ...]
    stepped: tuple[bool, ...]

    def kernel(self) -> Kernel:
        return make(self.op, self.params, len(self.masks[0]))


def numbers(random: np.random.Generator, shape: tuple[int, int], kind: str) -> Array:
    if kind == "zeros":
        return random.choice([0.0, -0.0, 1.0, -1.0], shape)
    if kind == "equal":
        return np.broadcast_to(random.normal(100, 1, shape[1]), shape).copy()
    if kind == "coarse":
        return np.round(random.normal(0, 2, shape))
    if kind == "prices":
        return 100 * np.exp(np.cumsum(random.normal(0, 0.01, shape), axis=0))
    if kind == "wild":
        return random.normal(0, 1, shape) * 10.0 ** random.integers(-200, 200, shape)
    return random.normal(0.3, 1, shape) * 10.0 ** random.integers(-3, 4)


@st.composite
def cases(draw: st.DrawFn, op: str | None = None, *, wide: bool = False) -> Case:
    op = op or draw(st.sampled_from(sorted(OPS)))
    steps = draw(st.integers(1, 70))
    shape = (steps, 130 if wide else draw(st.sampled_from([1, 2, 3, 7, 17, 130])))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["plain", "zeros", "equal", "coarse", "prices", "wild"]))
    missing = draw(st.sampled_from([0.0, 0.0, 0.02, 0.5]))
    inputs: list[Array] = []
    for place, what in enumerate(kinds(op)):
        narrow = place > 0 and draw(st.booleans()) and op not in CROSS
        size = (steps, 1) if narrow else shape
        if what == "t":
            weights = draw(st.sampled_from([(1, 1, 1), (4, 0, 1), (8, 1, 1)]))
            inputs.append(random.choice(3, size, p=np.array(weights) / sum(weights)).astype(np.uint8))
        else:
            values = numbers(random, size, kind)
            values[random.random(size) < missing] = np.nan
            if kind == "wild":
                values[random.random(size) < 0.01] = np.inf
            inputs.append(values)
    cuts = sorted(draw(st.sets(st.integers(1, steps), max_size=4)) | {steps})
    gaps = draw(st.sampled_from([0.0, 0.0, 0.3]))
    width = 1 if op in MARKET else shape[1]
    masks = tuple(random.random(width) >= (0 if op in CROSS else gaps) for _ in cuts)
    lengths = [20, 40] if wide else [1, 2, 3, 5, 8, 12, 20, 40]
    params = (draw(st.sampled_from(lengths)),) if op in LENGTHS else ()
    return Case(op, params, tuple(inputs), tuple(cuts), masks, tuple(draw(st.booleans()) for _ in cuts))


def bits(rows: Array) -> Array:
    """As integers, every NaN alike."""
    return np.where(np.isnan(rows), np.nan, rows).view(np.uint64) if rows.dtype.kind == "f" else rows


def same(left: Array, right: Array) -> None:
    np.testing.assert_array_equal(bits(np.asarray(left)), bits(np.asarray(right)))


def step(kernel: Kernel, case: Case, span: tuple[int, int], mask: NDArray[np.bool_]) -> tuple[Array, Array]:
    out, ready = [], []
    for t in range(*span):
        out.append(kernel.step(tuple(rows[t] for rows in case.inputs), active_of(mask)).copy())
        ready.append(kernel.ready())
    return np.array(out), np.array(ready)


def block(kernel: Kernel, case: Case, span: tuple[int, int], mask: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Run twice, because a block may be run again before it counts."""
    low, high = span
    out = np.empty((high - low, len(kernel.out)), kernel.out.dtype)
    run = over(case.op, kernel, tuple(rows[low:high] for rows in case.inputs), out, scratch=Scratch())
    active = active_of(mask)
    before, state, last = kernel.ready(), kernel.state(), kernel.out.copy()
    run.run(active)
    first = out.copy()
    out[...] = 0
    run.run(active)
    for left, right in zip((*kernel.state(), kernel.out), (*state, last), strict=True):
        same(left, right)  # nothing is remembered before it counts
    advancing = np.flatnonzero(mask)
    same(first[:, advancing], out[:, advancing])
    ready = run.ready()
    ready = np.ones(out.shape, np.bool_) if ready is None else ready.copy()
    if active is not None:
        out[:, active.idle] = kernel.out[active.idle]
        ready[:, active.idle] = before[active.idle]
    run.commit(active)
    np.copyto(kernel.out, out[-1])
    return out, ready


def check(case: Case) -> None:
    stepped, blocks = case.kernel(), case.kernel()
    low = 0
    with np.errstate(all="ignore"):
        for high, mask, rows in zip(case.cuts, case.masks, case.stepped, strict=True):
            expected, expected_ready = step(stepped, case, (low, high), mask)
            out, ready = (step if rows else block)(blocks, case, (low, high), mask)
            same(out, expected)
            np.testing.assert_array_equal(ready, expected_ready)
            for left, right in zip(blocks.state(), stepped.state(), strict=True):
                same(left, right)
            low = high


@settings(max_examples=often(600), deadline=None)
@given(cases())
def test_law_a_block_is_its_steps(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("op", sorted(OPS))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_law_a_block_is_its_steps_for_every_op(op: str, data: st.DataObject) -> None:
    check(data.draw(cases(op)))


@pytest.mark.parametrize("op", ["highest", "lowest"])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_law_long_extremes_of_wide_universes_are_folded_as_in_steps(op: str, data: st.DataObject) -> None:
    check(data.draw(cases(op, wide=True)))


@pytest.mark.parametrize("op", sorted(WINDOWED - {"for_bars"}))
@pytest.mark.parametrize("at", [12, 14, 17])
def test_a_value_that_is_missing_within_a_block_is_missed_for_a_whole_window(op: str, at: int) -> None:
    """Known until the block, known again after it: the steps that follow still have the gap in their window."""
    values = np.random.default_rng(4).normal(100, 1, (40, 3))
    values[at, 1] = np.nan
    masks = tuple(np.ones(3, np.bool_) for _ in range(3))
    check(Case(op, (8,), (values,), (12, 18, 40), masks, (True, False, True)))
