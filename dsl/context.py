"""What the readers need to know from outside the document they read.

In: built by `compile.py`. Out: look-ups of definitions and of other documents, and the two functions of the expression
side (parsing a predicate, loosening it by the hysteresis). Handed in, so that reading documents needs no parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .diagnostics import Diagnostic
from .documents import Document
from .syntax import Definition, Expr
from .tree import Scalar

Parse = Callable[[Scalar], tuple[Expr | None, tuple[Diagnostic, ...]]]
Broken = Callable[[str, str], tuple[Diagnostic, ...]]
Loosen = Callable[[Expr, Callable[[str], float]], Expr | Diagnostic]


@dataclass(frozen=True, slots=True)
class Context:
    """`folder` is the one that paths of the document are relative to; `documents` are those near it, by kind and name;
    `broken` names definitions that exist but could not be read, `broken_document` gives the mistakes of a document that does
    (they are not unknown); `nowhere` says where definitions are looked for when none was found."""

    folder: Path
    definitions: Mapping[str, Definition]
    documents: Mapping[tuple[str, str], Document]
    parse: Parse
    loosen: Loosen
    broken: frozenset[str] = frozenset()
    nowhere: Callable[[], str] = str
    broken_document: Broken = lambda _kind, _name: ()

    def names(self, kind: str) -> list[str]:
        """Names of the definitions of a kind: strategy, regime or feature."""
        return [name for name, definition in self.definitions.items() if definition.kind == kind]

    def knows(self, kind: str, name: str) -> bool:
        """True when the definition exists, read or broken."""
        found = self.definitions.get(name)
        return name in self.broken or (found is not None and found.kind == kind)

    def document_names(self, kind: str) -> list[str]:
        """Names of the documents of a kind near this one."""
        return [name for of, name in self.documents if of == kind]
