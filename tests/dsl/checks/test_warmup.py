"""Q0607: a replay that begins before its feed can have warmed its worlds up."""

from __future__ import annotations

import gzip
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.checks.warmup import _moved, _weekdays
from qmtl.dsl.compile import compile_deployment, validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.engine.calendar import SessionCalendar

from .conftest import WORLD, chain, told

RUN = "deployment: run\nworlds: [us.yaml]\nfeed: {feed}\nclock: {clock}\n"


def judged(tmp_path: Path, feed: str, clock: str) -> tuple[Diagnostic, ...]:
    (tmp_path / "us.yaml").write_text(WORLD.format(chains=chain("up", "p_trend_up > 0.5"), more="allowlist: all"))
    (tmp_path / "run.yaml").write_text(RUN.format(feed=feed, clock=clock))
    return validate([tmp_path / "run.yaml"]).diagnostics


def test_a_synthetic_feed_that_begins_too_late(tmp_path: Path) -> None:
    (one,) = judged(tmp_path, '{kind: synthetic, start: "2025-09-02"}', '{start: "2025-09-15"}')
    assert told((one,)) == [("Q0607", '"2025-09-15"')]
    assert [label.span.text for label in one.labels] == ['"2025-09-02"']
    assert "world us needs 209 bars of 60m before its first full decision, and the feed has at most 63" in one.message
    assert one.help.startswith("start the replay on 2025-10-14 or later, or the feed on 2025-08-04 or earlier")


def test_the_days_of_the_help_are_enough_and_a_day_less_is_not(tmp_path: Path) -> None:
    synthetic = '{{kind: synthetic, start: "{}"}}'.format
    assert judged(tmp_path, synthetic("2025-09-02"), '{start: "2025-10-14"}') == ()
    assert len(judged(tmp_path, synthetic("2025-09-02"), '{start: "2025-10-13"}')) == 1
    assert judged(tmp_path, synthetic("2025-08-04"), '{start: "2025-09-15"}') == ()
    assert len(judged(tmp_path, synthetic("2025-08-05"), '{start: "2025-09-15"}')) == 1


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
def test_files_are_asked_for_their_first_bar(ending: str, tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    for symbol, first in (("SPY", "2025-09-02"), ("QQQ", "2025-09-10")):
        text = f"timestamp,open,high,low,close,volume\n{first}T13:30:00Z,1,1,1,1,1\n"
        path = tmp_path / "bars" / f"{symbol}{ending}"
        path.write_bytes(gzip.compress(text.encode()) if ending.endswith("gz") else text.encode())
    (one,) = judged(tmp_path, "{kind: files, bars: bars}", '{start: "2025-09-15"}')
    assert told((one,)) == [("Q0607", '"2025-09-15"')]
    assert [label.span.text for label in one.labels] == ["bars"]
    assert "or add bars back to 2025-08-04" in one.help
    assert judged(tmp_path, "{kind: files, bars: bars}", '{start: "2025-10-14"}') == ()
    assert judged(tmp_path, "{kind: files, bars: bars}", '{end: "2025-10-14"}') == ()  # replays all there is


@pytest.mark.parametrize("data", [b"", b"timestamp\n", b"\xff\xfe\n\xff\n", b"time\n1757338200,1,1,1,1,1\n"])
def test_files_that_cannot_be_read_are_left_to_the_run(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "bars").mkdir()
    for name in ("SPY.csv", "QQQ.csv.gz"):
        (tmp_path / "bars" / name).write_bytes(data)
    assert judged(tmp_path, "{kind: files, bars: bars}", '{start: "2025-09-15"}') == ()


def test_a_folder_of_the_command_line_counts(tmp_path: Path) -> None:
    judged(tmp_path, "{kind: files}", '{start: "2025-09-15"}')
    for symbol in ("SPY", "QQQ"):
        (tmp_path / f"{symbol}.csv").write_text("timestamp\n2025-09-02T13:30:00Z,1\n")
    found = compile_deployment(tmp_path / "run.yaml", {"feed.bars": str(tmp_path)})
    assert told(found.diagnostics) == [("Q0607", '"2025-09-15"')]
    assert found.deployment is None


def test_a_wall_clock_has_time(tmp_path: Path) -> None:
    assert judged(tmp_path, '{kind: synthetic, start: "2025-09-02"}', "{kind: wall}") == ()


days = st.dates(date(2019, 1, 1), date(2025, 12, 31))


@given(days, st.integers(0, 400))
def test_weekdays_are_counted_as_on_a_calendar(first: date, count: int) -> None:
    end = first + timedelta(days=count)
    assert _weekdays(first, end) == sum((first + timedelta(days=n)).weekday() < 5 for n in range(count))


@given(days, st.integers(1, 200))
def test_a_moved_day_has_the_weekdays_between(day: date, count: int) -> None:
    assert _weekdays(day, _moved(day, count)) == count
    assert _weekdays(_moved(day, -count), day) == count
    assert _moved(day, count).weekday() < 5


@given(days, st.integers(1, 300))
@settings(deadline=None)
def test_there_are_never_more_sessions_than_weekdays(first: date, count: int) -> None:
    calendar = _calendar()
    end = first + timedelta(days=count)
    sessions = [d for d in calendar.days if first <= date.fromisoformat(d) < end]
    assert len(sessions) <= _weekdays(first, end)


_OPENED: list[SessionCalendar] = []


def _calendar() -> SessionCalendar:
    if not _OPENED:
        _OPENED.append(SessionCalendar("XNYS", "2018-06-01", "2026-12-31"))
    return _OPENED[0]
