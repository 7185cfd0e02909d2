"""The book: orders, positions, activities, cash and marks of the venue, kept in SQLite.

In: frozen values of `model`. Out: the same, and a file that a restarted server reads back. Everything lives in memory and
is written through; one commit a request (`commit`). The server is never killed, so the file needs no fsync.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import orjson

from .amounts import NANO, ZERO
from .model import Activity, Asset, Order, Position, to_order, to_plain, to_position

NAMESPACE = UUID("6f1d9f3e-7a0b-5c55-9a38-1c0f0e6b8d21")
_TABLES = """
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS positions (symbol TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activities (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS assets (symbol TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (client_order_id TEXT PRIMARY KEY, posts INTEGER, refused INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What listings show at one state of the book."""

    orders: dict[str, Order]
    positions: dict[str, Position]
    activities: int


class Book:
    """Everything that survives a restart. Not thread-safe: the venue's lock guards it."""

    def __init__(self, path: Path | None, seed: int) -> None:
        self._db = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_TABLES)
        self._db.execute("BEGIN")
        self._seed = seed
        self._by_client: dict[str, str] = {}
        self._open: dict[str, None] = {}
        self.orders: dict[str, Order] = {}
        for row in sorted(self._rows("orders"), key=lambda row: row["seq"]):
            self._index(to_order(row))
        self.positions = {row["symbol"]: to_position(row) for row in self._rows("positions")}
        self.assets = {row["symbol"]: Asset(**row) for row in self._rows("assets")}
        self.activities = [Activity(**row) for row in sorted(self._rows("activities"), key=lambda row: row["seq"])]
        counts = self._db.execute("SELECT client_order_id, posts, refused FROM posts").fetchall()
        self.posts = Counter({client_id: posts for client_id, posts, _ in counts})
        self.refused = Counter({client_id: refused for client_id, _, refused in counts})
        marks = self._db.execute("SELECT name, body FROM marks")
        self._marks: dict[str, Any] = {name: orjson.loads(body) for name, body in marks}
        self.present = self.past = self._listing()
        self._changed = False

    def _listing(self) -> Listing:
        return Listing(dict(self.orders), dict(self.positions), len(self.activities))

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        for (body,) in self._db.execute(f"SELECT body FROM {table}"):
            yield orjson.loads(body)

    # marks: single values
    def mark(self, name: str, default: Any) -> Any:
        return self._marks.get(name, default)

    def set_mark(self, name: str, value: Any) -> None:
        self._marks[name] = value
        self._db.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, orjson.dumps(value)))

    @property
    def cash(self) -> Decimal:
        return Decimal(self.mark("cash", "0"))

    def pay(self, amount: Decimal) -> None:
        """Move cash; negative amounts leave the account."""
        self.set_mark("cash", str(self.cash + amount))

    # counters and names: deterministic, so that the same script gives the same book
    def next_seq(self) -> int:
        seq = self.mark("seq", 0) + 1
        self.set_mark("seq", seq)
        return seq

    def stamp(self, now: float) -> int:
        """A moment of the clock in nanoseconds, later than every stamp before."""
        stamp = max(int(now * 1_000_000) * 1000, self.mark("stamp", 0) + 1000)
        self.set_mark("stamp", stamp)
        return stamp

    def name(self, *parts: object) -> str:
        """A UUID that depends on the seed and the parts alone."""
        return _named("/".join(map(str, (self._seed, *parts))))

    # orders
    def _index(self, order: Order) -> None:
        self.orders[order.id] = order
        self._by_client[order.client_order_id] = order.id
        if order.open:
            self._open[order.id] = None
        else:
            self._open.pop(order.id, None)

    def put(self, order: Order) -> Order:
        self._index(order)
        self._changed = True
        self._db.execute("INSERT OR REPLACE INTO orders VALUES (?, ?)", (order.id, orjson.dumps(to_plain(order))))
        return order

    def open_orders(self) -> list[Order]:
        """Open orders by the time they came."""
        return [self.orders[order_id] for order_id in self._open]

    def of_client(self, client_order_id: str) -> Order | None:
        order_id = self._by_client.get(client_order_id)
        return None if order_id is None else self.orders[order_id]

    def legs(self, parent: str) -> list[Order]:
        return [order for order in self.orders.values() if order.parent == parent] if parent else []

    def count_post(self, client_order_id: str, *, refused: bool) -> None:
        """One POST of a client id that reached the venue."""
        (self.refused if refused else self.posts)[client_order_id] += 1
        row = (client_order_id, self.posts[client_order_id], self.refused[client_order_id])
        self._db.execute("INSERT OR REPLACE INTO posts VALUES (?, ?, ?)", row)

    # positions and assets
    def hold(self, symbol: str, position: Position | None) -> None:
        """Set what is held of a symbol; None = nothing."""
        self._changed = True
        if position is None:
            self.positions.pop(symbol, None)
            self._db.execute("DELETE FROM positions WHERE symbol = ?", (symbol,))
        else:
            self.positions[symbol] = position
            self._db.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?)", (symbol, orjson.dumps(to_plain(position)))
            )

    def held(self, symbol: str) -> Decimal:
        position = self.positions.get(symbol)
        return position.qty if position else ZERO

    def put_asset(self, asset: Asset) -> None:
        self.assets[asset.symbol] = asset
        self._db.execute("INSERT OR REPLACE INTO assets VALUES (?, ?)", (asset.symbol, orjson.dumps(to_plain(asset))))

    # activities
    def record(self, kind: str, at: int, body: dict[str, Any]) -> Activity:
        """Append an activity. Its id is its time to the millisecond, "::", a UUID: as Alpaca's it orders by time, but
        not within one millisecond."""
        seq = len(self.activities) + 1
        milliseconds, seconds = at // 1_000_000 % 1000, at // NANO
        activity = Activity(seq, f"{_digits(seconds)}{milliseconds:03d}::{self.name('activity', seq)}", kind, at, body)
        self.activities.append(activity)
        self._changed = True
        self._db.execute("INSERT INTO activities VALUES (?, ?)", (seq, orjson.dumps(to_plain(activity))))
        return activity

    def commit(self) -> None:
        """End one change of the book; listings of the state before it stay at hand (`past`)."""
        if self._changed:
            self.past, self.present, self._changed = self.present, self._listing(), False
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.execute("COMMIT")
        self._db.close()


@lru_cache(maxsize=4096)
def _named(text: str) -> str:
    return str(uuid5(NAMESPACE, text))


def _digits(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%S")
