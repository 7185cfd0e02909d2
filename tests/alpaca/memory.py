"""A venue in memory: what the routes of one account say, by pages (R06, R11)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.parse import NANO, nanoseconds, stamp
from qmtl.engine.orders import Attribution, Order

from .rows import ACCOUNT, asset_row, order_row
from .wire import Asked, Said, Wire

Open = Callable[..., Any]
NOW = nanoseconds("2026-03-09T14:05:00Z") // NANO
#: an order of ours
SENT = Order(
    "q1-1", "SPY", "buy", Decimal(10), "open", NOW, 1, "X", Decimal(500), 0, (Attribution("w", "s", "g", Decimal(10)),)
)
UNKNOWN = Said(404, {"code": 40410000, "message": "order not found"})


class Account:
    """A venue's memory: what the routes of one account say. `most` is how many rows a page really has."""

    def __init__(self, wire: Wire, most: int = 500) -> None:
        self.wire, self.most = wire, most
        self.orders: list[dict[str, Any]] = []
        self.flows: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.account = dict(ACCOUNT)
        self.after_account: Callable[[], None] = lambda: None
        wire.routes(
            v2_orders=self._orders,
            v2_orders_by_client_order_id=self._by_client_id,
            v2_account_activities=self._activities,
            v2_positions=lambda _: self.positions,
            v2_account=self._account,
            v2_assets=lambda _: [asset_row("SPY"), asset_row("QQQ", shortable=False)],
        )

    def _account(self, _: Asked) -> dict[str, Any]:
        self.after_account()
        return self.account

    def _by_client_id(self, asked: Asked) -> Any:
        named = [one for one in self.orders if one["client_order_id"] == asked.query["client_order_id"]]
        return named[0] if named else UNKNOWN

    def _orders(self, asked: Asked) -> list[dict[str, Any]]:
        query = asked.query
        ended = {"filled", "canceled", "expired", "rejected", "replaced"}
        rows = [one for one in self.orders if (one["status"] in ended) == (query["status"] == "closed")]
        if "until" in query:
            rows = [one for one in rows if _at(one) < nanoseconds(query["until"])]
        if "after" in query:
            rows = [one for one in rows if _at(one) > nanoseconds(query["after"])]
        rows.sort(key=_at, reverse=query["direction"] == "desc")
        return rows[: min(self.most, int(query.get("limit", "50")))]

    def _activities(self, asked: Asked) -> list[dict[str, Any]]:
        query = asked.query
        rows = [one for one in self.flows if one["activity_type"] in query["activity_types"].split(",")]
        rows = [one for one in rows if nanoseconds(one["created_at"]) > nanoseconds(query["after"])]
        rows.sort(key=lambda one: nanoseconds(one["created_at"]))
        names = [one["id"] for one in rows]
        first = names.index(query["page_token"]) + 1 if "page_token" in query else 0
        return rows[first : first + min(self.most, int(query["page_size"]))]


def _at(row: dict[str, Any]) -> int:
    return nanoseconds(row["submitted_at"])


def order(number: int, seconds: float = 0.0, **change: Any) -> dict[str, Any]:
    """The order number so much, sent so many seconds after 14:00."""
    sent = stamp(nanoseconds("2026-03-09T14:00:00Z") + int(seconds * 1e6) * 1000)
    named = {"id": f"b-{number}", "client_order_id": f"q1-{number}", "submitted_at": sent}
    return order_row(**{**named, **change})


def opened(lines: Open, *universe: str, **options: Any) -> AlpacaBroker:
    return AlpacaBroker(lines(a_minute=1000, **options).trading, universe)
