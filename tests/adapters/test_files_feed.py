"""The files feed on recorded bars: what it loads, when a row is known, how finer bars become 15m bars."""

# ruff: noqa: PD011 - `values` is a field of BarRow here, not of a frame

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.calendar import SessionCalendar

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CALENDAR = SessionCalendar("XNYS", "2025-04-01", "2026-04-01")

recorded = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded bars: {DATA} is absent")


def moment(text: str) -> int:
    return int(pd.Timestamp(text).timestamp())


def universe(folder: str) -> tuple[str, ...]:
    return tuple(sorted(path.name.removesuffix(".csv.gz") for path in (DATA / folder).glob("*.csv.gz")))


def write(folder: Path, symbol: str, frame: pd.DataFrame) -> Path:
    path = folder / f"{symbol}.csv"
    frame.to_csv(path, index=False)
    return path


def bars(starts: list[str], first: float = 10.0) -> pd.DataFrame:
    close = first + np.arange(len(starts))
    return pd.DataFrame(
        {"timestamp": starts, "open": close, "high": close + 1, "low": close - 1, "close": close, "volume": 5}
    )


@recorded
def test_sixty_symbols_load_quickly_into_one_block() -> None:
    began = time.perf_counter()
    feed = FilesBars(DATA / "us_15m", universe("us_15m"), CALENDAR)
    assert time.perf_counter() - began < 4.0  # 0.6 s alone; the bound leaves room for a busy machine
    rows = list(feed.rows(0, 2**40))
    assert len(feed.symbols) == 60
    assert rows[0].values.shape == (5, 60)
    assert sum(int(row.present.sum()) for row in rows) == sum(note.kept for note in feed.notes) == 217_584
    assert feed.span() == (rows[0].start, moment("2025-11-28T18:00Z"))
    assert feed.source == "files:us_15m"


@recorded
def test_values_are_those_of_the_file() -> None:
    feed = FilesBars(DATA / "us_15m", ("SPY", "AAPL"), CALENDAR)
    frame = pd.read_csv(DATA / "us_15m" / "AAPL.csv.gz")
    rows = {row.start: row for row in feed.rows(0, 2**40)}
    for _, line in frame.iloc[:: len(frame) // 50].iterrows():
        row = rows[moment(line["timestamp"])]
        assert row.values[:, 1].tolist() == line[["open", "high", "low", "close", "volume"]].tolist()


@recorded
def test_R22_no_row_is_known_before_its_end_and_none_later_than_until() -> None:
    feed = FilesBars(DATA / "us_15m", ("SPY",), CALENDAR, delay=7)
    now = moment("2025-10-01T14:00Z")
    assert [row.end for row in feed.rows(now - 900, now)] == [moment("2025-10-01T13:45Z")]
    assert [row.end for row in feed.rows(now - 900, now + 7)][-1] == now
    for row in feed.rows(0, now):
        assert row.end == row.start + 900
        assert row.known_at == row.end + 7 <= now
    assert [row.start for row in feed.opens(now - 1, now)] == [now]


@recorded
def test_calls_that_follow_each_other_deliver_each_row_once() -> None:
    feed = FilesBars(DATA / "us_15m", ("SPY", "QQQ"), CALENDAR)
    first, last = moment("2025-10-31T13:30Z"), moment("2025-11-04T00:00Z")
    whole = [row.start for row in feed.rows(first, last)]
    pieces = [row.start for now in range(first, last, 60) for row in feed.rows(now, now + 60)]
    assert pieces == whole
    assert len(whole) == 52  # a Friday and a Monday, the clock change of 2025-11-02 between them


@recorded
def test_R30_half_day_ends_at_one_oclock() -> None:
    feed = FilesBars(DATA / "us_15m", ("SPY",), CALENDAR)
    rows = list(feed.rows(moment("2025-11-28T00:00Z"), moment("2025-11-29T00:00Z")))
    assert (len(rows), rows[-1].end) == (14, moment("2025-11-28T18:00Z"))


@recorded
def test_arrays_are_read_only_views() -> None:
    feed = FilesBars(DATA / "us_15m", ("SPY", "QQQ"), CALENDAR)
    row = next(feed.rows(0, 2**40))
    with pytest.raises(ValueError, match="read-only"):
        row.values[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        row.present[0] = False
    opened = next(feed.opens(0, 2**40))
    with pytest.raises(ValueError, match="read-only"):
        opened.prices[0] = 1.0
    assert np.shares_memory(row.values, opened.prices)


@recorded
def test_five_minute_bars_aggregate_to_the_recorded_fifteen() -> None:
    symbols = universe("us_5m")
    fine = FilesBars(DATA / "us_5m", symbols, CALENDAR, rate="5m")
    coarse = FilesBars(DATA / "us_15m", symbols, CALENDAR)
    pairs = list(zip(fine.rows(0, 2**40), coarse.rows(0, 2**40), strict=True))
    assert len(pairs) == 3928
    for a, b in pairs:
        assert (a.start, a.end, a.known_at) == (b.start, b.end, b.known_at)
        np.testing.assert_array_equal(a.values, b.values)
        np.testing.assert_array_equal(a.present, b.present)


@recorded
def test_fills_can_use_the_opens_of_the_finer_file() -> None:
    feed = FilesBars(DATA / "us_5m", ("SPY",), CALENDAR, rate="5m")
    now = moment("2025-10-01T14:00Z")
    assert [row.start for row in feed.opens(now, now + 900)] == [now + 300, now + 600, now + 900]


@recorded
def test_R24_minutes_without_a_trade_are_missing_not_filled() -> None:
    feed = FilesBars(DATA / "us_1m_iex", universe("us_1m_iex"), CALENDAR, rate="1m")
    rows = list(feed.rows(0, 2**40))
    webl = feed.symbols.index("WEBL")
    missing = [row for row in rows if not row.present[webl]]
    assert missing
    assert all(np.isnan(row.values[:, webl]).all() for row in missing)


@recorded
def test_bars_outside_regular_hours_are_dropped_and_counted() -> None:
    feed = FilesBars(DATA / "us_15m_exthours", ("AAPL", "SPY"), CALENDAR)
    sessions = CALENDAR.sessions_between("2025-06-04", "2025-08-28")
    assert len(list(feed.rows(0, 2**40))) == 26 * (len(sessions) - 1) + 14  # 2025-07-03 is a half day
    assert [note.dropped for note in feed.notes] == [len(pd.read_csv(note.path)) - note.kept for note in feed.notes]
    # the bad ticks of that file (AAPL at 1178) stand after hours
    assert max(row.values[1, 0] for row in feed.rows(0, 2**40)) < 300


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
def test_the_three_kinds_of_files_give_the_same_rows(tmp_path: Path, kind: str) -> None:
    frame = bars(["2025-11-28T14:30:00Z", "2025-11-28T09:45:00-05:00", "2025-11-28T15:15:00+00:00"])
    path = tmp_path / f"ABC.{kind}"
    if kind == "parquet":
        pytest.importorskip("pyarrow")
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
        frame.to_parquet(path)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    else:
        frame.to_csv(path, index=False)
    rows = list(FilesBars(tmp_path, ("ABC",), CALENDAR).rows(0, 2**40))
    assert [row.start - moment("2025-11-28T14:30Z") for row in rows] == [0, 900, 2700]
    assert rows[1].values[:, 0].tolist() == [11.0, 12.0, 10.0, 11.0, 5.0]


def test_symbols_stand_on_the_union_of_their_starts(tmp_path: Path) -> None:
    write(tmp_path, "A", bars(["2025-11-28T14:30:00Z", "2025-11-28T14:45:00Z"]))
    write(tmp_path, "B", bars(["2025-11-28T14:45:00Z", "2025-11-28T15:00:00Z"], 20.0))
    feed = FilesBars(tmp_path, ("B", "A"), CALENDAR)
    assert [row.present.tolist() for row in feed.rows(0, 2**40)] == [[False, True], [True, True], [True, False]]
    assert [row.prices.tolist() for row in feed.opens(0, 2**40)][1] == [20.0, 11.0]


def test_aggregation_takes_open_high_low_close_and_volume_of_the_bucket(tmp_path: Path) -> None:
    frame = bars(["2025-11-28T14:30:00Z", "2025-11-28T14:35:00Z", "2025-11-28T14:50:00Z"])
    frame.loc[1, "high"] = 99.0
    write(tmp_path, "A", frame)
    rows = list(FilesBars(tmp_path, ("A",), CALENDAR, rate="5m").rows(0, 2**40))
    assert [row.values[:, 0].tolist() for row in rows] == [[10, 99, 9, 11, 10], [12, 13, 11, 12, 5]]


def test_zero_volume_is_a_bar(tmp_path: Path) -> None:
    write(tmp_path, "A", bars(["2025-11-28T14:30:00Z"]).assign(volume=0))
    assert next(FilesBars(tmp_path, ("A",), CALENDAR).rows(0, 2**40)).present.tolist() == [True]


MINUTES = st.sets(st.integers(0, 389), min_size=1, max_size=60).map(sorted)


@settings(max_examples=60, deadline=None)
@given(MINUTES, st.integers(0, 2**32 - 1))
def test_law_aggregation_is_that_of_the_plain_definition(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[int], seed: int
) -> None:
    opened, rng = moment("2025-11-26T14:30Z"), np.random.default_rng(seed)
    low = rng.uniform(1, 5, len(minutes))
    frame = pd.DataFrame({"low": low, "high": low + 2, "open": low + 1, "close": low + rng.uniform(0, 2, len(minutes))})
    frame["volume"] = rng.integers(0, 100, len(minutes)).astype(float)
    frame["timestamp"] = [pd.Timestamp(opened + 60 * m, unit="s", tz="UTC").isoformat() for m in minutes]
    folder = tmp_path_factory.mktemp("law")
    write(folder, "A", frame)
    found = {
        row.start: row.values[:, 0].tolist() for row in FilesBars(folder, ("A",), CALENDAR, rate="1m").rows(0, 2**40)
    }
    expected = {}
    for bucket in sorted({m // 15 for m in minutes}):
        rows = [frame.loc[i] for i, m in enumerate(minutes) if m // 15 == bucket]
        expected[opened + 900 * bucket] = [
            rows[0]["open"],
            max(r["high"] for r in rows),
            min(r["low"] for r in rows),
            rows[-1]["close"],
            sum(r["volume"] for r in rows),
        ]
    assert found == expected
