"""A CSV file of symbols and their sectors.

In: a path. Out: symbol -> sector, and what is wrong with the file. Both the reader of a world and `extends` (which sectors
are left when the universe shrinks) ask for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from .csvrows import read_rows
from .diagnostics import Diagnostic
from .textfiles import MEGABYTE, read_source

_COLUMNS: Final = {"symbol": ("symbol", "ticker"), "sector": ("sector", "gics sector")}
_LARGEST: Final = 16 * MEGABYTE


def read_sector_file(path: Path) -> tuple[dict[str, str] | None, tuple[Diagnostic, ...]]:
    """Symbol -> sector; None when the file itself cannot be read, and then the first problem says why."""
    source, problems = read_source(path, most=_LARGEST)
    if source is None:
        return None, problems
    rows, wrong = read_rows(source, _COLUMNS, ("symbol", "sector"))
    return {row["symbol"].text: row["sector"].text for row in rows}, tuple(wrong)
