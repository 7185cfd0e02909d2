"""12. risk: per-symbol bookkeeping of what the broker answered (R39).

In: order results since the last tick. Out: `Risk`. A business reject puts a cooldown on entries in its symbol and counts
towards no kill; it never delays an exit, but from the third refused exit in a row on it alerts. Account-wide counters are
judged by `killswitch` before the orders step.
"""

from __future__ import annotations

import numpy as np

from ..frame import Frame
from ..orders import OrderState
from ..reasons import Reason
from ..tick import Risk, Tick, no_reasons, put, some

ALERT_AFTER = 3


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.risk`."""
    held = tick.load.held | tick.load.external
    until, refused = tick.before.reject_until, np.where(held, tick.before.exit_rejects, np.int16(0))
    if tick.account.results:
        until, refused = until.copy(), refused.copy()
        wait = frame.program.settings.orders.reject_cooldown * frame.interval
        for result in tick.account.results:
            column = frame.index[result.symbol]
            rejected = result.error == "business" or result.outcome == OrderState.REJECTED.value
            if result.leg == "close":
                refused[column] = min(int(refused[column]) + 1, 30_000) if rejected else 0
            elif result.error == "business":
                until[column] = tick.now + wait
    alert = held & (refused >= ALERT_AFTER)
    reason = no_reasons(frame)
    put(reason, tick.now < until, Reason.REJECT_COOLDOWN)
    if some(alert):
        put(reason, alert, Reason.EXIT_FAILING)
    tick.risk = Risk(until, refused, alert, reason)
    return tick
