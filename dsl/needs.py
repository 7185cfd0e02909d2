"""What a world needs of its feed: bars of history, and the rates at which it reads the bars of its symbols.

In: a lowerable world and the `Facts` of its library. Out: `Needs`, the same that its program would say (a law of the
tests), without making the program: every definition, parameter set and condition is lowered once per library, into one
graph that all its worlds share, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from .builtins import FIT
from .check import Checks
from .diagnostics import Diagnostic
from .graph import Graph, Warmup, most
from .lanes import Values, lower_lane, used_values
from .library import Library
from .lowerable import Lowerable, examine
from .lowering import lower
from .model import World, needs_volume
from .readable import Readable
from .shape import Shape, shape
from .syntax import Definition, Expr
from .uses import free_names, names_in
from .volume import average_volume


@dataclass(frozen=True, slots=True)
class Needs:
    """`warmup`: bars of each rate until the first full decision; `reads`: rates of the symbols' bars that are read."""

    warmup: Warmup = ()
    reads: frozenset[str] = frozenset()


NOTHING: Final = Needs()


def together(needs: Iterable[Needs]) -> Needs:
    """The needs of everything at once."""
    every = dict.fromkeys(needs)
    return Needs(most(one.warmup for one in every), frozenset().union(*(one.reads for one in every)))


@dataclass(slots=True)
class Facts:
    """What is known of a library: its checks, and what its parts need under each regime."""

    library: Library
    checks: Checks = field(init=False)
    _under: dict[str, _Under] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checks = Checks(self.library)

    def examine(self, world: World) -> tuple[Lowerable | None, tuple[Diagnostic, ...]]:
        """The lowerable world, or None and why not."""
        return examine(world, self.checks)

    def needs(self, state: Lowerable) -> Needs:
        """What a world needs."""
        name = state.regime.name.name
        if name not in self._under:
            self._under[name] = _under(self.library, state.regime)
        under = self._under[name]
        lanes = (
            under.lane(definition, values)
            for definition, group in zip(state.strategies, state.groups, strict=True)
            for values in used_values(group)
        )
        beside = [under.shadow(state.shadow)] if state.shadow else []
        if needs_volume(state.world.settings):
            beside.append(under.of((average_volume(under.readable.graph, state.world.settings),)))
        return together((under.base, *beside, *lanes, *(under.condition(c) for c in state.conditions)))


@dataclass(slots=True)
class _Under:
    """Needs under one regime: strategies and conditions may read its outputs."""

    readable: Readable
    base: Needs = NOTHING
    _drafts: list[frozenset[str]] = field(default_factory=list)
    _lanes: dict[tuple[str, Values], Needs] = field(default_factory=dict)
    _behind: dict[str, Needs] = field(default_factory=dict)
    _conditions: dict[Shape, Needs] = field(default_factory=dict)

    def lane(self, definition: Definition, values: Values) -> Needs:
        """Needs of a strategy with one set of parameters, of which only numbers of bars reach into the past."""
        own = tuple(_reaching(definition, values))
        key = (definition.name.name, own)
        if key not in self._lanes:
            features = self._features(definition)
            lane = lower_lane(self.readable.env(), definition, dict(own), None)
            self._lanes[key] = together((features, self.of(lane.outputs)))
        return self._lanes[key]

    def _features(self, definition: Definition) -> Needs:
        """Needs of the features that a definition reads."""
        name = definition.name.name
        if name not in self._behind:
            self._behind[name] = self.of(self.readable.features(free_names(definition)).values())
        return self._behind[name]

    def shadow(self, regime: Definition) -> Needs:
        """Needs of a regime that is only recorded."""
        features = self._features(regime)
        return together((features, self.of(self.readable.beside(regime).values())))

    def condition(self, expr: Expr) -> Needs:
        """Needs of a condition of a world."""
        said = shape(expr)
        if said not in self._conditions:
            features = self.readable.features(names_in((expr,)))
            self._conditions[said] = self.of((lower(self.readable.env(), expr), *features.values()))
        return self._conditions[said]

    def of(self, drafts: Iterable[int]) -> Needs:
        """Needs of some drafts. A reader needs at least what its arguments need, so outputs speak for all behind them."""
        _read(self.readable.graph, self._drafts)
        wanted = tuple(drafts)
        warmups = (self.readable.graph.drafts[i].warmup for i in wanted)
        return Needs(most(warmups), frozenset().union(*(self._drafts[i] for i in wanted)))


def _under(library: Library, regime: Definition) -> _Under:
    under = _Under(Readable(library))
    features = under.readable.features((*FIT, *free_names(regime)))
    outputs = under.readable.regime(regime)
    under.base = under.of((*features.values(), *outputs.values()))
    return under


def _reaching(definition: Definition, values: Values) -> Iterable[tuple[str, float]]:
    """The values with the defaults for all that are no numbers of bars: what is needed is the same, and known sooner."""
    given = dict(values)
    for param in definition.params:
        name = param.name.name
        yield name, given[name] if param.type.name == "bars" else param.default.value


def _read(graph: Graph, known: list[frozenset[str]]) -> None:
    """Adds, for each draft that is new, the rates of the symbols' bars behind it."""
    for draft in graph.drafts[len(known) :]:
        own = frozenset((draft.rate,)) if draft.op == "input" and draft.scope == "symbol" else frozenset()
        known.append(own.union(*(known[arg] for arg in draft.args)))
