"""The statistic itself: how often it raises an alarm when nothing is wrong, and that it sees what is."""

from __future__ import annotations

import numpy as np
import pytest

from .statistic import ALARM, LIMIT, bound, judged, market_years, weeks

RUNS, STRATEGIES, YEARS = 4_000, 7, 200
NAMES = tuple("abcdefg")


def test_seven_strategies_may_reach_2_7() -> None:
    assert bound(7) == LIMIT == pytest.approx(2.69, abs=0.005)
    assert bound(1) == pytest.approx(1.96, abs=0.005)


def alarms(years: np.ndarray) -> float:
    """Share of runs [runs, years, strategies] in which any strategy is out of bounds."""
    rang = [max(abs(v.t) for v in judged(NAMES, run)) > LIMIT for run in years]
    return float(np.mean(rang))


def test_false_alarms_are_as_rare_as_promised() -> None:
    """Independent normal years: 1 - (1 - 0.05 / 7)^7 = 4.9 %; the deviation of the measured share is 0.34 %."""
    found = alarms(np.random.default_rng(1).standard_normal((RUNS, YEARS, STRATEGIES)))
    assert found == pytest.approx(1 - (1 - ALARM / STRATEGIES) ** STRATEGIES, abs=0.011)


def test_years_with_fat_tails_raise_no_more_alarms() -> None:
    found = alarms(np.random.default_rng(2).standard_t(3, (RUNS, YEARS, STRATEGIES)))
    assert 0.02 < found < ALARM + 0.011


def test_strategies_that_move_together_raise_fewer_alarms() -> None:
    rng = np.random.default_rng(3)
    common = rng.standard_normal((RUNS, YEARS, 1))
    found = alarms(0.9 * common + 0.44 * rng.standard_normal((RUNS, YEARS, STRATEGIES)))
    assert 0.005 < found < ALARM


def test_a_mean_of_a_third_of_a_deviation_is_seen_in_200_years() -> None:
    """t is then 0.33 x sqrt(200) = 4.7 in the middle, out of bounds in 97 of 100 runs."""
    years = np.random.default_rng(4).standard_normal((500, YEARS, 1)) + 0.33
    seen = [abs(judged(("a",), run)[0].t) > LIMIT for run in years]
    assert np.mean(seen) > 0.95


def test_nothing_held_is_no_alarm() -> None:
    (verdict,) = judged(("flat",), np.zeros((YEARS, 1)))
    assert (verdict.mean, verdict.t) == (0.0, 0.0)


def test_units_are_sums_over_sessions_and_scale_to_years() -> None:
    """Two markets, one strategy, 250 sessions: years and weeks add up to the same yearly mean."""
    pnl = np.random.default_rng(5).standard_normal((250, 1, 2))
    years, parts = market_years(pnl), weeks(pnl)
    assert (years.shape, parts.shape) == ((2, 1), (100, 1))
    np.testing.assert_allclose(years[:, 0], pnl.sum(axis=0)[0])
    np.testing.assert_allclose(parts.reshape(2, 50).sum(axis=1), years[:, 0])
    assert judged(("a",), parts, 50)[0].mean == pytest.approx(judged(("a",), years)[0].mean)
