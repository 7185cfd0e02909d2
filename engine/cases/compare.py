"""What came out of a tick, against what a case expects.

In: a played tick and its expectations. Out: `Mismatch`es with what came instead and every reason that the steps gave for
the symbol, because "why" is the first question after "what"; of a target its way through the steps, of a selection the
scores, of orders the reasons of every symbol that is concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from qmtl.dsl.cases.model import Detail, Expectation, WantedOrder, Weight, Why

from ..orders import Order
from ..reasons import Reason
from ..shadow import Beside
from ..tickview import chain_names, market_phase, policy_labels, reasons_of, selected_names
from ..trading import TradingState
from .guards import HeldBack
from .run import Played
from .way import percent, scores_of, way_of_target

#: targets and weights may differ by this much: 0.01 percentage points
TOLERANCE: Final = 1e-4
_FRESHNESS: Final = {
    Reason.NONE: "active",
    Reason.STALE: "stale",
    Reason.NO_TRADE: "stale",
    Reason.GAP: "paused",
    Reason.SETTLING: "paused",
    Reason.MISSING: "missing",
    Reason.OUTSIDE_RTH: "outside_rth",
}
_SLACK: Final = 1e-9
#: symbols of failed orders whose reasons are told
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Mismatch:
    """An expectation that did not come true, and what came instead."""

    expectation: Expectation
    at: int
    came: str
    why: tuple[Why, ...]
    details: tuple[Detail, ...] = ()


def mismatches(played: Played) -> tuple[Mismatch, ...]:
    """Every expectation of a tick that did not come true, in the order of the case."""
    found = []
    for expectation in played.step.expect:
        came = _LOOK[expectation.about](played, expectation)
        if came is not None:
            symbols = _concerned(played, expectation)
            given = tuple(one for symbol in symbols for one in why(played, symbol))
            details = tuple(_details(played, expectation, symbols))
            found.append(Mismatch(expectation, played.step.at, came, given, details))
    return tuple(found)


def _concerned(played: Played, expectation: Expectation) -> tuple[str, ...]:
    """The symbol of an expectation; of orders the symbols that came otherwise; "" for the world."""
    if expectation.about != "orders":
        return (expectation.symbol,)
    missing, left = _unmatched(played, expectation)
    symbols = dict.fromkeys([wanted.symbol for wanted in missing] + [order.symbol for order in left])
    return tuple(symbol for symbol in symbols if symbol in played.tick.frame.index)[:_FEW]


def _details(played: Played, expectation: Expectation, symbols: tuple[str, ...]) -> Iterator[Detail]:
    """The way of targets, the scores of selections, and guards that held something back."""
    for symbol in symbols:
        unknown = symbol and Reason.SIGNAL_UNKNOWN.code in {code for _, code in reasons_of(played.tick, symbol)}
        if expectation.about in ("target", "orders"):
            yield Detail(f"way of the target of {symbol}", (way_of_target(played.tick, symbol),))
        if expectation.about in ("selected", "weights") or unknown:
            yield Detail(f"strategies for {symbol}", scores_of(played.tick, symbol))
    for held in played.guards:
        if held.symbol in symbols:
            yield Detail(f"entry guard {held.guard} holds {held.symbol} back", (_said(held),))


def _said(held: HeldBack) -> str:
    return f"it is unknown: {', '.join(held.missing)}" if held.missing else "its condition holds"


def why(played: Played, symbol: str) -> tuple[Why, ...]:
    """Every reason that was given for a symbol, in the order of the steps; of the world for ""."""
    tick, netted = played.tick, played.netted
    found = [] if not symbol else list(reasons_of(tick, symbol))
    if tick.gate.why:
        found.append(("gate", Reason(tick.gate.why).code))
    found += [("orders", cancel.reason) for cancel in netted.cancels if cancel.symbol == symbol]
    found += [("net", denied.reason) for denied in netted.denied if symbol in ("", denied.symbol)]
    texts = _texts()
    return tuple(Why(step, code, texts[code], symbol) for step, code in found)


def _texts() -> Mapping[str, str]:
    return {reason.code: reason.text for reason in Reason}


def _name(look: Callable[[Played, int], str]) -> Callable[[Played, Expectation], str | None]:
    def compare(played: Played, expectation: Expectation) -> str | None:
        came = look(played, played.tick.frame.index[expectation.symbol]) if expectation.symbol else look(played, 0)
        return None if came == expectation.wanted else came

    return compare


def _regime(played: Played, column: int) -> str:
    regime = played.tick.regime
    if regime.neutral[column]:
        return "neutral"
    return "known" if regime.known[column] else "missing"


def _shadow(played: Played, column: int) -> str:
    codes = played.tick.regime.shadow
    return Beside(int(codes[column])).name.lower() if len(codes) else "no shadow"


def _target(played: Played, expectation: Expectation) -> str | None:
    assert isinstance(expectation.wanted, float)
    came = float(played.tick.orders.target[played.tick.frame.index[expectation.symbol]])
    return None if abs(came - expectation.wanted) <= TOLERANCE + _SLACK else percent(came)


def _because(played: Played, expectation: Expectation) -> str | None:
    assert isinstance(expectation.wanted, tuple)
    given = {reason.code for reason in why(played, expectation.symbol)} or {Reason.NONE.code}
    return None if set(expectation.wanted) <= given else ", ".join(sorted(given))


def _weights(played: Played, expectation: Expectation) -> str | None:
    assert isinstance(expectation.wanted, tuple)
    tick = played.tick
    column, rows = tick.frame.index[expectation.symbol], tick.frame.strategy_index
    if not len(tick.select.weights):
        return "no weights"
    wanted = [weight for weight in expectation.wanted if isinstance(weight, Weight)]
    came = [float(tick.select.weights[rows[weight.strategy], column]) for weight in wanted]
    if all(abs(share - weight.share) <= TOLERANCE + _SLACK for share, weight in zip(came, wanted, strict=True)):
        return None
    return ", ".join(f"{weight.strategy} {percent(share)}" for share, weight in zip(came, wanted, strict=True))


def _orders(played: Played, expectation: Expectation) -> str | None:
    missing, left = _unmatched(played, expectation)
    if not missing and not left:
        return None
    return ", ".join(map(_shown, played.netted.orders)) or "no order"


def _unmatched(played: Played, expectation: Expectation) -> tuple[list[WantedOrder], list[Order]]:
    """(orders that were expected and did not come, orders that came unexpected)."""
    left, missing = list(played.netted.orders), []
    assert isinstance(expectation.wanted, tuple)
    for wanted in expectation.wanted:
        assert isinstance(wanted, WantedOrder)
        order = next((order for order in left if _fits(order, wanted)), None)
        if order is None:
            missing.append(wanted)
        else:
            left.remove(order)
    return missing, left


def _guards(played: Played, expectation: Expectation) -> str | None:
    assert isinstance(expectation.wanted, tuple)
    came = {held.guard for held in played.guards if held.symbol == expectation.symbol}
    return None if came == set(expectation.wanted) else ", ".join(sorted(came)) or "none"


def _fits(order: Order, wanted: WantedOrder) -> bool:
    return (
        order.symbol == wanted.symbol
        and wanted.side in ("", order.side)
        and wanted.leg in ("", order.leg)
        and wanted.qty in (None, order.qty)
        and wanted.because in ("", order.reason)
    )


def _shown(order: Order) -> str:
    return f"{order.side} {order.qty.normalize():f} {order.symbol} ({order.leg}: {order.reason})"


def _by_symbol(pairs: Callable[[Played], list[tuple[str, str]]]) -> Callable[[Played, Expectation], str | None]:
    def compare(played: Played, expectation: Expectation) -> str | None:
        came = [reason for symbol, reason in pairs(played) if symbol == expectation.symbol]
        return None if expectation.wanted in (came or ["none"]) else ", ".join(came) or "none"

    return compare


_LOOK: Final[Mapping[str, Callable[[Played, Expectation], str | None]]] = {
    "chain": _name(lambda played, column: chain_names(played.tick)[column]),
    "regime": _name(_regime),
    "shadow": _name(_shadow),
    "market_phase": _name(lambda played, _: market_phase(played.tick)),
    "freshness": _name(lambda played, column: _FRESHNESS[Reason(int(played.tick.freshness.reason[column]))]),
    "selected": _name(lambda played, column: selected_names(played.tick)[column] or "none"),
    "weights": _weights,
    "target": _target,
    "because": _because,
    "guards": _guards,
    "position_policy": _name(lambda played, column: policy_labels(played.tick)[column]),
    "orders": _orders,
    "denied": _by_symbol(lambda played: [(denied.symbol, denied.reason) for denied in played.netted.denied]),
    "canceled": _by_symbol(lambda played: [(cancel.symbol, cancel.reason) for cancel in played.netted.cancels]),
    "kill": _name(lambda played, _: Reason(played.tick.gate.kill).code if played.tick.gate.kill else "none"),
    "trading": _name(lambda played, _: TradingState(played.tick.gate.trading).text),
}
