"""Expressions as text again, with no more brackets than their meaning needs.

In: a syntax tree. Out: one line that parses to the same tree. Used where people read derived conditions, such as the
thresholds after hysteresis.
"""

from __future__ import annotations

from typing import Final

from .syntax import AtRate, Binary, Call, Expr, ForBars, History, Name, Number, Text, Unary

#: how tightly an operator binds, as in grammar.lark
_BINDS: Final = {"at most": 0, "or": 1, "and": 2, "+": 6, "-": 6, "*": 7, "/": 7, "??": 9}
_COMPARISON: Final = 5
_NOT: Final = 3
_FOR: Final = 4
_MINUS: Final = 8
_POSTFIX: Final = 10
_ATOM: Final = 11


def spell(expr: Expr) -> str:
    """The expression on one line."""
    return _spell(expr)[0]


def _spell(expr: Expr) -> tuple[str, int]:
    """Text and how tightly its outermost operator binds."""
    if isinstance(expr, Number):
        return expr.text, _MINUS if expr.text.startswith("-") else _ATOM
    if isinstance(expr, Name):
        return expr.name, _ATOM
    if isinstance(expr, Text):
        return f'"{expr.value}"', _ATOM
    if isinstance(expr, Call):
        return f"{expr.function.name}({', '.join(spell(arg) for arg in expr.args)})", _ATOM
    if isinstance(expr, History):
        return f"{_inside(expr.operand, _POSTFIX)}[{expr.back}]", _POSTFIX
    if isinstance(expr, AtRate):
        return f"{_inside(expr.operand, _POSTFIX)}@{expr.rate}", _POSTFIX
    if isinstance(expr, ForBars):
        return f"{_inside(expr.operand, _COMPARISON)} for {_inside(expr.bars, _ATOM)} bars", _FOR
    if isinstance(expr, Unary):
        level = _NOT if expr.op == "not" else _MINUS
        return f"{expr.op}{' ' if expr.op == 'not' else ''}{_inside(expr.operand, level)}", level
    return _binary(expr)


def _binary(expr: Binary) -> tuple[str, int]:
    level = _BINDS.get(expr.op, _COMPARISON)
    left = _inside(expr.left, level + (level == _COMPARISON))
    return f"{left} {expr.op} {_inside(expr.right, level + 1)}", level


def _inside(expr: Expr, least: int) -> str:
    text, binds = _spell(expr)
    return text if binds >= least else f"({text})"
