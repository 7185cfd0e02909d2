"""Two conditions side by side: which thresholds moved.

In: two expressions. Out: (left side, what stood right of it, what stands there now) for each comparison that differs while
everything around it is the same; otherwise the two whole conditions with an empty left side.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..exprtext import spell
from ..identity import meaning
from ..source import Span
from ..syntax import Binary, Definition, Expr, ForBars, Name, Rule, Unary

_COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "==", "!=", "crosses above", "crosses below"})
#: (left side of a comparison or "", text before, text after)
Moved = tuple[str, str, str]


def sense(expr: Expr) -> str:
    """Hash of what an expression means; names stand for themselves."""
    nowhere = Span(expr.span.source, 0, 0)
    rule = Rule("value", expr, nowhere, nowhere)
    return meaning(Definition("feature", Name("", nowhere), "", None, (), (), (rule,), nowhere), {}, {})


def thresholds(before: Expr, after: Expr) -> tuple[Moved, ...]:
    """The comparisons that differ; the whole conditions when they are not built alike."""
    found = _moved(before, after)
    return (("", spell(before), spell(after)),) if found is None else tuple(found)


def _moved(before: Expr, after: Expr) -> list[Moved] | None:
    """None when the two are not built alike."""
    if sense(before) == sense(after):
        return []
    match before, after:
        case Binary(op="and" | "or" as one), Binary(op=other) if one == other:
            return _joined(((before.left, after.left), (before.right, after.right)))
        case Unary(op="not"), Unary(op="not"):
            return _moved(before.operand, after.operand)
        case ForBars(), ForBars() if spell(before.bars) == spell(after.bars):
            return _moved(before.operand, after.operand)
        case Binary(), Binary() if before.op in _COMPARISONS and after.op in _COMPARISONS:
            left = spell(before.left)
            if left != spell(after.left):
                return None
            old, new = (f"{side.op} {spell(side.right)}" for side in (before, after))
            return [(left, old, new)]
        case _:
            return None


def _joined(pairs: tuple[tuple[Expr, Expr], ...]) -> list[Moved] | None:
    found: list[Moved] = []
    for part in _parts(pairs):
        if part is None:
            return None
        found += part
    return found


def _parts(pairs: tuple[tuple[Expr, Expr], ...]) -> Iterator[list[Moved] | None]:
    return (_moved(before, after) for before, after in pairs)
