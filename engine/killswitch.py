"""The kill switch: loss limits, failure counters and recovery, judged before any order of a tick is wished.

In: the believed equity, the session, order results since the last tick, the state before. Out: `Gate`. Pure; an
exception here ends the tick without orders (R44), since nothing was sent yet.

Losses are fractions of world capital: (equity - level - flows) / (share x level). The level is the anchor (equity at the
previous session's close; for the week the last close of the previous ISO week), or the equity at the `resume` of its kill. A
limit needs two readings at least a tick apart in regular hours; after the first one entries wait. The gate's `trading` says in
one word what is left (`TradingState`): killed or declared so is HALTED, entries that wait are REDUCING.

Where the specification is silent:
- The very first level is the first equity ever believed, as there is no close before it; it is persisted (R13).
- The close is the newest believed reading up to the close, or of the decision tick that brings the last bar.
- P&L of external positions counts: with one world the ledger and the account cannot be told apart yet.
- UNKNOWN and server errors count once per client order id (the last 64 hashes are remembered). DENIED, EXPIRED_UNSENT and
  CANCELED say nothing about the broker and count neither way; business rejects neither.
- Recoveries after failures: 5, 10, 20 minutes after the last failure; the fourth kill of an exchange day needs `resume`.
- Several at once: auth, then week, then day, then failures, then what the account or a person asks for. A kill that needs
  `resume` is never replaced.
- `failure_window` may be longer than the ring has ticks: then a bucket holds several, and counts until its last one is out.
- `resume` of a daily kill leaves the weekly limit where it was: if that is broken too, it kills at once, for a second `resume`.
- While killed, any failure starts the wait again. When a kill ends its counts start anew: old failures do not kill twice.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .frame import EPS, Frame, day_number
from .market import AnswerColumns, OrderResult, SessionTimes
from .orders import OrderState
from .reasons import Reason
from .state import RING, DecideState
from .tick import Gate, Tick
from .trading import TradingState

BACKOFF = (300, 600, 1200)
RATE_LIMIT = 0.20
RATE_ORDERS = 20
MANUAL = frozenset({Reason.KILL_DAY, Reason.KILL_WEEK, Reason.KILL_AUTH, Reason.KILL_OPERATOR, Reason.KILL_RUNNER})
#: kills whose `resume` sets a new level
_LIFTS_DAY = frozenset({Reason.KILL_DAY, Reason.KILL_WEEK})
_LIFTS_WEEK = frozenset({Reason.KILL_WEEK})
#: outcomes that are no answer to a submission: a fill follows the answer that was counted
SILENT = frozenset(
    state.value
    for state in (
        OrderState.DENIED,
        OrderState.EXPIRED_UNSENT,
        OrderState.CANCELED,
        OrderState.INTENDED,
        OrderState.PARTIALLY_FILLED,
        OrderState.FILLED,
    )
)


def judge(frame: Frame, tick: Tick) -> Gate:
    """The gate of this tick, with everything `persist` has to remember of it."""
    gate = gate_of(frame, tick.before)
    _roll(frame, gate, tick)
    day_over, week_over = _losses(frame, gate, tick)
    failure = _counted(frame, gate, tick)
    if failure == Reason.NONE and gate.kill:
        _recover(gate, tick)
    auth = failure == Reason.KILL_AUTH
    for wanted, kill in ((auth, Reason.KILL_AUTH), (week_over, Reason.KILL_WEEK), (day_over, Reason.KILL_DAY)):
        if wanted and gate.kill not in MANUAL:
            _kill(gate, kill, tick.now, 0)
    if failure not in (Reason.NONE, Reason.KILL_AUTH) and gate.kill not in MANUAL:
        _fail(gate, failure, tick)
    _obey(gate, tick)
    _conclude(frame, gate, tick)
    return gate


#: fields of the state that are single numbers of the gate, in its order
REMEMBERED: Final = (
    "day", "week", "day_anchor", "week_anchor", "day_level", "week_level", "day_breach_at", "week_breach_at", "kill",
    "killed_at", "recover_at", "recoveries", "recovery_day", "consecutive", "ring_next", "failed_next", "flatten",
)  # fmt: skip
_ARRAYS: Final = attrgetter(*REMEMBERED)


def remembered(frame: Frame, state: DecideState) -> tuple[float, ...]:
    """The numbers of REMEMBERED; most of them change once a day."""
    return frame.recent.of(_numbers, *_ARRAYS(state))


def _numbers(*arrays: NDArray[Any]) -> tuple[float, ...]:
    return tuple(array.item() for array in arrays)


def resume(state: DecideState, now: int) -> DecideState:
    """The state after `qmtl resume`: not killed, the limit that killed counts from the next reading of equity, failures
    forgotten.

    A weekly loss that is accepted includes that of its days, so both levels start anew; a daily one does not lift the weekly
    limit, and a kill without a loss lifts neither. Who and why stand in the journal, not here."""
    lifted = Reason(int(state.kill))
    zero = np.zeros((), dtype=np.int64)
    levels: dict[str, Any] = {}
    for name, kills in (("day", _LIFTS_DAY), ("week", _LIFTS_WEEK)):
        if lifted in kills:  # NaN: the next reading sets the level
            levels |= {f"{name}_level": np.full((), np.nan), f"{name}_breach_at": zero}
    return replace(
        state,
        kill=np.zeros((), dtype=np.uint8),
        killed_at=zero,
        recover_at=zero,
        consecutive=np.zeros((), dtype=np.int32),
        flatten=np.zeros((), dtype=np.uint8),
        ring_at=np.zeros(RING, dtype=np.int64),
        now=np.array(now, dtype=np.int64),
        **levels,
    )


def gate_of(frame: Frame, state: DecideState) -> Gate:
    """The remembered part; verdicts of this tick still open."""
    numbers: dict[str, Any] = dict(zip(REMEMBERED, remembered(frame, state), strict=True))
    return Gate(
        trading=int(TradingState.ACTIVE),
        fired=False,
        entries=True,
        why=0,
        day_loss=0.0,
        week_loss=0.0,
        close_equity=state.close_equity.item(),
        ring_at=state.ring_at,
        ring_orders=state.ring_orders,
        ring_failures=state.ring_failures,
        failed_ids=state.failed_ids,
        **numbers,
    )


def week_number(session: SessionTimes) -> int:
    """ISO year * 100 + ISO week of "2025-W44"."""
    return int(session.week[:4]) * 100 + int(session.week[6:])


def dates_of(session: SessionTimes) -> tuple[int, int]:
    return day_number(session.day), week_number(session)


def _roll(frame: Frame, gate: Gate, tick: Tick) -> None:
    """New anchors at a new exchange day or ISO week; deposits and withdrawals move every level with them."""
    session, load, flows, equity = tick.market.session, tick.load, tick.account.flows, own_equity(tick)
    if not math.isfinite(equity):
        return
    known = math.isfinite(gate.close_equity)
    close = gate.close_equity + flows if known else equity
    if not known:
        gate.day = gate.week = -1
    if flows:
        gate.day_anchor, gate.day_level = gate.day_anchor + flows, gate.day_level + flows
        gate.week_anchor, gate.week_level = gate.week_anchor + flows, gate.week_level + flows
    anchor(gate, frame.recent.of(dates_of, session), close)
    fresh = load.trusted and (tick.now <= session.close_at or tick.market.decision)
    if fresh or flows:
        gate.close_equity = equity if fresh else close
    if load.trusted and not math.isfinite(gate.day_level):
        gate.day_level = equity
    if load.trusted and not math.isfinite(gate.week_level):
        gate.week_level = equity


def anchor(gate: Gate, dates: tuple[int, int], close: float) -> None:
    """New anchors at a new exchange day or ISO week: the close before it."""
    day, week = dates
    if day > gate.day:
        gate.day, gate.day_anchor, gate.day_level, gate.day_breach_at = day, close, close, 0
    if week > gate.week:
        gate.week, gate.week_anchor, gate.week_level, gate.week_breach_at = week, close, close, 0


def own_equity(tick: Tick) -> float:
    """The account's equity without what its other worlds won or lost: loss limits are a world's own."""
    return tick.load.equity - tick.account.others


def _losses(frame: Frame, gate: Gate, tick: Tick) -> tuple[bool, bool]:
    """Whether the daily and the weekly limit are broken at a second reading."""
    risk = frame.program.settings.risk
    gate.day_loss, gate.day_breach_at, day_over = _loss(
        frame, tick, gate.day_level, risk.daily_loss, gate.day_breach_at
    )
    gate.week_loss, gate.week_breach_at, week_over = _loss(
        frame, tick, gate.week_level, risk.weekly_loss, gate.week_breach_at
    )
    return day_over, week_over


def _loss(frame: Frame, tick: Tick, level: float, limit: float, breach_at: int) -> tuple[float, int, bool]:
    """(P&L fraction, first reading beyond the limit or 0, second reading says so too) of one limit: its level, its
    (negative) fraction, when it was first seen broken."""
    base = frame.program.settings.capital * level
    if not math.isfinite(base) or base <= 0:
        return 0.0, 0, False
    loss = (own_equity(tick) - level) / base
    if tick.freshness.outside or not tick.load.trusted:
        return loss, breach_at, False
    if loss > limit + EPS:
        return loss, 0, False
    first = breach_at or tick.now
    return loss, first, tick.now - first >= frame.interval


def _counted(frame: Frame, gate: Gate, tick: Tick) -> Reason:
    """Count this tick's results; the kill they ask for (NONE without new failures)."""
    results = tick.account.results
    if isinstance(results, AnswerColumns):  # nothing fails there
        count_good(frame, gate, tick.now, results.good)
        return Reason.NONE
    if not results:
        return Reason.NONE
    seen, ids = set(gate.failed_ids.tolist()), gate.failed_ids.copy()
    place, consecutive, answered, failures = gate.failed_next, gate.consecutive, 0, 0
    good: set[str] = set()
    for result in results:
        if failing(result.error, result.outcome):
            number = _number(result)
            if number in seen:
                continue
            seen.add(number)
            ids[place % RING] = number
            place, failures, answered, consecutive = place + 1, failures + 1, answered + 1, consecutive + 1
        elif not result.error and result.outcome not in SILENT and result.client_order_id not in good:
            good.add(result.client_order_id)
            answered, consecutive = answered + 1, 0
    _ring(frame, gate, tick.now, (answered, failures))
    gate.consecutive, gate.failed_ids, gate.failed_next = consecutive, ids, place % RING
    if any(result.error == "auth" for result in results):
        return Reason.KILL_AUTH
    if failures and gate.kill:
        return Reason.KILL_FAILURES
    return _failure(frame, gate, tick.now) if failures else Reason.NONE


def count_good(frame: Frame, gate: Gate, now: int, good: int) -> None:
    """Count orders that were answered without an error."""
    if good:
        gate.consecutive = 0
        _ring(frame, gate, now, (good, 0))


def failing(error: str, outcome: str) -> bool:
    """Whether an answer is a failure that counts: no answer, an error of the server, or of authentication."""
    return error in ("server", "unknown", "auth") or outcome == OrderState.UNKNOWN.value


def _number(result: OrderResult) -> int:
    return int.from_bytes(hashlib.blake2b(result.client_order_id.encode(), digest_size=8).digest(), "big") or 1


def _bucket(frame: Frame) -> int:
    """Seconds that one bucket of the ring stands for: a tick, or more where the ring would not hold the window else."""
    return max(frame.interval, math.ceil(frame.program.settings.risk.failure_window / (RING - 1)))


def _ring(frame: Frame, gate: Gate, now: int, counts: tuple[int, int]) -> None:
    """(Answered, failed) orders of this tick into the ring, in the newest bucket while that lasts."""
    if not counts[0]:
        return
    gate.ring_at, orders, failed = gate.ring_at.copy(), gate.ring_orders.copy(), gate.ring_failures.copy()
    width, place = _bucket(frame), (gate.ring_next - 1) % RING
    if not gate.ring_at[place] or gate.ring_at[place] // width != now // width:
        place = gate.ring_next % RING
        gate.ring_at[place], orders[place], failed[place] = now, 0, 0
    orders[place] += counts[0]
    failed[place] += counts[1]
    gate.ring_orders, gate.ring_failures, gate.ring_next = orders, failed, (place + 1) % RING


def _failure(frame: Frame, gate: Gate, now: int) -> Reason:
    """Which failure rule is broken."""
    risk = frame.program.settings.risk
    # a bucket that began before the window may have ended inside it
    recent = (gate.ring_at > now - risk.failure_window - (_bucket(frame) - frame.interval)) & (gate.ring_at > 0)
    failures, orders = int(gate.ring_failures[recent].sum()), int(gate.ring_orders[recent].sum())
    if gate.consecutive >= risk.max_consecutive_failures:
        return Reason.KILL_CONSECUTIVE
    if failures >= risk.max_failures:
        return Reason.KILL_FAILURES
    return Reason.KILL_RATE if orders >= RATE_ORDERS and failures > RATE_LIMIT * orders else Reason.NONE


def _recover(gate: Gate, tick: Tick) -> None:
    if gate.kill in MANUAL or not gate.recover_at or tick.now < gate.recover_at:
        return
    gate.kill = gate.killed_at = gate.recover_at = gate.consecutive = gate.flatten = 0
    gate.ring_at = np.zeros(RING, dtype=np.int64)


def _obey(gate: Gate, tick: Tick) -> None:
    """A kill that the state of the account or a person asks for. One that needs a `resume` already stays what it is; what a
    person says is carried out in any case: everything that works is cancelled, and closed where that was said."""
    halt, person = tick.account.halt, tick.account.halt == Reason.KILL_OPERATOR
    if halt and gate.kill not in MANUAL:
        _kill(gate, Reason(halt), tick.now, 0)
    if person:
        gate.fired, gate.flatten = True, int(gate.flatten or tick.account.flatten)


def _kill(gate: Gate, kill: Reason, now: int, recover_at: int) -> None:
    gate.kill, gate.killed_at, gate.recover_at, gate.fired = int(kill), now, recover_at, True


def _fail(gate: Gate, failure: Reason, tick: Tick) -> None:
    """Killed by failures, or killed already and failing still: the wait starts again."""
    day = day_number(tick.market.session.day)
    used = gate.recoveries if gate.recovery_day == day else 0
    if gate.kill:
        step = BACKOFF[min(max(used - 1, 0), len(BACKOFF) - 1)]
        gate.recover_at = tick.now + step if gate.recover_at else 0
        return
    gate.recoveries, gate.recovery_day = used + 1, day
    _kill(gate, failure, tick.now, tick.now + BACKOFF[used] if used < len(BACKOFF) else 0)


def _conclude(frame: Frame, gate: Gate, tick: Tick) -> None:
    """What may be traded, and if not everything, why."""
    declared = frame.program.settings.risk.trading
    state, why = TradingState.ACTIVE, 0
    if gate.kill or declared == "halted":
        state, why = TradingState.HALTED, gate.kill or int(Reason.DECLARED_HALTED)
    elif declared == "reducing":
        state, why = TradingState.REDUCING, int(Reason.DECLARED_REDUCING)
    elif not tick.load.trusted:
        state, why = TradingState.REDUCING, int(Reason.EQUITY_DOUBT)
    elif gate.day_breach_at or gate.week_breach_at:
        state, why = TradingState.REDUCING, int(Reason.LOSS_PENDING)
    gate.trading, gate.entries, gate.why = int(state), state is TradingState.ACTIVE, why
