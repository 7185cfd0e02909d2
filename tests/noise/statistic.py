"""The statistic: is the mean of independent years further from zero than chance allows?

In: one number per unit and strategy: the gross P&L of a year in a market of its own, or of a shorter period where few
markets can be had (on a martingale the P&L of one period says nothing about the next, so periods are units as good as
markets). Out: mean yearly P&L, its standard error, t, and what |t| may be.

Not the mean of Sharpe ratios: a year's ratio divides what it earned by a deviation that depends on what it earned. Who fades
moves has quiet years when it wins and wild ones when it loses, so its mean ratio is above zero where its mean P&L is zero;
who follows trends has it the other way round (docs/noise.md has the numbers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from qmtl.engine.bars import Floats

#: weeks of five sessions in a year
WEEKS = 252 / 5
#: chance of an alarm, over all strategies together, when nothing is wrong
ALARM = 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """Mean yearly P&L of a strategy, its standard error and their ratio; `units` is how many went into it."""

    strategy: str
    units: int
    mean: float
    error: float

    @property
    def t(self) -> float:
        """Mean over standard error; 0 where nothing was ever held."""
        return self.mean / self.error if self.error else 0.0


def bound(strategies: int) -> float:
    """What |t| may be when so many strategies are looked at: two-sided, Bonferroni."""
    return NormalDist().inv_cdf(1 - ALARM / strategies / 2)


#: 2.69, for the seven built-in strategies; probes and worlds are held to the same
LIMIT = bound(7)


def judged(strategies: tuple[str, ...], pnl: Floats, units_a_year: float = 1.0) -> tuple[Verdict, ...]:
    """Verdicts over [units, strategies] of P&L per unit; the mean and its error are scaled to a year."""
    count = len(pnl)
    means = pnl.mean(axis=0) * units_a_year
    errors = pnl.std(axis=0, ddof=1) * units_a_year / math.sqrt(count)
    return tuple(
        Verdict(name, count, float(mean), float(error))
        for name, mean, error in zip(strategies, means, errors, strict=True)
    )


def market_years(pnl: Floats) -> Floats:
    """[markets, strategies] P&L of each market's year, of [sessions, strategies, markets]."""
    return np.asarray(pnl.sum(axis=0).T)


def weeks(pnl: Floats) -> Floats:
    """[markets x weeks, strategies] P&L of each market's weeks of five sessions, of [sessions, strategies, markets]; what is
    left of the last week is dropped."""
    whole = len(pnl) // 5
    parts = pnl[: whole * 5].reshape(whole, 5, *pnl.shape[1:]).sum(axis=1)
    return np.asarray(np.moveaxis(parts, 2, 0).reshape(-1, pnl.shape[1]))


def sharpe_ratios(pnl: Floats) -> Floats:
    """[markets, strategies] yearly Sharpe ratio of each market's year, of [sessions, strategies, markets]; for comparison."""
    return np.asarray((pnl.mean(axis=0) / pnl.std(axis=0, ddof=1) * math.sqrt(252)).T)
