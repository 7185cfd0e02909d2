"""Laws that every kernel keeps to the bit: chunking, causality, independent columns, gaps; and what they do by definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from qmtl.engine.kernels import OPS, PARTIAL, STATEFUL, Array, Kernel, active_of, make
from qmtl.engine.kernels.cross import CROSS
from qmtl.engine.kernels.windowed import WINDOWED

NAN = np.nan
TWO_TRUTHS = {"and", "or", "coalesce_truth"}
ARGS = {
    **dict.fromkeys(WINDOWED, "n"),
    **dict.fromkeys(("add", "sub", "mul", "div", "min2", "max2", "coalesce", "gt", "ge", "lt", "le", "eq", "ne"), "nn"),
    **dict.fromkeys(("neg", "abs", "log", "exp", "sqrt", "tanh", "sigmoid", "sign", "ema", "wilder", "rsi"), "n"),
    **dict.fromkeys(TWO_TRUTHS, "tt"),
    "clip": "nnn",
    "ratchet": "nnn",
    "true_range": "nnn",
    "atr": "nnn",
    "choose": "tnn",
    "not": "t",
    "for_bars": "t",
    "crosses_above": "nn",
    "crosses_below": "nn",
    "latch": "tttt",
}
LENGTHS = {*WINDOWED, "ema", "wilder", "rsi", "atr"}
COLUMN_OPS = sorted(ARGS)


def test_every_op_of_the_contract_is_here() -> None:
    assert set(ARGS) | set(CROSS) == OPS
    assert STATEFUL | PARTIAL <= OPS


@dataclass(frozen=True, slots=True)
class Case:
    """An op with inputs [T, W] and which columns advance, [T, W]."""

    op: str
    params: tuple[int, ...]
    inputs: tuple[Array, ...]
    active: NDArray[np.bool_]

    def kernel(self, width: int | None = None) -> Kernel:
        return make(self.op, self.params, self.active.shape[1] if width is None else width)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    op = draw(st.sampled_from(COLUMN_OPS))
    width, steps = draw(st.integers(1, 9)), draw(st.integers(1, 45))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    coarse, missing, gaps = (
        draw(st.booleans()),
        draw(st.sampled_from([0.0, 0.05, 0.5])),
        draw(st.sampled_from([0.0, 0.3])),
    )
    inputs: list[Array] = []
    for kind in ARGS[op]:
        if kind == "t":
            inputs.append(random.integers(0, 3, (steps, width)).astype(np.uint8))
            continue
        numbers = random.normal(0.3, 1, (steps, width)) * 10.0 ** random.integers(-3, 4)
        numbers = np.round(numbers) if coarse else numbers
        inputs.append(np.where(random.random(numbers.shape) < missing, NAN, numbers))
    params = (draw(st.integers(1, 12)),) if op in LENGTHS else ()
    return Case(op, params, tuple(inputs), random.random((steps, width)) >= gaps)


def run(kernel: Kernel, case: Case, low: int, high: int) -> list[Array]:
    out = []
    with np.errstate(all="ignore"):
        for t in range(low, high):
            args = tuple(rows[t] for rows in case.inputs)
            out.append(kernel.step(args, active_of(case.active[t])).copy())
    return out


def bits(rows: list[Array] | tuple[Array, ...]) -> list[bytes]:
    """Bytes with every NaN alike."""
    return [np.where(row != row, NAN, row).tobytes() if row.dtype.kind == "f" else row.tobytes() for row in rows]


@settings(max_examples=400, deadline=None)
@given(cases(), st.data())
def test_law_any_chunking_gives_the_same_bits(case: Case, data: st.DataObject) -> None:
    steps = len(case.active)
    whole = case.kernel()
    expected = run(whole, case, 0, steps)
    cuts = sorted(data.draw(st.lists(st.integers(0, steps), max_size=3)))
    chunked: list[Array] = []
    kernel = case.kernel()
    for low, high in zip([0, *cuts], [*cuts, steps], strict=True):
        chunked += run(kernel, case, low, high)
        fresh = case.kernel()
        fresh.out[...] = kernel.out
        fresh.restore(kernel.state())
        kernel = fresh
    assert bits(chunked) == bits(expected)
    assert bits(kernel.state()) == bits(whole.state())
    assert np.array_equal(kernel.ready(), whole.ready())


@settings(max_examples=200, deadline=None)
@given(cases(), st.data())
def test_law_a_value_does_not_know_later_bars(case: Case, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(case.active)))
    full = run(case.kernel(), case, 0, len(case.active))
    assert bits(run(case.kernel(), case, 0, cut)) == bits(full[:cut])


@settings(max_examples=400, deadline=None)
@given(cases(), st.data())
def test_law_columns_are_independent(case: Case, data: st.DataObject) -> None:
    width = case.active.shape[1]
    chosen = sorted(data.draw(st.sets(st.integers(0, width - 1), min_size=1)))
    part = Case(case.op, case.params, tuple(rows[:, chosen] for rows in case.inputs), case.active[:, chosen])
    full = run(case.kernel(), case, 0, len(case.active))
    alone = run(part.kernel(), part, 0, len(case.active))
    assert bits(alone) == bits([row[chosen] for row in full])


@settings(max_examples=400, deadline=None)
@given(cases())
def test_law_a_gap_is_as_if_time_had_not_passed(case: Case) -> None:
    masked = case.kernel()
    rows = run(masked, case, 0, len(case.active))
    for column in range(case.active.shape[1]):
        there = case.active[:, column]
        inputs = tuple(values[there][:, [column]] for values in case.inputs)
        dense = Case(case.op, case.params, inputs, np.ones((int(there.sum()), 1), dtype=np.bool_))
        kernel = dense.kernel()
        alone = run(kernel, dense, 0, len(dense.active))
        assert bits([rows[t][[column]] for t in np.flatnonzero(there)]) == bits(alone)
        assert bits(kernel.state()) == bits(tuple(part[..., [column]] for part in masked.state()))
        held = case.kernel().out[[column]]
        for t, row in enumerate(rows):
            if not there[t]:
                assert bits([row[[column]]]) == bits([held])
            held = row[[column]]


@settings(max_examples=200, deadline=None)
@given(cases().filter(lambda case: case.op in WINDOWED), st.integers(0, 44))
def test_law_windows_forget_where_history_began(case: Case, start: int) -> None:
    steps = len(case.active)
    everybody = Case(case.op, case.params, case.inputs, np.ones_like(case.active))
    need = case.params[0] + 1
    late, early = everybody.kernel(), everybody.kernel()
    expected = run(early, everybody, 0, steps)
    got = run(late, everybody, min(start, steps), steps)
    assert bits(got[need:]) == bits(expected[min(start, steps) + need :])
    if steps - start > need:
        assert bits(late.state()) == bits(early.state())


@pytest.mark.parametrize("op", sorted(WINDOWED - {"for_bars"}))
def test_a_missing_value_in_the_window_is_a_missing_result(op: str) -> None:
    kernel = make(op, (3,), 1)
    values = [1.0, 2.0, 4.0, NAN, 3.0, 5.0, 9.0, 7.0]
    with np.errstate(all="ignore"):
        out = [float(kernel.step((np.array([value]),), None)[0]) for value in values]
    looks_back = op in {"lag", "roc"}
    expected = [0, 1, 2, 3, 6] if op == "roc" else [0, 1, 2, 6] if looks_back else [0, 1, 3, 4, 5]
    assert [index for index, value in enumerate(out) if np.isnan(value)] == expected


@pytest.mark.parametrize("op", ["ema", "wilder", "rsi"])
def test_recursions_skip_a_missing_value(op: str) -> None:
    values = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    holes = np.insert(values, [2, 5, 5], NAN)
    plain, broken = make(op, (3,), 1), make(op, (3,), 1)
    out = [plain.step((values[i : i + 1],), None).copy() for i in range(len(values))]
    with_holes = [broken.step((holes[i : i + 1],), None).copy() for i in range(len(holes))]
    assert bits([row for row, value in zip(with_holes, holes, strict=True) if value == value]) == bits(out)
    assert all(np.isnan(row[0]) for row, value in zip(with_holes, holes, strict=True) if np.isnan(value))


def test_a_constant_has_no_spread_and_no_rank_noise() -> None:
    flat = np.full(3, 0.1)
    kernels = {op: make(op, (7,), 3) for op in ("stdev", "zscore", "ema", "rsi", "percentile")}
    with np.errstate(all="ignore"):
        for _ in range(20):
            for kernel in kernels.values():
                kernel.step((flat,), None)
    assert kernels["stdev"].out.tolist() == [0.0] * 3
    assert np.isnan(kernels["zscore"].out).all()
    assert np.isnan(kernels["rsi"].out).all()
    assert kernels["zscore"].ready().all()
    assert kernels["ema"].out.tolist() == [0.1] * 3
    assert kernels["percentile"].out.tolist() == [4 / 7] * 3


def truth_table(op: str) -> list[int]:
    a, b = np.meshgrid(np.arange(3, dtype=np.uint8), np.arange(3, dtype=np.uint8), indexing="ij")
    args = (a.ravel(),) if op == "not" else (a.ravel(), b.ravel())
    return make(op, (), 9).step(args, None).tolist()


def test_truths_are_kleene() -> None:
    assert truth_table("and") == [0, 0, 0, 0, 1, 1, 0, 1, 2]
    assert truth_table("or") == [0, 1, 2, 1, 1, 2, 2, 2, 2]
    assert truth_table("not") == [2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert truth_table("coalesce_truth") == [0, 0, 0, 0, 1, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ("gt", [0, 0, 2, 1, 1]),
        ("ge", [2, 0, 2, 1, 1]),
        ("lt", [0, 2, 0, 1, 1]),
        ("le", [2, 2, 0, 1, 1]),
        ("eq", [2, 0, 0, 1, 1]),
        ("ne", [0, 2, 2, 1, 1]),
    ],
)
def test_a_comparison_with_nothing_is_unknown(op: str, expected: list[int]) -> None:
    a, b = np.array([1.0, 1.0, 2.0, NAN, 1.0]), np.array([1.0, 2.0, 1.0, 1.0, NAN])
    assert make(op, (), 5).step((a, b), None).tolist() == expected


def test_what_has_no_value_is_missing() -> None:
    with np.errstate(all="ignore"):
        assert np.isnan(make("div", (), 2).step((np.array([1.0, 0.0]), np.zeros(2)), None)).all()
        assert np.isnan(make("log", (), 2).step((np.array([0.0, -1.0]),), None)).all()
        assert np.isnan(make("sqrt", (), 1).step((np.array([-1.0]),), None)).all()
        assert np.isnan(make("roc", (1,), 1).step((np.zeros(1),), None)).all()
    chosen = make("choose", (), 3).step((np.array([0, 1, 2], dtype=np.uint8), np.ones(3), np.zeros(3)), None)
    np.testing.assert_array_equal(chosen, [0.0, NAN, 1.0])
    np.testing.assert_array_equal(
        make("coalesce", (), 2).step((np.array([NAN, 1.0]), np.array([2.0, 2.0])), None), [2.0, 1.0]
    )


def test_for_bars_counts_definite_truths() -> None:
    kernel = make("for_bars", (3,), 1)
    truths = [2, 2, 2, 1, 2, 2, 2, 0, 2, 2, 2]
    out = [int(kernel.step((np.array([truth], dtype=np.uint8),), None)[0]) for truth in truths]
    assert out == [1, 1, 2, 1, 1, 1, 2, 0, 0, 0, 2]


def latch(*steps: tuple[int, int, int, int]) -> list[float]:
    kernel = make("latch", (), 1)
    return [float(kernel.step(tuple(np.array([truth], dtype=np.uint8) for truth in step), None)[0]) for step in steps]


def test_a_latch_exits_first_and_acts_on_definite_truth_only() -> None:
    nothing, long, short = (0, 0, 0, 0), (2, 0, 0, 0), (0, 2, 0, 0)
    assert latch(nothing, long, nothing, (0, 0, 1, 0), (0, 0, 2, 0)) == [0, 1, 1, 1, 0]
    assert latch(long, short, (0, 0, 2, 0), (0, 0, 0, 2)) == [1, -1, -1, 0]
    assert latch((2, 2, 0, 0), long, (2, 2, 0, 0), (2, 2, 2, 0)) == [0, 1, 1, 0]
    assert latch(long, (2, 0, 2, 0)) == [1, 1]
    np.testing.assert_array_equal(
        latch((1, 0, 0, 0), (0, 1, 0, 0), long, (1, 1, 0, 0), (1, 0, 2, 0)), [NAN, NAN, 1, 1, NAN]
    )


def test_a_ratchet_never_gives_way_and_flips_at_its_line() -> None:
    kernel = make("ratchet", (), 1)
    prices = [10.0, 12.0, 11.0, 9.0, 8.0, 9.5, 11.5]
    lines = [float(kernel.step(tuple(np.array([price + d]) for d in (0, -1.5, 1.5)), None)[0]) for price in prices]
    assert lines == [8.5, 10.5, 10.5, 10.5, 9.5, 9.5, 10.0]


def test_crossings_need_a_step_before() -> None:
    kernel = make("crosses_above", (), 1)
    pairs = [(2.0, 1.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (NAN, 1.0), (3.0, 1.0), (0.0, 1.0), (3.0, 1.0)]
    out = [int(kernel.step((np.array([a]), np.array([b])), None)[0]) for a, b in pairs]
    assert out == [1, 0, 2, 0, 0, 1, 0, 2]


def test_across_the_universe_only_known_symbols_count() -> None:
    truths = np.array([2, 2, 0, 1], dtype=np.uint8)
    assert make("count", (), 1).step((truths,), None).tolist() == [2.0]
    assert make("breadth", (), 1).step((truths,), None).tolist() == [2 / 3]
    assert make("xmean", (), 1).step((np.array([1.0, NAN, 4.0]),), None).tolist() == [2.5]
    np.testing.assert_array_equal(
        make("xrank", (), 4).step((np.array([5.0, NAN, 1.0, 5.0]),), None), [2.5 / 3, NAN, 1 / 3, 2.5 / 3]
    )
    nobody = np.full(3, NAN)
    for op in ("xmean", "xrank"):
        assert np.isnan(make(op, (), 3).step((nobody,), None)).all()
    for op in ("count", "breadth"):
        assert np.isnan(make(op, (), 1).step((np.ones(3, dtype=np.uint8),), None)).all()
