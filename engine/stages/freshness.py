"""2. freshness: may this symbol be traded at all, by its calendar and the age of its bars (R20, R30, R34).

In: `behind_15m`, `behind_60m`, regular hours. Out: `Freshness`. One of missing, stale, outside_rth, active per symbol.
stale and missing: no entries, exits stay possible. outside_rth: observe only.

Where the specification is silent: outside_rth comes first when several hold, because it forbids the most. A symbol with
15m but no 60m bar yet is not missing; its 60m values are, and they block what reads them.
"""

from __future__ import annotations

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..tick import Freshness, Tick, changed, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.freshness`."""
    market, limits = tick.market, frame.program.settings.freshness
    reason = no_reasons(frame)
    stale = market.behind_15m > limits.stale_15m_bars
    stale |= market.behind_60m > limits.stale_60m_bars
    if some(stale):
        put(reason, stale, Reason.STALE)
    missing = np.isnan(market.mark)
    missing |= market.behind_15m < 0
    if some(missing):
        put(reason, missing, Reason.MISSING)
    session = market.session
    outside = not (market.regular_hours and session.open_at <= tick.now < session.close_at)
    if outside:
        reason[:] = Reason.OUTSIDE_RTH
    active = reason == 0
    share = frame.symbols if outside else 0
    return changed(tick, freshness=Freshness(active, outside, share * 2 > frame.symbols, reason))
