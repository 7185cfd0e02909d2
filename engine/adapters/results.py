"""Backtests on disk: a folder of Parquet columns and one JSON document, written whole or not at all.

In: a `Result` and its `Summary`. Out: the same after `load`, to the bit. The folder holds

    result.json      format, setup, summary, notices, switches, name tables, and the sha256 of every other file
    steps.parquet    the account per decision tick;  worlds.parquet  the worlds, one after the other
    orders.parquet   every order;  trips.parquet  round trips (for readers; they are computed, not read back)

Times are UTC timestamps, names are text (dictionary-encoded), what is missing is null. JSON never holds NaN or
infinity. A folder is written beside its place and renamed; one that is there is refused, or moved aside to the first
free `name.1`, `name.2`, ... when it shall be replaced: nothing stored is ever deleted.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from ..backtest.measures import Summary
from ..backtest.result import FORMAT, Notice, Result, Setup, Switch
from ..backtest.roundtrips import round_trips
from ..backtest.summary import Stored
from ..errors import DataError
from . import resulttables as tables
from .plainjson import from_plain, to_plain

DOCUMENT: Final = "result.json"
FILES: Final = ("steps.parquet", "worlds.parquet", "orders.parquet", "trips.parquet")
_AGAIN = "run the backtest again with --out"


def save(stored: Stored, folder: Path, *, replaced: bool = False) -> None:
    """Write a backtest; DataError when `folder` exists (unless `replaced`) or cannot be written."""
    if folder.exists() and not replaced:
        raise DataError(
            f"{folder} exists", "choose another folder, or say that it may be replaced: it is then moved aside"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as place:
            whole = Path(place) / "whole"
            whole.mkdir()
            _write(stored, whole)
            if folder.exists():
                folder.rename(_free(folder))
            whole.rename(folder)
            _settle(folder.parent)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}", "check permissions and free space") from error


def load(folder: Path) -> Stored:
    """Read a backtest; DataError for a folder that is missing, something else, damaged, or of another format."""
    document = _document(folder)
    for name in FILES:
        _check(folder / name, document["files"].get(name))
    try:
        names, setup = document["names"], from_plain(Setup, document["setup"])
        steps = tables.steps(_read(folder / "steps.parquet"), tuple(names["days"]))
        result = Result(
            setup=setup,
            steps=steps,
            worlds=tables.worlds(_read(folder / "worlds.parquet"), names["by_world"], len(steps.at)),
            orders=tables.orders(_read(folder / "orders.parquet"), names),
            marks=tables.marks(document["marks"], len(names["symbols"])),
            notices=tuple(from_plain(Notice, row) for row in document["notices"]),
            switches=tuple(from_plain(Switch, row) for row in document["switches"]),
        )
        return Stored(result, from_plain(Summary, document["summary"]))
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise DataError(
            f"{folder}: {DOCUMENT} and its columns do not fit each other: {_brief(error)}", _AGAIN
        ) from error


def _write(stored: Stored, folder: Path) -> None:
    result = stored.result
    columns = {
        "steps.parquet": tables.steps_table(result),
        "worlds.parquet": tables.worlds_table(result),
        "orders.parquet": tables.orders_table(result),
        "trips.parquet": tables.trips_table(result, round_trips(result)),
    }
    for name, table in columns.items():
        pq.write_table(table, folder / name, compression="zstd")
        _settle(folder / name)
    document = {
        "format": FORMAT,
        "setup": to_plain(result.setup),
        "summary": to_plain(stored.summary),
        "notices": [to_plain(notice) for notice in result.notices],
        "switches": [to_plain(switch) for switch in result.switches],
        "names": tables.name_tables(result),
        "marks": tables.marks_list(result),
        "files": {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in columns},
    }
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, indent=1)
    (folder / DOCUMENT).write_text(f"{text}\n", encoding="utf-8")
    _settle(folder / DOCUMENT)
    _settle(folder)


def _document(folder: Path) -> dict[str, Any]:
    """`result.json`, checked to be ours and of this version."""
    path = folder / DOCUMENT
    if not folder.is_dir():
        raise DataError(f"there is no backtest at {folder}", "give the folder that `qmtl backtest --out` wrote")
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no backtest: {DOCUMENT} is missing", "give the folder that --out wrote"
        ) from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{path} cannot be read: {_brief(error)}", _AGAIN) from error
    form = document.get("format") if isinstance(document, dict) else None
    family, _, version = FORMAT.rpartition(".v")
    found, _, number = str(form).rpartition(".v")
    if found != family or not number.isdigit():
        raise DataError(f"{path} is not a backtest of qmtl", "give the folder that `qmtl backtest --out` wrote")
    if number != version:
        older = int(number) < int(version)
        raise DataError(
            f"{path} has format {form} and this version reads {FORMAT}",
            _AGAIN if older else "read it with the version of qmtl that wrote it, or a later one",
        )
    if not isinstance(document.get("files"), dict):
        raise DataError(f"{path} is damaged: it does not say which files belong to it", _AGAIN)
    return document


def _check(path: Path, digest: object) -> None:
    if not path.is_file():
        raise DataError(f"{path} is missing: the folder is not whole", _AGAIN)
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise DataError(f"{path} is damaged or not the one that {DOCUMENT} speaks of", _AGAIN)


def _read(path: Path) -> pa.Table:
    return pq.read_table(path)


def _free(folder: Path) -> Path:
    number = next(n for n in range(1, 10_000) if not folder.with_name(f"{folder.name}.{n}").exists())
    return folder.with_name(f"{folder.name}.{number}")


def _settle(path: Path) -> None:
    """Make what was written survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _brief(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().split("\n", 1)[0][:200]
