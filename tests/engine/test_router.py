"""Router alphas: score + sum of alpha x p, by strategy (decisions.md, "Chart fit")."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import RouterAlphas, Select
from qmtl.engine.fit import scores
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial

NAMES = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol")
P = np.array([[0.5], [0.2], [0.3], [0.1]])


def worlds(lab: Any, *alphas: RouterAlphas, **more: Any) -> tuple[Any, Any]:
    """The same world without and with alphas."""
    kinds = {"styles": ("trend", "chop")} | more
    return lab.frame(3, **kinds), lab.frame(3, select=Select(alphas=alphas), **kinds)


@given(st.lists(st.floats(-10, 10), min_size=8, max_size=8), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_each_alpha_adds_itself_times_its_probability(lab: Any, values: list[float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    two = [RouterAlphas(name, *values[4 * row : 4 * row + 4]) for row, name in enumerate(("alpha", "beta"))]
    plain, routed = worlds(lab, *two)
    p = rng.random((4, 3))
    p[:3] /= p[:3].sum(axis=0)
    row = lab.market(plain, lab.at("10:00"), p=p)
    signal = rng.integers(-1, 2, (2, 3)).astype(np.int8)
    added = scores(routed, row, signal) - scores(plain, row, signal)
    expected = np.array(values).reshape(2, 4) @ p
    np.testing.assert_allclose(added, expected, atol=1e-12)


def test_a_strategy_that_is_not_named_is_scored_as_before(lab: Any) -> None:
    plain, routed = worlds(lab, RouterAlphas("beta", p_chop=-2.0))
    row, signal = lab.market(plain, lab.at("10:00")), np.ones((2, 3), dtype=np.int8)
    before, after = scores(plain, row, signal), scores(routed, row, signal)
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_allclose(after[1] - before[1], -2.0 * 0.3)


def test_without_alphas_nothing_is_computed(lab: Any) -> None:
    plain, routed = worlds(lab)
    assert plain.alphas == routed.alphas == ()
    _, zero = worlds(lab, RouterAlphas("alpha"))
    assert zero.alphas == ()


def test_an_unknown_probability_leaves_the_score_unknown(lab: Any) -> None:
    plain, routed = worlds(lab, RouterAlphas("alpha", p_high_vol=1.0))
    p = np.repeat(P, 3, axis=1)
    p[3, 1] = np.nan
    row, signal = lab.market(plain, lab.at("10:00"), p=p), np.ones((2, 3), dtype=np.int8)
    assert np.isnan(scores(routed, row, signal)).tolist() == [[False, True, False]] * 2


@pytest.mark.parametrize(("share", "selected"), [(0.0, 0), (0.99, 0), (1.01, 1)])
def test_the_router_moves_the_selection(lab: Any, share: float, selected: int) -> None:
    """On a trending chart the trend style leads; an alpha that outweighs its lead moves the choice, a smaller one does not."""
    plain, _ = worlds(lab)
    row, signal = lab.market(plain, lab.at("10:00")), np.ones((2, 3), dtype=np.int8)
    first, second = scores(plain, row, signal)[:, 0].tolist()
    assert first > second
    _, of = worlds(lab, RouterAlphas("beta", p_chop=share * (first - second) / 0.3))
    tick = lab.decide(of, lab.at("10:00"), signal=1)
    assert tick.select.selected.tolist() == [selected] * 3


def test_alphas_count_against_the_switch_edge(lab: Any) -> None:
    of = lab.frame(1, styles=("trend", "trend"), select=Select(alphas=(RouterAlphas("beta", p_chop=0.499),)))
    ahead = lab.frame(1, styles=("trend", "trend"), select=Select(alphas=(RouterAlphas("beta", p_chop=0.5),)))
    state = lab.locked(replace(initial(of), selected=np.array([0], dtype=np.int16)))
    ticks = [lab.decide(frame, lab.at("12:00"), state, signal=1) for frame in (of, ahead)]
    assert [int(tick.select.selected[0]) for tick in ticks] == [0, 1]  # 0.3 x 0.5 is the edge of 0.15
    assert lab.why(ticks[1], 0, "select") is Reason.SWITCHED


def test_weights_follow_the_routed_scores(lab: Any) -> None:
    select = Select(method="weighted", cap=1.0, alphas=(RouterAlphas("beta", p_trend_up=0.75),))
    of = lab.frame(1, styles=("trend", "trend"), select=select)
    tick = lab.decide(of, lab.at("10:00"), signal=1)
    a, b = tick.select.weights[:, 0].tolist()
    assert b / a == pytest.approx(np.exp(0.5))  # 0.75 x 0.5 over a temperature of 0.75


def test_alphas_are_stored_by_the_names_of_the_probabilities() -> None:
    assert RouterAlphas.__slots__ == ("strategy", *NAMES)
