"""A brace forgotten or doubled in a strategy is one message; nothing is touched where braces pair up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lark import Token

from qmtl.dsl.braces import paired
from qmtl.dsl.parser import parse_file
from qmtl.dsl.source import Source

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "strategies").glob("*.qmtl"))}
CLOSING = [
    (name, match.start())
    for name, text in SHIPPED.items()
    for match in re.finditer(r"^[ ]*\}", text, re.MULTILINE)
    if text[match.start() : match.end()].strip()
]


def said(text: str) -> list[str]:
    return [d.message for d in parse_file(Source("s.qmtl", text))[2]]


@pytest.mark.parametrize(("name", "at"), CLOSING)
def test_one_brace_forgotten_is_one_message(name: str, at: int) -> None:
    text = SHIPPED[name]
    brace = text.index("}", at)
    messages = said(text[:brace] + text[brace + 1 :])
    assert len(messages) == 1, messages
    assert "}" in messages[0] or "never closed" in messages[0]


@pytest.mark.parametrize(("name", "at"), CLOSING)
def test_one_brace_too_many_is_one_message(name: str, at: int) -> None:
    text = SHIPPED[name]
    brace = text.index("}", at)
    assert said(text[:brace] + "}" + text[brace:]) == ["this `}` closes nothing"]


def test_the_message_shows_the_block_that_is_still_open() -> None:
    text = "strategy s {\n  style trend\n  on 60m {\n    a = close\n  long when a > close\n  size 100%\n}\n"
    definitions, _, (found,) = parse_file(Source("s.qmtl", text))
    assert found.message == "expected `}` before `long`"
    assert found.span is not None
    assert str(found.span) == "s.qmtl:5:3"
    assert str(found.labels[0].span) == "s.qmtl:3:10"
    assert [d.name.name for d in definitions] == ["s"]


@given(st.lists(st.sampled_from(["LBRACE", "RBRACE", "NAME", "NEWLINE", "EQUALS", "COMMENT"])), st.data())
def test_any_tokens_pass_and_none_is_lost_but_a_brace(kinds: list[str], data: st.DataObject) -> None:
    words = [data.draw(st.sampled_from(["strategy", "on", "long", "size", "x"])) if k == "NAME" else k for k in kinds]
    tokens = [Token(k, w, start_pos=i, end_pos=i + 1) for i, (k, w) in enumerate(zip(kinds, words, strict=True))]
    out, astray = paired(tokens)
    if kinds.count("LBRACE") == kinds.count("RBRACE"):
        assert out == tokens
        assert not astray
    kept = [token for token in out if any(token is before for before in tokens)]
    assert len(tokens) - len(kept) == sum(one.opened is None for one in astray)
    assert kept == [token for token in tokens if any(token is after for after in out)]
