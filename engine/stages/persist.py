"""13. persist: the next state, and for each symbol the one reason that decided.

In: everything. Out: `tick.after` and `Persist`. Nothing is written to a disk here: the runtime commits the tick and this
state in one durable commit before anything is sent.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bars import Codes
from ..frame import Frame
from ..killswitch import REMEMBERED, remembered
from ..state import FIELDS, DecideState
from ..tick import Gate, Persist, Tick, some

#: later ones win
_STAGES = attrgetter(
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
    tick.persist, tick.after = Persist(_decisive(frame, tick)), _next(frame, tick)
    return tick


def _decisive(frame: Frame, tick: Tick) -> Codes:
    decisive = frame.silent
    for record in _STAGES(tick):
        reason = record.reason
        if reason is not frame.silent and some(reason):
            decisive = reason if decisive is frame.silent else np.where(reason != 0, reason, decisive)
    return decisive


def _next(frame: Frame, tick: Tick) -> DecideState:
    load, gate, orders, before = tick.load, tick.gate, tick.orders, tick.before
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
        entry_stop_level=orders.entry_stop_level,
        entry_take_level=orders.entry_take_level,
        pending=orders.pending,
        pending_strategy=orders.pending_strategy,
        reject_until=tick.risk.reject_until,
        exit_rejects=tick.risk.exit_rejects,
        now=_one(tick.now, "i8"),
        equity=_one(load.equity, "f8"),
        suspect=_one(load.suspect, "f8"),
        mark=load.believed,
        mark_scale=load.mark_scale,
        gap_at=load.gap_at,
        settling=load.settling,
        average=load.average,
        stale_at=tick.freshness.stale_at,
        ring_at=gate.ring_at,
        ring_orders=gate.ring_orders,
        ring_failures=gate.ring_failures,
        failed_ids=gate.failed_ids,
        # sizing counts what is sent now, and only where the world limits it
        close_equity=_kept(before.close_equity, gate.close_equity, "f8"),
        **_counted(before, tick),
        **_gated(frame, before, gate),
    )


def _counted(before: DecideState, tick: Tick) -> dict[str, NDArray[Any]]:
    """What is only counted on; orders of the day are counted where quantities are made."""
    return {
        "shadow_compared": _more(before.shadow_compared, tick.regime.compared),
        "shadow_differing": _more(before.shadow_differing, tick.regime.differing),
        "shadow_fallbacks": _more(before.shadow_fallbacks, tick.regime.fallbacks),
        "sent_day": before.sent_day,
        "sent_orders": before.sent_orders,
        "sent_value": before.sent_value,
    }


def _one(value: float, dtype: str) -> NDArray[Any]:
    return np.array(value, dtype=dtype)


_DTYPES = tuple(next(field.dtype.lstrip("<") for field in FIELDS if field.name == name) for name in REMEMBERED)
_NUMBERS = attrgetter(*REMEMBERED)


def _gated(frame: Frame, before: DecideState, gate: Gate) -> dict[str, NDArray[Any]]:
    """The single numbers of the gate; the former arrays where they say the same."""
    former, now, arrays = remembered(frame, before), _NUMBERS(gate), _NUMBERS(before)
    if now != former:
        arrays = tuple(_kept(*of) for of in zip(arrays, now, _DTYPES, strict=True))
    return dict(zip(REMEMBERED, arrays, strict=True))


def _kept(former: NDArray[Any], value: float, dtype: str) -> NDArray[Any]:
    """The former array when it says the same: most single numbers change once a day."""
    return former if former.item() == value else _one(value, dtype)


def _more(former: NDArray[Any], count: int) -> NDArray[Any]:
    return former + np.int64(count) if count else former
