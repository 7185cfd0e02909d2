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
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
