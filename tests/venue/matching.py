"""What happens to orders while the clock moves: opens, fills, triggers, cancels, expiries, in the order of their moments.

In: the venue and the moment the clock moves to. Out: a changed book. An order sent at t may fill in the first bar that
begins at or after t, once the clock is past t: at the bar's open when it is marketable there, else within the bar's range,
known when the bar ends. So nothing fills in the instant it is sent, and one long move gives the book of many short ones
(orders that a fault fills in parts excepted: those fill one part a move).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from .amounts import ZERO, instant, plain, shares
from .bars import Bar
from .model import WORKING, Order
from .money import figures, trade

if TYPE_CHECKING:
    from .venue import Venue

RANGE, EXPIRE, CANCEL, CLOSE, OPEN, BAR, AUCTION = range(7)
#: Alpaca turns a buy stop into a stop limit this far above (docs, orders-at-alpaca)
STOP_ROOM, CHEAP_STOP_ROOM, CHEAP = Decimal("1.025"), Decimal("1.04"), Decimal(50)


class Event(NamedTuple):
    """One moment: ends of bars come before expiries, opens of sessions before opening prices."""

    at: float
    kind: int
    symbol: str
    what: str
    row: int


def advance(venue: Venue, new: float) -> None:
    """Let time pass from the venue's moment to `new`."""
    old = venue.now
    started = {order.id: order.parts_done for order in venue.book.open_orders()}
    for event in sorted(_events(venue, old, new)):
        venue.now = max(venue.now, event.at)
        _handle(venue, event, new)
    venue.now = new
    for order in venue.book.open_orders():
        if order.plan.reject and new > order.since:
            finish(venue, order, "rejected", "rejected by the execution venue")
        elif _next_part_is_due(order, started.get(order.id)) and new > old and _may_trade(venue, order, new):
            fill(venue, order, order.part_price)


def _next_part_is_due(order: Order, done_before: int | None) -> bool:
    """Whether a part of it filled before this step, and none in it."""
    return order.parts_done > 0 and order.parts_done == done_before


def _events(venue: Venue, old: float, new: float) -> list[Event]:
    """Everything that can happen in [old, new]. Opening prices at `old` count again, for orders sent at that moment."""
    orders = venue.book.open_orders()
    events = [Event(day.close, CLOSE, "", day.date, 0) for day in venue.hours.closing_in(old, new)]
    events += [Event(day.open, OPEN, "", day.date, 0) for day in venue.hours.opening_in(old, new)]
    for symbol in sorted({order.symbol for order in orders}):
        series = venue.market.series(symbol)
        if series is not None:
            events += [Event(series.begins[row], BAR, symbol, "", row) for row in series.beginning_in(old, new)]
            events += [Event(series.ends[row], RANGE, symbol, "", row) for row in series.ending_in(old, new)]
    for order in orders:
        if old < order.expires <= new:
            events.append(Event(order.expires, EXPIRE, order.symbol, order.id, order.seq))
        if order.time_in_force == "opg" and old <= order.live_from <= new:
            events.append(Event(order.live_from, AUCTION, order.symbol, order.id, order.seq))
        if order.status == "pending_cancel" and order.plan.cancel_after > 0:
            at = order.cancel_asked + order.plan.cancel_after
            if old < at <= new:
                events.append(Event(at, CANCEL, order.symbol, order.id, order.seq))
    return events


def _handle(venue: Venue, event: Event, new: float) -> None:
    if event.kind in {BAR, RANGE}:
        _a_bar(venue, event, new)
    elif event.kind in {EXPIRE, CANCEL, AUCTION}:
        order = venue.book.orders[event.what]
        if order.open and not _hangs(order):
            expires = event.kind == EXPIRE and order.time_in_force == "day"
            finish(venue, order, "expired" if expires else "canceled")
    elif event.kind == OPEN:
        _session_opens(venue)
    else:
        _session_closes(venue, event)


def _a_bar(venue: Venue, event: Event, new: float) -> None:
    """An opening price, or the range of a bar that has ended, for every order that was there when it began."""
    series = venue.market.series(event.symbol)
    assert series is not None
    bar = series.bar(event.row)
    # the last bar of a session ends with it, and its range still counts
    moment = venue.now if event.kind == BAR else venue.now - 1
    for order_id in [order.id for order in venue.book.open_orders() if order.symbol == event.symbol]:
        order = venue.book.orders[order_id]
        if _meets(order, bar, event, new) and _may_trade(venue, order, moment):
            (_at_open if event.kind == BAR else _in_range)(venue, order, bar)


def _meets(order: Order, bar: Bar, event: Event, new: float) -> bool:
    """Whether the order was there when the bar began, and the clock is past the moment it was sent."""
    if order.time_in_force == "cls" or (order.plan.parts > 1 and order.parts_done):
        return False  # the closing auction and the clock steps fill these
    if order.time_in_force == "opg" and (event.kind == RANGE or bar.begin != order.live_from):
        return False
    first = max(order.since + order.plan.delay, order.live_from)
    return first <= bar.begin < order.expires and new > order.since


def _hangs(order: Order) -> bool:
    """Whether its cancel stays pending for ever."""
    return order.status == "pending_cancel" and order.plan.cancel_after < 0


def _may_trade(venue: Venue, order: Order, moment: float) -> bool:
    """Whether the order is live and nothing keeps it from trading."""
    watched = order.status == "held" and "stop" in order.type  # a stop loss behind a take profit
    if not (order.status in WORKING or watched) or order.plan.reject or _hangs(order):
        return False
    if venue.faults.state("closed") is not None or venue.faults.state("halted", order.symbol) is not None:
        return False
    return order.extended_hours or venue.hours.session(moment) is not None


def _session_opens(venue: Venue) -> None:
    """Queued orders go to the execution venue."""
    for order in venue.book.open_orders():
        if order.status in {"accepted", "done_for_day"} and order.live_from <= venue.now:
            change(venue, order, status="new" if order.filled_qty == 0 else "partially_filled")


def _session_closes(venue: Venue, event: Event) -> None:
    """The closing auction fills `cls` orders at the last price; then the day is settled."""
    for order in venue.book.open_orders():
        if order.time_in_force == "cls" and order.live_from <= event.at and order.status in WORKING:
            price = venue.market.close_before(order.symbol, event.at)
            if price and _marketable(order, price):
                fill(venue, order, price)
            else:
                finish(venue, order, "canceled")
        elif order.time_in_force == "gtc" and venue.faults.state("done_for_day") is not None and order.status == "new":
            change(venue, order, status="done_for_day")
    account = figures(venue)
    venue.book.set_mark("last_equity", plain(account.equity))
    venue.book.set_mark("last_maintenance", plain(account.maintenance_margin))
    venue.book.set_mark("balance_asof", event.what)


# prices
def _marketable(order: Order, price: Decimal) -> bool:
    """Whether a limit (none = any price) allows the price."""
    if order.limit_price is None:
        return True
    return price <= order.limit_price if order.side == "buy" else price >= order.limit_price


def _stop_of(order: Order) -> Decimal:
    """The price that triggers a stop."""
    if order.type != "trailing_stop":
        return order.stop_price or ZERO
    trail = (
        order.trail_price
        if order.trail_price is not None
        else (order.hwm or ZERO) * (order.trail_percent or ZERO) / 100
    )
    return (order.hwm or ZERO) + order.sign * trail


def _hits(order: Order, price: Decimal) -> bool:
    stop = _stop_of(order)
    return price >= stop if order.side == "buy" else price <= stop


def _stop_limit(order: Order) -> Decimal | None:
    """The limit that an order has once its stop is hit."""
    if order.type == "stop" and order.side == "buy":
        stop = order.stop_price or ZERO
        return stop * (CHEAP_STOP_ROOM if stop < CHEAP else STOP_ROOM)
    return order.limit_price


def _at_open(venue: Venue, order: Order, bar: Bar) -> None:
    """The opening price of a bar: stops trigger on it, marketable orders fill at it, ioc and fok end with it."""
    price = venue.market.traded(order.symbol, bar.open, bar.begin)
    if "stop" in order.type and not order.triggered and _hits(order, price):
        order = change(venue, order, triggered=True)
    waits = "stop" in order.type and not order.triggered
    limit = _stop_limit(order) if order.triggered else order.limit_price
    if not waits and _marketable(replace(order, limit_price=limit), price):
        order = fill(venue, order, price)
    if order.time_in_force in {"ioc", "fok"} and order.open:
        finish(venue, order, "canceled")


def _in_range(venue: Venue, order: Order, bar: Bar) -> None:
    """The range of a bar that has ended: a limit inside it fills at the limit, a stop at the stop."""
    high = venue.market.traded(order.symbol, bar.high, bar.begin)
    low = venue.market.traded(order.symbol, bar.low, bar.begin)
    reached = low if order.side == "buy" else high  # the best price for a limit
    against = high if order.side == "buy" else low  # the price that hits a stop
    if "stop" in order.type and not order.triggered:
        if _hits(order, against):
            order = change(venue, order, triggered=True)
            if order.type != "stop_limit":
                fill(venue, order, _stop_of(order))
        elif order.type == "trailing_stop":
            _trail(venue, order, reached)
        return
    limit = _stop_limit(order) if order.triggered else order.limit_price
    if limit is not None and _marketable(replace(order, limit_price=limit), reached):
        fill(venue, order, limit)


def _trail(venue: Venue, order: Order, reached: Decimal) -> None:
    mark = order.hwm or reached
    best = min(mark, reached) if order.side == "buy" else max(mark, reached)
    if best != order.hwm:
        change(venue, order, hwm=best)


# changes of one order
def change(venue: Venue, order: Order, **new: object) -> Order:
    """Store a changed order; its `updated_at` is a new stamp."""
    return venue.book.put(replace(order, **{"updated_at": venue.book.stamp(venue.now), **new}))


_WHEN = {"canceled": "canceled_at", "expired": "expired_at", "rejected": "failed_at", "replaced": "replaced_at"}


def finish(venue: Venue, order: Order, status: str, reason: str = "") -> Order:
    """Bring an order to its end without a fill; its siblings and legs end with it."""
    at = venue.book.stamp(venue.now)
    order = change(venue, order, status=status, reason=reason, updated_at=at, **{_WHEN[status]: at})
    _end_family(venue, order)
    return order


def fill(venue: Venue, order: Order, price: Decimal) -> Order:
    """Fill what is left, or the next part of it, at a price. An order that would carry the position over zero, because
    the position changed under it, is rejected instead."""
    qty = _next_quantity(venue, order, price)
    held = venue.book.held(order.symbol)
    if order.closes and (held * order.sign >= 0 or qty > abs(held)):
        return finish(venue, order, "rejected", "the position changed")
    at = venue.book.stamp(venue.now)
    trade(venue, order.symbol, order.sign * qty, price)
    filled = order.filled_qty + qty
    full = order.qty is None or filled == order.qty
    status = "filled" if full else "pending_cancel" if order.status == "pending_cancel" else "partially_filled"
    order = change(
        venue,
        order,
        status=status,
        filled_qty=filled,
        filled_cost=order.filled_cost + qty * price,
        filled_at=at if full else order.filled_at,
        updated_at=at,
        part_price=price,
        parts_done=order.parts_done + 1,
    )
    record_fill(venue, order, qty, price, at)
    if full:
        _end_family(venue, order)
    return order


def _next_quantity(venue: Venue, order: Order, price: Decimal) -> Decimal:
    """What fills now: everything left, or the next of the plan's parts, whole shares where the order has whole shares."""
    if order.qty is None:
        qty = shares((order.notional or ZERO) / price)
        return min(qty, abs(venue.book.held(order.symbol))) if order.closes else qty
    steps = order.plan.parts - order.parts_done
    if steps <= 1 or order.time_in_force == "fok":
        return order.left
    part = shares(order.left / steps)
    return part if order.fractional else max(Decimal(int(part)), Decimal(1))


def record_fill(venue: Venue, order: Order, qty: Decimal, price: Decimal, at: int) -> None:
    full = order.status == "filled"
    venue.book.record(
        "FILL",
        at,
        {
            "activity_type": "FILL",
            "cum_qty": plain(order.filled_qty),
            "leaves_qty": "0" if order.qty is None else plain(order.left),
            "order_id": order.id,
            "order_status": "filled" if full else "partially_filled",
            "price": plain(price),
            "qty": plain(qty),
            "side": order.side if order.side == "buy" or order.closes else "sell_short",
            "symbol": order.symbol,
            "transaction_time": instant(at),
            "type": "fill" if full else "partial_fill",
        },
    )


# families: brackets, one-cancels-other, one-triggers-other
def _end_family(venue: Venue, order: Order) -> None:
    """A filled parent wakes its legs; a leg that ends takes its siblings along, and the parent of an oco; a parent that
    ends unfilled takes its legs along."""
    if order.status == "replaced":
        return
    if order.parent:
        family = [*venue.book.legs(order.parent), venue.book.orders[order.parent]]
        for other in family:
            if other.id != order.id and venue.book.orders[other.id].open:
                finish(venue, other, "canceled")
        return
    for leg in venue.book.legs(order.id) if order.order_class else ():
        if leg.open and (order.status != "filled" or order.order_class == "oco"):
            finish(venue, leg, "canceled")
        elif leg.open:
            # the stop loss of a bracket stays held behind its take profit, and is watched
            wakes = leg.type == "limit" or order.order_class == "oto"
            change(venue, leg, status="new" if wakes else "held", since=venue.now, live_from=venue.now)
