"""Files -> compiled worlds and deployments: the front end in one call.

In: paths. Out: `Compiled` (a Program, or the reasons why there is none), `CompiledDeployment`, and `Validation` for the
command line. Users' mistakes are values in the result; nothing here raises for what stands in files.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .allowlists import allowlist_problems, strange_symbols
from .checks.allow import silence
from .checks.misnamed import misnamed
from .compileworld import Compiled, Run, facts_at, mistakes_of_rest, world_notes, world_of
from .deployments import CompiledDeployment, deployment_of, world_at
from .diagnostics import Diagnostic, has_errors, in_order, problem
from .documents import Document, Loaded, Told, doubled, find_files, without_cascades
from .exchanges import exchange_problems, strange_rules
from .needs import Facts
from .neighbours import load_once
from .schema import check
from .strategyfiles import broken_names, not_found_once
from .textfiles import display
from .uses import free_names

__all__ = [
    "Checked",
    "Compiled",
    "CompiledDeployment",
    "Validation",
    "compile_deployment",
    "compile_world",
    "problems_of",
    "validate",
]

#: new objects between two looks for garbage, while a check runs
_COLLECT_AFTER: Final = 100_000
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


def compile_world(path: str | Path, *, today: str = "") -> Compiled:
    """The first world of a file; `today` is an ISO date, the user's own day when it is not given."""
    run = _run(today)
    compiled = world_at(Path(path), run)
    problems = _settled(compiled, run)
    compiled = replace(compiled, diagnostics=problems)
    return replace(compiled, program=None, world=None) if has_errors(problems) else compiled


def compile_deployment(path: str | Path, given: Mapping[str, str] = _NOTHING, *, today: str = "") -> CompiledDeployment:
    """A deployment with its worlds; `given` replaces keys of `readdeployment.GIVEN` as flags of a command line do."""
    run = _run(today)
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
    problems = in_order((*loaded.diagnostics, *_settled(compiled, run)))
    if has_errors(problems):
        compiled = replace(compiled, deployment=None, programs=())
    return replace(compiled, diagnostics=problems)


def _run(today: str, *, programs: bool = True) -> Run:
    return Run(programs=programs, today=today) if today else Run(programs=programs)


def _settled(compiled: Compiled | CompiledDeployment, run: Run) -> tuple[Diagnostic, ...]:
    """The diagnostics less the warnings that comments allow. Comments of texts that had no part in this are not judged, and
    whether one silences nothing only `validate` can say, which sees all of a file."""
    every = (document.source for loaded in run.files.loaded.values() for document in loaded.documents)
    used = frozenset(compiled.files)
    return silence(not_found_once(compiled.diagnostics), (s for s in every if s.path in used), run.today, unused=False)


def validate(paths: Iterable[str | Path], *, today: str = "") -> Validation:
    """Everything below the paths: every file read, every document checked, all mistakes of all files; `today` is an ISO
    date, the user's own day when it is not given."""
    with few_collections():
        return _validation(paths, _run(today, programs=False))


@contextmanager
def few_collections() -> Iterator[None]:
    """Looks for garbage in circles more rarely: trees hold none, and they all live until the end of the check."""
    before = gc.get_threshold()
    gc.set_threshold(max(before[0], _COLLECT_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _validation(paths: Iterable[str | Path], run: Run) -> Validation:
    given = [Path(path) for path in paths]
    files, problems = find_files(given)
    named = {run.files.key(path) for path in given}
    found = list(problems)
    loads = [load_once(path, run.files) for path in files]
    found.extend(d for loaded in loads for d in loaded.diagnostics)
    documents = [document for loaded in loads for document in loaded.documents]
    twins = doubled(documents)
    found.extend(twins)
    if not found and not documents and not any(loaded.definitions for loaded in loads):
        found.extend(problem("Q0109", "no documents were found", None, file=display(path)) for path in files)
    broken = {d.span.source.name for d in found if d.span and d.severity == "error"}
    checked = []
    told = Told()
    told.tell(found)
    for document in documents:
        notes, more = _validated(document, run)
        found.extend(told.fresh(_less_twins(more, twins)))
        if not has_errors(more) and document.source.name not in broken:
            checked.append(Checked(document.kind, document.name, document.source.name, notes))
    for rest in (rest for loaded in loads for rest in loaded.rests if rest.kind == "world"):
        found.extend(told.fresh(mistakes_of_rest(rest, run)))
    places = {d.span for d in found}
    found.extend(d for d in strange_symbols(documents, run) if d.span not in places)
    found.extend(strange_rules(documents, run))
    beside = list(run.facts.values())
    for loaded in loads:
        more, well = _definitions(loaded, run)
        found.extend(told.fresh(more))
        checked.extend(well)
        if loaded.definitions and run.files.key(loaded.file) not in named:
            beside.append(_facts_of(loaded, run))
    found.extend(told.fresh(_beside(beside, run)))
    texts = [document.source for document in documents] + [d.span.source for x in loads for d in x.definitions]
    return Validation(silence(not_found_once(found), texts, run.today), tuple(checked))


def _less_twins(problems: tuple[Diagnostic, ...], told: tuple[Diagnostic, ...]) -> tuple[Diagnostic, ...]:
    """The mistakes less names that could mean two documents, where these have been told to have the same name."""
    places = {d.span for d in told}
    return tuple(d for d in problems if d.code != "Q0209" or not any(label.span in places for label in d.labels))


def _beside(known: Iterable[Facts], run: Run) -> tuple[Diagnostic, ...]:
    """Mistakes of the strategies, regimes and features that worlds could use and none does yet. Those beside a file of
    definitions that was named by itself are nobody's business."""
    found: list[Diagnostic] = []
    for facts in {id(facts): facts for facts in known}.values():
        found.extend(facts.library.diagnostics)
        for definition in facts.library.definitions.values():
            facts.checks.definition(definition)
        found.extend(facts.checks.of(facts.library.definitions))
        found.extend(misnamed(facts.library, run.worlds.values()))
    return in_order(found)


def _definitions(loaded: Loaded, run: Run) -> tuple[tuple[Diagnostic, ...], tuple[Checked, ...]]:
    """Checks the strategies, regimes and features of a file, whether a world uses them or not."""
    if not loaded.definitions:
        return (), ()
    facts = _facts_of(loaded, run)
    for definition in loaded.definitions:
        facts.checks.definition(definition)
    own = facts.checks.of(definition.name.name for definition in loaded.definitions)
    name = loaded.definitions[0].name.span.source.name
    doubled_here = [d for d in facts.library.diagnostics if d.code == "Q0507" and d.span and d.span.source.name == name]
    problems = (*own, *doubled_here, *_read_from(loaded, facts))
    if has_errors((*loaded.diagnostics, *problems)):
        return problems, ()
    return problems, tuple(Checked(d.kind, d.name.name, d.name.span.source.name) for d in loaded.definitions)


def problems_of(document: Document, *, today: str = "") -> tuple[Diagnostic, ...]:
    """What is found about one document and what it names, allowed by a comment or not."""
    return in_order(_validated(document, _run(today, programs=False))[1])


def _facts_of(loaded: Loaded, run: Run) -> Facts:
    return facts_at(loaded.file.parent, (loaded.file.name,), run)


def _read_from(loaded: Loaded, facts: Facts) -> Iterator[Diagnostic]:
    """Mistakes of the text of other files from which these definitions read features."""
    definitions = facts.library.definitions
    behind = set(facts.checks.behind(definition.name.name for definition in loaded.definitions))
    read = {definitions[name].name.span.source for name in behind if name in definitions}
    free = {name for definition in loaded.definitions for name in free_names(definition)}
    for wrong in facts.library.diagnostics:
        if wrong.span is None or wrong.code == "Q0507":
            continue
        if wrong.span.source in read or free & broken_names((wrong,)):
            yield wrong


def _validated(document: Document, run: Run) -> tuple[tuple[str, ...], tuple[Diagnostic, ...]]:
    """Notes and mistakes of one document."""
    if document.kind == "world":
        compiled = world_of(document, run)
        return world_notes(compiled), compiled.diagnostics
    if document.kind == "deployment":
        return (), deployment_of(document, _NOTHING, run).diagnostics
    if document.kind == "case":
        from .cases.check import checked_cases

        return (), checked_cases(document, run).diagnostics
    if document.kind in ("plan", "model"):
        from .plans import model_of, plan_of

        about = plan_of if document.kind == "plan" else model_of
        return (), about(document, run).diagnostics
    problems = check(document.tree, document.kind)
    if document.kind == "exchange":
        problems += without_cascades(problems, exchange_problems(document))
    if document.kind == "allowlist":
        problems += without_cascades(problems, allowlist_problems(document, run))
    return (), problems
