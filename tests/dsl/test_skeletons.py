"""A tree that is known by the types of its tokens is the tree that parsing gives; the shipped tables are the grammar's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Token, Tree

from qmtl.dsl import parser, tables
from qmtl.dsl.lexing import Postlex, arrange_predicate
from qmtl.dsl.parser import built, grammar, language, parse_file, parse_predicate
from qmtl.dsl.recovery import read
from qmtl.dsl.skeletons import Skeletons
from qmtl.dsl.source import Source, Span
from qmtl.dsl.tree import Scalar

from .corpus import ROOT

TABLES = ROOT / "dsl" / tables.FILE
ATOMS = st.sampled_from(
    ["p_chop", "close", "0.5", "3%", "sma(close, 20)", "vix.close", "max(a, b, 2)", "x[3]", "y@60m", "true"]
)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger expressions, well typed or not: only the grammar matters here."""
    pairs = st.tuples(
        inner, st.sampled_from([" > ", " >= ", " and ", " or ", " + ", "*", " / ", " ?? ", " crosses above "]), inner
    )
    return st.one_of(
        pairs.map("".join), inner.map("({})".format), inner.map("not {}".format), inner.map("-{}".format), inner.map("{} for 3 bars".format)
    )  # fmt: skip


def same(one: Tree[Token], other: Tree[Token]) -> bool:
    """Equal in everything that the builder looks at: names, tokens, places."""
    if (
        str(one.data) != str(other.data)
        or one.meta.empty != other.meta.empty
        or len(one.children) != len(other.children)
    ):
        return False
    if not one.meta.empty and (one.meta.start_pos, one.meta.end_pos) != (other.meta.start_pos, other.meta.end_pos):
        return False
    return all(
        same(a, b) if isinstance(a, Tree) and isinstance(b, Tree) else a is b
        for a, b in zip(one.children, other.children, strict=True)
    )


def tokens_of(text: str) -> list[Token]:
    return arrange_predicate(parser._lexed(text), len(text), 100).tokens


@given(texts=st.lists(st.recursive(ATOMS, joined, max_leaves=6), min_size=2, max_size=8))
@settings(max_examples=150, deadline=None)
def test_a_known_tree_is_the_parsed_tree(texts: list[str]) -> None:
    kept = Skeletons()
    for text in texts:
        tokens = tokens_of(text)
        parsed, failures = read(language(), tokens, "predicate")
        if parsed is None or failures:
            assert kept.tree(tokens) is None
            continue
        known = kept.tree(tokens)
        assert known is None or same(known, parsed)
        kept.keep(tokens, parsed)
        again = kept.tree(tokens)
        assert again is not None
        assert same(again, parsed)


def test_conditions_of_the_same_form_have_their_own_names_and_places() -> None:
    def parsed(text: str) -> tuple[object, ...]:
        found = parse_predicate(Scalar(text, Span(Source("t", text), 0, len(text)), range(len(text) + 1)))
        assert found[0] is not None
        return (found[0].span.text, found[0].left.name, found[0].right.value)  # type: ignore[union-attr]

    assert parsed("p_chop  >= 0.5") == ("p_chop  >= 0.5", "p_chop", 0.5)
    assert parsed("p_high_vol >= 0.25") == ("p_high_vol >= 0.25", "p_high_vol", 0.25)


def test_what_is_kept_is_bounded() -> None:
    kept = Skeletons()
    long = tokens_of(" and ".join(["p_chop > 0.5"] * 100))
    tree, _ = read(language(), long, "predicate")
    assert tree is not None
    kept.keep(long, tree)
    assert kept.tree(long) is None


def test_the_shipped_tables_are_those_of_the_grammar(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        TABLES.write_text(tables.spelled(built(), grammar()))
    assert tables.load(grammar(), Postlex()) is not None, "the grammar was edited: run pytest --update-golden"


def test_shipped_tables_parse_as_the_grammar_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shipped file, and every prefix of one: the broken texts take other ways through the tables."""
    files = [*sorted((ROOT / "strategies").glob("*.qmtl")), *sorted((ROOT / "worlds").glob("*.qmtl"))]
    texts = [file.read_text() for file in files]
    texts += [texts[0][:at] for at in range(0, len(texts[0]), 29)]
    fresh = tables.load(grammar(), Postlex())
    assert fresh is not None
    monkeypatch.setattr(parser, "language", lambda: fresh)
    shipped = [parse_file(Source("t", text)) for text in texts]
    slow = built()
    monkeypatch.setattr(parser, "language", lambda: slow)
    assert [parse_file(Source("t", text)) for text in texts] == shipped


@pytest.mark.parametrize("wrong", ["", "[]", "{}", '{"made_from": "of another grammar"}', "\x00"])
def test_tables_that_are_not_those_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str) -> None:
    (tmp_path / tables.FILE).write_text(wrong)
    monkeypatch.setattr(tables, "__file__", str(tmp_path / "tables.py"))
    assert tables.load(grammar(), Postlex()) is None
    (tmp_path / tables.FILE).unlink()
    assert tables.load(grammar(), Postlex()) is None


def test_tables_of_another_lark_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lark.__version__", "0.0")
    assert tables.load(grammar(), Postlex()) is None
    assert json.loads(TABLES.read_text())["made_from"]
