"""Files that cannot be used: each names file and line, what is wrong and the way out; none is repaired silently."""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import DataError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
CALENDAR = SessionCalendar("XNYS", "2025-04-01", "2026-04-01")
HEAD = "timestamp,open,high,low,close,volume\n"
GOOD = "2025-11-26T14:30:00Z,10,11,9,10,100\n"
NEXT = "2025-11-26T14:45:00Z,10,11,9,10,100\n"


def error(folder: Path, symbols: tuple[str, ...] = ("AAPL",), rate: str = "15m") -> str:
    """What a user reads, with the folder's own path taken out."""
    with pytest.raises(DataError) as caught:
        FilesBars(folder, symbols, CALENDAR, rate=rate)  # type: ignore[arg-type]
    return f"{caught.value} | {caught.value.hint}".replace(str(folder), "bars")


def line(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "AAPL.csv").write_text(HEAD + GOOD + text) and None


FIX = "correct or remove this bar; nothing is repaired silently"
UTC = "write the bar's start in UTC, as 2025-11-28T14:30:00Z"
GOLDEN = {
    "missing open": (",11,9,10,1", f"open is missing | {FIX}"),
    "NaN close": ("10,11,9,nan,1", f"close is missing | {FIX}"),
    "negative price": ("10,11,-9,10,1", f"low is -9 | {FIX}"),
    "zero price": ("0,11,9,10,1", f"open is 0 | {FIX}"),
    "infinite price": ("10,inf,9,10,1", f"high is inf | {FIX}"),
    "negative volume": ("10,11,9,10,-1", f"volume is -1 | {FIX}"),
    "high below low": ("10,9,11,10,1", f"high 9 is below low 11 | {FIX}"),
    "text for a price": ("10,11,9,ten,1", f"close is 'ten', not a number | {FIX}"),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_bad_values_name_their_line(tmp_path: Path, case: str) -> None:
    values, expected = GOLDEN[case]
    line(f"2025-11-26T14:45:00Z,{values}\n")(tmp_path)
    assert error(tmp_path) == f"bars/AAPL.csv:3: {expected}"


TIMES = {
    "naive": ("2025-11-26T14:45:00", f"'2025-11-26T14:45:00' has no time zone: it could be any moment | {UTC}"),
    "naive date": ("2025-11-26", f"'2025-11-26' is not an ISO-8601 timestamp | {UTC}"),
    "epoch": ("1764168300", f"'1764168300' is not an ISO-8601 timestamp | {UTC}"),
    "no such day": ("2025-02-30T14:45:00Z", f"'2025-02-30T14:45:00Z' is not a moment that exists | {UTC}"),
    "empty": ("", f"there is no timestamp | {UTC}"),
    "half second": ("2025-11-26T14:45:00.5Z", f"2025-11-26T14:45:00.5Z is not on a whole second | {FIX}"),
    "twice": ("2025-11-26T14:30:00Z", "2025-11-26T14:30:00Z stands twice (line 2 too) | keep one of the two bars"),
    "unsorted": ("2025-11-25T14:30:00Z", "2025-11-25T14:30:00Z is earlier than line 2 | sort the file by timestamp"),
    "off grid": (
        "2025-11-26T14:52:00Z",
        "2025-11-26T14:52:00Z is off the 15m grid of its session | remove or correct this bar",
    ),
    "five minutes": (
        "2025-11-26T14:35:00Z",
        "2025-11-26T14:35:00Z is off the 15m grid of its session | the file seems to hold 5m bars: say `rate: 5m`",
    ),
    "beyond the calendar": (
        "2031-11-26T14:45:00Z",
        "the calendar covers 2025-04-01 to 2026-04-01 only | remove the bars outside of that range",
    ),
}


@pytest.mark.parametrize("case", TIMES)
def test_bad_timestamps_name_their_line(tmp_path: Path, case: str) -> None:
    stamp, expected = TIMES[case]
    line(f"{stamp},10,11,9,10,100\n")(tmp_path)
    assert error(tmp_path) == f"bars/AAPL.csv:3: {expected}"


def test_line_numbers_count_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv").write_text(HEAD + GOOD + "\n\n" + NEXT.replace("11", "5", 1).replace(",11,", ",1,"))
    assert "AAPL.csv:5:" in error(tmp_path)


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "bars/AAPL.csv: the file is empty | fill it or drop the symbol from the universe"),
    "only a header": (
        HEAD.encode(),
        "bars/AAPL.csv: there is a header but no bar | fill the file or drop the symbol from the universe",
    ),
    "binary": (bytes(range(256)) * 8, "bars/AAPL.csv: "),
    "zeros": (b"\0" * 4096, "bars/AAPL.csv: "),
    "a picture": (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" * 30, "bars/AAPL.csv: "),
    "ragged": ((HEAD + GOOD + "1,2,3,4,5,6,7,8,9\n").encode(), "bars/AAPL.csv: this is not a table: "),
    "a field too many": ((HEAD + GOOD.replace("\n", ",7\n")).encode(), "bars/AAPL.csv: this is not a table: "),
    "missing columns": (
        b"date,open,high,low,close,vol\n2025-11-26,1,1,1,1,1\n",
        (
            "bars/AAPL.csv:1: the header lacks timestamp, volume; it has date, open, high, low, close, vol"
            " | rename 'date' to 'timestamp'; rename 'vol' to 'volume'"
        ),
    ),
    "local time as UTC": (
        (HEAD + "2025-11-26T03:00:00Z,10,11,9,10,100\n").encode(),
        (
            "bars/AAPL.csv: none of its 1 bars lies in a regular session"
            " | are local times written as UTC, or is it the calendar of another exchange?"
        ),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_files_that_are_no_bars(tmp_path: Path, case: str) -> None:
    content, expected = FILES[case]
    (tmp_path / "AAPL.csv").write_bytes(content)
    assert error(tmp_path).startswith(expected)


def test_a_comma_at_the_end_of_each_line_shifts_no_column(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv").write_text(HEAD + GOOD.replace("\n", ",\n"))
    (row,) = FilesBars(tmp_path, ("AAPL",), CALENDAR).rows(0, 2**40)
    assert row.values[:, 0].tolist() == [10, 11, 9, 10, 100]  # noqa: PD011 - a field of BarRow


@pytest.mark.parametrize(  # named: a compressed text carries the second at which it was made
    "content",
    [b"not gzip at all", gzip.compress((HEAD + GOOD * 50).encode())[:40], b""],
    ids=["no_gzip", "cut_off", "empty"],
)
def test_damaged_gzip(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "AAPL.csv.gz").write_bytes(content)
    assert error(tmp_path).startswith("bars/AAPL.csv.gz: ")


def test_damaged_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "AAPL.parquet").write_bytes(b"PAR1 but no more")
    assert error(tmp_path).startswith("bars/AAPL.parquet: cannot be read: ")


def test_R33_parquet_without_a_zone_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({name: [1.0] for name in ("open", "high", "low", "close", "volume")})
    frame.insert(0, "timestamp", pd.to_datetime(["2025-11-26T14:30:00"]))
    frame.to_parquet(tmp_path / "AAPL.parquet")
    assert error(tmp_path) == "bars/AAPL.parquet: the timestamps have no time zone | store them with their zone (UTC)"


def test_missing_folder(tmp_path: Path) -> None:
    assert error(tmp_path / "nowhere") == (
        "the bars folder bars does not exist | give the folder that holds <SYMBOL>.csv files"
    )


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "bars.zip").write_text("")
    assert "is a file, not a folder" in error(tmp_path / "bars.zip")


def test_folder_without_bars(tmp_path: Path) -> None:
    assert "holds no bar file" in error(tmp_path)


def test_all_missing_symbols_are_listed_with_near_names(tmp_path: Path) -> None:
    for symbol in ("GOOG", "GOOGL", "SPY"):
        (tmp_path / f"{symbol}.csv").write_text(HEAD + GOOD)
    assert error(tmp_path, ("SPY", "GOGL", "XYZ", "spy")) == (
        "bars has no bars for 3 of 4 symbols: GOGL (near: GOOGL, GOOG), XYZ, spy (near: SPY)"
        " | add <SYMBOL>.csv files or take these symbols out of the universe"
    )


def test_a_symbol_cannot_climb_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "SPY.csv").write_text(HEAD + GOOD)
    (tmp_path / "AAPL.csv").write_text(HEAD + GOOD)
    assert "has no bars for 1 of 1 symbols: ../AAPL" in error(inner, ("../AAPL",))


def test_two_files_of_one_symbol(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv").write_text(HEAD + GOOD)
    (tmp_path / "AAPL.csv.gz").write_bytes(gzip.compress((HEAD + GOOD).encode()))
    assert error(tmp_path) == "bars has more than one file for AAPL: AAPL.csv, AAPL.csv.gz | keep one of them"


def test_rate_that_is_finer_than_the_file(tmp_path: Path) -> None:
    stamps = pd.date_range("2025-11-26T14:30Z", periods=26, freq="15min").strftime("%Y-%m-%dT%H:%M:%SZ")
    (tmp_path / "AAPL.csv").write_text(HEAD + "".join(f"{stamp},10,11,9,10,100\n" for stamp in stamps))
    assert error(tmp_path, rate="5m") == (
        "bars/AAPL.csv: no two bars are 5m apart | the file seems to hold 15m bars: say `rate: 15m`"
    )


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no recorded bars: {DATA} is absent")
@pytest.mark.parametrize("name", ["IWM_2026-02", "IWM_2026-03", "TSM_2025-12", "TSM_2026-03"])
def test_R33_dirty_vendor_files_are_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    """Yahoo 5m as committed by somebody: other columns and naive local times. With both put right, they load."""
    raw = pd.read_csv(DATA / "dirty_vendor_yahoo_5m" / f"{name}_5m.csv.gz")
    raw.to_csv(tmp_path / "AAPL.csv", index=False)
    assert "the header lacks timestamp, volume" in error(tmp_path, rate="5m")
    renamed = raw.rename(columns={"dt": "timestamp", "vol": "volume"})
    renamed.to_csv(tmp_path / "AAPL.csv", index=False)
    assert "AAPL.csv:2: " in error(tmp_path, rate="5m")
    assert "has no time zone: it could be any moment" in error(tmp_path, rate="5m")
    local = pd.to_datetime(renamed["timestamp"]).dt.tz_localize("America/New_York")
    renamed.assign(timestamp=local.map(lambda t: t.isoformat())).to_csv(tmp_path / "AAPL.csv", index=False)
    feed = FilesBars(tmp_path, ("AAPL",), CALENDAR, rate="5m")
    assert feed.notes[0].kept + feed.notes[0].dropped == len(raw)


PIECES = st.sampled_from(
    [
        "timestamp",
        "open",
        "2025-11-26T14:30:00Z",
        "2025-11-26",
        "10",
        "-1",
        "1e999",
        "nan",
        "",
        ",",
        '"',
        "\n",
        "\r",
        "é",
        "\0",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=40).map(lambda found: ",".join(found).encode())))
def test_law_any_file_is_bars_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    for head in (b"", HEAD.encode(), (HEAD + GOOD).encode()):
        (folder / "AAPL.csv").write_bytes(head + content)
        (folder / "GZ.csv.gz").write_bytes(content)
        for symbol in ("AAPL", "GZ"):
            with contextlib.suppress(DataError):
                FilesBars(folder, (symbol,), CALENDAR)
        with contextlib.suppress(DataError):
            VixFile(folder / "AAPL.csv")
