"""A backtest: the compiled graph stepped over recorded bars, with the paper account's fill model.

In: programs, feeds, the exchange's calendar and a `Plan`. Out: a `Result`. Ticks come from the generator that a replay
uses (decision ticks, and one follow-up after a tick that sent something); every tick is observe, decide, size, fill, with
the functions of a live run, so what is decided here is what would have been decided live. Pure but for the feeds.

1. hear      fills at the opens of bars that started, orders that ended
2. observe   bars and macro values that became known
3. decide    every world on its own account
4. size      quantities within the account's buying power
5. send      to the simulated floor
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qmtl.dsl.program import VOLUME, Program

from ..bars import Floats, Ints, Small
from ..blockobserver import BlockObserver
from ..calendar import SessionCalendar, warmup_start
from ..columns import Slice, columns_of
from ..decide import decide
from ..errors import DataError
from ..frame import Frame, build_frame
from ..market import Market
from ..observe import Observer
from ..orderrules import Ask, limit_price, tidy, time_in_force
from ..paperrules import Tariff, nights
from ..ports import BarFeed, MacroFeed
from ..prices import judged
from ..sizing import Sized, constant, legs_of, rules_at, sized, undenied, venue_at, venue_of, within_funds
from ..state import DecideState, initial
from ..tick import Tick
from ..ticks import ReplayTimes
from .floor import NO_LEGS, Bound, Fills, Floor, Legs
from .lookout import Lookout, Opens, warmed
from .notices import NoticeTape
from .plan import Plan
from .purse import MILLION, Filled, Purse
from .result import FORMAT, Marks, Result, Setup
from .shortcut import Moment, Shortcut
from .switches import SwitchTape
from .tape import OrderTape, Sent, StepTape, WorldTape
from .view import Happened, Readings, Seat

#: told how many decision ticks are done, and of how many
Watch = Callable[[int, int], None]
_YEAR = 365.25 * 86_400
#: sessions of about a year
_MANY = 250


@dataclass(slots=True, eq=False)
class _World:
    """One world between two ticks."""

    frame: Frame
    blocks: BlockObserver
    columns: Slice
    seat: Seat
    state: DecideState
    tape: WorldTape
    switches: SwitchTape


def run(
    programs: Sequence[Program],
    feeds: tuple[BarFeed, MacroFeed],
    calendar: SessionCalendar,
    plan: Plan,
    watch: Watch | None = None,
    *,
    shortcut: bool = True,
) -> Result:
    """Step the programs of one account over the feeds; `shortcut` False takes no shortcut (the result is the same). DataError when the feed has no bar of the days asked for,
    CalendarError when the calendar does not cover them or the warm-up before them."""
    return _Backtest(programs, feeds, calendar, plan, shortcut=shortcut).run(watch or (lambda _done, _total: None))


def decision_times(calendar: SessionCalendar, feed: BarFeed, plan: Plan) -> list[int]:
    """Grid times of the decision ticks, as a replay of the same days has them."""
    first, last = feed.span()
    if not last:
        raise DataError(f"the feed {feed.source} has no bars", "check folder and universe")
    start, end = plan.start or _day(first), plan.end or _day(last)
    known = last + plan.delay + plan.interval
    times = calendar.decision_times(start, end, plan.delay, interval=plan.interval)
    found = [int(t) for t in times if first < t <= known]
    if not found:
        raise DataError(
            f"the feed {feed.source} has no bars from {start} to {end}", f"it has {_day(first)} to {_day(last)}"
        )
    return found


def _day(at: int) -> str:
    return str(np.datetime64(at, "s"))[:10]


def _sessions_a_year(calendar: SessionCalendar, last: str) -> float:
    """On average, from the calendar's first session up to that of the day `last`: how far the calendar reaches beyond depends on
    the day of the run, and must change no number. Where that is less than a year, all of the calendar counts."""
    count = bisect_right(calendar.days, last)
    if count < _MANY:
        count = len(calendar.days)
    span = (calendar.opens[count - 1] - calendar.opens[0]) / _YEAR
    return float((count - 1) / span) if span else 252.0


class _Backtest:
    """The account, its worlds and what was written down, between two ticks."""

    def __init__(
        self,
        programs: Sequence[Program],
        feeds: tuple[BarFeed, MacroFeed],
        calendar: SessionCalendar,
        plan: Plan,
        *,
        shortcut: bool,
    ) -> None:
        self.feed, self.macro = feeds
        self.calendar, self.plan = calendar, plan
        self.decisions = decision_times(calendar, self.feed, plan)
        self.last = self.decisions[0] - plan.interval
        policy, costs = programs[0].settings.exchange, plan.costs
        tariff = Tariff.of(costs.fee, costs.slippage, costs.borrow, costs.borrow_of)
        self.atom = venue_of(policy).atom
        self.floor = Floor(
            Purse(len(self.feed.symbols), self.atom, tariff, plan.cash), policy, tariff, self.feed.symbols
        )
        #: some orders may be limit orders
        self.limits = "limit" in (policy.order_type, policy.exit_order_type)
        self.worlds = [self._world(program) for program in programs]
        observed = [(world.blocks, world.columns, world.frame) for world in self.worlds]
        self.open_prices = Opens(self.feed, self.decisions)
        self.lookout = Lookout(feeds, calendar, observed, self.decisions, self.last)
        self.marks: Floats = np.zeros(len(self.feed.symbols))
        self.steps, self.orders, self.notices = StepTape(), OrderTape(), NoticeTape()
        self.flows = [0] * len(self.feed.symbols)
        self.opens, self.charged = calendar.opens.tolist(), self.last
        self.hours = calendar.hours(self.last)
        self.firsts = np.array([world.seat.first for world in self.worlds])
        self.cash = float(plan.cash)
        self.shortcut = self._shortcut() if shortcut else None
        self.sent, self.refused, self.canceled = NO_LEGS, NO_LEGS.close, NO_LEGS

    def _shortcut(self) -> Shortcut | None:
        """A shortcut for an account with one world over all of the feed."""
        frame = self.worlds[0].frame
        shortcut = Shortcut(frame)
        return (
            shortcut
            if len(self.worlds) == 1 and frame.symbols == len(self.feed.symbols) and shortcut.possible
            else None
        )

    def _world(self, program: Program) -> _World:
        frame, symbols = build_frame(program, self.plan.interval), self.feed.symbols
        observer = Observer(program, self.calendar, self.plan.delay)
        universe = program.settings.universe
        columns = columns_of(universe, symbols)
        since = warmup_start(self.calendar, self.last, program.warmup)
        rows = (columns.row(row) for row in self.feed.rows(since, self.last))
        features = VOLUME in dict(program.features)
        blocks = warmed(observer, rows, list(self.macro.rows(0, self.last)), features=features)
        seat = Seat(frame, symbols.index(universe[0]), len(symbols))
        return _World(frame, blocks, columns, seat, initial(frame), WorldTape(frame), SwitchTape(frame))

    def run(self, watch: Watch) -> Result:
        """Every tick, then the result."""
        times = ReplayTimes(self.decisions, self.plan.interval, threading.Event())
        self._see_marks(0, self.last)
        done, acted = 0, False
        while (now := times.after(self.last, acted)) is not None:
            acted, decision = self._tick(now)
            if decision:
                done += 1
                watch(done, len(self.decisions))
        return self._result()

    def _tick(self, now: int) -> tuple[bool, bool]:
        """(something was sent or cancelled, it was a decision tick)."""
        happened = self._hear(now)
        decision = self._observe(now)
        purse = self.floor.purse
        readings = Readings(purse.equity(self.marks), purse.cash)
        acted = self._in_short(now, happened, readings, decision=decision) if self.shortcut else None
        if acted is None:
            acted = self._in_steps(now, happened, readings, decision=decision)
        if decision:
            self.steps.note(now, readings.equity, readings.cash, self.marks)
        self.last = now
        return acted, decision

    def _in_steps(self, now: int, happened: Happened, readings: Readings, *, decision: bool) -> bool:
        """All thirteen steps for every world; True when something was sent or cancelled."""
        ticks = self._decide(now, happened, readings, decision=decision)
        legs = sized(ticks, self.floor.power(self.marks))
        for world, tick in zip(self.worlds, ticks, strict=True):
            world.state = tick.after  # sizing counts what is sent, where a world limits that
        self._cancel(ticks)
        return self._send(ticks, legs, now) or len(self.canceled) > 0

    def _in_short(self, now: int, happened: Happened, readings: Readings, *, decision: bool) -> bool | None:
        """The same where nothing happens but numbers; None elsewhere."""
        shortcut, world, seen = self.shortcut, self.worlds[0], self.lookout.fresh(now)
        if shortcut is None or seen is None or not (self.floor.working is happened.expired is NO_LEGS):
            return None
        purse = self.floor.purse
        moment = Moment(now, self.hours, readings, purse)
        if not decision:
            if np.count_nonzero(happened.refused):
                return None
            return False if shortcut.follow_up(moment, happened.fills, len(happened.sent)) else None
        if happened.fills or happened.sent is not NO_LEGS:
            return None
        done = shortcut.decision(world.state, seen, moment)
        if done is None:
            return None
        block, index = done.window.block, done.window.low + done.row
        chain = done.window.slow.chain
        mean = done.window.ahead.p_sum[index] / world.frame.symbols
        world.tape.add(done.capital, readings.equity - self.cash, (done.current, done.held, chain, mean))
        world.switches.note(chain, block.when[index], purse.qty, self.marks)
        if done.wishes is None:
            return False
        wishes, slow = done.wishes, done.window.slow
        close_at, column = self.hours.session.close_at, wishes.column
        plain = undenied(wishes, venue_at(world.frame), done.capital)
        power = self.floor.power(self.marks)
        if plain is None or not self.floor.affords(plain[2], power):
            venue = venue_at(world.frame)
            legs = within_funds(legs_of(0, wishes, venue, done.capital), [venue], power)
            self.notices.denied([world.frame], legs, now)
            column = legs.column
            return self._submit(now, close_at, legs, (slow.selected[column], chain[column]))
        atoms = np.where(plain[1], -purse.atoms[column], plain[0])
        whose = slow.selected[column], chain[column]  # every position is of who is selected
        sent = Sent(
            now, world.frame.never[: len(column)], column, atoms, wishes.close, wishes.mark, wishes.reason, *whose
        )
        self.sent = self._noted(sent, close_at)
        self.refused = world.frame.nowhere[: len(column)]
        self.floor.accept(self.sent)
        return True

    def _hear(self, now: int) -> Happened:
        fills: list[Fills] = []
        expired = NO_LEGS
        self.floor.purse.begin()
        if self.floor.working is not NO_LEGS:
            fills, expired = self.floor.advance(now, self.open_prices.between(self._opened_from(), now))
        for part in fills:
            self.orders.filled(part)
            self.steps.open_fees += part.did.cost
            if len(self.worlds) > 1:
                self._flow(part.legs, part.did)
        if now >= self.hours.until:  # no session opens before
            self.hours = self.calendar.hours(now)
            for _, _, days in nights(self.opens, self.charged, now):
                self._charge(days)
            self.charged = now
        self.canceled = NO_LEGS
        happened = Happened(self.sent, self.refused, tuple(fills), expired)
        self.sent, self.refused = NO_LEGS, NO_LEGS.close
        return happened

    def _charge(self, days: int) -> None:
        """Take what shorts pay for a night: the marks are still those of the session before."""
        purse = self.floor.purse
        if not purse.shorts:
            return
        per = int(1 / self.atom)
        for column, cost in purse.borrow(self.feed.symbols, self.marks, days):
            purse.pay(cost)
            self.steps.open_borrow += cost
            self.flows[column] -= cost * per

    def _opened_from(self) -> int:
        """Opens up to here cannot fill anything: they were before every working order, or looked at already."""
        return self.last - 1 if len(self.sent) else max(int(self.floor.working.since.min()) - 1, self.last)

    def _flow(self, legs: Legs, did: Filled) -> None:
        """Money that flowed through each symbol, in atoms times millionths."""
        per = int(1 / self.atom)
        for column, atoms, price, fee in zip(
            legs.column.tolist(), legs.atoms.tolist(), did.price.tolist(), did.fee.tolist(), strict=True
        ):
            self.flows[column] -= atoms * price + fee * per

    def _observe(self, now: int) -> bool:
        """True when a bar became known."""
        seen = self.lookout.advance(now)
        for row in seen:
            self.marks = row.closes if row.everybody else np.where(np.isnan(row.closes), self.marks, row.closes)
        return bool(seen)

    def _see_marks(self, after: int, until: int) -> None:
        for row in self.feed.rows(after, until):
            np.copyto(self.marks, row.values[3], where=row.present)

    def _decide(self, now: int, happened: Happened, readings: Readings, *, decision: bool) -> list[Tick]:
        markets = [self.lookout.market(number, now, decision=decision) for number in range(len(self.worlds))]
        if self.shortcut:
            self.worlds[0].state = self.shortcut.leave(self.worlds[0].state)
        won, power = self._profits(readings.equity, markets, now), self.floor.power(self.marks)
        ticks = []
        for world, market, own in zip(self.worlds, markets, won, strict=True):
            others = sum(won) - own if len(won) > 1 else 0.0
            account = world.seat.account(self.floor, happened, (readings, power), others)
            world.state, tick = decide(world.frame, world.state, market, account, now)
            if decision:
                world.tape.note(tick, own)
                here = slice(world.seat.first, world.seat.last)
                world.switches.note(tick.chain.chain, market.when, account.qty, self.marks[here])
            self.notices.look(tick)
            ticks.append(tick)
        return ticks

    def _profits(self, equity: float, markets: Sequence[Market], now: int) -> list[float]:
        """What each world has won since the start: the flows of its symbols and what it holds, at the prices that decide
        will believe; summed as `execution.account.profits` does."""
        if len(self.worlds) == 1:
            return [equity - self.cash]
        scale = int(1 / self.atom) * MILLION
        found = []
        for world, market in zip(self.worlds, markets, strict=True):
            here = slice(world.seat.first, world.seat.last)
            mark = judged(world.state, market.mark, now, world.frame.program.settings.freshness.max_gap).mark
            total = 0.0
            rows = (self.flows[here], self.floor.purse.qty[here].tolist(), mark.tolist())
            for flow, qty, price in zip(*rows, strict=True):
                total += flow / scale
                if qty and price == price:  # noqa: PLR0124 - NaN differs from itself
                    total += qty * price
            found.append(total)
        return found

    def _cancel(self, ticks: Sequence[Tick]) -> None:
        if not len(self.floor.working):
            return
        rows = []
        for world, tick in zip(self.worlds, ticks, strict=True):
            mine = world.seat.has(self.floor.working)
            rows += mine.row[tick.orders.cancel.take(mine.column) != 0].tolist()
        if rows:
            self.canceled = self.floor.cancel(rows)

    def _send(self, ticks: list[Tick], legs: Sized | None, now: int) -> bool:
        if legs is None:
            return False
        self.notices.denied([tick.frame for tick in ticks], legs, now)
        whose = ticks[0].orders.strategy.take(legs.column), ticks[0].chain.chain.take(legs.column)
        for number, tick in enumerate(ticks[1:], 1):
            mine = legs.tick == number
            for row, column in zip(whose, (tick.orders.strategy, tick.chain.chain), strict=True):
                row[mine] = column.take(legs.column[mine])
        return self._submit(now, ticks[0].market.session.close_at, legs, whose)

    def _submit(self, now: int, close_at: int, legs: Sized, whose: tuple[Small, Small]) -> bool:
        """Send what has a quantity; `whose`: strategy and chain of each leg."""
        gone = int(np.count_nonzero(legs.whole))
        k = gone + int(np.count_nonzero(legs.atoms))  # of whole positions there are no atoms
        if not k:
            return False
        rows = (legs.tick, legs.column, legs.atoms, legs.whole, legs.close, legs.mark, legs.reason, *whose)
        if k < len(legs):
            at = (legs.whole | (legs.atoms != 0)).nonzero()[0]
            rows = tuple(row.take(at) for row in rows)
        world, own, atoms, whole, close, mark, reason, strategy, chain = rows
        column = own + self.firsts.take(world) if len(self.worlds) > 1 else own
        if gone:
            atoms = np.where(whole, -self.floor.purse.atoms.take(column), atoms)
        sent = Sent(now, world, column, atoms, close, mark, reason, strategy, chain)
        self.sent = self._noted(sent, close_at)
        self.floor.bind(self._bounds(self.sent, sent, own))
        self.refused = self.floor.submit(self.sent, self.marks)
        return True

    def _bounds(self, legs: Legs, sent: Sent, own: Ints) -> dict[int, Bound]:
        """Limits of the limit orders among them, as `net` writes them on orders; `own`: columns in their worlds."""
        found = {}
        for i, number in enumerate(sent.world.tolist()) if self.limits else ():
            rules = rules_at(self.worlds[number].frame)[int(own[i])]
            mark, opens, atoms = tidy(float(sent.mark[i])), not sent.close[i], int(sent.atoms[i])
            ask = Ask(abs(atoms) * self.atom, "buy" if atoms > 0 else "sell", opens, whole=False, mark=mark)
            limit = limit_price(rules, mark, ask.side, opens=opens)
            if limit is not None:
                found[int(legs.row[i])] = Bound(limit, time_in_force(rules, ask) == "ioc")
        return found

    def _noted(self, sent: Sent, close_at: int) -> Legs:
        """Orders as the floor takes them, written down."""
        k = len(sent.column)
        legs = Legs(
            row=np.arange(self.orders.rows, self.orders.rows + k),
            column=sent.column,
            atoms=sent.atoms,
            close=sent.close,
            since=constant(k, sent.at),
            expires=constant(k, close_at),
            wait=constant(k, self.plan.costs.late) if self.plan.costs.late else np.zeros(k, dtype=np.int64),
            owner=sent.strategy,
        )
        self.orders.note(sent)
        return legs

    def _result(self) -> Result:
        frames = [world.frame for world in self.worlds]
        full = np.bincount(self.calendar.grid("15m").session).max()
        steps = self.steps.steps(self.calendar)
        setup = Setup(
            format=FORMAT,
            name=self.plan.name,
            worlds=tuple((frame.program.settings.world, frame.program.program_id) for frame in frames),
            calendar=self.calendar.name,
            start=steps.days[0],
            end=steps.days[-1],
            cash=float(self.plan.cash),
            costs=self.plan.costs,
            source=self.feed.source,
            sessions_a_year=_sessions_a_year(self.calendar, steps.days[-1]),
            bars_a_session=int(full),
            version=self.plan.version,
        )
        return Result(
            setup,
            steps,
            tuple(world.tape.steps() for world in self.worlds),
            self.orders.orders(frames, self.feed.symbols, int(1 / self.atom)),
            Marks(np.where(self.marks > 0, self.marks, np.nan)),
            self.notices.notices(),
            tuple(switch for world in self.worlds for switch in world.switches.switches()),
        )
