"""Conditions as formulas: where they are true, and where they are false, as and/or of linear rows and claims.

In: the syntax of a condition. Out: a `Formula`. Regime probabilities are numbers that add up to 1; series, features
and functions are numbers that may be missing; what cannot be said with numbers (crosses, `for N bars`, `??` between
conditions) is a claim about which only its text is known. Three-valued: a condition with missing parts is neither true
nor false, so "true somewhere" and "not false everywhere" are two questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Final

from ..exprtext import spell
from ..syntax import Binary, Expr, ForBars, Name, Number, Unary
from .linear import Row, row
from .ranges import exact, meant

UP: Final = "p_trend_up"
DOWN: Final = "p_trend_down"
CHOP: Final = "p_chop"
#: known whenever a chain is chosen: without one of them the symbol keeps its chain
ALWAYS_KNOWN: Final = frozenset({UP, DOWN, CHOP, "p_high_vol"})
#: numbers between 0 and 1 by themselves
SHARES: Final = ("p_high_vol", "regime_confidence")
#: variables of which everybody knows the limits
SURE: Final = frozenset({UP, DOWN, *SHARES})
_TURNED: Final = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "==": "!=", "!=": "=="}


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that is said to be true, or to be false; `text` is all that is known about it."""

    text: str
    value: bool


@dataclass(frozen=True, slots=True)
class Unless:
    """Anything but this: the opposite, or nobody knows."""

    of: Row | Claim


@dataclass(frozen=True, slots=True)
class All:
    """Every part; the empty one is always true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part; the empty one is never true."""

    parts: tuple[Formula, ...]


Formula = Row | Claim | Unless | All | Any
ALWAYS: Final = All(())
NEVER: Final = Any(())


def formula(expr: Expr, *, value: bool = True, guard: bool = False) -> Formula:
    """Where a condition is definitely true, or with `value` False definitely false. In a chain the regime is known; a `guard`
    is also asked without one."""
    return _formula(expr, (value, guard))


def key(expr: Expr) -> str:
    """A text that two expressions have in common only if they mean the same; quicker than `spell`."""
    match expr:
        case Name():
            return expr.name
        case Number():
            return expr.text
        case Binary():
            return f"({key(expr.left)} {expr.op} {key(expr.right)})"
        case Unary():
            return f"({expr.op} {key(expr.operand)})"
        case _:
            return spell(expr)


def denied(whole: Formula) -> Formula:
    """Where a formula does not hold."""
    match whole:
        case All():
            return Any(tuple(denied(part) for part in whole.parts))
        case Any():
            return All(tuple(denied(part) for part in whole.parts))
        case Row():
            return Unless(whole) if whole.reads else whole.opposite
        case Claim():
            return Unless(whole)
        case Unless():
            return whole.of


#: which truth is asked for, and whether of a guard
_Asked = tuple[bool, bool]


def _formula(expr: Expr, asked: _Asked) -> Formula:
    value, guard = asked
    match expr:
        case Binary(op="and" | "or"):
            parts = tuple(_formula(part, asked) for part in _operands(expr))
            return All(parts) if (expr.op == "and") == value else Any(parts)
        case Unary(op="not"):
            return _formula(expr.operand, (not value, guard))
        case Name(name="true" | "false"):
            return ALWAYS if (expr.name == "true") == value else NEVER
        case Binary() if expr.op in _TURNED:
            return _comparison(expr, asked)
        case ForBars() if value:
            # what was true for some bars is true now
            return All((Claim(spell(expr), value=True), _formula(expr.operand, asked)))
        case Binary(op="??") if not guard and _certain(expr.left):
            return _formula(expr.left, asked)
        case _:
            return Claim(spell(expr), value)


def _operands(expr: Binary) -> Iterator[Expr]:
    """The parts of `a and b and c`, however many there are."""
    parts: list[Expr] = []
    left: Expr = expr
    while isinstance(left, Binary) and left.op == expr.op:
        parts.append(left.right)
        left = left.left
    parts.append(left)
    return reversed(parts)


def _certain(expr: Expr) -> bool:
    """True for a comparison of probabilities that are always known."""
    return (
        isinstance(expr, Binary)
        and expr.op in _TURNED
        and all(
            isinstance(side, Number) or (isinstance(side, Name) and side.name in ALWAYS_KNOWN)
            for side in (expr.left, expr.right)
        )
    )


# ---- comparisons


def _comparison(expr: Binary, asked: _Asked) -> Formula:
    value, guard = asked
    op = expr.op if value else _TURNED[expr.op]
    at = (key(expr.left), op, key(expr.right), guard)
    found = _COMPARED.get(at)
    if found is None:
        if len(_COMPARED) >= _MOST_KEPT:
            _COMPARED.clear()
        found = _COMPARED[at] = _compared(linear(expr.left, guard).less(linear(expr.right, guard)), op, guard=guard)
    return found


#: comparisons that were met before: the same few stand in every world
_COMPARED: Final[dict[tuple[str, str, str, bool], Formula]] = {}
_MOST_KEPT: Final = 8192


@dataclass(frozen=True, slots=True)
class Linear:
    """`parts` by variable plus `constant`; `names` are all variables of the text."""

    parts: dict[str, Fraction]
    constant: Fraction
    names: frozenset[str] = frozenset()

    def plus(self, other: Linear, factor: Fraction = Fraction(1)) -> Linear:
        """The sum with a multiple of another."""
        parts = dict(self.parts)
        for name, size in other.parts.items():
            parts[name] = parts.get(name, Fraction(0)) + size * factor
        return Linear(parts, self.constant + other.constant * factor, self.names | other.names)

    def less(self, other: Linear) -> Linear:
        """The difference."""
        return self.plus(other, Fraction(-1))

    def times(self, factor: Fraction) -> Linear:
        """The multiple."""
        parts = {name: size * factor for name, size in self.parts.items()}
        return Linear(parts, self.constant * factor, self.names)


def _compared(difference: Linear, op: str, *, guard: bool) -> Formula:
    """`difference op 0` as rows."""
    reads = difference.names if guard else difference.names - ALWAYS_KNOWN
    sizes, bound = difference.parts, difference.constant
    if CHOP in sizes:  # what is not trend is chop
        chop = sizes[CHOP]
        sizes = {name: size for name, size in sizes.items() if name != CHOP}
        for name in (UP, DOWN):
            sizes[name] = sizes.get(name, Fraction(0)) - chop
        bound += chop
    turned = {name: -size for name, size in sizes.items()}
    match op:
        case ">" | ">=":
            return row(sizes, bound, strict=op == ">", reads=reads)
        case "<" | "<=":
            return row(turned, -bound, strict=op == "<", reads=reads)
        case _:
            strict = op == "!="
            sides = (row(sizes, bound, strict=strict, reads=reads), row(turned, -bound, strict=strict, reads=reads))
            return Any(sides) if strict else All(sides)


def linear(expr: Expr, guard: bool) -> Linear:
    """A number as a sum of variables."""
    match expr:
        case Number():
            return Linear({}, exact(expr))
        case Name():
            meant(expr.name, expr)
            return _variable(expr.name)
        case Unary(op="-"):
            return linear(expr.operand, guard).times(Fraction(-1))
        case Binary(op="+"):
            return linear(expr.left, guard).plus(linear(expr.right, guard))
        case Binary(op="-"):
            return linear(expr.left, guard).less(linear(expr.right, guard))
        case Binary(op="*" | "/"):
            return _scaled(expr, guard)
        case Binary(op="??", left=Name(name=name)) if not guard and name in ALWAYS_KNOWN:
            return _variable(name)
        case _:
            return _opaque(expr)


def _scaled(expr: Binary, guard: bool) -> Linear:
    left, right = linear(expr.left, guard), linear(expr.right, guard)
    if not right.names and (expr.op == "*" or right.constant):
        return left.times(right.constant if expr.op == "*" else 1 / right.constant)
    if expr.op == "*" and not left.names:
        return right.times(left.constant)
    return _opaque(expr)


def _opaque(expr: Expr) -> Linear:
    """A value of which nothing is known but its text, and what `known.py` tells from that."""
    name = spell(expr)
    meant(name, expr)
    return _variable(name)


@lru_cache(maxsize=1024)
def _variable(name: str) -> Linear:
    return Linear({name: Fraction(1)}, Fraction(0), frozenset({name}))
