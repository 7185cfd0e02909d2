"""7. select: which strategy speaks for a symbol, and with what target.

In: eligible signals, scores of `fit`, the selection before. Out: `Select`.

single_best: the highest adjusted score among strategies with a signal. While the current one is eligible (in the chain,
allowed, signal known) another takes over only if ahead by `switch_edge`, `cooldown` after the last switch and, with
`only_when_flat`, on a flat symbol. When the current one is not eligible the best eligible one is selected at once. A
position whose owner is not the selected strategy gets the smaller of both targets, 0 if either is flat or opposite.

weighted: weights = water-filled softmax of the scores; the rest is cash; the owner is @mix.

Where the specification is silent:
- The current strategy is eligible even with signal 0 on a flat symbol (the definition names no signal): others pass
  edge and cooldown then too. This is the slower reading; it never trades more.
- Nobody with a signal, but eligible ones: on a held symbol the best of them is selected (its 0 lets the position go), on
  a flat one nothing is, so that the first signal is taken at once.
- Every change from one strategy to another starts the cooldown, the forced one included; the first selection does not.
- Scores depend on style and signal only, so strategies of one style tie often: the one the chains name first wins.
- A strategy whose score is unknown is not chosen anew but may stay.
- The owner's unknown target never blocks: the selected one's target counts, limited to what is held.
- weighted: strategies with signal 0 take their weight too (abstaining is cash), which is the smaller book.
- Exit-only keeps the owner's smaller target (reductions are allowed), never a larger one; unknown holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Codes, Floats, Ints, Small
from ..fit import scores
from ..frame import EPS, Frame, places
from ..masks import either, first_row
from ..reasons import Reason
from ..state import MIX, NOBODY
from ..tick import NO_LEG, Select, Tick, any_strategy, no_reasons, put, some

_NOTHING = np.empty((0, 0))
_LOWEST = np.float64(-np.inf)


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.select`."""
    if not tick.market.decision:
        tick.select = _kept(frame, tick)
        return tick
    ahead = tick.ahead.score if tick.signals.signal is tick.market.signal else None
    score = scores(frame, tick.market, tick.signals.signal) if ahead is None else ahead
    weighted = frame.program.settings.select.method == "weighted"
    tick.select = _weighted(frame, tick, score) if weighted else _single_best(frame, tick, score)
    return tick


def _kept(frame: Frame, tick: Tick) -> Select:
    """A follow-up tick selects nothing anew."""
    return Select(
        score=_NOTHING,
        weights=_NOTHING,
        selected=tick.before.selected,
        switched_at=tick.before.switched_at,
        rank=frame.nothing,
        raw=frame.unknown,
        exit_only=frame.nowhere,
        reason=frame.silent,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Choice:
    selected: Small
    switched_at: Ints
    forced: Bools
    nobody: Bools
    reason: Codes


def _single_best(frame: Frame, tick: Tick, score: Floats) -> Select:
    choice = _choose(frame, tick, score)
    load, signals = tick.load, tick.signals
    at, chosen = frame.recent.of(_at, frame, choice.selected)
    raw, rank = signals.target.take(at, mode="clip"), np.abs(score.take(at, mode="clip"))
    np.fmax(rank, 0.0, out=rank)  # unknown scores come last
    if chosen is not None:
        raw, rank = np.where(chosen, raw, 0.0), np.where(chosen, rank, 0.0)
    foreign = frame.recent.of(_foreign, load.held, load.owner, choice.selected)
    exit_only = choice.nobody
    if foreign is not None:
        raw = np.where(foreign, _smaller(raw, signals.owner_known, signals.owner_target, load.side), raw)
        exit_only = exit_only | foreign
    if some(choice.nobody):
        raw = np.where(choice.nobody, _exit_only(tick), raw)
    return Select(
        score=score,
        weights=_NOTHING,
        selected=choice.selected,
        switched_at=choice.switched_at,
        rank=rank,
        raw=raw,
        exit_only=exit_only,
        reason=choice.reason,
    )


def _at(frame: Frame, selected: Small) -> tuple[Ints, Bools | None]:
    """(places of the selected strategies, where there is one; None for everywhere)."""
    chosen = selected >= 0
    return places(frame, selected), None if np.count_nonzero(chosen) == frame.symbols else chosen


def _foreign(held: Bools, owner: Small, selected: Small) -> Bools | None:
    """[S] positions of others than the selected one; None for none."""
    foreign = held & (owner != selected)
    return foreign if some(foreign) else None


def _staying(frame: Frame, current: Small, eligible: Bools) -> tuple[Bools, Bools | None]:
    """(where the current strategy is eligible, where it is not; None for nowhere)."""
    stays = (current >= 0) & eligible.take(places(frame, current), mode="clip")
    return stays, None if np.count_nonzero(stays) == frame.symbols else ~stays


def _choose(frame: Frame, tick: Tick, score: Floats) -> _Choice:
    """The choice; what nobody asks for stays the same array, so that the next stages see that nothing changed."""
    before, eligible = tick.before, tick.signals.eligible
    current = before.selected
    stays, loose = frame.recent.of(_staying, frame, current, eligible)
    if loose is None and frame.strategies == 1:  # there is nobody to take over
        return _Choice(current, before.switched_at, frame.nowhere, frame.nowhere, frame.silent)
    known = eligible & np.isfinite(score)
    best, best_score, found = _best(known & (tick.signals.signal != 0), score)
    rival = stays & found & (best != current)
    better = switch = forced = nobody = leaderless = frame.nowhere
    if some(rival):
        better = rival & (
            best_score - score.take(places(frame, current), mode="clip")
            >= frame.program.settings.select.switch_edge - EPS
        )
        switch = _ripe(frame, tick, better)
    selected = np.where(switch, best, current) if some(switch) else current
    if loose is not None:
        selected, forced = _filled(tick, loose, (best, found), (known, score), selected)
        nobody = loose & ~forced
        leaderless = nobody & tick.load.held
        if some(leaderless):
            selected = np.where(leaderless & (tick.load.owner >= 0), tick.load.owner, selected)
    reason, switched_at = frame.silent, before.switched_at
    if selected is not current or some(better) or some(leaderless):
        turned = (selected != current) & (current >= 0)
        switched_at = np.where(turned, tick.now, switched_at)
        reason = no_reasons(frame)
        put(reason, better & ~switch, Reason.SWITCH_HELD)
        put(reason, forced, Reason.SELECTED)
        put(reason, forced & turned, Reason.INELIGIBLE)
        put(reason, switch, Reason.SWITCHED)
        put(reason, leaderless, Reason.EXIT_ONLY)
    return _Choice(selected, switched_at, forced, nobody, reason)


def _ripe(frame: Frame, tick: Tick, better: Bools) -> Bools:
    """Of those who are ahead, who may take over now."""
    rules = frame.program.settings.select
    ripe = better & (tick.now >= tick.before.switched_at + rules.cooldown)
    if rules.only_when_flat:
        ripe &= _flat(frame, tick)
    return ripe


def _filled(
    tick: Tick, loose: Bools, best: tuple[Small, Bools], known: tuple[Bools, Floats], selected: Small
) -> tuple[Small, Bools]:
    """(selected, forced) where the current one is not eligible: the best with a signal at once, on a held symbol the best
    without one."""
    (row, found), forced = best, best[1] & loose
    if some(forced):
        selected = np.where(forced, row, selected)
    quiet = loose & ~found & tick.load.held
    if some(quiet):
        calm, _, exists = _best(*known)
        quiet &= exists
        forced = forced | quiet
        selected = np.where(quiet, calm, selected)
    return selected, forced


def _best(among: Bools, score: Floats) -> tuple[Small, Floats, Bools]:
    """(row, its score, exists) of the highest score per column; the lower row wins a tie."""
    masked = either(among, score, _LOWEST)
    top = np.maximum.reduce(masked, axis=0)
    return first_row(masked[:-1] != top), top, top > -np.inf


def _flat(frame: Frame, tick: Tick) -> Bools:
    flat = frame.program.settings.position_policy.flat
    is_flat: Bools = (np.abs(tick.load.current) < flat) & (tick.load.working == NO_LEG)
    return is_flat


def _smaller(raw: Floats, owner_known: Bools, owner_target: Floats, side: np.ndarray) -> Floats:
    """Smaller in magnitude of owner's and selected's target; 0 unless both lie on the side that is held."""
    size = np.where(owner_known, np.minimum(np.abs(owner_target), np.abs(raw)), np.abs(raw))
    agree = (np.sign(raw) == side) & (~owner_known | (np.sign(owner_target) == side))
    return np.where(agree, side * size, 0.0)


def _exit_only(tick: Tick) -> Floats:
    """The owner's target on its own side, 0 when it is flat or opposite, NaN (hold) when unknown; 0 when nothing is held."""
    load, signals = tick.load, tick.signals
    same = np.sign(signals.owner_target) == load.side
    value = np.where(signals.owner_known, np.where(same, signals.owner_target, 0.0), np.nan)
    return np.where(load.held, value, 0.0)


def _weighted(frame: Frame, tick: Tick, score: Floats) -> Select:
    rules, load, signals = frame.program.settings.select, tick.load, tick.signals
    among = signals.eligible & np.isfinite(score)
    weights = water_fill(soft_weights(score, among, rules.temperature), rules.cap)
    some = any_strategy(among)
    raw = np.where(some, (weights * signals.target).sum(axis=0), _exit_only(tick))
    reason = no_reasons(frame)
    put(reason, ~some & load.held, Reason.EXIT_ONLY)
    return Select(
        score=score,
        weights=weights,
        selected=np.where(some | load.held, np.int16(MIX), np.int16(NOBODY)),
        switched_at=tick.before.switched_at,
        rank=np.abs((weights * np.where(among, score, 0.0)).sum(axis=0)),
        raw=raw,
        exit_only=~some,
        reason=reason,
    )


def soft_weights(score: Floats, among: Bools, temperature: float) -> Floats:
    """softmax((v - max) / temperature) over the strategies in `among` [N, S]; 0 elsewhere, all 0 where there is none."""
    masked = np.where(among, score, -np.inf)
    top = masked.max(axis=0)
    raised = np.where(among, np.exp((masked - np.where(np.isfinite(top), top, 0.0)) / temperature), 0.0)
    total = raised.sum(axis=0)
    return raised / np.where(total > 0, total, 1.0)


def water_fill(weights: Floats, cap: float) -> Floats:
    """min(cap, lambda w) with a sum of min(1, n cap) per column, n = strategies with a weight; the rest is cash."""
    present = weights > 0
    total = np.minimum(1.0, present.sum(axis=0) * cap)
    full = np.zeros_like(present)
    filled = weights
    for _ in range(len(weights) + 1):
        loose = np.where(full, 0.0, weights).sum(axis=0)
        rest = total - cap * full.sum(axis=0)
        scale = rest / np.where(loose > 0, loose, 1.0)
        filled = np.where(full, cap, weights * scale)
        over = (filled > cap) & ~full
        if not over.any():
            break
        full |= over
    return np.minimum(filled, cap)
