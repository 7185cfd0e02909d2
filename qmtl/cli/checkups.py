"""The checks of `qmtl doctor`, one function each: is everything there that a run needs, before it needs it.

In: the deployment and its folder. Out: `Finding`s. Nothing is written but a probe file in the run's folder. What a broker is asked
stands in `alpacachecks`.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from qmtl.engine.errors import QmtlError

from .operate import JOURNAL, runner

if TYPE_CHECKING:
    from qmtl.dsl.model import Deployment
    from qmtl.dsl.program import Program

#: free space below which a journal may not last the week
_ROOM: Final = 1_000_000_000
_PACKAGES: Final = (
    "pyyaml",
    "jsonschema",
    "lark",
    "numpy",
    "pandas",
    "pyarrow",
    "orjson",
    "exchange-calendars",
    "alpaca-py",
)
#: SQLite before this one may damage a journal in which two processes write; ours has one writer
_SQLITE: Final = (3, 35, 0)
_OLD_VIX: Final = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: what was looked at, how it is, what was seen, and the way out where it is not well."""

    about: str
    state: Literal["ok", "warning", "failure"]
    text: str
    way: str = ""


def installation() -> Iterator[Finding]:
    """Python, packages, SQLite, time zones."""
    import sqlite3

    missing = [name for name in _PACKAGES if _version(name) is None]
    if missing:
        yield Finding("packages", "failure", f"{', '.join(missing)} not installed", "pip install qmtl again")
    else:
        yield Finding(
            "packages",
            "ok",
            f"Python {sys.version.split()[0]}, qmtl {_version('qmtl')}, alpaca-py {_version('alpaca-py')}",
        )
    if sqlite3.sqlite_version_info < _SQLITE:
        yield Finding("sqlite", "failure", f"SQLite {sqlite3.sqlite_version} is too old", "install a newer Python")
    else:
        yield Finding("sqlite", "ok", f"SQLite {sqlite3.sqlite_version}")
    try:
        ZoneInfo("America/New_York")
        yield Finding("time zones", "ok", "America/New_York is known")
    except ZoneInfoNotFoundError:
        yield Finding("time zones", "failure", "America/New_York is not known", "install the package tzdata")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def storage(folder: Path) -> Iterator[Finding]:
    """Whether the run's folder can be written, has room, and holds a journal that can be read."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_text("qmtl doctor\n", encoding="utf-8")
        probe.unlink()
        yield Finding("folder", "ok", f"{folder} may be written")
    except OSError as error:
        yield Finding(
            "folder", "failure", f"{folder} may not be written: {error.strerror}", "check its owner and the disk"
        )
        return
    free = shutil.disk_usage(folder).free
    room = f"{free / 1e9:,.1f} GB free"
    if free < _ROOM:
        yield Finding("disk", "warning", room, "make room: a full disk stops the run before its next order")
    else:
        yield Finding("disk", "ok", room)
    yield from _journal(folder)
    yield from _commands(folder)


def _journal(folder: Path) -> Iterator[Finding]:
    from qmtl.engine.journal.check import damage
    from qmtl.engine.journal.reader import JournalReader

    path, alive = folder / JOURNAL, runner(folder)
    yield Finding("runner", "ok", alive or "nobody runs here")
    if not path.is_file():
        yield Finding("journal", "ok", "there is none yet; the first run makes it")
        return
    try:
        wrong = damage(path)
        if wrong:
            yield Finding("journal", "failure", f"{path}: {wrong}", "keep a copy, and restore it from a backup")
            return
        with closing(JournalReader(path)) as journal:
            snapshot, streams = journal.load_snapshot(), journal.streams()
    except QmtlError as error:
        yield Finding("journal", "failure", str(error), error.hint)
        return
    since = (
        f", snapshot of {moment_text(snapshot[0])}"
        if snapshot
        else ", no snapshot that can be read: a start warms up anew"
    )
    yield Finding(
        "journal",
        "ok" if snapshot or "tick" not in str(streams) else "warning",
        f"{path.stat().st_size / 1e6:,.1f} MB, sound{since}",
    )


def _commands(folder: Path) -> Iterator[Finding]:
    from qmtl.engine.adapters.commands import CommandFiles

    files = CommandFiles(folder)
    for name in files.unreadable():
        yield Finding("commands", "warning", f"{name} is no command", "take it away")
    for command in files.take():
        yield Finding(
            "commands",
            "warning",
            f"{command.kind} by {command.who} waits for the run",
            "start the run, or `qmtl resume`",
        )


def sessions(programs: tuple[Program, ...], deployment: Deployment) -> Iterator[Finding]:
    """Whether the calendar reaches far enough."""
    from .wiring import calendar_of

    calendar = calendar_of(deployment, programs)
    opens = calendar.opens
    left = int((opens > time.time()).sum())
    last = moment_text(int(opens[-1]))
    if left < 20:
        yield Finding("calendar", "failure", f"its last session is of {last}", "update exchange-calendars")
    else:
        yield Finding("calendar", "ok", f"{left} sessions ahead, the last of {last}")


def series(deployment: Deployment, home: Path, programs: tuple[Program, ...]) -> Iterator[Finding]:
    """Daily VIX values, where a world reads them."""
    from qmtl.dsl.model import SyntheticFeed
    from qmtl.engine.adapters.vixfile import VixFile

    reads = any(rate == "1d" for program in programs for rate, _ in program.warmup)
    if not reads or isinstance(deployment.feed, SyntheticFeed):
        return
    path = getattr(deployment.feed, "vix", "")
    if not path:
        yield Finding(
            "vix", "warning", "a world reads vix.close, and no file is named", "name one as feed: {vix: FILE}"
        )
        return
    try:
        days = [row.day for row in VixFile(home / path).rows(0, int(time.time()))]
    except QmtlError as error:
        yield Finding("vix", "failure", str(error), error.hint)
        return
    old = (datetime.now(UTC).date() - date.fromisoformat(days[-1])).days if days else 10_000
    text = f"newest day {days[-1]}" if days else "no day is known yet"
    live = deployment.clock.kind == "wall"
    if live and old > _OLD_VIX:
        yield Finding(
            "vix", "warning", text, "write the days since then into the file; the run reads it again by itself"
        )
    else:
        yield Finding("vix", "ok", text)


def moment_text(at: int) -> str:
    """Epoch seconds as a person reads them, UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
