"""One world document -> `Compiled`: schema, reading, lowering, and what shows only when all three are known.

In: a document and the files read so far in this run. Out: a Program, or every reason why there is none. A mistake that an
earlier layer has named is not named again by a later one; the conditions of a world with mistakes are still type-checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .breadth import names_held
from .brokendocuments import broken_documents
from .checks import Subject, check_world
from .context import Context
from .diagnostics import Diagnostic, Label, has_errors, in_order, problem
from .documents import Document, without_cascades
from .extends import extended, named_files
from .hysteresis import loosen
from .inherited import Heir, Place, settled, written_out
from .library import Library, load_library
from .lowerable import Lowerable
from .model import Chain, World
from .nearby import doubtful, named_near
from .needs import NOTHING, Facts, Needs
from .neighbours import Files, Neighbours
from .parser import parse_predicate
from .read import WorldRead, read_world
from .readchains import predicate, read_strategies
from .schema import check
from .section import Findings, Section
from .source import Span
from .strategyfiles import broken_names, library_paths, where_looked
from .tree import Map, Scalar

if TYPE_CHECKING:
    from .program import Program


@dataclass(frozen=True, slots=True)
class Compiled:
    """One world. `program` and `world` are None when there are errors (`program` also in a run that makes none); `needs` is
    what it needs of its feed; `moved` are mistakes of inherited text, told elsewhere than they stand; `origins`
    maps dotted paths to places; `files` are all that were read for it (a runtime watches them)."""

    name: str
    file: str
    program: Program | None
    world: World | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]
    origins: Mapping[str, Span]
    library: Library | None = None
    needs: Needs = NOTHING
    moved: Mapping[Place, Diagnostic] = field(default_factory=dict)


@dataclass(slots=True)
class Run:
    """What is read or compiled once per run of the front end; checking alone needs no `programs`. `today` is an ISO date."""

    programs: bool = True
    today: str = field(default_factory=lambda: date.today().isoformat())  # noqa: DTZ011 - the user's own day
    files: Files = field(default_factory=Files)
    worlds: dict[tuple[str, str], Compiled] = field(default_factory=dict)
    facts: dict[tuple[str, ...], Facts] = field(default_factory=dict)
    paths: dict[tuple[Path, tuple[str, ...]], tuple[Path, ...]] = field(default_factory=dict)


def world_of(document: Document, run: Run) -> Compiled:
    """The compiled world of a document, compiled at most once per run."""
    key = (run.files.key(document.source.path or Path(document.source.name)), document.name)
    if key not in run.worlds:
        run.worlds[key] = _inheriting(document, run)
    return run.worlds[key]


def _inheriting(document: Document, run: Run) -> Compiled:
    """The world with what it inherits. A mistake of a base is told as the base tells it."""
    line = extended(document, run.files)
    world = line.document
    if not line.whole:
        files = tuple(path for each in (world, *world.bases) if (path := each.source.path))
        return Compiled(world.name, world.source.name, None, None, in_order(line.problems), files, {})
    compiled = _compile(world, run)
    if not world.bases:
        return compiled
    problems = (*line.problems, *without_cascades(line.problems, compiled.diagnostics))
    heir = Heir(world, document.tree)
    problems = written_out(heir, problems)
    moved: Mapping[Place, Diagnostic] = {}
    if any(heir.inherits(d.span) for d in problems):
        base = world_of(world.bases[0], run)
        problems, moved = settled(heir, problems, {(d.code, d.span): d for d in base.diagnostics} | dict(base.moved))
    if has_errors(problems):
        compiled = replace(compiled, program=None, world=None)
    return replace(compiled, diagnostics=in_order(problems), moved=moved)


def facts_of(document: Document, run: Run) -> Facts:
    """The definitions a document can use, with what is known of them."""
    named = named_files(document) if document.kind == "world" else ()
    return facts_at(document.folder, named, run)


def facts_at(folder: Path, named: tuple[str, ...], run: Run) -> Facts:
    """The definitions that documents of a folder can use, with files that they name."""
    at = (folder, named)
    if at not in run.paths:
        listed = library_paths(folder, named)
        folders = {run.files.key(path) for path in listed}
        run.paths[at] = tuple(path for path in listed if run.files.key(path.parent) not in folders)
    paths = run.paths[at]
    key = tuple(dict.fromkeys(run.files.key(path) for path in paths))
    if key not in run.facts:
        run.facts[key] = Facts(load_library(paths))
    return run.facts[key]


def library_of(document: Document, run: Run) -> Library:
    """The definitions a document can use."""
    return facts_of(document, run).library


def context_of(document: Document, library: Library, near: Neighbours) -> Context:
    """Everything the readers ask about from outside the document."""
    return Context(
        folder=document.folder,
        definitions=library.definitions,
        documents=near.documents,
        parse=parse_predicate,
        loosen=loosen,
        broken=broken_names(library.diagnostics),
        nowhere=lambda: where_looked(document.folder, library.files),
        broken_document=lambda kind, name: broken_documents(kind, name, near),
    )


def _compile(document: Document, run: Run) -> Compiled:
    facts = facts_of(document, run)
    library = facts.library
    near = named_near(document, run.files)
    named = tuple(_named(document))
    used = tuple(near.documents[key] for key, _ in named if key in near.documents)
    problems = (
        *library.diagnostics,
        *check(document.tree, "world"),
        *(d for key, said in named for d in doubtful(key, said, near)),
        *(d for other in used for d in check(other.tree, other.kind)),
    )
    read = read_world(document, context_of(document, library, near))
    if any(d.code == "Q0506" for d in read.diagnostics):
        problems += near.diagnostics
    problems += without_cascades(problems, read.diagnostics)
    state, wrong = _examined(read.world, facts)
    wrong = tuple(_at_parameters(d, document.tree) for d in wrong)
    if has_errors(problems):  # what lowering cannot find at all has been named above, at its place
        wrong = tuple(d for d in wrong if d.span is not None)
    problems += without_cascades((d for d in problems if d.code != "Q0602"), wrong)
    problems = _less_hysteresis(problems, read.origins)
    needs = NOTHING
    if state is not None and not has_errors(problems):
        needs = facts.needs(state)
        problems += _fit(document, read.world, needs)
        problems += check_world(Subject(document, read.world, library, read.origins, document.tree, run.today))
    if has_errors(problems):  # a warning about what is left of a broken world would only follow from its errors
        problems = tuple(d for d in problems if d.severity == "error")
    well = state is not None and not has_errors(problems)
    return Compiled(
        name=document.name,
        file=document.source.name,
        program=_program(state) if state is not None and well and run.programs else None,
        world=read.world if well else None,
        diagnostics=in_order(problems),
        files=_files((document, *document.bases, *used), library, read),
        origins=read.origins,
        library=library,
        needs=needs,
    )


def mistakes_of_rest(document: Document, run: Run) -> tuple[Diagnostic, ...]:
    """What is wrong inside the parts that could be read of a world with syntax errors: each condition and each list of
    strategies by itself, nothing that other parts could explain."""
    facts = facts_of(document, run)
    context = context_of(document, facts.library, Neighbours({}))
    found = Findings()
    root = Section(document.tree, "", found)
    chains = root.sections("chains")
    asked = [(chain, key) for chain in chains for key in ("when", "stay_when")]
    asked += [(guard, "when") for guard in root.sections("entry_guards")]
    conditions = [predicate(section, key, context) for section, key in asked]
    for chain in chains:
        read_strategies(chain.words("strategies"), found, context)
    wrong = (d for condition in conditions if condition is not None for d in facts.checks.wrong_in(condition))
    unknown = found.unknown_names({"strategy": context.names("strategy")}, context.nowhere)
    return in_order((*found.problems, *unknown, *wrong))


def _program(state: Lowerable) -> Program:
    from .lower import program_of  # a check makes no program, and starts faster without what makes them

    return program_of(state)


def _named(document: Document) -> Iterable[tuple[tuple[str, str], Span]]:
    """Kind and name of the documents this world names, and where."""
    named = [(kind, document.tree.get(kind)) for kind in ("exchange", "allowlist")]
    regime = document.tree.get("regime")
    named += [("model", regime.get("model"))] if isinstance(regime, Map) else []
    return (((kind, str(node.value)), node.span) for kind, node in named if isinstance(node, Scalar))


def _files(documents: Iterable[Document], library: Library, read: WorldRead) -> tuple[Path, ...]:
    own = (document.source.path for document in documents)
    return tuple(dict.fromkeys((*(path for path in own if path), *library.files, *read.files)))


def _examined(world: World, facts: Facts) -> tuple[Lowerable | None, tuple[Diagnostic, ...]]:
    """Whether a world can be lowered; one with broken parts is completed first, so that what is left of it can be checked."""
    if not world.settings.universe:
        return None, ()
    if not world.chains or world.chains[-1].when is not None:
        names = tuple(chain.strategies for chain in world.chains)
        world = replace(world, chains=(*world.chains, Chain("otherwise", None, None, names[-1] if names else (), 1.0)))
    return facts.examine(world)


def _at_parameters(diagnostic: Diagnostic, tree: Map) -> Diagnostic:
    """Too many sets of parameters are a mistake of the world that lists them, not of the strategy that has them."""
    parameters = tree.get("parameters")
    if diagnostic.code != "Q0605" or diagnostic.span is None or not isinstance(parameters, Map):
        return diagnostic
    own = parameters.get(diagnostic.span.text)
    entry = own.entry("by_symbol") if isinstance(own, Map) else None
    if entry is None:
        return diagnostic
    return replace(diagnostic, span=entry.key_span, labels=(Label(diagnostic.span, "declared here"),))


def _less_hysteresis(problems: tuple[Diagnostic, ...], origins: Mapping[str, Span]) -> tuple[Diagnostic, ...]:
    """A condition with a type error is not also one that hysteresis cannot loosen."""
    conditions = [span for path, span in origins.items() if path.startswith("chains.") and path.endswith(".when")]
    wrong = [
        span
        for span in conditions
        if any(d.code != "Q0602" and d.severity == "error" and _about(d, span) for d in problems)
    ]
    return tuple(d for d in problems if d.code != "Q0602" or not any(_inside(d, span) for span in wrong))


def _about(diagnostic: Diagnostic, span: Span) -> bool:
    """Whether a mistake stands in a condition; an unknown name is told once, wherever else it stands."""
    unknown = diagnostic.code == "Q0501" and diagnostic.span is not None and diagnostic.span.text in span.text
    return unknown or _inside(diagnostic, span)


def _inside(diagnostic: Diagnostic, span: Span) -> bool:
    place = diagnostic.span
    return place is not None and place.source == span.source and span.start <= place.start < span.end


def _fit(document: Document, world: World, needs: Needs) -> tuple[Diagnostic, ...]:
    """Whether the world fits its own declarations: bars it reads, names it can hold."""
    return (*_undeclared_bars(document, world, needs), *_too_wide(document, world))


def _undeclared_bars(document: Document, world: World, needs: Needs) -> Iterable[Diagnostic]:
    for rate in sorted(needs.reads - set(world.settings.bars)):
        entry = document.tree.entry("bars")
        place = entry.value.span if entry else document.place
        yield problem(
            "Q0405",
            f"a strategy of this world reads {rate} bars, which `bars` does not list",
            place,
            help=f"add `{rate}` to `bars`",
        )


def _too_wide(document: Document, world: World) -> Iterable[Diagnostic]:
    most = max(names_held(world.settings, chain.widest) for chain in world.chains)
    size = len(world.settings.universe)
    entry = document.tree.entry("universe")
    if most >= size or most <= 0 or entry is None:  # that nothing is ever traded is Q0619's or Q0620's
        return
    message = f"the universe has {size} symbols, but the caps let this world hold {most} at once"
    help_text = (
        "the weakest signals are dropped; raise the caps of `risk`, or lower `churn_guard.min_target`, to hold more"
    )
    yield problem("Q0603", message, entry.key_span, help=help_text)


def world_notes(compiled: Compiled) -> tuple[str, ...]:
    """What a person wants to know about a valid world: the history it needs, and how many names it can hold."""
    if compiled.world is None:
        return ()
    needs = [f"{bars} x {rate}" for rate, bars in compiled.needs.warmup if bars]
    settings, chains = compiled.world.settings, compiled.world.chains
    held = ", ".join(f"{chain.name} {names_held(settings, chain.exposure)}" for chain in chains)
    return (
        f"warm-up: {', '.join(needs) if needs else 'none'} bars",
        f"holds at most: {held} of {len(settings.universe)} names",
    )
