"""Meaning -> Program: the last step of the compiler.

In: a `World` (values and parsed predicates) and the `Library` of definitions. Out: a `Program`, or the mistakes in what
the world uses of the library and in its conditions.

1. examine   every definition in use and every condition: names, types, rates (`lowerable.py`)
2. features  lowered in the order in which they read each other, then the regime (`readable.py`)
3. plans     strategies (a lane per parameter set), chains, guards, chart-fit inputs
4. finish    nodes that are needed, in execution order; allowlist, generations, program id
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from .builtins import FIT, REGIME
from .check import Checks
from .diagnostics import Diagnostic
from .graph import Finished, finish, most
from .identity import generations, program_id
from .lanes import DraftLane, Values, lower_lanes
from .library import Library
from .lowerable import Lowerable, examine
from .lowering import lower
from .model import Chain, Settings, World
from .program import FORMAT, VOLUME, ChainPlan, FitPlan, GuardPlan, Lane, Program, RegimePlan, StrategyPlan, SymbolPlan
from .readable import Readable
from .syntax import Definition, Expr
from .volume import average_volume, needs_volume


@dataclass(slots=True)
class _World:
    """A world while it is lowered."""

    of: Lowerable
    readable: Readable
    wanted: dict[int, frozenset[int] | None] = field(default_factory=dict)

    def want(self, index: int, columns: tuple[int, ...] | None = None) -> int:
        """Asks for an output in some columns, None for all."""
        before = self.wanted.get(index, frozenset())
        self.wanted[index] = None if columns is None or before is None else before | frozenset(columns)
        return index


def lower_world(
    world: World, library: Library, *, regime_given: bool = False
) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The program of a world, or None and why not; warnings may come beside a program. With `regime_given` the outputs of
    its regime are inputs."""
    lowerable, problems = examine(world, Checks(library))
    return (None if lowerable is None else program_of(lowerable, regime_given=regime_given)), problems


# ---- the parts of the program


def program_of(of: Lowerable, *, regime_given: bool = False) -> Program:
    """The program of a world that can be lowered."""
    state = _World(of, Readable(of.library))
    features = {name: state.want(draft) for name, draft in state.readable.features(of.names).items()}
    if needs_volume(of.world.settings):
        features[VOLUME] = state.want(average_volume(state.readable.graph, of.world.settings))
    outputs = state.readable.given_regime() if regime_given else state.readable.regime(of.regime)
    regime = {name: state.want(draft) for name, draft in outputs.items()}
    shadow = state.readable.beside(of.shadow) if of.shadow else {}
    beside = [state.want(draft) for draft in shadow.values()]
    lanes = tuple(lower_lanes(state.readable.env(), d, g) for d, g in zip(of.strategies, of.groups, strict=True))
    for lane in (lane for strategy in lanes for lane in strategy):
        for output in lane.outputs:
            state.want(output, lane.columns)
    chains = [(_condition(state, c.when), _condition(state, c.stay)) for c in of.world.chains]
    guards = [_condition(state, g.when) for g in of.world.entry_guards]
    graph = state.readable.graph
    finished = finish(graph, state.wanted)
    index = finished.index.__getitem__
    shown = tuple((n, index(i)) for n, i in sorted(features.items()) if graph.drafts[i].kind == "num")
    program = Program(
        format=FORMAT,
        program_id="",
        settings=_ordered(of.world.settings),
        nodes=finished.nodes,
        strategies=tuple(_strategy(d, s, finished) for d, s in zip(of.strategies, lanes, strict=True)),
        regime=_regime((regime, beside), index),
        chains=tuple(_chain(of, c, at, index) for c, at in zip(of.world.chains, chains, strict=True)),
        fit=FitPlan(*(index(features[name]) for name in FIT)),
        guards=tuple(
            GuardPlan(g.settings, index(w)) for g, w in zip(of.world.entry_guards, guards, strict=True) if w is not None
        ),
        allowed=(),
        allowed_until=(),
        generations=(),
        features=shown,
        warmup=most(node.warmup for node in finished.nodes),
    )
    return _identified(of, program, of.groups)


def _regime(outputs: tuple[Mapping[str, int], Iterable[int]], index: Callable[[int], int]) -> RegimePlan:
    """The outputs of the regime that decides, and those of the one that is only recorded."""
    up, down, chop, high_vol, confidence = (index(outputs[0][name]) for name in REGIME)
    return RegimePlan(up, down, chop, high_vol, confidence, tuple(index(draft) for draft in outputs[1]))


def _identified(state: Lowerable, program: Program, groups: Iterable[Mapping[Values, tuple[int, ...]]]) -> Program:
    """The program with its allowlist columns, generations and id."""
    universe = state.world.settings.universe
    rows = None if state.world.allowlist is None else {(r.symbol, r.strategy): r for r in state.world.allowlist}
    allowed, until = [], []
    for definition in state.strategies:
        name = definition.name.name
        own = [None if rows is None else rows.get((symbol, name)) for symbol in universe]
        allowed.append(tuple(rows is None or (row is not None and row.enabled) for row in own))
        until.append(tuple(row.until if row is not None and row.enabled else "" for row in own))
    program = replace(program, allowed=tuple(allowed), allowed_until=tuple(until))
    program = replace(program, generations=generations(program, state.strategies, tuple(groups), state.library))
    return replace(program, program_id=program_id(program))


def _condition(state: _World, expr: Expr | None) -> int | None:
    return None if expr is None else state.want(lower(state.readable.env(), expr))


def _chain(state: Lowerable, chain: Chain, at: tuple[int | None, int | None], index: Callable[[int], int]) -> ChainPlan:
    order = {d.name.name: i for i, d in enumerate(state.strategies)}
    when, stay = (None if i is None else index(i) for i in at)
    strategies = tuple(order[name] for name in chain.strategies)
    overrides = tuple(_overrides(state.world.settings, chain, order)) if chain.overrides else ()
    return ChainPlan(chain.name, when, stay, strategies, chain.exposure, overrides)


def _overrides(settings: Settings, chain: Chain, order: Mapping[str, int]) -> Iterator[SymbolPlan]:
    """The columns for which a chain does something else than it says in general."""
    sector_of = dict(settings.sectors)
    general = ({order[name] for name in chain.strategies}, chain.exposure)
    for column, symbol in enumerate(settings.universe):
        names, exposure = chain.given(symbol, sector_of.get(symbol, ""))
        strategies = {order[name] for name in names}
        if (strategies, exposure) != general:
            yield SymbolPlan(column, tuple(sorted(strategies)), exposure)


def _strategy(definition: Definition, lanes: tuple[DraftLane, ...], finished: Finished) -> StrategyPlan:
    style = definition.style
    assert style is not None
    index = finished.index
    placed = tuple(
        Lane(
            columns=lane.columns,
            signal=index[lane.signal],
            size=index[lane.size],
            stop=None if lane.stop is None else index[lane.stop],
            take=None if lane.take is None else index[lane.take],
            stop_is_level=lane.stop_is_level,
            take_is_level=lane.take_is_level,
        )
        for lane in lanes
    )
    return StrategyPlan(definition.name.name, style.name, placed)  # type: ignore[arg-type]


def _ordered(settings: Settings) -> Settings:
    """Settings without the order of maps, which means nothing."""
    guard = replace(settings.churn_guard, enabled=tuple(sorted(settings.churn_guard.enabled)))
    return replace(
        settings, sectors=tuple(sorted(settings.sectors)), bars=tuple(sorted(settings.bars)), churn_guard=guard
    )
