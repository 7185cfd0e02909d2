"""World plans and models as whole documents: their own text against the worlds and definitions near them.

In: a document and what was compiled so far in this run. Out: the plan or model, its mistakes, and the files that were read.
It stands beside `deployments.py`: both put documents together that each have been read by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .compileworld import Compiled, Run, library_of, world_of
from .diagnostics import Diagnostic, has_errors, in_order
from .documents import Document, without_cascades
from .model import ModelDocument, Plan
from .nearby import WorldsNear
from .readmodel import read_model
from .readplan import PlanWorlds, read_plan, world_names, world_places
from .schema import check
from .section import Findings
from .strategyfiles import broken_names


@dataclass(frozen=True, slots=True)
class CompiledPlan:
    """A plan with its worlds. `plan` is None when there are errors; `files` are all that were read."""

    plan: Plan | None
    worlds: tuple[Compiled, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class CompiledModel:
    """A model. `model` is None when there are errors; `files` are all that were read, the ONNX file among them."""

    model: ModelDocument | None
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


def plan_of(document: Document, run: Run) -> CompiledPlan:
    """The plan of a document. Errors of the worlds that it moves are its errors."""
    near = WorldsNear(document.folder, run.files)
    worlds: dict[str, Compiled] = {}
    broken: dict[str, tuple[Diagnostic, ...]] = {}
    for name in world_names(document):
        other = near.find(name)
        if other is not None:
            worlds[name] = world_of(other, run)
        else:
            broken[name] = near.broken(name)
    strategies = {name: _strategies(compiled) for name, compiled in worlds.items()}
    found = Findings()
    about = PlanWorlds(strategies, lambda name: "" if has_errors(broken.get(name, ())) else near.help(name))
    plan = read_plan(document, about, found)
    schema = check(document.tree, "plan")
    unsure = tuple(d for name, said in world_places(document) for d in near.doubtful(name, said))
    problems = (
        *schema,
        *unsure,
        *without_cascades(schema, found.problems),
        *(d for each in broken.values() for d in each),
    )
    problems += tuple(d for compiled in worlds.values() for d in compiled.diagnostics if d.severity == "error")
    files = [document.source.path, *(path for compiled in worlds.values() for path in compiled.files)]
    return CompiledPlan(
        plan=None if has_errors(problems) else plan,
        worlds=tuple(worlds.values()),
        diagnostics=in_order(problems),
        files=tuple(dict.fromkeys(path for path in files if path)),
    )


def _strategies(compiled: Compiled) -> tuple[str, ...] | None:
    if compiled.world is None:
        return None
    return tuple(dict.fromkeys(name for chain in compiled.world.chains for name in chain.used))


def model_of(document: Document, run: Run) -> CompiledModel:
    """The model of a document, its features among the definitions near it."""
    library = library_of(document, run)
    found = Findings()
    features = [name for name, definition in library.definitions.items() if definition.kind == "feature"]
    model = read_model(document, (*features, *broken_names(library.diagnostics)), found)
    schema = check(document.tree, "model")
    problems = in_order((*library.diagnostics, *schema, *without_cascades(schema, found.problems)))
    files = [document.source.path, *library.files, *found.files]
    return CompiledModel(
        None if has_errors(problems) else model, problems, tuple(dict.fromkeys(path for path in files if path))
    )
