"""R49: hysteresis loosens every comparison of probabilities, and what lets a symbol in always lets it stay."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.exprtext import spell
from qmtl.dsl.hysteresis import loosen
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Binary, Expr, ForBars, Name, Number, Unary
from qmtl.dsl.tree import Scalar

NAMES = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol")


def parsed(text: str) -> Expr:
    expr, problems = parse_predicate(Scalar(text, Span(Source("w", text), 0, len(text)), tuple(range(len(text) + 1))))
    assert expr is not None, problems
    return expr


def loose(text: str, amounts: Mapping[str, float] | None = None) -> str:
    found = loosen(parsed(text), lambda name: (amounts or {}).get(name, 0.07))
    assert not isinstance(found, Diagnostic), found
    return spell(found)


@pytest.mark.parametrize(
    ("when", "stay"),
    [
        ("p_chop >= 0.50", "p_chop >= 0.43"),
        ("p_chop > 50%", "p_chop > 0.43"),
        ("p_trend_up >= 0.55 and p_trend_down < 0.40", "p_trend_up >= 0.48 and p_trend_down < 0.47"),
        ("p_trend_down >= p_trend_up", "p_trend_down >= p_trend_up - 0.07"),
        ("p_trend_down < p_trend_up", "p_trend_down < p_trend_up + 0.07"),
        ("0.5 <= p_chop", "p_chop >= 0.43"),
        ("not p_chop >= 0.50", "not p_chop >= 0.57"),
        ("not (p_chop >= 0.50 or p_trend_up < 0.3)", "not (p_chop >= 0.57 or p_trend_up < 0.23)"),
        ("p_chop >= 0.05", "p_chop >= 0"),
        ("p_chop < 0.95", "p_chop < 1"),
        ("p_chop > 0.5 for 3 bars", "p_chop > 0.43 for 3 bars"),
        ("p_chop ?? 0 > 0.5", "p_chop ?? 0 > 0.43"),
        ("(p_chop > 0.5) ?? false", "(p_chop > 0.43) ?? false"),
        ("p_chop > 0.5 or true", "p_chop > 0.43 or true"),
        ("regime_confidence > 0.6", "regime_confidence > 0.53"),
    ],
)
def test_thresholds_give_way(when: str, stay: str) -> None:
    assert loose(when) == stay


def test_a_veto_can_be_exempted() -> None:
    when = "p_trend_up >= 0.55 and p_trend_down < 0.40 and p_trend_up > p_trend_down"
    assert (
        loose(when, {"p_trend_down": 0}) == "p_trend_up >= 0.48 and p_trend_down < 0.40 and p_trend_up > p_trend_down"
    )


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("vix.close > 20", "vix.close > 20"),
        ("p_chop > 0.5 and ret_1 > 0", "ret_1 > 0"),
        ("p_chop + p_trend_up > 0.5", "p_chop + p_trend_up > 0.5"),
        ("p_chop == 0.5", "p_chop == 0.5"),
        ("p_chop crosses above 0.5", "p_chop crosses above 0.5"),
        ("p_chop > ret_1", "p_chop > ret_1"),
        ("busy", "busy"),
    ],
)
def test_anything_else_needs_an_explicit_stay_when(when: str, place: str) -> None:
    found = loosen(parsed(when), lambda _: 0.07)
    assert isinstance(found, Diagnostic)
    assert found.code == "Q0602"
    assert found.span is not None
    assert found.span.text == place


def truth(expr: Expr, values: Mapping[str, float]) -> bool:
    match expr:
        case Binary(op="and"):
            return truth(expr.left, values) and truth(expr.right, values)
        case Binary(op="or"):
            return truth(expr.left, values) or truth(expr.right, values)
        case Unary(op="not"):
            return not truth(expr.operand, values)
        case Name():
            return expr.name == "true"
        case ForBars():
            return truth(expr.operand, values)
        case Binary():
            left, right = number(expr.left, values), number(expr.right, values)
            return {">": left > right, ">=": left >= right, "<": left < right, "<=": left <= right}[expr.op]
    raise AssertionError(expr)


def number(expr: Expr, values: Mapping[str, float]) -> float:
    match expr:
        case Number():
            return expr.value
        case Name():
            return values[expr.name]
        case Binary(op="+"):
            return number(expr.left, values) + number(expr.right, values)
        case Binary(op="-"):
            return number(expr.left, values) - number(expr.right, values)
    raise AssertionError(expr)


UNIT = st.floats(0, 1).map(lambda x: round(x, 6))
SIDE = st.one_of(st.sampled_from(NAMES), UNIT.map(lambda x: f"{x:.6f}"))
COMPARISON = st.tuples(st.sampled_from(NAMES), st.sampled_from([">", ">=", "<", "<="]), SIDE).map(" ".join)
CONDITION = st.recursive(
    COMPARISON,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=6,
)


@given(CONDITION, st.tuples(UNIT, UNIT, UNIT, UNIT), st.tuples(*[st.floats(0, 0.5)] * 4))
def test_what_lets_in_lets_stay(text: str, values: tuple[float, ...], amounts: tuple[float, ...]) -> None:
    when = parsed(text)
    sizes = dict(zip(NAMES, amounts, strict=True))
    stay = loosen(when, sizes.__getitem__)
    assert not isinstance(stay, Diagnostic)
    market = dict(zip(NAMES, values, strict=True))
    assert not truth(when, market) or truth(stay, market)


@given(CONDITION)
def test_no_hysteresis_changes_nothing(text: str) -> None:
    when = parsed(text)
    stay = loosen(when, lambda _: 0.0)
    assert not isinstance(stay, Diagnostic)
    assert spell(stay) in {spell(when), spell(parsed(spell(stay)))}
