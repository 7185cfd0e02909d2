"""A case document -> cases that can be run, with the place of everything that they expect.

In: a document and the world it tests (None when that has mistakes). Out: `CasesRead`. A file with `cases:` is a group:
each of its cases is read as a document of its own in which the keys of the group stand where the case has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ..diagnostics import Diagnostic, Label, in_order, problem
from ..documents import Document
from ..model import World
from ..section import Findings, Section, word
from ..source import Span
from ..tree import Entry, Map, Seq
from .deadsignals import dead_signals
from .expect import read_expectations
from .memory import read_memory
from .model import Bars, Case, Step
from .moments import read_moment
from .names import Names
from .regimes import read_regime
from .sessions import impossible_tick, offset_of
from .situation import (
    read_bars,
    read_chart,
    read_market,
    read_positions,
    read_quotes,
    read_readings,
    read_signals,
    read_working,
)

EQUITY: Final = 10_000_000.0
_NOT_SHARED: Final = {"version", "case", "cases", "expect", "steps"}


@dataclass(frozen=True, slots=True)
class CasesRead:
    """Cases of one document that are well enough to run, where each value stands (dotted path -> span), and mistakes."""

    cases: tuple[Case, ...]
    origins: Mapping[str, Span]
    diagnostics: tuple[Diagnostic, ...]


def read_cases(document: Document, world: World | None) -> CasesRead:
    """All cases of a document."""
    found = Findings()
    names = Names(world, found)
    sections = tuple(_sections(document, found))
    cases = tuple(_case(section, name, names) for name, section in sections)
    _doubled(document, found)
    if world is not None:
        found.problems.extend(dead_signals((section for _, section in sections), world))
    unknown = tuple(found.unknown_names(names.candidates()))
    return CasesRead(cases, found.origins, in_order((*found.problems, *unknown)))


def world_name(document: Document) -> tuple[str, Span]:
    """The world that a case names, and where."""
    entry = document.tree.entry("world")
    name = Section(document.tree, "", Findings()).value("world", word, "")
    return name, entry.value.span if entry else document.place


def _sections(document: Document, found: Findings) -> Iterator[tuple[str, Section]]:
    """(name, map) of each case; the map of a case in a group holds the group's keys too."""
    tree = document.tree
    group = tree.get("cases")
    if not isinstance(group, Seq):
        yield document.name, Section(tree, "", found)
        return
    for key in ("expect", "steps"):
        entry = tree.entry(key)
        if entry is not None:
            message = f"`{key}` of a group checks nothing: each of its cases has its own"
            found.problems.append(problem("Q0807", message, entry.key_span, help="move it into the cases"))
    shared = tuple(entry for entry in tree if entry.key not in _NOT_SHARED)
    for index, item in enumerate(group.items):
        if isinstance(item, Map):
            own = {entry.key for entry in item}
            merged = Map((*item.entries, *(entry for entry in shared if entry.key not in own)), item.span)
            section = Section(merged, f"cases.{index}", found)
            yield section.value("name", word, ""), section


def _doubled(document: Document, found: Findings) -> None:
    group = document.tree.get("cases")
    first: dict[object, Entry] = {}
    for item in group.items if isinstance(group, Seq) else ():
        entry = item.entry("name") if isinstance(item, Map) else None
        if entry is None:
            continue
        before = first.setdefault(getattr(entry.value, "value", None), entry)
        if before is not entry:
            labels = (Label(before.value.span, "first here"),)
            message = "two cases of this group have the same name"
            found.problems.append(problem("Q0209", message, entry.value.span, label="again", labels=labels))


def _case(section: Section, name: str, names: Names) -> Case:
    node = section.node
    section.found.origins[section.at("name")] = _name_place(node)
    bars = read_bars(section, names)
    names = names.with_bars(tuple(dict.fromkeys(b.symbol for b in bars)), node.get("bars"))
    first = _step(section, names, bars=bars)
    steps = (first, *(_step(inner, names) for inner in section.sections("steps")))
    if not any(step.expect for step in steps) and not _expects_badly(section):
        way_out = "add `expect:`, for example `expect: {chain: trend, orders: []}`"
        place = _name_place(node)
        section.found.problems.append(problem("Q0808", "the case expects nothing", place, help=way_out))
    _in_time_order(section, steps)
    return Case(
        name,
        section.value("world", word, ""),
        section.path,
        steps,
        EQUITY if first.readings.equity is None else first.readings.equity,
        read_positions(section, names),
        read_working(section, names),
        read_memory(section, names),
    )


def _name_place(node: Map) -> Span:
    entry = node.entry("name") or node.entry("case")
    return entry.value.span if entry else node.span


def _expects_badly(section: Section) -> bool:
    """Something is expected, however wrongly: that has its own message."""
    steps = section.node.get("steps")
    inner = [item for item in steps.items if isinstance(item, Map)] if isinstance(steps, Seq) else []
    return any(node.entry("expect") for node in (section.node, *inner))


def _step(section: Section, names: Names, bars: tuple[Bars, ...] = ()) -> Step:
    decision = section.value("tick", word, "decision") == "decision"
    at, offset = _at(section, names, decision=decision)
    return Step(
        at,
        decision,
        section.path,
        bars or read_bars(section, names),
        read_regime(section.node.get("regime"), names),
        read_market(section),
        read_chart(section, names),
        read_signals(section, names),
        read_readings(section, names),
        read_expectations(section, names),
        offset,
        read_quotes(section, names),
    )


def _at(section: Section, names: Names, *, decision: bool) -> tuple[int, int]:
    """Epoch seconds of a tick, and how far from UTC the clock is that it is written by."""
    scalar = section.scalar("at")
    if scalar is None:
        if section.node.entry("at") is None and "steps" not in section.path.split("."):
            place = _name_place(section.node)
            help_text = "`at`: time of the tick, for example `2026-01-06T15:30-05:00`"
            section.found.problems.append(problem("Q0202", "`at` is missing", place, help=help_text))
        return 0, 0
    moment, problems = read_moment(scalar)
    section.found.problems.extend(problems)
    if moment is None:
        return 0, 0
    calendar = names.world.settings.calendar if names.world else ""
    wrong = impossible_tick(scalar, moment, calendar, decision=decision)
    if wrong is not None:
        section.found.problems.append(wrong)
    return moment, offset_of(scalar, moment)


def _in_time_order(section: Section, steps: tuple[Step, ...]) -> None:
    origins = section.found.origins
    for before, after in pairwise(steps):
        places = [origins.get(f"{step.path}.at" if step.path else "at") for step in (before, after)]
        if before.at and after.at and after.at <= before.at and places[0] and places[1]:
            labels = (Label(places[0], "the step before"),)
            message = "a step comes later than the one before it"
            section.found.problems.append(problem("Q0807", message, places[1], labels=labels))
