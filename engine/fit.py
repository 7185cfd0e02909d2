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
exit. Scores are linear in the signal, so three numbers per style and symbol give all strategies of that style.
"""

from __future__ import annotations

import numpy as np

from .bars import Floats
from .frame import Frame
from .market import Market, Sides


def scores(frame: Frame, market: Market, signal: Sides) -> Floats:
    """Adjusted scores [N, S] of `signal` [N, S]; the router terms (alpha) are 0 in this version."""
    slope, if_long, if_short = _terms(market)
    style = frame.style
    return signal * slope[style] + np.where(signal > 0, if_long[style], if_short[style])


def _terms(market: Market) -> tuple[Floats, Floats, Floats]:
    """Per style (trend, chop, defensive): coefficient of the signal, constant for longs, constant for the rest; [3, S]."""
    trend15, trend60, mom15, mom60, vol_score, overext = market.fit
    p_up, p_down, p_chop, p_high_vol = market.p
    bent60 = np.tanh(trend60 / 0.0035)
    direction = 0.6 * bent60 + 0.4 * np.tanh(mom60 / 0.015)
    strength = (
        0.40 * np.abs(np.tanh(trend15 / 0.0030))
        + 0.35 * np.abs(bent60)
        + 0.25 * np.abs(np.tanh((mom15 + mom60) / 0.020))
    )
    chop_score = np.minimum(np.maximum(1.0 - strength + 0.20 * vol_score, 0.0), 1.0)
    stretched = np.maximum(np.tanh(overext / 2.5), 0.0)
    trend = 0.30 * strength - 0.20 * p_chop - 0.10 * p_high_vol - 0.10 * stretched
    chop = 0.35 * p_chop + 0.25 * chop_score + 0.20 * (1.0 - strength) - 0.15 * p_high_vol
    defensive = 0.30 * p_high_vol - 0.20 * stretched
    slope = np.array([0.50 * direction, -0.20 * direction, 0.20 * direction])
    if_long = np.array([trend + 0.10 * p_up, chop, defensive + 0.30 * p_up])
    if_short = np.array([trend + 0.10 * p_down, chop, defensive + 0.30 * p_down])
    return slope, if_long, if_short
