"""Is a journal sound, and a copy of it while it is in use: what `qmtl doctor` and `qmtl journal` ask.

In: a path. Out: what is wrong with it, and how much of it was looked at; or a copy that is whole. Nothing is written to the journal.
A start asks the same of pages and log (`sqlite.py`), and of the entries that it reads.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ..errors import JournalError
from ..lock import runner_of
from ..wholefile import moved_durably
from .reader import connected
from .rows import Rows, check_format, check_there, translated
from .walfile import lost_commits

#: so many damaged entries are named, the others only counted
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Soundness:
    """`entries` and `snapshots` that were read, the `last` entry's number, entries of before checksums were stored (`unmarked`: of
    them only pages and tick records are checked), and what is `wrong`, one sentence each."""

    entries: int
    last: int
    snapshots: int
    unmarked: int
    wrong: tuple[str, ...]


def damage(path: Path) -> str:
    """What SQLite finds wrong with the file, or with its log while nobody runs; "" when nothing. JournalError when it is no
    journal at all."""
    check_there(path)
    with translated(path), closing(connected(path)) as db:
        check_format(db, path)
        found = [str(row[0]) for row in db.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        return found[0]
    return _lost(path)


def soundness(path: Path) -> Soundness:
    """Everything: pages, log, every entry, every snapshot. JournalError when it is no journal at all."""
    wrong = damage(path)
    if wrong:
        return Soundness(0, 0, 0, 0, (wrong,))
    with translated(path), closing(connected(path)) as db:
        return _entries(Rows(db, path))


def copy(path: Path, target: Path) -> None:
    """A copy of a journal as of this moment, also while a run writes it; whole or not at all, and durable. JournalError when the
    target exists, or something cannot be read or written."""
    if target.exists():
        raise JournalError(f"{target} is there already", "name another file: nothing is overwritten")
    if not target.parent.is_dir():
        raise JournalError(f"the folder {target.parent} does not exist", "create it or name another one")
    made = target.with_name(f"{target.name}.{os.getpid()}.new")
    try:
        _copied(path, made)
        moved_durably(made, target)
    except OSError as error:
        raise JournalError(f"{target} cannot be written: {error.strerror}", "check its folder and the disk") from error
    finally:
        for left in (made, made.with_name(made.name + "-wal"), made.with_name(made.name + "-shm")):
            left.unlink(missing_ok=True)


def _copied(path: Path, made: Path) -> None:
    check_there(path)
    with translated(path), closing(connected(path)) as source:
        check_format(source, path)
        with closing(sqlite3.connect(made, isolation_level=None)) as db:
            db.execute("PRAGMA synchronous = FULL")
            source.backup(db)
            db.execute("PRAGMA journal_mode = DELETE")  # one file, whole by itself


def _entries(rows: Rows) -> Soundness:
    entries, last, wrong = 0, 0, []
    for stored in rows.after(-1):
        entries += 1
        if isinstance(stored, JournalError):
            wrong.append(str(stored))
            continue
        last = stored.seq
    if len(wrong) > _NAMED:
        wrong = [*wrong[:_NAMED], f"and {len(wrong) - _NAMED} damaged entries more"]
    snapshots = rows.snapshots()
    wrong += [
        f"the snapshot of {epoch} is damaged; a start takes another" for epoch, _, holds in snapshots if not holds
    ]
    return Soundness(entries, last, len(snapshots), rows.unmarked(), tuple(wrong))


def _lost(path: Path) -> str:
    """What the log has lost. Under a running writer it changes while it is read, so nobody asks then."""
    if runner_of(path.with_name(path.name + ".lock")):
        return ""
    lost = lost_commits(path)
    return f"{lost.commits} stored commits stand behind a damaged place of the write-ahead log" if lost else ""
