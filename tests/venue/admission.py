"""Whether an order is taken: the checks of POST and PATCH /v2/orders, in Alpaca's order as far as it is known.

In: the venue and the JSON body of a request. Out: a stored `Order` (with its legs), or `Refused`; a refused order leaves
nothing behind and uses up no client id. First what can be seen in the body alone (`orderbody`), then asset, permissions,
client id, opposite orders, shares, money.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .amounts import ZERO, money, plain, shares
from .faults import Call
from .hours import Day
from .matching import finish
from .model import Asset, Order, Plan
from .money import LEAST, figures, held_for_orders, reserve, reserve_price
from .orderbody import Wanted, wanted
from .refusals import Refused

if TYPE_CHECKING:
    from .venue import Venue

NEVER = 1e13  # a leg that sleeps
TWO_MINUTES, TEN_MINUTES, HOUR = 120, 600, 3600
AGED = 90 * 86_400 + 900  # gtc orders are cancelled 90 days on, at 16:15


def admit(venue: Venue, body: dict[str, Any], *, foreign: bool = False) -> Order:
    """Check an order and take it."""
    if venue.faults.state("suspended") is not None:
        raise Refused("suspended")
    if venue.faults.state("trading_blocked") is not None:
        raise Refused("blocked")
    want = wanted(body)
    asset = check_asset(venue, want)
    check_client_id(venue, want.client_order_id)
    order = build(venue, want, foreign=foreign)
    if want.position_intent and want.position_intent != order.position_intent:
        raise Refused("intent", inferred=order.position_intent, specified=want.position_intent)
    check_side(venue, order, asset)
    check_opposite(venue, order)
    order = check_cost(venue, order)
    order = venue.book.put(
        replace(order, id=venue.book.name("order", order.client_order_id), plan=plan_of(venue, order))
    )
    for leg in legs_of(venue, order, want):
        venue.book.put(leg)
    return order


def plan_of(venue: Venue, order: Order) -> Plan:
    """What the faults have in store for an order that is taken."""
    return venue.faults.plan(Call("POST", "/v2/orders", (order.symbol,), order.client_order_id))


def check_asset(venue: Venue, want: Wanted) -> Asset:
    """The asset as it is today, the standing faults applied."""
    asset = venue.asset(want.symbol)
    if asset is None:
        raise Refused("no_asset", symbol=want.symbol)
    if not asset.tradable or asset.status != "active":
        raise Refused("not_tradable", symbol=want.symbol)
    if venue.faults.state("halted", want.symbol) is not None:
        raise Refused("halted", symbol=want.symbol)
    if want.fractional and not asset.fractionable:
        raise Refused("not_fractionable", symbol=want.symbol)
    return asset


def check_client_id(venue: Venue, client_order_id: str) -> None:
    """A client id serves once, also after its order has ended."""
    former = venue.book.of_client(client_order_id) if client_order_id else None
    if former is not None:
        raise Refused("client_id_open" if former.open else "client_id_done")


def build(venue: Venue, want: Wanted, *, foreign: bool) -> Order:
    """The order as it would stand in the book, money not checked yet."""
    book, now = venue.book, venue.now
    live_from, expires = lifetime(venue, want.time_in_force, extended=want.extended_hours)
    stamp = book.stamp(now)
    seq = book.next_seq()
    held = book.held(want.symbol)
    closes = held < 0 if want.side == "buy" else held > 0
    client_id = want.client_order_id or book.name("client", seq)
    price = venue.market.price(want.symbol, now)
    return Order(
        id="",
        seq=seq,
        client_order_id=client_id,
        symbol=want.symbol,
        side=want.side,
        type=want.type,
        time_in_force=want.time_in_force,
        status="new" if live_from <= now else "accepted",
        qty=want.qty,
        notional=want.notional,
        since=now,
        live_from=live_from,
        expires=expires,
        created_at=stamp,
        submitted_at=stamp,
        updated_at=stamp,
        limit_price=want.limit_price,
        stop_price=want.stop_price,
        trail_price=want.trail_price,
        trail_percent=want.trail_percent,
        hwm=price if want.type == "trailing_stop" else None,
        extended_hours=want.extended_hours,
        order_class=want.order_class,
        position_intent=f"{want.side}_to_{'close' if closes else 'open'}",
        foreign=foreign,
    )


def lifetime(venue: Venue, time_in_force: str, *, extended: bool = False) -> tuple[float, float]:
    """From when an order sent now is live, and when it expires (epoch seconds)."""
    now, hours = venue.now, venue.hours
    if extended:
        day = hours.extended(now)
        return float(day.premarket), float(day.close + AGED if time_in_force == "gtc" else day.night)
    day = hours.next_to_close(now)
    if time_in_force in {"opg", "cls"}:
        day = _auction_day(venue, time_in_force, day)
        return float(day.open), float(day.close + 1)  # the closing auction comes after the last regular second
    if venue.faults.state("closed") is not None and hours.session(now) is not None:
        day = hours.following(day)
    return float(day.open), float(day.close + AGED if time_in_force == "gtc" else day.close)


def _auction_day(venue: Venue, time_in_force: str, day: Day) -> Day:
    """The session whose auction the order waits for. OPG are refused from 9:28 on, CLS from 3:50, both until 19:00."""
    now, last = venue.now, venue.hours.last_closed(venue.now)
    late = now >= (day.open - TWO_MINUTES if time_in_force == "opg" else day.close - TEN_MINUTES)
    if late or now < last.night - HOUR:
        raise Refused("no_opg" if time_in_force == "opg" else "no_cls")
    return day


def check_side(venue: Venue, order: Order, asset: Asset) -> None:
    """Shares that are there, or permission to sell short. No order crosses zero."""
    held = venue.book.held(order.symbol)
    if order.closes:
        available = abs(held) - held_for_orders(venue, order.symbol)
        requested = _estimate(venue, order)
        if requested > available:
            raise Refused(
                "no_qty",
                {
                    "available": plain(available),
                    "existing_qty": plain(held),
                    "held_for_orders": plain(held_for_orders(venue, order.symbol)),
                    "related_orders": [
                        other.id for other in venue.book.open_orders() if other.symbol == order.symbol and other.closes
                    ],
                    "symbol": order.symbol,
                },
                requested=plain(requested),
                available=plain(available),
            )
    elif order.side == "sell":
        check_short(venue, order, asset)


def check_short(venue: Venue, order: Order, asset: Asset) -> None:
    """Short sales: margin account, shortable and easy to borrow, whole shares."""
    if order.fractional:
        raise Refused("fractional_short")
    if not venue.shorting:
        raise Refused("no_short_account")
    if not (asset.shortable and asset.easy_to_borrow):
        raise Refused("no_short_asset", symbol=order.symbol)


def _estimate(venue: Venue, order: Order) -> Decimal:
    """Shares of an order; of a notional one at the price of now."""
    if order.qty is not None:
        return order.qty
    price = venue.market.price(order.symbol, venue.now)
    return shares((order.notional or ZERO) / price) if price else ZERO


#: pairs of types on opposite sides that Alpaca always rejects; two limits are compared (docs, user-protection)
_ALWAYS = {"market", "stop"}


def check_opposite(venue: Venue, order: Order) -> None:
    """No order on the other side of an open one that it could trade with."""
    if order.type == "trailing_stop" or order.order_class in {"bracket", "oco", "oto"}:
        return
    for other in venue.book.open_orders():
        if other.symbol != order.symbol or other.side == order.side or other.type == "trailing_stop":
            continue
        if other.parent or other.order_class:
            continue
        kinds = {order.type, other.type}
        if kinds & _ALWAYS or _cross(order, other):
            what = "market/stop" if other.type in _ALWAYS else "limit"
            more = {"existing_order_id": other.id, "reject_reason": f"opposite side {what} order exists"}
            raise Refused("wash", more)


def _cross(one: Order, other: Order) -> bool:
    buy, sell = (one, other) if one.side == "buy" else (other, one)
    return (buy.limit_price or ZERO) >= (sell.limit_price or ZERO)


def check_cost(venue: Venue, order: Order, spare: Decimal = ZERO) -> Order:
    """Buying power and the least order; returns the order with what it reserves. `spare` is what a replaced order frees."""
    ask = venue.ask(order.symbol)
    price = reserve_price(order, ask)
    cost = order.notional if order.qty is None else order.qty * price
    assert cost is not None
    if order.fractional and cost < LEAST and not order.closes:
        raise Refused("min_cost", least=LEAST)
    if order.closes:
        return order
    power = figures(venue).buying_power + spare
    if cost > power:
        raise Refused("buying_power", {"buying_power": money(power), "cost_basis": money(cost)})
    return replace(order, reserve=price)


def legs_of(venue: Venue, parent: Order, want: Wanted) -> list[Order]:
    """The take profit and the stop loss of a bracket, oco or oto, sleeping until their parent has filled."""
    legs = []
    asleep = want.order_class != "oco"
    other = "sell" if parent.side == "buy" else "buy"
    for name, kind, limit, stop in want.legs:
        leg_id = venue.book.name("order", parent.client_order_id, name)
        legs.append(
            replace(
                parent,
                id=leg_id,
                seq=venue.book.next_seq(),
                client_order_id=venue.book.name("client", parent.client_order_id, name),
                side=other if asleep else parent.side,
                type=kind,
                limit_price=limit,
                stop_price=stop,
                status="held",
                parent=parent.id,
                position_intent=f"{other}_to_close" if asleep else parent.position_intent,
                reserve=ZERO,
                live_from=NEVER if asleep else parent.live_from,
            )
        )
    return legs


def change_order(venue: Venue, old: Order, body: dict[str, Any]) -> Order:
    """Replace an order: the new one has its own id and client id, the old one ends as replaced."""
    if old.status in {"filled", "canceled", "expired", "rejected", "replaced"}:
        raise Refused("done", status=old.status)
    if old.status not in {"new", "partially_filled", "held"} or old.qty is None:
        raise Refused("no_replace", status=old.status)
    want = wanted({**_as_body(old), **{k: v for k, v in body.items() if k != "trail"}, **_trail(old, body)})
    if want.qty != old.left and old.fractional:
        raise Refused("replace_fractional")
    check_client_id(venue, want.client_order_id)
    new = _replacement(venue, old, want)
    if new == replace(new, **{name: getattr(old, name) for name in _CHANGES}, qty=old.left):
        raise Refused("no_change")
    held = abs(venue.book.held(old.symbol)) - held_for_orders(venue, old.symbol) + old.left
    if old.closes and (new.qty or ZERO) > held:
        raise Refused("no_qty", requested=plain(new.qty or ZERO), available=plain(held))
    new = check_cost(venue, new, reserve(old))
    for leg in venue.book.legs(old.id):
        venue.book.put(replace(leg, parent=new.id))
    finish(venue, venue.book.put(replace(old, replaced_by=new.id)), "replaced")
    return venue.book.put(new)


_CHANGES = ("limit_price", "stop_price", "trail_price", "trail_percent", "time_in_force")


def _replacement(venue: Venue, old: Order, want: Wanted) -> Order:
    stamp = venue.book.stamp(venue.now)
    client_id = want.client_order_id or venue.book.name("client", "replaces", old.id)
    expires = old.expires
    if want.time_in_force != old.time_in_force:
        _, expires = lifetime(venue, want.time_in_force, extended=want.extended_hours)
    return replace(
        old,
        id=venue.book.name("order", client_id),
        seq=venue.book.next_seq(),
        client_order_id=client_id,
        qty=want.qty,
        **{name: getattr(want, name) for name in _CHANGES},
        expires=expires,
        since=venue.now,
        created_at=stamp,
        submitted_at=stamp,
        updated_at=stamp,
        status="held" if old.status == "held" else "new",
        filled_qty=ZERO,
        filled_cost=ZERO,
        parts_done=0,
        replaces=old.id,
    )


def _as_body(old: Order) -> dict[str, Any]:
    """An order as the request that would make it, to be checked anew with its changes."""
    prices = {name: getattr(old, name) for name in ("limit_price", "stop_price", "trail_price", "trail_percent")}
    return {
        "symbol": old.symbol,
        "side": old.side,
        "type": old.type,
        "time_in_force": old.time_in_force,
        "qty": str(old.left),
        "extended_hours": old.extended_hours,
        **{name: str(price) for name, price in prices.items() if price is not None},
    }


def _trail(old: Order, body: dict[str, Any]) -> dict[str, Any]:
    if "trail" not in body:
        return {}
    return {"trail_price" if old.trail_price is not None else "trail_percent": body["trail"]}
