"""Routes of the trading API: account, clock, calendar, assets, orders, positions, activities.

In: the venue and a request. Out: a reply; `Refused` for the rest. Paths and parameters are those of the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from . import render
from .admission import admit, change_order
from .amounts import NEW_YORK, eastern, moment, plain, shares
from .hours import FIRST, LAST, Day
from .messages import Reply, Request
from .model import Activity, Order
from .refusals import Refused

if TYPE_CHECKING:
    from .venue import Venue

NANO = 1_000_000_000
NO_SETTLEMENT: Final = 1  # sessions from trade to settlement


# account, clock, calendar, assets
def get_account(venue: Venue, request: Request) -> Reply:
    return Reply(body=render.account(venue))


def get_configurations(venue: Venue, request: Request) -> Reply:
    return Reply(body=render.configurations(venue))


def get_clock(venue: Venue, request: Request) -> Reply:
    """The clock, its skew, and an unscheduled close as the faults have it."""
    skew = (venue.faults.state("clock_skew") or {}).get("seconds", 0)
    hours, now = venue.hours, venue.now
    is_open = venue.is_open()
    closes = (
        hours.next_to_close(now) if is_open or hours.session(now) is None else hours.following(hours.next_to_close(now))
    )
    return Reply(
        body={
            "timestamp": eastern(now + skew),
            "is_open": is_open,
            "next_open": eastern(hours.next_to_open(now).open),
            "next_close": eastern(closes.close),
        }
    )


def get_calendar(venue: Venue, request: Request) -> Reply:
    """Sessions between two dates, both inclusive, by trading or settlement date."""
    first, last = request.query.get("start", FIRST)[:10], request.query.get("end", LAST)[:10]
    days = [_calendar_day(venue, day) for day in venue.hours.between(FIRST, LAST)[:-1]]
    by = "settlement_date" if request.query.get("date_type", "TRADING") == "SETTLEMENT" else "date"
    return Reply(body=[day for day in days if first <= day[by] <= last])


def _calendar_day(venue: Venue, day: Day) -> dict[str, str]:
    opens, closes = (datetime.fromtimestamp(at, NEW_YORK).strftime("%H:%M") for at in (day.open, day.close))
    return {
        "date": day.date,
        "open": opens,
        "close": closes,
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": venue.hours.following(day, NO_SETTLEMENT).date,
    }


def get_assets(venue: Venue, request: Request) -> Reply:
    query = request.query
    assets = [asset for symbol in venue.symbols if (asset := venue.asset(symbol)) is not None]
    if query.get("asset_class", "us_equity") != "us_equity" or query.get("attributes"):
        assets = []
    assets = [asset for asset in assets if query.get("status", asset.status) == asset.status]
    assets = [asset for asset in assets if query.get("exchange", asset.exchange) == asset.exchange]
    return Reply(body=[render.asset(venue, asset) for asset in assets])


def get_asset(venue: Venue, request: Request, symbol: str) -> Reply:
    asset = venue.asset(_symbol(venue, symbol))
    if asset is None:
        raise Refused("asset_missing", symbol=symbol)
    return Reply(body=render.asset(venue, asset))


def _symbol(venue: Venue, symbol_or_id: str) -> str:
    """The symbol that a symbol or an asset id means."""
    if len(symbol_or_id) != 36:
        return symbol_or_id
    ids = {render.asset_id(venue, symbol): symbol for symbol in venue.symbols}
    return ids.get(symbol_or_id, symbol_or_id)


# orders
def post_order(venue: Venue, request: Request) -> Reply:
    """Take an order. The reply shows it before it is routed: pending_new, or accepted outside the session."""
    body = request.json()
    if isinstance(body, dict) and len(str(body.get("symbol", ""))) == 36:
        body = {**body, "symbol": _symbol(venue, body["symbol"])}
    order = admit(venue, body)
    shown = render.order(venue, order, nested=True)
    return Reply(body={**shown, "status": "pending_new" if order.status == "new" else order.status})


def get_orders(venue: Venue, request: Request) -> Reply:
    """Listed orders: 50 unless told, 500 at most, newest first unless told, times exclusive."""
    query = request.query
    book = venue.book.past if request.faulty("stale_list") else venue.book
    listed = _filter(query)
    rows = [order for order in book.orders.values() if listed(order)]
    rows.sort(key=lambda order: order.submitted_at, reverse=_descends(query))
    rows = _beside_order(venue, rows, query)
    nested = _yes(query, "nested")
    if nested:
        rows = [order for order in rows if not order.parent]
    limit = _count(query, "limit", 50, 500)
    return Reply(body=[render.order(venue, order, nested=nested) for order in rows[:limit]])


def _filter(query: dict[str, str]) -> Callable[[Order], bool]:
    """Which orders a listing shows, by status, symbols, side and time."""
    status = query.get("status", "open")
    if status not in {"open", "closed", "all"}:
        raise Refused("invalid_param", name="status")
    symbols = set(filter(None, query.get("symbols", "").split(",")))
    after, until = _time(query, "after", -1), _time(query, "until", 2**63)

    def listed(order: Order) -> bool:
        return (
            (status == "all" or order.open == (status == "open"))
            and (not symbols or order.symbol in symbols)
            and query.get("side", order.side) == order.side
            and after < order.submitted_at < until
        )

    return listed


def _beside_order(venue: Venue, rows: list[Order], query: dict[str, str]) -> list[Order]:
    """Rows before or after the order of an id, by submission."""
    for name, later in (("before_order_id", False), ("after_order_id", True)):
        if query.get(name):
            at = venue.order(query[name]).submitted_at
            rows = [order for order in rows if order.submitted_at != at and (order.submitted_at > at) == later]
    return rows


def _descends(query: dict[str, str]) -> bool:
    direction = query.get("direction", "desc").lower()
    if direction not in {"asc", "desc"}:
        raise Refused("direction")
    return direction == "desc"


def _yes(query: dict[str, str], name: str) -> bool:
    """A flag; the service reads what Go reads as true, "True" of the Python clients included."""
    return query.get(name, "").lower() in {"1", "t", "true"}


def _count(query: dict[str, str], name: str, default: int, most: int) -> int:
    """A page size; one above the most is the most."""
    try:
        value = int(query.get(name) or default)
    except ValueError:
        raise Refused("invalid_param", name=name) from None
    return min(value, most) if value > 0 else default


def _time(query: dict[str, str], name: str, default: int) -> int:
    if not query.get(name):
        return default
    try:
        return moment(query[name].replace(" ", "+"))
    except ValueError:
        raise Refused("invalid_param", name=name) from None


def _order_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise Refused("no_order_id") from None


def get_order(venue: Venue, request: Request, order_id: str) -> Reply:
    order = venue.order(_order_id(order_id))
    return Reply(body=render.order(venue, order, nested=_yes(request.query, "nested")))


def get_order_by_client_id(venue: Venue, request: Request) -> Reply:
    client_order_id = request.query.get("client_order_id", "")
    if not client_order_id:
        raise Refused("no_client_id")
    order = venue.book.of_client(client_order_id)
    if order is None:
        raise Refused("no_order", id=client_order_id)
    return Reply(body=render.order(venue, order))


def patch_order(venue: Venue, request: Request, order_id: str) -> Reply:
    body = request.json()
    if not isinstance(body, dict):
        raise Refused("no_body")
    return Reply(body=render.order(venue, change_order(venue, venue.order(_order_id(order_id)), body)))


def delete_order(venue: Venue, request: Request, order_id: str) -> Reply:
    venue.cancel(venue.order(_order_id(order_id)))
    return Reply(204)


def delete_orders(venue: Venue, request: Request) -> Reply:
    """Ask for a cancel of every open order."""
    rows = venue.book.open_orders()
    for order in rows:
        venue.cancel(venue.book.orders[order.id])
    return Reply(207, [{"id": order.id, "status": 200} for order in rows])


# positions
def get_positions(venue: Venue, request: Request) -> Reply:
    book = venue.book.past if request.faulty("stale_list") else venue.book
    return Reply(body=[render.position(venue, row) for _, row in sorted(book.positions.items())])


def get_position(venue: Venue, request: Request, symbol: str) -> Reply:
    position = venue.book.positions.get(_symbol(venue, symbol))
    if position is None:
        raise Refused("no_position")
    return Reply(body=render.position(venue, position))


def delete_position(venue: Venue, request: Request, symbol: str) -> Reply:
    """Close a position, a quantity or a percentage of it, with a market order."""
    position = venue.book.positions.get(_symbol(venue, symbol))
    if position is None:
        raise Refused("no_position")
    return Reply(body=render.order(venue, _close(venue, position.symbol, request.query)))


def delete_positions(venue: Venue, request: Request) -> Reply:
    """Close everything; `cancel_orders=true` cancels open orders first."""
    if _yes(request.query, "cancel_orders"):
        delete_orders(venue, request)
    rows: list[dict[str, Any]] = []
    for symbol in sorted(venue.book.positions):
        try:
            rows.append({"symbol": symbol, "status": 200, "body": render.order(venue, _close(venue, symbol, {}))})
        except Refused as refused:
            rows.append({"symbol": symbol, "status": refused.entry.status, "body": refused.body})
    return Reply(207, rows)


def _close(venue: Venue, symbol: str, query: dict[str, str]) -> Order:
    held = venue.book.held(symbol)
    qty = abs(held)
    if query.get("qty"):
        qty = Decimal(query["qty"])
    elif query.get("percentage"):
        qty = shares(abs(held) * Decimal(query["percentage"]) / 100)
    side = "sell" if held > 0 else "buy"
    return admit(venue, {"symbol": symbol, "side": side, "type": "market", "time_in_force": "day", "qty": plain(qty)})


# activities
TRANSFERS = frozenset({"CSD", "CSW"})


def get_activities(venue: Venue, request: Request, kind: str = "") -> Reply:
    """Activities of some types, newest first unless told, 100 a page; `page_token` is the id of the last one seen."""
    query = request.query
    kinds = _kinds(kind or query.get("activity_types", ""))
    category = query.get("category", "")
    if category and kinds:
        raise Refused("invalid_param", name="category")
    upto = venue.book.past.activities if request.faulty("stale_list") else len(venue.book.activities)
    rows = list(filter(_happened(kinds, category, query), venue.book.activities[:upto]))
    rows.sort(key=lambda row: (row.at, row.seq), reverse=_descends(query))
    if query.get("page_token"):
        ids = [row.id for row in rows]
        if query["page_token"] not in ids:
            raise Refused("invalid_param", name="page_token")
        rows = rows[ids.index(query["page_token"]) + 1 :]
    size = _count(query, "page_size", 100, 100)
    if request.fault is not None and request.faulty("short_pages"):
        size = min(size, request.fault.args.get("rows", 1))
    return Reply(body=[render.activity(row) for row in rows[:size]])


def _kinds(text: str) -> frozenset[str]:
    kinds = {name.strip().upper() for name in text.split(",") if name.strip()}
    return frozenset(kinds - {"TRANS"} | (TRANSFERS if "TRANS" in kinds else frozenset()))


def _happened(kinds: frozenset[str], category: str, query: dict[str, str]) -> Callable[[Activity], bool]:
    """Which activities a listing shows, by type, category and time."""
    after, until = _time(query, "after", -1), _time(query, "until", 2**63)
    if query.get("date"):
        after = _time({"date": query["date"][:10]}, "date", 0) - 1
        until = after + 1 + 86_400 * NANO

    def listed(row: Activity) -> bool:
        right = not category or (row.kind == "FILL") == (category == "trade_activity")
        return right and (not kinds or row.kind in kinds) and after < row.at < until

    return listed
