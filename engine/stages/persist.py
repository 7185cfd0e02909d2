"""13. persist: the next state, and for each symbol the one reason that decided.

In: everything. Out: `tick.after` and `Persist`. Nothing is written to a disk here: the runtime commits the tick and this
state in one durable commit before anything is sent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bars import Codes
from ..frame import Frame
from ..state import DecideState
from ..tick import Persist, Tick, changed, no_reasons, some

#: later ones win
_ORDER = (
    "load",
    "regime",
    "chain",
    "allowlist",
    "signals",
    "select",
    "target",
    "churn",
    "policy",
    "freshness",
    "orders",
    "risk",
)


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.persist` and `tick.after`."""
    return changed(tick, persist=Persist(_decisive(frame, tick)), after=_next(tick))


def _decisive(frame: Frame, tick: Tick) -> Codes:
    decisive = no_reasons(frame)
    for name in _ORDER:
        reason = getattr(tick, name).reason
        if some(reason):
            np.putmask(decisive, reason, reason)
    return decisive


def _next(tick: Tick) -> DecideState:
    load, gate, orders = tick.load, tick.gate, tick.orders
    readable = tick.account.readable
    return DecideState(
        chain=tick.chain.chain,
        regime_missing=tick.regime.missing,
        selected=tick.select.selected,
        switched_at=tick.select.switched_at,
        qty=tick.account.qty if readable else tick.before.qty,
        owner=load.owner,
        generation=load.generation,
        side=load.side,
        side_opened_at=load.side_opened_at,
        last_side=load.last_side,
        last_opened_at=load.last_opened_at,
        stop_distance=load.stop_distance,
        take_distance=load.take_distance,
        stop_level=tick.target.stop_level,
        take_level=tick.target.take_level,
        stopping=tick.target.stopping,
        latch=tick.target.latch,
        entry_strategy=orders.entry_strategy,
        entry_stop=orders.entry_stop,
        entry_take=orders.entry_take,
        pending=orders.pending,
        pending_strategy=orders.pending_strategy,
        reject_until=tick.risk.reject_until,
        exit_rejects=tick.risk.exit_rejects,
        now=_one(tick.now, "i8"),
        equity=_one(load.equity, "f8"),
        suspect=_one(load.suspect, "f8"),
        close_equity=_one(gate.close_equity, "f8"),
        day=_one(gate.day, "i4"),
        week=_one(gate.week, "i4"),
        day_anchor=_one(gate.day_anchor, "f8"),
        week_anchor=_one(gate.week_anchor, "f8"),
        day_level=_one(gate.day_level, "f8"),
        week_level=_one(gate.week_level, "f8"),
        day_breach_at=_one(gate.day_breach_at, "i8"),
        week_breach_at=_one(gate.week_breach_at, "i8"),
        kill=_one(gate.kill, "u1"),
        killed_at=_one(gate.killed_at, "i8"),
        recover_at=_one(gate.recover_at, "i8"),
        recoveries=_one(gate.recoveries, "i4"),
        recovery_day=_one(gate.recovery_day, "i4"),
        consecutive=_one(gate.consecutive, "i4"),
        ring_at=gate.ring_at,
        ring_orders=gate.ring_orders,
        ring_failures=gate.ring_failures,
        ring_next=_one(gate.ring_next, "i4"),
        failed_ids=gate.failed_ids,
        failed_next=_one(gate.failed_next, "i4"),
    )


def _one(value: float, dtype: str) -> NDArray[Any]:
    return np.array(value, dtype=dtype)
