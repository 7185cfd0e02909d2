"""A small market for the venue's tests, and a plain HTTP client.

Five sessions around Thanksgiving 2025 (2025-11-28 closes at 13:00), bars of 15 minutes. AAA opens bar i of day d at
100 + d + i/10 and moves 0.20 either way, BBB stands at 50 with a range of 49 to 51, CCC costs 80 cents.
"""

from __future__ import annotations

import http.client
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import orjson

from .amounts import NEW_YORK, utc
from .bars import write
from .hours import xnys
from .start import Handle

FIRST, LAST = "2025-11-24", "2025-12-01"
BAR = 900


def at(text: str) -> int:
    """Epoch seconds of a time in New York, "2025-11-24 10:00"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp())


def opening(day: int, bar: int) -> Decimal:
    """The open of AAA in a bar of a day, both from 0."""
    return Decimal(100) + day + Decimal(bar) / 10


def market(folder: Path) -> Path:
    """Write the bars of the module's docstring into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[tuple[str, object, object, object, object, int]]] = {"AAA": [], "BBB": [], "CCC": []}
    for number, day in enumerate(xnys().between(FIRST, LAST)):
        for bar, start in enumerate(range(day.open, day.close, BAR)):
            price, stamp = opening(number, bar), utc(start)
            move, end = Decimal("0.20"), price + Decimal("0.05")
            rows["AAA"].append((stamp, price, price + move, price - move, end, 10_000))
            rows["BBB"].append((stamp, 50, 51, 49, 50, 5_000))
            rows["CCC"].append((stamp, "0.8", "0.81", "0.79", "0.8", 900))
    for symbol, table in rows.items():
        write(folder / f"{symbol}.csv.gz", table)
    return folder


class Answer(NamedTuple):
    status: int
    body: Any
    headers: dict[str, str]


def call(
    venue: Handle, method: str, path: str, body: Any = None, timeout: float = 20, key: str = "", **query: object
) -> Answer:
    """One request on a connection of its own. The body is parsed where it is JSON."""
    connection = http.client.HTTPConnection(urlsplit(venue.url).netloc, timeout=timeout)
    target = f"{path}?{urlencode(query)}" if query else path
    headers = {"APCA-API-KEY-ID": key or venue.key, "APCA-API-SECRET-KEY": venue.secret}
    content = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else None
    try:
        connection.request(method, target, content, headers)
        reply = connection.getresponse()
        got = reply.read()
    finally:
        connection.close()
    return Answer(reply.status, _parsed(got), dict(reply.getheaders()))


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content) if content else None
    except orjson.JSONDecodeError:
        return content


def order(venue: Handle, symbol: str = "AAA", side: str = "buy", qty: object = "10", **more: Any) -> Answer:
    """POST an order: market and day unless told."""
    body = {"symbol": symbol, "side": side, "type": "market", "time_in_force": "day", **more}
    return call(venue, "POST", "/v2/orders", body if "notional" in more else {**body, "qty": str(qty)})


def placed(venue: Handle, *order_args: Any, **more: Any) -> dict[str, Any]:
    """POST an order that must be taken."""
    answer = order(venue, *order_args, **more)
    assert answer.status == 200, answer
    return answer.body


def now_of(venue: Handle, placed_order: dict[str, Any]) -> dict[str, Any]:
    """The order as it is now."""
    return call(venue, "GET", f"/v2/orders/{placed_order['id']}").body


def account(venue: Handle) -> dict[str, Any]:
    return call(venue, "GET", "/v2/account").body


def positions(venue: Handle) -> dict[str, str]:
    """Quantities held."""
    return {row["symbol"]: row["qty"] for row in call(venue, "GET", "/v2/positions").body}
