"""12. risk: per-symbol bookkeeping of what the broker answered (R39).

In: order results since the last tick. Out: `Risk`. A business reject puts a cooldown on entries in its symbol and counts
towards no kill; it never delays an exit, but from the third refused exit in a row on it alerts. Account-wide counters are
judged by `killswitch` before the orders step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..bars import Ints, Small
from ..frame import Frame
from ..market import AnswerColumns, OrderResult
from ..orders import OrderState
from ..reasons import Reason
from ..tick import Risk, Tick, no_reasons, put, some

ALERT_AFTER = 3
#: refusals are counted up to here
MANY = 30_000


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.risk`."""
    until, refused, results = tick.before.reject_until, tick.before.exit_rejects, tick.account.results
    if some(refused):
        refused = np.where(tick.load.held | tick.load.external, refused, np.int16(0))
    if len(results):
        until, refused = until.copy(), refused.copy()
        wait = tick.now + frame.program.settings.orders.reject_cooldown * frame.interval
        if isinstance(results, AnswerColumns):
            _in_columns(results, until, refused, wait)
        else:
            _row_by_row(frame, results, until, refused, wait)
    reason, alert = frame.silent, frame.nowhere
    cooling = tick.now < until
    if some(cooling) or some(refused):
        reason, alert = no_reasons(frame), (tick.load.held | tick.load.external) & (refused >= ALERT_AFTER)
        put(reason, cooling, Reason.REJECT_COOLDOWN)
        put(reason, alert, Reason.EXIT_FAILING)
    tick.risk = Risk(until, refused, alert, reason)
    return tick


def _row_by_row(frame: Frame, results: Sequence[OrderResult], until: Ints, refused: Small, wait: int) -> None:
    for result in results:
        column = frame.index[result.symbol]
        rejected = result.error == "business" or result.outcome == OrderState.REJECTED.value
        if result.leg == "close":
            refused[column] = min(int(refused[column]) + 1, MANY) if rejected else 0
        elif result.error == "business":
            until[column] = wait


def _in_columns(results: AnswerColumns, until: Ints, refused: Small, wait: int) -> None:
    """The same for answers in columns: refused there is always for business, and exits are not refused."""
    if some(results.refused):
        until[results.column[results.refused & ~results.close]] = wait
    refused[results.column[results.close]] = 0
