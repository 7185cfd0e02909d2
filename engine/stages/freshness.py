"""2. freshness: may this symbol be traded at all, by its calendar, the age of its bars and its price (R20, R28, R30, R34).

In: `behind_15m`, `behind_60m`, regular hours, the gaps of `load`. Out: `Freshness`. One of missing, stale, paused,
outside_rth, active per symbol. stale and missing: no entries, exits stay possible. paused (a gap, or a split that formulas
still see): no entries, and `target` holds what is held. outside_rth: observe only.

A stale symbol has one of two reasons (R24): while others have newer bars, bars do arrive and nobody traded this one; when
none is newer, there is no data. Bars in which nobody traded are no bars here (`bars.traded`, R26).

Where the specification is silent: outside_rth comes first when several hold, because it forbids the most, then the gap. A
symbol with 15m but no 60m bar yet is not missing; its 60m values are, and they block what reads them.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Codes, Ints
from ..frame import Frame
from ..reasons import Reason
from ..tick import Freshness, Tick, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.freshness`."""
    session, load = tick.market.session, tick.load
    outside = not (tick.market.regular_hours and session.open_at <= tick.now < session.close_at)
    paused = some(load.settling) or some(load.gap_at)
    if outside:
        reason = np.full(frame.symbols, Reason.OUTSIDE_RTH, dtype=np.uint8)
        tick.freshness = Freshness(frame.nowhere, outside, frame.symbols > 0, tick.before.stale_at, reason)
        return tick
    if tick.ahead.current and not paused:
        tick.freshness = Freshness(frame.everywhere, outside, False, _since(tick, frame.nowhere), frame.silent)
        return tick
    reason, stale = _judged(frame, tick)
    tick.freshness = Freshness(reason == 0, outside, False, _since(tick, stale), reason)
    return tick


def _judged(frame: Frame, tick: Tick) -> tuple[Codes, Bools]:
    """(reasons, who is stale) in regular hours."""
    market, limits, reason = tick.market, frame.program.settings.freshness, no_reasons(frame)
    stale = market.behind_15m > limits.stale_15m_bars
    stale |= market.behind_60m > limits.stale_60m_bars
    if some(stale):
        arriving = some(~stale & (market.behind_15m >= 0))
        put(reason, stale, Reason.NO_TRADE if arriving else Reason.STALE)
    missing = np.isnan(market.mark)
    missing |= market.behind_15m < 0
    put(reason, missing, Reason.MISSING)
    put(reason, tick.load.settling != 0, Reason.SETTLING)
    put(reason, tick.load.gap_at != 0, Reason.GAP)
    return reason, stale


def _since(tick: Tick, stale: Bools) -> Ints:
    before = tick.before.stale_at
    if not some(stale) and not some(before):
        return before
    return np.where(stale, np.where(before != 0, before, tick.now), 0)
