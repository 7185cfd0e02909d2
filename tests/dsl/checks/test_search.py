"""Laws of the interval reasoning: what is called impossible is false at every point that is tried, and what a brute grid
finds impossible to fulfil is found impossible."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.checks.formula import All, Any, Claim, Formula, Unless, denied, formula
from qmtl.dsl.checks.linear import TOO_LARGE, Row, row, solve
from qmtl.dsl.checks.samples import COUNT, FULL, points
from qmtl.dsl.checks.search import Way, impossible, spelled, ways
from qmtl.dsl.syntax import Expr

from .conftest import parsed


@dataclass(frozen=True)
class Condition:
    """Where a condition is true, where it is false, and where it is not true."""

    true: Formula
    false: Formula
    untrue: Formula


def condition(expr: Expr, *, guard: bool = False) -> Condition:
    true = formula(expr, guard=guard)
    return Condition(true, formula(expr, value=False, guard=guard), denied(true))


Values = dict[str, Fraction]
TWENTY = 20


def grid() -> list[Values]:
    """Every point of the simplex in steps of a twentieth, with shares in steps of a quarter."""
    steps = [Fraction(n, TWENTY) for n in range(TWENTY + 1)]
    return [
        {"p_trend_up": up, "p_trend_down": down, "p_high_vol": vol}
        for up, down, vol in product(steps, steps, steps[::5])
        if up + down <= 1
    ]


GRID = grid()


def holds(whole: Formula, at: Values) -> bool:
    """The truth of a formula without claims, where everything is known."""
    match whole:
        case All():
            return all(holds(part, at) for part in whole.parts)
        case Any():
            return any(holds(part, at) for part in whole.parts)
        case Row():
            total = sum((size * at[name] for name, size in whole.coefficients), Fraction(whole.bound))
            return total > 0 if whole.strict else total >= 0
        case Unless():
            return not holds(whole.of, at)
        case Claim():
            raise AssertionError("no claims are generated here")


def told(text: str, at: Values) -> bool:
    """The truth of a condition as a person reads it: an evaluator that knows nothing of rows."""
    names = {**at, "p_chop": 1 - at["p_trend_up"] - at["p_trend_down"]}
    number = {str(n / 20): f"Fraction({n}, 20)" for n in range(-20, 41)}
    code = " ".join(number.get(word, word) for word in text.replace("(", "( ").replace(")", " )").split())
    return bool(eval(code, {"Fraction": Fraction}, names))


NAMES = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol")
comparison = st.one_of(
    st.builds(
        lambda name, op, n: f"{name} {op} {n / 20}",
        st.sampled_from(NAMES),
        st.sampled_from((">", ">=", "<", "<=")),
        st.integers(0, 20),
    ),
    st.builds(
        lambda a, op, b, n: f"{a} {op} {b} + {n / 20}",
        st.sampled_from(NAMES),
        st.sampled_from((">", ">=", "<", "<=")),
        st.sampled_from(NAMES),
        st.integers(0, 10),
    ),
)
predicate = st.recursive(
    comparison,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a} and {b})", inner, inner),
        st.builds(lambda a, b: f"({a} or {b})", inner, inner),
        st.builds(lambda a: f"(not {a})", inner),
    ),
    max_leaves=6,
)


@given(predicate)
@settings(deadline=None, max_examples=60)
def test_true_and_false_are_what_the_text_says_at_every_point(text: str) -> None:
    asked = condition(parsed(text))
    for at in GRID[::7]:
        assert holds(asked.true, at) == told(text, at)
        assert holds(asked.false, at) != holds(asked.true, at)
        assert holds(asked.untrue, at) == holds(asked.false, at)


@given(predicate)
@settings(deadline=None, max_examples=60)
def test_impossible_means_false_at_every_point_and_possible_comes_with_a_point(text: str) -> None:
    asked = condition(parsed(text))
    way = ways([asked.true])
    assert way != TOO_LARGE
    if way is None:
        assert not any(told(text, at) for at in GRID)
        assert not points(asked.true)
    else:
        assert isinstance(way, Way)
        at = {name: way.point.get(name, Fraction(0)) for name in ("p_trend_up", "p_trend_down", "p_high_vol")}
        assert all(0 <= at[name] <= 1 for name in at)
        assert at["p_trend_up"] + at["p_trend_down"] <= 1
        assert told(text, at)


@given(predicate, predicate)
@settings(deadline=None, max_examples=60)
def test_covered_means_that_one_holds_wherever_the_other_does(first: str, second: str) -> None:
    a, b = condition(parsed(first)), condition(parsed(second))
    if impossible(b.true, a.untrue):
        assert all(told(first, at) for at in GRID if told(second, at))
        assert not points(b.true) & ~points(a.true)
    else:
        way = ways([b.true, a.untrue])
        assert isinstance(way, Way)
        at = {name: way.point.get(name, Fraction(0)) for name in ("p_trend_up", "p_trend_down", "p_high_vol")}
        assert told(second, at)
        assert not told(first, at)


@given(predicate)
@settings(deadline=None, max_examples=60)
def test_the_points_that_are_tried_are_those_at_which_a_formula_holds(text: str) -> None:
    asked = condition(parsed(text))
    assert points(asked.true) ^ points(asked.false) == FULL
    assert points(asked.untrue) == points(asked.false)


@pytest.mark.parametrize(
    "text",
    [
        "p_trend_up >= 0.55 and p_trend_down > 0.45",
        "p_chop > 1.0",
        "p_chop >= 0.5 and p_trend_up >= 0.3 and p_trend_down >= 0.3",
        "p_trend_up > p_chop and p_chop > p_trend_down and p_trend_down > p_trend_up",
        "p_trend_up < 0.3 and p_trend_down < 0.3 and p_chop < 0.4",
        "p_high_vol * 2 > 2",
        "regime_confidence > 0.9 and regime_confidence < 0.8",
        "vix.close > 30 and vix.close < 20",
        "vix.close - 5 > 30 and 2 * vix.close < 60",
        "close crosses above sma(close, 20) and not close crosses above sma(close, 20)",
        "sma(close, 20) > close and close >= sma(close, 20)",
        "p_chop > 0.5 for 3 bars and p_chop < 0.4",
        "1 > 2",
        "false",
        "p_chop ?? 0.9 > 0.5 and p_chop < 0.4",
        "p_trend_up == 0.6 and p_trend_down == 0.5",
        "vix.close > vix.close",
        "p_trend_up + p_trend_down + p_chop != 1",
        "p_trend_up * p_trend_up > 2",
        "rsi(close, 14) > 170",
        "rsi(close, 14)[3] < -1",
        "rsi(close, 14)@60m - 30 > 71",
        "percentile(close, 100) > 90",
        "roc(close, 26) < -600%",
        "vix.close < 0",
        "volume / sma(volume, 20) < 0",
        "atr(14) / close < -1%",
        "stdev(roc(close, 1), 20) < 0 or abs(close - open) < 0",
        "zscore(close, 5) > 1.8",
        "close > high",
        "low[2] > high[2]",
        "close@60m < low@60m",
        "vix.close > vix.high",
        "close > highest(high, 20)",
        "close < lowest(close, 20)",
        "close < min(low, open)",
        "min(rsi(close, 14), close / open) > 100",
        "clip(close / open, 0.5, 2) > 3",
        "(breadth(close > open) ?? 0.5) + xrank(close / open) > 2",
        "(sigmoid(close / open) at most 0.5) > 0.6",
    ],
)
def test_these_are_impossible(text: str) -> None:
    assert impossible(condition(parsed(text)).true)


@pytest.mark.parametrize(
    "text",
    [
        "p_trend_up >= 0.55 and p_trend_down >= 0.45",
        "p_chop >= 1.0",
        "p_high_vol >= 0.9 and p_trend_up >= 0.9",
        "vix.close > 30 and vix.close[1] < 20",
        "close crosses above open and close crosses below open",
        "p_chop < 0.4 and not (p_chop > 0.5 for 3 bars)",
        "close > 1.5 * sma(close, 5) and close < 2 * sma(close, 5)",
        "p_trend_up * p_trend_up > 0.5 and p_trend_up < 0.6",  # products are not linear: only their limits are known
        "true",
        "rsi(close, 14) >= 100 and close >= high and close <= low",
        "roc(close - open, 5) < -200%",  # what may be negative has no lowest change
        "close > high[1] and close[1] > high@60m",
        "close > highest(high, 20)[1]",
        "close > highest(high, 20)@60m",
        "close / (open - close) < 0",
        "-volume * (close - open) > 0",
        "slope(close, 20) < -5 and sum(close - open, 5) < 0",
        "zscore(close, 5) > 1.78",
        "ratchet(close, close - 2, close + 2) > close",
        "log(close / open) < 0",
    ],
)
def test_these_are_not_called_impossible(text: str) -> None:
    assert not impossible(condition(parsed(text)).true)


def test_what_may_be_missing_is_not_always_true_and_never_false() -> None:
    asked = condition(parsed("vix.close > 20 or vix.close <= 20"))
    assert impossible(asked.false)
    assert not impossible(asked.untrue)
    regime = condition(parsed("p_chop > 0.2 or p_chop <= 0.2"))
    assert impossible(regime.untrue)
    guard = condition(parsed("p_chop > 0.2 or p_chop <= 0.2"), guard=True)
    assert not impossible(guard.untrue)


def test_a_default_in_a_guard_is_no_probability() -> None:
    text = "p_trend_up ?? 0.9 >= 0.8 and p_chop ?? 0.9 >= 0.8"
    assert impossible(condition(parsed(text)).true)
    assert not impossible(condition(parsed(text), guard=True).true)


def test_a_missing_number_above_does_not_shadow() -> None:
    above = condition(parsed("vix.close > 20 or p_chop > 0.9"))
    same = condition(parsed("vix.close > 25"))
    other = condition(parsed("p_chop >= 0.5"))
    assert impossible(same.true, above.untrue)
    assert not impossible(other.true, above.untrue)


def test_strict_and_not_strict_are_told_apart() -> None:
    x = {"x": Fraction(1)}
    least, most = row(x, Fraction(-1, 2), strict=False), row({"x": Fraction(-1)}, Fraction(1, 2), strict=False)
    assert solve([least, most]) == {"x": Fraction(1, 2)}
    assert solve([least, row({"x": Fraction(-1)}, Fraction(1, 2), strict=True)]) is None


def test_decimals_are_exact() -> None:
    """0.1 + 0.2 is 0.3 here, whatever binary fractions make of it."""
    assert impossible(condition(parsed("p_chop - 0.1 > 0.2 and p_chop <= 0.3")).true)
    assert not impossible(condition(parsed("p_chop - 0.1 >= 0.2 and p_chop <= 0.3")).true)
    assert impossible(condition(parsed("roc(close, 5) > 2% and roc(close, 5) < 200bps")).true)


def test_a_point_is_told_in_short_numbers() -> None:
    way = ways([condition(parsed("p_trend_up > 0.55 and p_trend_up < 0.6 and close crosses above open")).true])
    assert isinstance(way, Way)
    assert spelled(way) == "p_trend_up 0.58, p_trend_down 0, p_chop 0.42, `close crosses above open` true"


def test_a_search_that_gets_too_large_says_nothing() -> None:
    parts = [f"(x{i} > 1 or y{i} > 1)".replace("x", "sma(close, 1").replace("y", "sma(open, 1") for i in range(30)]
    text = " and ".join(p.replace(" > 1 or", ") > 1 or").replace(" > 1)", ") > 1)") for p in parts)
    assert not impossible(condition(parsed(text)).true)


def test_long_conditions_are_no_deeper_than_short_ones() -> None:
    text = " and ".join(f"p_chop > 0.{i:02d}" for i in range(1, 80))
    asked = condition(parsed(text))
    assert not impossible(asked.true)
    assert impossible(asked.true, asked.false)


def test_the_points_cover_the_corners() -> None:
    assert COUNT > 400
    assert points(condition(parsed("p_trend_up >= 1")).true)
    assert points(condition(parsed("p_chop >= 1")).true)
