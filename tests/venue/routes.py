"""Which path is answered by whom, and what the faults do with the answer.

In: the venue and a request. Out: a `Reply` that the wire sends, or spoils as `how` says. Keys are checked first, then the
rate limit, then the faults; whatever is done is committed before the reply leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from . import control, data, trading
from .faults import Call, Rule
from .messages import Reply, Request
from .refusals import Refused

if TYPE_CHECKING:
    from .venue import Venue

Handler = Callable[..., Reply]
_ROUTES: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "/v2/account", trading.get_account),
    ("GET", "/v2/account/configurations", trading.get_configurations),
    ("GET", "/v2/account/activities", trading.get_activities),
    ("GET", "/v2/account/activities/{kind}", trading.get_activities),
    ("GET", "/v2/clock", trading.get_clock),
    ("GET", "/v2/calendar", trading.get_calendar),
    ("GET", "/v2/assets", trading.get_assets),
    ("GET", "/v2/assets/{symbol}", trading.get_asset),
    ("GET", "/v2/orders", trading.get_orders),
    ("POST", "/v2/orders", trading.post_order),
    ("DELETE", "/v2/orders", trading.delete_orders),
    ("GET", "/v2/orders/{order_id}", trading.get_order),
    ("PATCH", "/v2/orders/{order_id}", trading.patch_order),
    ("DELETE", "/v2/orders/{order_id}", trading.delete_order),
    ("GET", "/v2/orders:by_client_order_id", trading.get_order_by_client_id),
    ("GET", "/v2/positions", trading.get_positions),
    ("DELETE", "/v2/positions", trading.delete_positions),
    ("GET", "/v2/positions/{symbol}", trading.get_position),
    ("DELETE", "/v2/positions/{symbol}", trading.delete_position),
    ("GET", "/v2/stocks/bars", data.get_bars),
    ("GET", "/v2/stocks/bars/latest", partial(data.get_latest, what="bars")),
    ("GET", "/v2/stocks/quotes/latest", partial(data.get_latest, what="quotes")),
    ("GET", "/v2/stocks/trades/latest", partial(data.get_latest, what="trades")),
    ("GET", "/v2/stocks/{symbol}/bars", data.get_symbol_bars),
    ("GET", "/v2/stocks/{symbol}/bars/latest", partial(data.get_symbol_latest, what="bars")),
    ("GET", "/v2/stocks/{symbol}/quotes/latest", partial(data.get_symbol_latest, what="quotes")),
    ("GET", "/v2/stocks/{symbol}/trades/latest", partial(data.get_symbol_latest, what="trades")),
    ("GET", "/_venue/clock", control.get_clock),
    ("POST", "/_venue/clock", control.post_clock),
    ("GET", "/_venue/faults", control.get_faults),
    ("POST", "/_venue/faults", control.post_faults),
    ("DELETE", "/_venue/faults", control.delete_faults),
    ("DELETE", "/_venue/faults/{number}", control.delete_faults),
    ("GET", "/_venue/faults/log", control.get_log),
    ("GET", "/_venue/calls", control.get_calls),
    ("GET", "/_venue/book", control.get_book),
    ("POST", "/_venue/manual", control.post_manual),
)
_FIXED: Final = {(method, path): (path, handler) for method, path, handler in _ROUTES if "{" not in path}
_OPEN: Final = tuple(
    (method, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path))), path, handler)
    for method, path, handler in _ROUTES
    if "{" in path
)
ENDPOINTS: Final = tuple((method, path) for method, path, _ in _ROUTES)
#: faults that answer without doing anything: what they say
_UNDONE: Final = {
    "429": "rate_limit",
    "500": "internal",
    "503": "unavailable",
    "drop_before": "",
    "hang": "",
    "refuse": "",
}
_AFTER: Final = {"accept_then_504": "timeout", "accept_then_500": "internal"}
_PAGE: Final = b"<html><head><title>Just a moment...</title></head><body>checking your browser</body></html>"


def find(method: str, path: str) -> tuple[str, Handler, dict[str, str]] | None:
    """The route of a path: its pattern, who answers, and what the pattern caught."""
    if (method, path) in _FIXED:
        pattern, handler = _FIXED[method, path]
        return pattern, handler, {}
    for wanted, expression, pattern, handler in _OPEN:
        found = expression.fullmatch(path) if wanted == method else None
        if found:
            return pattern, handler, found.groupdict()
    return None


def answer(venue: Venue, request: Request) -> Reply:
    """Answer one request and commit what it changed."""
    with venue.lock:
        try:
            reply = _answer(venue, request)
        except Refused as refused:
            reply = Reply(refused.entry.status, refused.body)
        venue.book.commit()
        return replace(reply, headers={**_headers(venue), **reply.headers})


def _answer(venue: Venue, request: Request) -> Reply:
    route = find(request.method, request.path)
    if request.path.startswith("/_venue/"):
        if route is None:
            raise Refused("no_endpoint")
        try:
            return route[1](venue, request, **route[2])
        except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
            return Reply(400, {"message": f"{type(error).__name__}: {error}"})
    venue.tick()
    _check_keys(venue, request)
    _check_rate(venue)
    if route is None:
        raise Refused("no_endpoint")
    pattern, handler, caught = route
    key = f"{request.method} {pattern}"
    venue.calls[key] += 1
    call = _call(venue, request, caught, key)
    rule = venue.faults.reply(call)
    if rule is not None and rule.do in _UNDONE:
        return _undone(venue, rule)
    try:
        reply = handler(venue, replace(request, fault=rule), **caught)
    except Refused as refused:
        if key == "POST /v2/orders" and call.client_order_id:
            venue.book.count_post(call.client_order_id, refused=True)
        reply = Reply(refused.entry.status, refused.body)
    return reply if rule is None else _spoiled(reply, rule)


def _call(venue: Venue, request: Request, caught: dict[str, str], key: str) -> Call:
    """The facts that the faults judge; a POST of an order is counted for its client id."""
    if key == "POST /v2/orders":
        try:
            body = request.json()
        except Refused:
            body = {}
        body = body if isinstance(body, dict) else {}
        client_id, symbol = str(body.get("client_order_id") or ""), str(body.get("symbol") or "")
        if client_id:
            venue.book.count_post(client_id, refused=False)
        return Call("POST", request.path, (symbol,), client_id, venue.book.posts[client_id] or venue.calls[key])
    order = venue.book.orders.get(caught.get("order_id", ""))
    if order is not None:
        return Call(request.method, request.path, (order.symbol,), order.client_order_id, venue.calls[key])
    symbols = tuple(filter(None, request.query.get("symbols", caught.get("symbol", "")).split(",")))
    return Call(request.method, request.path, symbols, request.query.get("client_order_id", ""), venue.calls[key])


def _check_keys(venue: Venue, request: Request) -> None:
    given = request.headers.get("apca-api-key-id"), request.headers.get("apca-api-secret-key")
    if given != (venue.settings.key, venue.settings.secret):
        raise Refused("unauthorized")


def _check_rate(venue: Venue) -> None:
    """Count the request in its minute of the venue's clock; refuse what is over the limit."""
    minute = int(venue.now // 60)
    if venue.minute != minute:
        venue.minute, venue.in_minute = minute, 0
    venue.in_minute += 1
    if 0 < venue.settings.rate_limit < venue.in_minute:
        raise Refused("rate_limit")


def _headers(venue: Venue) -> dict[str, str]:
    """Where no limit is set, one that nobody reaches: a client that minds its budget by its own clock would stand still while a
    virtual clock runs through days."""
    limit = venue.settings.rate_limit or 100_000
    left = limit - venue.in_minute if venue.settings.rate_limit else limit - 1
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(max(left, 0)),
        "X-RateLimit-Reset": str((venue.minute + 1) * 60),
    }


def _undone(venue: Venue, rule: Rule) -> Reply:
    """Nothing was done: an error, silence, or a closed connection."""
    if rule.do == "refuse":
        refused = Refused(rule.args["as"], **rule.args.get("words", {}))
        return Reply(refused.entry.status, refused.body)
    if not _UNDONE[rule.do]:
        return Reply(how="drop" if rule.do == "drop_before" else "hang")
    refused = Refused(_UNDONE[rule.do])
    wait = rule.args.get("retry_after", 1)
    headers = {"Retry-After": str(wait), "X-RateLimit-Remaining": "0"} if rule.do == "429" else {}
    return Reply(refused.entry.status, refused.body, headers)


def _spoiled(reply: Reply, rule: Rule) -> Reply:
    """The reply to something that was done, as the fault leaves it."""
    if rule.do in _AFTER:
        refused = Refused(_AFTER[rule.do])
        return Reply(refused.entry.status, refused.body)
    how = {"accept_then_drop": "drop", "accept_then_hang": "hang", "drip": "drip", "truncated_json": "cut"}
    if rule.do in how:
        return replace(reply, how=how[rule.do], pace=rule.args.get("seconds", 1.0))
    if rule.do == "empty_200":
        return Reply(200)
    if rule.do == "html_200":
        return Reply(200, raw=("text/html; charset=utf-8", _PAGE))
    if reply.status == 200 and rule.do in {"unknown_enum", "duplicate_rows", "reordered_rows"}:
        return replace(reply, body=_changed(reply.body, rule.do))
    return reply


def _changed(body: Any, kind: str) -> Any:
    """A body with values nobody knows, or a listing with rows repeated or out of order."""
    if kind == "unknown_enum":
        if isinstance(body, list):
            return [_changed(row, kind) for row in body]
        news = {name: f"{body[name]}_v3" for name in ("status", "type", "order_type", "time_in_force") if name in body}
        return {**body, **news, "field_of_tomorrow": {"value": 1}}
    if not isinstance(body, list):
        return body
    if kind == "duplicate_rows":
        return [row for one in body for row in (one, one)]
    return body[1:] + body[:1] if len(body) < 3 else body[::2] + body[1::2][::-1]
