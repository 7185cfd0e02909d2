"""6. signals: target = signal x size for the candidates, and exit-only for the owner of every open position.

In: signal, size, stop columns of observe. Out: `Signals`. After a stop or take a (strategy, symbol) pair is latched: its
signal counts as 0 until the market signal has left that side, over restarts too.

Where the specification is silent: a strategy that declares a stop and whose stop is unknown is not eligible, since its
position would stand unprotected. A size that is unknown makes the signal unknown, except for signal 0. An unknown signal
does not release a latch.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Floats
from ..frame import Frame, places
from ..market import Sides
from ..masks import kept
from ..reasons import Reason
from ..state import MIX
from ..tick import Signals, Tick, any_strategy, changed, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.signals`."""
    market, candidates = tick.market, tick.allowlist.candidates
    zero = market.signal == 0
    known = np.isfinite(market.size)
    known |= zero
    known &= market.signal_known
    size = np.minimum(market.size, 1.0)
    np.maximum(size, 0.0, out=size)
    size *= market.signal
    target = kept(~zero, size)
    owner_known, owner_target = _owner(frame, tick, known, target)
    latch = _released(tick, known)
    signal, reason = market.signal, no_reasons(frame)
    if some(latch):
        blocked = (latch != 0) & (signal == latch)
        signal, target = signal * ~blocked, kept(~blocked, target)
        put(reason, any_strategy(blocked & candidates), Reason.LATCHED)
    eligible = np.isfinite(market.stop)  # an entry with a stop needs to know it
    eligible |= zero
    eligible |= ~frame.has_stop
    eligible &= known
    eligible &= candidates
    put(reason, any_strategy(candidates) & ~any_strategy(eligible), Reason.SIGNAL_UNKNOWN)
    put(reason, tick.load.held & owner_known & (owner_target == 0), Reason.OWNER_EXIT)
    return changed(tick, signals=Signals(eligible, signal, target, latch, owner_known, owner_target, reason))


def _released(tick: Tick, known: Bools) -> Sides:
    """Latches [N, S] of which the signal has not left the side yet."""
    latch = tick.before.latch
    if not tick.market.decision or not some(latch):
        return latch
    released: Sides = latch * ~(known & (tick.market.signal != latch))
    return released


def _owner(frame: Frame, tick: Tick, known: Bools, target: Floats) -> tuple[Bools, Floats]:
    """The owner's own view, from the market signal (latches do not hide an exit). The owner @mix is known when every
    candidate is, and leaves when all of them are at 0."""
    owner = tick.load.owner
    at = places(frame, owner)
    is_known = (owner >= 0) & known.take(at, mode="clip")
    value = np.where(is_known, target.take(at, mode="clip"), np.nan)
    mixed = owner == MIX
    if some(mixed):
        candidates = tick.allowlist.candidates
        all_zero = (candidates & known & (target == 0)).sum(axis=0) == candidates.sum(axis=0)
        leaves = mixed & candidates.any(axis=0) & all_zero
        is_known, value = is_known | leaves, np.where(leaves, 0.0, value)
    return is_known, value
