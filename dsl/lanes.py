"""Parameter sets of a strategy -> lanes: one lowering per distinct set, shared where the parameters make no difference.

In: a strategy, the effective parameters per symbol. Out: lanes of draft indexes. The first lane is computed for all
symbols; each further one for the symbols whose parameters differ. Functions across the universe inside a lane see every
symbol with this lane's parameters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .graph import Graph
from .lowering import Env, lower, lower_lets, parameters
from .model import ParameterSet
from .syntax import Definition

MOST_LANES: Final = 256
Values = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class DraftLane:
    """As `program.Lane`, with indexes of drafts."""

    columns: tuple[int, ...] | None
    signal: int
    size: int
    stop: int | None
    take: int | None
    stop_is_level: bool
    take_is_level: bool

    @property
    def outputs(self) -> tuple[int, ...]:
        """All drafts of the lane."""
        return tuple(i for i in (self.signal, self.size, self.stop, self.take) if i is not None)


def parameter_groups(
    definition: Definition, sets: Iterable[ParameterSet], universe: Mapping[str, int]
) -> dict[Values, tuple[int, ...]]:
    """Distinct effective parameters and the columns they hold for; the first group is the general one.

    Symbols without a set have the strategy's own defaults."""
    own = {p.name.name: p.default.value for p in definition.params}
    groups: dict[Values, list[int]] = {}
    given = [s for s in sets if s.strategy == definition.name.name]
    for one in given:
        values = tuple(sorted((own | dict(one.values)).items()))
        groups.setdefault(values, []).extend(universe[s] for s in one.symbols if s in universe)
    covered = {column for columns in groups.values() for column in columns}
    if len(covered) < len(universe) or not groups:
        groups.setdefault(tuple(sorted(own.items())), []).extend(c for c in universe.values() if c not in covered)
    return {values: tuple(sorted(columns)) for values, columns in groups.items()}


def lower_lanes(env: Env, definition: Definition, groups: Mapping[Values, tuple[int, ...]]) -> tuple[DraftLane, ...]:
    """One lane per group: the first for all columns, then the others in the order of their columns."""
    general, *others = used_values(groups)
    own = (lower_lane(env, definition, dict(values), groups[values]) for values in others)
    return (lower_lane(env, definition, dict(general), None), *own)


def used_values(groups: Mapping[Values, tuple[int, ...]]) -> tuple[Values, ...]:
    """The sets of parameters that make a lane: the general one, then those that some symbol has, by column."""
    general, *others = groups
    return (general, *sorted((values for values in others if groups[values]), key=lambda values: groups[values]))


def lower_lane(
    env: Env, definition: Definition, values: Mapping[str, float], columns: tuple[int, ...] | None
) -> DraftLane:
    """The lane of one set of parameters; `columns` None is all."""
    graph = env.graph
    inner = lower_lets(Env(graph, parameters(graph, values), env.outer), definition)
    rules = {rule.kind: lower(inner, rule.value) for rule in definition.rules}
    return DraftLane(
        columns=columns,
        signal=_signal(graph, rules),
        size=graph.add("clip", (rules["size"], graph.const(0), graph.const(1))),
        stop=rules.get("stop", rules.get("stop at")),
        take=rules.get("take", rules.get("take at")),
        stop_is_level="stop at" in rules,
        take_is_level="take at" in rules,
    )


def _signal(graph: Graph, rules: Mapping[str, int]) -> int:
    """A latch; without an exit rule the signal lasts while its entry condition is not false."""
    sides = [rules.get(side, graph.truth(value=False)) for side in ("long", "short")]
    exits = [
        rules.get(f"exit {side}", graph.add("not", (entry,)))
        for side, entry in zip(("long", "short"), sides, strict=True)
    ]
    return graph.add("latch", (*sides, *exits), rate="15m")
