"""Ticks that can never be are found without a calendar of holidays, and the moment offered instead can be."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from qmtl.cli.test import test as run_cases
from qmtl.dsl.cases.moments import read_moment
from qmtl.dsl.cases.sessions import impossible_tick
from qmtl.dsl.compile import validate
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map, Scalar
from qmtl.dsl.yamltree import read_yaml
from qmtl.engine.calendar import SessionCalendar

NEW_YORK = ZoneInfo("America/New_York")
WORLD = """\
world: us
calendar: XNYS
universe: [SPY]
chains: [{name: rest, otherwise: true, strategies: [roc_momentum]}]
allowlist: all
"""


def judged(text: str, *, decision: bool = True) -> Diagnostic | None:
    tree, _ = read_yaml(Source("c.yaml", f'at: "{text}"\n'))
    assert isinstance(tree, Map)
    node = tree.get("at")
    assert isinstance(node, Scalar)
    at, _ = read_moment(node)
    assert at is not None
    return impossible_tick(node, at, "XNYS", decision=decision)


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("2026-01-04T10:30-05:00", "2026-01-05T10:30-05:00"),
        ("2026-01-03T10:30-05:00", "2026-01-02T10:30-05:00"),
        ("2026-01-06T15:31-05:00", "2026-01-06T15:30-05:00"),
        ("2026-01-06T09:30-05:00", "2026-01-06T09:45-05:00"),
        ("2026-01-06T20:00-05:00", "2026-01-06T16:00-05:00"),
        ("2026-07-06T10:30-05:00", "2026-07-06T10:30-04:00"),
        ("2026-01-06T10:30-04:00", "2026-01-06T10:30-05:00"),
        ("2026-07-06T15:35Z", "2026-07-06T15:30Z"),
        ("2026-01-06T18:30[America/New_York]", "2026-01-06T16:00[America/New_York]"),
        ("2026-01-06T10:00+00:00", "2026-01-06T14:45+00:00"),
    ],
)
def test_the_nearest_moment_is_offered_as_the_case_writes_moments(text: str, instead: str) -> None:
    found = judged(text)
    assert found is not None
    assert found.code == "Q0807"
    assert f"`{instead}`" in found.help
    assert judged(instead) is None


@pytest.mark.parametrize(
    "text",
    ["2026-01-06T15:30-05:00", "2026-07-06T16:00-04:00", "2026-01-07T00:30+09:00", "2026-01-06T15:30[Europe/London]"],
)
def test_clocks_of_other_places_are_allowed(text: str) -> None:
    assert judged(text) is None


def test_a_tick_between_bars_only_needs_the_right_offset() -> None:
    assert judged("2026-01-04T10:31-05:00", decision=False) is None
    found = judged("2026-07-06T10:31-05:00", decision=False)
    assert found is not None
    assert found.help == "write `2026-07-06T10:31-04:00`"


CALENDAR = SessionCalendar("XNYS", "2024-01-02", "2025-12-31")
BAR_ENDS = [int(end) for end in CALENDAR.bar_ends("15m")]


@given(st.sampled_from(BAR_ENDS), st.sampled_from(["America/New_York", "UTC", "Asia/Seoul"]))
def test_no_bar_of_the_calendar_is_refused(end: int, zone: str) -> None:
    there = datetime.fromtimestamp(end, ZoneInfo(zone))
    assert judged(there.isoformat(timespec="minutes")) is None


@given(st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)), st.sampled_from([-5, -4, 0, 9]))  # noqa: DTZ001 - local times without a zone, which the text gives them
def test_what_is_offered_can_be_and_is_near(local: datetime, hours: int) -> None:
    text = f"{local:%Y-%m-%dT%H:%M}{'+' if hours >= 0 else '-'}{abs(hours):02}:00"
    found = judged(text)
    if found is None:
        return
    instead = found.help.split("`")[1]
    assert judged(instead) is None
    assert abs(datetime.fromisoformat(instead) - datetime.fromisoformat(text)) <= timedelta(days=2)


def case(folder: Path, at: str) -> Path:
    (folder / "us.yaml").write_text(WORLD)
    path = folder / "c.yaml"
    path.write_text(
        f"case: times\nworld: us\nat: {at}\nbars: {{SPY: 500}}\n"
        "cases: [{name: one, expect: {orders: []}}, {name: two, expect: {orders: []}}]\n"
    )
    return path


def test_validate_says_what_a_group_has_wrong_once(tmp_path: Path) -> None:
    (found,) = validate([case(tmp_path, "2026-01-04T10:30-05:00")]).diagnostics
    assert (found.code, found.message) == ("Q0807", "no bar ends then: 2026-01-04 is a Sunday in New York")


def test_a_holiday_is_left_to_the_run_which_says_it_once_in_the_offset_that_was_written(tmp_path: Path) -> None:
    path = case(tmp_path, "2026-01-19T10:30-05:00")
    assert validate([path]).diagnostics == ()
    result = CliRunner().invoke(run_cases, [str(path)])
    assert result.exit_code == 1
    assert result.output.count("no 15m bar of XNYS closes at 2026-01-19T10:30-05:00") == 1
    assert "bars close at 2026-01-16T16:00-05:00 and 2026-01-20T09:45-05:00" in result.output
    assert "FAILED  two: as above" in result.output
