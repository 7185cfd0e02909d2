"""The paper account on disk: orders, positions, events and cash in one SQLite file, one commit per change.

In: what the paper broker decided. Out: the same after a restart or a kill, exactly: quantities, prices and cash are
decimal text, never floats. It stands apart from `paper.py` so that rules and storage are read one at a time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from ..errors import BrokerError, JournalError
from ..journal.walfile import check_files
from ..orders import TERMINAL, OrderState
from ..ports import BrokerEvent, BrokerOrder, Position

#: "qmpb" in ASCII: marks the file as a paper account
APPLICATION_ID = 0x716D7062
FORMAT = 1

_TABLES = """
CREATE TABLE account (id TEXT NOT NULL, cash TEXT NOT NULL) STRICT;
CREATE TABLE orders (
    number           INTEGER PRIMARY KEY,
    client_order_id  TEXT NOT NULL UNIQUE,
    symbol           TEXT NOT NULL,
    side             TEXT NOT NULL,
    qty              TEXT NOT NULL,
    filled           TEXT NOT NULL,
    state            TEXT NOT NULL,
    submitted_at     INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    detail           TEXT NOT NULL,
    limit_price      TEXT NOT NULL DEFAULT '',
    at_once          INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX working ON orders (number) WHERE state = 'ACCEPTED';
CREATE TABLE positions (symbol TEXT PRIMARY KEY, qty TEXT NOT NULL, average_price TEXT NOT NULL) STRICT;
CREATE TABLE events (
    seq              INTEGER PRIMARY KEY,
    kind             TEXT NOT NULL,
    client_order_id  TEXT NOT NULL,
    symbol           TEXT NOT NULL,
    qty              TEXT NOT NULL,
    price            TEXT NOT NULL,
    fee              TEXT NOT NULL,
    at               INTEGER NOT NULL,
    detail           TEXT NOT NULL
) STRICT;
"""
#: columns of orders that came after format 1 was first written: a file without them gets them
_LATER = (
    "ALTER TABLE orders ADD COLUMN limit_price TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE orders ADD COLUMN at_once INTEGER NOT NULL DEFAULT 0",
)
_ORDER = (
    "SELECT number, client_order_id, symbol, side, qty, filled, state, submitted_at, expires_at, detail, limit_price, at_once"
    " FROM orders "
)


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """An order as stored: what the port shows, and when a day order ends (`detail` says why it was rejected). `limit` of a limit
    order, else None; `at_once`: it ends at the first open at which it does not fill."""

    order: BrokerOrder
    expires_at: int
    detail: str = ""
    limit: Decimal | None = None
    at_once: bool = False

    @property
    def signed(self) -> Decimal:
        """What remains, with the side's sign."""
        left = self.order.qty - self.order.filled
        return left if self.order.side == "buy" else -left

    def to(self, state: OrderState, filled: Decimal | None = None) -> PaperOrder:
        """The order in another state."""
        order = replace(self.order, state=str(state), filled=self.order.filled if filled is None else filled)
        return replace(self, order=order)


class _UnreadableError(BrokerError):
    """The file cannot be read or written: while a run goes on that is a broker that does not answer."""


class PaperStore:
    """The file, and what of it is asked at every tick in memory: cash, positions, working orders, last event."""

    def __init__(self, path: Path | str, account_id: str, cash: Decimal) -> None:
        """Open or create; `cash` counts only at creation. BrokerError when it is another account's file, JournalError when it is
        no account at all, damaged, or cannot be written."""
        self._path = path
        self._depth = 0
        if path != ":memory:":
            check_files(Path(path), f"paper account {path}")
        try:
            with self._translated(), ExitStack() as undo:
                self._db = sqlite3.connect(path, isolation_level=None)
                undo.callback(self._db.close)
                self._prepare(account_id, cash)
                self._load()
                undo.pop_all()
        except _UnreadableError as error:
            raise JournalError(str(error), f"{error.hint}; if it is damaged, restore a backup") from error

    cash: Decimal
    positions: dict[str, Position]
    working: dict[str, PaperOrder]
    last_seq: int
    #: counts changes of what is in memory
    version: int = 0

    @contextmanager
    def commit(self) -> Iterator[None]:
        """One durable commit around changes; nested ones join the outer one. On an error memory is read again."""
        if self._depth:
            yield
            return
        self._depth = 1
        try:
            with self._translated():
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                finally:
                    if self._db.in_transaction:  # something in between failed
                        self._db.execute("ROLLBACK")
                        self._load()
        finally:
            self._depth = 0

    def find(self, client_order_id: str) -> PaperOrder | None:
        """The order of that client id, in any state."""
        with self._translated():
            row = self._db.execute(_ORDER + "WHERE client_order_id = ?", (client_order_id,)).fetchone()
            return _order(row) if row else None

    def events(self, after_seq: int) -> tuple[BrokerEvent, ...]:
        """Events with a number above `after_seq`, in order."""
        if after_seq >= self.last_seq:
            return ()
        with self._translated():
            rows = self._db.execute("SELECT * FROM events WHERE seq > ? ORDER BY seq", (after_seq,)).fetchall()
            return tuple(
                BrokerEvent(seq, kind, name, symbol, Decimal(qty), Decimal(price), Decimal(fee), at, detail)
                for seq, kind, name, symbol, qty, price, fee, at, detail in rows
            )

    def put_order(self, paper: PaperOrder) -> None:
        """Insert an order, or store its new state."""
        order = paper.order
        self._db.execute(
            "INSERT INTO orders (client_order_id, symbol, side, qty, filled, state, submitted_at, expires_at, detail,"
            " limit_price, at_once) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (client_order_id) DO UPDATE SET filled = excluded.filled, state = excluded.state",
            (
                order.client_order_id,
                order.symbol,
                order.side,
                str(order.qty),
                str(order.filled),
                order.state,
                order.submitted_at,
                paper.expires_at,
                paper.detail,
                "" if paper.limit is None else str(paper.limit),
                int(paper.at_once),
            ),
        )
        self.version += 1
        if order.state in TERMINAL:
            self.working.pop(order.client_order_id, None)
        else:
            self.working[order.client_order_id] = paper

    def put_position(self, position: Position) -> None:
        """Store a position; one of quantity 0 is removed."""
        self.version += 1
        if position.qty:
            self._db.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                (position.symbol, str(position.qty), str(position.average_price)),
            )
            self.positions[position.symbol] = position
        else:
            self._db.execute("DELETE FROM positions WHERE symbol = ?", (position.symbol,))
            self.positions.pop(position.symbol, None)

    def put_cash(self, cash: Decimal) -> None:
        """Store the cash balance."""
        self.version += 1
        self._db.execute("UPDATE account SET cash = ?", (str(cash),))
        self.cash = cash

    def put_event(self, event: BrokerEvent) -> None:
        """Append an event; its `seq` must be `last_seq + 1`."""
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                event.seq,
                event.kind,
                event.client_order_id,
                event.symbol,
                str(event.qty),
                str(event.price),
                str(event.fee),
                event.at,
                event.detail,
            ),
        )
        self.last_seq = event.seq

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def _prepare(self, account_id: str, cash: Decimal) -> None:
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            self._db.executescript(
                f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};{_TABLES}COMMIT;"
            )
            self._db.execute("INSERT INTO account VALUES (?, ?)", (account_id, str(cash)))
        mark = (
            self._db.execute("PRAGMA application_id").fetchone()[0],
            self._db.execute("PRAGMA user_version").fetchone()[0],
        )
        if mark != (APPLICATION_ID, FORMAT):
            raise JournalError(f"{self._path} is not a paper account of format {FORMAT}", "name another file")
        damaged = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if damaged != "ok":
            raise sqlite3.DatabaseError(f"damaged: {damaged}")
        owner = self._db.execute("SELECT id FROM account").fetchone()[0]
        if owner != account_id:
            raise BrokerError(
                f"{self._path} holds the paper account '{owner}', not '{account_id}'",
                "give each account its own file, or the account its old name",
            )
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        there = {row[1] for row in self._db.execute("PRAGMA table_info(orders)")}
        for change in _LATER:
            if change.split()[5] not in there:
                self._db.execute(change)

    def _load(self) -> None:
        self.version += 1
        self.cash = Decimal(self._db.execute("SELECT cash FROM account").fetchone()[0])
        self.positions = {
            symbol: Position(symbol, Decimal(qty), Decimal(average))
            for symbol, qty, average in self._db.execute("SELECT * FROM positions ORDER BY symbol")
        }
        rows = self._db.execute(_ORDER + "WHERE state = 'ACCEPTED' ORDER BY number")
        self.working = {row[1]: _order(row) for row in rows}
        self.last_seq = self._db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, InvalidOperation) as error:
            said = "it holds a number that cannot be read" if isinstance(error, InvalidOperation) else error
            raise _UnreadableError(
                f"paper account {self._path}: {said}",
                "check that the file is a paper account, that its folder may be written and the disk has space",
            ) from error


def _order(row: tuple[int, str, str, str, str, str, str, int, int, str, str, int]) -> PaperOrder:
    _, name, symbol, side, qty, filled, state, submitted_at, expires_at, detail, limit, at_once = row
    order = BrokerOrder(name, symbol, side, Decimal(qty), Decimal(filled), state, submitted_at)
    return PaperOrder(order, expires_at, detail, Decimal(limit) if limit else None, bool(at_once))
