"""The expressions of a definition with its names written out, so that reasoning sees `close` and `rsi(close, 14)` and not `heat`.

In: a definition without mistakes. Out: for a rule the expression over prices, functions, features and parameters. What is
computed at another rate than 15m says so (`close@60m`), so that one text always means one value. Names that would make an
expression too large stay what they are: nothing is known of them then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from ..builtins import FIELDS
from ..syntax import AtRate, Binary, Call, Definition, Expr, ForBars, History, Name, Unary
from ..uses import parts

_USUAL: Final = "15m"
#: nodes, and nodes from the top to the deepest one, of what a name may stand for
_MOST_NODES: Final = 200
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class _Written:
    """What a name stands for, and how large that is."""

    expr: Expr
    nodes: int
    depth: int


def inlined(definition: Definition) -> Mapping[int, Expr]:
    """The written-out expression of each rule, by its index."""
    lets: dict[str, _Written] = {}
    for let in definition.lets:
        written = _written(let.value, lets, let.rate or _USUAL)
        if written is not None:
            lets[let.name.name] = written
    rules = ((index, _written(rule.value, lets, _USUAL)) for index, rule in enumerate(definition.rules))
    return {index: written.expr for index, written in rules if written is not None}


def _written(expr: Expr, lets: Mapping[str, _Written], rate: str) -> _Written | None:
    """The expression with its names written out; None when it is too large."""
    if isinstance(expr, Name):
        return lets.get(expr.name) or _Written(_rated(expr, rate) if expr.name in FIELDS else expr, 1, 1)
    if isinstance(expr, AtRate):
        return _written(expr.operand, lets, expr.rate)
    inner = tuple(_written(part, lets, rate) for part in parts(expr))
    known = tuple(part for part in inner if part is not None)
    nodes, depth = 1 + sum(part.nodes for part in known), 1 + max((part.depth for part in known), default=0)
    if len(known) < len(inner) or nodes > _MOST_NODES or depth > _DEEPEST:
        return None
    return _Written(_put(expr, tuple(part.expr for part in known), rate), nodes, depth)


def _put(expr: Expr, inner: tuple[Expr, ...], rate: str) -> Expr:
    match expr:
        case Binary():
            return replace(expr, left=inner[0], right=inner[1])
        case Call():
            return _rated(replace(expr, args=inner), rate)
        case Unary() | History():
            return replace(expr, operand=inner[0])
        case ForBars():
            return replace(expr, operand=inner[0], bars=inner[1])
        case _:
            return expr


def _rated(expr: Expr, rate: str) -> Expr:
    return expr if rate == _USUAL else AtRate(expr, rate, expr.span, expr.span)
