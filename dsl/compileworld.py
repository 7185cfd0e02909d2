"""One world document -> `Compiled`: schema, reading, lowering, and what shows only when all three are known.

In: a document and the files read so far in this run. Out: a Program, or every reason why there is none. A mistake that an
earlier layer has named is not named again by a later one; the conditions of a world with mistakes are still type-checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from .breadth import names_held
from .context import Context
from .diagnostics import Diagnostic, has_errors, in_order, problem
from .documents import Document, without_cascades
from .hysteresis import loosen
from .library import Library, load_library
from .lower import lower_world
from .model import Chain, World
from .neighbours import Files, Neighbours, neighbours
from .parser import parse_predicate
from .program import Program
from .read import WorldRead, read_world
from .schema import check
from .section import Findings, Section
from .source import Span
from .strategyfiles import broken_names, library_paths
from .tree import Scalar


@dataclass(frozen=True, slots=True)
class Compiled:
    """One world. `program` and `world` are None when there are errors; `origins` maps dotted paths to places; `files` are
    all that were read for it (a runtime watches them)."""

    name: str
    file: str
    program: Program | None
    world: World | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]
    origins: Mapping[str, Span]
    library: Library | None = None


@dataclass(slots=True)
class Run:
    """What is read or compiled once per run of the front end."""

    files: Files = field(default_factory=dict)
    worlds: dict[tuple[Path, str], Compiled] = field(default_factory=dict)
    libraries: dict[tuple[Path, ...], Library] = field(default_factory=dict)


def world_of(document: Document, run: Run) -> Compiled:
    """The compiled world of a document, compiled at most once per run."""
    key = ((document.source.path or Path(document.source.name)).resolve(), document.name)
    if key not in run.worlds:
        run.worlds[key] = _compile(document, run)
    return run.worlds[key]


def library_of(document: Document, run: Run) -> Library:
    """The definitions a document can use."""
    listed = Section(document.tree, "", Findings()).words("strategy_files") if document.kind == "world" else ()
    paths = library_paths(document.folder, [str(item.value) for item in listed])
    if paths not in run.libraries:
        run.libraries[paths] = load_library(paths)
    return run.libraries[paths]


def context_of(document: Document, library: Library, near: Neighbours) -> Context:
    """Everything the readers ask about from outside the document."""
    return Context(
        folder=document.folder,
        definitions=library.definitions,
        documents=near.documents,
        parse=parse_predicate,
        loosen=loosen,
        broken=broken_names(library.diagnostics),
    )


def _compile(document: Document, run: Run) -> Compiled:
    library = library_of(document, run)
    near = neighbours(document, run.files)
    used = _used(document, near)
    problems = (
        *library.diagnostics,
        *check(document.tree, "world"),
        *(d for other in used for d in check(other.tree, other.kind)),
    )
    read = read_world(document, context_of(document, library, near))
    if any(d.code == "Q0506" for d in read.diagnostics):
        problems += near.diagnostics
    problems += without_cascades(problems, read.diagnostics)
    program, lowered = _lower(read.world, library)
    if has_errors(problems):  # what lowering cannot find at all has been named above, at its place
        lowered = tuple(d for d in lowered if d.span is not None)
    problems += without_cascades(problems, lowered)
    problems = _less_hysteresis(problems, read.origins)
    if program is not None and not has_errors(problems):
        problems += _fit(document, read.world, program)
    well = program is not None and not has_errors(problems)
    return Compiled(
        name=document.name,
        file=document.source.name,
        program=program if well else None,
        world=read.world if well else None,
        diagnostics=in_order(problems),
        files=_files((document, *used), library, read),
        origins=read.origins,
        library=library,
    )


def _used(document: Document, near: Neighbours) -> tuple[Document, ...]:
    """The documents this world names."""
    named = [(kind, document.tree.get(kind)) for kind in ("exchange", "allowlist")]
    keys = [(kind, str(node.value)) for kind, node in named if isinstance(node, Scalar)]
    return tuple(near.documents[key] for key in keys if key in near.documents)


def _files(documents: Iterable[Document], library: Library, read: WorldRead) -> tuple[Path, ...]:
    own = (document.source.path for document in documents)
    return tuple(dict.fromkeys((*(path for path in own if path), *library.files, *read.files)))


def _lower(world: World, library: Library) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """Lowers a world; one with broken parts is completed first, so that what is left of it can be checked."""
    if not world.settings.universe:
        return None, ()
    if not world.chains or world.chains[-1].when is not None:
        names = tuple(chain.strategies for chain in world.chains)
        world = replace(world, chains=(*world.chains, Chain("otherwise", None, None, names[-1] if names else (), 1.0)))
    return lower_world(world, library)


def _less_hysteresis(problems: tuple[Diagnostic, ...], origins: Mapping[str, Span]) -> tuple[Diagnostic, ...]:
    """A condition with a type error is not also one that hysteresis cannot loosen."""
    conditions = [span for path, span in origins.items() if path.startswith("chains.") and path.endswith(".when")]
    wrong = [
        span
        for span in conditions
        if any(d.code != "Q0602" and d.severity == "error" and _inside(d, span) for d in problems)
    ]
    return tuple(d for d in problems if d.code != "Q0602" or not any(_inside(d, span) for span in wrong))


def _inside(diagnostic: Diagnostic, span: Span) -> bool:
    place = diagnostic.span
    return place is not None and place.source == span.source and span.start <= place.start < span.end


def _fit(document: Document, world: World, program: Program) -> tuple[Diagnostic, ...]:
    """Whether the compiled world fits its own declarations: bars it reads, names it can hold."""
    return (*_undeclared_bars(document, world, program), *_too_wide(document, world))


def _undeclared_bars(document: Document, world: World, program: Program) -> Iterable[Diagnostic]:
    read = {node.rate for node in program.nodes if node.op == "input" and node.scope == "symbol"}
    for rate in sorted(read - set(world.settings.bars)):
        entry = document.tree.entry("bars")
        place = entry.value.span if entry else document.place
        yield problem(
            "Q0405",
            f"a strategy of this world reads {rate} bars, which `bars` does not list",
            place,
            help=f"add `{rate}` to `bars`",
        )


def _too_wide(document: Document, world: World) -> Iterable[Diagnostic]:
    most = max(names_held(world.settings, chain.exposure) for chain in world.chains)
    size = len(world.settings.universe)
    entry = document.tree.entry("universe")
    if most >= size or entry is None:
        return
    message = f"the universe has {size} symbols, but the caps let this world hold {most} at once"
    help_text = (
        "the weakest signals are dropped; raise the caps of `risk`, or lower `churn_guard.min_target`, to hold more"
    )
    yield problem("Q0603", message, entry.key_span, help=help_text)


def world_notes(compiled: Compiled) -> tuple[str, ...]:
    """What a person wants to know about a valid world: the history it needs, and how many names it can hold."""
    if compiled.program is None or compiled.world is None:
        return ()
    needs = [f"{bars} x {rate}" for rate, bars in compiled.program.warmup if bars]
    settings, chains = compiled.world.settings, compiled.world.chains
    held = ", ".join(f"{chain.name} {names_held(settings, chain.exposure)}" for chain in chains)
    return (
        f"warm-up: {', '.join(needs) if needs else 'none'} bars",
        f"holds at most: {held} of {len(settings.universe)} names",
    )
