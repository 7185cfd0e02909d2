"""Meaning -> Program: the last step of the compiler.

In: a `World` (values and parsed predicates) and the `Library` of definitions. Out: a `Program`, or the mistakes in what
the world uses of the library and in its conditions.

1. check     every definition in use and every condition: names, types, rates
2. features  lowered in the order in which they read each other
3. regime    scores -> softmax, high volatility, confidence
4. plans     strategies (a lane per parameter set), chains, guards, chart-fit inputs
5. finish    nodes that are needed, in execution order; allowlist, generations, program id
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from .builtins import REGIME
from .check import Checks
from .diagnostics import Diagnostic, has_errors, in_order, problem
from .graph import Finished, Graph, finish, most
from .identity import generations, program_id
from .lanes import MOST_LANES, DraftLane, Values, lower_lanes, parameter_groups
from .library import Library
from .lowering import Env, lower, lower_lets, parameters
from .model import Chain, Settings, World
from .program import FORMAT, ChainPlan, FitPlan, GuardPlan, Lane, Program, RegimePlan, StrategyPlan
from .recovery import PLACEHOLDER
from .syntax import Definition, Expr
from .uses import free_names, in_reading_order, names_in

FIT: Final = ("trend15", "trend60", "mom15", "mom60", "vol_score", "overext")


@dataclass(slots=True)
class _World:
    """A world while it is lowered."""

    world: World
    library: Library
    strategies: tuple[Definition, ...]
    regime: Definition
    graph: Graph = field(default_factory=Graph)
    outer: dict[str, int] = field(default_factory=dict)
    wanted: dict[int, frozenset[int] | None] = field(default_factory=dict)

    def env(self, names: Mapping[str, int] | None = None) -> Env:
        return Env(self.graph, names or {}, self.outer.__getitem__)

    def want(self, index: int, columns: tuple[int, ...] | None = None) -> int:
        """Asks for an output in some columns, None for all."""
        before = self.wanted.get(index, frozenset())
        self.wanted[index] = None if columns is None or before is None else before | frozenset(columns)
        return index


def lower_world(world: World, library: Library) -> tuple[Program | None, tuple[Diagnostic, ...]]:
    """The program of a world, or None and why not; warnings may come beside a program."""
    names = tuple(dict.fromkeys(name for chain in world.chains for name in chain.strategies))
    found = [_definition(library, "strategy", name) for name in names]
    regime = _definition(library, "regime", world.settings.regime.heuristic)
    fits = [_definition(library, "feature", name) for name in FIT]
    problems = [d for d in (*found, regime, *fits) if isinstance(d, Diagnostic)]
    strategies = tuple(d for d in found if isinstance(d, Definition))
    checks = Checks(library)
    for definition in (*strategies, *(d for d in (regime, *fits) if isinstance(d, Definition))):
        checks.definition(definition)
    _conditions(world, checks)
    problems += _unfit(checks)
    problems += checks.found
    if has_errors(problems) or isinstance(regime, Diagnostic):
        return None, in_order(problems)
    state = _World(world, library, strategies, regime)
    groups = _groups(state, problems)
    if has_errors(problems) or _unreadable(state):
        return None, in_order(problems)
    return _program(state, groups), in_order(problems)


def _definition(library: Library, kind: str, name: str) -> Definition | Diagnostic:
    definition = library.get(kind, name)
    if definition is not None:
        return definition
    code = "Q0503" if kind == "strategy" else "Q0501"
    return problem(code, f"there is no {kind} `{name}`", None)


def _conditions(world: World, checks: Checks) -> None:
    for chain in world.chains:
        for condition in (chain.when, chain.stay):
            if condition is not None:
                checks.condition(condition)
    for guard in world.entry_guards:
        checks.condition(guard.when)


def _unfit(checks: Checks) -> list[Diagnostic]:
    """Chart-fit inputs that are no plain numbers."""
    problems = []
    for name in FIT:
        kind, definition = checks.feature(name), checks.library.get("feature", name)
        if kind is not None and definition is not None and kind.base != "poison" and not kind.plain:
            message = f"`{name}` is read by the chart fit, which takes a plain number; this is {kind.phrase}"
            problems.append(problem("Q0401", message, definition.name.span))
    return problems


def _groups(state: _World, problems: list[Diagnostic]) -> tuple[dict[Values, tuple[int, ...]], ...]:
    universe = {symbol: column for column, symbol in enumerate(state.world.settings.universe)}
    groups = []
    for definition in state.strategies:
        group = parameter_groups(definition, state.world.parameters, universe)
        if len(group) > MOST_LANES:
            message = f"`{definition.name.name}` has {len(group)} different sets of parameters, at most {MOST_LANES} are possible"
            problems.append(problem("Q0605", message, definition.name.span))
        groups.append(group)
    return tuple(groups)


def _unreadable(state: _World) -> bool:
    """Whether something in use had a syntax error, which the library has reported."""
    features, _ = in_reading_order(_outer_names(state), lambda name: state.library.get("feature", name))
    for definition in (*state.strategies, state.regime, *features):
        exprs = (*(t.value for t in definition.lets), *(r.value for r in definition.rules))
        kinds = (p.type.name for p in definition.params)
        if (
            PLACEHOLDER in names_in(exprs)
            or PLACEHOLDER in kinds
            or f"score {PLACEHOLDER}" in (r.kind for r in definition.rules)
        ):
            return True
    return False


def _outer_names(state: _World) -> tuple[str, ...]:
    """Every name that the world reads from outside, regime outputs and fields among them."""
    definitions = (*state.strategies, state.regime)
    conditions = [c for chain in state.world.chains for c in (chain.when, chain.stay) if c is not None]
    conditions += [guard.when for guard in state.world.entry_guards]
    return tuple(dict.fromkeys((*FIT, *names_in(conditions), *(n for d in definitions for n in free_names(d)))))


# ---- the parts of the program


def _program(state: _World, groups: tuple[dict[Values, tuple[int, ...]], ...]) -> Program:
    features = _features(state)
    regime = _regime(state)
    lanes = tuple(lower_lanes(state.env(), d, g) for d, g in zip(state.strategies, groups, strict=True))
    for lane in (lane for strategy in lanes for lane in strategy):
        for output in lane.outputs:
            state.want(output, lane.columns)
    chains = [(_condition(state, c.when), _condition(state, c.stay)) for c in state.world.chains]
    guards = [_condition(state, g.when) for g in state.world.entry_guards]
    finished = finish(state.graph, state.wanted)
    index = finished.index.__getitem__
    shown = tuple((n, index(i)) for n, i in sorted(features.items()) if state.graph.drafts[i].kind == "num")
    program = Program(
        format=FORMAT,
        program_id="",
        settings=_ordered(state.world.settings),
        nodes=finished.nodes,
        strategies=tuple(_strategy(d, s, finished) for d, s in zip(state.strategies, lanes, strict=True)),
        regime=RegimePlan(*(index(regime[name]) for name in REGIME)),
        chains=tuple(_chain(state, c, at, index) for c, at in zip(state.world.chains, chains, strict=True)),
        fit=FitPlan(*(index(features[name]) for name in FIT)),
        guards=tuple(
            GuardPlan(g.settings, index(w))
            for g, w in zip(state.world.entry_guards, guards, strict=True)
            if w is not None
        ),
        allowed=(),
        allowed_until=(),
        generations=(),
        features=shown,
        warmup=most(node.warmup for node in finished.nodes),
    )
    return _identified(state, program, groups)


def _identified(state: _World, program: Program, groups: Iterable[Mapping[Values, tuple[int, ...]]]) -> Program:
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


def _features(state: _World) -> dict[str, int]:
    """Drafts of all features in use, which also become readable."""
    features, _ = in_reading_order(_outer_names(state), lambda name: state.library.get("feature", name))
    for definition in features:
        inner = lower_lets(state.env(), definition)
        state.outer[definition.name.name] = state.want(lower(inner, definition.rules[0].value))
    return dict(state.outer)


def _regime(state: _World) -> dict[str, int]:
    """Drafts of the regime's outputs: probabilities are the softmax of the three scores."""
    graph, definition = state.graph, state.regime
    values = {p.name.name: p.default.value for p in definition.params}
    inner = lower_lets(state.env(parameters(graph, values)), definition)
    rules = {rule.kind: lower(inner, rule.value) for rule in definition.rules}
    scores = [rules[f"score {name}"] for name in ("trend_up", "trend_down", "chop")]
    top = graph.add("max2", (graph.add("max2", scores[:2]), scores[2]))
    weights = [graph.add("exp", (graph.add("sub", (score, top)),)) for score in scores]
    total = graph.add("add", (graph.add("add", weights[:2]), weights[2]))
    shares = [graph.add("div", (weight, total)) for weight in weights]
    largest = graph.add("max2", (graph.add("max2", shares[:2]), shares[2]))
    outputs = (*shares, rules["high_vol"], rules.get("confidence", largest))
    state.outer.update(zip(REGIME, (state.want(i) for i in outputs), strict=True))
    return {name: state.outer[name] for name in REGIME}


def _condition(state: _World, expr: Expr | None) -> int | None:
    return None if expr is None else state.want(lower(state.env(), expr))


def _chain(state: _World, chain: Chain, at: tuple[int | None, int | None], index: Callable[[int], int]) -> ChainPlan:
    order = {d.name.name: i for i, d in enumerate(state.strategies)}
    when, stay = (None if i is None else index(i) for i in at)
    return ChainPlan(chain.name, when, stay, tuple(order[name] for name in chain.strategies), chain.exposure)


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
