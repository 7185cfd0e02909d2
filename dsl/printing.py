"""Expressions -> canonical text, for people and for comparing.

In: an expression. Out: its text with one spelling for everything and only the brackets it needs; parsing that text gives
the same expression again.
"""

from __future__ import annotations

from typing import Final

from .syntax import AtRate, Binary, Call, Expr, ForBars, History, Name, Number, Text, Unary

#: binding strength, loosest first, as in the grammar
_LEVELS: Final = {"at most": 1, "or": 2, "and": 3, "+": 7, "-": 7, "*": 8, "/": 8, "??": 10}
_NOT, _FOR, _COMPARE, _MINUS, _POSTFIX, _ATOM = 4, 5, 6, 9, 11, 12


def show(expr: Expr) -> str:
    """The canonical text of an expression."""
    return _shown(expr)[0]


def _shown(expr: Expr) -> tuple[str, int]:  # noqa: C901 - one case per class of syntax
    """Text, and how strongly its outermost operator binds."""
    match expr:
        case Number():
            return expr.text.replace("_", "").replace(" ", ""), _MINUS if expr.text.startswith("-") else _ATOM
        case Text():
            return '"' + expr.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"', _ATOM
        case Name():
            return expr.name, _ATOM
        case Call():
            return f"{expr.function.name}({', '.join(show(arg) for arg in expr.args)})", _ATOM
        case History():
            return f"{_at_least(expr.operand, _POSTFIX)}[{expr.back}]", _POSTFIX
        case AtRate():
            return f"{_at_least(expr.operand, _POSTFIX)}@{expr.rate}", _POSTFIX
        case Unary(op="not"):
            return f"not {_at_least(expr.operand, _NOT)}", _NOT
        case Unary():
            return f"-{_at_least(expr.operand, _MINUS)}", _MINUS
        case ForBars():
            return f"{_at_least(expr.operand, _COMPARE)} for {show(expr.bars)} bars", _FOR
        case Binary():
            return _binary(expr)


def _binary(expr: Binary) -> tuple[str, int]:
    level = _LEVELS.get(expr.op, _COMPARE)
    # operators lean left: the right side needs brackets at its own level, and so does the left one of a comparison
    left = _at_least(expr.left, level + (level == _COMPARE))
    right = _at_least(expr.right, level + 1)
    return f"{left} {expr.op} {right}", level


def _at_least(expr: Expr, level: int) -> str:
    text, own = _shown(expr)
    return text if own >= level else f"({text})"
