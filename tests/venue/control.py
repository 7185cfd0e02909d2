"""Routes of the tests, /_venue/...: clock, faults, deeds by hand, and what the verdicts read.

In: the venue and a request without keys. Out: JSON. Nothing here is Alpaca's; clients under test never call it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from . import render
from .admission import admit
from .amounts import plain
from .byhand import done_order
from .messages import Reply, Request
from .model import Asset
from .money import figures, trade

if TYPE_CHECKING:
    from .venue import Venue


def get_clock(venue: Venue, request: Request) -> Reply:
    session = venue.hours.session(venue.now)
    return Reply(
        body={
            "now": venue.now,
            "virtual": venue.clock.virtual,
            "session": None if session is None else session.date,
            "next_open": venue.hours.next_to_open(venue.now).open,
            "next_close": venue.hours.next_to_close(venue.now).close,
        }
    )


def post_clock(venue: Venue, request: Request) -> Reply:
    """{"now": EPOCH}: move the virtual clock; 409 when it would go back."""
    if not venue.clock.virtual:
        return Reply(409, {"message": "this venue runs on the wall clock", "now": venue.now})
    try:
        venue.move(request.json()["now"])
    except ValueError as error:
        return Reply(409, {"message": str(error), "now": venue.now})
    return Reply(body={"now": venue.now})


def get_faults(venue: Venue, request: Request) -> Reply:
    faults = venue.faults
    rules = [{"id": r.id, "do": r.do, "match": r.match, "times": r.times, **r.args} for r in faults.rules.values()]
    return Reply(body={"rules": rules, "seed": faults.seed, "rates": faults.rates})


def post_faults(venue: Venue, request: Request) -> Reply:
    """A rule, a list of rules, or random rates ({"seed", "rates"}); replies with the numbers of the rules."""
    body = request.json()
    try:
        if isinstance(body, dict) and "rates" in body:
            venue.faults.draw(body)
            return Reply(body={"ids": []})
        rules = body if isinstance(body, list) else [body]
        return Reply(body={"ids": [venue.faults.add(rule, venue.now) for rule in rules]})
    except (ValueError, KeyError) as error:
        return Reply(400, {"message": str(error)})


def delete_faults(venue: Venue, request: Request, number: str = "") -> Reply:
    venue.faults.remove(int(number) if number else None)
    return Reply(204)


def get_log(venue: Venue, request: Request) -> Reply:
    return Reply(body=venue.faults.log)


def get_calls(venue: Venue, request: Request) -> Reply:
    return Reply(body=dict(venue.calls))


def get_book(venue: Venue, request: Request) -> Reply:
    """Everything: orders by the time they came, with the POSTs of their client id and whether a hand placed them; every
    client id ever posted; fills and other activities; positions; money."""
    book, money = venue.book, figures(venue)
    orders = [
        {
            **render.order(venue, order),
            "posts": book.posts[order.client_order_id],
            "foreign": order.foreign,
            "reason": order.reason,
        }
        for order in sorted(book.orders.values(), key=lambda order: order.seq)
    ]
    activities = [render.activity(row) for row in book.activities]
    positions = {p.symbol: {"qty": plain(p.qty), "average": plain(p.average)} for p in book.positions.values()}
    return Reply(
        body={
            "now": venue.now,
            "orders": orders,
            "posts": {name: {"posts": n, "refused": book.refused[name]} for name, n in book.posts.items()},
            "fills": [row for row in activities if row["activity_type"] == "FILL"],
            "activities": activities,
            "positions": positions,
            "cash": plain(book.cash),
            "equity": plain(money.equity),
            "buying_power": plain(money.buying_power),
        }
    )


# deeds by hand
def post_manual(venue: Venue, request: Request) -> Reply:
    """{"do": "order" | "trade" | "cancel" | "deposit" | "withdraw" | "activity" | "split" | "asset", ...}, see `serve`."""
    body = request.json()
    deed = _DEEDS.get(body.pop("do", ""))
    if deed is None:
        return Reply(400, {"message": f"no such deed; there are {', '.join(sorted(_DEEDS))}"})
    return Reply(body=deed(venue, body))


def _order(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    """An order as if placed on the web site: the venue names it."""
    defaults = {"type": "market", "time_in_force": "day"}
    return render.order(venue, admit(venue, {**defaults, **body}, foreign=True))


def _trade(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    """A trade that is done at once: signed `qty`, at `price` or at the market's. Shown as an order that has filled."""
    symbol, qty = body["symbol"], Decimal(str(body["qty"]))
    price = Decimal(str(body["price"])) if "price" in body else venue.market.price(symbol, venue.now)
    trade(venue, symbol, qty, price)
    return render.order(venue, done_order(venue, symbol, qty, price))


def _cancel(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    found = venue.book.of_client(body["client_order_id"]) if "client_order_id" in body else None
    order = found or venue.order(body.get("id", ""))
    venue.cancel(order)
    return render.order(venue, venue.book.orders[order.id])


def _deposit(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    amount = Decimal(str(body["amount"]))
    venue.book.pay(amount)
    venue.activity("CSD", {"net_amount": plain(amount)})
    return {"cash": plain(venue.book.cash)}


def _withdraw(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    amount = Decimal(str(body["amount"]))
    venue.book.pay(-amount)
    venue.activity("CSW", {"net_amount": plain(-amount)})
    return {"cash": plain(venue.book.cash)}


def _activity(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    """Any other activity (dividend, fee, interest): `type`, `net_amount` and the fields it shall show."""
    kind = body.pop("type")
    amount = Decimal(str(body.pop("net_amount", "0")))
    venue.book.pay(amount)
    venue.activity(kind, {"net_amount": plain(amount), **body})
    return {"cash": plain(venue.book.cash)}


def _split(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    venue.split(body["symbol"], Decimal(str(body["ratio"])))
    return {"qty": plain(venue.book.held(body["symbol"]))}


def _asset(venue: Venue, body: dict[str, Any]) -> dict[str, Any]:
    """Change flags of an asset for good."""
    symbol = body.pop("symbol")
    asset = replace(venue.book.assets.get(symbol, Asset(symbol)), **body)
    venue.book.put_asset(asset)
    return render.asset(venue, asset)


_DEEDS = {
    "order": _order,
    "trade": _trade,
    "cancel": _cancel,
    "deposit": _deposit,
    "withdraw": _withdraw,
    "activity": _activity,
    "split": _split,
    "asset": _asset,
}
