"""Files -> compiled worlds and deployments: the front end in one call.

In: paths. Out: `Compiled` (a Program, or the reasons why there is none), `CompiledDeployment`, and `Validation` for the
command line. Users' mistakes are values in the result; nothing here raises for what stands in files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .check import Checks
from .compileworld import Compiled, Run, context_of, library_of, world_notes, world_of
from .deployments import CompiledDeployment, deployment_of, world_at
from .diagnostics import Diagnostic, has_errors, in_order, problem
from .documents import Document, Loaded, doubled, find_files, without_cascades
from .library import load_library
from .neighbours import Neighbours, load_once
from .readallowlist import read_rows_of
from .schema import check
from .section import Findings
from .strategyfiles import library_paths
from .textfiles import display

__all__ = ["Checked", "Compiled", "CompiledDeployment", "Validation", "compile_deployment", "compile_world", "validate"]

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Checked:
    """One document that is well, with lines for people (warm-up, breadth)."""

    kind: str
    name: str
    file: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What `qmtl validate` found: diagnostics of all files in order, and the documents that are well."""

    diagnostics: tuple[Diagnostic, ...]
    documents: tuple[Checked, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """All notes, in the order of the documents."""
        return tuple(note for document in self.documents for note in document.notes)


def compile_world(path: str | Path) -> Compiled:
    """The first world of a file."""
    return world_at(Path(path), Run())


def compile_deployment(path: str | Path, given: Mapping[str, str] = _NOTHING) -> CompiledDeployment:
    """A deployment with its worlds; `given` replaces keys of `readdeployment.GIVEN` as flags of a command line do."""
    run = Run()
    loaded = load_once(Path(path), run.files)
    document = next((d for d in loaded.documents if d.kind == "deployment"), None)
    if document is None:
        missing = (
            ()
            if has_errors(loaded.diagnostics)
            else (problem("Q0207", "the file holds no deployment", None, file=display(Path(path))),)
        )
        return CompiledDeployment(None, (), in_order((*loaded.diagnostics, *missing)), (Path(path),))
    compiled = deployment_of(document, given, run)
    if has_errors(loaded.diagnostics):
        compiled = replace(compiled, deployment=None, programs=())
    return replace(compiled, diagnostics=in_order((*loaded.diagnostics, *compiled.diagnostics)))


def validate(paths: Iterable[str | Path]) -> Validation:
    """Everything below the paths: every file read, every document checked, all mistakes of all files."""
    run = Run()
    files, problems = find_files(Path(path) for path in paths)
    found = list(problems)
    loads = [load_once(path, run.files) for path in files]
    found.extend(d for loaded in loads for d in loaded.diagnostics)
    documents = [document for loaded in loads for document in loaded.documents]
    found.extend(doubled(documents))
    if not found and not documents and not any(loaded.definitions for loaded in loads):
        found.append(problem("Q0109", "no documents were found", None, file=", ".join(display(path) for path in files)))
    broken = {d.span.source.name for d in found if d.span and d.severity == "error"}
    checked = []
    for document in documents:
        notes, more = _validated(document, run)
        found.extend(without_cascades(found, more))
        if not has_errors(more) and document.source.name not in broken:
            checked.append(Checked(document.kind, document.name, document.source.name, notes))
    for loaded in loads:
        more, well = _definitions(loaded)
        found.extend(without_cascades(found, more))
        checked.extend(well)
    return Validation(in_order(found), tuple(checked))


def _definitions(loaded: Loaded) -> tuple[tuple[Diagnostic, ...], tuple[Checked, ...]]:
    """Checks the strategies, regimes and features of a file, whether a world uses them or not."""
    if not loaded.definitions:
        return (), ()
    library = load_library((*library_paths(loaded.file.parent, ()), loaded.file))
    checks = Checks(library)
    for definition in loaded.definitions:
        checks.definition(definition)
    problems = in_order(checks.found)
    if has_errors((*loaded.diagnostics, *problems)):
        return problems, ()
    return problems, tuple(Checked(d.kind, d.name.name, d.name.span.source.name) for d in loaded.definitions)


def _validated(document: Document, run: Run) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Notes and mistakes of one document."""
    if document.kind == "world":
        compiled = world_of(document, run)
        return world_notes(compiled), compiled.diagnostics
    if document.kind == "deployment":
        return (), deployment_of(document, _NOTHING, run).diagnostics
    problems = check(document.tree, document.kind)
    if document.kind == "allowlist":
        problems += without_cascades(problems, _allowlist_problems(document, run))
    return (), problems


def _allowlist_problems(document: Document, run: Run) -> tuple[Diagnostic, ...]:
    library = library_of(document, run)
    context = context_of(document, library, Neighbours({}))
    found = Findings()
    read_rows_of(document, found, context)
    return (*library.diagnostics, *found.problems, *found.unknown_names({"strategy": context.names("strategy")}))
