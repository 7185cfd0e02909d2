"""60m bars on the session grid against pandas, session by session, and what happens to slots nobody filled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from qmtl.engine.bars60 import Hour, HourBars
from qmtl.engine.calendar import SessionCalendar


def aggregate(bars: Any, calendar: SessionCalendar) -> list[Hour]:
    """What an observer does with the open hour."""
    starts = calendar.grid("15m").starts
    hours, out = HourBars(calendar, bars.cells.shape[2]), []
    for index, start in enumerate(bars.starts):
        bar = int(starts.searchsorted(start))
        if hours.index not in {-1, hours.hour_of(bar)}:
            out.append(hours.close())
        if bars.present[index].any():
            hours.add(bar, bars.cells[index], bars.present[index])
        if hours.is_last(bar):
            out.append(hours.close())
    return [hour for hour in out if hour is not None]


def pandas_hours(bars: Any, calendar: SessionCalendar, column: int) -> pd.DataFrame:
    """Resampled per session with its open as origin; hours without a bar left out."""
    at = pd.to_datetime(bars.starts, unit="s", utc=True)
    frame = pd.DataFrame(bars.cells[:, :, column], index=at, columns=["open", "high", "low", "close", "volume"])
    frame = frame[bars.present[:, column]]
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    parts = []
    for opened, closed in zip(calendar.opens, calendar.closes, strict=True):
        origin = pd.Timestamp(opened, unit="s", tz="UTC")
        day = frame[(frame.index >= origin) & (frame.index < pd.Timestamp(closed, unit="s", tz="UTC"))]
        if len(day):
            parts.append(day.resample("60min", origin=origin).agg(rules))
    return pd.concat(parts).dropna(subset=["close"])


def compare(hours: list[Hour], bars: Any, calendar: SessionCalendar) -> None:
    starts = calendar.grid("60m").starts
    for column in range(bars.cells.shape[2]):
        mine = [hour for hour in hours if hour.present[column]]
        oracle = pandas_hours(bars, calendar, column)
        assert [int(starts[hour.index]) for hour in mine] == [int(at.timestamp()) for at in oracle.index]
        cells = [hour.values[:, column] for hour in mine]  # noqa: PD011 - no pandas object
        np.testing.assert_allclose(cells, oracle.to_numpy(), rtol=1e-15)


def test_hours_are_those_of_pandas_with_the_session_as_origin(bars: Any, calendar: SessionCalendar) -> None:
    hours = aggregate(bars, calendar)
    compare(hours, bars, calendar)
    ends = calendar.grid("60m").ends
    half_day = [pd.Timestamp(int(ends[hour.index]), unit="s", tz="America/New_York") for hour in hours][-4:]
    assert [end.strftime("%m-%d %H:%M") for end in half_day] == [
        f"11-28 {t}" for t in ("10:30", "11:30", "12:30", "13:00")
    ]


@pytest.mark.parametrize("gaps", [0.3, 0.9])
def test_an_hour_closes_with_what_it_has(generate: Any, calendar: SessionCalendar, gaps: float) -> None:
    sparse = generate("2025-10-20", "2025-11-28", 5, gaps)
    compare(aggregate(sparse, calendar), sparse, calendar)


@pytest.mark.parametrize(
    ("kept", "closed"), [([0, 1, 2, 4, 5], [0]), ([3, 25, 26], [0, 6]), ([24, 26], [6]), ([1, 9], [0])]
)
def test_an_hour_closes_when_the_feed_skips_its_last_slot(
    generate: Any, calendar: SessionCalendar, kept: list[int], closed: list[int]
) -> None:
    bars = generate("2025-10-01", "2025-10-02", 2)
    part = type(bars)(bars.starts[kept], bars.ends[kept], bars.cells[kept], bars.present[kept], bars.symbols)
    first = int(calendar.grid("60m").starts.searchsorted(bars.starts[0]))
    hours = aggregate(part, calendar)
    assert [hour.index - first for hour in hours] == closed
    assert all(hour.present.all() for hour in hours)


def test_nobody_traded_means_no_hour(calendar: SessionCalendar) -> None:
    assert HourBars(calendar, 3).close() is None
