"""Observe over real bars: same bits however it is fed, no look into the future, reasons for what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.program import Lane, Program, StrategyPlan
from qmtl.engine.bars import BarRow, MacroRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import DataError, StateError
from qmtl.engine.market import Market
from qmtl.engine.observe import Observer
from qmtl.engine.reasons import Reason

Event = BarRow | MacroRow
World = Callable[[tuple[str, ...]], Program]


def events(bars: Any, calendar: SessionCalendar, delay: int = 0) -> Iterator[Event]:
    """Bars and a daily VIX known from the midnight that ends its day, in the order they become known."""
    random = np.random.default_rng(5)
    rows: list[Event] = list(bars.rows(delay))
    for day, opened, closed in zip(calendar.days, calendar.opens, calendar.closes, strict=True):
        if bars.starts[0] - 40 * 86400 <= opened <= bars.ends[-1]:
            level = 15 + 10 * random.random()
            values = np.array([level, level + 1, level - 1, level, np.nan])
            rows.append(MacroRow("VIX", day, int(closed) + 7 * 3600, values))
    return iter(sorted(rows, key=lambda row: row.known_at))


def feed(observer: Observer, event: Event) -> None:
    if isinstance(event, MacroRow):
        observer.feed_macro(event)
    else:
        observer.feed(event)


def look(observer: Observer, event: Event) -> list[bytes]:
    """The market right after an event as bytes."""
    if isinstance(event, MacroRow):
        return []
    market = observer.market(event.known_at, decision=True)
    cells = (getattr(market, field.name) for field in fields(Market))
    return [
        np.where(cell != cell, np.nan, cell).tobytes() if isinstance(cell, np.ndarray) else repr(cell).encode()
        for cell in cells
    ]


def history(observer: Observer, stream: list[Event]) -> list[list[bytes]]:
    out = []
    for event in stream:
        feed(observer, event)
        out.append(look(observer, event))
    return out


@pytest.fixture(scope="module")
def gappy(generate: Callable[..., Any]) -> Any:
    return generate("2025-10-20", "2025-11-28", 8, 0.15)


def test_a_restart_in_the_middle_gives_the_same_bits(bars: Any, make_world: World, calendar: SessionCalendar) -> None:
    program = make_world(bars.symbols)
    stream = list(events(bars, calendar))
    whole = Observer(program, calendar, 0)
    expected = history(whole, stream)
    observer, got = Observer(program, calendar, 0), []
    for index, event in enumerate(stream):
        feed(observer, event)
        got.append(look(observer, event))
        if index % 101 == 50:
            payload = observer.snapshot()
            observer = Observer(program, calendar, 0)
            observer.restore(payload)
            assert observer.snapshot() == payload
    assert got == expected
    assert observer.snapshot() == whole.snapshot()


def test_a_restart_with_gaps_gives_the_same_bits(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    program = make_world(gappy.symbols)
    stream = list(events(gappy, calendar, delay=5))
    expected = history(Observer(program, calendar, 5), stream)
    for cut in (1, 13, 222, 303):
        first = Observer(program, calendar, 5)
        got = history(first, stream[:cut])
        second = Observer(program, SessionCalendar("XNYS", "2025-01-02", "2026-01-30"), 5)
        second.restore(first.snapshot())
        assert got + history(second, stream[cut:]) == expected


def test_r27_later_rows_change_nothing_before(bars: Any, make_world: World, calendar: SessionCalendar) -> None:
    program = make_world(bars.symbols)
    stream = list(events(bars, calendar))
    expected = history(Observer(program, calendar, 0), stream)
    shaken = bars.part(0, len(bars.starts))
    cells = shaken.cells.copy()
    cells[500:] *= 1.5
    other = list(events(replace(shaken, cells=cells), calendar))
    got = history(Observer(program, calendar, 0), other)
    cut = next(
        index for index, event in enumerate(stream) if isinstance(event, BarRow) and event.start == bars.starts[500]
    )
    assert got[:cut] == expected[:cut]
    assert got[cut:] != expected[cut:]


def test_looking_does_not_disturb(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    program = make_world(gappy.symbols)
    stream = list(events(gappy, calendar))
    watched, quiet = Observer(program, calendar, 0), Observer(program, calendar, 0)
    history(watched, stream)
    for event in stream:
        feed(quiet, event)
    assert quiet.snapshot() == watched.snapshot()


def test_a_row_of_nobody_is_no_row(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    program = make_world(gappy.symbols)
    present = gappy.present.copy()
    present[[3, 26, 51, 60, 61, 62, 63]] = False
    holes = replace(gappy, present=present, cells=np.where(present[:, None, :], gappy.cells, np.nan))
    with_empty, without = Observer(program, calendar, 0), Observer(program, calendar, 0)
    for row in holes.part(0, 90).rows():
        with_empty.feed(row)
        if row.present.any():
            without.feed(row)
    assert with_empty.snapshot() == without.snapshot()


def test_a_symbol_in_a_world_is_a_symbol_alone(gappy: Any, build: Any, calendar: SessionCalendar) -> None:
    def program(universe: tuple[str, ...]) -> Program:
        b = build(universe)
        close, hour = b.bar("close"), b.bar("close", "60m")
        named = {
            "z": b.node("zscore", close, params=(12,)),
            "gap": b.node("sub", close, b.node("ema", hour, params=(4,))),
            "rsi": b.node("rsi", close, params=(5,)),
        }
        return b.program(features=tuple(named.items()))

    together, alone = Observer(program(gappy.symbols), calendar, 0), Observer(program(("S3",)), calendar, 0)
    one = replace(gappy, cells=gappy.cells[:, :, [3]], present=gappy.present[:, [3]], symbols=("S3",))
    for row, single in zip(gappy.rows(), one.rows(), strict=True):
        together.feed(row)
        alone.feed(single)
        if single.present[0] and row.start % 3600 == 0:
            here = together.market(row.known_at, decision=True).features[:, [3]]
            assert np.array_equal(here, alone.market(row.known_at, decision=True).features, equal_nan=True)


def test_columns_have_their_shapes_and_probabilities_their_sum(
    bars: Any, make_world: World, calendar: SessionCalendar
) -> None:
    program = make_world(bars.symbols)
    observer = Observer(program, calendar, 0)
    stream = list(events(bars, calendar))
    history(observer, stream)
    market = observer.market(observer.memory.known_at, decision=True)
    width = len(bars.symbols)
    assert market.p.shape == (4, width)
    assert not np.isnan(market.p).any()
    np.testing.assert_allclose(market.p[:3].sum(axis=0), 1.0, rtol=1e-12)
    assert market.when.shape == market.stay.shape == (3, width)
    assert (market.when[2] == 2).all()
    assert (market.stay[2] == 2).all()
    assert market.signal.dtype == np.int8
    assert market.signal_known.all()
    assert not market.signal_reason.any()
    assert ((market.size >= 0) & (market.size <= 1)).all()
    lane = np.zeros(width, dtype=np.bool_)
    lane[1::3] = True
    assert np.isnan(market.stop[0][lane]).all()
    assert not np.isnan(market.stop[0][~lane]).any()
    names = [name for name, _ in program.features]
    # one node serves both lanes: the row of the universe, of which a lane takes its columns
    assert np.array_equal(market.size[0], np.clip(market.features[names.index("soft")], 0, 1))
    assert np.array_equal(np.isnan(market.take[0]), ~lane)
    assert market.features.shape == (len(program.features), width)
    assert np.array_equal(market.mark, bars.cells[-1, 3])
    assert (market.bar_start, market.bar_end) == (bars.starts[-1], bars.ends[-1])
    assert market.session.day == "2025-11-28"
    assert not market.regular_hours
    assert not market.behind_15m.any()
    assert not market.behind_60m.any()
    with pytest.raises(ValueError, match="read-only"):
        market.p[0, 0] = 1.0


def test_missing_has_a_reason_and_is_never_a_signal(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    present = gappy.present.copy()
    present[:, 5] = False
    halted = replace(gappy, present=present, cells=np.where(present[:, None, :], gappy.cells, np.nan))
    observer = Observer(make_world(gappy.symbols), calendar, 0)
    early = observer.market(int(gappy.starts[0]), decision=False)
    assert (early.signal_reason == Reason.NO_DATA).all()
    assert (early.p_reason == Reason.NO_DATA).all()
    assert (early.behind_15m == -1).all()
    assert np.isnan(early.mark).all()
    for row in halted.part(0, 12).rows():
        observer.feed(row)
    market = observer.market(int(halted.ends[11]), decision=True)
    assert not market.signal_known[:, 5].any()
    assert not market.signal[:, 5].any()
    assert (market.signal_reason[:, 5] == Reason.NO_DATA).all()
    others = np.arange(8) != 5
    unknown = ~market.signal_known[1] & others
    assert unknown.any()
    assert (market.signal_reason[1][unknown] == Reason.WARMING).all()
    assert (market.signal_reason[market.signal_known] == Reason.NONE).all()
    # p_high_vol reads a VIX that nobody fed
    assert (market.p_reason[others] == Reason.WARMING).all()
    assert np.isnan(market.p[3]).all()
    assert market.behind_15m[5] == -1


def test_reasons_walk_back_to_the_first_missing_argument(
    build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    b = build(("A", "B"))
    close, vix = b.bar("close"), b.bar("vix.close", "1d")
    flat = b.node("sub", close, close)
    latches = {}
    for name, value in {
        "div0": b.node("div", close, flat),
        "deep": b.node("tanh", b.node("log", b.node("neg", close))),
        "warm": b.node("abs", b.node("sma", close, params=(50,))),
        "nodata": b.node("mul", close, b.node("sma", vix, params=(2,))),
        "flat_z": b.node("zscore", flat, params=(3,)),
        "market": b.node("add", close, b.node("xmean", b.node("lag", close, params=(99,)), scope="market")),
    }.items():
        never = b.truth("gt", b.const(0.0), b.const(1.0))
        latches[name] = b.node("latch", b.truth("gt", value, flat), never, never, never, scope="symbol")
    one = b.const(1.0)
    plans = tuple(
        StrategyPlan(name, "trend", (Lane(None, node, one, None, None, stop_is_level=False, take_is_level=False),))
        for name, node in latches.items()
    )
    observer = Observer(b.program(strategies=plans), calendar, 0)
    bars = generate("2025-10-01", "2025-10-01", 2)
    for row in bars.rows():
        observer.feed(row)
    market = observer.market(int(bars.ends[-1]), decision=True)
    assert not market.signal_known.any()
    expected = [Reason.DIV0, Reason.DIV0, Reason.WARMING, Reason.NO_DATA, Reason.DIV0, Reason.WARMING]
    assert market.signal_reason.tolist() == [[int(reason)] * 2 for reason in expected]


def test_vix_is_read_from_the_day_after(build: Any, generate: Callable[..., Any], calendar: SessionCalendar) -> None:
    b = build(("A",))
    vix = b.bar("vix.close", "1d")
    b_change = b.node("roc", vix, params=(1,))
    seen = b.node("add", b.node("mul", b.bar("close"), b.const(0.0)), b_change)
    observer = Observer(b.program(features=(("change", seen),)), calendar, 0)
    stream = list(events(generate("2025-10-01", "2025-10-08", 1), calendar))
    closes: list[float] = []
    for event in stream:
        feed(observer, event)
        if isinstance(event, MacroRow):
            closes.append(float(event.values[3]))
        else:
            value = float(observer.market(event.known_at, decision=True).features[0, 0])
            assert value == closes[-1] / closes[-2] - 1


def test_a_default_counts_before_a_series_ever_had_a_value(
    build: Any, generate: Callable[..., Any], calendar: SessionCalendar
) -> None:
    """`vix.close ?? 15` is 15 as long as VIX has never come, daily and where a 15m value reads it."""
    b = build(("A",))
    daily = b.node("coalesce", b.bar("vix.close", "1d"), b.const(15.0))
    read = b.node("add", b.node("mul", b.bar("close"), b.const(0.0)), daily)
    observer = Observer(b.program(features=(("read", read),)), calendar, 0)
    (first, *_) = generate("2025-10-01", "2025-10-01", 1).rows()
    observer.feed(first)
    assert observer.market(first.known_at, decision=True).features.tolist() == [[15.0]]


def test_r22_rows_that_cannot_be_are_refused(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    observer = Observer(make_world(gappy.symbols), calendar, 0)
    first, second = list(gappy.part(0, 2).rows())
    observer.feed(first)
    before = observer.snapshot()
    with pytest.raises(DataError, match="comes after") as late:
        observer.feed(first)
    assert late.value.hint == "rows go forward in time"
    with pytest.raises(DataError, match="not on the 15m grid"):
        observer.feed(replace(second, start=second.start + 60))
    with pytest.raises(DataError, match="still forming"):
        observer.feed(replace(second, known_at=second.end - 1))
    with pytest.raises(DataError, match="row of 3 symbols"):
        observer.feed(replace(second, values=second.values[:, :3], present=second.present[:3]))
    with pytest.raises(DataError, match="is asked for"):
        observer.market(first.known_at - 1, decision=False)
    observer.feed_macro(MacroRow("VIX", "2025-10-20", first.known_at, np.ones(5)))
    with pytest.raises(DataError, match="comes after"):
        observer.feed_macro(MacroRow("vix", "2025-10-20", first.known_at, np.ones(5)))
    fresh = Observer(make_world(gappy.symbols), calendar, 0)
    fresh.feed(first)
    assert fresh.snapshot() == before


def test_bars_behind_follow_the_calendar(gappy: Any, make_world: World, calendar: SessionCalendar) -> None:
    present = np.ones_like(gappy.present)
    present[5:, 2] = False
    present[4:, 3] = False
    cells = np.where(present[:, None, :], np.nan_to_num(gappy.cells, nan=100.0), np.nan)
    observer = Observer(make_world(gappy.symbols), calendar, 0)
    for row in replace(gappy, present=present, cells=cells).part(0, 8).rows():
        observer.feed(row)
    end = int(gappy.ends[7])
    market = observer.market(end, decision=True)
    assert market.behind_15m.tolist()[:4] == [0, 0, 3, 4]
    assert market.behind_60m.tolist()[:4] == [0, 0, 0, 1]
    later = observer.market(end + 1800, decision=False)
    assert later.behind_15m.tolist()[:4] == [2, 2, 5, 6]
    assert later.p is market.p


def test_state_error_leaves_the_observer_alone(
    gappy: Any, make_world: World, build: Any, calendar: SessionCalendar
) -> None:
    observer = Observer(make_world(gappy.symbols), calendar, 0)
    for row in gappy.part(0, 30).rows():
        observer.feed(row)
    payload = observer.snapshot()
    other = Observer(build(gappy.symbols).program(), calendar, 0)
    for bad in (
        payload,
        b"",
        b"qmtl.observe.v2\n",
        payload[:-1],
        payload + b"x",
        payload[:40],
        payload.replace(b"float64", b"float63"),
    ):
        before = other.snapshot()
        with pytest.raises(StateError):
            other.restore(bad)
        assert other.snapshot() == before
