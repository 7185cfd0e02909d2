"""Gates: conditions that a pair, a shadow run or a live run has to meet before it may go on.

In: numbers. Out: a `Verdict` with every condition, what was measured and the limit. Pure functions: where the numbers
come from is the caller's. A condition whose value is not known fails: nothing passes because it was not looked at.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Floats
from .deflated import Moments, deflated_sharpe, moments
from .metrics import Window, profit_factor
from .pairs import Pair, Pairs, daily
from .result import Result

SHARPE: Final = 1.0
PROFIT_FACTOR: Final = 1.2
DRAWDOWN: Final = 0.12
TRADES: Final = 30
DEFLATED: Final = 0.95


@dataclass(frozen=True, slots=True)
class Check:
    """One condition. `value` None = not known; `gating` False = shown only; `text` says it in words."""

    name: str
    value: float | None
    limit: float
    passed: bool
    gating: bool
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The conditions of a gate, in order."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True when every gating condition holds."""
        return all(check.passed for check in self.checks if check.gating)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The gating conditions that do not hold, in words."""
        return tuple(check.text for check in self.checks if check.gating and not check.passed)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """The pair gate for one pair; `sharpe` is yearly, `deflated` a probability."""

    pair: Pair
    sharpe: float | None
    profit_factor: float | None
    max_drawdown: float
    trades: int
    deflated: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What was measured in a live or paper run.

    orders, failed     how many were sent, how many failed;  p95_latency  seconds of a tick, None = not measured
    parity_errors      decisions that differ from the backtest on the same data, None = not compared
    slippage, modelled paid and expected, fractions of notional, None = no fill
    drawdown           of the run so far, a positive fraction;  sharpe  yearly
    """

    sessions: int
    orders: int
    failed: int
    p95_latency: float | None
    parity_errors: int | None
    slippage: float | None
    modelled: float
    drawdown: float | None
    sharpe: float | None


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """Limits of the live gate. Ours are: slippage may be twice the model's (the x2 row of the sensitivity table), and a
    Sharpe ratio that counts (from `sharpe_sessions` on) must not be negative."""

    error_rate: float = 0.005
    p95_latency: float = 3.0
    slippage_ratio: float = 2.0
    drawdown: float = DRAWDOWN
    sharpe: float = 0.0
    sharpe_sessions: int = 120


@dataclass(frozen=True, slots=True)
class ShadowRun:
    """What was measured while a model ran in the shadow: ticks that fell back to the heuristic, ticks without a regime,
    kills."""

    sessions: int
    ticks: int
    fallbacks: int
    missing_regimes: int
    kills: int


def pair_gate(
    result: Result, pairs: Pairs, window: Window | None = None, trials: int | None = None
) -> tuple[PairVerdict, ...]:
    """The gate for every pair that traded, over all sessions or round trips opened in `window`. `trials` is how many
    pairs were looked at, traded or not (default `all_trials`: symbols x strategies of all worlds); give more when
    parameters were tried too."""
    window = window or Window(0, len(pairs.equity))
    returns = daily(pairs, window)
    found = [moments(row) for row in returns]
    known = np.array([m.sharpe for m in found if m is not None])
    count = max(all_trials(result) if trials is None else trials, len(known), 1)
    # trials that differ less than noise would are few or alike; noise is then the yardstick: var(SR) = 1 / (n - 1)
    noise = 1.0 / max(window.stop - window.start - 1, 1)
    variance = max(float(known.var(ddof=1)) if len(known) > 1 else 0.0, noise)
    year = result.setup.sessions_a_year
    closed = (pairs.trip_opened >= window.start) & (pairs.trip_closed < window.stop)
    order = np.flatnonzero(closed)
    order = order[np.argsort(pairs.trip_row[order], kind="stable")]
    cuts = np.searchsorted(pairs.trip_row[order], np.arange(1, len(pairs.pairs)))
    trades = np.split(pairs.trip_won[order], cuts) if len(pairs.pairs) else []
    return tuple(
        _pair_verdict(pair, (m, row, won), year, None if m is None else deflated_sharpe(m, count, variance))
        for pair, m, row, won in zip(pairs.pairs, found, returns, trades, strict=True)
    )


def passing(result: Result, pairs: Pairs, window: Window) -> frozenset[Pair]:
    """Pairs that pass the gate on a window: the chooser of a walk-forward."""
    return frozenset(found.pair for found in pair_gate(result, pairs, window) if found.verdict.passed)


def all_trials(result: Result) -> int:
    """Every pair of symbol and strategy that was tried, in all worlds."""
    return sum(len(world.universe) * len(world.strategies) for world in result.worlds)


def live_gate(run: LiveRun, limits: LiveLimits | None = None) -> Verdict:
    """May a paper run go live, or a live run grow? Sharpe is shown, and gates only from `sharpe_sessions` sessions on."""
    limits = limits or LiveLimits()
    rate = run.failed / run.orders if run.orders else None
    slip = None if run.slippage is None else run.slippage * 1e4
    parity = None if run.parity_errors is None else float(run.parity_errors)
    counts = run.sessions >= limits.sharpe_sessions
    return Verdict(
        (
            _below("error rate", rate, limits.error_rate, strict=True, percent=True),
            _below("p95 latency in s", run.p95_latency, limits.p95_latency),
            _below("decisions unlike the backtest", parity, 0.0),
            _below("slippage in bps", slip, run.modelled * limits.slippage_ratio * 1e4),
            _below("drawdown", run.drawdown, limits.drawdown, percent=True),
            _above("sharpe", run.sharpe, limits.sharpe, gating=counts),
        )
    )


def shadow_gate(run: ShadowRun, sessions: int = 5, fallback: float = 0.05) -> Verdict:
    """May a model that ran in the shadow decide? At least `sessions` sessions, fewer fallbacks than `fallback`,
    none missing, no kill."""
    rate = run.fallbacks / run.ticks if run.ticks else None
    return Verdict(
        (
            _above("sessions", float(run.sessions), float(sessions)),
            _below("fallback rate", rate, fallback, strict=True, percent=True),
            _below("ticks without a regime", float(run.missing_regimes) if run.ticks else None, 0.0),
            _below("kills", float(run.kills), 0.0),
        )
    )


def _pair_verdict(
    pair: Pair, data: tuple[Moments | None, Floats, Floats], year: float, dsr: float | None
) -> PairVerdict:
    m, returns, won = data
    sharpe = None if m is None else m.sharpe * math.sqrt(year)
    value = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    depth = float((value / np.maximum.accumulate(value) - 1.0).min())
    factor = profit_factor(won)
    checks = (
        _above("sharpe", sharpe, SHARPE),
        _profit_check(factor, won),
        _below("drawdown", -depth, DRAWDOWN, percent=True),
        _above("trades", float(len(won)), float(TRADES)),
        _above("deflated sharpe", dsr, DEFLATED),
    )
    return PairVerdict(pair, sharpe, factor, depth, len(won), dsr, Verdict(checks))


def _profit_check(factor: float | None, won: Floats) -> Check:
    """A profit factor that is undefined because nothing was lost passes; one without any winner does not."""
    if factor is None and bool((won > 0).any()):
        return Check("profit factor", None, PROFIT_FACTOR, passed=True, gating=True, text="profit factor: no losses")
    return _above("profit factor", factor, PROFIT_FACTOR)


def _above(name: str, value: float | None, limit: float, *, gating: bool = True) -> Check:
    passed = value is not None and value >= limit
    sign = ">=" if passed else "<"
    return Check(name, value, limit, passed, gating, _say(name, value, f"{sign} {limit:g}", percent=False))


def _below(name: str, value: float | None, limit: float, *, strict: bool = False, percent: bool = False) -> Check:
    passed = value is not None and (value < limit if strict else value <= limit)
    sign = ("<" if strict else "<=") if passed else (">=" if strict else ">")
    bound = f"{limit:.4g}" if not percent else f"{limit * 100:.4g} %"
    return Check(name, value, limit, passed, gating=True, text=_say(name, value, f"{sign} {bound}", percent=percent))


def _say(name: str, value: float | None, bound: str, *, percent: bool) -> str:
    if value is None:
        return f"{name} is not known"
    return f"{name} {value * 100:.4g} % {bound}" if percent else f"{name} {value:.4g} {bound}"
