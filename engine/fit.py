"""Chart fit: how well a strategy of some style suits the chart of a symbol now (decisions.md, "Chart fit").

In: the six fit inputs, regime probabilities, signals. Out: adjusted scores [N, S], NaN where any input is unknown.

    T(x, s)        = tanh(x / s)
    trend_dir      = clamp(0.6 T(trend60, .0035) + 0.4 T(mom60, .015), -1, 1)
    trend_strength = clamp(0.40 |T(trend15, .0030)| + 0.35 |T(trend60, .0035)| + 0.25 |T(mom15 + mom60, .020)|, 0, 1)
    chop_score     = clamp(1 - trend_strength + 0.20 vol_score, 0, 1)
    overextension  = clamp(T(overext, 2.5), 0, 1)
    align          = signal x trend_dir,  p_side = p_trend_up for signal > 0, else p_trend_down

    trend      0.50 align + 0.30 trend_strength + 0.10 p_side - 0.20 p_chop - 0.10 p_high_vol - 0.10 overextension
    chop       0.35 p_chop + 0.25 chop_score + 0.20 (1 - trend_strength) - 0.20 align - 0.15 p_high_vol
    defensive  0.30 p_high_vol + 0.30 p_side + 0.20 align - 0.20 overextension

The defensive style is ours. It is used in markets that fall or shake, so stress counts for it (0.30 p_high_vol) where it
counts against the others; it should stand on the side the regime calls (0.30 p_side: short in a fall, long only in a rise)
and with the chart (0.20 align); and it must not chase a move that has already happened (-0.20 overextension), which is
where positions taken in panic lose. Its range, -0.4 to 0.8, lies within that of the trend style, -0.9 to 0.9.

A signal of 0 scores as it would with align 0 and p_side = p_trend_down, as written above; it can be selected only as an
exit. The router adds alpha_k x p_k for the probabilities that `select.alphas` names, by strategy. Scores are linear in the signal, so three numbers per style and symbol give all strategies of that style.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .bars import Floats, Sides, Small
from .blocks import Block
from .frame import Frame
from .market import Market
from .masks import either

#: a block is worked out in parts of so many numbers a row: beyond the cache each step costs four times as much
_NUMBERS: Final = 16_384
#: coefficient of align: trend, chop, defensive
_ALIGN: Final = (0.50, -0.20, 0.20)


def scores(frame: Frame, market: Market | Block, signal: Sides) -> Floats:
    """Adjusted scores [N, S] of `signal` [N, S], with what the router adds: the sum of alpha x p. Of a block of bars
    [T, N, S], with a leading axis of time everywhere."""
    if signal.ndim == 2:
        return _scores(frame, market.fit, market.p, signal)
    found, rows = np.empty(signal.shape), max(1, _NUMBERS // signal.shape[-1])
    for low in range(0, len(signal), rows):
        part = slice(low, low + rows)
        found[part] = _scores(frame, market.fit[part], market.p[part], signal[part])
    return found


def _scores(frame: Frame, fit: Floats, p: Floats, signal: Sides) -> Floats:
    styles, place = frame.recent.of(_styles, frame.style)
    slope, if_long, if_short = _terms(fit, p, styles)
    if len(styles) > 1 or frame.strategies > 1:
        slope, if_long, if_short = (rows.take(place, axis=-2) for rows in (slope, if_long, if_short))
    score: Floats = np.multiply(slope, signal, out=slope)
    score += either(signal > 0, if_long, if_short)
    for row, alpha in frame.alphas:
        score += alpha * p[..., row : row + 1, :]
    return score


def _styles(style: Small) -> tuple[tuple[int, ...], Small]:
    """(styles that strategies have, the place of each strategy's among them)."""
    used, place = np.unique(style, return_inverse=True)
    return tuple(used.tolist()), place.astype(np.int16)


def _terms(fit: Floats, p: Floats, styles: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Per style: coefficient of the signal, constant for longs, constant for the rest; [..., styles, S]."""
    trend15, trend60, mom15, mom60, vol_score, overext = (fit[..., row, :] for row in range(6))
    bent15, bent60, bent_mom60, bent_mom, bent_over = np.tanh(
        (trend15 / 0.0030, trend60 / 0.0035, mom60 / 0.015, (mom15 + mom60) / 0.020, overext / 2.5)
    )
    direction = 0.6 * bent60 + 0.4 * bent_mom60
    strength = 0.40 * np.abs(bent15) + 0.35 * np.abs(bent60) + 0.25 * np.abs(bent_mom)
    chart = _Chart(strength, np.maximum(bent_over, 0.0), vol_score, p)
    slope, if_long, if_short = np.empty((3, *direction.shape[:-1], len(styles), direction.shape[-1]))
    for place, style in enumerate(styles):
        np.multiply(_ALIGN[style], direction, out=slope[..., place, :])
        base, share = _BASES[style](chart)
        for side, row in ((if_long, 0), (if_short, 1)):
            np.add(base, share * p[..., row, :] if share else 0.0, out=side[..., place, :])
    return slope, if_long, if_short


@dataclass(frozen=True, slots=True, eq=False)
class _Chart:
    """What styles look at: trend strength, overextension, volatility score, probabilities [..., 4, S]."""

    strength: Floats
    stretched: Floats
    vol_score: Floats
    p: Floats


def _trend(chart: _Chart) -> tuple[Floats, float]:
    """(constant, weight of p_side)."""
    p_chop, p_high_vol = chart.p[..., 2, :], chart.p[..., 3, :]
    return 0.30 * chart.strength - 0.20 * p_chop - 0.10 * p_high_vol - 0.10 * chart.stretched, 0.10


def _chop(chart: _Chart) -> tuple[Floats, float]:
    p_chop, p_high_vol, calm = chart.p[..., 2, :], chart.p[..., 3, :], 1.0 - chart.strength
    chop_score = np.minimum(np.maximum(calm + 0.20 * chart.vol_score, 0.0), 1.0)
    return 0.35 * p_chop + 0.25 * chop_score + 0.20 * calm - 0.15 * p_high_vol, 0.0


def _defensive(chart: _Chart) -> tuple[Floats, float]:
    return 0.30 * chart.p[..., 3, :] - 0.20 * chart.stretched, 0.30


#: in the order of `frame.STYLES`
_BASES: Final = (_trend, _chop, _defensive)
