"""7. select: single_best with its conditions, weighted with its cap, and who may speak for a position."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import Select
from qmtl.engine.fit import scores
from qmtl.engine.reasons import Reason
from qmtl.engine.stages.select import soft_weights, water_fill
from qmtl.engine.state import MIX, NOBODY, initial


def test_weights_of_the_example_keep_the_cap() -> None:
    filled = water_fill(np.array([[0.798], [0.108], [0.094]]), 0.45)[:, 0]
    assert filled.round(3).tolist() == [0.45, 0.294, 0.256]


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=7), st.sampled_from([0.2, 0.45, 0.75, 1.0]))
@settings(max_examples=200, deadline=None)
def test_r48_weights_sum_to_at_most_one_and_none_is_above_the_cap(values: list[float], cap: float) -> None:
    score = np.array(values)[:, None]
    soft = soft_weights(score, np.ones_like(score, dtype=bool), 0.75)
    filled = water_fill(soft, cap)[:, 0]
    assert filled.max() <= cap
    assert abs(filled.sum() - min(1.0, len(values) * cap)) < 1e-9
    loose = filled < cap - 1e-9
    ratio = filled[loose] / soft[:, 0][loose]
    assert ratio.size == 0 or np.ptp(ratio) < 1e-6  # the uncapped ones keep their proportions
    assert (np.diff(filled[np.argsort(values)]) >= -1e-12).all()


def test_r48_no_strategy_has_no_weight() -> None:
    empty = soft_weights(np.array([[np.nan], [1.0]]), np.zeros((2, 1), dtype=bool), 0.75)
    assert water_fill(empty, 0.45).tolist() == [[0.0], [0.0]]


def test_chart_fit_follows_the_formulas(lab: Any) -> None:
    of = lab.frame(1, ("t", "c", "d"), styles=("trend", "chop", "defensive"))
    row = lab.market(of, lab.at("10:00"), signal=1)
    trend15, trend60, mom15, mom60, vol, over = 0.002, 0.003, 0.01, 0.01, 0.1, 0.5
    direction = 0.6 * np.tanh(trend60 / 0.0035) + 0.4 * np.tanh(mom60 / 0.015)
    strength = (
        0.40 * np.tanh(trend15 / 0.003) + 0.35 * np.tanh(trend60 / 0.0035) + 0.25 * np.tanh((mom15 + mom60) / 0.02)
    )
    chop = min(max(1 - strength + 0.2 * vol, 0), 1)
    stretched = np.tanh(over / 2.5)
    up, down, p_chop, p_hv = 0.5, 0.2, 0.3, 0.1
    expected_long = [
        0.5 * direction + 0.3 * strength + 0.1 * up - 0.2 * p_chop - 0.1 * p_hv - 0.1 * stretched,
        0.35 * p_chop + 0.25 * chop + 0.2 * (1 - strength) - 0.2 * direction - 0.15 * p_hv,
        0.3 * p_hv + 0.3 * up + 0.2 * direction - 0.2 * stretched,
    ]
    assert np.allclose(scores(of, row, row.signal)[:, 0], expected_long)
    short = scores(of, row, -row.signal)[:, 0]
    assert np.isclose(short[0], expected_long[0] - direction - 0.1 * up + 0.1 * down)
    assert np.isclose(short[2], expected_long[2] - 0.4 * direction - 0.3 * up + 0.3 * down)


def picked(of: Any, selected: int, switched_at: int = 0, state: Any = None) -> Any:
    base = state or initial(of)
    shape = of.symbols
    return replace(base, selected=np.full(shape, selected, dtype=np.int16), switched_at=np.full(shape, switched_at))


@pytest.fixture
def two(lab: Any) -> Any:
    """alpha follows the trend of the default row, beta leans against it: alpha's score is ahead by far."""
    return lab.frame(1, ("alpha", "beta"), styles=("trend", "trend"))


def test_the_best_with_a_signal_is_selected_first(lab: Any, two: Any) -> None:
    tick = lab.decide(two, lab.at("10:00"), signal=np.array([[1], [-1]]))
    assert tick.select.selected.tolist() == [0]
    assert lab.why(tick, 0, "select") is Reason.SELECTED
    assert int(tick.after.switched_at[0]) == 0


@pytest.mark.parametrize(("waited", "selected", "why"), [(7199, 1, Reason.SWITCH_HELD), (7200, 0, Reason.SWITCHED)])
def test_a_switch_waits_for_the_cooldown(lab: Any, two: Any, waited: int, selected: int, why: Reason) -> None:
    now = lab.at("12:00")
    tick = lab.decide(two, now, picked(two, 1, now - waited), signal=np.array([[1], [-1]]))
    assert tick.select.selected.tolist() == [selected]
    assert lab.why(tick, 0, "select") is why
    assert int(tick.after.switched_at[0]) == (now if selected == 0 else now - waited)


def test_a_switch_needs_the_edge(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta"), select=Select(switch_edge=5.0))
    tick = lab.decide(of, lab.at("12:00"), picked(of, 1), signal=np.array([[1], [-1]]))
    assert tick.select.selected.tolist() == [1]


@pytest.mark.parametrize(("only_when_flat", "selected"), [(True, 1), (False, 0)])
def test_a_switch_needs_flat_when_asked(lab: Any, only_when_flat: bool, selected: int) -> None:
    of = lab.frame(1, ("alpha", "beta"), select=Select(only_when_flat=only_when_flat))
    state, holds = lab.book(of, {"S000": -0.1}, lab.at("09:46"), "beta")
    tick = lab.decide(of, lab.at("12:00"), picked(of, 1, 0, state), holds, signal=np.array([[1], [-1]]))
    assert tick.select.selected.tolist() == [selected]


def test_an_ineligible_one_is_replaced_at_once_and_the_smaller_target_counts(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta"), chains=(("main", (0,), 1.0),))
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"), "beta")
    now = lab.at("12:00")
    size = np.array([[0.04], [0.08]])
    tick = lab.decide(of, now, picked(of, 1, now, state), holds, signal=1, size=size)
    assert lab.why(tick, 0, "select") is Reason.INELIGIBLE
    assert tick.select.raw.tolist() == [0.04]
    tick = lab.decide(of, now, picked(of, 1, now, state), holds, signal=np.array([[-1], [1]]), size=size)
    assert tick.select.raw.tolist() == [0.0]


def test_nobody_eligible_is_exit_only_not_every_strategy(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta"), chains=(("main", (0,), 1.0),))
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"), "beta")
    unknown = np.array([[False], [True]])
    tick = lab.decide(of, lab.at("12:00"), picked(of, 1, 0, state), holds, signal=1, signal_known=unknown)
    assert lab.why(tick, 0, "select") is Reason.EXIT_ONLY
    assert tick.select.selected.tolist() == [1]
    assert tick.select.exit_only[0]
    tick = lab.decide(
        of, lab.at("12:00"), picked(of, 1, 0, state), holds, signal=np.array([[1], [0]]), signal_known=unknown
    )
    assert tick.orders.closing[0]


def test_nobody_eligible_and_the_owner_unknown_holds(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("12:00"), state, holds, signal=0, signal_known=False)
    assert np.isnan(tick.select.raw[0])
    assert tick.orders.target[0] == tick.load.current[0]
    assert not tick.orders.leg.any()


def test_an_unknown_score_is_not_chosen(lab: Any, two: Any) -> None:
    tick = lab.decide(two, lab.at("10:00"), signal=1, fit=np.nan)
    assert tick.select.selected.tolist() == [NOBODY]
    assert not tick.orders.leg.any()


def test_weighted_owner_is_the_mix_and_cash_is_the_rest(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta", "gamma"), select=Select(method="weighted"))
    tick = lab.decide(of, lab.at("10:00"), signal=np.array([[1], [0], [0]]), size=0.2)
    assert tick.select.selected.tolist() == [MIX]
    assert tick.select.weights[:, 0].max() <= 0.45
    assert 0 < tick.select.raw[0] <= 0.45 * 0.2
    assert tick.orders.strategy.tolist() == [MIX]


def test_weighted_leaves_when_all_are_out(lab: Any) -> None:
    of = lab.frame(1, ("alpha", "beta"), select=Select(method="weighted"))
    state, holds = lab.book(of, {"S000": 0.01}, lab.at("09:46"), "@mix")
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=0)
    assert tick.orders.closing[0]
    assert lab.why(tick) is Reason.OWNER_EXIT
