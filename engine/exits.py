"""Stops and takes of open positions: the levels in force, and which of them were reached.

In: positions, marks, the strategies' lines, what is remembered of entries. Out: `Exits`. It stands apart from the target
stage because levels belong to positions, not to what anybody wishes now.

Where the specification is silent:
- Stops look at closed bars that ended after the opening fill. A stop given as a distance is anchored at the average price
  (of our own fills, where others hold a part of the position). One
  given as a level is the price of the decision; while the strategy is as it was at the entry it follows the strategy's line
  when that is known, and keeps its last price otherwise. So an edit neither forgets a stop nor reads one for the other.
- A stop or take that was reached stays in force until the position is flat, also while somebody trades by hand in its symbol
  and nothing is sent. Levels stay as long as the position has an owner, also while nobody can say what is held.
- A fresh price is needed: a symbol that is stale takes the broker's mark while it is not older than `stale_15m_bars` bars and
  no gap itself; without either it is `stop.blind`. Stop before take, strategy before position stop.
- A line that moved further than `max_gap` since it was last known is no line but what a jump of the price made of it (R28):
  the last known one, which a split rescales, stays in force.
- While a symbol settles after a split its rescaled stops and takes act, and lines do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from qmtl.dsl.model import RATE_SECONDS

from .bars import Bools, Codes, Floats, Ints, Sides, Small
from .frame import EPS, Frame, places
from .prices import beyond
from .reasons import Reason
from .state import NOBODY

if TYPE_CHECKING:
    from .tick import Tick

#: seconds of a bar
BAR: Final = RATE_SECONDS["15m"]


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """What stops and takes say: levels in force, reason of an exit being executed, positions nobody can judge."""

    stop_level: Floats
    take_level: Floats
    stopping: Codes
    blind: Bools


def judged_exits(frame: Frame, tick: Tick) -> Exits:
    """The exits of a tick; `stopping` is the frame's silent column where no stop or take is in force."""
    load, held = tick.load, tick.load.held
    if not np.count_nonzero(held) and not np.count_nonzero(load.owner != NOBODY):
        return Exits(frame.unknown, frame.unknown, frame.silent, frame.nowhere)
    average = frame.recent.of(_of_ours, held, _paid(tick))
    side = frame.recent.of(_signs, load.side)
    stop, take = _levels(frame, tick, average, side)
    mark, blind = tick.load.mark, frame.nowhere
    known_at: Ints | int = tick.market.bar_end
    paused = np.count_nonzero(load.gap_at) > 0
    fresh = frame.everywhere
    if paused or not tick.ahead.current:
        mark, known_at = _prices(frame, tick)
        fresh = np.isfinite(mark) & (load.gap_at == 0)
        blind = held & ~fresh
        blind &= np.isfinite(stop) | np.isfinite(take) | np.isfinite(average)
    lost = mark / average
    lost -= 1.0
    lost *= side
    reached = [(lost <= EPS - frame.program.settings.risk.position_stop, Reason.POSITION_STOP)]
    if take is not frame.unknown:
        reached.append((side * (mark - take) >= 0, Reason.TAKE))
    if stop is not frame.unknown:
        reached.append((side * (mark - stop) <= 0, Reason.STOP))
    return Exits(stop, take, _stopping(frame, tick, reached, (fresh, known_at)), blind)


def _paid(tick: Tick) -> Floats:
    """[S] average price of what is ours: by our own fills where others hold a part, since the broker's average is of both."""
    broker, own = tick.account.average_price, tick.account.own_average
    return broker if own is None else np.where(tick.load.external & np.isfinite(own), own, broker)


def _of_ours(held: Bools, average: Floats) -> Floats:
    return np.where(held, average, np.nan)


def _signs(side: Sides) -> Floats:
    return side.astype(np.float64)


def _stopping(frame: Frame, tick: Tick, reached: list[tuple[Bools, Reason]], judged: tuple[Bools, Ints | int]) -> Codes:
    """Reasons of the exits in force: what was reached now, and what was reached before and is not flat yet."""
    load, stopping, (fresh, known_at) = tick.load, frame.silent, judged
    live = None
    for mask, reason in reached:
        if not np.count_nonzero(mask):
            continue
        if live is None:
            live = load.held & fresh & (known_at > load.side_opened_at)
        now = mask & live
        if np.count_nonzero(now):
            stopping = stopping.copy() if stopping is frame.silent else stopping
            np.putmask(stopping, now, int(reason))
    if np.count_nonzero(load.stopping):  # of nobody who is flat: load saw to that
        stopping = np.where(load.stopping != 0, load.stopping, stopping)
    return stopping


def _levels(frame: Frame, tick: Tick, average: Floats, side: Floats) -> tuple[Floats, Floats]:
    """(stop, take) of each position of ours; the frame's unknown row where nobody has any."""
    load, before, recent = tick.load, tick.before, frame.recent
    remembered = (before.stop_level, before.take_level, before.entry_stop_level, before.entry_take_level)
    lineless = not frame.lines and recent.of(_lineless, *remembered)
    near, far = recent.of(_distant, load.stop_distance, load.take_distance)
    if lineless:
        stop = average - side * load.stop_distance if near else frame.unknown
        return stop, average + side * load.take_distance if far else frame.unknown
    market, at = tick.market, recent.of(places, frame, load.owner)
    same = recent.of(_same, frame, load.held, load.owner, load.generation)
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
    return _or_none(frame, stop), _or_none(frame, take)


def _lineless(*levels: Floats) -> bool:
    return all(np.count_nonzero(np.isnan(level)) == len(level) for level in levels)


def _distant(stop: Floats, take: Floats) -> tuple[bool, bool]:
    return not _lineless(stop), not _lineless(take)


def _or_none(frame: Frame, level: Floats) -> Floats:
    return frame.unknown if _lineless(level) else level


def _same(frame: Frame, held: Bools, owner: Small, generation: Ints) -> Bools:
    """[S] positions whose strategy is as it was at the entry."""
    today = frame.generation.take(places(frame, owner), mode="clip")
    same: Bools = held & (owner >= 0) & (today == generation)
    return same


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
    if np.count_nonzero(opened):
        kept = np.where(opened, np.where(load.owner == before.entry_strategy, last[1], np.nan), kept)
    distant = np.isfinite(anchored)
    followed = line.followed & ~distant
    if np.count_nonzero(followed):
        unfit = beyond(line.now, kept, tick.frame.program.settings.freshness.max_gap) | (load.settling != 0)
        kept = np.where(followed & ~unfit & np.isfinite(line.now), line.now, kept)
    level = np.where(distant, anchored, kept)
    return np.where(load.owner != NOBODY, level, np.nan)


def _prices(frame: Frame, tick: Tick) -> tuple[Floats, Ints | int]:
    """[S] price that stops are judged by, NaN where nobody knows one, and when it was known (epoch s)."""
    limits, market, account = frame.program.settings.freshness, tick.market, tick.account
    behind = market.behind_15m
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
