"""Closed bars of a live market: R20 to R25, R30, R33, R34, and restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca.bars import AlpacaBars
from qmtl.engine.adapters.alpaca.feeds import chunks
from qmtl.engine.adapters.alpaca.parse import NANO, nanoseconds, second
from qmtl.engine.adapters.alpaca.transport import Line
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import DataError
from qmtl.engine.ports import BarFeed

from .wire import Asked, Said, Wire

Open = Callable[..., Any]
SYMBOLS = ("SPY", "QQQ", "BRK.B")
CALENDAR = SessionCalendar("XNYS", "2025-11-03", "2026-03-31")
BAR = 900


def at(text: str) -> int:
    return nanoseconds(text) // NANO


#: Monday 9 March 2026, the day after clocks changed: 09:30 in New York is 13:30 UTC
OPEN = at("2026-03-09T13:30:00Z")


class Market:
    """Bars every quarter of an hour around the clock, as the server has them. A bar shows up at its end, later by `late`; symbols
    in `quiet` have none; `page` bars fit into a page."""

    def __init__(self, wire: Wire, symbols: tuple[str, ...] = SYMBOLS, page: int = 10_000) -> None:
        self.symbols, self.page, self.now = symbols, page, 0
        self.late: dict[int, int] = {}
        self.missing: set[int] = set()
        self.quiet: set[str] = set()
        self.odd: dict[tuple[str, int], dict[str, Any]] = {}
        self.refuse: Callable[[Asked], Said | None] = lambda _: None
        self.wire = wire
        wire.routes(v2_stocks_bars=self._bars)

    def _bars(self, asked: Asked) -> Any:
        refused = self.refuse(asked)
        if refused is not None:
            return refused
        query = asked.query
        assert query["timeframe"] == "15Min"
        first, last = at(query["start"]), at(query["end"])
        rows = [
            (symbol, start)
            for symbol in sorted(query["symbols"].split(","))
            for start in range(-(-first // BAR) * BAR, last + 1, BAR)
            if self._there(symbol, start)
        ]
        low = int(query.get("page_token", "0"))
        high = min(low + self.page, low + int(query["limit"]))
        bars: dict[str, list[Any]] = {}
        for symbol, start in rows[low:high]:
            bars.setdefault(symbol, []).append(self.bar(symbol, start))
        return {"bars": bars, "next_page_token": str(high) if high < len(rows) else None}

    def _there(self, symbol: str, start: int) -> bool:
        known = start + BAR + self.late.get(start, 0)
        return known <= self.now and start not in self.missing and symbol not in self.quiet

    def bar(self, symbol: str, start: int) -> dict[str, Any]:
        price = 100 + self.symbols.index(symbol) + start % 86_400 / 900 / 100
        made = {"o": price, "h": price + 1, "l": price - 1, "c": price + 0.5, "v": 1000, "n": 5, "vw": price}
        return {"t": second(start * NANO), **made, **self.odd.get((symbol, start), {})}


@pytest.fixture
def market(wire: Wire) -> Market:
    return Market(wire)


@pytest.fixture
def data(lines: Open) -> Line:
    return lines(a_minute=100_000).data


def bars(data: Line, **options: Any) -> AlpacaBars:
    return AlpacaBars(data, options.pop("symbols", SYMBOLS), CALENDAR, **options)


def ask(feed: AlpacaBars, market: Market, after: int, until: int) -> list[Any]:
    market.now = until
    return list(feed.rows(after, until))


def test_it_is_a_bar_feed_and_gives_the_values_of_each_bar(data: Line, market: Market) -> None:
    feed: BarFeed = bars(data)
    rows = ask(bars(data), market, OPEN, OPEN + 2 * BAR + 60)
    assert [(row.start, row.end, row.known_at) for row in rows] == [
        (OPEN, OPEN + BAR, OPEN + BAR + 30),
        (OPEN + BAR, OPEN + 2 * BAR, OPEN + 2 * BAR + 30),
    ]
    price = 100 + OPEN % 86_400 / 900 / 100
    np.testing.assert_allclose(rows[0].values[:, 0], [price, price + 1, price - 1, price + 0.5, 1000], rtol=0)
    assert rows[0].present.all()
    assert not rows[0].values.flags.writeable
    assert (feed.symbols, feed.source, list(feed.opens(0, OPEN * 2))) == (SYMBOLS, "alpaca:iex:split", [])
    assert feed.span() == (0, 0)


def test_feed_adjustment_and_range_are_always_said(wire: Wire, data: Line, market: Market) -> None:
    for options in ({}, {"feed": "sip", "adjustment": "raw"}):
        ask(bars(data, **options), market, OPEN, OPEN + BAR + 60)
    asked = [one.query for one in wire.asked]
    assert [(one["feed"], one["adjustment"], one["limit"]) for one in asked] == [
        ("iex", "split", "10000"),
        ("sip", "raw", "10000"),
    ]
    assert {"start", "end"} <= asked[0].keys()
    with pytest.raises(ValueError, match="59"):
        TimeFrame(60, TimeFrameUnit.Minute)


def test_r34_only_bars_of_regular_sessions_and_the_close_belongs_to_none(data: Line, market: Market) -> None:
    day = ask(bars(data), market, OPEN - 3600, OPEN + 86_000)
    assert len(day) == 26
    assert (day[0].start, day[-1].end) == (OPEN, at("2026-03-09T20:00:00Z"))


def test_r30_a_half_day_ends_at_one(data: Line, market: Market) -> None:
    """The day after Thanksgiving 2025."""
    first = at("2025-11-28T14:30:00Z")
    day = ask(bars(data), market, first, first + 50_000)
    assert len(day) == 14
    assert day[-1].end == at("2025-11-28T18:00:00Z")


def test_r33_both_days_on_which_clocks_change(data: Line, market: Market) -> None:
    for day, opens in (("2026-03-06", "14:30"), ("2026-03-09", "13:30")):
        first = at(f"{day}T{opens}:00Z")
        rows = ask(bars(data), market, first - 1, first + BAR + 30)
        assert [row.start for row in rows] == [first]


def test_r22_a_forming_bar_is_never_given(wire: Wire, data: Line, market: Market) -> None:
    feed = bars(data)
    assert ask(feed, market, OPEN, OPEN + BAR + 29) == []
    assert wire.asked == [], "and not asked for before it can be known"
    assert len(ask(feed, market, OPEN + BAR + 29, OPEN + BAR + 30)) == 1


def test_r23_a_late_bar_is_asked_for_until_it_is_there(wire: Wire, data: Line, market: Market) -> None:
    feed, after = bars(data), OPEN
    market.late[OPEN] = 150
    got = []
    for minute in range(15, 24):
        until = OPEN + 60 * minute
        got += [(until, row.start, row.known_at) for row in ask(feed, market, after, until)]
        after = until
    assert got == [(OPEN + 18 * 60, OPEN, OPEN + 18 * 60)]
    assert len(wire.asked) == 3, "asked at 16, 17 and 18, and not again"


def test_r23_a_later_bar_makes_an_earlier_one_final(data: Line, market: Market) -> None:
    feed = bars(data)
    market.late[OPEN] = 1000
    assert ask(feed, market, OPEN, OPEN + BAR + 60) == []
    first = ask(feed, market, OPEN + BAR + 60, OPEN + 2 * BAR + 60)
    assert [row.start for row in first] == [OPEN + BAR]
    rest = ask(feed, market, OPEN + 2 * BAR + 60, OPEN + 3 * BAR + 60)
    assert [row.start for row in rest] == [OPEN + 2 * BAR]


def test_rows_come_in_order_even_when_an_earlier_one_was_late(data: Line, market: Market) -> None:
    feed = bars(data)
    market.refuse = lambda _: Said(500, b"")
    with pytest.raises(DataError):
        ask(feed, market, OPEN, OPEN + BAR + 60)
    market.refuse = lambda _: None
    until = OPEN + 2 * BAR + 60
    rows = ask(feed, market, OPEN + BAR + 60, until)
    assert [(row.start, row.known_at) for row in rows] == [(OPEN, until), (OPEN + BAR, until)]


@pytest.mark.parametrize(
    "said",
    [
        Said(500, b""),
        Said(200, b""),
        Said(200, "<html>"),
        Said(200, {"bars": []}),
        Said(200, {"nothing": 1}),
        Said(200, {"bars": {"SPY": [{"t": "2026-03-09T13:30:00Z"}]}, "next_page_token": None}),
        Said(200, {"bars": {"SPY": [{"t": "2026-03-09T13:30:00", "o": 1, "h": 1, "l": 1, "c": 1, "v": 1}]}}),
        Said(200, manner="drop"),
        Said(401, {"message": "unauthorized."}),
        Said(429, {"message": "slow"}, {"Retry-After": "0"}),
    ],
)
def test_a_failed_request_is_no_empty_answer_and_loses_nothing(data: Line, market: Market, said: Said) -> None:
    feed = bars(data)
    market.refuse = lambda _: said
    with pytest.raises(DataError):
        ask(feed, market, OPEN, OPEN + BAR + 60)
    market.refuse = lambda _: None
    assert len(ask(feed, market, OPEN + BAR + 60, OPEN + BAR + 120)) == 1


def test_a_page_that_fails_gives_out_nothing(wire: Wire, lines: Open) -> None:
    market = Market(wire, page=2)
    feed = bars(lines().data)
    market.refuse = lambda asked: Said(500, b"") if "page_token" in asked.query else None
    with pytest.raises(DataError):
        ask(feed, market, OPEN, OPEN + 2 * BAR + 60)
    market.refuse = lambda _: None
    assert len(ask(feed, market, OPEN + 2 * BAR + 60, OPEN + 2 * BAR + 120)) == 2


@pytest.mark.parametrize("page", [1, 2, 7, 10_000])
def test_all_pages_are_read_because_the_limit_is_shared_by_symbols(wire: Wire, lines: Open, page: int) -> None:
    market = Market(wire, page=page)
    rows = ask(bars(lines(a_minute=10_000).data), market, OPEN, OPEN + 5 * BAR + 60)
    assert len(rows) == 5
    assert all(row.present.all() for row in rows)


def test_pages_that_turn_in_a_circle_end(data: Line, market: Market) -> None:
    market.refuse = lambda _: Said(200, {"bars": {}, "next_page_token": "again"})
    with pytest.raises(DataError, match="circle"):
        ask(bars(data), market, OPEN, OPEN + BAR + 60)


def test_r20_r21_a_frozen_feed_gives_no_rows(wire: Wire, data: Line, market: Market) -> None:
    """It answers 200 with what it had an hour ago."""
    feed = bars(data)
    assert len(ask(feed, market, OPEN, OPEN + 4 * BAR + 60)) == 4
    frozen = [market.bar("SPY", OPEN + i * BAR) for i in range(4)]
    wire.routes(v2_stocks_bars={"bars": {"SPY": frozen}, "next_page_token": None})
    for i in range(5, 9):
        assert ask(feed, market, OPEN + (i - 1) * BAR + 60, OPEN + i * BAR + 60) == []


def test_r24_a_symbol_without_a_trade_has_no_bar_and_holds_up_nobody(data: Line, market: Market) -> None:
    market.quiet = {"QQQ"}
    rows = ask(bars(data), market, OPEN, OPEN + BAR + 60)
    assert rows[0].present.tolist() == [True, False, True]
    assert np.isnan(rows[0].values[:, 1]).all()


def test_an_impossible_bar_is_left_out_and_told(data: Line, market: Market) -> None:
    market.odd[("SPY", OPEN)] = {"h": 1.0}
    market.odd[("QQQ", OPEN)] = {"l": 0, "o": 0}
    feed = bars(data)
    rows = ask(feed, market, OPEN, OPEN + BAR + 60)
    assert rows[0].present.tolist() == [False, False, True]
    assert len([one for one in feed.take_remarks() if "impossible" in one]) == 2


def test_a_bar_off_the_grid_is_an_error(data: Line, market: Market) -> None:
    market.odd[("SPY", OPEN)] = {"t": second((OPEN + 300) * NANO)}
    with pytest.raises(DataError, match="off the 15m grid"):
        ask(bars(data), market, OPEN, OPEN + 2 * BAR + 60)


def test_r25_recent_sip_data_without_a_subscription_goes_down_to_iex_once_and_says_so(
    wire: Wire, data: Line, market: Market
) -> None:
    said = Said(403, {"message": "subscription does not permit querying recent SIP data"})
    market.refuse = lambda asked: said if asked.query["feed"] == "sip" else None
    feed = bars(data, feed="sip")
    assert feed.label == "sip"
    assert len(ask(feed, market, OPEN, OPEN + BAR + 60)) == 1
    assert len(ask(feed, market, OPEN + BAR + 60, OPEN + 2 * BAR + 60)) == 1
    assert (feed.source, feed.label) == ("alpaca:sip:split", "iex instead of sip")
    assert [one.query["feed"] for one in wire.asked] == ["sip", "iex", "iex"]
    remarks = feed.take_remarks()
    assert len(remarks) == 1
    assert "iex" in remarks[0]


def test_r25_a_refused_key_is_no_reason_to_go_down(data: Line, market: Market) -> None:
    market.refuse = lambda _: Said(403, {"message": "forbidden."})
    feed = bars(data, feed="sip")
    with pytest.raises(DataError, match="auth"):
        ask(feed, market, OPEN, OPEN + BAR + 60)
    assert feed.label == "sip"


def test_r38_148_symbols_of_a_tick_are_one_request(wire: Wire, lines: Open) -> None:
    symbols = tuple(f"SYM{chr(65 + i // 26)}{chr(65 + i % 26)}" for i in range(148))
    market = Market(wire, symbols)
    rows = ask(bars(lines().data, symbols=symbols), market, OPEN, OPEN + BAR + 60)
    assert rows[0].present.all()
    assert len(wire.asked) == 1


@given(st.lists(st.text("ABCDEFGHIJ.", min_size=1, max_size=10), max_size=1500))
def test_chunks_hold_every_symbol_once_and_fit_into_an_address(symbols: list[str]) -> None:
    parts = list(chunks(symbols))
    assert [symbol for part in parts for symbol in part] == symbols
    assert all(len("%2C".join(part)) <= 1800 for part in parts)


def test_a_warm_up_has_the_moments_of_history_and_is_read_once(wire: Wire, data: Line, market: Market) -> None:
    feed = bars(data)
    start = at("2026-03-09T15:00:00Z")
    since = at("2026-03-02T14:30:00Z")
    rows = ask(feed, market, since, start)
    assert all(row.known_at == row.end + 30 for row in rows)
    assert (rows[0].start, rows[-1].end) == (since, at("2026-03-09T14:45:00Z"))
    count = len(wire.asked)
    again = ask(feed, market, since, start)
    assert [row.start for row in again] == [row.start for row in rows]
    assert len(wire.asked) == count
    assert feed.span() == (rows[0].start, rows[-1].end)
    further = ask(feed, market, at("2026-02-27T14:30:00Z"), start)
    assert [row.start for row in further[26:]] == [row.start for row in rows]


def test_a_warm_up_beside_a_run_takes_nothing_from_it(data: Line, market: Market) -> None:
    """An edit warms up a new world at the last tick while a bar that was late is just coming in."""
    feed = bars(data)
    ask(feed, market, OPEN - 86_400 * 4, OPEN + BAR + 60)
    market.late[OPEN + BAR] = 200
    assert ask(feed, market, OPEN + BAR + 60, OPEN + 2 * BAR + 60) == []
    market.late.clear()
    last = OPEN + 2 * BAR + 60
    warm = ask(feed, market, OPEN - 86_400 * 4, last)
    assert warm[-1].start == OPEN
    rows = ask(feed, market, last, last + 60)
    assert [(row.start, row.known_at) for row in rows] == [(OPEN + BAR, last + 60)]
    assert ask(feed, market, OPEN - 86_400 * 4, last + 60)[-1].start == OPEN + BAR


def test_a_restart_warms_up_to_what_the_journal_has_and_gives_the_rest_to_ticks(data: Line, market: Market) -> None:
    last, served = OPEN + 4 * BAR, OPEN + BAR  # the bar before the last tick was late and is not in the journal
    feed = bars(data, served=served)
    warm = ask(feed, market, OPEN - 86_400 * 4, last)
    assert warm[-1].start == served
    rows = ask(feed, market, last, OPEN + 6 * BAR + 60)
    assert [row.start for row in rows] == [OPEN + BAR * i for i in (2, 3, 4, 5)]
    assert all(last < row.known_at <= OPEN + 6 * BAR + 60 for row in rows)


def test_a_restart_with_a_longer_delay_gives_no_bar_twice(data: Line, market: Market) -> None:
    feed = bars(data, served=OPEN, delay=600)
    rows = ask(feed, market, OPEN + BAR + 60, OPEN + 2 * BAR + 660)
    assert [row.start for row in rows] == [OPEN + BAR]


def test_history_is_read_anew_with_each_session(wire: Wire, data: Line, market: Market) -> None:
    """A split over night changes all of it."""
    feed = bars(data)
    since = OPEN - 4 * 86_400
    ask(feed, market, since, OPEN + BAR + 60)
    market.odd = {("SPY", OPEN): {"o": 10.0, "h": 11.0, "l": 9.0, "c": 10.5}}
    assert ask(feed, market, since, OPEN + BAR + 60)[-1].values[0, 0] > 100
    tomorrow = OPEN + 86_400 + BAR + 60
    ask(feed, market, OPEN + BAR + 60, tomorrow)
    rows = ask(feed, market, since, tomorrow)
    assert next(row for row in rows if row.start == OPEN).values[0, 0] == 10.0


def test_outside_of_sessions_nothing_is_asked(wire: Wire, data: Line, market: Market) -> None:
    feed = bars(data)
    saturday = at("2026-03-07T15:00:00Z")
    ask(feed, market, OPEN - 86_400 * 4, at("2026-03-06T21:30:00Z"))
    count = len(wire.asked)
    for minute in range(0, 600, 60):
        assert ask(feed, market, saturday + minute, saturday + minute + 60) == []
    assert len(wire.asked) == count


PLANS = st.lists(
    st.tuples(
        st.sampled_from([60, 60, 60, 120, 300, 1800, 86_400]),  # seconds to the next tick
        st.sampled_from(["", "", "", "", "fail", "restart", "warm"]),
    ),
    min_size=5,
    max_size=60,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PLANS, st.dictionaries(st.integers(0, 30), st.sampled_from([10, 45, 90, 400, 5000]), max_size=8))
def test_law_every_row_is_given_to_exactly_one_tick_in_order(
    wire: Wire, lines: Open, plan: list[tuple[int, str]], late: dict[int, int]
) -> None:
    """Whatever is late, fails or starts again: rows rise, none comes twice, and each is known within the tick that got it. Missing is
    only what a later bar overtook."""
    market = Market(wire)
    market.late = {OPEN + BAR * i: seconds for i, seconds in late.items()}
    data = lines(a_minute=1_000_000).data
    feed, after, given_out = bars(data), OPEN - 86_400 * 3, []
    for step, (seconds, event) in enumerate([(86_400 * 3, ""), *plan]):
        until = after + seconds
        if event == "fail":
            market.refuse = lambda _: Said(500, b"")
        elif event == "restart":
            feed = bars(data, served=given_out[-1] if given_out else 0)
        elif event == "warm" and given_out:
            warm = [row.start for row in ask(feed, market, OPEN - 86_400 * 2, after)]
            overtaken = {start for start in market.late if start not in given_out}  # history has them in the end
            assert not warm or warm[-1] <= given_out[-1]
            assert [s for s in warm if s not in overtaken] == [s for s in given_out if s > OPEN - 86_400 * 2]
        try:
            rows = ask(feed, market, after, until)
        except DataError:
            assert event == "fail"
            rows = []
        market.refuse = lambda _: None
        for row in rows:
            assert after < row.known_at <= until, step
            assert row.end + 30 <= row.known_at
            assert not given_out or row.start > given_out[-1]
            given_out.append(row.start)
        after = until
    market.now = after
    due = [s for s in feed._grid.starts if given_out and given_out[0] <= s <= given_out[-1]]
    skipped = set(due) - set(given_out)
    assert skipped <= set(market.late)


def test_r23_minute_by_minute_every_bar_comes_once(data: Line, market: Market) -> None:
    market.late[OPEN] = 100
    feed, after, starts = bars(data), OPEN, []
    for until in range(OPEN + 900, OPEN + 7200, 60):
        starts += [row.start for row in ask(feed, market, after, until)]
        after = until
    assert starts == [OPEN + i * BAR for i in range(7)]
