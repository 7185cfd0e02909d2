"""3. regime: are the probabilities known, and for how long have they not been (R29, R51).

In: `p` [4, S]. Out: `Regime`. Missing stays missing: it is never replaced by a third or a half. The chain is kept and
entries are blocked; after `neutral_after` decision ticks the symbol is neutral: the last chain, still without entries.
"""

from __future__ import annotations

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..tick import Regime, Tick, changed, no_reasons, put


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.regime`."""
    before = tick.before.regime_missing
    known = np.isfinite(np.add.reduce(tick.market.p, axis=0))
    reason = no_reasons(frame)
    if np.count_nonzero(known) == frame.symbols:
        missing = np.zeros(frame.symbols, dtype=np.int32) if tick.market.decision else before
        return changed(tick, regime=Regime(known, missing, np.zeros(frame.symbols, dtype=np.bool_), reason))
    missing = np.where(known, 0, before + 1).astype(np.int32) if tick.market.decision else before
    neutral = ~known & (missing >= frame.program.settings.regime.neutral_after)
    put(reason, ~known, Reason.REGIME_MISSING)
    put(reason, neutral, Reason.REGIME_NEUTRAL)
    return changed(tick, regime=Regime(known, missing, neutral, reason))
