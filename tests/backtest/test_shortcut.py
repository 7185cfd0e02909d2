"""The shortcut is a shortcut and no second rule: whatever a world says, with it and without it a backtest writes down the same."""

from __future__ import annotations

import hashlib
import tempfile
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.ahead import ahead_of, ahead_of_rows
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.run import _Backtest
from qmtl.engine.backtest.shortcut import Shortcut
from qmtl.engine.bars import BarRow, OpenRow
from qmtl.engine.blockobserver import BlockObserver
from qmtl.engine.blocks import stacked
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.decide import decide
from qmtl.engine.frame import Recent, build_frame
from qmtl.engine.observe import Observer
from qmtl.engine.state import FIELDS
from qmtl.engine.tick import columns

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
HOURS = SessionCalendar("XNYS", "2024-01-02", "2025-12-31")
SYMBOLS = ("AA", "BB", "CC", "DD", "EE", "FF")

QUICK = """\
strategy quick {
  doc   "A fast cross, both ways or long only."
  style trend
  long when ema(close, 3) > ema(close, 8)
  SHORT
  size SIZE%
  STOP
}
"""
CALM = """\
strategy calm {
  doc   "A slow cross."
  style chop
  long when ema(close, 20) > ema(close, 60)
  size SIZE%
}
"""
WORLD = """\
version: 1
world: shortcut
calendar: XNYS
universe: [UNIVERSE]
bars: [15m, 60m]
regime: {source: heuristic, heuristic: plain}
chains:
  - {name: wild, when: p_high_vol > WILD, strategies: [quick], exposure: 50%}
  - {name: usual, otherwise: true, strategies: [STRATEGIES], exposure: EXPOSURE%}
allowlist: all
select: {method: single_best, switch_edge: EDGE, cooldown: 30m}
entry_guards:
  - {name: falling, block: long_entries, when: "close < GUARD * ema(close, 30)", on_missing: block}
churn_guard: {min_target: 3%, deadband: DEAD%, side_cooldown: 45m, min_hold: 0m}
orders: {min_delta: DELTA%, open_delay: 15m, close_buffer: 0mCANCEL}
risk: {daily_loss: DAY%, weekly_loss: -20%, max_symbol: SYMBOL%, max_sector: SECTOR%, max_total: TOTAL%, position_stop: LOSS%}
SECTORS
exchange: somewhere
capital: 80%
"""
PLAIN = """\
regime plain {
  doc "A reading that every symbol has from its first bars on."
  score trend_up   roc(close, 1)
  score trend_down 0
  score chop       0
  high_vol sigmoid(stdev(roc(close, 1), 6) / 0.5% - 3)
}
"""
VENUE = """\
version: 1
exchange: somewhere
lot_size: LOT
fractional: FRACTIONS
min_notional: 1
shorting: true
"""


@dataclass(frozen=True, slots=True)
class Lines:
    """What a drawn world says."""

    size: float = 20.0
    short: bool = False
    stop: str = ""
    calm: bool = False
    wild: float = 0.99
    exposure: float = 100.0
    edge: float = 0.1
    guard: float = 0.5
    dead: float = 1.0
    delta: float = 0.0
    day: float = -10.0
    symbol: float = 25.0
    total: float = 150.0
    loss: float = 50.0
    sector: float = 0.0
    lot: str = "0.001"
    cancel: str = ""

    def program(self, symbols: tuple[str, ...] = SYMBOLS) -> Program:
        """The world, compiled from text like any other."""
        names = "quick, calm" if self.calm else "quick"
        words: dict[str, Any] = {
            "UNIVERSE": ", ".join(symbols),
            "WILD": self.wild, "STRATEGIES": names, "EXPOSURE": self.exposure, "EDGE": self.edge, "GUARD": self.guard,
            "DEAD": self.dead, "DELTA": self.delta, "DAY": self.day, "SYMBOL": self.symbol, "TOTAL": self.total,
            "SECTORS": "sectors: {AA: one, BB: one, CC: one, DD: two}" if self.sector else "",
            "SECTOR": self.sector or 100, "LOSS": self.loss, "SIZE": self.size, "STOP": self.stop, "LOT": self.lot,
            "CANCEL": self.cancel,
            "SHORT": "short when ema(close, 3) < ema(close, 8)" if self.short else "",
            "FRACTIONS": "true" if self.lot != "1" else "false",
        }  # fmt: skip
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "strategies").mkdir()
            texts = {
                "strategies/quick.qmtl": QUICK, "strategies/plain.qmtl": PLAIN, "shortcut.yaml": WORLD, "somewhere.yaml": VENUE,
            }  # fmt: skip
            if self.calm:
                texts["strategies/calm.qmtl"] = CALM
            for path, text in texts.items():
                said = text
                for word, value in words.items():
                    said = said.replace(word, str(value))
                (folder / path).write_text(said)
            compiled = compile_world(folder / "shortcut.yaml")
        assert compiled.program is not None, [d.message for d in compiled.diagnostics]
        return compiled.program


#: takes that are not known yet when a position is opened, and are followed as soon as they are
LATE = "take at highest(high, 900) * 0.97"
LINE = "take at highest(high, 4) * (1.002 + 0 * log(0 - roc(close, 1)))"

worlds = st.builds(
    Lines,
    size=st.sampled_from([4.0, 10.0, 20.0]),
    short=st.booleans(),
    stop=st.sampled_from(
        ["", "", "stop 2 * atr(10)", "stop 1 * atr(10)\n  take 2 * atr(10)", "stop at lowest(low, 6)", LATE, LINE]
    ),
    calm=st.booleans(),
    wild=st.sampled_from([0.99, 0.99, 0.12]),
    exposure=st.sampled_from([100.0, 70.0]),
    edge=st.sampled_from([0.0, 0.1, 0.5]),
    guard=st.sampled_from([0.5, 0.5, 1.0]),
    dead=st.sampled_from([0.1, 1.0, 2.0]),
    delta=st.sampled_from([0.0, 0.5]),
    day=st.sampled_from([-10.0, -0.3]),
    symbol=st.sampled_from([15.0, 25.0]),
    total=st.sampled_from([60.0, 150.0]),
    loss=st.sampled_from([50.0, 1.0]),
    sector=st.sampled_from([0.0, 0.0, 30.0]),
    lot=st.sampled_from(["0.001", "1"]),
)


class Counted(Shortcut):
    """Counts how many ticks went through the shortcut."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ticks: Counter[str] = Counter()

    def decision(self, *arguments: Any) -> Any:
        done = super().decision(*arguments)
        self.ticks["decision" if done else "left"] += 1
        return done

    def follow_up(self, *arguments: Any) -> bool:
        done = super().follow_up(*arguments)
        self.ticks["follow_up" if done else "left"] += 1
        return done


def both_ways(program: Program, feeds: Any, plan: Plan, tell: Callable[[Result], None] | None = None) -> Counter[str]:
    """Run with and without the shortcut, hold everything equal, and say how much of it the shortcut did; `tell` hears the
    result."""
    found = []
    for shortcut in (False, True):
        backtest = _Backtest([program], feeds, HOURS, plan, shortcut=shortcut)
        if shortcut:
            assert backtest.shortcut is not None
            backtest.shortcut = Counted(backtest.worlds[0].frame)
        result = backtest.run(lambda _done, _total: None)
        state = backtest.worlds[0].state
        found.append((result, backtest.shortcut.leave(state) if backtest.shortcut else state))
    (plain, state), (quick, other) = found
    same(plain, quick, "result")
    for field in FIELDS:
        same(getattr(state, field.name), getattr(other, field.name), f"state.{field.name}")
    assert isinstance(backtest.shortcut, Counted)
    if tell is not None:
        tell(plain)
    return backtest.shortcut.ticks


def same(one: Any, other: Any, where: str) -> None:
    if is_dataclass(one):
        for field in fields(one):
            same(getattr(one, field.name), getattr(other, field.name), f"{where}.{field.name}")
    elif isinstance(one, np.ndarray):
        np.testing.assert_array_equal(one, other, err_msg=where)
        assert one.dtype == other.dtype, where
    elif isinstance(one, tuple):
        assert len(one) == len(other), where
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            same(left, right, f"{where}[{i}]")
    else:
        assert one == other or (one != one and other != other), where


def gapped(row: BarRow, gaps: np.ndarray) -> BarRow:
    return replace(row, values=np.where(gaps, np.nan, row.values), present=row.present & ~gaps)


def market(seed: int) -> SyntheticMarket:
    return SyntheticMarket(SYMBOLS, HOURS, seed=seed, start="2025-08-20")


@settings(max_examples=9, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(worlds, st.integers(0, 99), st.sampled_from(["100000", "900"]), st.sampled_from([0, 0, 1]))
def test_law_a_backtest_with_the_shortcut_is_the_one_without(lines: Lines, seed: int, cash: str, late: int) -> None:
    feed = market(seed)
    plan = Plan("shortcut", "2025-10-06", "2025-10-15", Decimal(cash), costs=Costs(late=late))
    both_ways(lines.program(), (feed, feed.vix), plan)


@pytest.mark.parametrize(
    ("lines", "least"),
    [
        (Lines(), 0.5),
        (Lines(short=True, dead=0.1), 0.1),
        (Lines(calm=True, edge=0.5), 0.3),
        (Lines(stop="stop 6 * atr(10)"), 0.3),
    ],
    ids=["long_only", "both_sides", "two_strategies", "with_stops"],
)
def test_most_ticks_of_a_plain_world_take_the_shortcut(lines: Lines, least: float) -> None:
    """Else the law above would compare the thirteen steps with themselves."""
    feed = market(5)
    ticks = both_ways(lines.program(), (feed, feed.vix), Plan("shortcut", "2025-10-06", "2025-10-17"))
    assert ticks["decision"] > least * (ticks["decision"] + ticks["left"]), ticks


@pytest.mark.parametrize(("take", "seed", "since"), [(LINE, 7, "2025-10-06"), (LATE, 6, "2025-09-02")])
def test_a_line_that_becomes_known_later_is_followed_from_then_on(take: str, seed: int, since: str) -> None:
    """The position was opened without it, so nothing of its levels tells that there is one."""
    feed = market(seed)
    both_ways(Lines(stop=take).program(), (feed, feed.vix), Plan("shortcut", since, "2025-10-17"))


@pytest.mark.parametrize("seed", [11, 20])
def test_a_distance_that_becomes_known_later_is_that_of_later_entries_only(seed: int) -> None:
    """Who entered before has no take; three symbols, and a take that needs more bars than there are at first."""
    names = SYMBOLS[:3]
    feed = SyntheticMarket(names, HOURS, seed=seed, start="2025-09-11")
    lines = Lines(stop="take 2 * atr(400)", dead=8.0, day=-90, loss=90)
    ticks = both_ways(lines.program(names), (feed, feed.vix), Plan("shortcut", "2025-09-22", "2025-10-17"))
    assert ticks["decision"] > 100, ticks


@dataclass(frozen=True, slots=True)
class Holes:
    """A market with bars missing here and there, opens too."""

    market: SyntheticMarket
    share: float

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    def hole(self, start: int, width: int) -> np.ndarray:
        return np.random.default_rng(start).random(width) < self.share

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        return (gapped(row, self.hole(row.start, len(row.present))) for row in self.market.rows(after, until))

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        for row in self.market.opens(after, until):
            yield replace(row, prices=np.where(self.hole(row.start, len(row.prices)), np.nan, row.prices))


@pytest.mark.parametrize("share", [0.0, 0.15])
@pytest.mark.parametrize("late", [0, 1, 2])
def test_an_order_waits_for_as_many_bars_of_its_symbol_as_the_costs_say(late: int, share: float) -> None:
    """Each bar counts once, also where others send orders while it waits."""
    feed = Holes(market(3), share)
    lines = Lines(dead=0.1, day=-90, loss=90, cancel=", cancel_after: 60")
    plan = Plan("late", "2025-10-06", "2025-10-17", costs=Costs(late=late))
    rows = _Backtest([lines.program()], (feed, feed.vix), HOURS, plan, shortcut=True).run(lambda _a, _b: None).orders
    starts: dict[int, list[int]] = {}
    for row in feed.opens(0, 2**33):
        for column in np.flatnonzero(~np.isnan(row.prices)).tolist():
            starts.setdefault(column, []).append(row.start)
    waited = Counter(
        bisect_left(starts[column], filled) - bisect_left(starts[column], sent)
        for column, sent, filled in zip(rows.symbol.tolist(), rows.sent.tolist(), rows.filled.tolist(), strict=True)
        if filled
    )
    assert set(waited) == {late}, waited
    assert waited[late] > 50


@dataclass(frozen=True, slots=True)
class FarOpens:
    """A market at whose opens one pays now and then far more than the last close said."""

    market: SyntheticMarket

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        for row in self.market.opens(after, until):
            rng, width = np.random.default_rng(row.start), len(row.prices)
            far = np.where(rng.random(width) < 0.08, rng.uniform(1.2, 2.0, width), 1.0)
            yield replace(row, prices=np.round(row.prices * far, 2))


#: what happens, in the words of the result; lines, seed, cash and whether one pays far prices so that it does
EVENTS = {
    "a stop reached by an add that raised the average": (
        "stop.position", Lines(loss=2.5, dead=0.1, day=-90, symbol=60, total=200), 6, "100000", True,
    ),
    "stops and takes of the strategy": (
        "stop.strategy", Lines(dead=0.1, day=-90, symbol=60, stop="stop 3 * atr(10)\n  take 9 * atr(10)"), 6, "100000", True,
    ),
    "an excess over a cap": ("order.trim", Lines(symbol=20.2, dead=2.0, day=-90, loss=90), 2, "100000", True),
    "a loss limit": ("kill.daily_loss", Lines(day=-0.4, dead=0.1), 5, "100000", False),
    "orders below the smallest notional": ("denied.min_notional", Lines(dead=0.05), 0, "1200", False),
    "more wishes than buying power": ("net.reduced_funds", Lines(size=24, symbol=24.5, dead=8), 1, "100000", False),
    "both sides at far prices": ("order.second_leg", Lines(dead=0.1, day=-90, short=True, loss=90), 6, "100000", True),
}  # fmt: skip


@pytest.mark.parametrize("event", EVENTS)
def test_the_shortcut_leaves_to_the_steps_what_is_more_than_numbers(event: str) -> None:
    """Each of these happens, amid ticks that the shortcut took, and comes out as without it."""
    reason, lines, seed, cash, far = EVENTS[event]
    feed, found = market(seed), list[Result]()
    plan = Plan("shortcut", "2025-10-06", "2025-10-24", Decimal(cash))
    ticks = both_ways(lines.program(), (FarOpens(feed) if far else feed, feed.vix), plan, found.append)
    rows = found[0].orders
    happened = {rows.reasons[i] for i in rows.reason} | {notice.kind for notice in found[0].notices}
    assert reason in happened, happened
    assert ticks["decision"] > 40, ticks


@pytest.mark.skipif(not DATA.exists(), reason="needs the recorded bars")
def test_on_recorded_bars_the_shortcut_changes_nothing() -> None:
    """A world that takes it, half-day and gaps of the recording included; `us_core` has latches nearly always and does not."""
    names = ("AAPL", "AMD", "JPM", "MSFT", "SPY", "XOM")
    feed, macro = FilesBars(DATA / "us_15m", names, HOURS), VixFile(DATA / "vix" / "vix_daily_cboe.csv")
    ticks = both_ways(
        Lines(calm=True, dead=0.1).program(names), (feed, macro), Plan("shortcut", "2025-10-20", "2025-11-28")
    )
    assert ticks["decision"] > 0.15 * (ticks["decision"] + ticks["left"]), ticks


@pytest.mark.parametrize(
    "lines", [Lines(), Lines(calm=True, wild=0.12, guard=1.0, stop="stop 2 * atr(10)")], ids=["plain", "full"]
)
def test_law_what_follows_from_a_block_is_what_follows_from_its_rows(lines: Lines) -> None:
    """`ahead`: every field of every row, to the bit, also where bars are missing."""
    program, feed, rng = lines.program(), market(8), np.random.default_rng(1)
    rows = [row for row in feed.rows(0, int(HOURS.opens[-40])) if row.start >= int(HOURS.opens[-75])]
    rows = [gapped(row, rng.random(len(SYMBOLS)) < 0.02) for row in rows]
    frame = build_frame(program)
    blocks, single = BlockObserver(Observer(program, HOURS, 0)), Observer(program, HOURS, 0)
    at = 0
    for block in blocks.feed(stacked(rows)):
        ahead = ahead_of_rows(frame, block)
        for i in range(len(block)):
            single.feed(rows[at])
            expected = ahead_of(frame, single.market(rows[at].known_at, decision=True))
            for field in fields(expected):
                if field.name not in {"score", "certain", "first"}:  # left out for a single row
                    same(getattr(ahead.row(i), field.name), getattr(expected, field.name), f"{field.name} of row {at}")
            at += 1
    assert at == len(rows)


def ticks_of(program: Program, feeds: Any, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A hash of every column of every tick, and of the state after it, in a run through all thirteen steps."""
    found = []

    def noted(*arguments: Any) -> Any:
        after, tick = decide(*arguments)
        digest = hashlib.blake2b(digest_size=8)
        for name, column in (*columns(tick), *((field.name, getattr(after, field.name)) for field in FIELDS)):
            values = np.asarray(column)
            digest.update(name.encode() + np.where(values == 0, 0, values).astype(values.dtype).tobytes())
        found.append(digest.hexdigest())
        return after, tick

    with monkeypatch.context() as patched:
        patched.setattr("qmtl.engine.backtest.run.decide", noted)
        _Backtest([program], feeds, HOURS, plan, shortcut=False).run(lambda _done, _total: None)
    return found


@pytest.mark.parametrize("stop", ["", "stop 2 * atr(10)", "stop at lowest(low, 6)"])
def test_what_stages_remember_of_the_tick_before_changes_no_answer(stop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Frame.recent` gives the last answer again where it is asked about the same objects; here it never does."""
    program, feed = Lines(short=True, calm=True, wild=0.12, stop=stop, sector=30.0, total=60.0).program(), market(4)
    run = program, (feed, feed.vix), Plan("recent", "2025-10-06", "2025-10-15")
    remembering = ticks_of(*run, monkeypatch)
    monkeypatch.setattr(Recent, "of", lambda _self, function, *asked: function(*asked))
    assert ticks_of(*run, monkeypatch) == remembering
    assert len(set(remembering)) > 200
