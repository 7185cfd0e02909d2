"""8. target: how much, after caps, breadth, exposure, entry guards and stops.

In: raw targets of select, account, levels (`exits`). Out: `Target`. Order: symbol cap, sector gross, total gross, breadth
rule, exposure multiplier, no entries where an earlier stage blocks them, entry guards, then exits, which beat all of it.

Where the specification is silent or contradicts itself:
- The breadth rule compares after the exposure multiplier: members keep min_target / exposure before it. Comparing before
  it would leave an exposure of 40 % with twenty names of 1.2 %, all of which the churn guard sends to 0.
- A member that no dropping can lift (its own size is too small) is left out at once and drops nobody else; min_target has
  the last word on it in the churn guard, a held one inside its band stays.
- Flat symbols that may not be entered take no room from others.
- A guard looks at the side: a reversal into a blocked side becomes a flatten; adds to a held side pass; `hold` freezes
  the guarded side, flat or held.
- Blocked entries limit a target to what is held on its side, 0 on the other: exits and reductions stay possible.
- A position whose strategy is gone is left when whoever speaks for the symbol does not want it: nobody else could ever say
  so, and a deadband would hold its dust for ever.
- While a symbol is paused by a gap its position is held: no exit by price or by its owner's signal, and no rebalancing; a stop
  or take that was reached before stays in force. While it settles after a split its rescaled stops and takes act, and formulas
  do not: neither signals nor lines.
- A stopped @mix latches every strategy whose signal is on that side; so does a position whose strategy is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Codes, Floats, Sides, Small
from ..caps import scaled, surviving
from ..exits import judged_exits
from ..frame import EPS, Frame, fixed
from ..reasons import Reason
from ..state import unowned
from ..tick import Notes, Target, Tick, some

TRUE = 2
UNKNOWN = 1


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.target`."""
    load, notes, may_enter = tick.load, Notes(frame), _may_enter(frame, tick)
    if tick.market.decision:
        target = sized(frame, tick, may_enter, notes).target
        target = without_entries(frame, tick, target, may_enter, notes)
        if tick.ahead.guarded:
            target = _guarded(frame, tick, target, notes)
    else:
        target = load.current
        notes.column = frame.recent.of(_follow_up, frame)
    paused = _paused(frame, tick)
    if paused is not frame.nowhere:
        target = np.where(paused & load.held, load.current, target)
        notes.put(paused, Reason.SETTLING)
        notes.put(load.gap_at != 0, Reason.GAP)
    exits = judged_exits(frame, tick)
    protective = _leaving(frame, tick, paused, notes)
    stops = exits.stopping is not frame.silent
    if stops:
        stopped = exits.stopping != 0
        protective = protective | stopped
        np.copyto(notes.own(), exits.stopping, where=stopped)
    if some(exits.blind):
        notes.put(exits.blind & (exits.stopping == 0) & ~paused, Reason.STOP_BLIND)
    tick.target = Target(
        target=target if protective is frame.nowhere else np.where(protective, 0.0, target),
        may_enter=may_enter,
        protective=protective,
        stop_level=exits.stop_level,
        take_level=exits.take_level,
        stopping=exits.stopping,
        latch=_latched(tick, exits.stopping) if stops else tick.signals.latch,
        reason=notes.column,
    )
    return tick


def _follow_up(frame: Frame) -> Codes:
    return fixed(np.full(frame.symbols, Reason.FOLLOW_UP, dtype=np.uint8))


def _may_enter(frame: Frame, tick: Tick) -> Bools:
    """[S] no earlier stage blocks entries."""
    allowlist, load = tick.allowlist, tick.load
    yes = (tick.freshness.active, tick.regime.known, tick.chain.certain)
    no = (allowlist.disabled, tick.select.exit_only, load.external)
    return frame.recent.of(_allowed, *yes, *no, load.mark_scale)


def _allowed(
    active: Bools, known: Bools, certain: Bools, disabled: Bools, exit_only: Bools, external: Bools, scale: Floats
) -> Bools:
    # a scale: no bar since a split yet, so what formulas say is of other shares
    allowed: Bools = active & known & certain & ~(disabled | exit_only | external) & (scale == 1.0)
    return allowed


def _paused(frame: Frame, tick: Tick) -> Bools:
    """[S] after a gap or a split: held as it is."""
    load = tick.load
    if not some(load.gap_at) and not some(load.settling):
        return frame.nowhere
    paused: Bools = (load.gap_at != 0) | (load.settling != 0)
    return paused


def _leaving(frame: Frame, tick: Tick, paused: Bools, notes: Notes) -> Bools:
    """[S] positions that leave because their owner, or whoever speaks in a gone one's stead, wants nothing."""
    load = tick.load
    leaves: Bools = tick.signals.owner_target == 0
    leaves &= load.held
    orphans = frame.recent.of(_orphans, load.held, load.owner)
    if orphans is not None:
        leaves |= orphans & (tick.select.raw == 0)
    if not some(leaves):
        return frame.nowhere
    leaves &= ~paused
    notes.put(leaves, Reason.OWNER_EXIT)
    if orphans is not None:
        notes.put(leaves & orphans, Reason.UNOWNED_EXIT)
    return leaves


def _orphans(held: Bools, owner: Small) -> Bools | None:
    orphans: Bools = held & unowned(owner)
    return orphans if some(orphans) else None


@dataclass(frozen=True, slots=True, eq=False)
class Sizing:
    """From wishes to sizes: after the symbol cap and the breadth rule (`capped`), the factors of the other caps, and the
    target with the exposure."""

    capped: Floats
    by_sector: Floats | None
    by_total: float
    target: Floats


def sized(frame: Frame, tick: Tick, may_enter: Bools, notes: Notes) -> Sizing:
    """Caps, breadth and exposure; NaN (unknown) holds the current fraction. Notes its reasons."""
    risk, load = frame.program.settings.risk, tick.load
    wished, unknown = _wished(frame, tick, may_enter)
    capped, size = wished, np.abs(wished)
    over = np.maximum.reduce(size) > risk.max_symbol
    if over:
        capped = np.maximum(np.minimum(wished, risk.max_symbol), -risk.max_symbol)
        size = np.abs(capped)
    by_sector, by_total = scaled(frame, size)
    if "min_target" in frame.churn:
        gone = _broad(frame, tick, _Book(capped, size, by_sector, by_total), notes)
        if gone is not None:
            capped = np.where(gone, 0.0, capped)
            by_sector, by_total = scaled(frame, np.abs(capped))
    target = capped if by_sector is None else capped * by_sector
    if by_total < 1:
        target = target * by_total
    if over:
        notes.put((target != 0) & (np.abs(wished) > risk.max_symbol), Reason.CAP_SYMBOL)
    if by_sector is not None:
        notes.put((target != 0) & (by_sector < 1), Reason.CAP_SECTOR)
    if by_total < 1:
        notes.put(target != 0, Reason.CAP_TOTAL)
    if not frame.recent.of(_plain, tick.chain.exposure):
        target = target * tick.chain.exposure
    if unknown is not None:
        notes.put(unknown & load.held, Reason.UNKNOWN_HOLD)
        target = np.where(unknown, load.current, target)
    return Sizing(capped, by_sector, by_total, target)


def _wished(frame: Frame, tick: Tick, may_enter: Bools) -> tuple[Floats, Bools | None]:
    """(raw targets of those that are held or may be entered, else 0; where they are unknown, None for nowhere)."""
    raw = tick.select.raw
    unknown: Bools = np.isnan(raw)
    member = frame.recent.of(_members, tick.load.held, may_enter)
    if not some(unknown):
        return (raw if member is None else np.where(member, raw, 0.0)), None
    return np.where(unknown if member is None else unknown | ~member, 0.0, raw), unknown


def _members(held: Bools, may_enter: Bools) -> Bools | None:
    """None for everybody."""
    members: Bools = held | may_enter
    return None if np.count_nonzero(members) == len(members) else members


def _plain(exposure: Floats) -> bool:
    return not some(exposure != 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """Targets after the symbol cap, signed, and their magnitudes; the factors of the other caps."""

    capped: Floats
    size: Floats
    by_sector: Floats | None
    by_total: float


def _product(by_sector: Floats | None, by_total: float) -> Floats | float:
    return by_total if by_sector is None else by_sector * by_total


def _broad(frame: Frame, tick: Tick, book: _Book, notes: Notes) -> Bools | None:
    """Members that leave the book: too small by themselves, or so that the others keep their minimum. None for nobody."""
    settings, load = frame.program.settings, tick.load
    guard, exposure, size = settings.churn_guard, tick.chain.exposure, book.size
    own = size if frame.recent.of(_plain, exposure) else size * exposure
    wished = size != 0
    low = own < guard.min_target - EPS
    low &= wished
    scales = book.by_sector is not None or book.by_total < 1
    if not some(low) and not scales:
        return None
    minimum: Floats | float = guard.min_target
    band = load.held & low & (book.capped * load.side > 0)
    if some(band):
        minimum = np.where(band, guard.min_target - guard.deadband, guard.min_target)
    member = wished & (own >= minimum - EPS)
    small = wished & ~member
    factor = _product(book.by_sector, book.by_total)
    if some(small):
        notes.put(small, Reason.MIN_TARGET)
        size = np.where(member, size, 0.0)
        factor = _product(*scaled(frame, size))
    if not some(member & (own * factor < minimum - EPS)):
        return small if some(small) else None
    need = np.minimum(minimum / np.where(exposure > 0, exposure, 1.0), book.size)
    rank = tick.select.rank + settings.select.switch_edge * load.held
    dropped = member & ~surviving(frame, size, rank, need)
    notes.put(dropped, Reason.CAP_BREADTH)
    gone: Bools = small | dropped
    return gone


def without_entries(frame: Frame, tick: Tick, target: Floats, may_enter: Bools, notes: Notes) -> Floats:
    """Targets after what earlier stages block: no new side, no larger position. Notes its reason."""
    current, barred = tick.load.current, frame.recent.of(_barred, tick.load.held, may_enter)
    if barred is None:  # elsewhere a blocked entry is no member of the book: its target is 0 or unknown
        return target
    product = target * current
    blocked = barred & ((np.abs(target) > np.abs(current) + EPS) | (product < 0))
    if not some(blocked):
        return target
    notes.put(blocked, Reason.NO_ENTRY)
    return np.where(blocked, np.where(product > 0, current, 0.0), target)


def _barred(held: Bools, may_enter: Bools) -> Bools | None:
    barred: Bools = held & ~may_enter
    return barred if some(barred) else None


def _guarded(frame: Frame, tick: Tick, target: Floats, notes: Notes) -> Floats:
    for row, guard in enumerate(frame.program.guards):
        entering, frozen = held_back(frame, tick, target, row)
        target = np.where(entering, 0.0, target)
        notes.put(entering, Reason.GUARD)
        if guard.settings.on_missing == "hold":
            target = np.where(frozen, tick.load.current, target)
            notes.put(frozen, Reason.GUARD_HOLD)
    return target


def held_back(frame: Frame, tick: Tick, target: Floats, row: int) -> tuple[Bools, Bools]:
    """What an entry guard does to these targets: [S] (entries that it blocks, targets that it freezes)."""
    rules, truth, load = frame.program.guards[row].settings, tick.market.guards[row], tick.load
    flat = ~load.held | (np.abs(load.current) < frame.program.settings.position_policy.flat)
    side: Bools = {"long_entries": target > EPS, "short_entries": target < -EPS, "entries": np.abs(target) > EPS}[
        rules.block
    ]
    unknown = truth == UNKNOWN
    stops = truth == TRUE
    if rules.on_missing == "block" or (rules.on_missing == "value" and rules.value):
        stops = stops | unknown
    entering = side & stops & (flat | (target * load.current < 0))
    return entering, side & unknown & (rules.on_missing == "hold")


def _latched(tick: Tick, stopping: Codes) -> Sides:
    """[N, S] latches after this tick: the owner's pair of every exit by stop or take that starts now."""
    latch, load = tick.signals.latch, tick.load
    if not some(stopping):
        return latch
    starts = np.flatnonzero((stopping != 0) & (load.stopping == 0))
    if not starts.size:
        return latch
    latch = latch.copy()
    for column in starts.tolist():
        owner, side = int(load.owner[column]), load.side[column]
        rows = [owner] if owner >= 0 else np.flatnonzero(tick.market.signal[:, column] == side)
        latch[rows, column] = side
    return latch
