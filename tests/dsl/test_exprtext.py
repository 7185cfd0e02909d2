"""Expressions as text: what is printed parses to the same tree."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.exprtext import spell
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Call, Expr, Name, Text
from qmtl.dsl.tree import Scalar


def parsed(text: str) -> Expr | None:
    scalar = Scalar(text, Span(Source("w.yaml", text), 0, len(text)), tuple(range(len(text) + 1)))
    expr, problems = parse_predicate(scalar)
    return None if problems else expr


@pytest.mark.parametrize(
    "text",
    [
        "p_trend_up >= 0.55 and p_trend_down < 0.40",
        "a > 1 or b > 2 and not c > 3",
        "(a > 1 or b > 2) and c > 3",
        "not (a > 1 and b > 2)",
        "close - (open - low) > 2 * (high + low) / 3",
        "-close + 1 > -(high - low)",
        "close[1] > sma(close, 10)@60m",
        "(close - open)[2] > 0",
        "(vix.close ?? 20) > 3% * 2",
        "close > open for 3 bars",
        "sma(close, 5) crosses above sma(close, 20)",
    ],
)
def test_conditions_are_printed_as_they_are_written(text: str) -> None:
    expr = parsed(text)
    assert expr is not None
    again = parsed(spell(expr))
    assert again is not None
    assert spell(again) == spell(expr)
    assert spell(expr).replace("(vix.close ?? 20)", "vix.close ?? 20") == text.replace(
        "(vix.close ?? 20)", "vix.close ?? 20"
    )


numbers = st.recursive(
    st.sampled_from(["close", "vix.close", "2", "3%", "0.5", "1_000 USD", "sma(close, 3)@60m"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(-{t})"),
        inner.map(lambda t: f"abs({t})"),
        inner.map(lambda t: f"({t})[1]"),
        inner.map(lambda t: f"({t})@60m"),
        st.tuples(inner, inner).map(lambda t: f"({t[0]} ?? {t[1]})"),
    ),
    max_leaves=6,
)
conditions = st.recursive(
    st.tuples(numbers, st.sampled_from([">", "<=", "==", "crosses below"]), numbers).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or", "at most"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"(not {t})"),
        inner.map(lambda t: f"({t} for 3 bars)"),
    ),
    max_leaves=5,
)


def shape(expr: object) -> object:
    """The tree without its places."""
    names = [name for name in getattr(type(expr), "__slots__", ()) if "span" not in name]
    return (
        (type(expr).__name__, *(shape(getattr(expr, name)) for name in names))
        if names
        else (tuple(map(shape, expr)) if isinstance(expr, tuple) else expr)
    )


@given(conditions)
def test_what_is_printed_means_the_same(text: str) -> None:
    expr = parsed(text)
    assert expr is not None, text
    assert shape(parsed(spell(expr))) == shape(expr)
    assert spell(parsed(spell(expr))) == spell(expr)  # type: ignore[arg-type]


@given(st.text(st.one_of(st.sampled_from('ab"\\\n\r\t\x00\x07\u2028\ufeff한😀'), st.characters(codec="utf-8"))))
def test_texts_are_printed_so_that_they_are_read_again(text: str) -> None:
    span = Span(Source("t", ""), 0, 0)
    read = parsed(spell(Call(Name("f", span), (Text(text, span),), span)))
    assert isinstance(read, Call)
    assert shape(read.args[0]) == ("Text", text)
