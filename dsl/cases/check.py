"""A case document, checked against its schema and the world it names.

In: a document and what was read in this run. Out: `CheckedCases`: cases to run, the compiled world, all mistakes. It
stands between reading and running, so that `qmtl validate` and `qmtl test` say the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ..brokendocuments import broken_documents
from ..compileworld import Compiled, Run, world_of
from ..diagnostics import Diagnostic, has_errors, in_order, problem
from ..documents import Document, without_cascades
from ..nearby import doubtful
from ..schema import check
from ..similar import did_you_mean
from ..source import Span
from .model import Case
from .read import read_cases, world_name

#: folders above a case in which its world is looked for
_LEVELS: Final = 4
_WORLDS: Final = "worlds"
_CODE_LIKE: Final = re.compile(r"[a-z]+\.[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class CheckedCases:
    """The cases of one document; none when it has errors. `world` None = there is no such world."""

    document: Document
    cases: tuple[Case, ...]
    origins: Mapping[str, Span]
    world: Compiled | None
    diagnostics: tuple[Diagnostic, ...]


def checked_cases(document: Document, run: Run) -> CheckedCases:
    """Everything about a case document that can be known without running it."""
    schema = tuple(map(_with_way_out, check(document.tree, "case")))
    world, problems = _world_under_test(document, run)
    read = read_cases(document, world.world if world else None)
    own = (*schema, *without_cascades(schema, (*problems, *read.diagnostics)))
    found = in_order((*own, *(world.diagnostics if world else ())))
    return CheckedCases(document, () if has_errors(found) else read.cases, read.origins, world, found)


def _with_way_out(found: Diagnostic) -> Diagnostic:
    """Words that are no reason code: a guard has a name of its own, and the codes are too many to list."""
    if found.code != "Q0204" or found.help or found.span is None:
        return found
    word = found.span.text.strip("\"'")
    if word.startswith("guard."):
        name = word.removeprefix("guard.")
        way_out = f"all entry guards say `guard.entry`; which of them it was is said by `guards: {{SPY: [{name}]}}` in `expect`"
        return replace(found, help=way_out)
    return replace(found, help="`qmtl explain` lists the reason codes") if _CODE_LIKE.fullmatch(word) else found


def _world_under_test(document: Document, run: Run) -> tuple[Compiled | None, tuple[Diagnostic, ...]]:
    name, span = world_name(document)
    if not name:
        return None, ()
    near: list[str] = []
    for folder in _folders(document.folder):
        found = run.files.near(folder, ("world",))
        for (_, other), world in found.documents.items():
            if other == name:
                return world_of(world, run), doubtful(("world", name), span, found)
            near.append(other)
    for folder in _folders(document.folder):
        broken = broken_documents("world", name, run.files.near(folder, ("world",)))
        if broken:
            return None, broken
    help_text = did_you_mean(name, near) or "worlds are looked for in the folder of the case and those above it"
    return None, (problem("Q0506", f"unknown world `{name}`", span, help=help_text),)


def _folders(folder: Path) -> Iterator[Path]:
    """The folder of the case, then those above it that are, or hold, a folder of worlds."""
    yield folder
    above = list(folder.absolute().parents)[:_LEVELS]
    for parent in (folder.absolute(), *above):
        if parent.name == _WORLDS:
            yield _shown(parent)
        elif (parent / _WORLDS).is_dir():
            yield _shown(parent / _WORLDS)


def _shown(folder: Path) -> Path:
    """Relative to the working directory when below it, as messages show paths."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
