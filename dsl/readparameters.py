"""Parameters of strategies: `default` and `by_symbol`, against what the strategy declares.

In: the tree of a world and the definitions. Out: the effective values of every strategy of the chains for every symbol,
grouped. Unknown strategies, symbols and parameters are errors here as everywhere: a wrong key under `by_symbol` once
traded for ten days without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from .context import Context
from .diagnostics import Diagnostic, Label, problem
from .infer import MOST_BARS
from .model import ParameterSet
from .recovery import PLACEHOLDER
from .section import Findings, Section
from .similar import did_you_mean
from .syntax import Definition, Param
from .tree import Entry, Map, Scalar
from .units import complaint, duration, ratio

Values = dict[str, float]
_WITH_UNIT: Final = re.compile(r"([-+]?[0-9]+(?:\.[0-9]+)?)\s?[^\s0-9.]{1,5}")


def read_parameters(
    world: Section, strategies: tuple[str, ...], universe: tuple[str, ...], context: Context
) -> tuple[ParameterSet, ...]:
    """Effective parameters: the strategy's own, then `default`, then `by_symbol`; one set per distinct combination."""
    section = world.section("parameters")
    overrides: dict[str, tuple[Values, dict[str, Values]]] = {}
    for entry in section.node:
        definition = context.definitions.get(entry.key)
        if not context.knows("strategy", entry.key):
            world.found.unknown("Q0503", "strategy", entry.key, entry.key_span)
        elif definition and isinstance(entry.value, Map):
            overrides[entry.key] = _overrides(section.child(entry), definition, universe)
            if entry.key not in strategies:
                world.found.problems.append(
                    problem("Q0609", f"no chain uses `{entry.key}`, so its parameters do nothing", entry.key_span)
                )
    sets: list[ParameterSet] = []
    for name in strategies:
        default, by_symbol = overrides.get(name, ({}, {}))
        sets.extend(_sets(context.definitions[name], default, by_symbol, universe))
    return tuple(sets)


def _overrides(section: Section, definition: Definition, universe: tuple[str, ...]) -> tuple[Values, dict[str, Values]]:
    default = _values(section.section("default"), definition)
    by_symbol: dict[str, Values] = {}
    known = frozenset(universe)
    listed = section.section("by_symbol")
    for entry in listed.node:
        if entry.key not in known:
            section.found.unknown("Q0505", "symbol", entry.key, entry.key_span)
        elif isinstance(entry.value, Map):
            by_symbol[entry.key] = _values(listed.child(entry), definition)
    return default, by_symbol


def _values(section: Section, definition: Definition) -> Values:
    declared = {param.name.name: param for param in definition.params}
    values: Values = {}
    for entry in section.node:
        param = declared.get(entry.key)
        if param is None:
            help_text = did_you_mean(entry.key, declared) or (
                f"it has {', '.join(f'`{n}`' for n in declared)}" if declared else "it has none"
            )
            message = f"strategy `{definition.name.name}` has no parameter `{entry.key}`"
            section.found.problems.append(problem("Q0504", message, entry.key_span, help=help_text))
        elif isinstance(entry.value, Scalar):
            section.found.origins[section.at(entry.key)] = entry.value.span
            value = _value(entry, param, section.found)
            if value is not None:
                values[entry.key] = value
    return values


def _value(entry: Entry, param: Param, found: Findings) -> float | None:
    """The value in base units; None (and noted) when it has another type or lies outside the declared range."""
    assert isinstance(entry.value, Scalar)
    written, kind = entry.value.value, param.type.name
    if not isinstance(written, int | float | str) or isinstance(written, bool):
        return None  # the schema says so
    value = _converted(written, kind)
    if value is None:
        found.problems.append(_wrong_type(entry.value, entry.key, kind))
        return None
    if kind == "bars" and value > MOST_BARS:
        found.problems.append(problem("Q0205", f"at most {MOST_BARS:,} bars back", entry.value.span))
        return None
    low, high = (param.low, param.high) if kind != PLACEHOLDER else (None, None)
    if (low and value < low.value) or (high and value > high.value):
        assert low is not None
        assert high is not None
        declared = Label(param.span, "declared here")
        message = f"`{entry.key}` must be between {low.text} and {high.text}"
        found.problems.append(problem("Q0411", message, entry.value.span, labels=(declared,)))
        return None
    return value


def _converted(written: float | str, kind: str) -> float | None:
    if kind == PLACEHOLDER:
        return 0.0  # the declaration has a mistake, which has been told
    if kind == "ratio":
        return ratio(written)
    if kind == "duration":
        return duration(written)
    if isinstance(written, str):
        return None
    if kind == "bars" and not (float(written).is_integer() and written >= 1):
        return None
    return float(written)


def _wrong_type(scalar: Scalar, name: str, kind: str) -> Diagnostic:
    if kind in ("ratio", "duration"):
        noun, help_text = complaint(kind, scalar.value)  # type: ignore[arg-type]
        return problem("Q0206", f"`{name}` must be {noun}", scalar.span, help=help_text)
    wanted = "a whole number of bars, 1 or more" if kind == "bars" else "a plain number"
    return problem("Q0203", f"`{name}` must be {wanted}", scalar.span, help=_bare(scalar.value))


def _bare(value: object) -> str:
    """The number without the unit that its parameter does not have; a number that is not whole has none to offer."""
    found = _WITH_UNIT.fullmatch(value) if isinstance(value, str) else None
    return f"write `{found[1]}`, without a unit" if found else ""


def _sets(
    definition: Definition, default: Values, by_symbol: Mapping[str, Values], universe: tuple[str, ...]
) -> list[ParameterSet]:
    own = {param.name.name: param.default.value for param in definition.params} | default
    groups: dict[tuple[tuple[str, float], ...], list[str]] = {}
    for symbol in universe:
        values = own | by_symbol.get(symbol, {})
        groups.setdefault(tuple(sorted(values.items())), []).append(symbol)
    general = tuple(sorted(own.items()))
    order = sorted(groups, key=lambda values: values != general)  # the set without overrides first
    return [ParameterSet(definition.name.name, tuple(groups[values]), values) for values in order]
