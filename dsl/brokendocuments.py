"""Documents that are there, but broken or misnamed: who names one of them makes no second mistake.

In: the kind and name that a text asks for, and what was found near it. Out: the mistakes of the document that is meant,
nothing when none is. What a file is meant to be is guessed from its text, and from its own name when the text says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic, in_order
from .documents import Document, Loaded
from .neighbours import Neighbours
from .schema import check
from .similar import nearest
from .textfiles import peek

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: `world: us` or `world us {` at the left edge, whatever the word is
_SAYS: Final = re.compile(r"^[\"']?(\w+)[\"']?[ \t]*(?::[ \t]|[ \t])[ \t]*[\"']?([^\s\"'{#]+)", re.MULTILINE)


def broken_documents(kind: str, name: str, near: Neighbours) -> tuple[Diagnostic, ...]:
    """Mistakes of the documents near that are meant to be the one of a kind and name, and are not."""
    found = [d for loaded in near.faulty if _meant(loaded, kind, name) for d in loaded.diagnostics]
    for document in near.documents.values():
        if document.kind == kind and not _NAME.fullmatch(document.name) and _misnamed(document, name):
            found += (d for d in check(document.tree, kind) if _at_name(d, document))
    return in_order(d for d in found if d.severity == "error")


def _meant(loaded: Loaded, kind: str, name: str) -> bool:
    said = list(_said(loaded.file))
    words = [word for word, called in said if called == name]
    if any(word == kind or nearest(word, (kind,)) for word in words):
        return True
    return not loaded.documents and not words and loaded.file.stem == name


def _said(path: Path) -> Iterator[tuple[str, str]]:
    yield from _SAYS.findall((peek(path) or b"").decode("utf-8", errors="replace"))


def _misnamed(document: Document, name: str) -> bool:
    """Whether a document whose name cannot be one is the one that a name means."""
    written = document.name
    path = document.source.path
    return (path is not None and path.stem == name) or name in (*re.split(r"\W+", written), re.sub(r"\W", "_", written))


def _at_name(diagnostic: Diagnostic, document: Document) -> bool:
    entry = document.tree.entry(document.kind)
    return entry is not None and diagnostic.span in (entry.key_span, entry.value.span)
