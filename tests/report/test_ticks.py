"""Laws of axes: value ticks are round, inside and increasing; time ticks are real dates."""

from __future__ import annotations

import math
from datetime import date
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from qmtl.engine.report.ticks import day_ticks, log_ticks, periods, round_step, round_ticks
from qmtl.engine.report.timeaxis import WIDTH, time_axis

from .made import opened, weekdays

LOWS = st.floats(-1e9, 1e9, allow_nan=False)
WIDTHS = st.floats(1e-6, 1e9, allow_nan=False)


@settings(deadline=None)
@given(LOWS, WIDTHS, st.integers(2, 12))
@example(0.0, 1.0, 5)
@example(-0.3, 0.9, 4)
@example(99_500.0, 8_000.0, 6)
def test_value_ticks_are_round_inside_and_increasing(low: float, width: float, most: int) -> None:
    high = low + max(width, abs(low) * 1e-6)
    ticks, step = round_ticks(low, high, most), round_step(low, high, most)
    assert 1 <= len(ticks) <= most
    assert all(low <= t <= high for t in ticks)
    exact = Fraction(step.digit) * Fraction(10) ** step.power
    assert step.digit in (1, 2, 5)
    multiples = [Fraction(repr(t)) / exact for t in ticks]  # repr: the decimal that a reader sees
    assert all(m.denominator == 1 for m in multiples)
    assert [b - a for a, b in pairwise(multiples)] == [1] * (len(ticks) - 1)


@settings(deadline=None)
@given(LOWS, WIDTHS, st.integers(4, 12))
def test_no_finer_round_step_would_have_fitted(low: float, width: float, most: int) -> None:
    high = low + max(width, abs(low) * 1e-6)
    step = round_step(low, high, most)
    finer = {1: (5, step.power - 1), 2: (1, step.power), 5: (2, step.power)}[step.digit]
    size = float(f"{finer[0]}e{finer[1]}")
    assert math.floor(high / size) - math.ceil(low / size) + 1 >= most


@settings(deadline=None)
@given(st.floats(1e-6, 1e9), st.floats(1.01, 1e12), st.integers(3, 10))
@example(100_000.0, 40.0, 6)
def test_ratio_ticks_are_inside_and_increasing(low: float, factor: float, most: int) -> None:
    ticks = log_ticks(low, low * factor, most)
    assert ticks
    assert len(ticks) <= most + 1
    assert all(low <= t <= low * factor for t in ticks)
    assert all(a < b for a, b in pairwise(ticks))


def test_ratio_ticks_of_two_decades_are_ones_twos_and_fives() -> None:
    assert log_ticks(90_000, 4_500_000, 6) == (100_000, 200_000, 500_000, 1_000_000, 2_000_000)


@settings(deadline=None)
@given(st.dates(date(2000, 1, 1), date(2030, 1, 1)), st.integers(1, 3000))
def test_date_marks_are_first_sessions_of_their_unit(start: date, count: int) -> None:
    days = weekdays(start.isoformat(), count)
    marks = day_ticks(days)
    assert 1 <= len(marks) <= 13
    indexes = [mark.session for mark in marks]
    assert indexes == sorted(set(indexes))
    assert 0 <= indexes[0] <= indexes[-1] < count
    assert any(mark.rank == 0 for mark in marks)  # the narrowest screen has some too
    for mark in marks:
        day = date.fromisoformat(days[mark.session])
        named = str(day.day) in mark.label or str(day.year) in mark.label or day.strftime("%b") in mark.label
        assert named, (mark, day)


@pytest.mark.parametrize(
    ("count", "labels"),
    [
        (3, ["1 Oct", "2 Oct", "3 Oct"]),
        (41, ["6 Oct", "13 Oct", "20 Oct", "27 Oct", "3 Nov", "10 Nov", "17 Nov", "24 Nov"]),
        (140, ["Oct", "Nov", "Dec", "Jan 2026", "Feb", "Mar", "Apr"]),
        (3 * 261, ["Oct", "Jan 2026", "Apr", "Jul", "Oct", "Jan 2027", "Apr", "Jul", "Oct", "Jan 2028", "Apr", "Jul"]),
    ],
)
def test_dates_are_named_as_people_do(count: int, labels: list[str]) -> None:
    marks = day_ticks(weekdays("2025-10-01", count))
    assert [mark.label for mark in marks][: len(labels)] == labels


def test_a_year_without_january_is_named_at_its_first_mark() -> None:
    assert day_ticks(weekdays("2025-03-03", 100))[0].label == "Mar 2025"


@settings(deadline=None)
@given(st.integers(1, 2000), st.integers(1, 300))
def test_periods_begin_at_the_first_session_and_never_exceed_the_bound(count: int, most: int) -> None:
    unit, first = periods(weekdays("2019-11-18", count), most)
    assert first[0] == 0
    assert (np.diff(first) > 0).all()
    assert unit == "year" or len(first) <= most


def test_nights_and_weekends_take_no_room_on_the_axis() -> None:
    days = weekdays("2025-10-03", 3)  # Friday, Monday, Tuesday
    at = np.array([opened(day) + 900 * (i + 1) for day in days for i in range(26)])
    axis = time_axis(at, np.repeat(np.arange(3), 26), days)
    steps = np.diff(axis.x(np.arange(78)))
    assert np.allclose(steps, WIDTH / 78)
    assert [mark.label for mark in axis.marks] == ["3 Oct", "6 Oct", "7 Oct"]
    assert axis.moments[0] == "Fri 3 Oct 2025, 14:45 UTC"


def test_one_session_is_marked_by_full_hours() -> None:
    at = np.array([opened("2025-10-03") + 900 * (i + 1) for i in range(26)])
    axis = time_axis(at, np.zeros(26, dtype=np.int64), ("2025-10-03",))
    assert [mark.label for mark in axis.marks] == ["15:00", "16:00", "17:00", "18:00", "19:00", "20:00", "21:00"]
