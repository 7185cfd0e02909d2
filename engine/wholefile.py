"""Files that are there whole or not at all (R15).

In: a path and text. Out: the file, replaced: a temporary file beside it, fsync, rename, fsync of the folder. A reader never sees
half of it, and a power cut leaves the former one or the new one.
"""

from __future__ import annotations

import os
from pathlib import Path


def replace_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write or replace a file. `durable` False leaves out the fsyncs. OSError as it comes."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    if durable:
        moved_durably(temporary, path)
    else:
        temporary.replace(path)


def moved_durably(source: Path, target: Path) -> None:
    """Rename a file, and fsync the folder, so that the new name is there after a power cut. OSError as it comes."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
