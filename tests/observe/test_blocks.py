"""Observing over blocks of time is observing row by row: every field of every row, and the memory afterwards, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Lane, Program, StrategyPlan
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.bars import BarRow, MacroRow
from qmtl.engine.blockobserver import BlockObserver, rows_of_block
from qmtl.engine.blocks import stacked
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import CalendarError, DataError
from qmtl.engine.observe import Observer

from .blockcheck import Pair, until

ROOT = Path(__file__).parents[2]
VIX = ROOT.parent / "shared" / "data" / "vix" / "vix_daily_cboe.csv"
World = Callable[[tuple[str, ...]], Program]


@lru_cache
def recorded(universe: tuple[str, ...], first_day: str, last_day: str) -> list[BarRow]:
    """Recorded 15m bars of a universe, in rows that somebody has; skips where there are none."""
    folder = ROOT.parent / "shared" / "data" / "us_15m"
    if not folder.is_dir() or not VIX.is_file():
        pytest.skip("needs ../shared/data/us_15m and ../shared/data/vix")
    calendar = SessionCalendar("XNYS", first_day, last_day)
    grid = calendar.grid("15m")
    values = np.full((len(grid.starts), 5, len(universe)), np.nan)
    for column, symbol in enumerate(universe):
        frame = pd.read_csv(folder / f"{symbol}.csv.gz")
        at = pd.to_datetime(frame.pop("timestamp"), utc=True).dt.tz_convert(None).to_numpy().astype("datetime64[s]")
        frame.index = pd.Index(at.astype(np.int64))
        values[:, :, column] = frame.reindex(grid.starts).to_numpy()
    present = ~np.isnan(values[:, 3])
    times = zip(grid.starts.tolist(), grid.ends.tolist(), strict=True)
    rows = [BarRow(start, end, end + 30, values[i], present[i]) for i, (start, end) in enumerate(times)]
    return [row for row in rows if row.present.any()]


def daily(bars: Any, calendar: SessionCalendar, series: str = "VIX") -> list[MacroRow]:
    """A daily value for every session from 40 days before the bars on, known seven hours after the close."""
    random, found = np.random.default_rng(5), []
    for day, opened, closed in zip(calendar.days, calendar.opens, calendar.closes, strict=True):
        if bars.starts[0] - 40 * 86400 <= opened <= bars.ends[-1]:
            level = 15 + 10 * random.random()
            values = np.array([level, level + 1, level - 1, level, np.nan])
            found.append(MacroRow(series, day, int(closed) + 7 * 3600, values))
    return found


def history(pair: Pair, rows: list[BarRow], macros: list[MacroRow], cuts: list[tuple[int, bool]]) -> None:
    """Feed both observers part by part: up to each cut in blocks, or row by row."""
    low, known = 0, 0
    for high, in_blocks in cuts:
        if high <= low:
            continue
        part, now = rows[low:high], rows[high - 1].known_at
        (pair.feed if in_blocks else pair.step)(part, until(macros, known, now))
        low, known = high, now


@pytest.mark.parametrize("rows", [None, 7])
def test_a_world_of_every_op_over_two_months(
    bars: Any, make_world: World, calendar: SessionCalendar, rows: int | None
) -> None:
    stream = list(bars.rows())
    pair = Pair.of(make_world(bars.symbols), calendar, rows=rows)
    history(pair, stream, daily(bars, calendar), [(300, True), (340, False), (len(stream), True)])
    assert pair.known > 500
    assert pair.unknown > 20  # the warm-up, whose reasons were compared as well


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_law_blocks_and_steps_alternate_freely(
    data: st.DataObject, generate: Callable[..., Any], make_world: World, calendar: SessionCalendar
) -> None:
    gaps = data.draw(st.sampled_from([0.0, 0.002, 0.02]))
    bars = generate("2025-10-28", "2025-11-07", data.draw(st.sampled_from([2, 5, 9])), gaps)
    delay = data.draw(st.sampled_from([0, 5, 1200]))
    cells, present = bars.cells.copy(), bars.present.copy()
    late = data.draw(st.integers(0, 150))
    present[:late, -1] = False  # a symbol that is listed later
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    if data.draw(st.booleans()):
        cells[random.random(cells.shape) < 0.002] = np.nan  # a value is missing although there is a bar
    if data.draw(st.booleans()):
        cells[40:80, :, 0] = cells[40, :, 0]  # a price that stands still
    cells[~np.broadcast_to(present[:, np.newaxis], cells.shape)] = np.nan
    bars = replace(bars, cells=cells, present=present)
    rows = list(bars.rows(delay))
    left_out = data.draw(st.sets(st.integers(0, len(rows) - 1), max_size=20))
    rows = [row for index, row in enumerate(rows) if index not in left_out]
    cuts = data.draw(st.lists(st.tuples(st.integers(1, len(rows)), st.booleans()), max_size=5))
    pair = Pair.of(make_world(bars.symbols), calendar, delay, rows=data.draw(st.sampled_from([None, 1, 3, 10])))
    macros = daily(bars, calendar) if data.draw(st.booleans()) else []
    history(pair, rows, macros, [*sorted(cuts), (len(rows), True)])


def test_two_series_that_become_known_within_a_block(
    build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    """Daily values between the bars of a session, read at 15m, at 60m and as they are; one closes an hour that waits."""
    b = build(("A", "B"))
    vix, vvix = b.bar("vix.close", "1d"), b.bar("vvix.close", "1d")
    score, close, hour = b.node("zscore", vix, params=(3,)), b.bar("close"), b.bar("close", "60m")
    named = {
        "fine": b.node("mul", close, score),
        "coarse": b.node("mul", b.node("sma", hour, params=(2,)), b.node("roc", vvix, params=(1,))),
        "both": b.node("add", b.node("mul", hour, vix), b.node("mul", close, vvix)),
        "daily": score,
        "high": b.truth("gt", vix, b.const(17.0)),
        "mean": b.node("ema", b.node("mul", close, vix), params=(3,)),
    }
    bars = generate("2025-10-06", "2025-10-10", 2)
    rows = list(bars.rows(60))
    macros, days = [], [day for day in calendar.days if day < "2025-10-10"]
    for index, row in enumerate(rows[3::5]):
        series = ("VIX", "vvix", "unread")[index % 3]
        values = np.full(5, 15.0 + index % 7)
        macros.append(MacroRow(series, days[index], row.known_at - (index % 2) * 500, values))
    short = [row for index, row in enumerate(rows) if index % 26 not in {7, 11, 12}]
    pair = Pair.of(b.program(features=tuple(named.items())), calendar, 60)
    history(pair, short, macros, [(len(short), True)])


def test_whole_universes_without_one_symbol_are_still_computed_together(
    generate: Callable[..., Any], make_world: World, calendar: SessionCalendar, monkeypatch: pytest.MonkeyPatch
) -> None:
    bars = generate("2025-10-01", "2025-11-14", 8)
    present = bars.present.copy()
    present[:, 3], present[:130, 5], present[500:, 1] = False, False, False
    bars = replace(bars, present=present, cells=np.where(present[:, np.newaxis], bars.cells, np.nan))
    pair = Pair.of(make_world(bars.symbols), calendar)
    stepped = []
    alone = BlockObserver._step
    monkeypatch.setattr(BlockObserver, "_step", lambda self, row: (stepped.append(row), alone(self, row)))
    history(pair, list(bars.rows()), daily(bars, calendar), [(len(bars.starts), True)])
    assert len(stepped) < 5


def test_reasons_before_an_hour_closes_are_those_of_the_hour_before(
    build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    """A 60m value between two others that nobody at 15m reads: its rows are brought up to date only when somebody asks."""
    b = build(("A", "B"))
    opened, closed = b.bar("open", "60m"), b.bar("close", "60m")
    inside = b.node("div", closed, b.node("sub", closed, opened))
    read = b.node("neg", b.node("abs", inside))
    never = b.truth("gt", b.const(0.0), b.const(1.0))
    signal = b.node("latch", b.truth("gt", b.node("mul", b.bar("close"), read), b.const(0.0)), never, never, never)
    one = b.const(1.0)
    plan = StrategyPlan("s", "trend", (Lane(None, signal, one, None, None, stop_is_level=False, take_is_level=False),))
    bars = generate("2025-10-06", "2025-10-08", 2)
    cells = bars.cells.copy()
    for hour in (2, 3, 5):  # hours that end where they began
        cells[4 * hour + 3, 3] = cells[4 * hour, 0]
    pair = Pair.of(b.program(strategies=(plan,)), calendar, rows=4)
    history(pair, list(replace(bars, cells=cells).rows()), [], [(78, True)])
    assert pair.unknown >= 12


def test_a_snapshot_after_a_block_goes_on_as_after_steps(
    bars: Any, make_world: World, calendar: SessionCalendar
) -> None:
    rows, macros = list(bars.rows()), daily(bars, calendar)
    pair = Pair.of(make_world(bars.symbols), calendar)
    history(pair, rows[:400], macros, [(400, True)])
    payload = pair.blocks.observer.snapshot()
    again = Pair.of(make_world(bars.symbols), calendar)
    for observer in (again.stepped, again.blocks.observer):
        observer.restore(payload)
    known = rows[399].known_at
    again.feed(rows[400:500], until(macros, known, rows[499].known_at))
    again.step(rows[500:510], until(macros, rows[499].known_at, rows[509].known_at))
    again.feed(rows[510:], until(macros, rows[509].known_at, rows[-1].known_at))


def test_an_edited_world_adopts_what_blocks_have_left(
    bars: Any, make_world: World, build: Any, calendar: SessionCalendar
) -> None:
    def program(weight: float) -> Program:
        b = build(bars.symbols)
        close = b.bar("close")
        mean = b.node("ema", b.node("mul", b.node("abs", close), b.const(2.0)), params=(9,))
        return b.program(features=(("gap", b.node("mul", b.node("sub", close, mean), b.const(weight))),))

    rows = list(bars.rows())
    olds = [Observer(program(1.0), calendar, 0) for _ in range(2)]
    for row in rows[:90]:
        olds[0].feed(row)
    list(BlockObserver(olds[1]).feed(stacked(rows[:90])))
    news = [Observer(program(3.0), calendar, 0) for _ in range(2)]
    for new, old in zip(news, olds, strict=True):
        list(BlockObserver(new).feed(stacked(rows[80:90])))
        new.adopt(old)
        new.feed(rows[90])
    assert news[0].snapshot() == news[1].snapshot()


def test_without_features_all_else_is_the_same(bars: Any, make_world: World, calendar: SessionCalendar) -> None:
    rows = stacked(list(bars.rows()))
    with_them, without = (
        list(BlockObserver(Observer(make_world(bars.symbols), calendar, 0), features=features).feed(rows))
        for features in (True, False)
    )
    for one, other in zip(with_them, without, strict=True):
        assert other.features.shape == (len(one), 0, len(bars.symbols))
        assert one.features.shape[1] > 10
        np.testing.assert_array_equal(one.signal, other.signal)
        np.testing.assert_array_equal(one.size, other.size)


def test_regime_outputs_that_are_given_are_read_as_they_stand(
    build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    b = build(("A", "B", "C"))
    given_up = b.node("input", params=("p_trend_up",), rate="15m", scope="symbol")
    few = b.node("mul", given_up, b.const(2.0), columns=(0, 2))
    named = {"sum": b.node("add", given_up, b.bar("close")), "mean": b.node("ema", given_up, params=(3,))}
    lane = b.node("ema", few, params=(2,), columns=(0, 2))
    del lane
    bars = generate("2025-10-01", "2025-10-08", 3)
    pair = Pair.of(b.program(features=tuple(named.items())), calendar)
    rows = list(bars.rows())
    for at, level in ((0, 0.25), (40, 0.5), (80, 0.125)):
        for observer in (pair.stepped, pair.blocks.observer):
            observer.memory.graph.given[...] = level
        pair.feed(rows[at : at + 40], [])


def test_r22_rows_that_cannot_be_are_refused_after_those_before_them(
    generate: Callable[..., Any], make_world: World, calendar: SessionCalendar
) -> None:
    bars = generate("2025-10-20", "2025-10-24", 3)
    rows = list(bars.rows())
    wrong = {
        "comes after": replace(rows[9], start=rows[8].start, end=rows[8].end),
        "not on the 15m grid": replace(rows[9], start=rows[9].start + 60),
        "still forming": replace(rows[9], known_at=rows[9].end - 1),
    }
    for message, row in wrong.items():
        pair = Pair.of(make_world(bars.symbols), calendar)
        blocks = pair.blocks.feed(stacked([*rows[:9], row, *rows[10:]]))
        assert next(blocks).bar_start.tolist() == [good.start for good in rows[:9]]
        with pytest.raises(DataError, match=message):
            next(blocks)
        for good in rows[:9]:
            pair.stepped.feed(good)
        pair.agree()
    pair = Pair.of(make_world(bars.symbols), calendar)
    with pytest.raises(DataError, match="is asked for"):
        pair.feed([replace(rows[0], known_at=rows[2].known_at), *rows[1:]], [])
    with pytest.raises(DataError, match="symbols was fed"):
        list(pair.blocks.feed(replace(stacked(rows[5:]), values=bars.cells[5:, :, :2])))
    late = [replace(rows[5], known_at=calendar.until)]
    with pytest.raises(CalendarError, match="outside the days"):
        list(Pair.of(make_world(bars.symbols), calendar).blocks.feed(stacked(late)))


def test_a_daily_value_that_comes_twice_is_refused_where_it_comes(
    generate: Callable[..., Any], make_world: World, calendar: SessionCalendar
) -> None:
    bars = generate("2025-10-20", "2025-10-24", 3)
    rows = list(bars.rows())
    macros = [MacroRow("vix", day, rows[at].known_at, np.ones(5)) for at, day in ((3, "2025-10-17"), (9, "2025-10-17"))]
    observer = Observer(make_world(bars.symbols), calendar, 0)
    blocks = BlockObserver(observer).feed(stacked(rows), macros)
    assert next(blocks).bar_start.tolist() == [row.start for row in rows[:9]]
    with pytest.raises(DataError, match="comes after the one of"):
        next(blocks)
    assert observer.memory.bar_start == rows[8].start


def test_blocks_are_shorter_for_wider_universes() -> None:
    rows = [rows_of_block(width) for width in (1, 24, 200, 500, 1000, 5000, 50_000)]
    assert rows == sorted(rows, reverse=True)
    assert rows[0] == rows[1] == 256
    assert rows[-1] == 4
    assert rows[3] * 500 * 8 < 512 * 1024


@pytest.mark.parametrize("world", ["us_core.yaml", "tail_hedge.qmtl"])
def test_shipped_worlds_over_recorded_bars(world: str, calendar: SessionCalendar) -> None:
    """Warm-up in blocks as well, then four weeks in which every row is compared."""
    program = compile_world(ROOT / "worlds" / world).program
    assert program is not None
    rows = recorded(program.settings.universe, "2025-06-02", "2025-11-28")
    macros = list(VixFile(VIX).rows(0, rows[-1].known_at))
    pair = Pair.of(program, calendar, 30)
    first, known = len(rows) - 520, rows[len(rows) - 521].known_at
    list(pair.blocks.feed(stacked(rows[:first]), until(macros, 0, known)))
    pair.stepped.restore(pair.blocks.observer.snapshot())
    pair.feed(rows[first:], until(macros, known, rows[-1].known_at))
    assert pair.known > 300


def test_shipped_worlds_warm_up_in_blocks_as_in_steps(calendar: SessionCalendar) -> None:
    program = compile_world(ROOT / "worlds" / "us_core.yaml").program
    assert program is not None
    rows = recorded(program.settings.universe, "2025-06-02", "2025-11-28")[:600]
    macros = list(VixFile(VIX).rows(0, rows[-1].known_at))
    pair = Pair.of(program, calendar, 30)
    history(pair, rows, macros, [(200, True), (210, False), (420, True), (len(rows), True)])
    assert pair.unknown > 200
