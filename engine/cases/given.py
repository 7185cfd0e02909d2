"""Signals and charts that a case gives, laid over the columns that the world's formulas made.

In: the market of a tick and what the case says. Out: the same market with those outputs replaced. Everything that is not
said stays as observed, so a rule can be tested without indicator arithmetic and still sees real bars elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from qmtl.dsl.cases.model import Chart, Signal, Step

from ..frame import Frame
from ..market import Market

#: order of `Market.fit`
FIT = ("trend15", "trend60", "mom15", "mom60", "vol_score", "overext")
#: a stop that nobody said stands this share of the price away: farther than any position stop
FAR = 0.5


def overlaid(market: Market, frame: Frame, signals: Sequence[Signal], charts: Sequence[Chart]) -> Market:
    """The market with these signals and charts; a symbol with signals and no chart has a flat one."""
    if not signals and not charts:
        return market
    return _signalled(_charted(market, frame, signals, charts), frame, signals)


def quoted(market: Market, frame: Frame, step: Step) -> Market:
    """The market with the quotes of a step, which are of this very moment."""
    if not step.quotes:
        return market
    prices, at = np.full(frame.symbols, np.nan), np.zeros(frame.symbols, dtype=np.int64)
    for symbol, price in step.quotes:
        prices[frame.index[symbol]], at[frame.index[symbol]] = price, step.at
    return replace(market, quote=prices, quoted_at=at)


def _charted(market: Market, frame: Frame, signals: Sequence[Signal], charts: Sequence[Chart]) -> Market:
    fit = market.fit.copy()
    fit[:, [frame.index[signal.symbol] for signal in signals]] = 0.0
    for chart in charts:
        column = frame.index[chart.symbol]
        fit[:, column] = np.nan_to_num(fit[:, column])
        for name, value in chart.inputs:
            fit[FIT.index(name), column] = value
    return replace(market, fit=fit)


def _signalled(market: Market, frame: Frame, signals: Sequence[Signal]) -> Market:
    side, known, size = market.signal.copy(), market.signal_known.copy(), market.size.copy()
    stop, take, reason = market.stop.copy(), market.take.copy(), market.signal_reason.copy()
    for signal in signals:
        at = frame.strategy_index[signal.strategy], frame.index[signal.symbol]
        known[at], side[at] = signal.side is not None, signal.side or 0
        reason[at] = 0 if signal.side is not None else reason[at]
        size[at] = signal.size
        stop[at] = _stop(frame, market, signal, at) if signal.stop is None else signal.stop
        take[at] = np.nan if signal.take is None else signal.take
    return replace(market, signal=side, signal_known=known, size=size, stop=stop, take=take, signal_reason=reason)


def _stop(frame: Frame, market: Market, signal: Signal, at: tuple[int, int]) -> float:
    """Far away on the losing side, for strategies that have a stop."""
    mark = float(market.mark[at[1]])
    if not frame.has_stop[at]:
        return float("nan")
    return mark * (1 - (signal.side or 1) * FAR) if frame.stop_is_level[at] else mark * FAR
