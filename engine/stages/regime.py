"""3. regime: are the probabilities known, for how long have they not been, and what a shadow says beside them (R29, R51).

In: `p` [4, S], `shadow` [5, S] or none. Out: `Regime`. Missing stays missing: it is never replaced by a third or a half. The chain
is kept and entries are blocked; after `neutral_after` decision ticks the symbol is neutral: the last chain, still without
entries. The shadow is compared and counted on decision ticks, once for each closed bar; nothing reads it.
"""

from __future__ import annotations

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..shadow import Counts, beside, counted
from ..tick import Regime, Tick, no_reasons, put, some


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.regime`."""
    before, market = tick.before.regime_missing, tick.market
    known, reason, neutral, missing = frame.everywhere, frame.silent, frame.nowhere, before
    if not tick.ahead.regime:
        known = np.isfinite(np.add.reduce(market.p, axis=0))
        reason = no_reasons(frame)
        missing = np.where(known, 0, before + 1).astype(np.int32) if market.decision else before
        neutral = ~known & (missing >= frame.program.settings.regime.neutral_after)
        put(reason, ~known, Reason.REGIME_MISSING)
        put(reason, neutral, Reason.REGIME_NEUTRAL)
    elif market.decision and some(before):
        missing = np.zeros(frame.symbols, dtype=np.int32)
    codes = frame.silent[:0] if market.shadow is None else beside(market.p, market.shadow)
    counts = counted(codes) if market.decision else Counts()
    tick.regime = Regime(known, missing, neutral, codes, counts.compared, counts.differing, counts.fallbacks, reason)
    return tick
