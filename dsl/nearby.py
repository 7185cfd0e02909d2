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

from .diagnostics import Diagnostic
from .documents import Document
from .neighbours import SHARED, Files, Neighbours, names_others, neighbours
from .similar import did_you_mean
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

    def help(self, name: str) -> str:
        """The way out for a name that no world has."""
        return did_you_mean(name, [known for found in self._steps() for known in found]) or _ELSEWHERE

    def broken(self, name: str) -> tuple[Diagnostic, ...]:
        """Mistakes of files that say they are this world, but cannot be read as one."""
        heads = (f"world: {name}\n", f"world {name} {{")
        return tuple(
            d
            for folder in self._folders()
            for d in self.files.near(folder, ("world",)).diagnostics
            if d.span is not None and any(head in f"{d.span.source.text}\n" for head in heads)
        )

    def _folders(self) -> Iterator[Path]:
        yield self.folder
        shared = nearest_folder(self.folder, WORLDS)
        if shared is not None and self.files.key(shared) != self.files.key(self.folder):
            yield shared

    def _steps(self) -> Iterator[Mapping[str, Document]]:
        for folder in self._folders():
            found = self.files.near(folder, ("world",)).documents
            yield {name: document for (_, name), document in found.items()}


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
    return Neighbours(documents, tuple(dict.fromkeys(d for near in found for d in near.diagnostics)))


def _model(tree: Map) -> bool:
    regime = tree.get("regime")
    return isinstance(regime, Map) and isinstance(regime.get("model"), Scalar)
