"""What an expression says, without where it stands: the key under which results about it are kept.

In: an expression. Out: nested tuples that are equal exactly when the expressions are, places and spelling aside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .syntax import AtRate, Binary, Call, Expr, ForBars, History, Name, Number, Text, Unary

Shape = tuple[Any, ...]

_PARTS: Final[dict[type, Callable[[Any], Shape]]] = {
    Number: lambda e: ("number", e.value, e.unit),
    Text: lambda e: ("text", e.value),
    Name: lambda e: ("name", e.name),
    Call: lambda e: ("call", e.function.name, *(shape(a) for a in e.args)),
    History: lambda e: ("history", e.back, shape(e.operand)),
    AtRate: lambda e: ("at", e.rate, shape(e.operand)),
    Unary: lambda e: ("unary", e.op, shape(e.operand)),
    Binary: lambda e: ("binary", e.op, shape(e.left), shape(e.right)),
    ForBars: lambda e: ("for", shape(e.operand), shape(e.bars)),
}


def shape(expr: Expr) -> Shape:
    """What the expression says."""
    return _PARTS[type(expr)](expr)
