"""The journal in one SQLite file: the default commit log.

In: entries of the tick (inputs, columns, orders) as opaque payloads. Out: the same entries, in order, for ever. One
commit per `append`, durable before it returns (WAL, synchronous=FULL). There is exactly one writer per file, held by a
lock beside it; readers (`reader.py`) open read-only and never block it.

Checkpoints are ours, not SQLite's: the automatic one strikes in the middle of some tick. `idle()` moves the log into the
file when there is time (the runtime calls it while it waits), and `append` does so itself only past a bound, so that the
cost of a tick stays one append and one fsync. Snapshots of state live in a table of their own, outside the digest; two
are kept, and one whose checksum fails is passed over for the older.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import DuplicateEntry, JournalError
from ..lock import RunLock, hold
from ..ports import LogEntry, StoredEntry

#: "qmtl" in ASCII: marks the file as ours
APPLICATION_ID = 0x716D746C
FORMAT = 1
#: pages of 16 KiB in the write-ahead log after which `idle` and `append` move them into the file
IDLE_PAGES = 500
MOST_PAGES = 2_000
_CHUNK = 64

_SCHEMA = f"""
PRAGMA page_size = 16384;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
CREATE TABLE entries (
    seq     INTEGER PRIMARY KEY,
    stream  TEXT NOT NULL,
    key     TEXT NOT NULL,
    epoch   INTEGER NOT NULL,
    wall    TEXT NOT NULL,
    payload BLOB NOT NULL,
    UNIQUE (stream, key)
) STRICT;
CREATE INDEX entries_by_stream ON entries (stream, seq);
CREATE TABLE snapshots (
    id       INTEGER PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    checksum BLOB NOT NULL,
    payload  BLOB NOT NULL
) STRICT;
"""
_INSERT = "INSERT INTO entries (stream, key, epoch, payload, wall) VALUES (?, ?, ?, ?, ?)"
_SELECT = "SELECT seq, stream, key, epoch, payload, wall FROM entries WHERE stream = ? "


class SqliteJournal:
    """Implements `ports.Journal`; the one writer of its file."""

    def __init__(self, path: Path) -> None:
        """Open or create; LockedError when another process writes here, JournalError for everything else."""
        self._path = path
        self._lock: RunLock = _lock(path)
        try:
            self._db = _open(path)
        except JournalError:
            self._lock.release()
            raise
        self._pages = 0

    @property
    def path(self) -> Path:
        """The file, for readers."""
        return self._path

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Append all in one durable commit; returns the last seq.

        DuplicateEntry names the (stream, key) that exists; JournalError when storage fails. Nothing is written then."""
        if not entries:
            raise JournalError("an append needs at least one entry")
        rows = [(e.stream, e.key, e.epoch, e.payload, e.wall) for e in entries]
        with translated(self._path), self._commit():
            # one statement per row: lastrowid is the last seq, and a duplicate is known by name
            for row in rows:
                try:
                    last = self._db.execute(_INSERT, row).lastrowid
                except sqlite3.IntegrityError as error:
                    raise DuplicateEntry(f"the journal has {row[0]}/{row[1]} already") from error
        self._pages += sum(len(row[3]) // 16384 + 2 for row in rows)
        if self._pages > MOST_PAGES:
            self._checkpoint()
        assert last is not None
        return last

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]:
        """Entries of a stream with epoch > after_epoch, oldest first; appending meanwhile is allowed."""
        yield from read_stream(self._db, self._path, stream, after_epoch)

    def last(self, stream: str) -> StoredEntry | None:
        """The newest entry of a stream."""
        return read_last(self._db, self._path, stream)

    def find(self, stream: str, key: str) -> StoredEntry | None:
        """The entry of that key."""
        return read_key(self._db, self._path, stream, key)

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        """Store a state snapshot, durable before return; the newest two are kept."""
        with translated(self._path), self._commit():
            self._db.execute(
                "INSERT INTO snapshots (epoch, checksum, payload) VALUES (?, ?, ?)",
                (epoch, _checksum(payload), payload),
            )
            self._db.execute(
                "DELETE FROM snapshots WHERE id NOT IN (SELECT id FROM snapshots ORDER BY id DESC LIMIT 2)"
            )
        self._pages += len(payload) // 16384 + 2

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds (R15)."""
        return read_snapshot(self._db, self._path)

    def idle(self) -> None:
        """Use a pause: move a long write-ahead log into the file. Cheap when there is nothing to do."""
        if self._pages > IDLE_PAGES:
            self._checkpoint()

    def close(self) -> None:
        """Move the log into the file and let go of it; later calls fail."""
        try:
            with translated(self._path):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._db.close()
        finally:
            self._lock.release()

    def _checkpoint(self) -> None:
        with translated(self._path):
            # PASSIVE waits for no reader; what a reader still holds back moves next time
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._pages = 0

    @contextmanager
    def _commit(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:  # something in between failed
                self._db.execute("ROLLBACK")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raw sqlite3 errors as JournalError with a way out."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"journal {path}: {error}", _hint(str(error).lower())) from error


def _hint(text: str) -> str:
    ways = (
        ("readonly", "the folder or file is not writable: check its owner and that the disk is not mounted read-only"),
        ("full", "the disk is full: make room and start again, nothing stored is lost"),
        ("disk i/o", "the disk refused a write: check its space and health; nothing stored is lost"),
        ("unable to open", "check that the folder exists and may be written"),
        ("locked", "another program writes to this file: stop it"),
        ("not a database", "this is not a journal: name another file or move it away"),
        ("malformed", "the file is damaged: keep a copy and start with a new one, then restore from a backup"),
        ("closed", "the journal was closed before"),
    )
    return next((way for word, way in ways if word in text), "check the file and its folder")


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


def read_stream(db: sqlite3.Connection, path: Path, stream: str, after_epoch: int) -> Iterator[StoredEntry]:
    """Entries of a stream in chunks, so that no cursor stays open between them."""
    seq = -1
    while True:
        with translated(path):
            rows = db.execute(
                _SELECT + "AND seq > ? AND epoch > ? ORDER BY seq LIMIT ?", (stream, seq, after_epoch, _CHUNK)
            ).fetchall()
        for row in rows:
            yield _stored(row)
        if len(rows) < _CHUNK:
            return
        seq = rows[-1][0]


def read_last(db: sqlite3.Connection, path: Path, stream: str) -> StoredEntry | None:
    """The newest entry of a stream."""
    with translated(path):
        row = db.execute(_SELECT + "ORDER BY seq DESC LIMIT 1", (stream,)).fetchone()
    return _stored(row) if row else None


def read_key(db: sqlite3.Connection, path: Path, stream: str, key: str) -> StoredEntry | None:
    """The entry of that (stream, key), None when there is none."""
    with translated(path):
        row = db.execute(_SELECT + "AND key = ?", (stream, key)).fetchone()
    return _stored(row) if row else None


def read_snapshot(db: sqlite3.Connection, path: Path) -> tuple[int, bytes] | None:
    """The newest snapshot whose checksum holds."""
    with translated(path):
        rows = db.execute("SELECT epoch, checksum, payload FROM snapshots ORDER BY id DESC").fetchall()
    for epoch, checksum, payload in rows:
        if _checksum(payload) == checksum:
            return epoch, payload
    return None


def _stored(row: tuple[int, str, str, int, bytes, str]) -> StoredEntry:
    seq, stream, key, epoch, payload, wall = row
    return StoredEntry(seq, LogEntry(stream, key, epoch, payload, wall))


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()


def _lock(path: Path) -> RunLock:
    if not path.parent.is_dir():
        raise JournalError(f"journal {path}: its folder does not exist", "create the folder or name another one")
    return hold(path.with_name(path.name + ".lock"), f"the journal {path}")


def _open(path: Path) -> sqlite3.Connection:
    with translated(path), ExitStack() as undo:
        db = sqlite3.connect(path, isolation_level=None)
        undo.callback(db.close)
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            _create(db, path)
        check_format(db, path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        undo.pop_all()
    return db


def _create(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] not in (0, APPLICATION_ID):
        check_format(db, path)
    # the page size counts only outside of WAL and before the first table
    pragmas, tables = _SCHEMA.split("CREATE", 1)
    size, *marks = (line for line in pragmas.splitlines() if line)
    db.execute(size)
    db.executescript("BEGIN;" + "".join(marks) + "CREATE" + tables + "COMMIT;")
