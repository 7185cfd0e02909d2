"""A tick as people see it: plain values for logs, tables and state files. One way from `TickReport` to all of them.

In: the report of a finished tick. Out: the line of live_log.csv, the lines of live_log_events.csv, the content of
state.json and a `SymbolView` per symbol for the live table. Nothing here is read back by the engine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from .calendar import iso
from .market import Fill, OrderResult
from .net import Denied
from .orders import Order
from .ports import Reply
from .projections import OrderEvent, TickSummary
from .reasons import Reason
from .runtime import TickReport
from .shadow import MOST_FALLBACKS, Beside, so_far
from .tick import Tick
from .tickview import (
    chain_names,
    counters,
    majority_chain,
    market_phase,
    owner_names,
    policy_labels,
    reason_codes,
    selected_names,
)
from .trading import TradingState


@dataclass(frozen=True, slots=True)
class SymbolView:
    """One symbol in one tick. Fractions of world capital, `held` what is there, `external` what of it is not ours; `p` up, down, chop, high volatility, NaN where unknown; `why`
    is the code of the step that decided."""

    symbol: str
    status: str
    p: tuple[float, float, float, float]
    chain: str
    strategy: str
    owner: str
    target: float
    held: float
    order: float
    why: str
    external: float = 0.0


def symbol_views(tick: Tick) -> tuple[SymbolView, ...]:
    """Every symbol of the world, in universe order."""
    chains, selected, owners = chain_names(tick), selected_names(tick), owner_names(tick)
    status, why = reason_codes(tick.freshness.reason), reason_codes(tick.persist.reason)
    p = tick.market.p.T.tolist()
    return tuple(
        SymbolView(
            symbol=symbol,
            status=status[i],
            p=(p[i][0], p[i][1], p[i][2], p[i][3]),
            chain=chains[i],
            strategy=owners[i] or (selected[i] if tick.orders.target[i] else ""),
            owner=owners[i],
            target=float(tick.orders.target[i]),
            held=float(tick.load.current[i] + tick.load.outside[i]),
            external=float(tick.load.outside[i]),
            order=float(tick.orders.delta[i]),
            why=why[i],
        )
        for i, symbol in enumerate(tick.frame.names.symbols)
    )


def summary_of(report: TickReport, tick: Tick, mode: str) -> TickSummary:
    """The world's line of live_log.csv."""
    counts = counters(tick)
    symbols = tick.frame.names.symbols
    held = [owner for owner in owner_names(tick) if owner]
    confidence = tick.market.confidence
    known = confidence[~np.isnan(confidence)]
    shadow = so_far(tick.after)
    return TickSummary(
        time=report.now,
        mode=mode,
        action=action_of(report),
        equity=float(report.snapshot.equity) if report.snapshot else math.nan,
        chain_name=majority_chain(tick),
        active_strategies=tuple(sorted(set(held))),
        regime_source=tick.frame.program.settings.regime.source,
        regime_confidence=float(known.mean()) if known.size else math.nan,
        allowlist_hit_rate=counts.allowlist_hit_rate,
        disabled_symbol_count=counts.disabled_symbol_count,
        churn_blocked_side_cooldown=counts.churn_blocked_side_cooldown,
        position_policy_by_symbol=tuple(zip(symbols, policy_labels(tick), strict=True)),
        market_phase=market_phase(tick),
        chain_by_symbol=tuple(zip(symbols, chain_names(tick), strict=True)),
        world=tick.frame.program.settings.world,
        program_id=tick.frame.program.program_id,
        tick=report.number,
        latency=report.seconds * 1e3,
        trading_state=TradingState(tick.gate.trading).text,
        shadow_differing_rate=shadow.differing_rate,
        shadow_fallback_rate=shadow.fallback_rate,
    )


def action_of(report: TickReport) -> str:
    """What the tick came to, in one word for the log."""
    if report.netted.orders:
        return "orders"
    if report.netted.cancels:
        return "cancels"
    return "decided" if report.decision else "followed_up"


def state_of(report: TickReport) -> Mapping[str, Any]:
    """The worlds' part of state.json: what is held and wanted, and why."""
    return {"worlds": {tick.frame.program.settings.world: _world_state(tick) for tick in report.ticks}}


def _world_state(tick: Tick) -> Mapping[str, Any]:
    shown = (v for v in symbol_views(tick) if v.target or v.held or v.order)
    gate = tick.gate
    state = {
        "kill": Reason(gate.why).code if gate.kill else "",
        "killed_at": iso(gate.killed_at) if gate.kill else "",
        "trading": TradingState(gate.trading).text,
        "trading_why": Reason(gate.why).code if gate.why else "",
        "positions": {
            v.symbol: {
                "held": v.held,
                **({"external": v.external} if v.external else {}),
                "target": v.target,
                "owner": v.owner,
                "chain": v.chain,
                "why": v.why,
            }
            for v in shown
        },
    }
    return state | ({"shadow": _shadow_state(tick)} if tick.market.shadow is not None else {})


def _shadow_state(tick: Tick) -> Mapping[str, Any]:
    """The regime that is only recorded: what it came to so far, and where it differs now."""
    counts, symbols = so_far(tick.after), tick.frame.names.symbols
    differing = (tick.regime.shadow == Beside.DIFFERS).nonzero()[0].tolist()
    return {
        "regime": tick.frame.program.settings.regime.shadow,
        "compared": counts.compared,
        "differing_rate": counts.differing_rate,
        "fallback_rate": counts.fallback_rate,
        "unreliable": counts.unreliable,
        "differing_now": tuple(symbols[column] for column in differing),
    }


def not_active(tick: Tick) -> str:
    """`halted (kill.daily_loss)` for a world that does not trade as usual, else ""."""
    state = TradingState(tick.gate.trading)
    return "" if state is TradingState.ACTIVE else f"{state.text} ({Reason(tick.gate.why).code})"


def shadow_text(tick: Tick) -> str:
    """What a regime that is only recorded came to, on one line; "" without one."""
    if tick.market.shadow is None:
        return ""
    counts, name = so_far(tick.after), tick.frame.program.settings.regime.shadow
    said = f"{name}: {counts.compared:,} compared" if counts.compared else f"{name}: nothing compared"
    differing = f", {counts.differing_rate:.1%} differ" if counts.compared else ""
    fallbacks = f", {counts.fallback_rate:.1%} without its output" if counts.compared + counts.fallbacks else ""
    return said + differing + fallbacks + (f" (above {MOST_FALLBACKS:.0%})" if counts.unreliable else "")


def events_of(report: TickReport) -> tuple[OrderEvent, ...]:
    """Lines of live_log_events.csv: answers to this tick's orders (none in a dry run), orders we refused ourselves, fills
    heard, ends of orders that had been accepted."""
    orders = {order.client_order_id: order for order in report.netted.orders}
    chains = {s: c for tick in report.ticks for s, c in zip(tick.frame.names.symbols, chain_names(tick), strict=True)}
    lines = [_filled(fill, report, chains) for fill in report.changes.fills]
    lines += [_ended(result, report, chains) for result in report.changes.results if result.outcome in _ENDS]
    lines += [
        _answered(reply, orders[reply.client_order_id], report, chains)
        for reply in report.replies
        if reply.client_order_id in orders
    ]
    if report.mode == "dry":
        dry = (Reply(order.client_order_id, "DRY", 0, "dry", "") for order in report.netted.orders)
        lines += [_answered(reply, orders[reply.client_order_id], report, chains) for reply in dry]
    lines += [_denied(denied, report, chains) for denied in report.netted.denied if not denied.sent]
    return tuple(lines)


#: a refusal has its line from the answer that said so
_ENDS = {"CANCELED", "EXPIRED", "EXPIRED_UNSENT"}


def _denied(denied: Denied, report: TickReport, chains: Mapping[str, str]) -> OrderEvent:
    return OrderEvent(
        time=report.now,
        symbol=denied.symbol,
        side="buy" if denied.qty > 0 else "sell",
        qty=abs(denied.qty),
        success=False,
        status_code=0,
        error_type="denied",
        latency_ms=0.0,
        order_id="",
        chain_name=chains.get(denied.symbol, ""),
        client_order_id=denied.client_order_id,
        world="",
        strategy="",
        reason=f"{denied.leg}: {denied.reason} {denied.detail}".strip(),
    )


def _filled(fill: Fill, report: TickReport, chains: Mapping[str, str]) -> OrderEvent:
    return OrderEvent(
        time=report.now,
        symbol=fill.symbol,
        side="buy" if fill.qty > 0 else "sell",
        qty=abs(fill.qty),
        success=True,
        status_code=200,
        error_type="",
        latency_ms=0.0,
        order_id=fill.client_order_id,
        chain_name=chains.get(fill.symbol, ""),
        client_order_id=fill.client_order_id,
        world=fill.world,
        strategy=fill.strategy,
        reason=f"filled at {fill.price}",
    )


def _ended(result: OrderResult, report: TickReport, chains: Mapping[str, str]) -> OrderEvent:
    return OrderEvent(
        time=report.now,
        symbol=result.symbol,
        side="",
        qty=Decimal(0),
        success=result.outcome == "CANCELED",
        status_code=0,
        error_type=result.error,
        latency_ms=0.0,
        order_id=result.client_order_id,
        chain_name=chains.get(result.symbol, ""),
        client_order_id=result.client_order_id,
        world="",
        strategy="",
        reason=f"{result.outcome.lower()} {result.detail}".strip(),
    )


def _answered(reply: Reply, order: Order, report: TickReport, chains: Mapping[str, str]) -> OrderEvent:
    part = order.attribution[0]
    return OrderEvent(
        time=report.now,
        symbol=order.symbol,
        side=order.side,
        qty=order.qty,
        success=reply.state == "ACCEPTED",
        status_code=reply.status,
        error_type=reply.error,
        latency_ms=0.0,
        order_id=order.client_order_id,
        chain_name=chains.get(order.symbol, ""),
        client_order_id=order.client_order_id,
        world=part.world,
        strategy=part.strategy,
        reason=f"{order.leg}: {order.reason}" + (f" ({reply.detail})" if reply.detail else ""),
    )


def chain_counts(tick: Tick) -> Counter[str]:
    """How many symbols are in each chain."""
    return Counter(name for name in chain_names(tick) if name)
