"""Syntax errors: all of a file, each once, at the exact place, in plain words; and no input that ends in a traceback."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.blocks import block_to_tree
from qmtl.dsl.check import check_library
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.library import library_of
from qmtl.dsl.parser import parse_file, parse_predicate
from qmtl.dsl.schema import load_schema
from qmtl.dsl.source import Source, Span
from qmtl.dsl.tree import Map, Scalar
from qmtl.dsl.yamltree import read_yaml

SAMPLE = """\
strategy roc_momentum {
  doc   "Fast and slow rate of change agree."
  style trend
  param fast: bars = 10 in 3..60
  param slow: bars = 40 in 10..240
  param threshold: ratio = 0% in 0%..5%

  on 60m {
    quick = sma(roc(close, fast), 5)
    calm  = sma(roc(close, slow), 5)
  }
  long  when quick > calm and quick > threshold
  short when quick < calm and quick < -threshold
  size  clip(abs(quick) / highest(abs(quick), 60), 10%, 100%)
  stop  1.5 * atr(14)@60m          # an unsigned distance from the average price; `stop at EXPR` for a level
  take  2.5 * atr(14)@60m
}
"""


def found(text: str) -> list[tuple[str, str, str]]:
    """(code, place, message) of every syntax error."""
    return [place(p) for p in parse_file(Source("t", text))[2]]


def place(diagnostic: Diagnostic) -> tuple[str, str, str]:
    assert diagnostic.span is not None
    line, column = diagnostic.span.source.position(diagnostic.span.start)
    return diagnostic.code, f"{line}:{column}", diagnostic.message


def test_the_sample_of_the_language() -> None:
    (definition,), blocks, problems = parse_file(Source("t", SAMPLE))
    assert problems == ()
    assert blocks == ()
    assert definition.doc == "Fast and slow rate of change agree."
    assert definition.style is not None
    assert definition.style.name == "trend"
    assert [(p.name.name, p.default.value, p.high and p.high.value) for p in definition.params] == [
        ("fast", 10, 60),
        ("slow", 40, 240),
        ("threshold", 0, 0.05),
    ]
    assert [(t.name.name, t.rate) for t in definition.lets] == [("quick", "60m"), ("calm", "60m")]
    assert [r.kind for r in definition.rules] == ["long", "short", "size", "stop", "take"]
    assert definition.rules[2].value.span.text == "clip(abs(quick) / highest(abs(quick), 60), 10%, 100%)"


def test_every_error_of_a_file_once() -> None:
    text = """\
strategy a {
  long whn close > 1
  lng when close > 2
  short when close < (open + 2
  size close = 3
  stop close 1.5*atr(14)
  x = 3 & 4
  y = close[-1]
  z = open < close < high
  on 45m { q = 1 }
  for = 3
  size 1
  w = "abc
}
strategy b {
  long when
}
fetaure c { value close }
"""
    assert found(text) == [
        ("Q0301", "2:8", "expected `when`, found `whn`"),
        ("Q0301", "3:3", "`lng` does not start a statement of a strategy block"),
        ("Q0301", "4:31", "expected an operator or `)`, found the end of the line"),
        ("Q0301", "5:14", "expected an operator or the end of the line, found `=`"),
        ("Q0301", "6:14", "expected an operator or the end of the line, found `1.5`"),
        ("Q0302", "7:9", "`&` is not part of the language"),
        ("Q0301", "8:13", "expected a number, found `-`"),
        ("Q0303", "9:20", "comparisons cannot be chained"),
        ("Q0405", "10:6", "`45m` is not a rate"),
        ("Q0305", "11:3", "`for` is a reserved word and cannot be a name"),
        ("Q0304", "12:3", "`size` stands twice"),
        ("Q0302", "13:7", "this text is not closed"),
        ("Q0301", "17:1", "expected a condition, found `}`"),
        ("Q0306", "18:1", "there is no block `fetaure`"),
    ]


@pytest.mark.parametrize(
    ("text", "place_", "message"),
    [
        ("feature a { value close", "1:11", "this `{` is never closed"),
        ("feature a { value close }\n}", "2:1", "this `}` closes nothing"),
        ("feature a { value close\nfeature b { value open }", "2:1", "expected `}` before the next feature"),
        ("strategy { long when true }", "1:10", "expected a name, found `{`"),
        ("feature a { b { c 1 } }", "1:13", "a `b` block does not belong into a feature block"),
        ("fetaure a { value close }", "1:1", "there is no block `fetaure`"),
    ],
)
def test_braces_and_blocks(text: str, place_: str, message: str) -> None:
    assert [f[1:] for f in found(text)] == [(place_, message)]


@pytest.mark.parametrize(
    "value",
    ["2026-01-02", "16:00", "a/b.csv", "7A", "BRK.B", "500+0.5x200", "9f86d081884c7d65", "2026-01-06T15:30-05:00", "../x.csv",
     "BTC/USD", "regime-v3.onnx", "a.b.c", "/tmp/x.csv", "0.70x200", "-0.5x3"],
)  # fmt: skip
@pytest.mark.parametrize("after", [" }", "; x 1 }", "\n}", " # why\n}"])
@pytest.mark.parametrize("before", ["key ", "key: ", "key a, ", "key [a, "])
def test_values_that_need_quotes_are_offered_with_quotes(value: str, before: str, after: str) -> None:
    close = "]" if "[" in before else ""
    _, blocks, problems = parse_file(Source("t", f"world w {{ {before}{value}{close}{after}"))
    if not problems:
        problems = block_to_tree(blocks[0], load_schema("world"))[2]
    (problem,) = problems
    assert problem.code == "Q0301"
    assert f'"{value}"' in problem.help


def test_a_broken_statement_still_defines_its_name() -> None:
    # one mistake is one message: no `unknown name` for a let whose formula could not be read
    text = "feature a { b = close +* 2; value b }"
    definitions, _, problems = parse_file(Source("t", text))
    assert [p.code for p in problems] == ["Q0301"]
    assert check_library(library_of(definitions)) == ()


def test_an_unclosed_bracket_does_not_swallow_the_file() -> None:
    text = "strategy a {\n  b = sma(close, 3\n  size 1\n  long whn true\n}"
    assert [f[1] for f in found(text)] == ["2:19", "4:8"]


@pytest.mark.parametrize("style", [">-", "|", '"', "'", ""])
def test_spans_of_predicates_go_through_yaml(style: str) -> None:
    text = "p_chop > 0.5 and vix.close @ 3"
    value = f"{style}\n    {text[:16]}\n    {text[17:]}" if style in {">-", "|"} else f"{style}{text}{style}"
    source = Source("t", f"한글: 1\nwhen: {value}\n")
    tree, problems = read_yaml(source)
    assert problems == ()
    assert isinstance(tree, Map)
    scalar = tree.get("when")
    assert isinstance(scalar, Scalar)
    expr, errors = parse_predicate(scalar)
    assert expr is None
    (error,) = errors
    assert error.span is not None
    assert error.span.text == "3"
    assert error.span.start == source.text.rindex("3")


def test_a_comment_cannot_hide_the_rest_of_a_predicate() -> None:
    text = "p_chop > 0.5 # quiet and p_trend_up < 0.5"
    scalar = Scalar(text, Span(Source("t", text), 0, len(text)), tuple(range(len(text) + 1)))
    expr, (problem,) = parse_predicate(scalar)
    assert expr is None
    assert problem.code == "Q0302"


@pytest.mark.parametrize(
    "text",
    [
        "feature a { value " + "(" * 50_000,
        "feature a { value " + "-" * 5_000 + "close }",
        "feature a { value " + "+".join(["close"] * 5_000) + " }",
        "feature a { value close" + "[1]" * 2_000 + " }",
        "a {" * 20_000,
        "world w { a " + "[" * 20_000,
        "x" * 1_000_001,
        "feature a { value " + "(" * 1_000_001,
    ],
)
def test_depth_and_size_are_capped(text: str) -> None:
    codes = {p.code for p in parse_file(Source("t", text))[2]}
    assert "Q0104" in codes
    assert codes <= {"Q0104", "Q0301"}


def test_a_strategy_parses_fast() -> None:
    parse_file(Source("t", SAMPLE))
    start = time.perf_counter()
    for _ in range(10):
        parse_file(Source("t", SAMPLE + "\n" * 30))
    assert (time.perf_counter() - start) / 10 < 0.05


SIGNS = st.sampled_from('{}()[];#,:=<%"&a\n\r\x00한')
WORDS = st.sampled_from(
    ("[1]", "when", "and", "or", "not", "for 3 bars", "at most", "==", "??", "..", "1.5", "3%", "60m", "@60m", "close")
)
HEADS = st.sampled_from(("strategy x {", "feature", "on 60m {", "size", "stop at", "score", "exit long", "in", "param"))
PIECES = st.one_of(SIGNS, WORDS, HEADS)


@settings(max_examples=60, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(0, len(SAMPLE)), st.integers(0, 30))
def test_no_text_ends_in_a_traceback(pieces: list[str], at: int, cut: int) -> None:
    text = SAMPLE[:at] + " ".join(pieces) + SAMPLE[at + cut :]
    definitions, _, problems = parse_file(Source("t", text))
    problems += check_library(library_of(definitions))
    for problem in problems:
        assert problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
