"""9. churn guard: four rules that keep targets from trembling; exits by stop and the like pass by them.

In: target, current, the side's clock. Out: `Churn`.

1. min_target: |target| < min_target becomes 0; a held symbol keeps a target of its side from min_target - deadband on.
2. deadband: |target - current| < deadband becomes current.
3. side_cooldown: the opposite side within `side_cooldown` of the first opening fill of the (last) side becomes current.
4. min_hold: the opposite side of a held position within `min_hold` of that fill becomes current.
0 and reductions are never held back by rules 3 and 4. Rules 2 to 4 never enlarge |delta|; all four together are idempotent.

Where the specification is silent: a target that already equals the current fraction passes rule 1 (nothing would be
traded), which is what makes the guard idempotent when single rules are switched off. Protective exits pass all rules; a
target brought to 0 by min_target or an entry guard is not protective.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Codes, Floats, Ints, Sides
from ..frame import EPS, Frame
from ..reasons import Reason
from ..tick import Churn, Notes, Tick, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.churn`."""
    wished = tick.target.target
    if not tick.market.decision:
        tick.churn = Churn(wished, frame.silent)
        return tick
    load = tick.load
    clock = SideClock(load.side, load.side_opened_at, load.last_side, load.last_opened_at)
    target, reason = guard(frame, wished, load.current, clock, tick.now)
    protective = tick.target.protective
    if some(protective):
        target = np.where(protective, wished, target)
        reason = np.where(protective, np.uint8(0), reason)
    tick.churn = Churn(target, reason)
    return tick


@dataclass(frozen=True, slots=True, eq=False)
class SideClock:
    """Side held (0 flat), when it opened, and the same of the newest position; all [S]."""

    side: Sides
    opened_at: Ints
    last_side: Sides
    last_opened_at: Ints


def guard(frame: Frame, target: Floats, current: Floats, clock: SideClock, now: int) -> tuple[Floats, Codes]:
    """(target, reason) after the enabled rules."""
    settings = frame.program.settings
    rules, enabled = settings.churn_guard, frame.churn
    notes, wished = Notes(frame), target
    if "min_target" in enabled:
        small = (np.abs(target) < rules.min_target - EPS) & (target != 0)
        small &= target != current
        if some(small):
            band = (np.abs(current) >= settings.position_policy.flat) & (target * current > 0)
            least = np.where(band, rules.min_target - rules.deadband, rules.min_target)
            small &= np.abs(target) < least - EPS
            target = np.where(small, 0.0, target)
            notes.put(small, Reason.MIN_TARGET)
    if "deadband" in enabled:
        difference = target - current
        near = np.abs(difference) < rules.deadband - EPS
        near &= difference != 0
        if some(near):
            target = np.where(near, current, target)
            notes.put(near, Reason.DEADBAND)
    if not frame.recent.of(_long, clock.side, clock.last_side) or np.minimum.reduce(target) < 0:
        target = _turned(frame, target, current, clock, now, notes)
    if notes.column is not frame.silent:
        put(notes.column, target == wished, 0)
    return target, notes.column


def _long(side: Sides, last_side: Sides) -> bool:
    return bool(np.minimum.reduce(side) >= 0 and np.minimum.reduce(last_side) >= 0)


def _turned(frame: Frame, target: Floats, current: Floats, clock: SideClock, now: int, notes: Notes) -> Floats:
    """Targets after the rules about the opposite side."""
    rules, enabled = frame.program.settings.churn_guard, frame.churn
    crossing = target * clock.side < 0
    flipped = (target * clock.last_side < 0) & (clock.side == 0)
    if "side_cooldown" in enabled and some(crossing | flipped):
        early = crossing & (now < clock.opened_at + rules.side_cooldown)
        early |= flipped & (now < clock.last_opened_at + rules.side_cooldown)
        early &= target != current
        target = np.where(early, current, target)
        notes.put(early, Reason.SIDE_COOLDOWN)
    if "min_hold" in enabled and some(crossing):
        young = crossing & (now < clock.opened_at + rules.min_hold) & (target != current)
        target = np.where(young, current, target)
        notes.put(young, Reason.MIN_HOLD)
    return target
