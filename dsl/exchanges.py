"""Exchange policies as documents of their own: what is wrong with one by itself, and against the worlds that name it.

In: documents of a run. Out: diagnostics. A world that names a policy reads it too and has the same mistakes; who prints them
tells each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .compileworld import Run, world_of
from .diagnostics import Diagnostic
from .documents import Document
from .readexchange import misspelt_rules, read_exchange
from .section import Findings


def exchange_problems(document: Document) -> tuple[Diagnostic, ...]:
    """Contradictions inside a policy."""
    found = Findings()
    read_exchange(document, found)
    return tuple(found.problems)


def strange_rules(documents: Iterable[Document], run: Run) -> Iterator[Diagnostic]:
    """Rules for symbols that look like a misspelt one of the worlds that are checked with their policy."""
    listed = tuple(documents)
    traded: dict[object, set[str]] = {}
    for document in listed:
        if document.kind == "world":
            compiled = world_of(document, run)
            for path in compiled.files if compiled.world else ():
                traded.setdefault(path, set()).update(compiled.world.settings.universe if compiled.world else ())
    for document in listed:
        if document.kind == "exchange" and document.source.path in traded:
            yield from misspelt_rules(document, traded[document.source.path])
