"""Two surfaces, one tree: a block gives what its YAML twin gives, with exact places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.blocks import block_to_tree
from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.parser import parse_file, parse_predicate
from qmtl.dsl.schema import check, load_schema
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map, Scalar, Seq, at, plain
from qmtl.dsl.yamltree import read_yaml

BLOCK = """\
world us_core {
  version 1
  calendar XNYS
  universe SPY, QQQ, ON, "BRK.B"
  bars 15m, 60m
  freshness { stale_15m_bars 2; regular_hours_only true }
  sectors { SPY: index; ON: technology; "BRK.B": financials }
  regime { source heuristic; heuristic us_heuristic }
  chain trend when p_trend_up >= 0.55 and p_trend_down < 0.40 {
    use roc_momentum, atr_ratchet
    exposure 90%
    stay_when p_trend_up >= 0.5
  }
  chain chop
    when p_chop >= 0.50 {
    use zscore_reversion
  }
  otherwise neutral { use roc_momentum; exposure 65% }
  hysteresis { trend { p_trend_down 0 } }
  allow SPY: roc_momentum, zscore_reversion
  allow ON: []
  parameters {
    roc_momentum {
      default { fast 10; slow 40 }
      by_symbol { QQQ { fast 15; threshold 0.5% } }
    }
  }
  select { method single_best; switch_edge 0.15; cooldown 120m }
  churn_guard { min_target 3%; deadband 2%; side_cooldown 60m; min_hold 60m }
  guard fear when vix.close > 20 { block long_entries; on_missing block }
  risk { daily_loss -2%; weekly_loss -5% }
  exchange alpaca_us_equity
  capital 60%
}
"""

YAML = """\
world: us_core
version: 1
calendar: XNYS
universe: [SPY, QQQ, ON, BRK.B]
bars: [15m, 60m]
freshness: {stale_15m_bars: 2, regular_hours_only: true}
sectors: {SPY: index, ON: technology, BRK.B: financials}
regime: {source: heuristic, heuristic: us_heuristic}
chains:
  - {name: trend, when: p_trend_up >= 0.55 and p_trend_down < 0.40, strategies: [roc_momentum, atr_ratchet],
     exposure: 90%, stay_when: p_trend_up >= 0.5}
  - {name: chop, when: p_chop >= 0.50, strategies: [zscore_reversion]}
  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}
hysteresis: {trend: {p_trend_down: 0}}
allowlist: {SPY: [roc_momentum, zscore_reversion], "ON": []}
parameters:
  roc_momentum: {default: {fast: 10, slow: 40}, by_symbol: {QQQ: {fast: 15, threshold: 0.5%}}}
select: {method: single_best, switch_edge: 0.15, cooldown: 120m}
churn_guard: {min_target: 3%, deadband: 2%, side_cooldown: 60m, min_hold: 60m}
entry_guards: [{name: fear, when: vix.close > 20, block: long_entries, on_missing: block}]
risk: {daily_loss: -2%, weekly_loss: -5%}
exchange: alpaca_us_equity
capital: 60%
"""

SAMPLE = """\
world us_core {
  calendar XNYS
  universe SPY, QQQ, ON
  chain trend when p_trend_up >= 0.55 and p_trend_down < 0.40 {
    use roc_momentum, atr_ratchet
    exposure 90%
  }
  otherwise neutral { use roc_momentum; exposure 65% }
  allow SPY: roc_momentum, zscore_reversion
  churn_guard { min_target 3%; deadband 2%; side_cooldown 60m; min_hold 60m }
}
"""


def tree_of(text: str) -> tuple[Map, tuple[Diagnostic, ...]]:
    _, (block,), problems = parse_file(Source("t", text))
    assert problems == ()
    kind, tree, found = block_to_tree(block, load_schema(block.key.value))
    assert kind == block.key.value
    return tree, found


def test_a_world_in_blocks_is_the_tree_of_its_yaml_twin() -> None:
    tree, problems = tree_of(BLOCK)
    twin, trouble = read_yaml(Source("y", YAML))
    assert (problems, trouble) == ((), ())
    assert twin is not None
    assert plain(tree) == plain(twin)
    assert check(tree, "world") == ()


def test_the_sample_world_of_the_language() -> None:
    tree, problems = tree_of(SAMPLE)
    assert problems == ()
    assert [plain(c) for c in tree.get("chains").items][1] == {  # type: ignore[union-attr]
        "name": "neutral",
        "otherwise": True,
        "strategies": ["roc_momentum"],
        "exposure": "65%",
    }


def test_spans_point_into_the_block() -> None:
    tree, _ = tree_of(BLOCK)
    exposure = at(tree, ("chains", 0, "exposure"))
    assert exposure.span.text == "90%"
    symbol = at(tree, ("universe", 3))
    assert isinstance(symbol, Scalar)
    assert (symbol.value, symbol.span.text) == ("BRK.B", '"BRK.B"')
    assert symbol.place(0, 3).text == "BRK"
    entry = tree.entry("allowlist")
    assert entry is not None
    assert entry.key_span.text == "allow"


def test_spans_of_conditions_in_blocks() -> None:
    tree, _ = tree_of(BLOCK.replace("p_chop >= 0.50 {", "p_chop >= \n # half\n 0.50 {"))
    scalar = at(tree, ("chains", 1, "when"))
    assert isinstance(scalar, Scalar)
    expr, problems = parse_predicate(scalar)
    assert problems == ()
    assert expr is not None
    assert expr.right.span.text == "0.50"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("calendar XNYS\n calendar XNYS", "Q0106", "calendar"),
        ("allow SPY: a\n allow SPY: b", "Q0106", "SPY"),
        ("allowlist all\n allow SPY: b", "Q0106", "allow"),
        ("chian x when p_chop > 0.5 { use a }", "Q0306", "chian"),
        ("alow SPY: a", "Q0304", "alow SPY"),
        ("allow SPY", "Q0301", "allow SPY"),
    ],
)
def test_what_does_not_fit_a_block(statement: str, code: str, text: str) -> None:
    _, problems = tree_of(f"world w {{\n {statement}\n}}")
    assert [(p.code, p.span and p.span.text) for p in problems] == [(code, text)]


def test_unknown_keys_reach_the_schema() -> None:
    tree, problems = tree_of("world w { frob { a 1 } }")
    assert problems == ()
    assert "Q0201" in {p.code for p in check(tree, "world")}


def test_a_single_value_of_a_list_is_a_list() -> None:
    tree, _ = tree_of("world w { universe SPY }")
    universe = tree.get("universe")
    assert isinstance(universe, Seq)
    assert plain(universe) == ["SPY"]


def test_a_block_without_a_name() -> None:
    _, (problem,) = tree_of("world { universe SPY }")
    assert problem.code == "Q0301"


# ---- everything that YAML can say


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("description ~", None),
        ("description null", None),
        ("universe ~", None),
        ("universe []", []),
        ("universe [SPY, [QQQ, ~], -1e3]", ["SPY", ["QQQ", None], -1000.0]),
        ("universe: [{a: 1, b: [x]}, {}]", [{"a": 1, "b": ["x"]}, {}]),
        ("parameters: {a: {default: {fast: -2%}}}", {"a": {"default": {"fast": "-2%"}}}),
        ("parameters { a { default { fast -1.5e-3 } } }", {"a": {"default": {"fast": -0.0015}}}),
        ("sectors: {\n  SPY: index, # one\n  QQQ: ~\n}", {"SPY": "index", "QQQ": None}),
        ('description "a\\n\\tb \\"q\\" \\\\ \\u00e9 \\U0001f600 \\x07"', 'a\n\tb "q" \\ é 😀 \x07'),
        ('"description" "text"', "text"),
        ('description " "', " "),
        ("capital 100_000 USD", "100_000 USD"),
        ('sectors { "ON A" x; BRK.B y; "when" z }', {"ON A": "x", "BRK.B": "y", "when": "z"}),
    ],
)
def test_values_of_blocks(said: str, value: object) -> None:
    tree, problems = tree_of(f"world w {{\n {said}\n}}")
    assert problems == ()
    assert plain(tree.entries[1].value) == value


@pytest.mark.parametrize(
    ("said", "code", "text"),
    [
        ('description "a\\qb"', "Q0302", "\\q"),
        ('description "\\u12"', "Q0302", "\\u"),
        ('description "\\ud800"', "Q0302", "\\u"),
        ("capital 1e999", "Q0205", "1e999"),
        ("capital " + "1" * 5000, "Q0205", "1" * 5000),
        ("parameters: {a: 1, a: 2}", "Q0106", "a"),
    ],
)
def test_values_that_cannot_be_read(said: str, code: str, text: str) -> None:
    _, _, problems = parse_file(Source("t", f"world w {{\n {said}\n}}"))
    assert [(p.code, p.span and p.span.text) for p in problems] == [(code, text)]


def test_offsets_go_through_escapes() -> None:
    tree, _ = tree_of('world w { guard g { "when" "a > \\u0031 and b > \\"x\\"" } }')
    scalar = at(tree, ("entry_guards", 0, "when"))
    assert isinstance(scalar, Scalar)
    assert scalar.value == 'a > 1 and b > "x"'
    assert scalar.place(4, 5).text == "\\u0031"
    expr, problems = parse_predicate(scalar)
    assert problems == ()
    assert expr is not None
    assert expr.right.left.span.text == "b"  # type: ignore[union-attr]


def test_conditions_stand_without_quotes_wherever_the_schema_wants_one() -> None:
    tree, problems = tree_of(
        "world w { chain a { when p > 1\n or q > 2; stay_when p > 0.5 and # why\n q[1] > 2; use x }; otherwise b { use x } }"
    )
    assert problems == ()
    assert plain(at(tree, ("chains", 0))) == {
        "when": "p > 1 or q > 2",
        "stay_when": "p > 0.5 and q[1] > 2",
        "strategies": ["x"],
        "name": "a",
    }


def test_an_expression_anywhere_else_lacks_its_quotes() -> None:
    _, problems = tree_of("world w { calendar p > 1 }")
    assert [(p.code, p.help) for p in problems] == [("Q0301", 'write "p > 1"')]


# ---- a broken statement does not hide the rest

BROKEN = """\
world w {
  calendar XNYS
  universe SPY QQQ
  chain a when p_chop > 0.5 { use ; exposure 40 }
  otherwise b { use x; exposur 40% }
  allow SPY: x
  risk { daily_los -2% }
}
"""


def test_the_other_mistakes_of_a_broken_block_are_found_without_cascades() -> None:
    _, (block,), problems = parse_file(Source("t", BROKEN))
    _, tree, more = block_to_tree(block, load_schema("world"))
    assert tree.entries == ()
    assert [(p.code, p.span and p.span.text) for p in problems] == [("Q0301", "QQQ"), ("Q0301", "")]
    assert [(p.code, p.span and p.span.text) for p in more] == [
        ("Q0206", "40"),
        ("Q0201", "exposur"),
        ("Q0201", "daily_los"),
    ]


@pytest.mark.parametrize(
    "text", ["world w { calendar XNYS\n risk { a 1\n", "world w { calendar XNYS }\n universe SPY }\n"]
)
def test_a_block_whose_braces_do_not_pair_is_left_out(text: str) -> None:
    _, blocks, problems = parse_file(Source("t", text))
    assert blocks == ()
    assert {p.code for p in problems} == {"Q0301"}


def test_a_list_that_is_not_closed_ends_with_its_line() -> None:
    text = "world w {\n universe [SPY, QQQ\n calendar XNYS\n parameters: {a: 1\n exchange x\n}\n"
    _, _, problems = parse_file(Source("t", text))
    assert [(p.code, str(p.span)) for p in problems] == [("Q0301", "t:2:20"), ("Q0301", "t:4:19")]


# ---- whatever stands there

PIECES = st.sampled_from(
    ["{", "}", "[", "]", ":", ",", ";", "\n", "~", "-", '"', '"x\\', "#", "when", "and", "key: {", "a b", "{a: 1}", "[1, ", "1e999",
     "9" * 20, "2025-01-01", "strategy x {", "world", "allow", "chain", "row {", "한글", "'", "@", "..", "\\", "\r", "\x00"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(BLOCK)), PIECES, st.integers(0, 6)), min_size=1, max_size=3))
def test_no_block_ends_in_a_traceback(edits: list[tuple[int, str, int]]) -> None:
    text = BLOCK
    for where, piece, cut in edits:
        text = text[:where] + piece + text[where + cut :]
    _, blocks, problems = parse_file(Source("t.qmtl", text))
    for block in blocks:
        if block.key.value == "world":
            _, tree, more = block_to_tree(block, load_schema("world"))
            problems += more
            if not problems:
                check(tree, "world")
    for problem in problems:
        assert problem.span is not None
        assert 0 <= problem.span.start <= problem.span.end <= len(text)
