"""10. position policy: what may happen to positions of former owners, generations and disabled symbols.

In: target, owner and generation of each position, allowlist. Out: `Policy`, with a label per symbol, in this order:
disabled symbol -> unwind_only (target 0, protective); flat and nothing resting -> normal; external -> as declared, never
traded or unwound (target 0, protective);
other generation -> legacy_hold; owner is the selected one -> normal; else legacy_hold. legacy_hold by magnitude: larger
keeps current, smaller reduces, the opposite side goes to 0 first.

Where the specification is silent: an external position in a disabled symbol keeps its unwind_only label but is not
traded, since unwinding what is not ours must be written; it begins when a second tick shows the same position. A position
whose strategy is gone counts as another generation.
On follow-up ticks labels are computed anew, and only unwind_only changes a target.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools
from ..frame import Frame, places
from ..reasons import Reason
from ..state import MIX, Hashes, unowned
from ..tick import NO_LEG, Policy, PolicyLabel, Tick, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.policy`."""
    load, target, reason = tick.load, tick.churn.target, no_reasons(frame)
    disabled = ~tick.allowlist.enabled
    flat = (np.abs(load.current) < frame.program.settings.position_policy.flat) & (load.working == NO_LEG)
    old = load.held & ((_generation(frame, tick) != load.generation) | unowned(load.owner))
    label = np.zeros(frame.symbols, dtype=np.uint8)
    gone, outside = some(disabled), some(load.external)
    put(label, load.held & _foreign(frame, tick), PolicyLabel.OWNER_MISMATCH)
    put(label, old, PolicyLabel.PRE_CUTOVER)
    unwinds = outside and frame.program.settings.position_policy.external == "unwind_only"
    if outside:
        put(label, load.external, PolicyLabel.UNWOUND if unwinds else PolicyLabel.EXTERNAL)
    put(label, flat, PolicyLabel.NORMAL)
    if gone:
        put(label, disabled, PolicyLabel.DISABLED)
    legacy = (label == PolicyLabel.PRE_CUTOVER) | (label == PolicyLabel.OWNER_MISMATCH)
    protective = tick.target.protective
    if tick.market.decision and some(legacy):
        same = np.sign(target) == np.sign(load.current)
        kept = np.where(same & (np.abs(target) > np.abs(load.current)), load.current, target)
        target = np.where(legacy & ~protective, np.where(same, kept, 0.0), target)
        put(reason, label == PolicyLabel.PRE_CUTOVER, Reason.PRE_CUTOVER)
        put(reason, label == PolicyLabel.OWNER_MISMATCH, Reason.OWNER_MISMATCH)
    if gone:
        target = np.where(disabled, 0.0, target)
        protective = protective | (disabled & load.held)
        put(reason, disabled, Reason.UNWIND)
    if outside:
        target = np.where(load.external, load.current, target)
        protective = protective & ~load.external
        put(reason, load.external, Reason.EXTERNAL)
        if unwinds:
            certain = _surely_external(frame, tick)
            target = np.where(certain, 0.0, target)
            protective = protective | certain
            put(reason, certain, Reason.UNWIND_EXTERNAL)
    tick.policy = Policy(target, label, protective, reason)
    return tick


def _surely_external(frame: Frame, tick: Tick) -> Bools:
    """[S] external positions that are as they were at the tick before, without a fill of ours since: an answer about
    positions may be ahead of the one about fills, or behind it, and what is ours must not be unwound for that."""
    qty = tick.account.qty
    certain: Bools = tick.load.external & (qty != 0) & (qty == tick.before.qty)
    for fill in tick.account.fills:
        certain[frame.index[fill.symbol]] = False
    return certain


def _generation(frame: Frame, tick: Tick) -> Hashes:
    """Generation today of each position's owner; 0 where the owner is gone or nobody."""
    owner = tick.load.owner
    own = frame.generation.take(places(frame, owner), mode="clip")
    today = np.where(owner >= 0, own, np.uint64(0))
    mixed = owner == MIX
    return np.where(mixed, frame.mix_generation, today) if some(mixed) else today


def _foreign(frame: Frame, tick: Tick) -> Bools:
    """Held by another strategy than the selected one; weighted looks at symbol and generation only."""
    if frame.program.settings.select.method == "weighted":
        return np.zeros(frame.symbols, dtype=np.bool_)
    foreign: Bools = tick.load.owner != tick.select.selected
    return foreign
