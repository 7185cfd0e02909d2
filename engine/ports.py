"""The edges: what the runtime needs from the outside, as small Protocols. Only `engine/adapters` and `engine/journal`
implement them; only the command line wires them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

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
    """An order as the broker knows it. `filled` is unsigned and cumulative, `average` what one share of it cost on average;
    `state` is a value of OrderState; `updated_at` is when it last changed (epoch seconds); `detail` says why it was refused.
    `broker_id` is the broker's own name of it, "" where it has none."""

    client_order_id: str
    symbol: str
    side: str
    qty: Decimal
    filled: Decimal
    state: str
    submitted_at: int
    average: Decimal = Decimal(0)
    updated_at: int = 0
    detail: str = ""
    broker_id: str = ""


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
class Asset:
    """What the broker lets be done with a symbol today."""

    symbol: str
    tradable: bool = True
    shortable: bool = True
    easy_to_borrow: bool = True
    fractionable: bool = True


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """What the account is at one moment, `open_orders` of others included. `last_seq` is the newest event it includes; 0
    where the broker numbers none. `blocked` says why the account may not trade now, "" = it may. `skew` is how many seconds
    our clock is ahead of the broker's, NaN = not known. `assets` are those of the universe, () = everything is allowed.
    `shorts` False: the account may not sell short."""

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    positions: tuple[Position, ...]
    open_orders: tuple[BrokerOrder, ...]
    last_seq: int
    blocked: str = ""
    skew: float = math.nan
    assets: tuple[Asset, ...] = ()
    shorts: bool = True


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that moved the account without an order: `kind` "flow" for money paid in (positive `amount`) or taken out.
    `id` rises with time; `at` epoch seconds."""

    id: str
    kind: str
    amount: Decimal
    at: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What we know of an account already, so that only news is asked for: the newest numbered event, the newest activity
    (`cursor`, "" = none yet: what happened before is no news), and client ids of orders that may still change. `since` is a
    moment before the first of these orders was sent, `heard` when the account was read the last time (epoch seconds; 0 = nobody
    asks for the orders of others that ended since)."""

    last_seq: int = 0
    cursor: str = ""
    orders: tuple[str, ...] = ()
    since: int = 0
    heard: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """What a broker says at one moment. A broker that numbers what happens (a log) tells `events`; one that knows only how
    things are tells `orders`, the state of every known order it has, and `activities` after the cursor, oldest first: the
    differ makes events of them. `ended` are client ids, of anybody, of orders that were sent since `Known.heard` and ended already.
    `cursor` is the newest activity. The snapshot is never older than the rest."""

    snapshot: BrokerSnapshot
    events: tuple[BrokerEvent, ...] = ()
    orders: tuple[BrokerOrder, ...] = ()
    activities: tuple[Activity, ...] = ()
    cursor: str = ""
    numbered: bool = False
    ended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer to one submission: `state` ACCEPTED, REJECTED or UNKNOWN; `error` as in OrderResult; HTTP-like `status`.
    UNKNOWN is every answer that does not say for certain what became of the order."""

    client_order_id: str
    state: str
    status: int
    error: str
    detail: str


class Broker(Protocol):
    """An account. Every call may raise `errors.BrokerError`; a failed query is never an empty answer. No call sends anything
    twice by itself."""

    @property
    def account_id(self) -> str: ...

    def advance(self, now: int) -> None:
        """Let a simulating broker fill what can be filled by `now`; a real one does nothing."""
        ...

    def hear(self, known: Known, now: int) -> Told:
        """What happened since `known`, and how the account is now. BrokerError when any part of it cannot be read."""
        ...

    def positions(self) -> tuple[Position, ...]:
        """What is held this very moment: asked again right before sending, so that a decision is never sent on a position
        that has changed. Cheap where nothing can have changed."""
        ...

    def submit(self, order: Order, now: int) -> Reply:
        """Send an order once. A client id that is already known answers with that order, never with a second one."""
        ...

    def cancel(self, client_order_id: str, now: int) -> Reply:
        """Ask for a cancel; whether it worked is told by `hear`."""
        ...

    def lookup(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client id in any state; None only when the broker says that there is none."""
        ...

    def traces(self, prefix: str) -> tuple[str, ...]:
        """Client ids with that prefix which a new journal would have to know: orders that may still fill, and for a broker
        that numbers events every order that did."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks a run to do, `at` a moment (epoch seconds): "kill" (everything that works is cancelled, nothing is
    opened; `flatten`: what is ours is closed) or "resume" (of one `world` or all; with `symbol` not the kill but the pause of
    that symbol). `name` is unique and rises with time."""

    name: str
    kind: Literal["kill", "resume"]
    at: int
    who: str
    why: str
    flatten: bool = False
    world: str = ""
    symbol: str = ""


class Commands(Protocol):
    """Where people leave commands for a run, also while it does not run."""

    def take(self) -> tuple[Command, ...]:
        """Commands that wait, oldest first. They stay until `done`, so that none is lost with a tick that failed."""
        ...

    def done(self, commands: Sequence[Command]) -> None:
        """These were carried out and stand in the journal."""
        ...

    def unreadable(self) -> tuple[str, ...]:
        """What waits and cannot be understood."""
        ...

    def killing(self) -> bool:
        """Whether a kill waits: asked before each order leaves, so it is cheap."""
        ...


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


class JournalView(Protocol):
    """The reading half of a journal, which any process may have."""

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]: ...

    def last(self, stream: str) -> StoredEntry | None: ...

    def find(self, stream: str, key: str) -> StoredEntry | None:
        """The entry of that key, None when there is none."""
        ...

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds."""
        ...


class Journal(JournalView, Protocol):
    """The commit log: the one truth. Exactly one writer."""

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Append all in one durable commit; returns the last seq. Raises `errors.DuplicateEntry` (nothing is written)
        when a (stream, key) exists, `errors.JournalError` when storage fails."""
        ...

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        """Store a state snapshot (outside the digest; the newest two are kept), durable before return."""
        ...

    def idle(self) -> None:
        """Housekeeping, at a moment when nobody waits: after a tick, before the next."""
        ...

    def close(self) -> None: ...
