"""5. allowlist: of the chain's strategies, those enabled for this symbol today.

In: chain, allowlist rows and their last days. Out: `Allowlist`. Some before and none after is a symbol disabled this
tick: counted, no entries, the position stays with its owner. Nothing matched is nothing traded (R48).
"""

from __future__ import annotations

from dataclasses import replace

from ..frame import Frame, allowed_on, day_number
from ..reasons import Reason
from ..tick import Allowlist, Tick, any_strategy, no_reasons, put


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.allowlist`."""
    allowed = allowed_on(frame, day_number(tick.market.session.day))
    named = frame.uses[:, tick.chain.chain]
    candidates = named & allowed
    some = any_strategy(candidates)
    before = any_strategy(named)
    disabled = before & ~some
    total = int(named.sum())
    reason = no_reasons(frame)
    put(reason, disabled, Reason.DISABLED)
    put(reason, ~before, Reason.CHAIN_EMPTY)
    enabled = any_strategy(allowed & frame.used[:, None])
    hit_rate = int(candidates.sum()) / total if total else 0.0
    return replace(tick, allowlist=Allowlist(candidates, disabled, enabled, hit_rate, reason))
