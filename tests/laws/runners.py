"""Ways to run a compiled program over bars: what a scenario takes as a parameter.

In: a program, rows of closed 15m bars, the exchange's calendar. Out: `Ran`: what was decided at each tick, and the fills.
`live` is the runtime itself - observe, decide, net, commit, send - on a paper account without costs; `backtest` its twin.
One more way is one more entry of RUNNERS.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from qmtl.dsl.compile import compile_world
from qmtl.dsl.lower import lower_world
from qmtl.dsl.model import PaperBroker as PaperSettings
from qmtl.dsl.program import Program
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.bars import BarRow, MacroRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.cases.feed import CaseFeed
from qmtl.engine.columns import columns_of
from qmtl.engine.frame import build_frame
from qmtl.engine.observe import Observer
from qmtl.engine.runtime import Edges, Progress, RunningWorld, RunSettings, Runtime
from qmtl.engine.state import decode, encode, initial
from qmtl.engine.ticks import ReplayTimes

from .shelf import Shelf

FREE = PaperSettings(cash=Decimal(100_000), fee=0.0, slippage=0.0, borrow=0.0)


@dataclass(frozen=True, slots=True)
class Filled:
    """One fill: when (epoch s), signed quantity."""

    at: int
    symbol: str
    qty: Decimal


@dataclass(frozen=True, slots=True)
class Ran:
    """`ticks`: (grid time, state after it as bytes, orders as text), empty where a runner keeps none; `fills` in order;
    `memory`: what the observer remembers at the end, as bytes."""

    ticks: tuple[tuple[int, bytes, str], ...]
    fills: tuple[Filled, ...]
    memory: bytes = b""

    def entries(self, symbol: str) -> list[int]:
        """When a position was opened from flat."""
        held, found = Decimal(0), []
        for fill in self.fills:
            if fill.symbol == symbol:
                if not held:
                    found.append(fill.at)
                held += fill.qty
        return found


Runner = Callable[[Program, Sequence[BarRow], SessionCalendar], Ran]


class NoMacros:
    """Implements `ports.MacroFeed`."""

    def rows(self, _after: int, _until: int) -> Iterator[MacroRow]:
        return iter(())


def live(program: Program, rows: Sequence[BarRow], calendar: SessionCalendar, restarts: Collection[int] = ()) -> Ran:
    """The runtime over a replay of the bars, from the first to the last; at the ticks whose numbers are in `restarts` the
    process ends and another goes on from bytes."""
    times = ReplayTimes([row.known_at for row in rows], 60, threading.Event())
    with closing(account(program, CaseFeed(program.settings.universe, rows, calendar), calendar)) as broker:
        runtime = runtime_over(program, rows, (broker, Shelf()), calendar)
        ticks, fills = [], []
        while (now := times.after(runtime.progress.last, runtime.progress.sent)) is not None:
            report = runtime.tick(now)
            (world,) = runtime.worlds
            ticks.append((now, encode(world.state, world.frame), repr(report.netted.orders)))
            fills += [Filled(fill.at, fill.symbol, fill.qty) for fill in report.changes.fills]
            if report.number in restarts:
                runtime.worlds = [restarted(world, calendar)]
    return Ran(tuple(ticks), tuple(fills), runtime.worlds[0].observer.snapshot())


def runtime_over(
    program: Program, rows: Sequence[BarRow], edges: tuple[PaperAccount, Shelf], calendar: SessionCalendar
) -> Runtime:
    """A runtime before its first tick; `edges` are broker and journal."""
    broker, shelf = edges
    feed = CaseFeed(program.settings.universe, rows, calendar)
    return Runtime(
        Edges(feed, NoMacros(), broker, shelf),
        [started(program, calendar)],
        RunSettings("lab", "paper", snapshot_every=10**9),
        Progress(rows[0].known_at - 60),
    )


def account(program: Program, feed: CaseFeed, calendar: SessionCalendar) -> PaperAccount:
    """A paper account in memory without costs."""
    return PaperAccount(":memory:", "lab", feed, calendar, policy=program.settings.exchange, settings=FREE)


def started(program: Program, calendar: SessionCalendar) -> RunningWorld:
    """A world before its first bar."""
    frame = build_frame(program)
    universe = program.settings.universe
    return RunningWorld(frame, Observer(program, calendar, 0), columns_of(universe, universe), initial(frame), b"")


def restarted(world: RunningWorld, calendar: SessionCalendar) -> RunningWorld:
    """The same world in another process: both of its states as bytes and back."""
    fresh = started(world.frame.program, calendar)
    fresh.observer.restore(world.observer.snapshot())
    fresh.state = decode(encode(world.state, world.frame), fresh.frame)
    return fresh


def backtest(program: Program, rows: Sequence[BarRow], calendar: SessionCalendar) -> Ran:
    """The backtest over the same bars without costs."""
    from qmtl.engine.backtest.plan import Plan
    from qmtl.engine.backtest.result import Costs
    from qmtl.engine.backtest.run import run

    feed = CaseFeed(program.settings.universe, rows, calendar)
    plan = Plan("law", costs=Costs(fee=0.0, slippage=0.0, borrow=0.0))
    orders = run([program], (feed, NoMacros()), calendar, plan).orders
    done = np.flatnonzero(orders.filled)
    found = (
        Filled(int(orders.filled[i]), orders.symbols[orders.symbol[i]], Decimal(repr(float(orders.qty[i]))))
        for i in done
    )
    return Ran((), tuple(sorted(found, key=lambda fill: fill.at)))


#: name -> runner
RUNNERS: dict[str, Runner] = {"live": live, "backtest": backtest}


def compiled(folder: Path, text: str, definitions: str, *, regime_given: bool = False) -> Program:
    """The program of a world text with its own strategies, features and regimes."""
    (folder / "strategies").mkdir(parents=True, exist_ok=True)
    (folder / "strategies" / "own.qmtl").write_text(definitions, encoding="utf-8")
    path = folder / "world.yaml"
    path.write_text(text, encoding="utf-8")
    found = compile_world(path)
    assert found.program is not None, [(d.code, d.message) for d in found.diagnostics]
    if not regime_given:
        return found.program
    assert found.world is not None
    assert found.library is not None
    program, problems = lower_world(found.world, found.library, regime_given=True)
    assert program is not None, problems
    return program
