"""Compiled worlds of the laws, with formulas that warm up in a few bars, and bars to run them on."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from qmtl.engine.bars import BarRow
from qmtl.engine.calendar import SessionCalendar

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")

#: chart-fit inputs of one bar instead of sixty, and a regime that anybody can steer
SHORT = """
feature trend15 { value roc(close, 1) }
feature trend60 { value roc(close, 2) }
feature mom15 { value roc(close, 2) }
feature mom60 { value roc(close, 3) }
feature vol_score { value abs(roc(close, 1)) }
feature overext { value 0 * close / close }
"""

STEADY = """
regime steady { score trend_up 1
  score trend_down 0
  score chop 0
  high_vol 0.1 }
"""

LIVELY = """
regime lively { score trend_up 40 * roc(close, 3)
  score trend_down -40 * roc(close, 3)
  score chop 0.3
  high_vol sigmoid(60 * abs(roc(close, 1)) - 100%) }
strategy run_along { style trend
  long when roc(close, 3) > 0.2%
  short when roc(close, 3) < -0.2%
  size clip(50 * abs(roc(close, 3)), 10%, 100%)
  stop 2 * atr(5)
  take 3 * atr(5) }
strategy lean_back { style chop
  on 60m { mean = sma((high + low + close) / 3, 3) }
  long when close < mean
  short when close > mean
  exit long when close >= mean
  exit short when close <= mean
  size 60% }
strategy behind_line { style defensive
  long when close > highest(close, 5)[1]
  exit long when close < lowest(close, 4)[1]
  size 100%
  stop at lowest(close, 6) }
"""

LIVELY_WORLD = """
version: 1
world: lively
calendar: XNYS
universe: [AAA, BBB, CCC, DDD]
sectors: {AAA: one, BBB: one}
regime: {heuristic: lively}
chains:
  - {name: fear, when: p_high_vol >= 0.40 and p_trend_down >= p_trend_up, strategies: [behind_line], exposure: 40%}
  - {name: calm, when: p_chop >= 0.45, strategies: [lean_back], exposure: 40%}
  - {name: trend, when: p_trend_up >= 0.45, strategies: [run_along, behind_line], exposure: 90%}
  - {name: rest, otherwise: true, strategies: [run_along, lean_back], exposure: 65%}
hysteresis: 0.07
allowlist: all
"""


@lru_cache
def calendar(name: str = "XNYS") -> SessionCalendar:
    """Six weeks with a clock change and a half day."""
    return SessionCalendar(name, "2025-10-20", "2025-12-05")


def first_bars(count: int, name: str = "XNYS") -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of so many bars of the grid, from the fourth session on: there is room for a warm-up before them."""
    grid = calendar(name).grid("15m")
    first = int(np.flatnonzero(grid.session == 3)[0])
    return grid.starts[first : first + count], grid.ends[first : first + count]


def rows_of(close: NDArray[np.float64], volume: NDArray[np.float64], name: str = "XNYS") -> list[BarRow]:
    """Bars of closes [T, S] and volumes [T, S]; each opens at the close before."""
    starts, ends = first_bars(len(close), name)
    opened = np.vstack([close[:1], close[:-1]])
    spread = 1 + 0.001 * np.abs(np.sin(np.arange(len(close))))[:, None]
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    cells = np.stack([opened, high, low, close, volume], axis=1)
    there = np.isfinite(close)
    return [
        BarRow(start, end, end, np.where(there[t], cells[t], np.nan), there[t])
        for t, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True))
    ]


def walk_of(seed: int, bars: int, width: int = len(SYMBOLS)) -> NDArray[np.float64]:
    """Random walks of closes, rounded to cents."""
    steps = np.random.default_rng(seed).normal(0, 0.006, (bars, width))
    return np.round(100 * np.exp(np.cumsum(steps, axis=0)), 2)
