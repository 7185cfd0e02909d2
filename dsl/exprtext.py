"""Expressions as text again, with no more brackets than their meaning needs.

In: a syntax tree. Out: one line that parses to the same tree. The only printer of expressions: for what people read, such
as the thresholds after hysteresis, and for comparing. Numbers keep the digits they were written with.
"""

from __future__ import annotations

import re
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

#: what stands as an escape inside quotes: quotes, backslashes, and what an editor would not show
_UNSAFE: Final = r"[^ !#-\[\]-~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
_SHORT: Final = {"\n": "\\n", "\t": "\\t", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


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
        return in_quotes(expr.value), _ATOM
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


def in_quotes(text: str) -> str:
    """A text as the language writes it: in double quotes, what cannot be seen as an escape."""
    return '"' + re.sub(_UNSAFE, _escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _binary(expr: Binary) -> tuple[str, int]:
    level = _BINDS.get(expr.op, _COMPARISON)
    left = _inside(expr.left, level + (level == _COMPARISON))
    return f"{left} {expr.op} {_inside(expr.right, level + 1)}", level


def _inside(expr: Expr, least: int) -> str:
    text, binds = _spell(expr)
    return text if binds >= least else f"({text})"
