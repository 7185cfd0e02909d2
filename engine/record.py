"""What the journal holds, format version 1: one function per kind of entry, writing and reading it again.

    stream          key                   payload
    program         world@epoch           the compiled program, canonical JSON
    feed            epoch                 the feed's symbols and source, JSON
    withdrawn       epoch                 what the text took away while it ran, JSON (`withdrawal.py`)
    bars            start                 codec record: header {start, end, known_at}, columns values, present
    macro           series@day            JSON
    tick:<world>    grid time             codec record: `TickHeader`, every stage's columns, `state.*` columns
    intent          client_order_id       the order, JSON, before it is sent (dry_intent in a dry run: never sent)
    reply           epoch                 the broker's answers to the orders of the tick at epoch, JSON; `epoch+n`
                                          holds those found out by looking up after others had been stored
    command         name of the command   what a person asked for while it ran, JSON
    resume          world@epoch           who lifted a kill, and why, JSON; world@epoch#symbol: the pause of one symbol
    event           last seq              broker events heard by one tick, JSON
    account         epoch                 which account at which broker this is, JSON
    ledger          symbol@grid time      our quantity changed without a fill: a split, or closed by somebody else, JSON

`program`, `feed`, `account` and `withdrawn` may change again after the same tick: the key is then `...+1`, `...+2`, and the last entry
counts.

Wall-clock facts stand in the entry's `wall` field, which no digest covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qmtl.dsl.program import Program

from . import wire
from .bars import BarRow, MacroRow
from .errors import StateError
from .execution.book import Book, Correction
from .journal import codec
from .net import Denied, Netted
from .orders import Order
from .ports import BrokerEvent, BrokerSnapshot, Command, JournalView, LogEntry, Reply
from .state import DecideState, completed
from .storedbook import StoredBook
from .tick import RECORDS, Gate, Tick, columns

Column = NDArray[Any]

STATE = "state."


@dataclass(frozen=True, slots=True)
class Money:
    """The account's sums, in its currency."""

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    last_seq: int


@dataclass(frozen=True, slots=True)
class TickHeader:
    """The inputs of a tick that are not columns, and what came out beside columns. Fills and results stand in the
    streams `event` and `reply`, positions in the columns `account.*`.

    `account` is None when the broker could not be read; `exact` holds the quantities that a float cannot; `book` is as
    of after the decision; `bar` is the start of the newest bar that the decision knew (R23). `blocked`, `halt` and `flatten`
    are those of `market.Account`."""

    now: int
    number: int
    world: str
    program_id: str
    decision: bool
    mode: str
    source: str
    account: Money | None
    exact: tuple[tuple[str, Decimal], ...]
    book: StoredBook
    orders: tuple[str, ...]
    cancels: tuple[str, ...]
    denied: tuple[Denied, ...]
    bar: int = 0
    blocked: int = 0
    halt: int = 0
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class FeedIdentity:
    """What bars come from, from an epoch on: their columns, the feed's label, seconds between ticks."""

    symbols: tuple[str, ...]
    source: str
    interval: int


_LOADED = (
    "owner",
    "generation",
    "side",
    "side_opened_at",
    "last_side",
    "last_opened_at",
    "stop_distance",
    "take_distance",
    "mark_scale",
    "gap_at",
    "settling",
    "average",
)
_ORDERED = (
    "pending",
    "pending_strategy",
    "entry_strategy",
    "entry_stop",
    "entry_take",
    "entry_stop_level",
    "entry_take_level",
)
_GATED = tuple(f.name for f in fields(Gate) if f.name in {g.name for g in fields(DecideState)})

#: columns of `Market` that are journaled as "market.*". Features, chart-fit inputs, sizes and exits of strategies that do
#: not trade are left out (what trades stands in `signals.target` and `state.entry_*`): the journaled bars and program give
#: them again to the bit, and they would be half of every record.
MARKET = (
    "mark",
    "behind_15m",
    "behind_60m",
    "p",
    "p_reason",
    "confidence",
    "when",
    "stay",
    "signal",
    "signal_known",
    "signal_reason",
    "guards",
)


#: stage columns that are stored once, under another name: most of what a stage hands on is the next state
SAME = {
    "load.mark": "market.mark",
    "load.external": "account.external",
    "load.believed": "state.mark",
    "freshness.stale_at": "state.stale_at",
    "chain.chain": "state.chain",
    "regime.missing": "state.regime_missing",
    "select.selected": "state.selected",
    "select.switched_at": "state.switched_at",
    "target.latch": "state.latch",
    "target.stop_level": "state.stop_level",
    "target.take_level": "state.take_level",
    "target.stopping": "state.stopping",
    "risk.reject_until": "state.reject_until",
    "risk.exit_rejects": "state.exit_rejects",
    **{f"load.{name}": f"state.{name}" for name in _LOADED},
    **{f"orders.{name}": f"state.{name}" for name in _ORDERED},
    **{f"gate.{name}": f"state.{name}" for name in _GATED},
}

#: stage columns of bools [S] and of reason codes [S], in the order of `tick.columns`: a matrix each, `flags` and `reasons`
FLAGS = (
    "load.held",
    "freshness.active",
    "regime.known",
    "regime.neutral",
    "chain.certain",
    "allowlist.disabled",
    "allowlist.enabled",
    "signals.owner_known",
    "select.exit_only",
    "target.may_enter",
    "target.protective",
    "policy.protective",
    "orders.closing",
    "risk.alert",
)
REASONS = tuple(f"{name}.reason" for name in RECORDS if name != "gate")

#: columns of `Account` that are journaled as "account.*"
ACCOUNT = ("qty", "average_price", "external")

#: columns that most ticks do not have: quotes, a second regime, splits, the broker's own prices, what it does not allow
OPTIONAL = {
    "market": ("quote", "quoted_at", "shadow"),
    "account": ("split", "broker_mark", "marked_at", "barred", "unborrowed", "own", "own_average"),
}


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """Which account the journal is of: the kind of broker, and the broker's own name of the account."""

    broker: str
    account: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Who lifted a world's kill, or the pause of one symbol, and why."""

    world: str
    who: str
    why: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class StoredMacro:
    """A MacroRow as JSON."""

    series: str
    day: str
    known_at: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one account-wide tick came to, beside the ticks of its worlds: input and output of every header."""

    number: int
    mode: str
    source: str
    money: Money | None
    book: StoredBook
    netted: Netted

    @classmethod
    def of(
        cls, number: int, mode: str, source: str, snapshot: BrokerSnapshot | None, book: Book, netted: Netted
    ) -> Outcome:
        """From the broker's answer and the book after the decision."""
        money = None
        if snapshot is not None:
            money = Money(snapshot.equity, snapshot.cash, snapshot.buying_power, snapshot.last_seq)
        return cls(number, mode, source, money, StoredBook.of(book), netted)


def header_of(tick: Tick, outcome: Outcome) -> TickHeader:
    """The header of one world's tick."""
    program = tick.frame.program
    return TickHeader(
        now=tick.now,
        number=outcome.number,
        world=program.settings.world,
        program_id=program.program_id,
        decision=tick.market.decision,
        mode=outcome.mode,
        source=outcome.source,
        account=outcome.money,
        exact=_inexact(tick),
        book=outcome.book,
        orders=tuple(order.client_order_id for order in outcome.netted.orders),
        cancels=tuple(cancel.client_order_id for cancel in outcome.netted.cancels),
        denied=outcome.netted.denied,
        bar=tick.market.bar_start,
        blocked=tick.account.blocked,
        halt=tick.account.halt,
        flatten=tick.account.flatten,
    )


def _inexact(tick: Tick) -> tuple[tuple[str, Decimal], ...]:
    """Held quantities that the float column does not give back."""
    held = np.flatnonzero(tick.account.qty).tolist()
    symbols, exact = tick.frame.names.symbols, tick.account.exact
    # whole numbers compare at once; others by the shortest text of the float
    return tuple(
        (symbols[i], exact[i])
        for i in held
        if exact[i] != float(exact[i]) and Decimal(repr(float(exact[i]))) != exact[i]
    )


def _sorted_columns(tick: Tick) -> tuple[list[Column], list[Column], dict[str, Column]]:
    """A tick's own columns: bools and reason codes, which are stored as one matrix each, and the rest by name."""
    flags, reasons, others = [], [], {}
    for name, column in columns(tick):
        if name in FLAGS:
            flags.append(column)
        elif name in REASONS:
            reasons.append(column)
        elif name not in SAME or (name == "load.mark" and column is not tick.market.mark):
            others[name] = column
    return flags, reasons, others


def tick_columns(tick: Tick) -> dict[str, Column]:
    """Everything of a tick that is an array: inputs, every stage's columns, the next state. `SAME` are left out."""
    held = {f"market.{name}": getattr(tick.market, name) for name in MARKET}
    held |= {f"account.{name}": getattr(tick.account, name) for name in ACCOUNT}
    for kind, names in OPTIONAL.items():
        rows = ((name, getattr(getattr(tick, kind), name)) for name in names)
        held |= {f"{kind}.{name}": row for name, row in rows if row is not None}
    flags, reasons, others = _sorted_columns(tick)
    held |= others
    held["flags"], held["reasons"] = np.array(flags), np.array(reasons)
    held |= {f"{STATE}{field.name}": getattr(tick.after, field.name) for field in fields(tick.after)}
    return held


def tick_stream(world: str) -> str:
    """The stream of one world's ticks."""
    return f"tick:{world}"


def tick_entry(tick: Tick, outcome: Outcome, base: codec.Record | None) -> tuple[LogEntry, codec.Record]:
    """The entry of a tick, and the record to encode later ticks against: itself if it stands alone, else `base`."""
    held = tick_columns(tick)
    payload = codec.encode(header_of(tick, outcome), held, base)
    entry = LogEntry(tick_stream(tick.frame.program.settings.world), str(tick.now), tick.now, payload)
    return entry, base or codec.Record(tick.now, None, held)


def bar_entry(row: BarRow, now: int) -> LogEntry:
    """A row of closed bars."""
    header = {"start": row.start, "end": row.end, "known_at": row.known_at}
    return LogEntry("bars", str(row.start), now, codec.encode(header, {"values": row.values, "present": row.present}))


def macro_entry(row: MacroRow, now: int) -> LogEntry:
    """A daily value set."""
    stored = StoredMacro(row.series, row.day, row.known_at, tuple(row.values.tolist()))
    return _json("macro", f"{row.series}@{row.day}", now, stored)


def feed_entry(journal: JournalView, feed: FeedIdentity, epoch: int) -> LogEntry:
    """The columns that bars have from here on."""
    return _json("feed", unused_key(journal, "feed", str(epoch)), epoch, feed)


def account_entry(journal: JournalView, account: AccountIdentity, epoch: int) -> LogEntry:
    """The account that is traded from here on."""
    return _json("account", unused_key(journal, "account", str(epoch)), epoch, account)


def command_entry(command: Command, now: int) -> LogEntry:
    """What a person asked for, as of the tick that carries it out."""
    return _json("command", command.name, now, command)


def resume_entry(world: str, epoch: int, who: str, why: str, *, symbol: str = "") -> LogEntry:
    """Somebody lifted the kill of a world, or the pause of one of its symbols, after the tick at `epoch`."""
    key = f"{world}@{epoch}#{symbol}" if symbol else f"{world}@{epoch}"
    return _json("resume", key, epoch, Resumed(world, who, why, symbol))


def ledger_entry(correction: Correction, now: int) -> LogEntry:
    """Our quantity of a symbol changed without a fill."""
    return _json("ledger", f"{correction.symbol}@{now}", now, correction)


def program_entry(journal: JournalView, world: str, payload: bytes, epoch: int) -> LogEntry:
    """The program a world runs from here on; after one tick there may be many."""
    return LogEntry("program", unused_key(journal, "program", f"{world}@{epoch}"), epoch, payload)


def intent_entry(order: Order, *, dry: bool) -> LogEntry:
    """An order before it is sent; in a dry run it never is."""
    return _json("dry_intent" if dry else "intent", order.client_order_id, order.epoch, order)


def reply_entry(journal: JournalView, replies: Sequence[Reply], epoch: int) -> LogEntry:
    """The broker's answers to the orders of the tick at `epoch`, beside those of that tick that are stored already: a run that is
    stopped or killed again and again hears of them more than once."""
    return _json("reply", unused_key(journal, "reply", str(epoch)), epoch, tuple(replies))


def unused_key(journal: JournalView, stream: str, key: str) -> str:
    """The key, or the key with the first number that no entry has: contents come back (an edit and its undoing), keys never."""
    found, number = key, 0
    while journal.find(stream, found) is not None:
        number += 1
        found = f"{key}+{number}"
    return found


def event_entry(events: Sequence[BrokerEvent], now: int) -> LogEntry:
    """Broker events heard at `now`, in order."""
    return _json("event", str(events[-1].seq), now, tuple(events))


@dataclass(frozen=True, slots=True)
class LastTick:
    """The newest tick of a world: its header, the state after it, and the record that later ones are encoded against."""

    header: TickHeader
    state: DecideState
    base: codec.Record


def last_tick(journal: JournalView, world: str) -> LastTick | None:
    """The newest tick of a world, None when there is none; JournalError or StateError when it cannot be read."""
    record = codec.last_record(journal, tick_stream(world))
    if record is None:
        return None
    header = wire.typed(TickHeader, record.header)
    held = {name.removeprefix(STATE): column for name, column in record.columns.items() if name.startswith(STATE)}
    return LastTick(
        header, completed(held), record if record.base == codec.NO_BASE else _standing(journal, world, record.base)
    )


def _standing(journal: JournalView, world: str, epoch: int) -> codec.Record:
    """The record of a world at an epoch, which stands alone."""
    stored = next(journal.read(tick_stream(world), epoch - 1))
    return codec.decode(stored.entry.epoch, stored.entry.payload)


def stored_columns(record: codec.Record) -> dict[str, Column]:
    """All columns of a stored tick under the names of their stages."""
    held = dict(record.columns)
    for names, matrix in ((FLAGS, held.pop("flags")), (REASONS, held.pop("reasons"))):
        held |= dict(zip(names, matrix, strict=True))
    same = {name: record.columns[other] for name, other in SAME.items() if other in record.columns}
    return {**same, **held}


def read_rows(journal: JournalView, after: int) -> Iterator[BarRow]:
    """Bars journaled by ticks after an epoch, in order."""
    for stored in journal.read("bars", after):
        record = codec.decode(stored.entry.epoch, stored.entry.payload)
        head = record.header
        yield BarRow(head["start"], head["end"], head["known_at"], record.columns["values"], record.columns["present"])


def read_macros(journal: JournalView, after: int) -> Iterator[MacroRow]:
    """Macro rows journaled by ticks after an epoch, in order."""
    for stored in journal.read("macro", after):
        row = wire.loads(StoredMacro, stored.entry.payload)
        yield MacroRow(row.series, row.day, row.known_at, np.array(row.values))


def read_replies(journal: JournalView, epoch: int) -> tuple[Reply, ...]:
    """Answers to orders of the tick at `epoch` that were stored when the run stopped."""
    stored = (s.entry for s in journal.read("reply", epoch - 1) if s.entry.epoch == epoch)
    return tuple(reply for entry in stored for reply in wire.loads_all(Reply, entry.payload))


def last_programs(journal: JournalView, decode: Callable[[bytes], Program]) -> dict[str, Program]:
    """World -> the program that it ran last, or was about to run: it may not have ticked yet."""
    newest = {s.entry.key.rpartition("@")[0]: s.entry.payload for s in journal.read("program")}
    return {world: decode(payload) for world, payload in newest.items()}


def worlds_of(journal: JournalView) -> tuple[str, ...]:
    """Names of all worlds that the journal is or was of."""
    return tuple(dict.fromkeys(s.entry.key.rpartition("@")[0] for s in journal.read("program")))


def ticked_program(journal: JournalView, last: TickHeader, decode: Callable[[bytes], Program]) -> Program:
    """The program whose columns a world's tick has: after an edit that has not ticked it is not the last one. StateError when the
    journal lacks it."""
    stored = [s.entry.payload for s in journal.read("program") if s.entry.key.rpartition("@")[0] == last.world]
    for program in map(decode, reversed(stored)):
        if program.program_id == last.program_id:
            return program
    raise StateError(f"the journal has no program {last.program_id} of world {last.world}", "restore it from a backup")


def last_feed(journal: JournalView) -> FeedIdentity | None:
    """What the newest bars come from."""
    stored = journal.last("feed")
    return wire.loads(FeedIdentity, stored.entry.payload) if stored else None


def last_account(journal: JournalView) -> AccountIdentity | None:
    """The account that the journal is of; None for a journal that never said so."""
    stored = journal.last("account")
    return wire.loads(AccountIdentity, stored.entry.payload) if stored else None


def read_commands(journal: JournalView) -> Iterator[Command]:
    """Everything that people asked for while it ran, oldest first."""
    return (wire.loads(Command, s.entry.payload) for s in journal.read("command"))


def resumed_since(journal: JournalView, epoch: int) -> frozenset[str]:
    """Worlds whose kill was lifted at or after the tick at `epoch`."""
    return frozenset(resumed.world for resumed in _resumed(journal, epoch) if not resumed.symbol)


def released_since(journal: JournalView, epoch: int) -> frozenset[tuple[str, str]]:
    """(world, symbol) of which the pause was lifted at or after the tick at `epoch`."""
    return frozenset((resumed.world, resumed.symbol) for resumed in _resumed(journal, epoch) if resumed.symbol)


def _resumed(journal: JournalView, epoch: int) -> Iterator[Resumed]:
    return (wire.loads(Resumed, s.entry.payload) for s in journal.read("resume", epoch - 1))


def _json(stream: str, key: str, epoch: int, value: object) -> LogEntry:
    return LogEntry(stream, key, epoch, wire.dump(value))
