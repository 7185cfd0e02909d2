"""Who a program is, and which generation a position belongs to: hashes of meaning.

In: a Program; strategies with their parameters and features. Out: hex hashes. Paths, comments, layout and names of lets
change none. A generation covers only what its own strategy means for the symbol (features expanded, the regime's outputs
opaque), so editing a threshold of a chain, a churn or risk value, or the regime itself, freezes no position.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from .builtins import BUILTINS, FIELDS
from .codec import canonical
from .library import Library
from .program import Program
from .syntax import AtRate, Binary, Call, Definition, Expr, ForBars, History, Name, Number, Text, Unary
from .uses import free_names, in_reading_order

#: part of every generation: raised only when the meaning of the language itself changes
_VERSION: Final = "qmtl.generation.v1"


def program_id(program: Program) -> str:
    """Hash of all that a program means, 32 hex digits."""
    return sha256(canonical(replace(program, program_id=""))).hexdigest()[:32]


def generations(
    program: Program,
    strategies: tuple[Definition, ...],
    groups: tuple[Mapping[tuple[tuple[str, float], ...], tuple[int, ...]], ...],
    library: Library,
) -> tuple[tuple[str, ...], ...]:
    """[strategy][symbol]: hash of the strategy's meaning with the symbol's parameters, its allowlist row, the cutover."""
    cutover = program.settings.position_policy.cutover
    features = _feature_meanings(strategies, library)
    result = []
    for definition, group, allowed, until in zip(
        strategies, groups, program.allowed, program.allowed_until, strict=True
    ):
        row = [""] * len(program.settings.universe)
        known: dict[tuple[str, bool, str], str] = {}
        for values, columns in group.items():
            own = meaning(definition, dict(values), features)
            for column in columns:
                key = (own, allowed[column], until[column])
                if key not in known:
                    known[key] = _hash(_VERSION, own, str(allowed[column]), until[column], cutover)
                row[column] = known[key]
        result.append(tuple(row))
    return tuple(result)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What names stand for, as hashes; `rate` is where fields are read."""

    names: Mapping[str, str]
    rate: str = "15m"


def meaning(definition: Definition, values: Mapping[str, float], outer: Mapping[str, str]) -> str:
    """Hash of what a definition computes with some parameters; `outer` holds the hashes of features."""
    names = dict(outer) | {name: _hash("number", repr(float(value) + 0.0)) for name, value in values.items()}
    for let in definition.lets:
        names[let.name.name] = _expr(_Reading(names, let.rate or "15m"), let.value)
    rules = sorted(f"{rule.kind}={_expr(_Reading(names), rule.value)}" for rule in definition.rules)
    return _hash(definition.kind, definition.style.name if definition.style else "", *rules)


def _feature_meanings(strategies: tuple[Definition, ...], library: Library) -> dict[str, str]:
    """Hashes of all features that strategies read; a feature means its value, whatever it is called."""
    start = [name for definition in strategies for name in free_names(definition)]
    features, _ = in_reading_order(start, lambda name: library.get("feature", name))
    known: dict[str, str] = {}
    for feature in features:
        known[feature.name.name] = meaning(feature, {}, known)
    return known


def _expr(reading: _Reading, expr: Expr) -> str:
    match expr:
        case Number():
            return _hash("number", repr(float(expr.value) + 0.0))
        case Text():
            return _hash("text", expr.value)
        case Name():
            return _named(reading, expr.name)
        case Call():
            reads = reading.rate if BUILTINS[expr.function.name].reads else ""
            return _hash("call", expr.function.name, reads, *(_expr(reading, arg) for arg in expr.args))
        case History():
            return _hash("history", str(expr.back), _expr(reading, expr.operand))
        case AtRate():
            return _expr(replace(reading, rate=expr.rate), expr.operand)
        case Unary():
            return _hash("unary", expr.op, _expr(reading, expr.operand))
        case Binary():
            return _hash("binary", expr.op, _expr(reading, expr.left), _expr(reading, expr.right))
        case ForBars():
            return _hash("for", _expr(reading, expr.operand), _expr(reading, expr.bars))


def _named(reading: _Reading, name: str) -> str:
    if name in reading.names:
        return reading.names[name]
    return _hash("name", name, reading.rate if name in FIELDS else "")


def _hash(*parts: str) -> str:
    return sha256("\x1f".join(parts).encode()).hexdigest()[:32]
