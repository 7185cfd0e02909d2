"""5. allowlist: of the chain's strategies, those enabled for this symbol today.

In: chain, allowlist rows and their last days. Out: `Allowlist`. Some before and none after is a symbol disabled this
tick: counted, no entries, the position stays with its owner. Nothing matched is nothing traded (R48).
"""

from __future__ import annotations

import numpy as np

from ..bars import Small
from ..frame import Frame, allowed_on, day_number, places
from ..reasons import Reason
from ..tick import Allowlist, Tick, any_strategy, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.allowlist`."""
    tick.allowlist = frame.recent.of(
        allowed_in, frame, tick.chain.chain, tick.market.session.day if frame.dated else ""
    )
    return tick


def allowed_in(frame: Frame, chain: Small, day: str) -> Allowlist:
    """`day`: where rows end, the exchange's day."""
    allowed, own = allowed_on(frame, day_number(day)) if day else frame.allowed, frame.overridden
    named = frame.uses.take(chain, axis=1) if own is None else own.uses.take(places(frame, chain), axis=1)
    candidates = named & allowed
    left, before = any_strategy(candidates), any_strategy(named)
    disabled = before & ~left
    total, hits = np.count_nonzero(named), np.count_nonzero(candidates)
    reason = no_reasons(frame)
    if some(disabled):
        put(reason, disabled, Reason.DISABLED)
    put(reason, ~before, Reason.CHAIN_EMPTY)
    enabled = any_strategy(allowed & frame.used) if frame.dated else frame.enabled
    hit_rate = hits / total if total else 0.0
    return Allowlist(candidates, disabled, enabled, hit_rate, reason)
