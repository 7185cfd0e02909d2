"""6. signals: target = signal x size for the candidates, and exit-only for the owner of every open position.

In: signal, size, stop columns of observe. Out: `Signals`. After a stop or take a (strategy, symbol) pair is latched: its
signal counts as 0 until the market signal has left that side, over restarts too.

Where the specification is silent: a strategy that declares a stop and whose stop is unknown is not eligible, since its
position would stand unprotected. A size that is unknown makes the signal unknown, except for signal 0. An unknown signal
does not release a latch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Floats
from ..frame import Frame, allowed_on, day_number, places
from ..market import Market, Sides
from ..masks import kept
from ..reasons import Reason
from ..state import MIX, unowned
from ..tick import Signals, Tick, any_strategy, no_reasons, put, some


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What follows from the market alone, all [N, S]: known signals, target = signal x size, and which signals an entry
    could be made on (`sound`: all of them)."""

    known: Bools
    target: Floats
    ready: Bools
    sound: bool


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.signals`."""
    market, candidates = tick.market, tick.allowlist.candidates
    asked = (market.signal, market.size, market.stop, market.signal_known)
    view: _View = frame.recent.get("signals", *asked) or frame.recent.put(_viewed(frame, market), "signals", *asked)
    target = view.target
    owner_known, owner_target = _owner(frame, tick, view.known, target)
    latch = _released(tick, view.known)
    signal, reason = market.signal, frame.silent
    if some(latch):
        reason = no_reasons(frame)
        blocked = (latch != 0) & (signal == latch)
        signal, target = signal * ~blocked, kept(~blocked, target)
        put(reason, any_strategy(blocked & candidates), Reason.LATCHED)
    eligible = candidates
    if not view.sound:
        eligible = view.ready & candidates
        unsure = any_strategy(candidates) & ~any_strategy(eligible)
        if some(unsure):
            reason = reason.copy()
            put(reason, unsure, Reason.SIGNAL_UNKNOWN)
    leaves = tick.load.held & owner_known
    leaves &= owner_target == 0
    if some(leaves):
        reason = reason.copy()
        put(reason, leaves, Reason.OWNER_EXIT)
        put(reason, leaves & unowned(tick.load.owner), Reason.UNOWNED_EXIT)
    tick.signals = Signals(eligible, signal, target, latch, owner_known, owner_target, reason)
    return tick


def _viewed(frame: Frame, market: Market) -> _View:
    zero = market.signal == 0
    known = np.isfinite(market.size)
    known |= zero
    known &= market.signal_known
    size = np.minimum(market.size, 1.0)
    np.maximum(size, 0.0, out=size)
    size *= market.signal
    ready = np.isfinite(market.stop)  # an entry with a stop needs to know it
    ready |= zero
    ready |= ~frame.has_stop
    ready &= known
    return _View(known, kept(~zero, size), ready, np.count_nonzero(ready) == ready.size)


def _released(tick: Tick, known: Bools) -> Sides:
    """Latches [N, S] of which the signal has not left the side yet."""
    latch = tick.before.latch
    if not tick.market.decision or not some(latch):
        return latch
    released: Sides = latch * ~(known & (tick.market.signal != latch))
    return released


def _owner(frame: Frame, tick: Tick, known: Bools, target: Floats) -> tuple[Bools, Floats]:
    """The owner's own view, from the market signal (latches do not hide an exit)."""
    owner = tick.load.owner
    at = places(frame, owner)
    is_known = (owner >= 0) & known.take(at, mode="clip")
    value = np.where(is_known, target.take(at, mode="clip"), np.nan)
    unnamed = tick.load.held & (owner < 0)
    if some(unnamed):
        leaves = unnamed & _unwanted(frame, tick, known, target)
        is_known, value = is_known | leaves, np.where(leaves, 0.0, value)
    return is_known, value


def _unwanted(frame: Frame, tick: Tick, known: Bools, target: Floats) -> Bools:
    """[S] where an owner that is no strategy leaves; `known`, `target` [N, S].

    @mix leaves when all candidates want nothing; where the chain has none, when of all that any chain enables nobody wants
    the side that is held. A strategy that is gone can never ask for an exit, so its position is left where nobody else
    could."""
    candidates = tick.allowlist.candidates
    empty = ~any_strategy(candidates)
    enabled = allowed_on(frame, day_number(tick.market.session.day)) & frame.used
    asked = np.where(empty, enabled, candidates)
    against = known & ((target == 0) | (empty & (target * tick.load.side < 0)))
    mixed = any_strategy(asked) & ~any_strategy(asked & ~against)
    return np.where(tick.load.owner == MIX, mixed, empty & (tick.chain.chain >= 0))
