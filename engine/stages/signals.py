"""6. signals: target = signal x size for the candidates, and exit-only for the owner of every open position.

In: signal, size, stop columns of observe. Out: `Signals`. After a stop or take a (strategy, symbol) pair is latched: its
signal counts as 0 until the market signal has left that side, over restarts too.

Where the specification is silent: a strategy that declares a stop and whose stop is unknown is not eligible, since its
position would stand unprotected. A size that is unknown makes the signal unknown, except for signal 0. An unknown signal
does not release a latch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bars import Bools, Floats
from ..frame import Frame
from ..market import Market, Sides
from ..reasons import Reason
from ..state import MIX
from ..tick import Signals, Tick, any_strategy, no_reasons, put


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.signals`."""
    market, candidates = tick.market, tick.allowlist.candidates
    zero = market.signal == 0
    known = market.signal_known & (zero | np.isfinite(market.size))
    size = np.maximum(np.minimum(market.size, 1.0), 0.0)
    target = np.where(zero, 0.0, market.signal * size)
    owner_known, owner_target = _owner(frame, tick, known, target)
    latch = _released(tick, known)
    signal, latched = market.signal, np.zeros(frame.symbols, dtype=np.bool_)
    if latch.any():
        blocked = (latch != 0) & (signal == latch)
        signal, target = np.where(blocked, np.int8(0), signal), np.where(blocked, 0.0, target)
        latched = any_strategy(blocked & candidates)
    eligible = candidates & known & _protected(frame, market)
    reason = no_reasons(frame)
    put(reason, latched, Reason.LATCHED)
    put(reason, any_strategy(candidates) & ~any_strategy(eligible), Reason.SIGNAL_UNKNOWN)
    put(reason, tick.load.held & owner_known & (owner_target == 0), Reason.OWNER_EXIT)
    return replace(tick, signals=Signals(eligible, signal, target, latch, owner_known, owner_target, reason))


def _protected(frame: Frame, market: Market) -> Bools:
    protected: Bools = ~frame.has_stop | (market.signal == 0) | np.isfinite(market.stop)
    return protected


def _released(tick: Tick, known: Bools) -> Sides:
    """Latches [N, S] of which the signal has not left the side yet."""
    latch = tick.before.latch
    if not tick.market.decision or not latch.any():
        return latch
    return np.where(known & (tick.market.signal != latch), np.int8(0), latch)


def _owner(frame: Frame, tick: Tick, known: Bools, target: Floats) -> tuple[Bools, Floats]:
    """The owner's own view, from the market signal (latches do not hide an exit). The owner @mix is known when every
    candidate is, and leaves when all of them are at 0."""
    owner = tick.load.owner
    row = np.maximum(owner, 0)
    is_known = (owner >= 0) & known[row, frame.columns]
    value = np.where(is_known, target[row, frame.columns], np.nan)
    mixed = owner == MIX
    if mixed.any():
        candidates = tick.allowlist.candidates
        all_zero = (candidates & known & (target == 0)).sum(axis=0) == candidates.sum(axis=0)
        leaves = mixed & candidates.any(axis=0) & all_zero
        is_known, value = is_known | leaves, np.where(leaves, 0.0, value)
    return is_known, value
