"""Hysteresis: the condition for staying in a chain, derived from the condition for entering it.

In: a condition and, by probability, how much its thresholds give way. Out: the loosened condition, or a diagnostic when
it holds something whose loosening nobody could guess. Every comparison of probabilities is loosened toward true (under
`not` the other way round), so whatever is true of `when` is true of what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from .builtins import REGIME
from .diagnostics import Diagnostic, problem
from .source import Span
from .syntax import Binary, Expr, ForBars, Name, Number, Unary

Amount = Callable[[str], float]

_FLIPPED: Final = {">": "<", ">=": "<=", "<": ">", "<=": ">="}


def loosen(expr: Expr, amount_of: Amount) -> Expr | Diagnostic:
    """The condition with every comparison of probabilities loosened by `amount_of(name)`, thresholds kept in [0, 1].

    Between two probabilities the smaller amount counts, so that 0 for one of them exempts the comparison."""
    return _loosen(expr, amount_of, 1)


def _loosen(expr: Expr, amount_of: Amount, way: int) -> Expr | Diagnostic:
    match expr:
        case Binary(op="and" | "or"):
            left = _loosen(expr.left, amount_of, way)
            right = _loosen(expr.right, amount_of, way)
            return (
                left
                if isinstance(left, Diagnostic)
                else right
                if isinstance(right, Diagnostic)
                else replace(expr, left=left, right=right)
            )
        case Unary(op="not"):
            inner = _loosen(expr.operand, amount_of, -way)
            return inner if isinstance(inner, Diagnostic) else replace(expr, operand=inner)
        case ForBars():
            inner = _loosen(expr.operand, amount_of, way)
            return inner if isinstance(inner, Diagnostic) else replace(expr, operand=inner)
        case Binary(op="??", right=Name(name="true" | "false")):
            inner = _loosen(expr.left, amount_of, way)
            return inner if isinstance(inner, Diagnostic) else replace(expr, left=inner)
        case Name(name="true" | "false"):
            return expr
        case Binary() if expr.op in _FLIPPED:
            return _comparison(expr, amount_of, way)
        case _:
            return _refused(expr.span)


def _comparison(expr: Binary, amount_of: Amount, way: int) -> Expr | Diagnostic:
    left, right = _probability(expr.left), _probability(expr.right)
    if left is None and right is not None and isinstance(expr.left, Number):
        turned = Binary(_FLIPPED[expr.op], expr.right, expr.left, expr.op_span, expr.span)
        return _comparison(turned, amount_of, way)
    if left is None or (right is None and not isinstance(expr.right, Number)):
        return _refused(expr.span)
    amount = amount_of(left) if right is None else min(amount_of(left), amount_of(right))
    # down for `x > y` toward true: the threshold y falls
    step = -amount * way if expr.op in {">", ">="} else amount * way
    if step == 0:
        return expr
    return replace(expr, right=_moved(expr.right, step))


def _moved(threshold: Expr, step: float) -> Expr:
    if isinstance(threshold, Number):
        moved = threshold.value + step
        # away with the noise of binary fractions (0.55 - 0.07 is 0.48), unless it is the step itself
        value = min(1.0, max(0.0, round(moved, 12) if abs(step) > 1e-9 else moved))
        return Number(value, "", f"{value:.12g}", threshold.span)
    size = Number(abs(step), "", f"{abs(step):.12g}", threshold.span)
    return Binary("+" if step > 0 else "-", threshold, size, threshold.span, threshold.span)


def _probability(expr: Expr) -> str | None:
    """The regime output that an expression is, with or without a default."""
    if isinstance(expr, Name) and expr.name in REGIME:
        return expr.name
    if isinstance(expr, Binary) and expr.op == "??" and isinstance(expr.right, Number):
        return _probability(expr.left)
    return None


def _refused(span: Span) -> Diagnostic:
    message = "hysteresis cannot loosen this: only comparisons of regime probabilities have a distance"
    return problem("Q0602", message, span, help="add `stay_when:` with the condition for staying in the chain")
