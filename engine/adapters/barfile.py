"""One file of bars, read and checked: text or Parquet in, columns out, or a DataError that names the line.

In: `<SYMBOL>.csv`, `.csv.gz` or `.parquet` with timestamp,open,high,low,close,volume; timestamps ISO-8601 with Z or an
offset, of the bar's start. Out: start times and a float64 block, sorted, unique, without a bad value. Nothing is repaired
here: a bar that cannot be right is reported with its line, because a silent repair is a position taken on a guess.
"""

from __future__ import annotations

import difflib
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..bars import FIELDS, Bools, Floats, Ints
from ..errors import DataError

COLUMNS = ("timestamp", *FIELDS)
#: how a bar file may end, in the order they are looked for
SUFFIXES = (".csv", ".csv.gz", ".parquet")
_ISO = r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
_AWARE = _ISO + r"(?:Z|[+-]\d\d:?\d\d)$"
_WRITE_UTC = "write the bar's start in UTC, as 2025-11-28T14:30:00Z"
_FIX_BAR = "correct or remove this bar; nothing is repaired silently"


@dataclass(frozen=True, slots=True)
class RawBars:
    """Bars of one symbol at the file's own rate.

    starts  int64 [n] epoch seconds, strictly rising
    fields  float64 [5, n] in the order of FIELDS
    lines   int64 [n] line of the file (row number for Parquet) of each bar
    """

    path: Path
    starts: Ints
    fields: Floats
    lines: Ints

    def place(self, row: int) -> str:
        """Where a bar stands, as people write it: file:line."""
        return f"{self.path}:{self.lines[row]}"


def read_bars(path: Path) -> RawBars:
    """Read and check one file; DataError (with file, line and way out) for anything that cannot be used."""
    frame = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    lines = frame.index.to_numpy(np.int64) + (1 if path.suffix == ".parquet" else 2)
    if not len(frame):
        raise DataError(f"{path}: there is a header but no bar", "fill the file or drop the symbol from the universe")
    starts = _starts(path, frame["timestamp"], lines)
    values = np.empty((len(FIELDS), len(frame)))
    for i, name in enumerate(FIELDS):
        values[i] = _numbers(path, frame[name], name, lines)
    bars = RawBars(path, starts, values, lines)
    _check_values(bars)
    _check_order(bars)
    return bars


def table(path: Path, **options: object) -> pd.DataFrame:
    """A CSV file as a frame of text, its index the line number - 2; blank lines are left out, not counted away."""
    with _readable(path), warnings.catch_warnings():
        # a line with more fields than the header has would become an index, and every column another one
        warnings.simplefilter("error", pd.errors.ParserWarning)
        frame: pd.DataFrame = pd.read_csv(  # type: ignore[call-overload]
            path, skip_blank_lines=False, encoding="utf-8", index_col=False, **options
        )
    if frame.columns.str.contains("\x00", regex=False).any():
        raise DataError(f"{path}: this is not text", "put a CSV file with a header line here")
    frame.columns = frame.columns.str.strip()
    return frame.dropna(how="all")


def require(path: Path, frame: pd.DataFrame, wanted: tuple[str, ...]) -> None:
    """DataError that names the missing columns and the near ones that are there."""
    missing = [name for name in wanted if name not in frame.columns]
    if not missing:
        return
    there = [str(name) for name in frame.columns]
    near = {"timestamp": ["dt", "date", "datetime", "time"], "volume": ["vol"]}
    guesses = []
    for name in missing:
        found = [t for t in there if t.lower() in (name, *near.get(name, []))] or difflib.get_close_matches(
            name, there, 1
        )
        if found:
            guesses.append(f"rename '{found[0]}' to '{name}'")
    raise DataError(
        f"{path}:1: the header lacks {', '.join(missing)}; it has {', '.join(there[:12])}",
        "; ".join(guesses) or f"the header must be {','.join(wanted)}",
    )


def _csv(path: Path) -> pd.DataFrame:
    frame = table(path, dtype={"timestamp": str}, low_memory=False)
    require(path, frame, COLUMNS)
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    with _readable(path):
        frame = pd.read_parquet(path)
    frame = frame.reset_index(drop="timestamp" in frame.columns)
    require(path, frame, COLUMNS)
    return frame


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Translate what readers of files raise, once."""
    try:
        yield
    except pd.errors.EmptyDataError as error:
        raise DataError(f"{path}: the file is empty", "fill it or drop the symbol from the universe") from error
    except ImportError as error:
        raise DataError(f"{path}: reading Parquet needs pyarrow", "pip install pyarrow") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path}: the compressed file ends too early or is damaged", "copy it again") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(
            f"{path}: this is not a table: {_first_line(error)}", "give every line the same columns"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: this is not text (byte {error.start})", "put a CSV file with a header here"
        ) from error
    except (OSError, ValueError) as error:
        # gzip.BadGzipFile is an OSError, pyarrow.ArrowInvalid a ValueError
        raise DataError(
            f"{path}: cannot be read: {_first_line(error)}", "check the file and its permissions"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]


def _starts(path: Path, column: pd.Series, lines: Ints) -> Ints:
    _refuse(path, lines, column.isna().to_numpy(bool), lambda _: "there is no timestamp", _WRITE_UTC)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = column
    elif pd.api.types.is_datetime64_any_dtype(column):
        raise DataError(f"{path}: the timestamps have no time zone", "store them with their zone (UTC)")
    else:
        moments = _parsed(path, column.astype(str).str.strip(), lines)
    micros: Ints = moments.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    _refuse(path, lines, micros % 1_000_000 != 0, lambda row: f"{column.iloc[row]} is not on a whole second", _FIX_BAR)
    return micros // 1_000_000


def _parsed(path: Path, text: pd.Series, lines: Ints) -> pd.Series:
    aware = text.str.match(_AWARE).to_numpy(bool)
    if not aware.all():
        row = int(np.flatnonzero(~aware)[0])
        naive = bool(pd.Series([text.iloc[row]]).str.match(_ISO).iloc[0])
        why = "has no time zone: it could be any moment" if naive else "is not an ISO-8601 timestamp"
        raise DataError(f"{path}:{lines[row]}: '{text.iloc[row][:40]}' {why}", _WRITE_UTC)
    try:
        return pd.to_datetime(text, utc=True, format="ISO8601")
    except ValueError as error:
        moments = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
        row = int(np.flatnonzero(moments.isna())[0])
        raise DataError(f"{path}:{lines[row]}: '{text.iloc[row]}' is not a moment that exists", _WRITE_UTC) from error


def _numbers(path: Path, column: pd.Series, name: str, lines: Ints) -> Floats:
    if column.dtype.kind in "fiu":
        return column.to_numpy(np.float64)
    numbers = pd.to_numeric(column, errors="coerce")
    bad = (numbers.isna() & column.notna()).to_numpy(bool)
    _refuse(path, lines, bad, lambda row: f"{name} is '{str(column.iloc[row])[:40]}', not a number", _FIX_BAR)
    return numbers.to_numpy(np.float64)


def _check_values(bars: RawBars) -> None:
    for name, row_values in zip(FIELDS, bars.fields, strict=True):
        least = 0.0 if name == "volume" else np.nextafter(0.0, 1.0)
        if np.isfinite(row_values).all() and row_values.min() >= least:
            continue
        row = int(np.flatnonzero(~(np.isfinite(row_values) & (row_values >= least)))[0])
        value = row_values[row]
        what = "is missing" if np.isnan(value) else f"is {value:g}"
        raise DataError(f"{bars.place(row)}: {name} {what}", _FIX_BAR)
    _refuse(
        bars.path,
        bars.lines,
        bars.fields[1] < bars.fields[2],
        lambda row: f"high {bars.fields[1, row]:g} is below low {bars.fields[2, row]:g}",
        _FIX_BAR,
    )


def _check_order(bars: RawBars) -> None:
    steps = np.diff(bars.starts)
    if len(steps) == 0 or steps.min() > 0:
        return
    row = int(np.flatnonzero(steps <= 0)[0]) + 1
    stamp = pd.Timestamp(int(bars.starts[row]), unit="s", tz="UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    before = bars.lines[row - 1]
    if steps[row - 1] == 0:
        raise DataError(f"{bars.place(row)}: {stamp} stands twice (line {before} too)", "keep one of the two bars")
    raise DataError(f"{bars.place(row)}: {stamp} is earlier than line {before}", "sort the file by timestamp")


def _refuse(path: Path, lines: Ints, bad: Bools, say: Callable[[int], str], hint: str) -> None:
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(f"{path}:{lines[row]}: {say(row)}", hint)
