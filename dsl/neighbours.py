"""The documents that another one may name: exchange policies, allowlists and worlds below the folder it stands in.

In: a document and what was read so far. Out: the documents it could mean, by kind and name. Looked for only when it names
one; a folder is walked once per run, and files that say they are of a kind that nobody asked for are not even parsed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic, has_errors
from .documents import ENDINGS, Document, Loaded, load_file
from .textfiles import MEGABYTE, below, peek
from .tree import Map, Scalar

SHARED: Final = ("exchange", "allowlist")
_SAID: Final = re.compile(rb"^(world|deployment|case|plan|model)[ \t]*:", re.MULTILINE)
#: where a block of some kind may begin; the words stand inside other texts too, which only costs time
_BLOCK: Final = rb"(?:^|[;}])[ \t]*(?:%s)[ \t\r\n\"]"
_HEAD: Final = 100_000


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`diagnostics` are of files that could not be read as documents at all; `faulty` are all files with errors as text;
    `twins` are all documents of a kind and name that several have, the one in `documents` first."""

    documents: Mapping[tuple[str, str], Document]
    diagnostics: tuple[Diagnostic, ...] = ()
    faulty: tuple[Loaded, ...] = ()
    twins: Mapping[tuple[str, str], tuple[Document, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Files:
    """What was read in this run: every file once, every folder walked once."""

    loaded: dict[str, Loaded] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _near: dict[tuple[str, tuple[str, ...]], Neighbours] = field(default_factory=dict)

    def key(self, path: Path) -> str:
        """The file that a path means, whatever links and dots lead there."""
        text = str(path)
        if text not in self._keys:
            self._keys[text] = os.path.realpath(text)
        return self._keys[text]

    def near(self, folder: Path, kinds: tuple[str, ...]) -> Neighbours:
        """Documents of some kinds below a folder; of two with the same name the first by path."""
        at = (self.key(folder), kinds)
        if at not in self._near:
            self._near[at] = _gathered(self, folder, kinds)
        return self._near[at]


def load_once(path: Path, files: Files) -> Loaded:
    """The documents of a file, read at most once per run."""
    key = files.key(path)
    if key not in files.loaded:
        files.loaded[key] = load_file(path)
    return files.loaded[key]


def names_others(tree: Map) -> bool:
    """True when a world refers to another document by name."""
    exchange, allowlist = tree.get("exchange"), tree.get("allowlist")
    return isinstance(exchange, Scalar) or (isinstance(allowlist, Scalar) and allowlist.value != "all")


def neighbours(document: Document, files: Files, kinds: tuple[str, ...] = SHARED) -> Neighbours:
    """The documents of some kinds that a document may name; those a world shares unless asked for others."""
    if kinds == SHARED and not names_others(document.tree):
        return Neighbours({})
    return files.near(document.folder, kinds)


def _gathered(files: Files, folder: Path, kinds: tuple[str, ...]) -> Neighbours:
    found: dict[tuple[str, str], list[Document]] = {}
    problems: list[Diagnostic] = []
    seen: set[str] = set()
    faulty: list[Loaded] = []
    for path in below(folder, ENDINGS):
        if files.key(path) not in files.loaded and _is_other(path, kinds):
            continue
        if files.key(path) in seen:
            continue
        seen.add(files.key(path))
        loaded = load_once(path, files)
        problems.extend(loaded.diagnostics if not loaded.documents else ())
        if has_errors(loaded.diagnostics):
            faulty.append(loaded)
        for document in loaded.documents:
            if document.kind in kinds:
                found.setdefault((document.kind, document.name), []).append(document)
    first = {key: same[0] for key, same in found.items()}
    twins = {key: tuple(same) for key, same in found.items() if len(same) > 1}
    return Neighbours(first, tuple(problems), tuple(faulty), twins)


def _is_other(path: Path, kinds: tuple[str, ...]) -> bool:
    """Whether a file holds nothing that was asked for: a YAML text that says it is of another kind, a `.qmtl` text in which
    no block of these kinds can begin."""
    blocks = path.suffix == ".qmtl"
    head = peek(path, MEGABYTE if blocks else _HEAD)
    if head is None:
        return False
    if blocks:
        return re.search(_BLOCK % "|".join(kinds).encode(), head, re.MULTILINE) is None
    said = _SAID.search(head)
    return said is not None and said[1].decode() not in kinds
