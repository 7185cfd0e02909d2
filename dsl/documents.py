"""Finds documents under paths and reads each into a tree, whichever surface it is written in.

In: files and folders. Out: `Document`s (kind, name, tree), the definitions that stood beside them, and what is wrong with
the files as text. From here on nobody asks whether a document was YAML or a `.qmtl` block.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .diagnostics import Diagnostic, Label, problem
from .schema import KINDS, load_schema
from .similar import nearest
from .source import Source, Span
from .syntax import Definition
from .textfiles import below, display, read_source
from .tree import Map, Scalar
from .yamltree import read_yaml

YAML_ENDINGS: Final = (".yaml", ".yml")
ENDINGS: Final = (*YAML_ENDINGS, ".qmtl")
#: the key that tells the kind; the first present wins, because a case names its world and a world its exchange
_ORDER: Final = ("case", "world", "deployment", "plan", "model", "exchange", "allowlist")
#: kinds that are also keys of a world
_ALSO_KEYS: Final = ("exchange", "allowlist")


@dataclass(frozen=True, slots=True)
class Document:
    """One document. `place` covers its kind key; `bases` are the worlds whose text has been merged into its tree."""

    kind: str
    name: str
    tree: Map
    source: Source
    place: Span
    bases: tuple[Document, ...] = ()

    @property
    def folder(self) -> Path:
        """Folder that the paths in the document are relative to."""
        return (self.source.path or Path()).parent


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one file held; `definitions` are strategies, regimes and features that stood beside its documents. `rests` are
    what could be read of blocks with syntax errors: nobody uses them, but their parts can be checked."""

    file: Path
    documents: tuple[Document, ...]
    diagnostics: tuple[Diagnostic, ...]
    definitions: tuple[Definition, ...] = ()
    rests: tuple[Document, ...] = ()


def folder_of(span: Span, document_folder: Path) -> Path:
    """Folder that a path written at a place is relative to: that of the file which says it (a base of a world, perhaps)."""
    return span.source.path.parent if span.source.path else document_folder


def find_files(paths: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[Diagnostic, ...]]:
    """Files to read: those named, and every YAML and `.qmtl` file below the folders named; each once, in order."""
    found: dict[str, Path] = {}
    problems: list[Diagnostic] = []
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - false, not an exception, for names that no system takes
            inside = list(below(path, ENDINGS))
            shouted = list(below(path, tuple(ending.upper() for ending in ENDINGS)))
            problems.extend(_not_read(file) for file in shouted)
            if not inside and not shouted:
                problems.append(
                    problem(
                        "Q0109",
                        "no documents were found: the folder holds no .yaml, .yml or .qmtl file",
                        None,
                        file=display(path),
                    )
                )
        else:
            inside = [path]
        for file in inside:
            found.setdefault(os.path.realpath(file), file)
    return tuple(found.values()), tuple(problems)


def _not_read(file: Path) -> Diagnostic:
    """A document that would silently be left out."""
    message = "the file cannot be read: its ending must be in lower case"
    return problem("Q0101", message, None, file=display(file), help=f"rename it to `{file.stem}{file.suffix.lower()}`")


def load_file(path: Path) -> Loaded:
    """The documents of one file; a `.qmtl` file may hold several, or none beside its definitions."""
    source, problems = read_source(path)
    if source is None:
        return Loaded(path, (), problems)
    if path.suffix in YAML_ENDINGS:
        document, more = _yaml_document(source)
        return Loaded(path, (document,) if document else (), more)
    if path.suffix != ".qmtl":
        wrong = problem(
            "Q0101", "the file cannot be read: its name ends in none of .yaml, .yml and .qmtl", None, file=source.name
        )
        return Loaded(path, (), (wrong,))
    return _block_file(path, source)


def _yaml_document(source: Source) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    tree, problems = read_yaml(source)
    if tree is None:
        return None, problems
    if not isinstance(tree, Map):
        wrong = problem(
            "Q0203",
            "the document must be a map of `key: value` lines",
            Span(source, tree.span.start, tree.span.start + 1),
        )
        return None, (*problems, wrong)
    document, more = identify(tree, source)
    return document, (*problems, *more)


def _block_file(path: Path, source: Source) -> Loaded:
    from .blocks import block_to_tree, rest_of
    from .parser import parse_file

    definitions, blocks, problems = parse_file(source)
    documents, rests, found = [], [], list(problems)
    for block in blocks:
        word = block.key.value
        if word in KINDS:
            kind, tree, more = block_to_tree(block, load_schema(word))
            found.extend(more)
            entry = tree.entry(kind)
            if entry and isinstance(entry.value, Scalar):
                documents.append(Document(kind, str(entry.value.value), tree, source, entry.key_span))
            elif block.broken:
                name = block.name.value if block.name else ""
                rests.append(Document(word, name, rest_of(block, load_schema(word)), source, block.key.span))
    return Loaded(path, tuple(documents), tuple(found), definitions, tuple(rests))


def identify(tree: Map, source: Source) -> tuple[Document | None, tuple[Diagnostic, ...]]:
    """The document that a tree is, told by its kind key."""
    kind = next((kind for kind in _ORDER if tree.entry(kind)), None)
    if kind is None or (kind in _ALSO_KEYS and _misspelt_kind(tree, kind)):
        return None, (_no_kind(tree),)
    entry = tree.entry(kind)
    assert entry is not None
    name = entry.value.value if isinstance(entry.value, Scalar) else ""
    return Document(kind, str(name), tree, source, entry.key_span), ()


def _misspelt_kind(tree: Map, kind: str) -> bool:
    """Whether `exchange: venue` is only a key of a world whose own kind is misspelt (`wrld: us`)."""
    known = load_schema(kind).get("properties", {})
    return any(entry.key not in known and nearest(entry.key, ("world",)) for entry in tree)


def _no_kind(tree: Map) -> Diagnostic:
    where = tree.entries[0].key_span if tree.entries else tree.span
    names = ", ".join(f"`{kind}:`" for kind in KINDS)
    for entry in tree:
        guess = nearest(entry.key, KINDS)
        if guess:
            return problem(
                "Q0207",
                f"the file does not say which kind of document it is: `{entry.key}` is no kind",
                entry.key_span,
                help=f"did you mean `{guess}`?",
            )
    return problem(
        "Q0207",
        "the file does not say which kind of document it is",
        where,
        help=f"one of the keys {names} says it, and gives its name",
    )


def doubled(documents: Iterable[Document]) -> tuple[Diagnostic, ...]:
    """A diagnostic for every document whose kind and name were used before."""
    first: dict[tuple[str, str], Document] = {}
    found = []
    for document in documents:
        other = first.setdefault((document.kind, document.name), document)
        if other is not document:
            message = f"there are two documents `{document.kind}: {document.name}`"
            found.append(
                problem("Q0209", message, document.place, label="again", labels=(Label(other.place, "first here"),))
            )
    return tuple(found)


@dataclass(slots=True)
class Told:
    """The places of errors that have been told: one mistake is one message."""

    _places: set[tuple[str, int, int]] = field(default_factory=set)

    def tell(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Notes what is told."""
        self._places.update(_at(d.span) for d in diagnostics if d.span and d.severity == "error")

    def fresh(self, later: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
        """The later diagnostics, less those at exactly the place of an earlier error; they are told from now on."""
        found = tuple(d for d in later if d.span is None or _at(d.span) not in self._places)
        self.tell(found)
        return found


def _at(span: Span) -> tuple[str, int, int]:
    return (span.source.name, span.start, span.end)


def without_cascades(earlier: Iterable[Diagnostic], later: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """The later diagnostics, less those at exactly the place of an earlier error."""
    later = tuple(later)
    if not later:
        return ()
    told = Told()
    told.tell(earlier)
    return told.fresh(later)
