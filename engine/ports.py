"""The edges: what the runtime needs from the outside, as small Protocols. Only `engine/adapters` and `engine/journal`
implement them; only the command line wires them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from .bars import BarRow, Floats, Ints, MacroRow, OpenRow
from .orders import Order


class BarFeed(Protocol):
    """Closed 15m bars on the session grid for a fixed universe (a finer source is aggregated by the adapter)."""

    @property
    def symbols(self) -> tuple[str, ...]: ...

    @property
    def source(self) -> str:
        """Short label of where bars come from, recorded on every tick."""
        ...

    def span(self) -> tuple[int, int]:
        """Start of the first and end of the last bar at hand (epoch seconds); (0, 0) when there is none. An endless
        feed answers with the end of its horizon."""
        ...

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until, by known_at. Never a forming bar, never one known later than `until`."""
        ...

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        """Opening prices of bars with after < start <= until, by start: for brokers that simulate fills only."""
        ...


class MacroFeed(Protocol):
    """Daily market series (VIX). May be empty."""

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        """Rows with after < known_at <= until, by known_at."""
        ...


@dataclass(frozen=True, slots=True)
class QuoteRow:
    """The newest quote of every symbol of a feed: `prices` [S], NaN = none, and when it was so, `at` [S] epoch seconds."""

    prices: Floats
    at: Ints


class RegimeModel(Protocol):
    """A fitted model as a regime (`source: ml`): numbers of a closed bar in, probabilities out. Nothing implements it in this
    version, and `qmtl validate` refuses a world that asks for one (Q0617); it stands here so that a model arrives as an
    edge, like a feed, and `decide` reads the same rows whoever made them."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the rows that `probabilities` reads, in order, as `features:` of a world gives them."""
        ...

    def probabilities(self, features: Floats) -> Floats:
        """[5, S] p_trend_up, p_trend_down, p_chop (these sum to 1), p_high_vol and confidence, each 0 to 1, from the features
        [F, S] of one closed bar. NaN in a column of features gives NaN in that column: what is missing stays missing.
        Pure: the same features give the same bits, on every machine that the model document was calibrated for."""
        ...


class QuoteFeed(Protocol):
    """Quotes between two closed bars, over the columns of the bar feed. They decide nothing: an order whose bar they
    contradict is refused (`orders: {collar: ...}`)."""

    def quotes(self, now: int) -> QuoteRow:
        """The newest quotes known at `now`. Raises `errors.DataError`: then no quote is known."""
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """`qty` signed, exact; `average_price` of the open quantity. `mark` is the broker's own price of it, as of `marked_at`
    (epoch seconds); None where it has none."""

    symbol: str
    qty: Decimal
    average_price: Decimal
    mark: Decimal | None = None
    marked_at: int = 0


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker knows it. `filled` is unsigned and cumulative; `state` is a value of OrderState."""

    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    filled: Decimal
    state: str
    submitted_at: int


@dataclass(frozen=True, slots=True)
class BrokerEvent:
    """One numbered change at the broker, in order; `kind` is "fill", "canceled", "rejected", "expired", "flow" or
    "borrow". `qty` is signed; `price` is 0 unless it is a fill; `at` is when the broker did it (epoch seconds). A flow is
    money that came (positive `price`) or went (negative); it has no order, symbol or quantity. The price of a "borrow" is
    what a short of its symbol paid for a night."""

    seq: int
    kind: str
    client_order_id: str
    symbol: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    at: int
    detail: str


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What the account is at one moment. `last_seq` is the newest event it includes."""

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    positions: tuple[Position, ...]
    open_orders: tuple[BrokerOrder, ...]
    last_seq: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to one submission: `state` ACCEPTED, REJECTED or UNKNOWN; `error` as in OrderResult; HTTP-like `status`."""

    client_order_id: str
    state: str
    status: int
    error: str
    detail: str


class Broker(Protocol):
    """An account. Every call may raise `errors.BrokerError`; a failed query is never an empty answer."""

    @property
    def account_id(self) -> str: ...

    def advance(self, now: int) -> None:
        """Let a simulating broker fill what can be filled by `now`; a real one does nothing."""
        ...

    def snapshot(self, now: int) -> BrokerSnapshot: ...

    def events(self, after_seq: int) -> Sequence[BrokerEvent]: ...

    def submit(self, order: Order, now: int) -> Reply:
        """Send an order once. A client id that is already known answers with that order, never with a second one."""
        ...

    def cancel(self, client_order_id: str, now: int) -> Reply: ...

    def lookup(self, client_order_id: str) -> BrokerOrder | None: ...


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One record for the journal. (stream, key) is unique for ever; `payload` is what the digest covers; `wall` holds
    wall-clock facts (JSON text) that the digest leaves out."""

    stream: str
    key: str
    epoch: int
    payload: bytes
    wall: str = ""


@dataclass(frozen=True, slots=True)
class StoredEntry:
    seq: int
    entry: LogEntry


class Journal(Protocol):
    """The commit log: the one truth. Exactly one writer."""

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Append all in one durable commit; returns the last seq. Raises `errors.DuplicateEntry` (nothing is written)
        when a (stream, key) exists, `errors.JournalError` when storage fails."""
        ...

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]: ...

    def last(self, stream: str) -> StoredEntry | None: ...

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        """Store a state snapshot (outside the digest; the newest two are kept), durable before return."""
        ...

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds."""
        ...

    def idle(self) -> None:
        """Housekeeping, at a moment when nobody waits: after a tick, before the next."""
        ...

    def close(self) -> None: ...
