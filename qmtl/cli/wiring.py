"""From a Deployment to the edges of a run: feeds, broker, journal, calendar. Beside `alpacaedges` and `alpacachecks` the only
module that names adapters."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from qmtl.dsl.codec import ProgramFormatError, program_from_json
from qmtl.dsl.model import AlpacaBroker, AlpacaFeed, Deployment, FilesFeed, PaperBroker, SyntheticFeed
from qmtl.dsl.program import Program
from qmtl.engine.adapters.commands import CommandFiles
from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.paper import PaperAccount
from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.adapters.vixfile import NoMacro, VixFile
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import DataError, JournalError, StateError
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.lock import RunLock, lock_account
from qmtl.engine.ports import BarFeed, Broker, JournalView, MacroFeed, QuoteFeed
from qmtl.engine.projections import lines_there
from qmtl.engine.runtime import Edges
from qmtl.engine.ticks import TickTimes

from .edits import NOTHING, Withdrawn

if TYPE_CHECKING:
    from qmtl.engine.adapters.alpaca.wiring import Lines

#: sessions known to the calendar reach from here to a year after today or the end of the run
FIRST_DAY = "2000-01-03"
JOURNAL = "journal.db"
PAPER = "paper.db"


def given(bars: str, vix: str, out: str) -> dict[str, str]:
    """Paths of flags for `compile_deployment`, absolute: a person means the folder the command was typed in."""
    said = {"feed.bars": bars, "feed.vix": vix, "out": out}
    return {key: str(Path(path).absolute()) for key, path in said.items() if path}


def effective(
    deployment: Deployment, home: Path, *, start: str = "", end: str = "", dry: bool = False, given_paths: bool = False
) -> Deployment:
    """The deployment with flags applied and every path absolute; `home` is the folder of its file.

    DataError when a day cannot be read or the files feed has no folder."""
    feed = deployment.feed
    if isinstance(feed, FilesFeed):
        if not feed.bars:
            raise DataError(
                "the files feed has no folder of bars", "give it with --bars FOLDER, or as feed: {bars: ...}"
            )
        feed = replace(feed, bars=str(home / feed.bars), vix=str(home / feed.vix) if feed.vix else "")
    elif isinstance(feed, AlpacaFeed):
        feed = replace(feed, vix=str(home / feed.vix) if feed.vix else "")
    elif given_paths:
        raise DataError(
            "--bars and --vix are for the files feed, and this deployment has the synthetic one", "leave them out"
        )
    if (start or end) and deployment.clock.kind == "wall":
        raise DataError("--start and --end are for replays, and this deployment has a wall clock", "leave them out")
    clock = replace(deployment.clock, start=start or deployment.clock.start, end=end or deployment.clock.end)
    for name, text in (("start", clock.start), ("end", clock.end)):
        _check_day(name, text)
    out = str((home / deployment.out).absolute())
    return replace(deployment, feed=feed, clock=clock, out=out, mode="dry" if dry else deployment.mode)


def _check_day(name: str, text: str) -> None:
    try:
        date.fromisoformat(text or "2000-01-01")
    except ValueError as error:
        raise DataError(f"the {name} of the replay, `{text}`, is not a day", "write it as YYYY-MM-DD") from error


def recorded(deployment: Deployment, bars: str, vix: str) -> Deployment:
    """A deployment at Alpaca over recorded bars: for backtests, which cannot wait for the market. Others stay as they are."""
    if not isinstance(deployment.feed, AlpacaFeed):
        return deployment
    if not bars:
        raise DataError("the market of this deployment is live", "give the folder of recorded bars with --bars FOLDER")
    feed = FilesFeed(bars, vix=vix or deployment.feed.vix)
    return replace(deployment, feed=feed, broker=PaperBroker(), mode="paper")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the person and the machine bring beside the text: the account that was acknowledged for live trading, the clock, and
    where a clock is not this machine's, when to tick (a rehearsal against a broker whose time somebody moves)."""

    acknowledged: str = ""
    wall: Callable[[], float] = time.time
    times: Callable[[SessionCalendar, threading.Event], TickTimes] | None = None


@dataclass(slots=True)
class Opened:
    """Edges that are open, and what holds them. A reload that changes the universe replaces feed and broker; `lines` are those
    to Alpaca, which stay. `withdrawn` is what edits took away since."""

    edges: Edges
    calendar: SessionCalendar
    delay: int
    journal: SqliteJournal
    locks: tuple[RunLock, ...]
    lines: Lines | None = None
    asked: Asked = field(default_factory=Asked)
    withdrawn: Withdrawn = NOTHING

    def lost_lock(self) -> str:
        """The lock that no longer keeps others away, "" while all do (R08)."""
        gone = (str(lock.path) for lock in (*self.locks, self.journal.lock) if not lock.held())
        return next(gone, "")

    @property
    def broker(self) -> Broker:
        """The account."""
        return self.edges.broker

    def remarks(self) -> tuple[str, ...]:
        """What the edges to Alpaca have to say to a person since they were asked last."""
        if self.lines is None:
            return ()
        from .alpacaedges import remarks_of

        return remarks_of(self.edges)

    def close(self) -> None:
        """Let go of everything, broker and journal last."""
        self.edges.broker.close()
        if self.lines is not None:
            self.lines.close()
        self.journal.close()
        for lock in self.locks:
            lock.release()


def stored_program(data: bytes) -> Program:
    """A journaled program; StateError when another version of qmtl wrote it in a form that this one cannot read."""
    try:
        return program_from_json(data)
    except ProgramFormatError as error:
        raise StateError(
            f"the journal holds a program that this version cannot read: {error}",
            "go on with the version that wrote it; or use another --out, or --fresh",
        ) from error


def universe(programs: Sequence[Program]) -> tuple[str, ...]:
    """Columns of the feed: the worlds' universes one after another."""
    return tuple(symbol for program in programs for symbol in program.settings.universe)


def calendar_of(deployment: Deployment, programs: Sequence[Program]) -> SessionCalendar:
    """The one calendar of all worlds."""
    (name,) = {program.settings.calendar for program in programs}
    last = max(date.fromisoformat(deployment.clock.end or "2000-01-01"), datetime.now(UTC).date())
    return SessionCalendar(name, FIRST_DAY, (last + timedelta(days=365)).isoformat())


def open_feed(
    deployment: Deployment, programs: Sequence[Program], calendar: SessionCalendar
) -> tuple[BarFeed, MacroFeed]:
    """Bars and daily series of a deployment whose market is recorded or made up."""
    feed, symbols = deployment.feed, universe(programs)
    assert not isinstance(feed, AlpacaFeed)
    if isinstance(feed, SyntheticFeed):
        market = SyntheticMarket(symbols, calendar, seed=feed.seed, start=feed.start, delay=feed.delay)
        return market, market.vix
    bars = FilesBars(Path(feed.bars), symbols, calendar, rate=feed.rate, delay=feed.delay)
    return bars, VixFile(Path(feed.vix)) if feed.vix else NoMacro()


def left_out(feed: BarFeed) -> str:
    """A sentence about bars of files that are not used, "" when all are."""
    dropped = sum(note.dropped for note in feed.notes) if isinstance(feed, FilesBars) else 0
    return f"note: {dropped} bars outside regular sessions were left out" if dropped else ""


def open_broker(
    deployment: Deployment, programs: Sequence[Program], feed: BarFeed, calendar: SessionCalendar
) -> PaperAccount:
    """The embedded account; its file stands beside the journal."""
    assert isinstance(deployment.broker, PaperBroker)
    return PaperAccount(
        Path(deployment.out) / PAPER,
        deployment.account,
        feed,
        calendar,
        policy=programs[0].settings.exchange,
        settings=deployment.broker,
    )


def open_edges(
    deployment: Deployment,
    programs: Sequence[Program],
    calendar: SessionCalendar,
    journal: JournalView,
    live: tuple[Lines | None, Asked],
) -> tuple[BarFeed, MacroFeed, QuoteFeed | None, Broker]:
    """Market and account for the universe of these programs. DataError or BrokerError say what does not work."""
    lines, asked = live
    if lines is None:
        feed, macro = open_feed(deployment, programs, calendar)
        return feed, macro, None, open_broker(deployment, programs, feed, calendar)
    from .alpacaedges import account_of, market_of

    broker = account_of(lines, deployment, universe(programs), asked.acknowledged)
    return *market_of(lines, deployment, programs, calendar, journal), broker


def open_all(deployment: Deployment, programs: Sequence[Program], asked: Asked | None = None) -> Opened:
    """Everything a run needs. DataError, CalendarError, JournalError, LockedError or BrokerError say what does not work;
    what was opened before is closed then."""
    asked = asked or Asked()
    calendar, out = calendar_of(deployment, programs), _folder(deployment)
    with ExitStack() as undo:
        lock = lock_account(out, deployment.account, deployment.mode)
        undo.callback(lock.release)
        locks = [lock]
        _check_kept(out)
        journal = SqliteJournal(out / JOURNAL)
        undo.callback(journal.close)
        lines = None
        if isinstance(deployment.broker, AlpacaBroker):
            from .alpacaedges import lines_of

            lines = lines_of(deployment, asked.wall)
            undo.callback(lines.close)
        feed, macro, quotes, broker = open_edges(deployment, programs, calendar, journal, (lines, asked))
        if lines is not None and deployment.mode != "dry":  # whoever only looks disturbs nobody
            locks.append(lock_account(machine_locks(), broker.account_id, deployment.mode))
            undo.callback(locks[-1].release)
        undo.pop_all()
    edges = Edges(feed, macro, broker, journal, quotes, CommandFiles(out))
    return Opened(edges, calendar, deployment.feed.delay, journal, tuple(locks), lines, asked)


def machine_locks() -> Path:
    """The folder of locks that all runs of this user on this machine share: an account is traded by one of them, wherever its
    files are. QMTL_STATE names another one. JournalError when it cannot be made."""
    home = os.environ.get("QMTL_STATE") or str(Path.home() / ".local" / "state" / "qmtl")
    return _made(Path(home) / "locks", "name another with QMTL_STATE")


def _folder(deployment: Deployment) -> Path:
    out = _made(Path(deployment.out), "choose another with --out")
    if not os.access(out, os.W_OK):
        raise JournalError(f"the folder {out} may not be written", "choose another with --out")
    return out


def _check_kept(out: Path) -> None:
    """A log of ticks without its journal is a journal that was lost: kills, limits and whose positions these are would be
    forgotten without a word. JournalError then."""
    if (out / JOURNAL).exists() or not lines_there(out):
        return
    raise JournalError(
        f"{out} holds the log of a run, and its journal {JOURNAL} is gone",
        "restore the journal from a backup; or start anew with --fresh, which moves the folder aside",
    )


def _made(folder: Path, way: str) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JournalError(f"the folder {folder} cannot be made: {error.strerror}", way) from error
    return folder
