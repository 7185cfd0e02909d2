"""The thin runtime: one tick after another, each observe -> decide -> net -> commit -> send.

In: edges (feed, macro, broker, journal), running worlds, and where the journal stands. Out: a `TickReport` per tick for
whoever watches. Nothing is decided here; the order of the steps is the whole content:

1. hear      commands of people; the broker's orders and positions, answers that were lost; splits and what others closed
2. observe   bars and macro values that became known, and the newest quotes
3. decide    every world on its own account, then `net` for the account
4. commit    inputs, columns, reasons and orders in one durable commit
5. send      what was committed, never anything else
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .bars import BarRow, MacroRow, traded
from .columns import Slice
from .decide import decide
from .errors import SilentFeedError
from .execution import book as books
from .execution.account import profits, shares_of, world_account
from .execution.conditions import Conditions, conditions_of
from .execution.phases import check_moves
from .execution.reconcile import Reconciled, Rules, certain, finish, reconcile
from .execution.send import ALWAYS, NEVER, Permit, cancel_all, still_true, submit_all
from .execution.splits import Seen, corrections
from .execution.troubles import Moment, Trouble, patience, troubles_of
from .frame import Frame
from .journal.codec import Record
from .killswitch import resume
from .lastprices import LastPrices
from .market import Market
from .net import Netted, net
from .observe import Observer
from .orders import Order
from .ports import (
    BarFeed,
    Broker,
    BrokerSnapshot,
    Command,
    Commands,
    Journal,
    LogEntry,
    MacroFeed,
    QuoteFeed,
    Reply,
)
from .prices import judged, lifted, rescaled
from .reasons import Reason
from .record import (
    Outcome,
    bar_entry,
    command_entry,
    event_entry,
    intent_entry,
    ledger_entry,
    macro_entry,
    reply_entry,
    tick_entry,
)
from .snapshot import Saved, SavedWorld, save
from .state import DecideState
from .tick import Tick


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside, behind Protocols. `quotes` None: nobody knows prices between two bars, and no order is refused by
    one. `commands` None: nobody can say anything while it runs."""

    feed: BarFeed
    macro: MacroFeed
    broker: Broker
    journal: Journal
    quotes: QuoteFeed | None = None
    commands: Commands | None = None


@dataclass(slots=True)
class RunningWorld:
    """One world between two ticks; replaced as a whole when its text changes. `payload` is its program as JSON, `base`
    the newest tick record that later ones are encoded against."""

    frame: Frame
    observer: Observer
    columns: Slice
    state: DecideState
    payload: bytes
    base: Record | None = None

    @property
    def name(self) -> str:
        """The world's name."""
        return self.frame.program.settings.world


@dataclass(frozen=True, slots=True)
class RunSettings:
    """`interval` seconds between grid times; `dry` decides and journals but sends nothing; `snapshot_every` in decision
    ticks. `deadline`: seconds after the beginning of a tick from which on it sends nothing more. `max_skew`: seconds that our
    clock may be off the broker's. `look_again`: seconds after which prices are read once more before an entry leaves."""

    account: str
    mode: str
    interval: int = 60
    snapshot_every: int = 26
    deadline: float = math.inf
    max_skew: float = math.inf
    look_again: float = 5.0

    @property
    def dry(self) -> bool:
        """True when no order may leave."""
        return self.mode == "dry"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the run stands: the last tick and its number, the book after it, replies not yet applied (`journaled` =
    already stored), whether it left orders at the broker. `remarks`: what a person has to hear of the start. `cancels`: ids
    of orders whose cancel the last tick of an earlier run decided, which may not have been asked for."""

    last: int
    number: int = 0
    book: books.Book = books.EMPTY
    replies: tuple[Reply, ...] = ()
    journaled: bool = False
    sent: bool = False
    decisions: int = 0
    remarks: tuple[str, ...] = ()
    cancels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TickReport:
    """One finished tick for displays and projections. `seconds` is wall-clock time."""

    now: int
    number: int
    decision: bool
    ticks: tuple[Tick, ...]
    netted: Netted
    changes: books.Changes
    replies: tuple[Reply, ...]
    snapshot: BrokerSnapshot | None
    source: str
    mode: str
    seconds: float
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Heard:
    """What a tick heard: the account after reconciliation, the book after splits and what others closed, what may not be done,
    and what people said."""

    told: Reconciled
    book: books.Book
    corrected: tuple[books.Correction, ...]
    conditions: Conditions
    commands: tuple[Command, ...]


class Runtime:
    """Steps worlds on one account. Use: `tick(now)` for rising grid times, then `stop()`."""

    def __init__(
        self,
        edges: Edges,
        worlds: Sequence[RunningWorld],
        settings: RunSettings,
        progress: Progress,
        permit: Permit = ALWAYS,
    ) -> None:
        """`permit` is asked before each order leaves."""
        self.edges = edges
        self.worlds = list(worlds)
        self.settings = settings
        self.progress = progress
        self._prices = LastPrices(edges.feed.symbols, settings.interval, settings.look_again)
        own = Permit((*permit.checks, self._late, self._closed_to, self._off_price))
        self._rules = Rules(
            settings.interval,
            NEVER if settings.dry else own,
            self._knows,
            look=not settings.dry,
            max_skew=settings.max_skew,
            in_time=self._in_time,
        )
        self._began, self._now = time.monotonic(), progress.last

    def tick(self, now: int) -> TickReport:
        """Run one tick to its end. Raises JournalError (nothing was sent) or DataError; broker failures are no errors
        here but unread positions and UNKNOWN orders."""
        self._began, self._now = time.monotonic(), now
        heard = self._hear(now)
        rows, macros, silent = self._observe(now)
        ticks = self._decide(now, heard, decision=bool(rows))
        netted = net(ticks, ticks[0].account, self.settings.account)
        for world, tick in zip(self.worlds, ticks, strict=True):
            world.state = tick.after  # with the orders of the day counted
        told, after = heard.told, heard.book
        if not self.settings.dry:
            check_moves(heard.book, netted.orders)
            after = books.add(heard.book, netted.orders, told.snapshot.positions if told.snapshot else ())
        fresh = told.replies if self.progress.journaled else (*self.progress.replies, *told.replies)
        source = self.edges.feed.source
        number = self.progress.number + 1
        outcome = Outcome.of(number, self.settings.mode, source, told.snapshot, after, netted)
        entries = [
            *(command_entry(command, now) for command in heard.commands),
            *([reply_entry(self.edges.journal, fresh, self.progress.last)] if fresh else ()),
            *([event_entry(told.events, now)] if told.events else ()),
            *(ledger_entry(correction, now) for correction in heard.corrected),
            *(macro_entry(row, now) for row in macros),
            *(bar_entry(row, now) for row in rows),
            *(self._record(world, tick, outcome) for world, tick in zip(self.worlds, ticks, strict=True)),
            *(intent_entry(order, dry=self.settings.dry) for order in netted.orders),
        ]
        self.edges.journal.append(entries)
        if heard.commands and self.edges.commands is not None:
            self.edges.commands.done(heard.commands)
        sent = self._send(netted, after, now)
        self._advance(now, after, sent, netted, decision=bool(rows))
        return TickReport(
            now, number, bool(rows), tuple(ticks), netted, told.changes, sent, told.snapshot, source, self.settings.mode,
            time.monotonic() - self._began, self._troubles(heard, silent, now),
        )  # fmt: skip

    def _troubles(self, heard: Heard, silent: str, now: int) -> tuple[Trouble, ...]:
        unreadable = self.edges.commands.unreadable() if self.edges.commands is not None else ()
        ages = (world.frame.program.settings.orders.cancel_after for world in self.worlds)
        at = Moment(now, self.settings.interval, patience(ages))
        return troubles_of(heard.told, heard.corrected, silent, unreadable, at)

    def complete(self, now: int) -> None:
        """Finish the last tick of an earlier run: its cancels are asked for, and orders that were journaled and whose answers are not
        known are looked up and, if the broker never saw them and nothing has changed, sent. `now` is that tick's own time in a
        replay (nothing has happened since), the present on a wall clock. Call once, before the first `tick`."""
        if self.settings.dry:
            return
        self._began, self._now = time.monotonic(), now
        # asked once more than needed a cancel does no harm, and asked once too few the order works a tick longer
        cancel_all(self.edges.broker, self.progress.cancels, now)
        settled = finish(self.edges.broker, self.progress.book, certain(self.progress.replies), now, self._rules)
        self.progress = replace(self.progress, book=settled.book)
        if settled.replies:
            self.edges.journal.append([reply_entry(self.edges.journal, settled.replies, self.progress.last)])
            replies = self.progress.replies + settled.replies
            self.progress = replace(self.progress, replies=replies, journaled=True)

    def stop(self) -> None:
        """Store what the next start needs: answers not yet journaled, and a snapshot of the state."""
        if self.progress.replies and not self.progress.journaled:
            self.edges.journal.append([reply_entry(self.edges.journal, self.progress.replies, self.progress.last)])
            self.progress = replace(self.progress, journaled=True)
        self.save()

    def save(self) -> None:
        """Store a snapshot of all observers as of the last tick."""
        states = tuple(SavedWorld(world.name, world.payload, world.observer.snapshot()) for world in self.worlds)
        saved = Saved(self.progress.last, self.edges.feed.symbols, states)
        self.edges.journal.save_snapshot(saved.epoch, save(saved))

    def _late(self, _order: Order) -> str:
        """Ticks never overlap: what is left when its time is over waits for the next one (R36)."""
        return "the tick ran out of time" if time.monotonic() - self._began > self.settings.deadline else ""

    def _in_time(self) -> bool:
        """Questions about single orders take at most half of a tick's time (R36)."""
        return time.monotonic() - self._began <= self.settings.deadline / 2

    def _closed_to(self, order: Order) -> str:
        """A kill counts from the moment it is said: entries stop within the tick that is being sent, and what was not sent by then
        is not sent later (R07), nor is what a text that was edited since would not ask for; exits go (R42)."""
        if order.leg != "open":
            return ""
        if self.edges.commands is not None and self.edges.commands.killing():
            return "somebody said `qmtl kill`"
        worlds = self._worlds_of(order)
        if any(int(world.state.kill) for world in worlds):
            return "its world is killed"
        return "its world opens nothing there" if any(_passive(world, order.symbol) for world in worlds) else ""

    def _off_price(self, order: Order) -> str:
        """Prices are looked at again where time went by since they were: in a tick of many orders, or before one is sent again (R36).
        A protective exit goes at any price, and by then nobody can tell it from others."""
        if order.leg != "open":
            return ""
        collar = min((w.frame.program.settings.orders.collar for w in self._worlds_of(order)), default=math.inf)
        return self._prices.contradict(self.edges.quotes, order, collar, self._now)

    def _worlds_of(self, order: Order) -> list[RunningWorld]:
        of = {part.world for part in order.attribution}
        return [world for world in self.worlds if world.name in of]

    def _knows(self, client_order_id: str) -> bool:
        return self.edges.journal.find("intent", client_order_id) is not None

    def _hear(self, now: int) -> Heard:
        commands = self._commands()
        told = reconcile(self.edges.broker, self.progress.book, self.progress.replies, now, self._rules)
        corrected: tuple[books.Correction, ...] = ()
        if told.snapshot is not None:
            corrected = corrections(told.snapshot, told.book, told.changes, self._seen)
        asked = _killed_by(commands)
        conditions = conditions_of(told.snapshot, told.others, told.runners, asked, self.settings.max_skew)
        for command in commands:
            self._obey(command, now)
        book = books.settled(told.book, corrected) if corrected else told.book
        return Heard(told, book, corrected, conditions, commands)

    def _commands(self) -> tuple[Command, ...]:
        """What people said since the last tick. One that is in the journal was carried out before a crash."""
        waiting = self.edges.commands.take() if self.edges.commands is not None else ()
        if not waiting:
            return ()
        assert self.edges.commands is not None
        old = tuple(c for c in waiting if self.edges.journal.find("command", c.name) is not None)
        if old:
            self.edges.commands.done(old)
        return tuple(c for c in waiting if c not in old)

    def _obey(self, command: Command, now: int) -> None:
        """Lift a kill or the pause of a symbol; a kill itself is the risk gate's business."""
        if command.kind != "resume":
            return
        for world in self.worlds:
            column = world.frame.index.get(command.symbol)
            if command.world not in ("", world.name):
                continue
            if not command.symbol:
                world.state = resume(world.state, now)
            elif column is not None:
                world.state = lifted(world.state, (column,))

    def _observe(self, now: int) -> tuple[list[BarRow], list[MacroRow], str]:
        """Rows that became known, and what a feed did not answer ("" = all did): a run goes on without it (R37)."""
        silent, rows, macros = "", list[BarRow](), list[MacroRow]()
        try:
            macros = list(self.edges.macro.rows(self.progress.last, now))
            rows = list(self.edges.feed.rows(self.progress.last, now))
        except SilentFeedError as error:
            silent = str(error)
        for world in self.worlds:
            feed_all(world.observer, macros, [world.columns.row(row) for row in rows])
        return rows, macros, silent

    def _decide(self, now: int, heard: Heard, *, decision: bool) -> list[Tick]:
        splits = {c.symbol: c.shares for c in heard.corrected if c.why == "split"}
        markets = self._quoted(now, [world.observer.market(now, decision=decision) for world in self.worlds])
        won = self._won(markets, heard.book, splits, now)
        ticks = []
        for world, market, own in zip(self.worlds, markets, won, strict=True):
            account = world_account(
                world.frame.index,
                heard.told.snapshot,
                heard.book,
                heard.told.changes,
                others=sum(won) - own,
                splits=splits,
                conditions=heard.conditions,
            )
            _, tick = decide(world.frame, world.state, market, account, now)
            ticks.append(tick)
        return ticks

    def _quoted(self, now: int, markets: list[Market]) -> list[Market]:
        """The markets with the newest quotes; a feed of quotes that fails says nothing, it stops nothing."""
        row = self._prices.read(self.edges.quotes, now)
        if row is None:
            return markets
        at = [world.columns.index for world in self.worlds]
        return [replace(m, quote=row.prices[i], quoted_at=row.at[i]) for m, i in zip(markets, at, strict=True)]

    def _won(self, markets: list[Market], book: books.Book, splits: Mapping[str, float], now: int) -> list[float]:
        """Profit and loss of each world, by the prices that decide will believe."""
        if len(self.worlds) == 1:
            return [0.0]
        universes = [world.frame.program.settings.universe for world in self.worlds]
        marks = []
        for world, market in zip(self.worlds, markets, strict=True):
            shares, max_gap = shares_of(world.frame.index, splits), world.frame.program.settings.freshness.max_gap
            before = world.state if shares is None else rescaled(world.state, shares)
            marks.append(judged(before, market.mark, now, max_gap).mark)
        return profits(universes, marks, book)

    def _seen(self, symbol: str) -> Seen | None:
        """A position as the tick before saw it."""
        for world in self.worlds:
            i = world.frame.index.get(symbol)
            if i is not None:
                state = world.state
                return Seen(float(state.qty[i]), float(state.average[i]), float(state.mark[i]))
        return None

    def _record(self, world: RunningWorld, tick: Tick, outcome: Outcome) -> LogEntry:
        """A decision tick stands alone; the follow-ups after it are stored as what they change."""
        base = None if tick.market.decision else world.base
        entry, world.base = tick_entry(tick, outcome, base)
        return entry

    def _send(self, netted: Netted, after: books.Book, now: int) -> tuple[Reply, ...]:
        if self.settings.dry:
            return ()
        new = frozenset(order.client_order_id for order in netted.orders)
        cancel_all(self.edges.broker, (cancel.client_order_id for cancel in netted.cancels), now)
        wanted = tuple(t for t in after.orders if t.order.client_order_id in new)
        true, refused = still_true(self.edges.broker, wanted)
        return (*refused, *submit_all(self.edges.broker, true, now, self._rules.permit))

    def _advance(self, now: int, after: books.Book, sent: tuple[Reply, ...], netted: Netted, *, decision: bool) -> None:
        decisions = self.progress.decisions + decision
        acted = not self.settings.dry and bool(netted.orders or netted.cancels)
        self.progress = Progress(
            now, self.progress.number + 1, after, sent, journaled=False, sent=acted, decisions=decisions
        )
        if decision and decisions % self.settings.snapshot_every == 0:
            self.save()


def _passive(world: RunningWorld, symbol: str) -> bool:
    """Whether a world's text opens nothing at all, or nothing in this symbol."""
    column = world.frame.index.get(symbol)
    return (
        world.frame.program.settings.risk.trading != "active" or column is None or not bool(world.frame.enabled[column])
    )


def _killed_by(commands: Sequence[Command]) -> tuple[int, bool]:
    """(Reason of a kill, whether to flatten) that is left of these commands: a later `resume` of all takes an earlier kill back."""
    lifted = max((c.name for c in commands if c.kind == "resume" and not c.symbol and not c.world), default="")
    kills = [c for c in commands if c.kind == "kill" and c.name > lifted]
    return (int(Reason.KILL_OPERATOR), any(c.flatten for c in kills)) if kills else (0, False)


def feed_all(observer: Observer, macros: Sequence[MacroRow], rows: Sequence[BarRow]) -> None:
    """Feed an observer in the order things became known, macro values first where times are equal. Bars in which nobody
    traded are no bars (R26)."""
    waiting = list(macros)
    for row in rows:
        while waiting and waiting[0].known_at <= row.known_at:
            observer.feed_macro(waiting.pop(0))
        observer.feed(traded(row))
    for macro in waiting:
        observer.feed_macro(macro)
