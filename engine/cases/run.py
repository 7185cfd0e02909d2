"""A case, run: the real Observer, decide and net, tick after tick.

In: a case, the world under test, and how to open a paper account. Out: a `Played` tick per step. The order of the steps
is the runtime's: hear the broker, observe, decide, net, send.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from qmtl.dsl.cases.model import Answer, Case, Chart, Signal, Step
from qmtl.dsl.program import Program

from ..bars import traded
from ..calendar import SessionCalendar
from ..decide import decide
from ..execution import book as books
from ..execution.account import world_account
from ..execution.send import ALWAYS, cancel_all, submit_all
from ..frame import Frame, build_frame, strategy_label
from ..market import Market, OrderResult
from ..net import Netted, net
from ..observe import Observer
from ..orders import OrderState
from ..ports import Broker, BrokerEvent, BrokerSnapshot, Known, Reply
from ..state import DecideState
from ..tick import Tick
from .feed import CaseFeed
from .given import overlaid, quoted
from .guards import HeldBack, held_back_by
from .start import ACCOUNT, Opening, opening, owned_by, remembered
from .timeline import Stretch, stretches

#: opens a paper account over a feed that starts from a snapshot
OpenAccount = Callable[[CaseFeed, BrokerSnapshot], Broker]
_OUTCOMES = {"none": OrderState.ACCEPTED, "business": OrderState.REJECTED, "auth": OrderState.REJECTED}


@dataclass(frozen=True, slots=True, eq=False)
class WorldUnderTest:
    """A compiled world in both forms: with its own regime, and with the regime as an input."""

    computed: Frame
    given: Frame
    calendar: SessionCalendar

    @classmethod
    def of(cls, computed: Program, given: Program, calendar: SessionCalendar) -> WorldUnderTest:
        """Frames of ticks a minute apart."""
        return cls(build_frame(computed), build_frame(given), calendar)


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """One tick of a case: what was decided, what leaves, and which entry guards held something back."""

    step: Step
    tick: Tick
    netted: Netted
    guards: tuple[HeldBack, ...] = ()


@dataclass(slots=True)
class _World:
    """The world between two ticks of a case."""

    frame: Frame
    observer: Observer
    signals: Sequence[Signal] = ()
    charts: Sequence[Chart] = ()

    def observe(self, step: Step, stretch: Stretch) -> Market:
        """The market after a stretch, as the case wants it seen."""
        waiting = list(stretch.macros)
        for row, regime in zip(stretch.rows, stretch.regime, strict=True):
            while waiting and waiting[0].known_at <= row.known_at:
                self.observer.feed_macro(waiting.pop(0))
            np.copyto(self.observer.memory.graph.given, regime)
            self.observer.feed(traded(row))
        for macro in waiting:
            self.observer.feed_macro(macro)
        self.signals = self.signals if step.signals is None else step.signals
        self.charts = self.charts if step.chart is None else step.chart
        market = self.observer.market(step.at, decision=step.decision)
        return quoted(overlaid(market, self.frame, self.signals, self.charts), self.frame, step)


@dataclass(slots=True)
class _Orders:
    """Our orders between two ticks, and the broker once there is one."""

    book: books.Book
    snapshot: BrokerSnapshot
    broker: Broker | None = None
    replies: tuple[Reply, ...] = ()

    def hear(self, now: int, interval: int) -> books.Changes:
        """What happened since the last tick."""
        events: tuple[BrokerEvent, ...] = ()
        if self.broker is not None:
            self.broker.advance(now)
            told = self.broker.hear(Known(self.book.last_seq), now)
            events, self.snapshot = told.events, told.snapshot
        self.book, changes = books.apply(self.book, self.replies, events, interval)
        return changes

    def send(self, netted: Netted, now: int) -> None:
        """Cancels and orders of a tick."""
        assert self.broker is not None
        self.book = books.add(self.book, netted.orders)
        new = {order.client_order_id for order in netted.orders}
        cancel_all(self.broker, (cancel.client_order_id for cancel in netted.cancels), now)
        fresh = (t for t in self.book.orders if t.order.client_order_id in new)
        self.replies = submit_all(self.broker, fresh, now, ALWAYS)


def play(case: Case, under_test: WorldUnderTest, open_account: OpenAccount) -> tuple[Played, ...]:
    """Every tick of a case. Raises `CaseError` for a case that the calendar does not allow."""
    given = any(step.regime is not None for step in case.steps)
    frame = under_test.given if given else under_test.computed
    parts = stretches(case, frame.names.symbols, under_test.calendar)
    world = _World(frame, Observer(frame.program, under_test.calendar, 0))
    market = world.observe(case.steps[0], parts[0])
    begin = opening(case, frame, market.mark)
    orders = _Orders(begin.book, begin.snapshot)
    state = _starting(case, frame, begin, market)
    played: list[Played] = []
    for number, (step, part) in enumerate(zip(case.steps, parts, strict=True)):
        changes = orders.hear(step.at, frame.interval)
        if number:
            market = world.observe(step, part)
        state, latest = _tick(step, frame, (state, market), (orders, changes))
        played.append(replace(latest, guards=held_back_by(latest.tick, world.observer.memory.graph)))
        if number + 1 < len(case.steps):
            if orders.broker is None:
                rows = [row for stretch in parts for row in stretch.rows]
                orders.broker = open_account(CaseFeed(frame.names.symbols, rows, under_test.calendar), begin.snapshot)
                submit_all(orders.broker, begin.book.orders, step.at, ALWAYS)
            orders.send(latest.netted, step.at)
    return tuple(played)


def _starting(case: Case, frame: Frame, begin: Opening, market: Market) -> DecideState:
    """The state before the first tick. A position without an owner belongs to the strategy that this tick selects, so the
    tick is decided once to find out which that is."""
    session = market.session
    if all(held.owner or held.external for held in case.positions):
        return remembered(case, frame, begin, session)
    state = remembered(case, frame, begin, session)
    _, latest = _tick(
        case.steps[0], frame, (state, market), (_Orders(begin.book, begin.snapshot), books.Changes((), ()))
    )
    selected = latest.tick.select.selected
    owners = [
        strategy_label(frame, int(selected[frame.index[held.symbol]])) or _first_allowed(frame, held.symbol)
        for held in case.positions
    ]
    return remembered(owned_by(case, owners), frame, begin, session)


def _first_allowed(frame: Frame, symbol: str) -> str:
    allowed = np.flatnonzero(frame.allowed[:, frame.index[symbol]])
    return frame.names.strategies[int(allowed[0]) if len(allowed) else 0]


def _tick(
    step: Step, frame: Frame, seen: tuple[DecideState, Market], heard: tuple[_Orders, books.Changes]
) -> tuple[DecideState, Played]:
    state, market = seen
    orders, changes = heard
    snapshot = _shown(step, orders.snapshot)
    flows = changes.flows + Decimal(repr(step.readings.flows))
    changes = replace(changes, results=(*changes.results, *_answers(step.readings.answers)), flows=flows)
    account = world_account(frame.index, snapshot, orders.book, changes)
    _, tick = decide(frame, state, market, account, step.at)
    netted = net([tick], account, ACCOUNT)
    return tick.after, Played(step, tick, netted)  # with the orders of the day counted


def _shown(step: Step, snapshot: BrokerSnapshot) -> BrokerSnapshot | None:
    """What the account shows: the truth, unless the case says otherwise."""
    readings = step.readings
    if not readings.readable:
        return None
    marks = {mark.symbol: (Decimal(repr(mark.price)), step.at - mark.age) for mark in readings.marks}
    if marks:
        positions = (
            replace(p, mark=marks[p.symbol][0], marked_at=marks[p.symbol][1]) if p.symbol in marks else p
            for p in snapshot.positions
        )
        snapshot = replace(snapshot, positions=tuple(positions))
    if readings.equity is not None:
        snapshot = replace(snapshot, equity=Decimal(repr(readings.equity)))
    if readings.buying_power is not None:
        snapshot = replace(snapshot, buying_power=Decimal(repr(readings.buying_power)))
    return snapshot


def _answers(answers: Sequence[Answer]) -> list[OrderResult]:
    return [
        OrderResult(
            f"case-{number}-{answer.symbol}-{i}",
            answer.symbol,
            str(_OUTCOMES.get(answer.error, OrderState.UNKNOWN)),
            "" if answer.error == "none" else answer.error,
            "",
            answer.leg,
        )
        for number, answer in enumerate(answers)
        for i in range(answer.count)
    ]
