"""A case document, checked against its schema and the world it names.

In: a document and what was read in this run. Out: `CheckedCases`: cases to run, the compiled world, all mistakes. It
stands between reading and running, so that `qmtl validate` and `qmtl test` say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..compileworld import Compiled, Run, world_of
from ..diagnostics import Diagnostic, has_errors, in_order, problem
from ..documents import Document, without_cascades
from ..schema import check
from ..similar import did_you_mean
from ..source import Span
from .model import Case
from .read import read_cases, world_name

#: folders above a case in which its world is looked for
_LEVELS: Final = 4
_WORLDS: Final = "worlds"


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
    schema = check(document.tree, "case")
    world, problems = _world_under_test(document, run)
    read = read_cases(document, world.world if world else None)
    own = (*schema, *without_cascades(schema, (*problems, *read.diagnostics)))
    found = in_order((*own, *(world.diagnostics if world else ())))
    return CheckedCases(document, () if has_errors(found) else read.cases, read.origins, world, found)


def _world_under_test(document: Document, run: Run) -> tuple[Compiled | None, tuple[Diagnostic, ...]]:
    name, span = world_name(document)
    if not name:
        return None, ()
    near: list[str] = []
    for folder in _folders(document.folder):
        for (_, other), world in run.files.near(folder, ("world",)).documents.items():
            if other == name:
                return world_of(world, run), ()
            near.append(other)
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
