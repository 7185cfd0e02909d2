"""What the checks of a world look at, and what is worked out once for all of them.

In: a world that has no errors, with its tree and the places of its values. Out: a `Subject`, and `Stage`s: its chains with
their conditions as formulas, and what became of each (never, always, shadowed), so that a chain that is dead already is
not blamed a second time by another check.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ..documents import Document
from ..library import Library
from ..model import Chain, World
from ..source import Span
from ..tree import Map, Node, Scalar, Seq
from .formula import denied
from .samples import FULL, Tried, tried
from .search import impossible

#: hidden: behind a chain that always holds
Fate = Literal["", "never", "always", "shadowed", "hidden"]


@dataclass(frozen=True, slots=True)
class Subject:
    """One world without errors. `origins` has the places of its values by dotted path; `today` is an ISO date."""

    document: Document
    world: World
    library: Library
    origins: Mapping[str, Span]
    tree: Map
    today: str

    def strategies(self, chain: Chain) -> Mapping[str, tuple[str, ...]]:
        """The strategies that a chain really gives each symbol of the universe, overrides and all."""
        sectors = dict(self.world.settings.sectors)
        return {symbol: chain.given(symbol, sectors.get(symbol, ""))[0] for symbol in self.world.settings.universe}

    def place(self, *paths: str) -> Span | None:
        """The place of the first of these paths that the text sets."""
        return next((self.origins[path] for path in paths if path in self.origins), None)

    def key(self, name: str) -> Span:
        """The place of a top-level key; that of the document's name where the text does not have it."""
        entry = self.tree.entry(name)
        return entry.key_span if entry else self.document.place


@dataclass(frozen=True, slots=True)
class Stage:
    """One chain in its order. `shadows` are the chains above that together hold whenever this one does."""

    chain: Chain
    node: Map
    when: Tried | None
    fate: Fate = ""
    shadows: tuple[Chain, ...] = ()

    @property
    def place(self) -> Span:
        """Its condition, or its name where it has none."""
        return self.name_place if self.chain.when is None else self.chain.when.span

    @property
    def name_place(self) -> Span:
        """Its name."""
        entry = self.node.entry("name")
        return entry.value.span if entry else self.node.span

    def strategies(self) -> Iterator[Scalar]:
        """The names of its strategies with their places, those of overrides behind its own."""
        return (item for item in _listed(self.node) if item.value in self.chain.used)


def _listed(node: Node) -> Iterator[Scalar]:
    """Items of every list `strategies` in a map or below it."""
    if isinstance(node, Seq):
        for item in node.items:
            yield from _listed(item)
    elif isinstance(node, Map):
        for entry in sorted(node, key=lambda entry: entry.key != "strategies"):
            if entry.key != "strategies":
                yield from _listed(entry.value)
            elif isinstance(entry.value, Seq):
                yield from (item for item in entry.value.items if isinstance(item, Scalar))


def stages(subject: Subject) -> tuple[Stage, ...]:
    """The chains of a world, and what is certain about each condition."""
    nodes = _nodes(subject.tree)
    above: list[tuple[Chain, Tried]] = []
    found: list[Stage] = []
    for chain in subject.world.chains:
        node = nodes.get(chain.name, subject.tree)
        when = None if chain.when is None else tried(chain.when)
        hidden = any(stage.fate == "always" for stage in found)
        stage = _stage(Stage(chain, node, when, "hidden" if hidden else ""), above)
        found.append(stage)
        if when is not None and not stage.fate:
            above.append((chain, when))
    return tuple(found)


def _nodes(tree: Map) -> dict[str, Map]:
    listed = tree.get("chains")
    maps = [item for item in listed.items if isinstance(item, Map)] if isinstance(listed, Seq) else []
    names = ((item.get("name"), item) for item in maps)
    return {str(name.value): item for name, item in names if isinstance(name, Scalar)}


def _stage(stage: Stage, above: list[tuple[Chain, Tried]]) -> Stage:
    when = stage.when
    if when is not None and when.never:
        return replace(stage, fate="never")
    if stage.fate:
        return stage
    shadows = _shadows(when, above)
    if shadows:
        return replace(stage, fate="shadowed", shadows=shadows)
    always = when is not None and when.points == FULL and impossible(denied(when.formula))
    return replace(stage, fate="always") if always else stage


def _shadows(when: Tried | None, above: list[tuple[Chain, Tried]]) -> tuple[Chain, ...]:
    """The fewest chains above that leave nothing of a condition; none when something may be left."""
    left = FULL if when is None else when.points
    for _, other in above:
        left &= ~other.points
    if left or not above:
        return ()
    own = () if when is None else (when.formula,)
    denials = [(chain, denied(other.formula)) for chain, other in above]
    for chain, denial in denials:
        if impossible(*own, denial):
            return (chain,)
    if not impossible(*own, *(denial for _, denial in denials)):
        return ()
    needed = list(denials)
    for one in denials:
        fewer = [other for other in needed if other is not one]
        if impossible(*own, *(denial for _, denial in fewer)):
            needed = fewer
    return tuple(chain for chain, _ in needed)
