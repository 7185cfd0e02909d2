"""Reading a journal that may be in use: what digests, explanations and projections open.

In: the path of a journal, with or without a running writer. Out: its entries, read-only, of one moment: everything is
read in one transaction, so a writer that commits meanwhile changes nothing of what is seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from ..ports import StoredEntry
from .rows import Rows, check_there, translated


class JournalReader:
    """The reading half of `ports.Journal`, as of the moment it was opened; use it in a `with` statement."""

    def __init__(self, path: Path) -> None:
        """JournalError when there is no journal of this format."""
        check_there(path)
        with translated(path), ExitStack() as undo:
            self._db = connected(path)
            undo.callback(self._db.close)
            self._rows = Rows(self._db, path)
            self._db.execute("BEGIN")
            self._db.execute("SELECT seq FROM entries LIMIT 1").fetchall()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def streams(self) -> tuple[str, ...]:
        """Names of all streams, sorted."""
        return self._rows.streams()

    def read(self, stream: str, after_epoch: int = -1) -> Iterator[StoredEntry]:
        """Entries of a stream with epoch > after_epoch, oldest first."""
        yield from self._rows.read(stream, after_epoch)

    def last(self, stream: str) -> StoredEntry | None:
        """The newest entry of a stream."""
        return self._rows.last(stream)

    def find(self, stream: str, key: str) -> StoredEntry | None:
        """The entry of that key."""
        return self._rows.find(stream, key)

    def load_snapshot(self) -> tuple[int, bytes] | None:
        """The newest snapshot whose checksum holds."""
        return self._rows.snapshot()

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()


def connected(path: Path) -> sqlite3.Connection:
    """A connection that only reads, also of a journal in use or on a disk that may not be written. sqlite3.Error as it comes."""
    name = f"file:{quote(str(path.resolve()))}?mode=ro"
    db = sqlite3.connect(name, uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.OperationalError:
        db.close()
        if path.with_name(path.name + "-wal").exists():
            raise
        # a closed journal on a read-only disk: SQLite cannot make its shared memory file, and needs none
        db = sqlite3.connect(name + "&immutable=1", uri=True, isolation_level=None)
    return db
