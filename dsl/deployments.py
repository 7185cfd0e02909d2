"""A deployment document -> `CompiledDeployment`: its own text, its worlds, and how they go together.

In: a document, flags of the command line, the run. Out: programs in the order of the worlds, or the reasons why not. Until
several worlds can be netted on one account, worlds that trade the same symbol are refused here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .checks.warmup import Need, warm_up
from .compileworld import Compiled, Run, world_of
from .diagnostics import Diagnostic, Label, has_errors, in_order, problem
from .documents import Document, without_cascades
from .edgesfit import may_trade_live
from .model import Deployment, Settings
from .neighbours import load_once
from .readdeployment import read_deployment
from .schema import check
from .section import Findings, Section
from .source import Span
from .textfiles import display
from .tree import Scalar

if TYPE_CHECKING:
    from .program import Program

_ALL: Final = 1 + 1e-9
_MODES: Final = ("dry", "paper", "live")


@dataclass(frozen=True, slots=True)
class CompiledDeployment:
    """A deployment and its worlds in order. `deployment` is None and `programs` empty when there are errors; `files` are all
    that were read (a runtime watches them). `mode` also of a broken text, where it says one; "" where nobody knows."""

    deployment: Deployment | None
    programs: tuple[Program, ...]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]
    worlds: tuple[Compiled, ...] = ()
    mode: str = ""


def world_at(path: Path, run: Run) -> Compiled:
    """The first world of a file."""
    loaded = load_once(path, run.files)
    document = next((d for d in loaded.documents if d.kind == "world"), None)
    if document is None:
        missing = (
            ()
            if has_errors(loaded.diagnostics)
            else (problem("Q0207", "the file holds no world", None, file=display(path)),)
        )
        return Compiled("", display(path), None, None, in_order((*loaded.diagnostics, *missing)), (path,), {})
    compiled = world_of(document, run)
    problems = in_order((*loaded.diagnostics, *without_cascades(loaded.diagnostics, compiled.diagnostics)))
    if has_errors(problems):
        return replace(compiled, program=None, world=None, diagnostics=problems)
    return replace(compiled, diagnostics=problems)


def deployment_of(document: Document, given: Mapping[str, str], run: Run) -> CompiledDeployment:
    """The compiled deployment of a document."""
    schema = check(document.tree, "deployment")
    deployment, own = read_deployment(document, given)
    problems = (*schema, *without_cascades(schema, own))
    worlds: list[tuple[Scalar, Compiled]] = []
    files = [document.source.path]
    for item in Section(document.tree, "", Findings()).words("worlds"):
        path = document.folder / str(item.value)
        files.append(path)
        if not path.is_file():
            problems += (
                problem("Q0704", f"`{item.value}` does not exist", item.span, help="paths are relative to this file"),
            )
            continue
        compiled = world_at(path, run)
        if any(d.code == "Q0207" and d.span is None for d in compiled.diagnostics):
            # said where the file is named: the file itself may be a fine document of another kind
            problems += (problem("Q0701", f"`{item.value}` holds no world", item.span),)
            continue
        problems += compiled.diagnostics
        worlds.append((item, compiled))
    told = [(item.span, c.world.settings) for item, c in worlds if c.world is not None]
    mode = Section(document.tree, "", Findings()).scalar("mode")
    live = may_trade_live(deployment, mode, told)
    problems = in_order((*problems, *_together(worlds), *live))
    if not has_errors(problems):
        problems += tuple(warm_up(deployment, document.tree, document.folder, _needs(worlds)))
    well = not has_errors(problems)
    files += [path for _, compiled in worlds for path in compiled.files]
    return CompiledDeployment(
        deployment=deployment if well else None,
        programs=tuple(c.program for _, c in worlds if c.program) if well else (),
        diagnostics=problems,
        files=tuple(dict.fromkeys(path for path in files if path)),
        worlds=tuple(c for _, c in worlds),
        mode=_mode_of(deployment, mode, well=well),
    )


def _mode_of(deployment: Deployment, written: Scalar | None, *, well: bool) -> str:
    """The mode of a well text; of another one what it writes plainly: nobody said the mode that a broken text lacks."""
    said = deployment.mode if well else written.value if written is not None else ""
    return str(said) if said in _MODES else ""


def _needs(worlds: list[tuple[Scalar, Compiled]]) -> Iterable[Need]:
    for _, compiled in worlds:
        if compiled.world is not None:
            yield Need(compiled.name, compiled.needs.warmup, compiled.world.settings.universe)


def _together(worlds: list[tuple[Scalar, Compiled]]) -> Iterable[Diagnostic]:
    """Symbols in two worlds and two worlds of one name; shares are added up only where each world counts once."""
    owner: dict[str, tuple[str, Span]] = {}
    names: dict[str, Span] = {}
    apart: list[tuple[Scalar, Compiled, Settings]] = []
    first: Settings | None = None
    for item, compiled in worlds:
        if compiled.world is None:
            continue
        settings = compiled.world.settings
        shared = [symbol for symbol in settings.universe if symbol in owner]
        if settings.world in names:
            message = f"there are two worlds `{settings.world}`"
            yield problem(
                "Q0209", message, item.span, label="again", labels=(Label(names[settings.world], "first here"),)
            )
        elif shared:
            other, place = owner[shared[0]]
            more = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
            message = f"the worlds `{other}` and `{settings.world}` both trade `{shared[0]}`{more}"
            yield problem(
                "Q0702", message, item.span, labels=(Label(place, f"`{other}`"),), help="give each symbol to one world"
            )
        names.setdefault(settings.world, item.span)
        owner |= {symbol: (settings.world, item.span) for symbol in settings.universe if symbol not in owner}
        first = first or settings
        yield from _one_venue(first, settings, item.span)
        if not shared:
            apart.append((item, compiled, settings))
    yield from _too_much(apart)


def _too_much(worlds: list[tuple[Scalar, Compiled, Settings]]) -> Iterable[Diagnostic]:
    """Shares of the account that add up to more than all of it: told once, at the first world for which nothing is left."""
    shares = list(accumulate(settings.capital for *_, settings in worlds))
    over = next((index for index, share in enumerate(shares) if share > _ALL), None)
    if over is None:
        return
    place = worlds[over][0].span
    shown = [
        Label(compiled.origins.get("capital", item.span), f"`{settings.world}` asks for {settings.capital:.0%}")
        for item, compiled, settings in worlds
    ]
    message = f"the worlds together ask for {shares[-1]:.0%} of the account"
    help_text = "lower `capital` in one of them (a world that does not say it takes 100%)"
    label = next((each.text for each in shown if each.span == place), "")
    labels = tuple(each for each in shown if each.span != place)
    yield problem("Q0703", message, place, label=label, labels=labels, help=help_text)


def _one_venue(first: Settings, other: Settings, span: Span) -> Iterable[Diagnostic]:
    """Worlds of one account trade on one exchange and calendar in this version."""
    for what, ours, theirs in (
        ("exchange", first.exchange, other.exchange),
        ("calendar", first.calendar, other.calendar),
    ):
        if ours != theirs:
            message = f"the worlds `{first.world}` and `{other.world}` have different {what}s"
            yield problem("Q0705", message, span, help="give them a deployment each")
