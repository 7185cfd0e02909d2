"""The journal in one SQLite file: the default commit log.

In: entries of the tick (inputs, columns, orders) as opaque payloads. Out: the same entries, in order, for ever. One
commit per `append`, durable before it returns (WAL, synchronous=FULL). There is exactly one writer per file, held by a
lock beside it; readers (`reader.py`) open read-only and never block it.

Nothing is opened that has lost something: before SQLite sees the files, `walfile` looks at the log, and then the whole file is
checked while it is not too large for that. Each row has a checksum (`checksum.py`). The column came later; a journal of before
gets it at its next start, under the same format number: an older qmtl reads and writes such a file as ever, and what it writes
has no checksum.

Checkpoints are ours, not SQLite's: the automatic one strikes in the middle of some tick. `idle()` moves the log into the
file when there is time (the runtime calls it while it waits), and `append` does so itself only past a bound, so that the
cost of a tick stays one append and one fsync. Snapshots of state live in a table of their own, outside the digest; two
are kept, and one whose checksum fails is passed over for the older.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import DuplicateEntry, JournalError
from ..lock import RunLock, hold
from ..ports import LogEntry, StoredEntry
from ..wholefile import moved_durably
from .checksum import checksum
from .rows import APPLICATION_ID, FORMAT, Rows, check_format, has_checksums, snapshot_checksum, translated
from .walfile import check_files

#: pages of 16 KiB in the write-ahead log after which `idle` and `append` move them into the file
IDLE_PAGES = 500
MOST_PAGES = 2_000
#: bytes up to which a start checks every page of the file: about a second
CHECKED_AT_START = 1_000_000_000

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
    checksum INTEGER,
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
_INSERT = "INSERT INTO entries (stream, key, epoch, payload, wall, checksum) VALUES (?, ?, ?, ?, ?, ?)"


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
        self._rows = Rows(self._db, path)
        self._pages = 0

    @property
    def lock(self) -> RunLock:
        """What keeps other writers away."""
        return self._lock

    @property
    def path(self) -> Path:
        """The file, for readers."""
        return self._path

    def append(self, entries: Sequence[LogEntry]) -> int:
        """Append all in one durable commit; returns the last seq.

        DuplicateEntry names the (stream, key) that exists; JournalError when storage fails. Nothing is written then."""
        if not entries:
            raise JournalError("an append needs at least one entry")
        rows = [(e.stream, e.key, e.epoch, e.payload, e.wall, checksum(e)) for e in entries]
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
        yield from self._rows.read(stream, after_epoch)

    def last(self, stream: str) -> StoredEntry | None:
        """The newest entry of a stream."""
        return self._rows.last(stream)

    def find(self, stream: str, key: str) -> StoredEntry | None:
        """The entry of that key."""
        return self._rows.find(stream, key)

    def save_snapshot(self, epoch: int, payload: bytes) -> None:
        """Store a state snapshot, durable before return; the newest two are kept."""
        with translated(self._path), self._commit():
            self._db.execute(
                "INSERT INTO snapshots (epoch, checksum, payload) VALUES (?, ?, ?)",
                (epoch, snapshot_checksum(payload), payload),
            )
            self._db.execute(
                "DELETE FROM snapshots WHERE id NOT IN (SELECT id FROM snapshots ORDER BY id DESC LIMIT 2)"
            )
        self._pages += len(payload) // 16384 + 2

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds (R15)."""
        return self._rows.snapshot()

    def idle(self) -> None:
        """Use a pause: move a long write-ahead log into the file. Cheap when there is nothing to do."""
        if self._pages > IDLE_PAGES:
            self._checkpoint()

    def close(self) -> None:
        """Move the log into the file and let go of it; later calls fail. A log that cannot be moved (a full disk) is durable
        where it is, and the next start reads it."""
        try:
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            with translated(self._path):
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


def _lock(path: Path) -> RunLock:
    if not path.parent.is_dir():
        raise JournalError(f"journal {path}: its folder does not exist", "create the folder or name another one")
    return hold(path.with_name(path.name + ".lock"), f"the journal {path}")


def _open(path: Path) -> sqlite3.Connection:
    check_files(path, f"journal {path}")
    if not path.exists():
        _create(path)
    with translated(path), ExitStack() as undo:
        db = sqlite3.connect(path, isolation_level=None)
        undo.callback(db.close)
        check_format(db, path)
        if path.stat().st_size <= CHECKED_AT_START:
            _check_pages(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 0")
        if not has_checksums(db):
            db.execute("ALTER TABLE entries ADD COLUMN checksum INTEGER")
        undo.pop_all()
    return db


def _check_pages(db: sqlite3.Connection) -> None:
    found = str(db.execute("PRAGMA integrity_check(1)").fetchone()[0])
    if found != "ok":
        raise sqlite3.DatabaseError(f"malformed: {found}")


def _create(path: Path) -> None:
    """Make the file beside its place and move it there whole: an empty journal is then never one that was being made."""
    made = path.with_name(path.name + ".new")
    with translated(path):
        for leftover in (made, made.with_name(made.name + "-journal")):
            leftover.unlink(missing_ok=True)
        db = sqlite3.connect(made, isolation_level=None)
        try:
            # the page size counts only outside of WAL and before the first table
            pragmas, tables = _SCHEMA.split("CREATE", 1)
            size, *marks = (line for line in pragmas.splitlines() if line)
            db.execute(size)
            db.executescript("BEGIN;" + "".join(marks) + "CREATE" + tables + "COMMIT;")
        finally:
            db.close()
    try:
        moved_durably(made, path)
    except OSError as error:
        raise JournalError(
            f"journal {path} cannot be made: {error.strerror}", "check its folder and the disk"
        ) from error
