"""The documents that a document can name, wherever it stands: worlds, and what a world with bases names.

In: a document and what was read so far. Out: documents by name. Names are looked for below the folder of the file that
says them, as everywhere; a world also below the nearest folder called `worlds`, so that plans, cases and variants may stand
in a folder of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .brokendocuments import broken_documents
from .diagnostics import Diagnostic, Label, problem
from .documents import Document
from .neighbours import SHARED, Files, Neighbours, names_others, neighbours
from .similar import did_you_mean
from .source import Span
from .strategyfiles import nearest_folder
from .tree import Map, Scalar

WORLDS: Final = "worlds"
_ELSEWHERE: Final = "it is the name of a world below this file's folder, or below the nearest folder `worlds`"


@dataclass(frozen=True, slots=True)
class WorldsNear:
    """The worlds that files of a folder can name. The nearest folder `worlds` is looked through only when the folder
    itself does not have the world."""

    folder: Path
    files: Files

    def find(self, name: str) -> Document | None:
        """The world of a name; of two the one below the folder itself."""
        return next((found[name] for found in self._steps() if name in found), None)

    def doubtful(self, name: str, said: Span) -> tuple[Diagnostic, ...]:
        """That a name could mean several worlds, where it is said."""
        near = next((near for near in worlds_below(self.folder, self.files) if ("world", name) in near.documents), None)
        return () if near is None else doubtful(("world", name), said, near)

    def help(self, name: str) -> str:
        """The way out for a name that no world has."""
        return did_you_mean(name, [known for found in self._steps() for known in found]) or _ELSEWHERE

    def broken(self, name: str) -> tuple[Diagnostic, ...]:
        """Mistakes of files that are meant to be this world, but cannot be read as one."""
        near = worlds_below(self.folder, self.files)
        return tuple(d for found in near for d in broken_documents("world", name, found))

    def _steps(self) -> Iterator[Mapping[str, Document]]:
        for near in worlds_below(self.folder, self.files):
            yield {name: document for (_, name), document in near.documents.items()}


def worlds_below(folder: Path, files: Files) -> Iterator[Neighbours]:
    """The worlds below a folder, then those below the nearest folder `worlds`."""
    yield files.near(folder, ("world",))
    shared = nearest_folder(folder, WORLDS)
    if shared is not None and files.key(shared) != files.key(folder):
        yield files.near(shared, ("world",))


def doubtful(key: tuple[str, str], said: Span, near: Neighbours) -> tuple[Diagnostic, ...]:
    """That a kind and name could mean several documents; which of them must not depend on the order of a folder."""
    same = near.twins.get(key, ())
    if not same:
        return ()
    kind, name = key
    words = ("here", "and here", "and here")
    labels = tuple(Label(document.place, text) for document, text in zip(same, words, strict=False))
    message = f"`{name}` could mean {len(same)} documents `{kind}: {name}`"
    return (problem("Q0209", message, said, labels=labels, help="rename all but one of them, or remove them"),)


def named_near(document: Document, files: Files) -> Neighbours:
    """The documents that a world may name; what a base says is looked for near the base too."""
    found = [neighbours(document, files)]
    if document.bases and names_others(document.tree):
        found += [files.near(base.folder, SHARED) for base in document.bases]
    if _model(document.tree):
        found += [files.near(each.folder, ("model",)) for each in (document, *document.bases)]
    if len(found) == 1:
        return found[0]
    documents = {key: other for near in reversed(found) for key, other in near.documents.items()}
    faulty = {loaded.file: loaded for near in found for loaded in near.faulty}
    owner = {key: near for near in reversed(found) for key in near.documents}
    twins = {key: near.twins[key] for key, near in owner.items() if key in near.twins}
    problems = tuple(dict.fromkeys(d for near in found for d in near.diagnostics))
    return Neighbours(documents, problems, tuple(faulty.values()), twins)


def _model(tree: Map) -> bool:
    regime = tree.get("regime")
    return isinstance(regime, Map) and any(isinstance(regime.get(key), Scalar) for key in ("model", "shadow"))
