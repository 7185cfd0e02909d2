"""Sessions, bar grids and what should be known when, against schedule rows of the exchange."""

from __future__ import annotations

import csv
import os
import time
import warnings
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.calendar import SessionCalendar, warmup_start
from qmtl.engine.errors import CalendarError

NEW_YORK = ZoneInfo("America/New_York")
SHARED = Path(__file__).parents[2].parent / "shared" / "data"
SCHEDULE = SHARED / "calendar" / "xnys_schedule_2018_2026.csv"


def at(text: str) -> int:
    """Epoch seconds of a New York wall time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp())


def wall(second: int) -> str:
    return datetime.fromtimestamp(second, NEW_YORK).strftime("%H:%M")


@pytest.fixture(scope="module")
def nyse() -> SessionCalendar:
    return SessionCalendar("XNYS", "2025-01-02", "2026-03-31")


def test_r31_sessions_are_the_schedule_rows() -> None:
    if not SCHEDULE.exists():
        pytest.skip("needs ../shared/data/calendar")
    with SCHEDULE.open() as file:
        rows = [row for row in csv.DictReader(file) if "2024-06-01" <= row["date"] <= "2026-06-30"]
    calendar = SessionCalendar("XNYS", "2024-06-01", "2026-06-30")
    assert calendar.days == tuple(row["date"] for row in rows)
    for index, row in enumerate(rows):
        assert calendar.opens[index] == datetime.fromisoformat(row["open_utc"]).timestamp()
        assert calendar.closes[index] == datetime.fromisoformat(row["close_utc"]).timestamp()


def test_r30_half_day_after_thanksgiving_is_over_at_one(nyse: SessionCalendar) -> None:
    assert nyse.regular_hours(at("2025-11-28T12:59:59"))
    assert not nyse.regular_hours(at("2025-11-28T13:00"))
    assert not nyse.regular_hours(at("2025-11-28T13:01"))
    session = nyse.times(at("2025-11-28T13:01"))
    assert (session.open_at, session.close_at) == (at("2025-11-28T09:30"), at("2025-11-28T13:00"))
    assert (session.day, session.week) == ("2025-11-28", "2025-W48")
    ends = nyse.bar_ends("60m")
    day = ends[(ends > session.open_at) & (ends <= session.close_at)]
    assert [wall(end) for end in day] == ["10:30", "11:30", "12:30", "13:00"]


def test_r30_good_friday_is_closed(nyse: SessionCalendar) -> None:
    assert not nyse.regular_hours(at("2025-04-18T11:00"))
    assert nyse.times(at("2025-04-18T11:00")).day == "2025-04-17"


def test_r34_intervals_are_half_open(nyse: SessionCalendar) -> None:
    assert not nyse.regular_hours(at("2025-10-01T09:29:59"))
    assert nyse.regular_hours(at("2025-10-01T09:30"))
    assert nyse.regular_hours(at("2025-10-01T15:59:59"))
    assert not nyse.regular_hours(at("2025-10-01T16:00"))


@pytest.mark.parametrize(
    ("day", "opening"), [("2025-10-31", "13:30"), ("2025-11-03", "14:30"), ("2026-03-09", "13:30")]
)
def test_r33_clock_changes_move_utc_and_not_the_session(nyse: SessionCalendar, day: str, opening: str) -> None:
    session = nyse.times(at(f"{day}T12:00"))
    assert datetime.fromtimestamp(session.open_at, ZoneInfo("UTC")).strftime("%H:%M") == opening
    ends = nyse.decision_times(day, day, 0)
    assert [wall(ends[0]), wall(ends[-1]), len(ends)] == ["09:45", "16:00", 26]


def test_r33_a_host_in_seoul_sees_the_same_numbers(monkeypatch: pytest.MonkeyPatch, nyse: SessionCalendar) -> None:
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        elsewhere = SessionCalendar("XNYS", "2025-10-30", "2025-11-05")
    finally:
        monkeypatch.undo()
        assert os.environ.get("TZ") == before
        time.tzset()
    first = nyse.days.index("2025-10-30")
    assert np.array_equal(elsewhere.opens, nyse.opens[first : first + 5])
    assert elsewhere.times(at("2025-11-03T03:00")).day == "2025-10-31"


def test_60m_bars_stand_on_the_session_grid_and_the_last_is_short(nyse: SessionCalendar) -> None:
    grid = nyse.grid("60m")
    today = grid.session == nyse.days.index("2025-10-01")
    pairs = zip(grid.starts[today], grid.ends[today], strict=True)
    assert [(wall(start), wall(end)) for start, end in pairs] == [
        ("09:30", "10:30"),
        ("10:30", "11:30"),
        ("11:30", "12:30"),
        ("12:30", "13:30"),
        ("13:30", "14:30"),
        ("14:30", "15:30"),
        ("15:30", "16:00"),
    ]


def test_bars_behind_counts_what_should_be_known(nyse: SessionCalendar) -> None:
    last = np.array([0, at("2025-11-28T10:00"), at("2025-11-28T10:45"), at("2025-11-26T16:00")], dtype=np.int64)
    assert nyse.bars_behind(last, at("2025-11-28T10:45"), "15m", 0).tolist() == [-1, 3, 0, 5]
    assert nyse.bars_behind(last, at("2025-11-28T10:45"), "15m", 1).tolist() == [-1, 2, 0, 4]
    assert nyse.bars_behind(last, at("2025-11-28T10:45"), "60m", 0).tolist() == [-1, 1, 0, 1]
    assert nyse.bars_behind(last, at("2025-11-29T10:45"), "15m", 0).tolist() == [-1, 12, 9, 14]
    assert nyse.bars_behind(last, at("2025-11-28T10:45"), "15m", 0).dtype == np.int32


def test_decision_times_hold_the_feed_delay_and_the_half_day(nyse: SessionCalendar) -> None:
    ticks = nyse.decision_times("2025-11-27", "2025-11-28", 5)
    assert [wall(tick) for tick in ticks[[0, 1, -1]]] == ["09:46", "10:01", "13:01"]
    assert len(ticks) == 14
    assert nyse.sessions_between("2025-11-26", "2025-11-29") == ("2025-11-26", "2025-11-28")
    assert nyse.sessions_between("2025-11-29", "2025-11-20") == ()


def test_warmup_start_takes_the_longest_rate(nyse: SessionCalendar) -> None:
    now = at("2025-10-02T10:00")
    assert warmup_start(nyse, now, (("15m", 2),)) == at("2025-10-02T09:30")
    assert warmup_start(nyse, now, (("15m", 3),)) == at("2025-10-01T15:45")
    assert warmup_start(nyse, now, (("15m", 3), ("60m", 2))) == at("2025-10-01T14:30")
    assert warmup_start(nyse, now, (("60m", 2), ("1d", 1))) == at("2025-10-01T09:30")
    assert warmup_start(nyse, now, ()) == now
    with pytest.raises(CalendarError, match="too few before 2025-10-02"):
        warmup_start(nyse, now, (("1d", 5000),))


def test_an_exchange_that_never_closes() -> None:
    calendar = SessionCalendar("24/7", "2025-01-01", "2025-01-10")
    midnight = int(datetime(2025, 1, 4, tzinfo=ZoneInfo("UTC")).timestamp())
    assert calendar.regular_hours(midnight)
    assert calendar.regular_hours(midnight - 1)
    assert calendar.times(midnight).day == "2025-01-04"
    assert calendar.times(midnight - 1).day == "2025-01-03"
    assert len(calendar.grid("60m").ends) == 240
    assert len(calendar.decision_times("2025-01-04", "2025-01-04", 0)) == 96


def test_a_lunch_break_is_not_regular_hours() -> None:
    calendar = SessionCalendar("XHKG", "2025-06-02", "2025-06-06")
    hours = [datetime(2025, 6, 2, hour, 30, tzinfo=ZoneInfo("Asia/Hong_Kong")).timestamp() for hour in (9, 12, 13)]
    assert [calendar.regular_hours(int(hour)) for hour in hours] == [True, False, True]
    starts = calendar.grid("15m").starts
    assert not np.any((starts >= hours[1] - 1800) & (starts < hours[2] - 1800))


def test_mistakes_name_the_way_out() -> None:
    with pytest.raises(CalendarError, match="no calendar XNYZ") as unknown:
        SessionCalendar("XNYZ", "2025-01-01", "2025-02-01")
    assert "XNYS" in unknown.value.hint
    with pytest.raises(CalendarError, match="no sessions"):
        SessionCalendar("XNYS", "2025-03-01", "2025-03-02")
    with pytest.raises(CalendarError, match="no sessions"):
        SessionCalendar("XNYS", "2025-03-05", "2025-03-02")
    with pytest.raises(CalendarError, match="not a day"):
        SessionCalendar("XNYS", "2025-3-5x", "2025-03-02")
    short = SessionCalendar("XNYS", "2025-03-03", "2025-03-07")
    with pytest.raises(CalendarError, match="outside the days"):
        short.times(at("2025-03-03T09:29"))
    with pytest.raises(CalendarError, match="outside the days"):
        short.regular_hours(at("2025-03-08T00:00"))
    with pytest.raises(CalendarError, match="no bar grid at 5m"):
        short.grid("5m")


def test_a_tick_loop_is_cheap(nyse: SessionCalendar) -> None:
    last = np.full(100, at("2025-10-01T10:00"), dtype=np.int64)
    began = time.perf_counter()
    for tick in range(5000):
        now = at("2025-10-01T09:30") + 60 * (tick % 300)
        nyse.times(now)
        nyse.regular_hours(now)
        nyse.bars_behind(last, now, "15m", 0)
    assert time.perf_counter() - began < 2


def test_the_library_warns_and_nobody_else_is_silenced() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SessionCalendar("XNYS", "2019-01-02", "2019-02-01")
        with pytest.raises(DeprecationWarning):
            warnings.warn("still an error here", DeprecationWarning, stacklevel=1)


@settings(max_examples=200, deadline=None)
@given(st.integers(at("2025-01-02T09:30"), at("2026-03-31T23:00")), st.integers(0, 120))
def test_law_due_bars_are_those_that_ended(nyse: SessionCalendar, now: int, delay: int) -> None:
    for rate in ("15m", "60m"):
        ends = nyse.bar_ends(rate)
        assert nyse.due(now, rate, delay) == int(np.sum(ends + delay <= now))
        assert np.all(np.diff(ends) > 0)
    session = nyse.times(now)
    assert session.open_at <= now
    assert nyse.regular_hours(now) == (now < session.close_at)
