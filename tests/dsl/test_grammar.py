"""The grammar itself: no hidden conflicts, precedence, and where statements end."""

from __future__ import annotations

import pytest

from qmtl.dsl.exprtext import spell
from qmtl.dsl.parser import built, parse_file, parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Binary, Expr, ForBars, Number, Unary
from qmtl.dsl.tree import Scalar


def scalar(text: str) -> Scalar:
    return Scalar(text, Span(Source("t", text), 0, len(text)), tuple(range(len(text) + 1)))


def parsed(text: str) -> Expr:
    expr, problems = parse_predicate(scalar(text))
    assert expr is not None, problems
    return expr


def bracketed(expr: Expr) -> str:
    """All operators with brackets, so that precedence can be read."""
    match expr:
        case Binary():
            return f"({bracketed(expr.left)} {expr.op} {bracketed(expr.right)})"
        case Unary():
            return f"({expr.op} {bracketed(expr.operand)})"
        case ForBars():
            return f"({bracketed(expr.operand)} for {bracketed(expr.bars)})"
        case _:
            return spell(expr)


def test_the_grammar_has_no_hidden_conflicts() -> None:
    # without strict Lark silently prefers to shift, and `stop close - 1.5*atr(14)` reads as `close` applied to the rest
    built(strict=True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("-a ?? b", "(- (a ?? b))"),
        ("a ?? b ?? c", "((a ?? b) ?? c)"),
        ("a ?? -1 * b", "((a ?? (- 1)) * b)"),
        ("a + b * c", "(a + (b * c))"),
        ("a - b - c", "((a - b) - c)"),
        ("-a * b", "((- a) * b)"),
        ("a + b > c * d", "((a + b) > (c * d))"),
        ("a + 1 crosses above b", "((a + 1) crosses above b)"),
        ("a > b for 3 bars and c", "(((a > b) for 3) and c)"),
        ("not a > b for 3 bars", "(not ((a > b) for 3))"),
        ("not a and b", "((not a) and b)"),
        ("a or b and c", "(a or (b and c))"),
        ("a or b at most c", "((a or b) at most c)"),
        ("(a or b) and c", "((a or b) and c)"),
        ("a crosses   below b", "(a crosses below b)"),
        ("atr(14)@60m[2] > x", "(atr(14)@60m[2] > x)"),
        ("a > b for n bars", "((a > b) for n)"),
    ],
)
def test_precedence(text: str, meant: str) -> None:
    assert bracketed(parsed(text)) == meant


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("2%", 0.02, "%"),
        ("25bps", 0.0025, "bps"),
        ("60s", 60, "s"),
        ("15m", 900, "m"),
        ("2h", 7200, "h"),
        ("1d", 86400, "d"),
        ("100_000 USD", 100_000, "USD"),
        ("1.5", 1.5, ""),
        ("1e-3", 0.001, ""),
    ],
)
def test_literals_are_in_base_units(text: str, value: float, unit: str) -> None:
    number = parsed(text)
    assert isinstance(number, Number)
    assert (number.value, number.unit) == (value, unit)


@pytest.mark.parametrize(
    "text",
    [
        "a >\n 1",
        "a\n and b",
        "a\n\n # why\n or b",
        "f(a,\n b)",
        "f(\n a\n)",
        "x\n ?? 1",
        "a +\n b",
    ],
)
def test_a_newline_that_only_breaks_the_line(text: str) -> None:
    definitions, _, problems = parse_file(Source("t", f"feature f {{\n value {text}\n}}"))
    assert problems == ()
    assert definitions[0].rules[0].value is not None


def test_semicolons_and_newlines_end_statements() -> None:
    text = 'feature f { doc "x"; a = close\n b = a;;\n\n value b }'
    (definition,), _, problems = parse_file(Source("t", text))
    assert problems == ()
    assert [let.name.name for let in definition.lets] == ["a", "b"]


def test_few_words_are_reserved() -> None:
    text = "feature f { size = close; bars = size; at = bars; value at }"
    (definition,), _, problems = parse_file(Source("t", text))
    assert problems == ()
    assert [let.name.name for let in definition.lets] == ["size", "bars", "at"]
