"""What a venue takes, order by order, in exact decimals: sizes, prices, flags and how long an order lives. Pure.

In: the rules of one symbol (`qmtl.dsl.exchange.rules_for`), a quantity, a mark, a position. Out: the quantity that may be sent
or the reason why none may, and what else an order carries. Sizing asks here where a venue has more than plain lots, `net` for
what stands on an order, the paper account for what it refuses; a rebalancing plan becomes orders by the same functions.

The order of the rules is: instrument, lot toward zero, largest size, smallest quantity, smallest value of the *rounded*
quantity, price step, reduce-only, time in force. A venue that is `exempt` lets the order that closes a whole position have any
size below its largest.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, Literal

from qmtl.dsl.exchange import ExchangePolicy, OrderType, TimeInForce

from .errors import OrderRuleError
from .orders import Order
from .paperrules import EXACT
from .reasons import Reason

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)

Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Ask:
    """An order that somebody wants: unsigned quantity; whether it opens or adds (else it closes or reduces), whether it closes
    a whole position; the mark, None where no price is known."""

    qty: Decimal
    side: Side
    opens: bool
    whole: bool
    mark: Decimal | None


@dataclass(frozen=True, slots=True)
class Fitted:
    """The unsigned quantity that may be sent, 0 = none; `reason` NONE, why it is denied, or REDUCED_QUANTITY. `found` and
    `limit` are the numbers that decided."""

    qty: Decimal
    reason: Reason = Reason.NONE
    found: Decimal = ZERO
    limit: Decimal = ZERO


def tidy(value: float) -> Decimal:
    """A float as Decimal without its noise: 12 significant digits."""
    return Decimal(f"{value:.12g}")


# ---- sizes


def order_type(rules: ExchangePolicy, *, opens: bool) -> OrderType:
    """Kind of an order of a tick."""
    return rules.order_type if opens else rules.exit_order_type


def lot_of(rules: ExchangePolicy, side: Side, *, opens: bool) -> Decimal:
    """What the quantity of an order is a multiple of. Without fractions that is at least one share; and for short sales too,
    unless the venue takes parts of them."""
    lot = rules.lot_size
    if rules.market_lot_size is not None and order_type(rules, opens=opens) == "market":
        lot = rules.market_lot_size
    short = opens and side == "sell"
    return lot if rules.fractional and (rules.fractional_shorts or not short) else max(lot, ONE)


def in_lots(qty: Decimal, lot: Decimal) -> Decimal:
    """A quantity cut toward zero to whole lots, exactly: 0.3 in lots of 0.1 stays 0.3."""
    return EXACT.multiply(EXACT.divide_int(qty, lot), lot)


def largest(rules: ExchangePolicy, mark: Decimal | None, *, opens: bool) -> Decimal | None:
    """The largest quantity of an order, not yet in lots; None where there is no limit, or none that can be known."""
    limits = [rules.max_quantity]
    if order_type(rules, opens=opens) == "market":
        limits.append(rules.market_max_quantity)
    if rules.max_notional is not None and mark is not None and mark > 0:
        limits.append(EXACT.divide(rules.max_notional, mark))
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def least_quantity(rules: ExchangePolicy, *, opens: bool) -> Decimal:
    """The smallest quantity of an order."""
    market = rules.market_min_quantity if order_type(rules, opens=opens) == "market" else None
    return rules.min_quantity if market is None else market


def least_notional(rules: ExchangePolicy, qty: Decimal) -> Decimal:
    """The smallest value of an order of this quantity."""
    return max(rules.min_notional, rules.fractional_min_notional) if qty % 1 else rules.min_notional


def fitted(rules: ExchangePolicy, ask: Ask) -> Fitted:
    """The quantity of an order after the rules of its symbol. What is too large is cut, what is too small is denied. Nothing
    is ever rounded up, so an order that closes never crosses zero."""
    free = ask.whole and rules.closing == "exempt"
    lot = lot_of(rules, ask.side, opens=ask.opens)
    qty = ask.qty if free else in_lots(ask.qty, lot)
    most, cut = largest(rules, ask.mark, opens=ask.opens), False
    if most is not None and qty > most:
        qty, cut, free = in_lots(most, lot), True, False  # a part of a position does not close it
        if rules.max_notional is not None and ask.mark is not None and qty * ask.mark > rules.max_notional:
            qty -= lot  # the division above was rounded up in its last digit
    if qty <= 0:
        return Fitted(ZERO, Reason.DENIED_LOT, ask.qty, lot)
    if ask.opens and ask.side == "sell" and not rules.shorting:
        return Fitted(ZERO, Reason.DENIED_SHORT)
    denied = None if free else too_small(rules, qty, ask)
    if denied is not None:
        return denied
    return Fitted(qty, Reason.REDUCED_QUANTITY, ask.qty, most or ZERO) if cut else Fitted(qty)


def too_small(rules: ExchangePolicy, qty: Decimal, ask: Ask) -> Fitted | None:
    """Why a quantity in lots is below what the venue takes; None when it is not."""
    least = least_quantity(rules, opens=ask.opens)
    if qty < least:
        return Fitted(ZERO, Reason.DENIED_QUANTITY, qty, least)
    value = least_notional(rules, qty)
    if not value:
        return None
    if ask.mark is None:
        return Fitted(ZERO, Reason.DENIED_MARK)
    notional = EXACT.multiply(qty, ask.mark)
    return Fitted(ZERO, Reason.DENIED_NOTIONAL, notional, value) if notional < value else None


# ---- prices


def tick_at(rules: ExchangePolicy, price: Decimal) -> Decimal:
    """The step of prices at a price."""
    return next((step.tick_size for step in rules.finer_ticks if price < step.below), rules.tick_size)


def in_ticks(rules: ExchangePolicy, price: Decimal, side: Side) -> Decimal:
    """A price rounded to a step, toward the passive side (a buyer's down, a seller's up), so that it never gives away more
    than was allowed; at least one step. A price that is rounded into the range of another step is rounded by that one."""
    rounding = ROUND_FLOOR if side == "buy" else ROUND_CEILING
    for _ in range(len(rules.finer_ticks) + 1):
        tick = tick_at(rules, price)
        price = max((price / tick).to_integral_value(rounding=rounding) * tick, tick)
        if tick_at(rules, price) == tick:
            break
    return price


def limit_price(rules: ExchangePolicy, mark: Decimal, side: Side, *, opens: bool) -> Decimal | None:
    """The limit of a marketable limit order: the mark and the collar against us, in ticks; None for a market order."""
    if order_type(rules, opens=opens) != "limit" or rules.collar is None:
        return None
    collar = Decimal(str(rules.collar))
    away = ONE + collar if side == "buy" else ONE - collar
    return in_ticks(rules, EXACT.multiply(mark, away), side)


# ---- flags and lives


def split_at_zero(position: Decimal, signed: Decimal) -> tuple[Decimal, Decimal]:
    """(what closes, what opens) of a signed quantity, so that no order crosses zero."""
    if position * signed >= 0:
        return ZERO, signed
    closes = max(signed, -position) if signed < 0 else min(signed, -position)
    return closes, signed - closes


def reduces(position: Decimal, signed: Decimal) -> bool:
    """Whether a signed quantity only reduces a position. The position decides, not the side: a buy that covers a short
    reduces, a sale that opens one does not."""
    return bool(signed) and split_at_zero(position, signed)[0] == signed


def reduce_only(rules: ExchangePolicy, *, closes: bool) -> bool:
    """Whether an order carries the flag. A venue without one gets none; that the order only reduces is made sure by its
    quantity (`reduces`)."""
    return closes and rules.reduce_only


def takes(rules: ExchangePolicy, qty: Decimal) -> tuple[TimeInForce, ...]:
    """All lives that the venue takes for an order of this quantity. Parts of a share do not rest (`gtc`) unless the policy
    says so."""
    own: tuple[TimeInForce | None, ...] = (
        rules.time_in_force,
        rules.exit_time_in_force,
        rules.limit_time_in_force,
        "ioc" if rules.reduce_only_ioc else None,
    )
    general = rules.allowed_time_in_force or tuple(dict.fromkeys(life for life in own if life is not None))
    if not qty % 1:
        return general
    return rules.fractional_time_in_force or tuple(life for life in general if life != "gtc")


def time_in_force(rules: ExchangePolicy, ask: Ask, asked: TimeInForce | None = None) -> TimeInForce:
    """How long an order lives: what the caller asks for, `ioc` where the reduce-only flag needs it, the venue's default for
    its kind otherwise. Raises OrderRuleError for something asked for that the venue does not take."""
    allowed = takes(rules, ask.qty)
    flagged = reduce_only(rules, closes=not ask.opens) and rules.reduce_only_ioc
    if asked is not None:
        if asked not in allowed or (flagged and asked != "ioc"):
            taken = "ioc" if flagged else ", ".join(allowed)
            raise OrderRuleError(f"`{asked}` is not taken for this order at {rules.name}", f"it takes {taken}")
        return asked
    if flagged:
        return "ioc"
    life = _usual(rules, opens=ask.opens)
    return life if life in allowed or not allowed else allowed[0]


def _usual(rules: ExchangePolicy, *, opens: bool) -> TimeInForce:
    if not opens:
        return rules.exit_time_in_force or rules.time_in_force
    limited = rules.limit_time_in_force if rules.order_type == "limit" else None
    return limited or rules.time_in_force


# ---- what a venue would say


def refusal(rules: ExchangePolicy, ask: Ask) -> tuple[int, str]:
    """(HTTP-like status, why) a venue would not take an order of exactly this size, (200, "") when it does: what an account
    says back."""
    free = ask.whole and rules.closing == "exempt"
    lot = lot_of(rules, ask.side, opens=ask.opens)
    if ask.qty <= 0 or (not free and ask.qty % lot):
        return 422, f"qty {ask.qty} is not a positive multiple of {lot}"
    most = largest(rules, None, opens=ask.opens)
    if most is not None and ask.qty > most:
        return 422, f"qty {ask.qty} is above the maximum of {most}"
    worth = ZERO if ask.mark is None else EXACT.multiply(ask.qty, ask.mark)
    if rules.max_notional is not None and worth > rules.max_notional:
        return 403, f"notional {worth} is above the maximum of {rules.max_notional}"
    small = None if free else too_small(rules, ask.qty, ask)
    if small is None:
        return 200, ""
    if small.reason == Reason.DENIED_QUANTITY:
        return 422, f"qty {small.found} is below the minimum of {small.limit}"
    return 403, f"notional {small.found} is below the minimum of {small.limit}"


def wrong_kind(rules: ExchangePolicy, order: Order, ask: Ask) -> tuple[int, str]:
    """(HTTP-like status, why) a venue would not take an order of this kind, life and price, (200, "") when it does."""
    kinds = rules.allowed_order_types or (rules.order_type, rules.exit_order_type)
    if order.order_type not in kinds or order.time_in_force not in takes(rules, ask.qty):
        return 422, f"{order.order_type}/{order.time_in_force} orders are not supported"
    if (order.limit_price is None) != (order.order_type == "market"):
        return 422, f"a {order.order_type} order and its limit price do not fit"
    if order.limit_price is not None and order.limit_price % tick_at(rules, order.limit_price):
        return 422, f"limit price {order.limit_price} is no multiple of {tick_at(rules, order.limit_price)}"
    if order.reduce_only and not rules.reduce_only:
        return 422, "reduce_only is not supported"
    return 200, ""
