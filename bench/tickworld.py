"""The world that `bench/tick.py` ticks: S symbols, six strategies, caps that let at least 1 % of them trade per tick.

Bars are generated in memory (correlated random walks), so that reading files is not part of what is timed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np

from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.compile import compile_world
from qmtl.dsl.model import PaperBroker
from qmtl.dsl.program import Program
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.bars import BarRow, MacroRow, OpenRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.runtime import Edges, RunSettings, Runtime
from qmtl.engine.start import Setting, begin
from qmtl.engine.ticks import ReplayTimes

FIRST, LAST, MEASURED = "2025-06-02", "2025-12-31", "2025-11-03"

WORLD = """\
version: 1
world: bench
calendar: XNYS
universe: [{symbols}]
bars: [15m, 60m]
regime: {{source: heuristic, heuristic: us_heuristic}}
chains:
  - {{name: defensive, when: p_high_vol >= 0.40 and p_trend_down >= p_trend_up, strategies: [bear_probability, atr_ratchet], exposure: 60%}}
  - {{name: chop, when: p_chop >= 0.50, strategies: [bb_rsi_reversion, atr_ratchet, channel_breakout], exposure: 60%}}
  - {{name: trend, when: p_trend_up >= 0.55 and p_trend_down < 0.40, strategies: [roc_momentum, atr_ratchet, ema_cross_atr], exposure: 90%}}
  - {{name: neutral, otherwise: true, strategies: [roc_momentum, atr_ratchet], exposure: 65%}}
hysteresis: 0.07
allowlist: all
select: {{method: single_best, switch_edge: 0.15, cooldown: 120m, only_when_flat: false}}
churn_guard: {{min_target: {half}, deadband: {half}, side_cooldown: 60m, min_hold: 60m}}
orders: {{min_delta: {small}}}
risk: {{daily_loss: -50%, weekly_loss: -90%, max_symbol: {cap}, max_sector: 100%, max_total: 90%}}
exchange: bench_venue
capital: 100%
"""

VENUE = """\
version: 1
exchange: bench_venue
lot_size: 1
min_notional: 1
shorting: true
"""


@dataclass(frozen=True, slots=True)
class MemoryFeed:
    """A block of bars [rows, 5, symbols] behind the feed port."""

    symbols: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    block: np.ndarray
    source: str = "memory"

    def span(self) -> tuple[int, int]:
        return int(self.starts[0]), int(self.ends[-1])

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        low, high = np.searchsorted(self.ends, [after, until], side="right")
        present = np.ones(len(self.symbols), bool)
        for i in range(low, high):
            end = int(self.ends[i])
            yield BarRow(int(self.starts[i]), end, end, self.block[i], present)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        low, high = np.searchsorted(self.starts, [after, until], side="right")
        for i in range(low, high):
            yield OpenRow(int(self.starts[i]), self.block[i, 0])


@dataclass(frozen=True, slots=True)
class MemoryVix:
    """A daily VIX-like series behind the macro port, known at the midnight (UTC) after its day."""

    days: tuple[str, ...]
    known: np.ndarray
    close: np.ndarray

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        low, high = np.searchsorted(self.known, [after, until], side="right")
        for i in range(low, high):
            yield MacroRow("vix", self.days[i], int(self.known[i]), np.array([*[self.close[i]] * 4, np.nan]))


def vix(calendar: SessionCalendar) -> MemoryVix:
    """Around 17, with the usual slow swings."""
    rng = np.random.default_rng(3)
    days = calendar.days
    known = (np.asarray(calendar.closes) // 86400 + 1) * 86400
    close = 17 + 3 * np.sin(np.arange(len(days)) / 9) + rng.normal(0, 0.7, len(days))
    return MemoryVix(tuple(days), known, close)


def feed(symbols: tuple[str, ...], calendar: SessionCalendar) -> MemoryFeed:
    """Correlated random walks with regimes that last about two sessions."""
    rng = np.random.default_rng(11)
    ends = np.asarray(calendar.bar_ends("15m"))
    count, width = len(ends), len(symbols)
    drift = np.repeat(rng.normal(0, 0.0006, (count // 40 + 1, width)), 40, axis=0)[:count]
    market = rng.normal(0, 0.0012, (count, 1))
    returns = drift + market + rng.normal(0, 0.002, (count, width))
    close = rng.uniform(20, 300, width) * np.exp(np.cumsum(returns, axis=0))
    opened = np.vstack([close[:1], close[:-1]])
    reach = np.abs(rng.normal(0, 0.001, (2, count, width))) + 0.0002
    high, low = np.maximum(opened, close) * (1 + reach[0]), np.minimum(opened, close) * (1 - reach[1])
    volume = rng.integers(1_000, 50_000, (count, width)).astype(float)
    block = np.ascontiguousarray(np.stack([opened, high, low, close, volume], axis=1))
    return MemoryFeed(symbols, ends - 900, ends, block)


def program(folder: Path, symbols: tuple[str, ...]) -> Program:
    """The bench world, compiled from text like any other."""
    cap = max(0.002, 22 / len(symbols))
    text = WORLD.format(symbols=", ".join(symbols), small=f"{cap / 8:.4%}", half=f"{cap / 2:.4%}", cap=f"{cap:.4%}")
    (folder / "bench.yaml").write_text(text)
    (folder / "venue.yaml").write_text(VENUE)
    compiled = compile_world(folder / "bench.yaml")
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


class TimedBroker:
    """The paper account, with the seconds spent inside it: at a real venue that time is the network's."""

    def __init__(self, account: PaperAccount) -> None:
        self.account = account
        self.account_id = account.account_id
        self.seconds = 0.0

    def _timed(self, name: str, *arguments: object) -> object:
        began = time.perf_counter()
        try:
            return getattr(self.account, name)(*arguments)
        finally:
            self.seconds += time.perf_counter() - began

    def __getattr__(self, name: str) -> object:
        return partial(self._timed, name)


@dataclass(slots=True)
class Bench:
    """A running world and the times to tick it at."""

    runtime: Runtime
    times: ReplayTimes
    hours: frozenset[int]
    since: int
    broker: TimedBroker

    def next(self) -> tuple[int, bool]:
        """The next grid time and whether a 60m bar closes at it."""
        now = self.times.after(self.runtime.progress.last, self.runtime.progress.sent)
        assert now is not None
        return now, now in self.hours

    def measured(self, now: int) -> bool:
        """True in regular hours after the first session, when the book has been built up."""
        return now > self.since and self.runtime.progress.sent


def build(folder: Path, symbols: int) -> Bench:
    """A warmed-up runtime with an empty book, ready for its first tick."""
    names = tuple(f"S{i:04d}" for i in range(symbols))
    compiled = program(folder, names)
    calendar = SessionCalendar("XNYS", FIRST, LAST)
    bars = feed(names, calendar)
    money = PaperBroker(cash=Decimal(1_000_000_000))
    policy = compiled.settings.exchange
    broker = TimedBroker(PaperAccount(":memory:", "bench", bars, calendar, policy=policy, settings=money))
    journal = SqliteJournal(folder / "journal.db")
    setting = Setting(
        Edges(bars, vix(calendar), broker, journal), calendar, 0, 60, "paper", program_to_json, program_from_json
    )
    decisions = [int(t) for t in calendar.decision_times(MEASURED, LAST, 0)]
    worlds, progress = begin(setting, [compiled], decisions[0] - 900)
    runtime = Runtime(setting.edges, worlds, RunSettings("bench", "paper", snapshot_every=10_000), progress)
    times = ReplayTimes(decisions, 60, threading.Event())
    return Bench(runtime, times, frozenset(int(t) for t in calendar.bar_ends("60m")), decisions[26], broker)
