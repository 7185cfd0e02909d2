"""Rows of a journal's file as entries: what its writer and its readers read by.

In: an open connection to a journal. Out: its entries and snapshots; one whose checksum does not hold is named, never handed out.
The checksum came after format 1 was first written: a file of before has no such column, and its entries are taken as they are.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import JournalError
from ..ports import LogEntry, StoredEntry
from .checksum import checksum, seal_holds

#: "qmtl" in ASCII: marks the file as ours
APPLICATION_ID = 0x716D746C
FORMAT = 1
_CHUNK = 64
_SELECT = "SELECT seq, stream, key, epoch, payload, wall, checksum FROM entries "
_BACKUP = "restore the journal from a backup; `qmtl journal check` tells what else is damaged"
#: texts of SQLite and the way out of each
_WAYS = (
    ("readonly", "the folder or file is not writable: check its owner and that the disk is not mounted read-only"),
    ("full", "the disk is full: make room and start again, nothing stored is lost"),
    ("disk i/o", "the disk refused a write: check its space and health; nothing stored is lost"),
    ("unable to open", "check that the folder exists and may be written"),
    ("locked", "another program writes to this file: stop it"),
    ("not a database", "this is not a journal: name another file or move it away"),
    ("malformed", f"the file is damaged: keep a copy; {_BACKUP}"),
    ("decode", f"the file is damaged: keep a copy; {_BACKUP}"),
    ("closed", "the journal was closed before"),
)


class Rows:
    """Reads entries over a connection that somebody else opens and closes."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        """JournalError when the file is no journal of this format."""
        self._db, self._path = db, path
        with translated(path):
            check_format(db, path)
            self.checked = has_checksums(db)
        self._select = _SELECT if self.checked else _SELECT.replace("checksum", "NULL")

    def streams(self) -> tuple[str, ...]:
        """Names of all streams, sorted."""
        return tuple(row[0] for row in self._all("SELECT DISTINCT stream FROM entries ORDER BY stream"))

    def read(self, stream: str, after_epoch: int) -> Iterator[StoredEntry]:
        """Entries of a stream in chunks, so that no cursor stays open between them."""
        seq = -1
        while True:
            rows = self._all(
                self._select + "WHERE stream = ? AND seq > ? AND epoch > ? ORDER BY seq LIMIT ?",
                (stream, seq, after_epoch, _CHUNK),
            )
            for row in rows:
                yield self._stored(row)
            if len(rows) < _CHUNK:
                return
            seq = rows[-1][0]

    def after(self, seq: int) -> Iterator[StoredEntry | JournalError]:
        """Everything above a number, of all streams in the order of appending; the error in the place of what is damaged."""
        while rows := self._all(self._select + "WHERE seq > ? ORDER BY seq LIMIT ?", (seq, _CHUNK)):
            for row in rows:
                try:
                    yield self._stored(row)
                except JournalError as error:
                    yield error
            seq = rows[-1][0]

    def unmarked(self) -> int:
        """How many entries have no checksum beside them."""
        if not self.checked:
            return int(self._all("SELECT count(*) FROM entries")[0][0])
        return int(self._all("SELECT count(*) FROM entries WHERE checksum IS NULL")[0][0])

    def last(self, stream: str) -> StoredEntry | None:
        """The newest entry of a stream."""
        rows = self._all(self._select + "WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,))
        return self._stored(rows[0]) if rows else None

    def find(self, stream: str, key: str) -> StoredEntry | None:
        """The entry of that (stream, key), None when there is none."""
        rows = self._all(self._select + "WHERE stream = ? AND key = ?", (stream, key))
        return self._stored(rows[0]) if rows else None

    def snapshots(self) -> tuple[tuple[int, bytes, bool], ...]:
        """(epoch, payload, whether the checksum holds) of the stored snapshots, newest first."""
        rows = self._all("SELECT epoch, checksum, payload FROM snapshots ORDER BY id DESC")
        return tuple((epoch, payload, snapshot_checksum(payload) == stored) for epoch, stored, payload in rows)

    def snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds (R15)."""
        return next(((epoch, payload) for epoch, payload, holds in self.snapshots() if holds), None)

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with translated(self._path):
            return self._db.execute(query, values).fetchall()

    def _stored(self, row: tuple[int, str, str, int, bytes, str, int | None]) -> StoredEntry:
        seq, stream, key, epoch, payload, wall, stored = row
        entry = LogEntry(stream, key, epoch, payload, wall)
        if (stored is not None and stored != checksum(entry)) or not seal_holds(payload):
            raise JournalError(
                f"journal {self._path}: entry {seq} ({stream}/{key}) is damaged: its checksum does not hold", _BACKUP
            )
        return StoredEntry(seq, entry)


def has_checksums(db: sqlite3.Connection) -> bool:
    """Whether the file has the column of checksums."""
    return any(row[1] == "checksum" for row in db.execute("PRAGMA table_info(entries)"))


def snapshot_checksum(payload: bytes) -> bytes:
    """SHA-256 of a snapshot."""
    return hashlib.sha256(payload).digest()


def check_there(path: Path) -> None:
    """JournalError when there is no such file."""
    if not path.is_file():
        raise JournalError(f"there is no journal {path}", "check the path; a run writes it into its out folder")


def check_format(db: sqlite3.Connection, path: Path) -> None:
    """JournalError unless the file is a journal of this format."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise JournalError(f"{path} is a database of another program", "name another file for the journal")
    if version != FORMAT:
        raise JournalError(
            f"{path} is a journal of format {version}; this qmtl writes format {FORMAT}",
            "run it with the qmtl version that wrote it, or start with a new file",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raw sqlite3 errors as JournalError with a way out."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"journal {path}: {error}", _hint(str(error).lower())) from error


def _hint(text: str) -> str:
    return next((way for word, way in _WAYS if word in text), "check the file and its folder")
