"""What people read of a Tick: chains, owners, labels, reasons and counts, in words and plain numbers.

In: a Tick. Out: tuples of texts over symbols, and `TickCounters`. It stands apart from the records because nothing that
decides reads it: logs, cases and the live table do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from .bars import Codes
from .frame import strategy_label
from .reasons import Reason
from .tick import NO_LEG, RECORDS, PolicyLabel, Tick


@cache
def _texts() -> dict[int, str]:
    return {int(reason): reason.code for reason in Reason}


def reason_codes(column: Codes) -> tuple[str, ...]:
    """The readable codes of a reason column."""
    texts = _texts()
    return tuple(texts[number] for number in column.tolist())


def reasons_of(tick: Tick, symbol: str) -> tuple[tuple[str, str], ...]:
    """(step, code) of every step that had something to say about a symbol, in run order."""
    column = tick.frame.index[symbol]
    steps = (name for name in RECORDS if name not in ("gate", "persist"))
    found = [(step, int(getattr(tick, step).reason[column])) for step in steps]
    found.append(("orders", int(tick.orders.note[column])))
    return tuple((step, Reason(number).code) for step, number in found if number)


def chain_names(tick: Tick) -> tuple[str, ...]:
    """Chain of each symbol, "" where none was ever chosen."""
    names = tick.frame.names.chains
    return tuple(names[k] if k >= 0 else "" for k in tick.chain.chain.tolist())


def majority_chain(tick: Tick) -> str:
    """Chain most symbols are in; the first in order when two are equal; "" before any."""
    counts = np.bincount(tick.chain.chain[tick.chain.chain >= 0], minlength=len(tick.frame.names.chains))
    return tick.frame.names.chains[int(counts.argmax())] if counts.any() else ""


def owner_names(tick: Tick) -> tuple[str, ...]:
    """Owner of each symbol's position; "" when flat."""
    return tuple(strategy_label(tick.frame, owner) for owner in tick.load.owner.tolist())


def selected_names(tick: Tick) -> tuple[str, ...]:
    """Selected strategy of each symbol; "" for nobody."""
    return tuple(strategy_label(tick.frame, selected) for selected in tick.select.selected.tolist())


def policy_labels(tick: Tick) -> tuple[str, ...]:
    """Position policy of each symbol, for example "legacy_hold/owner_mismatch"."""
    texts = {int(label): label.text for label in PolicyLabel}
    return tuple(texts[number] for number in tick.policy.label.tolist())


def market_phase(tick: Tick) -> str:
    """ "outside_rth" when strictly more than half of the symbols are, else "regular"."""
    return "outside_rth" if tick.freshness.phase_outside else "regular"


@dataclass(frozen=True, slots=True)
class TickCounters:
    """The counters of live_log.csv; churn ones count symbols held back by the rule."""

    allowlist_hit_rate: float
    disabled_symbol_count: int
    churn_blocked_min_target: int
    churn_blocked_deadband: int
    churn_blocked_side_cooldown: int
    churn_blocked_min_hold: int
    orders: int
    cancels: int
    stop_blind: int
    paused: int
    stale: int
    exit_failing: int


def counters(tick: Tick) -> TickCounters:
    """What happened in this tick, as numbers."""
    churn = np.bincount(tick.churn.reason, minlength=256)
    return TickCounters(
        allowlist_hit_rate=tick.allowlist.hit_rate,
        disabled_symbol_count=int(tick.allowlist.disabled.sum()),
        churn_blocked_min_target=int(churn[Reason.MIN_TARGET]),
        churn_blocked_deadband=int(churn[Reason.DEADBAND]),
        churn_blocked_side_cooldown=int(churn[Reason.SIDE_COOLDOWN]),
        churn_blocked_min_hold=int(churn[Reason.MIN_HOLD]),
        orders=int((tick.orders.leg != NO_LEG).sum()),
        cancels=int((tick.orders.cancel != 0).sum()),
        stop_blind=int((tick.target.reason == Reason.STOP_BLIND).sum()),
        paused=int((tick.load.gap_at != 0).sum()),
        stale=int(np.isin(tick.freshness.reason, (Reason.STALE, Reason.NO_TRADE)).sum()),
        exit_failing=int(tick.risk.alert.sum()),
    )
