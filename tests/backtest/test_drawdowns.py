"""Drawdowns, months, best and worst sessions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmtl.engine.backtest.curves import account_curve, closes, session_returns
from qmtl.engine.backtest.drawdowns import best_and_worst, drawdowns, months
from qmtl.engine.backtest.measures import Drawdown, Period

from .made import of_returns, record, sessions

RETURNS = arrays(np.float64, st.integers(1, 90), elements=st.sampled_from([-0.1, -0.02, 0.0, 0.01, 0.05, 0.2]))


def curve_of(closes_: list[float]):
    """One tick before, then one a session."""
    value = np.array(closes_, dtype=np.float64)
    return account_curve(record(np.stack((value[:-1], value[1:]), axis=1).reshape(-1), 2))


def test_falls_by_hand() -> None:
    days = sessions(9)
    curve = curve_of([100, 90, 100, 120, 60, 90, 120, 130, 117, 120])
    assert drawdowns(curve) == (
        Drawdown(days[2], days[3], days[5], -0.5, 3),
        Drawdown(days[0], days[0], days[1], pytest.approx(-0.1), 2),
        Drawdown(days[6], days[7], "", pytest.approx(-0.1), 2),
    )


def test_a_curve_that_never_falls_has_none() -> None:
    assert drawdowns(curve_of([100, 100, 101, 102])) == ()


@given(RETURNS)
@settings(max_examples=150, deadline=None)
def test_law_falls_cover_exactly_what_is_under_water(returns: np.ndarray) -> None:
    curve = account_curve(of_returns(returns))
    found = drawdowns(curve, most=1_000)
    values = closes(curve)
    under = values < np.maximum.accumulate(values)
    still = [fall for fall in found if not fall.end]
    assert len(still) == int(under[-1])
    # a fall of n sessions has n - 1 under water when it ended, n while it lasts
    assert sum(fall.sessions - bool(fall.end) for fall in found) == int(under.sum())
    assert [fall.depth for fall in found] == sorted(fall.depth for fall in found)
    worst = (values / np.maximum.accumulate(values) - 1).min()
    assert (found[0].depth if found else 0.0) == pytest.approx(float(worst))


@given(RETURNS)
@settings(max_examples=100, deadline=None)
def test_law_months_multiply_to_the_total(returns: np.ndarray) -> None:
    curve = account_curve(of_returns(returns))
    found = months(curve)
    assert [m.name for m in found] == sorted({day[:7] for day in curve.days})
    assert np.prod([1 + m.value for m in found]) == pytest.approx(curve.value[-1] / curve.value[0])


@given(RETURNS)
@settings(max_examples=100, deadline=None)
def test_law_best_and_worst_are_of_different_sessions(returns: np.ndarray) -> None:
    curve = account_curve(of_returns(returns))
    best, worst = best_and_worst(curve)
    assert len(best) == len(worst) == min(5, len(returns) // 2)
    assert not {p.name for p in best} & {p.name for p in worst}
    ordered = np.sort(session_returns(curve))
    assert [p.value for p in worst] == ordered[: len(worst)].tolist()
    assert [p.value for p in best] == ordered[::-1][: len(best)].tolist()


def test_months_by_hand() -> None:
    count = len([day for day in sessions(40) if day < "2025-02"])
    curve = curve_of([100.0] + [100.0 + i for i in range(1, count + 1)] + [200.0])
    assert months(curve) == (
        Period("2025-01", pytest.approx(count / 100)),
        Period("2025-02", pytest.approx(200 / (100 + count) - 1)),
    )
