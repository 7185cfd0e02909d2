"""Whether a world can be lowered: everything it uses of the library exists, fits, and has not too many parameter sets.

In: a `World` and the `Facts` of its library. Out: a `Lowerable` - the world with the definitions it uses and its parameter
sets - or the mistakes. Both ways of checking a world come through here: `needs.py` asks what a lowerable world needs,
`lower.py` makes its program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .builtins import FIT
from .check import Checks
from .diagnostics import Diagnostic, has_errors, in_order, problem
from .lanes import MOST_LANES, Values, parameter_groups
from .library import Library
from .model import World
from .syntax import Definition, Expr
from .uses import free_names, names_in


@dataclass(frozen=True, slots=True)
class Lowerable:
    """A world without mistakes of types and names; `groups` are the parameter sets of each strategy, `shadow` is the regime
    that is only recorded."""

    world: World
    library: Library
    strategies: tuple[Definition, ...]
    regime: Definition
    groups: tuple[Mapping[Values, tuple[int, ...]], ...]
    shadow: Definition | None = None

    @property
    def regimes(self) -> tuple[Definition, ...]:
        """The regime that decides, and the one that is only recorded."""
        return (self.regime,) if self.shadow is None else (self.regime, self.shadow)

    @property
    def conditions(self) -> tuple[Expr, ...]:
        """Everything that chains and guards ask."""
        return conditions(self.world)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that the world reads from outside, regime outputs and fields among them."""
        definitions = (*self.strategies, *self.regimes)
        read = (*names_in(self.conditions), *(n for d in definitions for n in free_names(d)))
        return tuple(dict.fromkeys((*FIT, *read)))


def conditions(world: World) -> tuple[Expr, ...]:
    """The conditions of chains and entry guards."""
    chained = [c for chain in world.chains for c in (chain.when, chain.stay) if c is not None]
    return (*chained, *(guard.when for guard in world.entry_guards))


def regimes_of(world: World) -> tuple[str, ...]:
    """Names of the regime that decides and, behind it, of the one that is only recorded."""
    said = world.settings.regime
    return (said.heuristic, said.shadow) if said.shadow else (said.heuristic,)


def examine(world: World, checks: Checks) -> tuple[Lowerable | None, tuple[Diagnostic, ...]]:
    """The lowerable world, or None and why not; warnings may come beside it."""
    library = checks.library
    names = tuple(dict.fromkeys(name for chain in world.chains for name in chain.used))
    found = [_definition(library, "strategy", name) for name in names]
    regime, *shadow = (_definition(library, "regime", name) for name in regimes_of(world))
    fits = [_definition(library, "feature", name) for name in FIT]
    problems = [d for d in (*found, regime, *shadow, *fits) if isinstance(d, Diagnostic)]
    strategies = tuple(d for d in found if isinstance(d, Definition))
    second = next((d for d in shadow if isinstance(d, Definition)), None)
    used = (*strategies, *(d for d in (regime, *shadow, *fits) if isinstance(d, Definition)))
    for definition in used:
        checks.definition(definition)
    problems += checks.of(definition.name.name for definition in used)
    problems += _unfit(checks)
    for condition in conditions(world):
        problems += checks.wrong_in(condition)
    if has_errors(problems) or isinstance(regime, Diagnostic):
        return None, in_order(problems)
    groups = _groups(world, strategies, problems)
    lowerable = Lowerable(world, library, strategies, regime, groups, second)
    if has_errors(problems) or not _readable(lowerable, checks):
        return None, in_order(problems)
    return lowerable, in_order(problems)


def _definition(library: Library, kind: str, name: str) -> Definition | Diagnostic:
    definition = library.get(kind, name)
    if definition is not None:
        return definition
    code = "Q0503" if kind == "strategy" else "Q0501"
    return problem(code, f"there is no {kind} `{name}`", None)


def _unfit(checks: Checks) -> list[Diagnostic]:
    """Chart-fit inputs that are no plain numbers."""
    problems = []
    for name in FIT:
        kind, definition = checks.feature(name), checks.library.get("feature", name)
        if kind is not None and definition is not None and kind.base != "poison" and not kind.plain:
            message = f"`{name}` is read by the chart fit, which takes a plain number; this is {kind.phrase}"
            problems.append(problem("Q0401", message, definition.name.span))
    return problems


def _groups(
    world: World, strategies: tuple[Definition, ...], problems: list[Diagnostic]
) -> tuple[dict[Values, tuple[int, ...]], ...]:
    universe = {symbol: column for column, symbol in enumerate(world.settings.universe)}
    groups = []
    for definition in strategies:
        group = parameter_groups(definition, world.parameters, universe)
        if len(group) > MOST_LANES:
            message = f"`{definition.name.name}` has {len(group)} different sets of parameters, at most {MOST_LANES} are possible"
            problems.append(problem("Q0605", message, definition.name.span))
        groups.append(group)
    return tuple(groups)


def _readable(state: Lowerable, checks: Checks) -> bool:
    """Whether nothing in use had a syntax error."""
    own = (definition.name.name for definition in (*state.strategies, *state.regimes))
    asked = (name for condition in state.conditions for name in checks.features_in(condition))
    return checks.readable((*own, *FIT, *asked))
