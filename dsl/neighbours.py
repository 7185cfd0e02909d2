"""The exchange policies and allowlists that a world may name: those below the folder it stands in.

In: a world document. Out: the documents it could mean, by kind and name. Looked for only when the world names one, and
files that say they are worlds are not even parsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic
from .documents import ENDINGS, Document, Loaded, load_file
from .textfiles import below
from .tree import Map, Scalar

_SHARED: Final = ("exchange", "allowlist")
_OTHER: Final = re.compile(rb"^(world|deployment)[ \t]*:", re.MULTILINE)
_HEAD: Final = 100_000

#: files that were read in this run, by resolved path: every file is read once per run
Files = dict[Path, Loaded]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`diagnostics` are of files that could not be read as documents at all."""

    documents: Mapping[tuple[str, str], Document]
    diagnostics: tuple[Diagnostic, ...] = ()


def load_once(path: Path, cache: Files) -> Loaded:
    """The documents of a file, read at most once per run."""
    key = path.resolve()
    if key not in cache:
        cache[key] = load_file(path)
    return cache[key]


def names_others(tree: Map) -> bool:
    """True when a world refers to another document by name."""
    exchange, allowlist = tree.get("exchange"), tree.get("allowlist")
    return isinstance(exchange, Scalar) or (isinstance(allowlist, Scalar) and allowlist.value != "all")


def neighbours(world: Document, cache: Files) -> Neighbours:
    """Shared documents below the folder of a world; of two with the same name the first by path."""
    if not names_others(world.tree):
        return Neighbours({})
    found: dict[tuple[str, str], Document] = {}
    problems: list[Diagnostic] = []
    for path in below(world.folder, ENDINGS):
        if path.resolve() not in cache and _is_other(path):
            continue
        loaded = load_once(path, cache)
        problems.extend(loaded.diagnostics if not loaded.documents else ())
        for document in loaded.documents:
            if document.kind in _SHARED:
                found.setdefault((document.kind, document.name), document)
    return Neighbours(found, tuple(problems))


def _is_other(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return _OTHER.search(file.read(_HEAD)) is not None
    except OSError:
        return False
