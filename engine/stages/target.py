"""8. target: how much, after caps, breadth, exposure, entry guards and stops.

In: raw targets of select, account, levels. Out: `Target`. Order: symbol cap, sector gross, total gross, breadth rule,
exposure multiplier, no entries where an earlier stage blocks them, entry guards, then stops, which beat all of it.

Where the specification is silent or contradicts itself:
- The breadth rule compares after the exposure multiplier: members keep min_target / exposure before it. Comparing before
  it would leave an exposure of 40 % with twenty names of 1.2 %, all of which the churn guard sends to 0.
- A member that no dropping can lift (its own size is too small) is left out at once and drops nobody else; min_target has
  the last word on it in the churn guard, a held one inside its band stays.
- Flat symbols that may not be entered take no room from others.
- A guard looks at the side: a reversal into a blocked side becomes a flatten; adds to a held side pass; `hold` freezes
  the guarded side, flat or held.
- Blocked entries limit a target to what is held on its side, 0 on the other: exits and reductions stay possible.
- Stops look at closed bars that ended after the opening fill. A strategy stop given as a level follows the strategy's
  line while it is known, else its last value; one given as a distance is anchored at the average price. A stop or take
  that was reached stays in force until the position is flat. A fresh price is needed: a symbol that is stale takes the
  broker's mark while it is not older than `stale_15m_bars` bars and no gap itself; without either it is `stop.blind`.
  Stop before take, strategy before position stop.
- A line that moved further than `max_gap` since it was last known is no line but what a jump of the price made of it (R28):
  the last known one, which a split rescales, stays in force.
- While a symbol is paused by a gap its position is held: no exit by price or by its owner's signal, and no rebalancing; a stop
  or take that was reached before stays in force. While it settles after a split its rescaled stops and takes act, and formulas
  do not: neither signals nor lines.
- A stopped @mix latches every strategy whose signal is on that side; so does a position whose strategy is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qmtl.dsl.model import RATE_SECONDS

from ..bars import Bools, Codes, Floats, Ints
from ..caps import scaled, surviving
from ..frame import EPS, Frame, places
from ..market import Sides
from ..prices import beyond
from ..reasons import Reason
from ..state import unowned
from ..tick import Target, Tick, no_reasons, put, some

TRUE = 2
UNKNOWN = 1
#: seconds of a bar
BAR = RATE_SECONDS["15m"]


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.target`."""
    load, reason = tick.load, no_reasons(frame)
    may_enter = _may_enter(tick)
    if tick.market.decision:
        target = sized(frame, tick, may_enter, reason).target
        target = without_entries(tick, target, may_enter, reason)
        target = _guarded(frame, tick, target, reason)
    else:
        target = load.current
        reason[:] = Reason.FOLLOW_UP
    paused = (load.gap_at != 0) | (load.settling != 0)
    exits = _exits(frame, tick)
    protective = load.held & tick.signals.owner_known & (tick.signals.owner_target == 0) & ~paused
    left = load.held & unowned(load.owner) & ~paused
    if some(left):
        left &= protective | (tick.select.raw == 0)
        protective = protective | left
    if some(paused):
        target = np.where(paused & load.held, load.current, target)
        put(reason, paused, Reason.SETTLING)
        put(reason, load.gap_at != 0, Reason.GAP)
    put(reason, protective, Reason.OWNER_EXIT)
    put(reason, left, Reason.UNOWNED_EXIT)
    stops = exits.stopping != 0
    if some(stops):
        protective |= stops
        np.copyto(reason, exits.stopping, where=stops)
    if some(exits.blind):
        put(reason, exits.blind & ~stops & ~paused, Reason.STOP_BLIND)
    tick.target = Target(
        target=np.where(protective, 0.0, target) if some(protective) else target,
        may_enter=may_enter,
        protective=protective,
        stop_level=exits.stop_level,
        take_level=exits.take_level,
        stopping=exits.stopping,
        latch=_latched(tick, exits.stopping),
        reason=reason,
    )
    return tick


def _may_enter(tick: Tick) -> Bools:
    may_enter = tick.freshness.active & tick.regime.known
    may_enter &= tick.chain.certain
    may_enter &= ~(tick.allowlist.disabled | tick.select.exit_only | tick.load.external)
    if some(tick.load.mark_scale != 1.0):  # no bar since the split yet: what formulas say is of other shares
        may_enter &= tick.load.mark_scale == 1.0
    return may_enter


@dataclass(frozen=True, slots=True, eq=False)
class Sizing:
    """From wishes to sizes: after the symbol cap and the breadth rule (`capped`), the factors of the other caps, and the
    target with the exposure."""

    capped: Floats
    by_sector: Floats | None
    by_total: float
    target: Floats


def sized(frame: Frame, tick: Tick, may_enter: Bools, reason: Codes) -> Sizing:
    """Caps, breadth and exposure; NaN (unknown) holds the current fraction. Notes its reasons."""
    risk, load, exposure = frame.program.settings.risk, tick.load, tick.chain.exposure
    raw = tick.select.raw
    unknown = np.isnan(raw)
    member = ~unknown & (load.held | may_enter)
    wished = np.where(member, raw, 0.0)
    capped = np.maximum(np.minimum(wished, risk.max_symbol), -risk.max_symbol)
    size = np.abs(capped)
    by_sector, by_total = scaled(frame, size)
    if "min_target" in frame.churn:
        small, dropped = _broad(frame, tick, _Book(capped, size), _product(by_sector, by_total))
        gone = small | dropped
        if some(gone):
            put(reason, small, Reason.MIN_TARGET)
            put(reason, dropped, Reason.CAP_BREADTH)
            capped = np.where(gone, 0.0, capped)
            by_sector, by_total = scaled(frame, np.abs(capped))
    target = capped if by_sector is None else capped * by_sector
    target = target * by_total
    member = target != 0
    put(reason, member & (np.abs(wished) > risk.max_symbol), Reason.CAP_SYMBOL)
    if by_sector is not None:
        put(reason, member & (by_sector < 1), Reason.CAP_SECTOR)
    if by_total < 1:
        put(reason, member, Reason.CAP_TOTAL)
    target *= exposure
    if some(unknown):
        put(reason, unknown & load.held, Reason.UNKNOWN_HOLD)
        target = np.where(unknown, load.current, target)
    return Sizing(capped, by_sector, by_total, target)


@dataclass(frozen=True, slots=True, eq=False)
class _Book:
    """Targets after the symbol cap, signed, and their magnitudes."""

    capped: Floats
    size: Floats


def _product(by_sector: Floats | None, by_total: float) -> Floats | float:
    return by_total if by_sector is None else by_sector * by_total


def _broad(frame: Frame, tick: Tick, book: _Book, factor: Floats | float) -> tuple[Bools, Bools]:
    """(members too small by themselves, members that go so that the others keep their minimum)."""
    settings, load = frame.program.settings, tick.load
    guard, exposure = settings.churn_guard, tick.chain.exposure
    size = book.size
    own = size * exposure
    low = own < guard.min_target - EPS
    band = load.held & low & (book.capped * load.side > 0)
    minimum: Floats | float = guard.min_target
    if some(band):
        minimum = np.where(band, guard.min_target - guard.deadband, guard.min_target)
    wished = size != 0
    member = wished & (own >= minimum - EPS)
    small = wished & ~member
    if some(small):
        size = np.where(member, size, 0.0)
        factor = _product(*scaled(frame, size))
    if not some(member & (own * factor < minimum - EPS)):
        return small, np.zeros(frame.symbols, dtype=np.bool_)
    need = np.minimum(minimum / np.where(exposure > 0, exposure, 1.0), book.size)
    rank = tick.select.rank + settings.select.switch_edge * load.held
    return small, member & ~surviving(frame, size, rank, need)


def without_entries(tick: Tick, target: Floats, may_enter: Bools, reason: Codes) -> Floats:
    """Targets after what earlier stages block: no new side, no larger position. Notes its reason."""
    current = tick.load.current
    barred = tick.load.held & ~may_enter
    if not some(barred):  # elsewhere a blocked entry is no member of the book: its target is 0 or unknown
        return target
    product = target * current
    blocked = barred & ((np.abs(target) > np.abs(current) + EPS) | (product < 0))
    if not some(blocked):
        return target
    put(reason, blocked, Reason.NO_ENTRY)
    return np.where(blocked, np.where(product > 0, current, 0.0), target)


def _guarded(frame: Frame, tick: Tick, target: Floats, reason: Codes) -> Floats:
    for row, guard in enumerate(frame.program.guards):
        entering, frozen = held_back(frame, tick, target, row)
        target = np.where(entering, 0.0, target)
        put(reason, entering, Reason.GUARD)
        if guard.settings.on_missing == "hold":
            target = np.where(frozen, tick.load.current, target)
            put(reason, frozen, Reason.GUARD_HOLD)
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


@dataclass(frozen=True, slots=True, eq=False)
class _Exits:
    """What stops and takes say: levels in force, reason of an exit being executed, positions nobody can judge."""

    stop_level: Floats
    take_level: Floats
    stopping: Codes
    blind: Bools


def _exits(frame: Frame, tick: Tick) -> _Exits:
    load, before = tick.load, tick.before
    held = load.held
    stopping = no_reasons(frame)
    if not some(held):
        stop, take = (np.where(load.external, level, np.nan) for level in (before.stop_level, before.take_level))
        return _Exits(stop, take, stopping, held)
    side = load.side.astype(np.float64)
    average = np.where(held, tick.account.average_price, np.nan)
    market, at = tick.market, places(frame, load.owner)
    same = held & (load.owner >= 0) & (frame.generation.take(at, mode="clip") == load.generation)
    stop = _level(
        tick,
        _Line(same & frame.stop_is_level.take(at, mode="clip"), market.stop.take(at, mode="clip")),
        (before.stop_level, before.entry_stop_level),
        average - side * load.stop_distance,
    )
    take = _level(
        tick,
        _Line(same & frame.take_is_level.take(at, mode="clip"), market.take.take(at, mode="clip")),
        (before.take_level, before.entry_take_level),
        average + side * load.take_distance,
    )
    mark, known_at = _prices(frame, tick)
    fresh = np.isfinite(mark) & (load.gap_at == 0)
    blind = held & ~fresh
    if some(blind):
        blind &= np.isfinite(stop) | np.isfinite(take) | np.isfinite(average)
    live = held & fresh
    live &= known_at > load.side_opened_at
    limit = frame.program.settings.risk.position_stop
    put(stopping, live & (side * (mark / average - 1.0) <= -limit + EPS), Reason.POSITION_STOP)
    put(stopping, live & (side * (mark - take) >= 0), Reason.TAKE)
    put(stopping, live & (side * (mark - stop) <= 0), Reason.STOP)
    going_on = held & (load.stopping != 0)
    if some(going_on):
        np.copyto(stopping, load.stopping, where=going_on)
    return _Exits(stop, take, stopping, blind)


def _prices(frame: Frame, tick: Tick) -> tuple[Floats, Ints]:
    """[S] price that stops are judged by, NaN where nobody knows one, and when it was known (epoch s)."""
    limits, market, account = frame.program.settings.freshness, tick.market, tick.account
    behind = market.behind_15m
    if not some(behind) and np.count_nonzero(np.isfinite(market.mark)) == frame.symbols:  # nearly always
        return tick.load.mark, np.full(frame.symbols, market.bar_end, dtype=np.int64)
    seen = (behind >= 0) & np.isfinite(market.mark)
    fresh = seen & (behind <= limits.stale_15m_bars)
    mark = np.where(fresh, tick.load.mark, np.nan)
    # bar_end is of the symbol that is ahead; who lags has a bar from before it
    lag = behind - np.min(behind, where=seen, initial=limits.stale_15m_bars)
    known_at = market.bar_end - np.maximum(lag, 0).astype(np.int64) * BAR
    if account.broker_mark is None or account.marked_at is None:
        return mark, known_at
    young = ~fresh & (tick.now - account.marked_at <= limits.stale_15m_bars * BAR)
    young &= ~beyond(account.broker_mark, tick.load.believed, limits.max_gap)
    return np.where(young, account.broker_mark, mark), np.where(young, account.marked_at, known_at)


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """Which positions follow the line of their strategy, which is still as it was at the entry, and where it is now."""

    followed: Bools
    now: Floats


def _level(tick: Tick, line: _Line, last: tuple[Floats, Floats], anchored: Floats) -> Floats:
    """Price level of each held position: the anchored distance; without one, the strategy's line; where that is not
    followed or not known, the level it had last. `last`: remembered levels, and those of the last opening orders."""
    load, before = tick.load, tick.before
    opened = load.side_opened_at != before.side_opened_at
    kept = last[0]
    if some(opened):
        kept = np.where(opened, np.where(load.owner == before.entry_strategy, last[1], np.nan), kept)
    distant = np.isfinite(anchored)
    followed = line.followed & ~distant
    if some(followed):
        unfit = beyond(line.now, kept, tick.frame.program.settings.freshness.max_gap) | (load.settling != 0)
        kept = np.where(followed & ~unfit & np.isfinite(line.now), line.now, kept)
    level = np.where(distant, anchored, kept)
    return np.where(load.held | load.external, level, np.nan)


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
