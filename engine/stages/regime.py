"""3. regime: are the probabilities known, and for how long have they not been (R29, R51).

In: `p` [4, S]. Out: `Regime`. Missing stays missing: it is never replaced by a third or a half. The chain is kept and
entries are blocked; after `neutral_after` decision ticks the symbol is neutral: the last chain, still without entries.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..tick import Regime, Tick, no_reasons, put


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.regime`."""
    before = tick.before.regime_missing
    known = np.isfinite(tick.market.p.sum(axis=0))
    missing = np.where(known, 0, before + 1).astype(np.int32) if tick.market.decision else before
    neutral = missing >= frame.program.settings.regime.neutral_after
    reason = no_reasons(frame)
    if not known.all():
        put(reason, ~known, Reason.REGIME_MISSING)
        put(reason, ~known & neutral, Reason.REGIME_NEUTRAL)
    return replace(tick, regime=Regime(known, missing, neutral & ~known, reason))
