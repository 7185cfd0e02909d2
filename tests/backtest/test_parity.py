"""Parity: a run on a replay clock and a backtest over the same bars send the same orders, fill for fill."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.codec import program_from_json, program_to_json
from qmtl.dsl.compile import compile_world
from qmtl.dsl.model import PaperBroker
from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.run import decision_times, run
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.runtime import Edges, RunSettings, Runtime
from qmtl.engine.start import Setting, begin
from qmtl.engine.ticks import ReplayTimes

from .test_shortcut import HOURS, Lines
from .test_shortcut import market as synthetic

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a run did: orders (sent, symbol, quantity, reason, strategy), fills (symbol, quantity, price, fee, at), and the
    equity of each decision tick."""

    orders: list[tuple[Any, ...]]
    fills: list[tuple[Any, ...]]
    equity: dict[int, float]


def replayed(programs: list[Any], feeds: tuple[Any, Any], calendar: SessionCalendar, plan: Plan, out: Path) -> Replayed:
    """The worlds through the runtime of `qmtl run`, with a journal and the embedded paper account."""
    feed, macro = feeds
    costs = plan.costs
    money = PaperBroker(plan.cash, costs.fee, costs.slippage, costs.borrow, costs.borrow_of)
    broker = PaperAccount(":memory:", "parity", feed, calendar, policy=programs[0].settings.exchange, settings=money)
    journal = SqliteJournal(out / "journal.db")
    edges = Edges(feed, macro, broker, journal)
    setting = Setting(edges, calendar, plan.delay, plan.interval, "paper", program_to_json, program_from_json)
    decisions = decision_times(calendar, feed, plan)
    worlds, progress = begin(setting, programs, decisions[0] - plan.interval)
    runtime = Runtime(edges, worlds, RunSettings("parity", "paper", plan.interval, 10_000), progress)
    times = ReplayTimes(decisions, plan.interval, threading.Event())
    orders: list[tuple[Any, ...]] = []
    equity: dict[int, float] = {}
    while (now := times.after(runtime.progress.last, runtime.progress.sent)) is not None:
        report = runtime.tick(now)
        if report.decision:
            equity[now] = float(report.snapshot.equity)
        orders += [
            (o.epoch, o.symbol, float(o.signed), o.reason, o.attribution[0].world, o.attribution[0].strategy)
            for o in report.netted.orders
        ]
    fills = [(e.symbol, float(e.qty), float(e.price), float(e.fee), e.at) for e in broker.events(0) if e.kind == "fill"]
    broker.close()
    journal.close()
    return Replayed(orders, fills, equity)


def orders_of(result: Result) -> list[tuple[Any, ...]]:
    o = result.orders
    rows = zip(o.sent, o.symbol, o.qty, o.reason, o.world, o.strategy, strict=True)
    return [(int(at), o.symbols[s], float(q), o.reasons[r], o.worlds[w], o.strategies[n]) for at, s, q, r, w, n in rows]


def fills_of(result: Result) -> list[tuple[Any, ...]]:
    o = result.orders
    found = np.flatnonzero(o.filled)
    return [
        (o.symbols[o.symbol[i]], float(o.qty[i]), float(o.price[i]), float(o.fee[i]), int(o.filled[i])) for i in found
    ]


def same(result: Result, live: Replayed) -> None:
    assert orders_of(result) == live.orders
    assert sorted(fills_of(result)) == sorted(live.fills)
    assert dict(zip(result.steps.at.tolist(), result.steps.equity.tolist(), strict=True)) == live.equity


def programs_of(*names: str) -> list[Any]:
    found = [compile_world(ROOT / "worlds" / name).program for name in names]
    assert all(found)
    return found


@pytest.mark.parametrize(
    ("names", "cash", "delay", "costs"),
    [
        (("us_core.yaml",), "100000", 0, Costs()),
        (("us_core.yaml",), "3000", 0, Costs()),  # lots are worth more than most targets
        (("us_core.yaml",), "100000", 75, Costs(0.001, 0.002, 0.3, (("SPY", 2.5),))),  # bars known a minute late
        (("us_core.yaml", "tail_hedge.qmtl"), "250000", 0, Costs()),  # two worlds share the account
    ],
)
def test_a_backtest_sends_what_a_replay_sends(
    names: tuple[str, ...], cash: str, delay: int, costs: Costs, tmp_path: Path
) -> None:
    programs = programs_of(*names)
    calendar = SessionCalendar("XNYS", "2000-01-03", "2026-12-31")
    symbols = tuple(symbol for program in programs for symbol in program.settings.universe)
    market = SyntheticMarket(symbols, calendar, seed=11, start="2025-09-02", delay=delay)
    plan = Plan("parity", "2025-11-20", "2025-12-02", Decimal(cash), costs, delay)
    result = run(programs, (market, market.vix), calendar, plan)
    live = replayed(programs, (market, market.vix), calendar, plan, tmp_path)
    assert len(live.orders) > 20
    same(result, live)


def test_parity_with_fractions_of_a_share(tmp_path: Path) -> None:
    """A thousandth is no binary fraction: quantities, fills and readings are the replay's to the last bit all the same."""
    program, feed = Lines(short=True, stop="stop 2 * atr(10)").program(), synthetic(3)
    plan = Plan("parity", "2025-10-06", "2025-10-24")
    result, live = (
        run([program], (feed, feed.vix), HOURS, plan),
        replayed([program], (feed, feed.vix), HOURS, plan, tmp_path),
    )
    assert len(live.orders) > 100
    assert any(qty % 1 for _, qty, _, _, _ in live.fills)
    same(result, live)


def test_parity_on_recorded_bars(tmp_path: Path) -> None:
    """Two weeks of us_15m with the clock change in them, 24 symbols: every order, fill and reading of equity."""
    if not (DATA / "us_15m").is_dir():
        pytest.skip("recorded bars are not at hand: ../shared/data/us_15m is missing")
    programs = programs_of("us_core.yaml")
    calendar = SessionCalendar("XNYS", "2000-01-03", "2026-12-31")
    feed = FilesBars(DATA / "us_15m", programs[0].settings.universe, calendar)
    feeds = (feed, VixFile(DATA / "vix" / "vix_daily_cboe.csv"))
    plan = Plan("parity", "2025-10-27", "2025-11-07")
    result, live = run(programs, feeds, calendar, plan), replayed(programs, feeds, calendar, plan, tmp_path)
    assert len(live.orders) > 100
    same(result, live)
