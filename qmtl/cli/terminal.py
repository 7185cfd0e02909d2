"""How wide the terminal is that text is printed to.

In: standard output. Out: its columns, or None when nobody looks at it as a terminal (a file, a pipe, CI): text is never
wrapped there. It stands apart because every command that prints tables asks.
"""

from __future__ import annotations

import shutil
import sys

#: narrower than this nothing can be laid out; wider lines than the terminal are the better evil
NARROWEST = 40


def columns() -> int | None:
    """Columns of the terminal that standard output is; COLUMNS says otherwise."""
    return max(shutil.get_terminal_size().columns, NARROWEST) if sys.stdout.isatty() else None
