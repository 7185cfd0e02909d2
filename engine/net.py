"""net: wishes of the worlds become orders of the account.

In: the Ticks of one grid time and the account. Out: `Netted`: orders with ids, orders to cancel, and what was denied and
why. Pure. It stands after `decide` because quantities, buying power and ids belong to the account, not to a world; the
quantities themselves are made by `sizing`.

Worlds on one account have disjoint universes in this version (validate refuses others), so no two wishes meet in a
symbol; an order's attribution vector has one entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

from .frame import generation_label, strategy_label
from .market import Account, WorkingColumns
from .orderrules import Ask, in_lots, limit_price, lot_of, order_type, reduce_only, tidy, time_in_force
from .orders import Attribution, Order, client_order_id
from .ours import whole_of
from .reasons import Reason
from .sizing import Sized, refused, rules_at, sized, venue_at
from .tick import Tick

#: tick orders get a new id by their epoch; a leg is sent at most once per tick
ATTEMPT: Final = 1
#: denials that tell two numbers: what there would be, and what there may be
_NUMBERS: Final[Mapping[Reason, tuple[str, str]]] = MappingProxyType(
    {
        Reason.DENIED_QUANTITY: ("qty", "min"),
        Reason.DENIED_NOTIONAL: ("notional", "min"),
        Reason.DENIED_ORDER_NOTIONAL: ("notional", "max"),
        Reason.DENIED_VOLUME: ("qty", "max"),
        Reason.DENIED_PER_TICK: ("orders", "max"),
        Reason.DENIED_PER_DAY: ("orders", "max"),
        Reason.DENIED_TURNOVER: ("turnover", "max"),
    }
)
#: an entry is not sent any more after this many intervals
VALID_INTERVALS: Final = 2


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


def net(ticks: Sequence[Tick], account: Account, account_id: str) -> Netted:
    """Orders, cancels and denials of one account for the ticks of one grid time, one per world.

    `account` gives the buying power of all worlds together; quantities come from each world's own account."""
    cancels = tuple(cancel for tick in ticks for cancel in _cancels(tick))
    far = tuple(denied for tick in ticks for denied in _left_out(tick, account_id))
    rows = sized(ticks, account.buying_power)
    if rows is None:
        return Netted((), cancels, far)
    legs = _legs(rows, ticks)
    sent = np.flatnonzero(rows.whole | (rows.atoms != 0)).tolist()
    told = np.flatnonzero(refused(rows)).tolist()
    return Netted(
        tuple(_order(rows, legs[i], i, account_id) for i in sent),
        cancels,
        (*(_denial(rows, legs[i], i, account_id) for i in told), *far),
    )


@dataclass(frozen=True, slots=True)
class _Leg:
    """What a row speaks of, in words and exact numbers; `qty` signed, as wished."""

    tick: Tick
    column: int
    symbol: str
    leg: Literal["open", "close"]
    qty: Decimal
    atom: Decimal


def _legs(rows: Sized, ticks: Sequence[Tick]) -> list[_Leg]:
    legs = []
    columns = (rows.tick, rows.column, rows.close, rows.whole, rows.wished)
    for number, column, close, whole, wished in zip(*(row.tolist() for row in columns), strict=True):
        tick = ticks[number]
        atom = venue_at(tick.frame).atom
        qty = -whole_of(tick, column) if whole else wished * atom
        legs.append(_Leg(tick, column, tick.frame.names.symbols[column], "close" if close else "open", qty, atom))
    return legs


def _order(rows: Sized, leg: _Leg, i: int, account_id: str) -> Order:
    tick, settings = leg.tick, leg.tick.frame.program.settings
    qty = leg.qty if rows.whole[i] else int(rows.atoms[i]) * leg.atom
    strategy = int(tick.orders.strategy[leg.column])
    generation = generation_label(tick.frame, strategy, leg.column)
    rules, mark, opens = rules_at(tick.frame)[leg.column], tidy(float(rows.mark[i])), leg.leg == "open"
    ask = Ask(abs(qty), "buy" if qty > 0 else "sell", opens, bool(rows.whole[i]), mark)
    return Order(
        client_order_id=client_order_id(account_id, tick.now, leg.symbol, leg.leg, ATTEMPT),
        symbol=leg.symbol,
        side=ask.side,
        qty=ask.qty,
        leg=leg.leg,
        epoch=tick.now,
        attempt=ATTEMPT,
        reason=Reason(int(rows.reason[i])).code,
        mark=mark,
        valid_until=tick.now + VALID_INTERVALS * tick.frame.interval if opens else 0,
        attribution=(Attribution(settings.world, strategy_label(tick.frame, strategy), generation, qty),),
        order_type=order_type(rules, opens=opens),
        time_in_force=time_in_force(rules, ask),
        limit_price=limit_price(rules, mark, ask.side, opens=opens),
        reduce_only=reduce_only(rules, closes=not opens),
    )


def _denial(rows: Sized, leg: _Leg, i: int, account_id: str) -> Denied:
    number = client_order_id(account_id, leg.tick.now, leg.symbol, leg.leg, ATTEMPT)
    reason, sent = Reason(int(rows.denial[i])), bool(rows.atoms[i])
    return Denied(number, leg.symbol, leg.leg, leg.qty, reason.code, _detail(rows, leg, i, reason), sent)


def _detail(rows: Sized, leg: _Leg, i: int, reason: Reason) -> str:
    """The numbers that decided, as `key=value ...`."""
    venue, found, limit = venue_at(leg.tick.frame), float(rows.needed[i]), float(rows.funds[i])
    rules = rules_at(leg.tick.frame)[leg.column]
    if reason == Reason.DENIED_SHORT:
        return f"venue={rules.name}"
    if reason == Reason.DENIED_LOT:
        return f"lot={int(rows.unit[i]) * leg.atom}"
    if reason == Reason.DENIED_NOTIONAL and not venue.exact:
        return f"notional={tidy(abs(float(rows.qty[i])) * float(rows.mark[i]))} min={rules.min_notional}"
    if reason in (Reason.DENIED_FUNDS, Reason.REDUCED_FUNDS):
        return f"needed={found:.2f} buying_power={limit:.2f} qty={int(rows.atoms[i]) * leg.atom}"
    if reason == Reason.REDUCED_QUANTITY:
        return f"wished={tidy(found)} max={tidy(limit)} qty={int(rows.atoms[i]) * leg.atom}"
    if reason in _NUMBERS:
        what, bound = _NUMBERS[reason]
        known = "unknown" if limit != limit else str(tidy(limit))  # noqa: PLR0124 - NaN differs from itself
        return f"{what}={tidy(found)} {bound}={known}"
    return ""


#: what `stages/orders.py` leaves out for a reason that a person is told, and what decided it
_LEFT_OUT: Final = (Reason.DENIED_COLLAR, Reason.NOT_SHORTABLE, Reason.NOT_TRADABLE, Reason.EXTERNAL_ORDER)


def _left_out(tick: Tick, account_id: str) -> Iterator[Denied]:
    """Wishes that never became legs because of a quote or of the broker, told like everything that is denied."""
    orders, load, settings = tick.orders, tick.load, tick.frame.program.settings
    if orders.reason is tick.frame.silent:
        return
    for column in np.flatnonzero(np.isin(orders.reason, _LEFT_OUT)).tolist():
        reason = Reason(int(orders.reason[column]))
        current, mark = float(load.current[column]), float(load.mark[column])
        goal = float(orders.target[column]) if orders.target[column] * current >= 0 else 0.0
        leg, shares = "open" if abs(goal) > abs(current) else "close", tidy((goal - current) * load.capital / mark)
        lot = lot_of(rules_at(tick.frame)[column], "buy" if shares > 0 else "sell", opens=leg == "open")
        symbol = tick.frame.names.symbols[column]
        number = client_order_id(account_id, tick.now, symbol, leg, ATTEMPT)
        detail = f"venue={settings.exchange.name}"
        if reason == Reason.DENIED_COLLAR and tick.market.quote is not None:
            quote = tidy(float(tick.market.quote[column]))
            detail = f"quote={quote} mark={tidy(mark)} collar={settings.orders.collar:.4g}"
        yield Denied(number, symbol, leg, in_lots(shares, lot), reason.code, detail)


def _cancels(tick: Tick) -> tuple[Cancel, ...]:
    working = tick.account.working
    if isinstance(working, WorkingColumns) or not working:  # columns name no orders: who has them cancels them by row
        return ()
    reasons = tick.orders.cancel
    wanted = ((order, int(reasons[tick.frame.index[order.symbol]])) for order in working)
    return tuple(Cancel(order.client_order_id, order.symbol, Reason(reason).code) for order, reason in wanted if reason)
