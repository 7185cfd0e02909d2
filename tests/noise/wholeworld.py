"""The shipped world on prices that nobody can earn on: observe, decide, size, orders and fills of a backtest.

In: a program with its real universe, a simulated market of as many symbols, when an order fills. Out: what the account won
in each session, costs left out. The account starts anew with each simulation, so a world that its loss limit has stopped
rests until its year is over.

`replayed` is the one place that knows how a world is run.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.adapters.vixfile import SERIES
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs
from qmtl.engine.backtest.run import run
from qmtl.engine.bars import BarRow, Floats, Ints, MacroRow, OpenRow
from qmtl.engine.calendar import SessionCalendar

from .earnings import known_after_day
from .martingale import WARM, Simulation
from .programs import PROBES

CASH = 1_000_000
WORLDS = Path(__file__).resolve().parents[2] / "worlds"
#: the shipped world's universe, caps and orders around one probe: what leaks cannot cancel out between trends and fades
ONE_WAY = """\
version: 1
world: one_way
extends: us_core
chains: [{{name: all, otherwise: true, strategies: [{probe}], exposure: 90%}}]
allowlist: all
parameters: {{}}
entry_guards: ~
"""


@dataclass(frozen=True, slots=True, eq=False)
class WorldYear:
    """One world's year: float64 [sessions] won or lost in each session, as fractions of the starting cash; orders filled; ISO day on which a loss limit stopped it, "" if none did."""

    pnl: Floats
    fills: int
    stopped: str


@dataclass(frozen=True, slots=True, eq=False)
class RecordedBars:
    """Implements `ports.BarFeed` over simulated sessions. `early` plants a leak: an order is filled at the open of the bar
    that was decided on, not of the next one."""

    symbols: tuple[str, ...]
    starts: Ints
    ends: Ints
    values: Floats
    early: bool = False
    source: str = "martingale"

    def span(self) -> tuple[int, int]:
        """First start, last end."""
        return int(self.starts[0]), int(self.ends[-1])

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until; they are known at their end."""
        everybody = np.ones(len(self.symbols), dtype=np.bool_)
        low, high = np.searchsorted(self.ends, (after, until), side="right")
        for k in range(int(low), int(high)):
            yield BarRow(int(self.starts[k]), int(self.ends[k]), int(self.ends[k]), self.values[k], everybody)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        """Opening prices of bars with after < start <= until."""
        low, high = np.searchsorted(self.starts, (after, until), side="right")
        for k in range(int(low), int(high)):
            yield OpenRow(int(self.starts[k]), self.values[max(0, k - self.early), 0])


@dataclass(frozen=True, slots=True, eq=False)
class RecordedVix:
    """Implements `ports.MacroFeed` over simulated days."""

    days: tuple[str, ...]
    known: Ints
    closes: Floats

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        """Rows with after < known_at <= until."""
        low, high = np.searchsorted(self.known, (after, until), side="right")
        for k in range(int(low), int(high)):
            close = self.closes[k]
            yield MacroRow(SERIES, self.days[k], int(self.known[k]), np.array([close, close, close, close, np.nan]))


def us_core() -> Program:
    """The shipped world, compiled."""
    return _compiled(WORLDS / "us_core.yaml")


def one_way(probe: str) -> Program:
    """The shipped world with one of the harness's own strategies in place of all others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(WORLDS, Path(name) / "worlds"))
        (folder / "one_way.yaml").write_text(ONE_WAY.format(probe=probe))
        (folder / "strategies").mkdir()
        (folder / "strategies" / "probes.qmtl").write_text(PROBES)
        return _compiled(folder / "one_way.yaml")


def _compiled(path: Path) -> Program:
    compiled = compile_world(path)
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def world_year(
    program: Program, simulation: Simulation, calendar: SessionCalendar, *, early: bool = False
) -> WorldYear:
    """A world's year on one simulated market; `early` as in `RecordedBars`."""
    sessions = tuple(simulation.sessions())
    past = simulation.past
    days = past.days + tuple(session.day for session in sessions)
    bars = RecordedBars(
        program.settings.universe,
        np.concatenate([session.starts for session in sessions]),
        np.concatenate([session.ends for session in sessions]),
        np.concatenate([session.values for session in sessions]),
        early,
    )
    macro = RecordedVix(
        days,
        np.array([known_after_day(day) for day in days]),
        np.concatenate((past.vix[:, 0], [session.vix[0] for session in sessions])),
    )
    return replayed(program, (bars, macro), calendar, (sessions[WARM].day, sessions[-2].day))


def replayed(
    program: Program, feeds: tuple[RecordedBars, RecordedVix], calendar: SessionCalendar, days: tuple[str, str]
) -> WorldYear:
    """Run the world from the first to the last of two days, without costs."""
    free = Costs(fee=0.0, slippage=0.0, borrow=0.0)
    result = run([program], feeds, calendar, Plan("noise", *days, cash=Decimal(CASH), costs=free))
    steps, kill = result.steps, result.worlds[0].kill
    closing = np.append(np.flatnonzero(np.diff(steps.session)), len(steps.session) - 1)
    stopped = steps.days[steps.session[int(kill.argmax())]] if kill.any() else ""
    return WorldYear(
        np.diff(steps.equity[closing], prepend=CASH) / CASH, int(np.count_nonzero(result.orders.filled)), stopped
    )
