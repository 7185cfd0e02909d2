"""Files on disk -> `Source`s, or a diagnostic that says why not.

In: paths. Out: decoded text of bounded size. The only place of the front end that touches the file system for reading
text, so that missing, unreadable, binary, empty and enormous files are met once.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic, problem
from .source import Source, Span

MEGABYTE: Final = 1_000_000
#: files looked at below one folder; more is a mistake in the path, not a project
MOST_FILES: Final = 20_000


def display(path: Path) -> str:
    """The path as the user would type it: relative to the working directory when it lies below."""
    text = path.as_posix()
    if not path.is_absolute():
        return text
    here = Path.cwd().as_posix()
    return "." if text == here else text.removeprefix(f"{here.rstrip('/')}/")


def read_source(path: Path, *, most: int = MEGABYTE) -> tuple[Source | None, tuple[Diagnostic, ...]]:
    """The text of a file of at most `most` bytes, UTF-8 with or without a byte order mark."""
    name = display(path)
    data, trouble = _read(path, name, most)
    if data is None:
        return None, trouble
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return None, (
            problem(
                "Q0102",
                f"the file is not UTF-8 text: line {line} holds a byte that cannot be read",
                None,
                file=name,
                help="save the file as UTF-8",
            ),
        )
    source = Source(name, text, path)
    nul = text.find("\0")
    if nul >= 0:
        line = source.position(nul)[0]
        return None, (problem("Q0102", f"the file is not text: line {line} holds a NUL byte", None, file=name),)
    if not text.strip():
        return None, (problem("Q0103", "the file is empty", Span(source, 0, 0)),)
    return source, ()


def _read(path: Path, name: str, most: int) -> tuple[bytes | None, tuple[Diagnostic, ...]]:
    try:
        if not path.is_file():
            reason = "it does not exist" if not path.exists() else "it is not a file"
            return None, (problem("Q0101", f"the file cannot be read: {reason}", None, file=name),)
        with path.open("rb") as file:
            data = file.read(most + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else str(error)
        return None, (problem("Q0101", f"the file cannot be read: {reason}", None, file=name),)
    if len(data) > most:
        return None, (problem("Q0104", f"the file is larger than {most // MEGABYTE} MB", None, file=name),)
    return data, ()


def peek(path: Path, most: int = MEGABYTE) -> bytes | None:
    """The first bytes of a file, to tell what it may be; None for what is no file (a pipe would wait for its writer) or cannot
    be read: whoever names it is told why."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(most)
    except OSError:
        return None


def below(folder: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    """Files below a folder with one of the endings, sorted, hidden files and folders left out; links to folders are not
    followed, so that a circle of them ends."""
    seen = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith((".", "__")))
        seen += len(names)
        for name in sorted(name for name in names if name.endswith(endings) and not name.startswith(".")):
            yield Path(root, name)
        if seen > MOST_FILES:
            return
