"""What decisions.md says, word by word and one symbol at a time, to compare the columns with.

Slow, plain and written from the text alone: chart fit, choice of a chain, selection, caps with the breadth rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qmtl.dsl.model import RiskLimits, Select


def clamp(x: float, low: float, high: float) -> float:
    return max(low, min(high, x))


def adjusted_score(style: str, signal: int, fit: Sequence[float], p: Sequence[float]) -> float:
    """Chart fit of one strategy on one symbol; NaN where an input is."""
    if any(math.isnan(x) for x in (*fit, *p)):
        return math.nan
    trend15, trend60, mom15, mom60, vol_score, overext = fit
    up, down, chop, high_vol = p

    def t(x: float, s: float) -> float:
        return math.tanh(x / s)

    trend_dir = clamp(0.6 * t(trend60, 0.0035) + 0.4 * t(mom60, 0.015), -1, 1)
    strength = clamp(
        0.40 * abs(t(trend15, 0.0030)) + 0.35 * abs(t(trend60, 0.0035)) + 0.25 * abs(t(mom15 + mom60, 0.020)), 0, 1
    )
    chop_score = clamp(1 - strength + 0.20 * vol_score, 0, 1)
    stretched = clamp(t(overext, 2.5), 0, 1)
    align, side = signal * trend_dir, up if signal > 0 else down
    if style == "trend":
        return 0.50 * align + 0.30 * strength + 0.10 * side - 0.20 * chop - 0.10 * high_vol - 0.10 * stretched
    if style == "chop":
        return 0.35 * chop + 0.25 * chop_score + 0.20 * (1 - strength) - 0.20 * align - 0.15 * high_vol
    return 0.30 * high_vol + 0.30 * side + 0.20 * align - 0.20 * stretched


@dataclass(frozen=True, slots=True)
class Candidate:
    """One strategy for one symbol: `signal` is None when unknown; `eligible` = in the chain, allowed, signal known."""

    eligible: bool
    signal: int | None
    score: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A symbol before the selection: the current strategy (-1 none), when it last switched, held, flat and nothing resting."""

    current: int
    switched_at: int
    now: int
    held: bool
    flat: bool


def single_best(rules: Select, of: Sequence[Candidate], standing: Standing) -> int | None:
    """Row of the strategy selected; None for nobody (then a position stays with its owner, exit-only)."""
    speaking = [i for i, one in enumerate(of) if one.eligible and one.signal and not math.isnan(one.score)]
    best = max(speaking, key=lambda i: (of[i].score, -i), default=None)
    current = standing.current
    if current >= 0 and of[current].eligible:
        if best is None or best == current:
            return current
        ahead = of[best].score - of[current].score >= rules.switch_edge - 1e-12
        waited = standing.now >= standing.switched_at + rules.cooldown
        return best if ahead and waited and (standing.flat or not rules.only_when_flat) else current
    if best is None and standing.held:
        quiet = [i for i, one in enumerate(of) if one.eligible and not math.isnan(one.score)]
        return max(quiet, key=lambda i: (of[i].score, -i), default=None)
    return best


@dataclass(frozen=True, slots=True)
class Member:
    """A wished size (signed, before caps), its |adjusted score| with the bonus of a held one, its sector ("" none), and what the
    confidence of its regime leaves of the exposure."""

    size: float
    rank: float
    sector: str = ""
    sure: float = 1.0


def sure(blend: float, confidence: float) -> float:
    """ "target x exposure x (1 - blend x (1 - confidence))"; a confidence that nobody knows changes nothing."""
    return 1.0 if math.isnan(confidence) else 1.0 - blend * (1.0 - confidence)


def capped(members: Mapping[str, Member], risk: RiskLimits) -> dict[str, float]:
    """Caps in order: symbol, sector gross (scale members), total gross (scale all)."""
    out = {s: math.copysign(min(abs(m.size), risk.max_symbol), m.size) for s, m in members.items()}
    for sector in {m.sector for m in members.values() if m.sector}:
        mine = [s for s, m in members.items() if m.sector == sector]
        gross = sum(abs(out[s]) for s in mine)
        if gross > risk.max_sector:
            out |= {s: out[s] * risk.max_sector / gross for s in mine}
    gross = sum(abs(x) for x in out.values())
    factor = min(1.0, risk.max_total / gross) if gross else 1.0
    return {s: x * factor for s, x in out.items()}


def broad(members: Mapping[str, Member], risk: RiskLimits, exposure: float, least: float) -> dict[str, float]:
    """Targets of a flat book after caps, breadth and exposure: while any is non-zero and below min_target, drop the one of
    these with the lowest rank and cap again. One that is too small by itself goes first and drops nobody."""
    given = {s: exposure * m.sure for s, m in members.items()}
    left = {s: m for s, m in members.items() if min(abs(m.size), risk.max_symbol) * given[s] >= least - 1e-12}
    while left:
        targets = {s: x * given[s] for s, x in capped(left, risk).items()}
        small = [s for s, x in targets.items() if x and abs(x) < least - 1e-12]
        if not small:
            return targets
        # a sector that is too crowded by itself drops its own members first
        crowded = [s for s in small if _alone(left, s, risk) * given[s] < least - 1e-12]
        del left[min(crowded or small, key=lambda s: left[s].rank)]
    return {}


def _alone(left: Mapping[str, Member], symbol: str, risk: RiskLimits) -> float:
    """Its magnitude under the caps of symbol and sector, whatever the total."""
    sizes = {s: min(abs(m.size), risk.max_symbol) for s, m in left.items()}
    sector = left[symbol].sector
    gross = sum(size for s, size in sizes.items() if left[s].sector == sector)
    return sizes[symbol] * (min(1.0, risk.max_sector / gross) if sector else 1.0)
