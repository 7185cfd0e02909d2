"""2. freshness: may this symbol be traded at all, by its calendar and the age of its bars (R20, R30, R34).

In: `behind_15m`, `behind_60m`, regular hours. Out: `Freshness`. One of missing, stale, outside_rth, active per symbol.
stale and missing: no entries, exits stay possible. outside_rth: observe only.

Where the specification is silent: outside_rth comes first when several hold, because it forbids the most. A symbol with
15m but no 60m bar yet is not missing; its 60m values are, and they block what reads them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..tick import Freshness, Tick, no_reasons, put


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.freshness`."""
    market, limits = tick.market, frame.program.settings.freshness
    reason = no_reasons(frame)
    put(reason, (market.behind_15m > limits.stale_15m_bars) | (market.behind_60m > limits.stale_60m_bars), Reason.STALE)
    put(reason, (market.behind_15m < 0) | np.isnan(market.mark), Reason.MISSING)
    session = market.session
    outside = not (market.regular_hours and session.open_at <= tick.now < session.close_at)
    if outside:
        reason[:] = Reason.OUTSIDE_RTH
    active = reason == 0
    share = int((reason == Reason.OUTSIDE_RTH).sum())
    return replace(tick, freshness=Freshness(active, outside, share * 2 > frame.symbols, reason))
