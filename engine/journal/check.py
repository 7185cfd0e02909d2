"""Is a journal's file sound: what `qmtl doctor` asks, and what a start asks of a file that was not closed.

In: a path. Out: "" or what is wrong, in one line. SQLite checks its pages; whether each payload can be read is checked when it is.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from .sqlite import check_format, translated


def damage(path: Path) -> str:
    """What SQLite finds wrong with the file, "" when nothing. JournalError when it is no journal at all."""
    with translated(path):
        db = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro", uri=True)
        try:
            check_format(db, path)
            found = [str(row[0]) for row in db.execute("PRAGMA quick_check(1)")]
        finally:
            db.close()
    return "" if found == ["ok"] else found[0]
