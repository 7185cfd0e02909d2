"""Orders as Alpaca writes and reads them.

In: an order of ours, or a row of theirs. Out: the payload of one POST, or a `BrokerOrder`. What Alpaca cannot do with an order is
said before it is sent: it refuses such an order too, and the answer would only come later. Quantities and prices are exact decimal
strings. There is no reduce-only flag to send; who sends an order keeps it within what is held.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ...orders import Order, OrderState
from ...ports import BrokerOrder
from .parse import ShapeError, moment, nanoseconds, needed, number, text

_S = OrderState
_ZERO = Decimal(0)
#: decimals of a quantity that Alpaca keeps
DECIMALS = 9
_TYPES = frozenset({"market", "limit"})
_TIMES = frozenset({"day", "gtc", "opg", "cls", "ioc", "fok"})
_COIN_TIMES = frozenset({"gtc", "ioc"})

#: their status -> our state. Terminal is only what they call final:
#:   done_for_day, calculated   nothing fills until tomorrow, but the last word (filled, expired, canceled) is still to come
#:   pending_cancel, pending_replace, suspended, stopped, held   may still fill, so the symbol stays busy
#:   replaced                   this order is over; what took its place has an id of its own and is a stranger's order here
STATES: Mapping[str, OrderState] = MappingProxyType(
    {
        **dict.fromkeys(("new", "accepted", "pending_new", "accepted_for_bidding", "held"), _S.ACCEPTED),
        **dict.fromkeys(("calculated", "stopped", "suspended", "done_for_day"), _S.ACCEPTED),
        **dict.fromkeys(("pending_cancel", "pending_replace"), _S.ACCEPTED),
        "partially_filled": _S.PARTIALLY_FILLED,
        "filled": _S.FILLED,
        "canceled": _S.CANCELED,
        "replaced": _S.CANCELED,
        "expired": _S.EXPIRED,
        "rejected": _S.REJECTED,
    }
)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order of theirs: `order` as the engine reads it, `sent` when it was submitted (nanoseconds since 1970), `remark` what is
    odd about it, "" = nothing."""

    order: BrokerOrder
    sent: int
    remark: str = ""


def unfit(order: Order) -> str:
    """Why Alpaca would not take an order of this form; "" when it would."""
    limit = limit_of(order)
    whole, coin = order.qty == order.qty.to_integral_value(), "/" in order.symbol
    if not order.qty.is_finite() or order.qty <= 0:
        return f"a quantity of {order.qty} cannot be ordered"
    if -_exponent(order.qty) > DECIMALS:
        return f"a quantity has at most {DECIMALS} decimals: {order.qty}"
    if order.order_type not in _TYPES or order.time_in_force not in _TIMES:
        return f"{order.order_type}/{order.time_in_force} orders are not sent"
    if (order.order_type == "limit") != (limit is not None):
        return "a limit order needs a limit price, and a market order has none"
    if limit is not None and (not limit.is_finite() or limit <= 0):
        return f"a limit price of {limit} is none"
    if coin:
        return "" if order.time_in_force in _COIN_TIMES else "crypto orders are gtc or ioc"
    if not whole and order.time_in_force != "day":
        return f"a part of a share can only be ordered for the day, not {order.time_in_force}"
    return ""


def payload(order: Order) -> dict[str, object]:
    """The body of the POST that places this order: strings only, and nothing that was not asked for."""
    limit = limit_of(order)
    body: dict[str, object] = {
        "symbol": order.symbol,
        "qty": decimal(order.qty),
        "side": order.side,
        "type": order.order_type,
        "time_in_force": order.time_in_force,
        "client_order_id": order.client_order_id,
    }
    return body if limit is None else {**body, "limit_price": decimal(limit)}


def limit_of(order: Order) -> Decimal | None:
    """The limit price, where the order has one."""
    return order.limit_price


def decimal(value: Decimal) -> str:
    """All digits of a number, without an exponent and without zeros that say nothing."""
    digits = format(value, "f")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) or "0"


def placed(row: Mapping[str, Any]) -> Placed:
    """A row of /v2/orders. ShapeError where an id, or anything that a fill is worked out from, cannot be read. Orders of others
    may lack symbol, side or quantity (several legs, a notional): they are kept without.

    A fill without a price is not heard yet: the order is told as open and unfilled until the price is there, even where it has
    ended. Money that is booked at no price would stay wrong for ever; meanwhile the shares stand in the positions, the symbol is
    busy with this order, and nobody trades in it or writes it off."""
    filled, average = number(row, "filled_qty") or _ZERO, number(row, "filled_avg_price") or _ZERO
    qty = number(row, "qty")
    _check_amounts(qty, filled, average)
    state, remark = _state(text(row, "status"), filled, qty)
    if filled and not average:
        state, remark = (
            _S.ACCEPTED,
            f"{filled} of {qty} are filled at a price that is not told yet; it is taken to be open until it is",
        )
    heard = filled if average else _ZERO
    order = BrokerOrder(
        client_order_id=text(row, "client_order_id"),
        symbol=text(row, "symbol"),
        side=text(row, "side"),
        qty=filled if qty is None else qty,
        filled=heard,
        state=str(state),
        submitted_at=moment(row, "submitted_at", "created_at"),
        average=average,
        updated_at=moment(row, "updated_at", "submitted_at", "created_at"),
        detail=_detail(row, remark),
        broker_id=needed(row, "id"),
    )
    sent = next((row[key] for key in ("submitted_at", "created_at") if row.get(key) is not None), None)
    return Placed(order, 0 if sent is None else nanoseconds(sent), remark)


def _check_amounts(qty: Decimal | None, filled: Decimal, average: Decimal) -> None:
    """ShapeError for what no order can be."""
    if min(_ZERO if qty is None else qty, filled, average) < 0:
        raise ShapeError("a quantity or an average price below zero")
    if qty is not None and filled > qty:
        raise ShapeError(f"{filled} filled of {qty}")


def same(order: Order, found: BrokerOrder) -> bool:
    """Whether the order that was found under our client id is ours."""
    return (found.symbol, found.side, found.qty) == (order.symbol, order.side, order.qty)


def _state(status: str, filled: Decimal, qty: Decimal | None) -> tuple[OrderState, str]:
    known = STATES.get(status)
    open_state = _S.PARTIALLY_FILLED if filled else _S.ACCEPTED
    if known is None:
        return open_state, f"status {status!r} is not known; the order is taken to be open"
    if known is _S.FILLED and qty is not None and filled < qty:
        return open_state, f"said to be filled, with {filled} of {qty}; it is taken to be open until both agree"
    return open_state if known in (_S.ACCEPTED, _S.PARTIALLY_FILLED) else known, ""


def _detail(row: Mapping[str, Any], remark: str) -> str:
    """Why it is as it is: our remark, else their reason, else the order that took its place."""
    for key in ("reject_reason", "rejected_reason", "reason"):
        if isinstance(row.get(key), str) and row[key]:
            return str(row[key])
    follower = text(row, "replaced_by")
    return remark or (f"replaced by {follower}" if follower else "")


def _exponent(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0
