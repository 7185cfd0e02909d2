"""The body of POST /v2/orders, read and checked as far as it can be judged alone.

In: parsed JSON. Out: `Wanted`, or `Refused`. Field names, values and lengths are those of the OpenAPI document; which
time in force goes with which type stands in the tables of docs.alpaca.markets (orders-at-alpaca).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from .amounts import CENT, SHARE, number, whole
from .refusals import Refused

SIDES: Final = frozenset({"buy", "sell"})
TYPES: Final = frozenset({"market", "limit", "stop", "stop_limit", "trailing_stop"})
FORCES: Final = frozenset({"day", "gtc", "opg", "cls", "ioc", "fok"})
CLASSES: Final = frozenset({"", "simple", "bracket", "oco", "oto"})
INTENTS: Final = frozenset({"", "buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})
FRACTIONAL_TYPES: Final = frozenset({"market", "limit", "stop", "stop_limit"})
LONGEST_ID: Final = 128
DOLLAR = Decimal(1)
FINE = Decimal("0.0001")

#: name, type, limit price, stop price
Leg = tuple[str, str, Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an order asks for; `client_order_id` "" = the venue shall name it."""

    symbol: str
    side: str
    type: str
    time_in_force: str
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    client_order_id: str
    extended_hours: bool
    order_class: str
    position_intent: str
    legs: tuple[Leg, ...]

    @property
    def fractional(self) -> bool:
        return self.qty is None or not whole(self.qty)


def wanted(body: object) -> Wanted:
    """Read and check a body."""
    if not isinstance(body, dict):
        raise Refused("no_body")
    symbol = body.get("symbol") or ""
    if not symbol or not isinstance(symbol, str):
        raise Refused("symbol_required")
    client_order_id = body.get("client_order_id") or ""
    if not isinstance(client_order_id, str):
        raise Refused("invalid_param", name="client_order_id")
    if len(client_order_id) > LONGEST_ID:
        raise Refused("client_id_long")
    want = Wanted(
        symbol=symbol,
        side=_one_of(body, "side", SIDES, "invalid_side"),
        type=_one_of(body, "type", TYPES, "invalid_type"),
        time_in_force=_one_of(body, "time_in_force", FORCES, "invalid_tif"),
        qty=_amount(body, "qty", "qty_positive"),
        notional=_amount(body, "notional", "notional_positive"),
        limit_price=_price(body, "limit_price"),
        stop_price=_price(body, "stop_price"),
        trail_price=_amount(body, "trail_price", "price_positive"),
        trail_percent=_amount(body, "trail_percent", "price_positive"),
        client_order_id=client_order_id,
        extended_hours=bool(body.get("extended_hours") or False),
        order_class=_one_of(body, "order_class", CLASSES, "invalid_class", "").replace("simple", ""),
        position_intent=_one_of(body, "position_intent", INTENTS, "invalid_param", ""),
        legs=_legs(body),
    )
    _check_size(want)
    _check_prices(want)
    _check_kind(want)
    _check_legs(want)
    if want.order_class == "oco":  # the order itself is the take profit, the stop loss its leg
        profit, loss = want.legs
        return replace(want, limit_price=profit[2], legs=(loss,))
    return want


def _one_of(body: dict[str, Any], name: str, allowed: frozenset[str], refusal: str, default: str | None = None) -> str:
    value = body.get(name)
    if value is None and default is not None:
        return default
    if value not in allowed:
        raise Refused(refusal, name=name) if refusal == "invalid_param" else Refused(refusal)
    return value


def _amount(body: dict[str, Any], name: str, refusal: str) -> Decimal | None:
    if body.get(name) is None:
        return None
    try:
        value = number(body[name])
    except ValueError:
        raise Refused("invalid_param", name=name) from None
    if value <= 0:
        raise Refused(refusal, name=name) if refusal == "price_positive" else Refused(refusal)
    return value


def _price(body: dict[str, Any], name: str, label: str = "") -> Decimal | None:
    """A price with at most two decimals from one dollar on, four below it."""
    value = _amount(body, name, "price_positive")
    if value is not None and value % (CENT if value >= DOLLAR else FINE):
        raise Refused("sub_penny", name=label or name, price=value)
    return value


def _check_size(want: Wanted) -> None:
    if want.qty is None and want.notional is None:
        raise Refused("qty_required")
    if want.qty is not None and want.notional is not None:
        raise Refused("qty_or_notional")
    if want.qty is not None and want.qty % SHARE:
        raise Refused("places")
    if want.notional is not None and want.notional % CENT:
        raise Refused("notional_places")


def _check_prices(want: Wanted) -> None:
    """Prices that the type needs are there; a market order has none."""
    if want.type in {"limit", "stop_limit"} and want.limit_price is None and want.order_class != "oco":
        raise Refused("limit_required")
    if want.type in {"stop", "stop_limit"} and want.stop_price is None:
        raise Refused("stop_required")
    if want.type == "trailing_stop" and (want.trail_price is None) == (want.trail_percent is None):
        raise Refused("trail_required")
    if want.type == "market" and (want.limit_price is not None or want.stop_price is not None):
        raise Refused("price_extra")


def _check_kind(want: Wanted) -> None:
    """Which time in force goes with which type, fraction, and extended hours."""
    if want.fractional and want.time_in_force != "day":
        raise Refused("fractional_day")
    if want.fractional and want.type not in FRACTIONAL_TYPES:
        raise Refused("fractional_type")
    if want.fractional and want.order_class:
        raise Refused("fractional_simple")
    if want.extended_hours and (want.type != "limit" or want.time_in_force not in {"day", "gtc"}):
        raise Refused("extended_hours")
    if want.type not in {"market", "limit"} and want.time_in_force not in {"day", "gtc"}:
        raise Refused("tif_for_type", type=want.type)


def _legs(body: dict[str, Any]) -> tuple[Leg, ...]:
    legs: list[Leg] = []
    profit, loss = body.get("take_profit"), body.get("stop_loss")
    if isinstance(profit, dict):
        legs.append(("take_profit", "limit", _price(profit, "limit_price", "take_profit.limit_price"), None))
    if isinstance(loss, dict):
        limit = _price(loss, "limit_price", "stop_loss.limit_price")
        stop = _price(loss, "stop_price", "stop_loss.stop_price")
        legs.append(("stop_loss", "stop" if limit is None else "stop_limit", limit, stop))
    return tuple(legs)


def _check_legs(want: Wanted) -> None:
    names = {leg[0]: leg for leg in want.legs}
    if want.order_class in {"bracket", "oco"} and len(names) < 2:
        raise Refused("bracket_parts", name=want.order_class, what="take_profit and stop_loss")
    if want.order_class == "oto" and len(names) != 1:
        raise Refused("bracket_parts", name="oto", what="take_profit or stop_loss")
    if want.order_class not in {"bracket", "oco"}:
        return
    profit, stop = names["take_profit"][2], names["stop_loss"][3]
    if profit is None or stop is None:
        raise Refused("bracket_parts", name=want.order_class, what="limit_price and stop_price")
    # a bracket around a buy sells, an oco order is itself the exit
    sells = (want.side == "buy") == (want.order_class == "bracket")
    if profit <= stop if sells else profit >= stop:
        raise Refused("bracket_prices", sign=">" if sells else "<")
