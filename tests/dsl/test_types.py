"""Units, rates and names: what does not fit is refused at the right place, once, with the way out."""

from __future__ import annotations

import pytest

from qmtl.dsl.builtins import BUILTINS
from qmtl.dsl.check import Checks, check_library
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.library import Library, library_of
from qmtl.dsl.parser import parse_file, parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.tree import Scalar

FEATURES = """
feature ret { value roc(close, 1) }
feature hourly { on 60m { r = roc(close, 1) }; value r }
feature fear { value zscore(vix.close, 80) }
feature busy { value volume > sma(volume, 20) }
"""


def library(text: str) -> Library:
    definitions, _, problems = parse_file(Source("t", text))
    return library_of(definitions, problems)


def condition(text: str) -> list[Diagnostic]:
    expr, problems = parse_predicate(Scalar(text, Span(Source("w", text), 0, len(text)), tuple(range(len(text) + 1))))
    assert problems == ()
    assert expr is not None
    checks = Checks(library(FEATURES))
    checks.condition(expr)
    return list(checks.found)


def strategy(body: str) -> list[Diagnostic]:
    found = check_library(library(f"{FEATURES}\nstrategy s {{ style trend; size 1; long when true\n{body}\n}}"))
    return [d for d in found if d.severity == "error"]  # that nothing reads a name here is only a warning


def brief(problems: list[Diagnostic]) -> list[tuple[str, str]]:
    return [(p.code, p.span.text if p.span else "") for p in problems]


@pytest.mark.parametrize(
    "text",
    [
        "vix.close > 20",
        "close > open and close - open < 2 * atr(14)",
        "close > 100",
        "close * volume > 5_000_000 USD",
        "close * volume / volume > open",
        "roc(close, 10) > 2%",
        "ret > 0",
        "ret > -2%",
        "1.2 * ret > 50bps",
        "0 < ret",
        "volume / sma(volume, 20) > 1.5",
        "p_trend_up >= 0.55",
        "p_trend_up >= 55%",
        "p_trend_up + p_trend_down < 0.5",
        "p_trend_up >= p_trend_down",
        "1 - p_chop > 0.5",
        "zscore(close, 20) > 2 for 3 bars",
        "ret > hourly",
        "hourly > 0",
        "fear > 1",
        "busy",
        "busy ?? false",
        "(ret ?? 0) > 1%",
        "close crosses above sma(close, 20)",
        "close[3] > close",
        "breadth(close > close[1]) > 0.5",
        "xrank(ret) >= 0.8",
        "xmean(ret) > 1%",
        "min(ret, 3%, 2%) > 1%",
        "sqrt(close * close) > close",
        "abs(close - open) / close > 0.01",
        "close@60m > sma(close, 20)@60m",
        "(ret at most 2%) > 1%",
        "choose(busy, ret, 1%) > 0",
        "sigmoid(3 * fear) > 0.5",
        "not busy or true",
    ],
)
def test_what_fits(text: str) -> None:
    assert condition(text) == []


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("ret > 2", "Q0402", "2"),
        ("ret + 2 > 1%", "Q0402", "2"),
        ("roc(close, 10) > 0.02", "Q0402", "0.02"),
        ("clip(ret, 0.1, 20%) > 0", "Q0402", "0.1"),
        ("vix.close < 30m", "Q0410", "<"),
        ("close > volume", "Q0410", ">"),
        ("close > zscore(close, 20)", "Q0410", ">"),
        ("close > 100 USD", "Q0410", ">"),
        ("close + volume > 0", "Q0401", "+"),
        ("close - 2% > 0", "Q0401", "-"),
        ("close + busy > 0", "Q0401", "busy"),
        ("busy > 1", "Q0401", "busy"),
        ("close", "Q0406", "close"),
        ("busy and ret", "Q0406", "ret"),
        ("not ret", "Q0406", "ret"),
        ("ret for 3 bars", "Q0406", "ret"),
        ("p_chop > 55", "Q0205", "55"),
        ("p_chop < -0.1", "Q0205", "-0.1"),
        ("p_chop > 120%", "Q0205", "120%"),
        ("sma(close) > 0", "Q0403", "sma(close)"),
        ("abs(close, 2) > 0", "Q0403", "abs(close, 2)"),
        ("sma(close, volume) > 0", "Q0404", "volume"),
        ("sma(close, 0) > 0", "Q0404", "0"),
        ("sma(close, 2.5) > 0", "Q0404", "2.5"),
        ("sma(close, 60m) > 0", "Q0401", "60m"),
        ("close[0] > 0", "Q0404", "close[0]"),
        ("busy[1] and true", "Q0401", "busy"),
        ("sma(3, 5) > 0", "Q0401", "3"),
        ("exp(close) > 1", "Q0401", "close"),
        ("xmean(vix.close) > 20", "Q0401", "vix.close"),
        ("close@1d > 0", "Q0405", "close"),
        ("ret@60m > 0", "Q0405", "ret"),
        ("clsoe > 0", "Q0501", "clsoe"),
        ("atr > 0", "Q0501", "atr"),
        ("smaa(close, 3) > 0", "Q0502", "smaa"),
        ('close > "x"', "Q0401", '"x"'),
        ("min(close, volume) > 0", "Q0401", "volume"),
        ("2 crosses above 1", "Q0401", "2 crosses above 1"),
        ("sqrt(close) > 1", "Q0401", "close"),
        ("ret > 1% + 2", "Q0402", "2"),
        ("sma(close, 1_000_000) > 0", "Q0205", "1_000_000"),
        ("close[20_000] > 0", "Q0205", "close[20_000]"),
        ("busy for 99999 bars", "Q0205", "99999"),
        ("SPY.close > 5", "Q0501", "SPY.close"),
        ("vix > 20", "Q0501", "vix"),
    ],
)
def test_what_does_not_fit(text: str, code: str, place: str) -> None:
    assert brief(condition(text)) == [(code, place)]


def test_a_bare_number_against_a_ratio_offers_both_readings() -> None:
    (problem,) = condition("ret > 2")
    assert problem.help == "did you mean `2%` or `200%`?"


@pytest.mark.parametrize("text", ["close > 1e400", "close > 1e99999999999", "close > 1e9999999999999999999999"])
def test_a_number_that_no_float_holds_is_refused_and_not_infinite(text: str) -> None:
    expr, (problem,) = parse_predicate(Scalar(text, Span(Source("w", text), 0, len(text)), tuple(range(len(text) + 1))))
    assert expr is None
    assert (problem.code, problem.span.text if problem.span else "") == ("Q0205", text.removeprefix("close > "))


def test_names_with_a_dot_say_what_there_is() -> None:
    assert condition("SPY.close > 5")[0].help.startswith("prices are those of the symbol itself: write `close`")
    assert condition("vix > 20")[0].help == "did you mean `vix.close`?"
    assert condition("close > open ?? true")[0].help.startswith("`??` binds tighter than comparisons")


def test_both_sides_of_a_comparison_are_named() -> None:
    (problem,) = condition("vix.close < 30m")
    assert problem.message == "cannot compare price with duration"
    assert [(label.span.text, label.text) for label in problem.labels] == [
        ("vix.close", "this is a price"),
        ("30m", "this is a duration"),
    ]
    assert problem.help == "did you mean the number `30`?"


@pytest.mark.parametrize("text", ["clsoe > sma(clsoe2, 3) * 2%", "sma(nope, 3) + 2 > ret and nope > 1", "foo(bar) > 1"])
def test_one_unknown_name_is_one_error(text: str) -> None:
    assert {p.code for p in condition(text)} <= {"Q0501", "Q0502"}


def test_suggestions() -> None:
    assert condition("clsoe > 0")[0].help == "did you mean `close`?"
    assert condition("zscoer(close, 3) > 0")[0].help == "did you mean `zscore`?"
    assert condition("atr > 0")[0].help == "write `atr(n)`"
    assert condition("atr14 > 0")[0].help == "write `atr(14)`"
    assert condition("sma_20 > 0")[0].help == "write `sma(x, 20)`"
    assert condition("wombat > 0")[0].help == ""


def test_a_finer_value_cannot_be_read_at_a_coarser_rate() -> None:
    problems = strategy("fast = sma(close, 5)\non 60m { slow = sma(close, 20) - fast }")
    assert brief(problems) == [("Q0405", "fast")]
    assert brief(strategy("on 60m { slow = sma(close, 20) }\nfast = sma(close, 5) - slow")) == []
    assert brief(strategy("on 1d { z = zscore(vix.close, 20) }\non 60m { y = z + 1 }")) == []
    assert brief(strategy("on 60m { y = p_chop + 0.1 }")) == [("Q0405", "p_chop")]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        ("stop 2%", "Q0401", "2%"),
        ("stop 2", "Q0402", "2"),
        ("stop at volume", "Q0401", "volume"),
        ("exit short when close > open", "Q0304", "exit short"),
        ("param x: ratio = 2", "Q0402", "2"),
        ("param x: bars = 2.5", "Q0404", "2.5"),
        ("param x: bars = 5 in 10..20", "Q0411", "5"),
        ("param x: bars = 5 in 20..10", "Q0411", "20..10"),
        ("param x: prob = 2", "Q0205", "2"),
        ("param x: bar = 2", "Q0401", "bar"),
        ("x = close; x = open", "Q0507", "x"),
        ("close = open", "Q0305", "close"),
        ("true = 1", "Q0305", "true"),
        ("a = b; b = close", "Q0501", "b"),
        ("param n: num = 3\na = sma(close, n)", "Q0404", "n"),
        ("a = highest(close, hourly)", "Q0404", "hourly"),
    ],
)
def test_statements_of_strategies(body: str, code: str, place: str) -> None:
    assert brief(strategy(body)) == [(code, place)]


def test_bars_may_be_named() -> None:
    assert strategy("n = 14\nparam w: bars = 20\na = sma(close, n) + sma(close, w)\nb = close > open for w bars") == []


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("strategy s { long when true }", ["strategy `s` has no `size`", "strategy `s` has no `style`"]),
        ("strategy s { style trend; size 1 }", ["strategy `s` has no `long when ...` or `short when ...`"]),
        ("strategy s { style trand; size 1; long when true }", ["`trand` is not a style"]),
        ("feature f { }", ["feature `f` has no `value`"]),
        ("feature f { value p_chop }", ["`p_chop` cannot be read here: the regime is computed from features"]),
        ("feature close { value open }", ["`close` already has a meaning and cannot be a name"]),
        ("feature a.b { value open }", ["`a.b` holds a dot and cannot be a name"]),
        ("feature f { value 3 }", ["a feature is a series, this is a number"]),
        (
            "regime r { score trend_up 1; score chop 1; high_vol 3 * roc(close, 2); score trend_donw 1 }",
            [
                "regime `r` has no `score trend_down`",
                "`high_vol` is a probability, this is a ratio",
                "there is no score `trend_donw`",
            ],
        ),
        ("strategy s { style trend; size close; long when true }", ["`size` is a plain number, this is a price"]),
    ],
)
def test_definitions_are_complete(text: str, messages: list[str]) -> None:
    assert [p.message for p in check_library(library(text))] == messages


def test_features_that_read_each_other_in_a_circle() -> None:
    problems = check_library(library("feature a { value b + 1 }\nfeature b { value c }\nfeature c { value a }"))
    assert [(p.code, p.message) for p in problems] == [
        ("Q0508", "features read each other in a circle: a -> b -> c -> a")
    ]


def test_a_long_line_of_features_is_no_depth() -> None:
    lines = ["feature x0 { value close / open }"]
    lines += [f"feature x{i} {{ value x{i - 1} + 1 }}" for i in range(1, 1500)]
    assert check_library(library("\n".join(reversed(lines)))) == ()


def test_every_function_has_a_line_for_people() -> None:
    for name, builtin in BUILTINS.items():
        assert builtin.doc.endswith("."), name
        assert builtin.signature.startswith(f"{name}(")
