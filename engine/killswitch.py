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
- Several at once: auth, then week, then day, then failures. A kill that needs `resume` is never replaced.
- `failure_window` may be longer than the ring has ticks: then a bucket holds several, and counts until its last one is out.
- `resume` of a daily kill leaves the weekly limit where it was: if that is broken too, it kills at once, for a second `resume`.
- While killed, any failure starts the wait again. When a kill ends its counts start anew: old failures do not kill twice.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .frame import EPS, Frame, day_number
from .market import OrderResult, SessionTimes
from .orders import OrderState
from .reasons import Reason
from .state import RING, DecideState
from .tick import Gate, Tick
from .trading import TradingState

BACKOFF = (300, 600, 1200)
RATE_LIMIT = 0.20
RATE_ORDERS = 20
MANUAL = frozenset({Reason.KILL_DAY, Reason.KILL_WEEK, Reason.KILL_AUTH})
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
    gate = _rolled(_of(tick.before), tick)
    gate, day_over, week_over = _losses(frame, gate, tick)
    gate, failure = _counted(frame, gate, tick)
    if failure == Reason.NONE:
        gate = _recovered(gate, tick)
    auth = failure == Reason.KILL_AUTH
    for wanted, kill in ((auth, Reason.KILL_AUTH), (week_over, Reason.KILL_WEEK), (day_over, Reason.KILL_DAY)):
        if wanted and gate.kill not in MANUAL:
            gate = _killed(gate, kill, tick.now, 0)
    if failure not in (Reason.NONE, Reason.KILL_AUTH) and gate.kill not in MANUAL:
        gate = _failed(gate, failure, tick)
    return _judged(frame, gate, tick)


def _with(gate: Gate, **fields: object) -> Gate:
    """The same gate with these fields: it is this tick's own, and nobody else has it yet."""
    for name, value in fields.items():
        setattr(gate, name, value)
    return gate


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
        ring_at=np.zeros(RING, dtype=np.int64),
        now=np.array(now, dtype=np.int64),
        **levels,
    )


def _of(state: DecideState) -> Gate:
    """The remembered part; verdicts of this tick still open."""
    return Gate(
        kill=int(state.kill),
        trading=int(TradingState.ACTIVE),
        fired=False,
        entries=True,
        why=0,
        day_loss=0.0,
        week_loss=0.0,
        close_equity=float(state.close_equity),
        day=int(state.day),
        week=int(state.week),
        day_anchor=float(state.day_anchor),
        week_anchor=float(state.week_anchor),
        day_level=float(state.day_level),
        week_level=float(state.week_level),
        day_breach_at=int(state.day_breach_at),
        week_breach_at=int(state.week_breach_at),
        killed_at=int(state.killed_at),
        recover_at=int(state.recover_at),
        recoveries=int(state.recoveries),
        recovery_day=int(state.recovery_day),
        consecutive=int(state.consecutive),
        ring_at=state.ring_at,
        ring_orders=state.ring_orders,
        ring_failures=state.ring_failures,
        ring_next=int(state.ring_next),
        failed_ids=state.failed_ids,
        failed_next=int(state.failed_next),
    )


def week_number(session: SessionTimes) -> int:
    """ISO year * 100 + ISO week of "2025-W44"."""
    return int(session.week[:4]) * 100 + int(session.week[6:])


def _rolled(gate: Gate, tick: Tick) -> Gate:
    """New anchors at a new exchange day or ISO week; deposits and withdrawals move every level with them."""
    session, load, flows, equity = tick.market.session, tick.load, tick.account.flows, own_equity(tick)
    if not math.isfinite(equity):
        return gate
    day, week = day_number(session.day), week_number(session)
    known = math.isfinite(gate.close_equity)
    close = gate.close_equity + flows if known else equity
    changes: dict[str, float] = {}
    if day > gate.day or not known:
        changes |= {"day": day, "day_anchor": close, "day_level": close, "day_breach_at": 0}
    elif flows:
        changes |= {"day_anchor": gate.day_anchor + flows, "day_level": gate.day_level + flows}
    if week > gate.week or not known:
        changes |= {"week": week, "week_anchor": close, "week_level": close, "week_breach_at": 0}
    elif flows:
        changes |= {"week_anchor": gate.week_anchor + flows, "week_level": gate.week_level + flows}
    fresh = load.trusted and (tick.now <= session.close_at or tick.market.decision)
    if fresh or flows:
        changes["close_equity"] = equity if fresh else close
    for level in ("day_level", "week_level"):
        if not math.isfinite(changes.get(level, getattr(gate, level))) and load.trusted:
            changes[level] = equity
    return _with(gate, **changes)


def own_equity(tick: Tick) -> float:
    """The account's equity without what its other worlds won or lost: loss limits are a world's own."""
    return tick.load.equity - tick.account.others


@dataclass(frozen=True, slots=True)
class _Limit:
    """One loss limit: its level, its (negative) fraction, when it was first seen broken."""

    level: float
    limit: float
    breach_at: int


def _losses(frame: Frame, gate: Gate, tick: Tick) -> tuple[Gate, bool, bool]:
    risk = frame.program.settings.risk
    day_loss, day_at, day_over = _loss(frame, tick, _Limit(gate.day_level, risk.daily_loss, gate.day_breach_at))
    week_loss, week_at, week_over = _loss(frame, tick, _Limit(gate.week_level, risk.weekly_loss, gate.week_breach_at))
    gate = _with(gate, day_loss=day_loss, week_loss=week_loss, day_breach_at=day_at, week_breach_at=week_at)
    return gate, day_over, week_over


def _loss(frame: Frame, tick: Tick, limit: _Limit) -> tuple[float, int, bool]:
    """(P&L fraction, first reading beyond the limit or 0, second reading says so too)."""
    base = frame.program.settings.capital * limit.level
    if not math.isfinite(base) or base <= 0:
        return 0.0, 0, False
    loss = (own_equity(tick) - limit.level) / base
    if tick.freshness.outside or not tick.load.trusted:
        return loss, limit.breach_at, False
    if loss > limit.limit + EPS:
        return loss, 0, False
    first = limit.breach_at or tick.now
    return loss, first, tick.now - first >= frame.interval


def _counted(frame: Frame, gate: Gate, tick: Tick) -> tuple[Gate, Reason]:
    """Failure counters after this tick's results, and the kill they ask for (NONE without new failures)."""
    results = tick.account.results
    if not results:
        return gate, Reason.NONE
    seen, ids = set(gate.failed_ids.tolist()), gate.failed_ids.copy()
    place, consecutive, answered, failures = gate.failed_next, gate.consecutive, 0, 0
    good: set[str] = set()
    for result in results:
        if _failing(result):
            number = _number(result)
            if number in seen:
                continue
            seen.add(number)
            ids[place % RING] = number
            place, failures, answered, consecutive = place + 1, failures + 1, answered + 1, consecutive + 1
        elif not result.error and result.outcome not in SILENT and result.client_order_id not in good:
            good.add(result.client_order_id)
            answered, consecutive = answered + 1, 0
    gate = _with(
        _ringed(frame, gate, tick.now, (answered, failures)),
        consecutive=consecutive,
        failed_ids=ids,
        failed_next=place % RING,
    )
    if any(result.error == "auth" for result in results):
        return gate, Reason.KILL_AUTH
    if failures and gate.kill:
        return gate, Reason.KILL_FAILURES
    return gate, _failure(frame, gate, tick.now) if failures else Reason.NONE


def _failing(result: OrderResult) -> bool:
    return result.error in ("server", "unknown", "auth") or result.outcome == OrderState.UNKNOWN.value


def _number(result: OrderResult) -> int:
    return int.from_bytes(hashlib.blake2b(result.client_order_id.encode(), digest_size=8).digest(), "big") or 1


def _bucket(frame: Frame) -> int:
    """Seconds that one bucket of the ring stands for: a tick, or more where the ring would not hold the window else."""
    return max(frame.interval, math.ceil(frame.program.settings.risk.failure_window / (RING - 1)))


def _ringed(frame: Frame, gate: Gate, now: int, counts: tuple[int, int]) -> Gate:
    """The ring with (answered, failed) orders of this tick, in the newest bucket while that lasts."""
    if not counts[0]:
        return gate
    ring_at, orders, failed = gate.ring_at.copy(), gate.ring_orders.copy(), gate.ring_failures.copy()
    width, place = _bucket(frame), (gate.ring_next - 1) % RING
    if not ring_at[place] or ring_at[place] // width != now // width:
        place = gate.ring_next % RING
        ring_at[place], orders[place], failed[place] = now, 0, 0
    orders[place] += counts[0]
    failed[place] += counts[1]
    return _with(gate, ring_at=ring_at, ring_orders=orders, ring_failures=failed, ring_next=(place + 1) % RING)


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


def _recovered(gate: Gate, tick: Tick) -> Gate:
    if not gate.kill or gate.kill in MANUAL or not gate.recover_at or tick.now < gate.recover_at:
        return gate
    return _with(gate, kill=0, killed_at=0, recover_at=0, consecutive=0, ring_at=np.zeros(RING, dtype=np.int64))


def _killed(gate: Gate, kill: Reason, now: int, recover_at: int) -> Gate:
    return _with(gate, kill=int(kill), killed_at=now, recover_at=recover_at, fired=True)


def _failed(gate: Gate, failure: Reason, tick: Tick) -> Gate:
    """Killed by failures, or killed already and failing still: the wait starts again."""
    day = day_number(tick.market.session.day)
    used = gate.recoveries if gate.recovery_day == day else 0
    if gate.kill:
        step = BACKOFF[min(max(used - 1, 0), len(BACKOFF) - 1)]
        return _with(gate, recover_at=tick.now + step) if gate.recover_at else gate
    recover_at = tick.now + BACKOFF[used] if used < len(BACKOFF) else 0
    gate = _with(gate, recoveries=used + 1, recovery_day=day)
    return _killed(gate, failure, tick.now, recover_at)


def _judged(frame: Frame, gate: Gate, tick: Tick) -> Gate:
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
    return _with(gate, trading=int(state), entries=state is TradingState.ACTIVE, why=why)
