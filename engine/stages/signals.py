"""6. signals: target = signal x size for the candidates, and exit-only for the owner of every open position.

In: signal, size, stop columns of observe. Out: `Signals`. After a stop or take a (strategy, symbol) pair is latched: its
signal counts as 0 until the market signal has left that side, over restarts too.

Where the specification is silent: a strategy that declares a stop and whose stop is unknown is not eligible, since its
position would stand unprotected. A size that is unknown makes the signal unknown, except for signal 0. An unknown signal
does not release a latch.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Floats, Sides, Small
from ..frame import Frame, allowed_on, day_number, places
from ..masks import kept
from ..reasons import Reason
from ..state import MIX, unowned
from ..tick import Notes, Signals, Tick, any_strategy, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.signals`."""
    ahead, candidates = tick.ahead, tick.allowlist.candidates
    signal, target, notes = tick.market.signal, ahead.target, Notes(frame)
    owner_known, owner_target = _owner(frame, tick)
    latch = _released(tick, ahead.asked)
    if some(latch):
        blocked = (latch != 0) & (signal == latch)
        signal, target = signal * ~blocked, kept(~blocked, target)
        notes.put(any_strategy(blocked & candidates), Reason.LATCHED)
    eligible = candidates
    if not ahead.sound:
        eligible = ahead.ready & candidates
        notes.put(any_strategy(candidates) & ~any_strategy(eligible), Reason.SIGNAL_UNKNOWN)
    leaves = owner_target == 0
    leaves &= tick.load.held
    if some(leaves):
        notes.put(leaves, Reason.OWNER_EXIT)
        notes.put(leaves & unowned(tick.load.owner), Reason.UNOWNED_EXIT)
    tick.signals = Signals(eligible, signal, target, latch, owner_known, owner_target, notes.column)
    return tick


def _released(tick: Tick, known: Bools) -> Sides:
    """Latches [N, S] of which the signal has not left the side yet."""
    latch = tick.before.latch
    if not tick.market.decision or not some(latch):
        return latch
    released: Sides = latch * ~(known & (tick.market.signal != latch))
    return released


def _owner(frame: Frame, tick: Tick) -> tuple[Bools, Floats]:
    """The owner's own view, from the market signal (latches do not hide an exit): (known, target or NaN)."""
    held, owner, ahead = tick.load.held, tick.load.owner, tick.ahead
    at = frame.recent.of(places, frame, owner)
    owned, unnamed = frame.recent.of(_owned, held, owner)
    is_known = owned if ahead.sound else owned & ahead.asked.take(at, mode="clip")
    value = np.where(is_known, ahead.target.take(at, mode="clip"), np.nan)
    if unnamed is not None:
        leaves = unnamed & _unwanted(frame, tick)
        is_known, value = is_known | leaves, np.where(leaves, 0.0, value)
    return is_known, value


def _owned(held: Bools, owner: Small) -> tuple[Bools, Bools | None]:
    """(whose owner is a strategy, what is held by an owner that is none; None for nothing)."""
    unnamed = held & (owner < 0)
    return owner >= 0, unnamed if some(unnamed) else None


def _unwanted(frame: Frame, tick: Tick) -> Bools:
    """[S] where an owner that is no strategy leaves.

    @mix leaves when all candidates want nothing; where the chain has none, when of all that any chain enables nobody wants
    the side that is held. A strategy that is gone can never ask for an exit, so its position is left where nobody else
    could."""
    candidates, known, target = tick.allowlist.candidates, tick.ahead.asked, tick.ahead.target
    empty = ~any_strategy(candidates)
    enabled = allowed_on(frame, day_number(tick.market.session.day)) & frame.used
    asked = np.where(empty, enabled, candidates)
    against = known & ((target == 0) | (empty & (target * tick.load.side < 0)))
    mixed = any_strategy(asked) & ~any_strategy(asked & ~against)
    return np.where(tick.load.owner == MIX, mixed, empty & (tick.chain.chain >= 0))
