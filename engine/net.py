"""net: wishes of the worlds become orders of the account.

In: the Ticks of one grid time and the account. Out: `Netted`: orders with ids, orders to cancel, and what was denied and
why. Pure. It stands after `decide` because quantities, buying power and ids belong to the account, not to a world.

Worlds on one account have disjoint universes in this version (validate refuses others), so no two wishes meet in a
symbol; an order's attribution vector has one entry. Closing orders come first, then opening ones by falling rank, sized
within buying power; a sell frees nothing before it is filled (R40).

Where the specification is silent: an opening sale takes 103 % of its notional of buying power (R40); an opening order that
does not fit is cut to the lots that do, and denied when none does. Shorts are whole shares. A venue without fractions
trades whole lots of at least one share. Closing a whole position sends the broker's exact quantity, whatever its lots;
a partial close is rounded toward zero and never exceeds what is held. A trim of less than one lot is denied once per
decision tick, not again on every follow-up tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final, Literal, NamedTuple

import numpy as np

from .frame import generation_label, strategy_label
from .market import Account
from .orders import Attribution, Order, client_order_id
from .reasons import Reason
from .tick import CLOSE_LEG, Tick, reason_codes

SHORT_MARGIN: Final = Decimal("1.03")
#: tick orders get a new id by their epoch; a leg is sent at most once per tick
ATTEMPT: Final = 1
#: an entry is not sent any more after this many intervals
VALID_INTERVALS: Final = 2
_NOTHING: Final = Decimal(0)
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Cancel:
    """A working order of ours to cancel, and why (reason code)."""

    client_order_id: str
    symbol: str
    reason: str


@dataclass(frozen=True, slots=True)
class Denied:
    """A wish we refuse ourselves. `qty` signed, as wished; `detail` reads `key=value ...`; the id is the one it would
    have had. `sent` is True for an order that was cut, not dropped."""

    client_order_id: str
    symbol: str
    leg: str
    qty: Decimal
    reason: str
    detail: str
    sent: bool = False


@dataclass(frozen=True, slots=True)
class Netted:
    """What to send, in this order; what to cancel; what was denied."""

    orders: tuple[Order, ...]
    cancels: tuple[Cancel, ...]
    denied: tuple[Denied, ...]


class _Wish(NamedTuple):
    """One leg of one symbol before the account-wide limits; `qty` signed and quantised, `lot` what it was rounded to."""

    tick: Tick
    column: int
    symbol: str
    leg: Literal["open", "close"]
    qty: Decimal
    mark: Decimal
    whole: bool
    rank: float
    lot: Decimal
    reason: str


def net(ticks: Sequence[Tick], account: Account, account_id: str) -> Netted:
    """Orders, cancels and denials of one account for the ticks of one grid time, one per world.

    `account` gives the buying power of all worlds together; quantities come from each world's own account."""
    wishes = [wish for tick in ticks for wish in _wishes(tick)]
    closing = sorted((w for w in wishes if w.leg == "close"), key=lambda w: (w.qty > 0, w.symbol))
    opening = sorted((w for w in wishes if w.leg == "open"), key=lambda w: (-w.rank, w.symbol))
    orders: list[Order] = []
    denied: list[Denied] = []
    funds = _decimal(account.buying_power)
    for wish in (*closing, *opening):
        qty, denial = _permitted(wish, funds, account_id)
        if denial is not None:
            denied.append(denial)
        if qty:
            orders.append(_order(wish, qty, account_id))
            funds -= _cost(wish, qty)
    return Netted(tuple(orders), tuple(cancel for tick in ticks for cancel in _cancels(tick)), tuple(denied))


def _decimal(value: float) -> Decimal:
    """A float as Decimal without its noise: 12 significant digits, as 0.3 / lot 0.1 must be 3 lots."""
    return Decimal(f"{value:.12g}")


def lots(qty: Decimal, lot: Decimal) -> Decimal:
    """Signed quantity rounded toward zero to whole lots."""
    return (qty / lot).to_integral_value(rounding=ROUND_DOWN) * lot


def _wishes(tick: Tick) -> list[_Wish]:
    """The legs of a tick, read column by column at once: single elements of arrays are slow to read."""
    at, orders = np.flatnonzero(tick.orders.leg), tick.orders
    if not at.size:
        return []
    columns, venue, symbols = at.tolist(), tick.frame.program.settings.exchange, tick.frame.names.symbols
    whole_lot = max(venue.lot_size, _ONE)
    lot = venue.lot_size if venue.fractional else whole_lot
    closes, closing = (orders.leg.take(at) == CLOSE_LEG).tolist(), orders.closing.take(at).tolist()
    marks, deltas = tick.load.mark.take(at).tolist(), orders.delta.take(at).tolist()
    ranks = tick.select.rank.take(at).tolist() if len(tick.select.rank) else [0.0] * len(columns)
    wishes = []
    for i, (column, mark, reason) in enumerate(zip(columns, marks, reason_codes(orders.reason.take(at)), strict=True)):
        exact, close, delta = tick.account.exact[column], closes[i], deltas[i]
        unit = whole_lot if delta < 0 and not close else lot
        qty, whole = -exact, closing[i]
        if not whole:
            part = lots(_decimal(delta * tick.load.capital / mark) if mark > 0 else _NOTHING, unit)
            whole = close and abs(part) >= abs(exact)
            qty = qty if whole else part
        leg: Literal["open", "close"] = "close" if close else "open"
        wishes.append(_Wish(tick, column, symbols[column], leg, qty, _decimal(mark), whole, ranks[i], unit, reason))
    return wishes


def _permitted(wish: _Wish, funds: Decimal, account_id: str) -> tuple[Decimal, Denied | None]:
    """(quantity to send, what to say about it); the quantity is 0 when denied."""
    venue = wish.tick.frame.program.settings.exchange
    if wish.whole:
        return wish.qty, None
    if wish.leg == "open" and wish.mark <= 0:
        return _NOTHING, _denial(wish, account_id, Reason.DENIED_MARK, "")
    if wish.leg == "open" and wish.qty < 0 and not venue.shorting:
        return _NOTHING, _denial(wish, account_id, Reason.DENIED_SHORT, f"venue={venue.name}")
    if not wish.qty and wish.leg == "close" and not wish.tick.market.decision:
        return _NOTHING, None
    if not wish.qty:
        return _NOTHING, _denial(wish, account_id, Reason.DENIED_LOT, f"lot={_long_lot(wish)}")
    qty, note = _affordable(wish, funds, account_id) if wish.leg == "open" else (wish.qty, None)
    if qty and abs(qty) * wish.mark < venue.min_notional:
        return _NOTHING, _denial(
            wish, account_id, Reason.DENIED_NOTIONAL, f"notional={abs(qty) * wish.mark} min={venue.min_notional}"
        )
    return qty, note


def _affordable(wish: _Wish, funds: Decimal, account_id: str) -> tuple[Decimal, Denied | None]:
    cost = _cost(wish, wish.qty)
    if cost <= funds:
        return wish.qty, None
    qty = lots(wish.qty * max(funds, _NOTHING) / cost, wish.lot)
    detail = f"needed={cost:.2f} buying_power={funds:.2f} qty={qty}"
    if not qty:
        return qty, _denial(wish, account_id, Reason.DENIED_FUNDS, detail)
    return qty, _denial(wish, account_id, Reason.REDUCED_FUNDS, detail, sent=True)


def _long_lot(wish: _Wish) -> Decimal:
    venue = wish.tick.frame.program.settings.exchange
    return venue.lot_size if venue.fractional else max(venue.lot_size, _ONE)


def _cost(wish: _Wish, qty: Decimal) -> Decimal:
    """Buying power an order takes; closing ones take none."""
    if wish.leg == "close":
        return _NOTHING
    notional = abs(qty) * wish.mark
    return notional * SHORT_MARGIN if qty < 0 else notional


def _denial(wish: _Wish, account_id: str, reason: Reason, detail: str, *, sent: bool = False) -> Denied:
    number = client_order_id(account_id, wish.tick.now, wish.symbol, wish.leg, ATTEMPT)
    return Denied(number, wish.symbol, wish.leg, wish.qty, reason.code, detail, sent)


def _order(wish: _Wish, qty: Decimal, account_id: str) -> Order:
    tick, settings = wish.tick, wish.tick.frame.program.settings
    strategy = int(tick.orders.strategy[wish.column])
    generation = generation_label(tick.frame, strategy, wish.column)
    return Order(
        client_order_id=client_order_id(account_id, wish.tick.now, wish.symbol, wish.leg, ATTEMPT),
        symbol=wish.symbol,
        side="buy" if qty > 0 else "sell",
        qty=abs(qty),
        leg=wish.leg,
        epoch=tick.now,
        attempt=ATTEMPT,
        reason=wish.reason,
        mark=wish.mark,
        valid_until=tick.now + VALID_INTERVALS * tick.frame.interval if wish.leg == "open" else 0,
        attribution=(Attribution(settings.world, strategy_label(tick.frame, strategy), generation, qty),),
        order_type=settings.exchange.order_type,
        time_in_force=settings.exchange.time_in_force,
    )


def _cancels(tick: Tick) -> tuple[Cancel, ...]:
    if not tick.account.working:
        return ()
    reasons = tick.orders.cancel
    wanted = ((order, int(reasons[tick.frame.index[order.symbol]])) for order in tick.account.working)
    return tuple(Cancel(order.client_order_id, order.symbol, Reason(reason).code) for order, reason in wanted if reason)
