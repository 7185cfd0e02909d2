"""The checks of `qmtl doctor`, one function each: is everything there that a run needs, before it needs it.

In: the deployment and its folder. Out: `Finding`s. Nothing is written but a probe file in the run's folder, nothing is sent to a
broker but questions.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from qmtl.engine.errors import QmtlError

from .operate import JOURNAL, runner

if TYPE_CHECKING:
    from qmtl.dsl.model import Deployment
    from qmtl.dsl.program import Program
    from qmtl.engine.adapters.alpaca.wiring import Lines

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
        f", snapshot of {_moment(snapshot[0])}" if snapshot else ", no snapshot that can be read: a start warms up anew"
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
    last = _moment(int(opens[-1]))
    if left < 20:
        yield Finding("calendar", "failure", f"its last session is of {last}", "update exchange-calendars")
    else:
        yield Finding("calendar", "ok", f"{left} sessions ahead, the last of {last}")


def alpaca(deployment: Deployment, programs: tuple[Program, ...]) -> Iterator[Finding]:
    """Keys, account, clock, calendar and bars, as Alpaca says them now."""
    from .alpacaedges import lines_of

    try:
        lines = lines_of(deployment)
    except QmtlError as error:
        yield Finding("keys", "failure", str(error), error.hint)
        return
    try:
        yield Finding("keys", "ok", f"there, of a {lines.kind} account" if lines.kind else "there")
        yield from _account(lines, deployment, programs)
        yield from _same_days(lines, deployment, programs)
        yield from _bars(lines, deployment, programs)
    except QmtlError as error:
        yield Finding("broker", "failure", str(error), error.hint or "check the network and the keys")
    finally:
        lines.close()


def _account(lines: Lines, deployment: Deployment, programs: tuple[Program, ...]) -> Iterator[Finding]:
    from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
    from qmtl.engine.ports import Known

    from .wiring import universe

    broker = AlpacaBroker(lines.trading, universe(programs))
    snapshot = broker.hear(Known(cursor="z"), int(time.time())).snapshot
    what = f"account {broker.account_id}, equity {snapshot.equity:,.2f}, {len(snapshot.positions)} positions"
    if snapshot.blocked:
        yield Finding("broker", "failure", f"{what}: {snapshot.blocked}", "ask the broker why")
    else:
        yield Finding("broker", "ok", what)
    skew = f"ours is {snapshot.skew:+.1f} s against the broker's"
    fits = abs(snapshot.skew) <= deployment.clock.max_skew
    yield Finding("clock", "ok" if fits else "failure", skew, "" if fits else "set the clock of this machine (NTP)")
    shut = [asset.symbol for asset in snapshot.assets if not asset.tradable]
    if shut:
        yield Finding("symbols", "warning", f"not tradable there: {', '.join(shut)}", "take them out of the universe")
    else:
        yield Finding("symbols", "ok", f"all {len(universe(programs))} are tradable there")


def _same_days(lines: Lines, deployment: Deployment, programs: tuple[Program, ...]) -> Iterator[Finding]:
    """Our calendar against the broker's, over the next two weeks (R31)."""
    from .wiring import calendar_of

    today = datetime.now(UTC).date()
    query = {"start": today.isoformat(), "end": (today + timedelta(days=14)).isoformat()}
    answer = lines.trading.get("/calendar", query)
    if answer.status != 200:
        yield Finding("calendar there", "warning", f"it could not be asked: {answer.status} {answer.failure}")
        return
    calendar, zone = calendar_of(deployment, programs), ZoneInfo("America/New_York")
    theirs = {row["date"]: (row["open"], row["close"]) for row in json.loads(answer.body)}
    hours = zip(calendar.opens.tolist(), calendar.closes.tolist(), strict=True)
    local = ((datetime.fromtimestamp(o, zone), datetime.fromtimestamp(c, zone)) for o, c in hours)
    ours = {
        f"{o:%Y-%m-%d}": (f"{o:%H:%M}", f"{c:%H:%M}")
        for o, c in local
        if f"{o:%Y-%m-%d}" in theirs or _near(o.date(), today)
    }
    other = sorted(day for day in ours.keys() | theirs.keys() if ours.get(day) != theirs.get(day))
    if other:
        yield Finding(
            "calendar there", "failure", f"differs on {', '.join(other)}", "update exchange-calendars before these days"
        )
    else:
        yield Finding("calendar there", "ok", f"the same {len(theirs)} sessions in the next two weeks")


def _near(day: date, today: date) -> bool:
    return today <= day <= today + timedelta(days=14)


def _bars(lines: Lines, deployment: Deployment, programs: tuple[Program, ...]) -> Iterator[Finding]:
    from qmtl.dsl.model import AlpacaFeed
    from qmtl.engine.adapters.alpaca.quotes import AlpacaQuotes

    from .wiring import universe

    assert isinstance(deployment.feed, AlpacaFeed)
    quotes = AlpacaQuotes(lines.data, universe(programs), feed=deployment.feed.feed)
    row = quotes.quotes(int(time.time()))
    newest = int(row.at.max()) if len(row.at) else 0
    seen = f"newest quote of {_moment(newest)}" if newest else "no quote of any symbol now"
    yield Finding("market data", "ok" if newest else "warning", f"{quotes.label}: {seen}")


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


def _moment(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}Z"
