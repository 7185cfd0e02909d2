"""10. position policy: what may happen to positions of former owners, generations and disabled symbols.

In: target, owner and generation of each position, allowlist. Out: `Policy`, with a label per symbol, in this order:
disabled symbol -> unwind_only (target 0, protective); flat and nothing resting -> normal; external -> as declared: what others
hold is never traded, or unwound (target 0, protective, together with what is ours);
other generation -> legacy_hold; owner is the selected one -> normal; else legacy_hold. legacy_hold by magnitude: larger
keeps current, smaller reduces, the opposite side goes to 0 first.

Where the specification is silent: an external position in a disabled symbol keeps its unwind_only label but is not
traded, since unwinding what is not ours must be written; it begins when a second tick shows the same position. What is ours of a
position that others hold a part of is closed and reduced like any other (R42, R47), and never added to. A position whose strategy is gone counts as another generation.
On follow-up ticks labels are computed anew, and only unwind_only changes a target.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Codes, Hashes, Small
from ..frame import Frame, places
from ..reasons import Reason
from ..state import MIX, unowned
from ..tick import NO_LEG, Notes, Policy, PolicyLabel, Tick, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.policy`."""
    load, target, protective = tick.load, tick.churn.target, tick.target.protective
    owners = frame.recent.of(_owners, frame, load.held, load.owner, load.generation, tick.select.selected)
    disabled = frame.recent.of(_disabled, tick.allowlist.enabled)
    outside = some(load.external)
    if owners is None and disabled is None and not outside:
        tick.policy = Policy(target, frame.silent, protective, frame.silent)
        return tick
    notes, label = Notes(frame), _labelled(frame, tick, owners, disabled)
    legacy = (label == PolicyLabel.PRE_CUTOVER) | (label == PolicyLabel.OWNER_MISMATCH)
    if tick.market.decision and some(legacy):
        same = np.sign(target) == np.sign(load.current)
        kept = np.where(same & (np.abs(target) > np.abs(load.current)), load.current, target)
        target = np.where(legacy & ~protective, np.where(same, kept, 0.0), target)
        notes.put(label == PolicyLabel.PRE_CUTOVER, Reason.PRE_CUTOVER)
        notes.put(label == PolicyLabel.OWNER_MISMATCH, Reason.OWNER_MISMATCH)
    if disabled is not None:
        target = np.where(disabled, 0.0, target)
        protective = protective | (disabled & load.held)
        notes.put(disabled, Reason.UNWIND)
    if outside:
        theirs = load.external & ~load.held
        target = np.where(theirs, load.outside, target)
        protective = protective & ~theirs
        notes.put(load.external & ~protective, Reason.EXTERNAL)
        if _unwinds(frame):
            certain = _surely_external(tick)
            target = np.where(certain, 0.0, target)
            protective = protective | certain
            notes.put(certain, Reason.UNWIND_EXTERNAL)
    tick.policy = Policy(target, label, protective, notes.column)
    return tick


def _unwinds(frame: Frame) -> bool:
    return frame.program.settings.position_policy.external == "unwind_only"


def _labelled(frame: Frame, tick: Tick, owners: Codes | None, disabled: Bools | None) -> Codes:
    """[S] `PolicyLabel`; `owners` are the labels of who opened what."""
    load = tick.load
    label = no_reasons(frame) if owners is None else owners.copy()
    if some(load.external):
        put(label, load.external, PolicyLabel.UNWOUND if _unwinds(frame) else PolicyLabel.EXTERNAL)
    there = load.current if load.outside is frame.nothing else load.current + load.outside
    flat = (np.abs(there) < frame.program.settings.position_policy.flat) & (load.working == NO_LEG)
    put(label, flat, PolicyLabel.NORMAL)
    if disabled is not None:
        put(label, disabled, PolicyLabel.DISABLED)
    return label


def _disabled(enabled: Bools) -> Bools | None:
    return ~enabled if np.count_nonzero(enabled) < len(enabled) else None


def _owners(frame: Frame, held: Bools, owner: Small, generation: Hashes, selected: Small) -> Codes | None:
    """Labels of positions of another strategy than the selected one, and of another generation; None where there is none.
    weighted looks at symbol and generation only."""
    foreign = frame.nowhere
    if frame.program.settings.select.method != "weighted":
        foreign = held & (owner != selected)
    old = held & ((_generation(frame, owner) != generation) | unowned(owner))
    if not some(foreign) and not some(old):
        return None
    label = no_reasons(frame)
    put(label, foreign, PolicyLabel.OWNER_MISMATCH)
    put(label, old, PolicyLabel.PRE_CUTOVER)
    return label


def _surely_external(tick: Tick) -> Bools:
    """[S] external positions that are as they were at the tick before, without a fill of ours since: an answer about
    positions may be ahead of the one about fills, or behind it, and what is ours must not be unwound for that."""
    qty = tick.account.qty
    certain: Bools = tick.load.external & (qty != 0) & (qty == tick.before.qty)
    certain &= tick.load.reason != Reason.FILLED
    return certain


def _generation(frame: Frame, owner: Small) -> Hashes:
    """Generation today of each position's owner; 0 where the owner is gone or nobody."""
    own = frame.generation.take(places(frame, owner), mode="clip")
    today = np.where(owner >= 0, own, np.uint64(0))
    mixed = owner == MIX
    return np.where(mixed, frame.mix_generation, today) if some(mixed) else today
