"""Probabilistic and deflated Sharpe ratios: by hand, and against simulated noise."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from qmtl.engine.backtest.deflated import (
    Moments,
    deflated_sharpe,
    expected_best,
    moments,
    probabilistic_sharpe,
    sharpe_error,
)

NORMAL = NormalDist()


def test_moments_by_hand() -> None:
    m = moments(np.array([0.0, 0.0, 0.0, 0.04]))
    assert (m.n, m.mean) == (4, 0.01)
    assert m.sd == pytest.approx(0.02)
    assert m.sharpe == pytest.approx(0.5)
    # deviations -1 -1 -1 3: third moment 6, fourth 21, second 3
    assert m.skew == pytest.approx(6 / 3**1.5)
    assert m.kurtosis == pytest.approx(21 / 9)


@pytest.mark.parametrize("returns", [[], [0.1, 0.2], [0.01] * 9, [0.1, math.nan, 0.2]])
def test_returns_without_a_sharpe_ratio(returns: list[float]) -> None:
    assert moments(np.array(returns)) is None


def test_the_probability_of_the_papers_example() -> None:
    """Bailey and Lopez de Prado (2012) and (2014) give: monthly SR 0.458, 24 months, skew -2.448, kurtosis 10.164 -> 0.913;
    and a yearly SR of 2.5 in 1,250 sessions, the best of 100 with a variance of 1/2, skew -3, kurtosis 10 -> 0.9004."""
    fund = Moments(24, 0.458, 1.0, -2.448, 10.164)
    assert probabilistic_sharpe(fund) == pytest.approx(0.9128, abs=0.002)
    daily = 2.5 / math.sqrt(250)
    chosen = Moments(1250, daily, 1.0, -3.0, 10.0)
    assert expected_best(100, 0.5 / 250) == pytest.approx(0.1132, abs=0.0002)
    assert deflated_sharpe(chosen, 100, 0.5 / 250) == pytest.approx(0.9004, abs=0.0005)
    # "had the strategy been found after 46 trials it would have passed at 95 %"
    assert deflated_sharpe(chosen, 46, 0.5 / 250) == pytest.approx(0.95, abs=0.002)


def test_a_single_trial_is_not_deflated() -> None:
    m = moments(np.random.default_rng(1).normal(0.001, 0.01, 250))
    assert expected_best(1, 1.0) == 0.0
    assert deflated_sharpe(m, 1, 1.0) == probabilistic_sharpe(m)


def test_more_trials_deflate_more() -> None:
    best = [expected_best(n, 1.0) for n in (2, 10, 100, 420, 10_000)]
    assert best == sorted(best)
    m = moments(np.random.default_rng(1).normal(0.002, 0.01, 250))
    chances = [deflated_sharpe(m, n, 1 / 249) for n in (1, 2, 10, 100, 420)]
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize(("trials", "near"), [(5, 0.03), (50, 0.02), (420, 0.01)])
def test_the_expected_best_is_the_mean_of_simulated_maxima(trials: int, near: float) -> None:
    """The formula is for many trials; for few it is a little high, which is the careful side."""
    best = np.random.default_rng(2).normal(size=(4_000, trials)).max(axis=1).mean()
    assert expected_best(trials, 1.0) == pytest.approx(best, rel=near)


def test_the_quantile_is_that_of_the_normal() -> None:
    gamma = 0.5772156649
    wanted = (1 - gamma) * NORMAL.inv_cdf(1 - 1 / 420) + gamma * NORMAL.inv_cdf(1 - 1 / (420 * math.e))
    assert expected_best(420, 4.0) == pytest.approx(2 * wanted)


def test_the_best_of_420_noise_pairs_shows_a_sharpe_of_four_and_is_deflated() -> None:
    """decisions.md: "the best of 420 noise pairs is expected at Sharpe 4" (in about 140 sessions). Such a pair convinces
    whoever looks at it alone, and is not let through by the deflated ratio."""
    rng, sessions, trials, worlds = np.random.default_rng(3), 142, 420, 60
    best, alone, deflated = [], [], []
    for _ in range(worlds):
        found = [moments(row) for row in rng.normal(0, 0.01, (trials, sessions))]
        sharpes = np.array([m.sharpe for m in found])
        top = found[int(sharpes.argmax())]
        best.append(top.sharpe * math.sqrt(252))
        alone.append(probabilistic_sharpe(top))
        deflated.append(deflated_sharpe(top, trials, float(sharpes.var(ddof=1))))
    assert np.mean(best) == pytest.approx(4.0, abs=0.15)
    assert min(alone) > 0.98
    assert np.mean(np.array(deflated) >= 0.95) <= 1 / 60
    assert np.median(deflated) == pytest.approx(0.5, abs=0.15)


def test_a_true_edge_survives_deflation() -> None:
    returns = np.random.default_rng(4).normal(0.25 * 0.01, 0.01, 1_000)  # a yearly Sharpe ratio of 4
    assert deflated_sharpe(moments(returns), 420, 1 / 999) > 0.95


def test_the_error_never_takes_a_root_of_less_than_zero() -> None:
    """Two values only: kurtosis = skew^2 + 1, where the expression under the root touches 0."""
    for wins in range(1, 9):
        m = moments(np.array([0.02] * wins + [-0.01] * (10 - wins)))
        assert sharpe_error(m) >= 0.0
    certain = Moments(10, 1.0, 1.0, 2.0, 5.0)
    assert sharpe_error(certain) == 0.0
    assert probabilistic_sharpe(certain) == 1.0
    assert probabilistic_sharpe(certain, 2.0) == 0.0
