"""VIX files: both published layouts, known only after the day, bad lines named."""

# ruff: noqa: PD011 - `values` is a field of BarRow here, not of a frame

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qmtl.engine.adapters.vixfile import NoMacro, VixFile, WatchedVixFile
from qmtl.engine.errors import DataError, SilentFeedError

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "vix"
recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded VIX: {DATA} is absent")


def moment(text: str) -> int:
    return int(pd.Timestamp(text).timestamp())


@recorded
def test_R27_a_day_is_known_from_the_midnight_that_ends_it() -> None:
    feed = VixFile(DATA / "vix_daily_cboe.csv")
    during = [row.day for row in feed.rows(0, moment("2025-11-28T20:59Z"))]
    assert during[-1] == "2025-11-27"
    (row,) = feed.rows(moment("2025-11-28T21:00Z"), moment("2025-11-30T00:00Z"))
    assert (row.day, row.known_at) == ("2025-11-28", moment("2025-11-29T00:00-05:00"))
    assert row.values[:4].tolist() == [17.41, 18.52, 15.78, 16.35]
    assert np.isnan(row.values[4])


@recorded
def test_midnight_follows_the_clock_change() -> None:
    rows = list(VixFile(DATA / "vix_daily_cboe.csv").rows(moment("2025-10-31T12:00Z"), moment("2025-11-04T12:00Z")))
    assert [row.known_at for row in rows] == [moment("2025-11-01T00:00-04:00"), moment("2025-11-04T00:00-05:00")]


@recorded
@pytest.mark.parametrize("name", ["VIXCLS_fred_format.csv", "FRED_VIXCLS_real_2008-2018.csv"])
def test_fred_layout_has_closes_and_skips_holidays(name: str) -> None:
    cboe = {row.day: row.values[3] for row in VixFile(DATA / "vix_daily_cboe.csv").rows(0, 2**40)}
    rows = list(VixFile(DATA / name).rows(0, 2**40))
    frame = pd.read_csv(DATA / name, dtype=str)
    assert len(rows) == len(frame[frame["VIXCLS"].notna() & (frame["VIXCLS"] != ".")]) < len(frame)
    assert all(np.isnan(row.values[[0, 1, 2, 4]]).all() for row in rows)
    assert sum(row.values[3] != cboe[row.day] for row in rows) <= 3  # half days on which FRED and CBOE differ


def test_cboe_download_layout(tmp_path: Path) -> None:
    path = tmp_path / "VIX_History.csv"
    path.write_text("DATE,OPEN,HIGH,LOW,CLOSE\n11/26/2025,18,19,17,18.5\n11/28/2025,17.41,18.52,15.78,16.35\n")
    assert [row.day for row in VixFile(path).rows(0, 2**40)] == ["2025-11-26", "2025-11-28"]


BAD = {
    "empty": ("", "vix.csv: the file is empty"),
    "binary": ("\x00\x01\x02" * 100, "vix.csv"),
    "other columns": ("when,what\n1,2\n", "vix.csv:1: the header lacks date, open, high, low, close"),
    "no rows": ("date,open,high,low,close\n", "there is no value in it"),
    "only holes": ("DATE,VIXCLS\n2025-11-27,.\n2025-11-28,\n", "there is no value in it"),
    "not a date": ("DATE,VIXCLS\n2025-11-27,18\n28 Nov,17\n", "vix.csv:3: '28 Nov' is not a date"),
    "no such date": ("DATE,VIXCLS\n2025-11-31,18\n", "vix.csv:2: '2025-11-31' is not a date"),
    "twice": ("DATE,VIXCLS\n2025-11-27,18\n2025-11-27,18\n", "vix.csv:3: 2025-11-27 is not later than the line before"),
    "unsorted": ("DATE,VIXCLS\n2025-11-28,18\n2025-11-27,18\n", "vix.csv:3: 2025-11-27 is not later"),
    "negative": ("DATE,VIXCLS\n2025-11-28,-1\n", "vix.csv:2: close is '-1'"),
    "text": ("date,open,high,low,close\n2025-11-28,1,2,x,1\n", "vix.csv:2: low is 'x'"),
    "hole in CBOE": ("date,open,high,low,close\n2025-11-28,,2,1,1\n", "vix.csv:2: open is ''"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_say_where_and_why(tmp_path: Path, case: str) -> None:
    content, expected = BAD[case]
    path = tmp_path / "vix.csv"
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        VixFile(path)
    assert expected in str(caught.value)
    assert caught.value.hint


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        VixFile(tmp_path / "vix.csv")


def test_no_macro_is_empty() -> None:
    assert list(NoMacro().rows(0, 2**40)) == []


def cboe(path: Path, *days: str) -> None:
    lines = ["date,open,high,low,close", *(f"{day},17,18,16,17.5" for day in days)]
    path.write_text("\n".join(lines) + "\n")


def days(feed: WatchedVixFile, after: str | int, until: str) -> list[str]:
    return [row.day for row in feed.rows(after and moment(str(after)), moment(until))]


def test_r23_a_day_that_is_written_late_reaches_the_tick_that_finds_it_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "vix.csv"
    cboe(path, "2026-01-05", "2026-01-06")
    feed = WatchedVixFile(path)
    assert days(feed, 0, "2026-01-07T15:00Z") == ["2026-01-05", "2026-01-06"]
    assert days(feed, "2026-01-07T15:00Z", "2026-01-08T15:00Z") == []
    cboe(path, "2026-01-05", "2026-01-06", "2026-01-07")
    assert days(feed, 0, "2026-01-08T15:01Z") == ["2026-01-05", "2026-01-06"]  # a warm-up beside the run
    (row,) = feed.rows(moment("2026-01-08T15:01Z"), moment("2026-01-08T15:02Z"))
    assert (row.day, row.known_at) == ("2026-01-07", moment("2026-01-08T15:02Z"))
    assert days(feed, "2026-01-08T15:02Z", "2026-01-08T15:03Z") == []
    assert (
        days(WatchedVixFile(path), "2026-01-08T15:02Z", "2026-01-08T15:03Z") == []
    )  # a start that warms up from a snapshot
    assert days(WatchedVixFile(path, "2026-01-06"), "2026-01-08T15:02Z", "2026-01-08T15:03Z") == ["2026-01-07"]


def test_r37_a_file_that_is_half_written_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "vix.csv"
    cboe(path, "2026-01-05")
    feed = WatchedVixFile(path)
    path.write_text("date,open,high,low,close\n2026-01-0")
    with pytest.raises(SilentFeedError):
        feed.rows(0, moment("2026-01-07T15:00Z"))
    cboe(path, "2026-01-05", "2026-01-06")
    assert days(feed, 0, "2026-01-07T15:00Z") == ["2026-01-05", "2026-01-06"]
