"""How sure a Sharpe ratio is: its standard error, and what is left of it after all the trials it was chosen from.

In: moments of returns. Out: plain numbers. All Sharpe ratios here are per observation (per session), not yearly.

Sources: A. Lo, The Statistics of Sharpe Ratios (2002); E. Mertens, Comments on the Correct Variance of Estimated Sharpe
Ratios (2002), which adds skew and kurtosis; D. Bailey and M. Lopez de Prado, The Sharpe Ratio Efficient Frontier (2012)
for the probabilistic and The Deflated Sharpe Ratio (2014) for the deflated one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np

from ..bars import Floats

_NORMAL: Final = NormalDist()
_EULER: Final = 0.5772156649015329
#: returns that vary by less than this are constant: what is left is rounding
_STILL: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Moments:
    """Of n returns. `sd` has n - 1 below; `skew` and `kurtosis` (3 for a normal) are those of the population."""

    n: int
    mean: float
    sd: float
    skew: float
    kurtosis: float

    @property
    def sharpe(self) -> float:
        """Mean over standard deviation, per observation."""
        return self.mean / self.sd


def moments(returns: Floats) -> Moments | None:
    """Moments of returns [n]; None for fewer than three, constant or undefined ones: they have no Sharpe ratio."""
    n = len(returns)
    if n < 3 or not np.isfinite(returns).all():
        return None
    mean = float(returns.mean())
    centred = returns - mean
    second = float((centred**2).mean())
    if math.sqrt(second) <= _STILL:
        return None
    skew = float((centred**3).mean()) / second**1.5
    kurtosis = float((centred**4).mean()) / second**2
    return Moments(n, mean, math.sqrt(second * n / (n - 1)), skew, kurtosis)


def sharpe_error(m: Moments) -> float:
    """Standard error of `m.sharpe`: sqrt((1 - skew SR + (kurtosis - 1) / 4 SR^2) / (n - 1)) (Mertens 2002; with the n - 1
    of Bailey and Lopez de Prado). For normal returns it is Lo's sqrt((1 + SR^2 / 2) / n)."""
    spread = 1.0 - m.skew * m.sharpe + (m.kurtosis - 1.0) / 4.0 * m.sharpe**2
    # population moments keep it above 0 (kurtosis >= skew^2 + 1); what is below is rounding
    return math.sqrt(max(spread, 0.0) / (m.n - 1))


def probabilistic_sharpe(m: Moments, benchmark: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `benchmark` (per observation), in [0, 1]."""
    error = sharpe_error(m)
    if error == 0.0:
        return float(m.sharpe > benchmark)
    return _NORMAL.cdf((m.sharpe - benchmark) / error)


def expected_best(trials: int, variance: float) -> float:
    """Sharpe ratio that the best of `trials` is expected to show when none is any good; `variance` is that of the
    trials' Sharpe ratios. sqrt(V) ((1 - e) q(1 - 1/N) + e q(1 - 1/(N exp 1))), q the normal quantile, e Euler's constant. One
    trial was not chosen from anything: 0."""
    if trials <= 1:
        return 0.0
    high = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    higher = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER) * high + _EULER * higher)


def deflated_sharpe(m: Moments, trials: int, variance: float) -> float:
    """Probability that the true Sharpe ratio is above what the best of `trials` worthless ones would show."""
    return probabilistic_sharpe(m, expected_best(trials, variance))
