"""YAML 1.2 core with spans: what plain scalars mean, what is refused, and where every character stands."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from qmtl.dsl.diagnostics import Diagnostic
from qmtl.dsl.source import Source
from qmtl.dsl.tree import Map, Node, Scalar, Seq, plain
from qmtl.dsl.yamltree import NESTING, read_yaml

PARSERS = [pytest.param(yaml.CLoader, id="C"), pytest.param(yaml.Loader, id="python")]
Loader = Callable[[str], Any]


def read(text: str, loader: Loader | None = None) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    return read_yaml(Source("w.yaml", text), loader)


def value_of(text: str) -> object:
    tree, problems = read(f"key: {text}\n")
    assert not problems
    assert isinstance(tree, Map)
    node = tree.get("key")
    assert isinstance(node, Scalar)
    return node.value


def codes(problems: tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    return [(d.code, str(d.span).removeprefix("w.yaml:")) for d in problems]


@pytest.mark.parametrize(
    "text",
    [
        "ON",
        "NO",
        "on",
        "no",
        "yes",
        "Yes",
        "off",
        "y",
        "n",
        "16:00",
        "1:30:00",
        "2026-01-02",
        "tRUE",
        "100_000",
        "0b1",
        "+",
        "-x",
        ".",
        "1e",
        "<<a",
    ],
)
def test_words_of_yaml_1_1_stay_text(text: str) -> None:
    assert value_of(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("null", None), ("~", None), ("", None), ("010", 10), ("0o10", 8), ("0x1F", 31),
     ("-7", -7), ("+7", 7), ("0.07", 0.07), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("'5'", "5"), ('"true"', "true"), ('""', "")],
)  # fmt: skip
def test_the_core_schema(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", [".nan", ".inf", "-.INF", "1e999", "9" * 19, "9" * 5000])
def test_numbers_that_are_not_finite_or_too_long_are_refused(text: str) -> None:
    _, problems = read(f"key: {text}\n")
    assert codes(problems) == [("Q0205", "1:6")]


def test_a_duplicate_key_shows_both_places_and_keeps_the_first() -> None:
    tree, problems = read("a: 1\nb: {c: 1, c: 2}\na: 3\n")
    assert tree is not None
    assert plain(tree) == {"a": 1, "b": {"c": 1}}
    assert codes(problems) == [("Q0106", "2:11"), ("Q0106", "3:1")]
    assert [str(d.labels[0].span) for d in problems] == ["w.yaml:2:5", "w.yaml:1:1"]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: &x 1\n", "Q0107", "1:4"),
        ("a: *x\n", "Q0107", "1:4"),
        ("a: !!str 1\n", "Q0107", "1:4"),
        ("a: ! 1\n", "Q0107", "1:4"),
        ("a: !t [1]\n", "Q0107", "1:4"),
        ("<<: {a: 1}\n", "Q0107", "1:1"),
        ("a: 1\n---\nb: 2\n", "Q0108", "2:1"),
        ("5: a\n", "Q0110", "1:1"),
        ("true: a\n", "Q0110", "1:1"),
        ("[a]: b\n", "Q0110", "1:1"),
        ("? \n: b\n", "Q0110", "1:2"),
        ("", "Q0103", "1:1"),
        ("# only a comment\n", "Q0103", "1:1"),
        ("---\n", "Q0103", "1:1"),
        ("a: [1\n", "Q0105", "2:1"),
        ("a: b: c\n", "Q0105", "1:5"),
        ('a: "x\n', "Q0105", "1:4"),
        ("a:\n\tb: 1\n", "Q0105", "2:1"),
        ("a: @b\n", "Q0105", "1:4"),
        ("a: \x07\n", "Q0105", "1:4"),
        ("a: 1\u2028b: 2\n", "Q0105", "1:5"),
        ("a: 1\rb: 2\r", "Q0105", "1:5"),
    ],
)
def test_what_is_not_part_of_the_language_has_a_code_and_a_place(text: str, code: str, place: str) -> None:
    _, problems = read(text)
    assert codes(problems) == [(code, place)]


def test_a_tab_is_named_where_it_stands() -> None:
    _, (found,) = read("a:\n  b: 1\n\tc: 2\n")
    assert found.span is not None
    assert str(found.span) == "w.yaml:3:1"
    assert "tab" in found.help


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a:\n"])
def test_deep_nesting_is_refused_quickly(loader: Loader, opening: str) -> None:
    text = opening * 100_000 if opening != "a:\n" else "".join(" " * i + "a:\n" for i in range(1000))
    started = time.perf_counter()
    tree, problems = read(text, loader)
    assert time.perf_counter() - started < 2
    assert tree is None
    assert [d.code for d in problems] == ["Q0104"]


def test_the_deepest_allowed_nesting_is_read() -> None:
    tree, problems = read("[" * NESTING + "]" * NESTING)
    assert tree is not None
    assert not problems
    assert [d.code for d in read("[" * (NESTING + 1) + "]" * (NESTING + 1))[1]] == ["Q0104"]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "? " * 500_000,
        "- " * 500_000,
        '"' + "\\" * 1_000_001,
        "&a " * 300_000,
        "!" * 1_000_000,
        "|" + "\n" * 1_000_000,
    ],
)
def test_a_megabyte_of_anything_gives_an_answer(text: str) -> None:
    started = time.process_time()  # others may use the machine too
    read(text)
    assert time.process_time() - started < 5


def test_spans_end_with_the_value_and_not_with_the_blank_lines_behind() -> None:
    source = Source("w.yaml", "a:\n  - x\n  - y\n\n\nb: {c: d}  # note\n")
    tree, _ = read_yaml(source)
    assert isinstance(tree, Map)
    assert [entry.value.span.text for entry in tree] == ["- x\n  - y", "{c: d}"]
    assert tree.span.text == source.text.rstrip().removesuffix("  # note")


def test_crlf_and_a_byte_order_mark_do_not_move_columns() -> None:
    tree, problems = read("a: 1\r\nb: >-\r\n  x\r\n  y\r\nc: z\r\n")
    assert not problems
    assert isinstance(tree, Map)
    assert plain(tree) == {"a": 1, "b": "x y", "c": "z"}
    assert [str(e.key_span) for e in tree] == ["w.yaml:1:1", "w.yaml:2:1", "w.yaml:5:1"]


# ---- offsets: every character of a string knows where it stands

FOLDED = """\
chains:
  - name: 수비
    when: >-
      p_high_vol >= 0.40
        and indented

      or p_trend_down > 0.45 # not a comment
    doc: |+
      첫 줄 🎉

      last

    two: |2
        kept
       less
    plain: one
      two

      three
    single: 'it''s
      folded  '
    double: "a\\tb \\u0041\\
       joined

       엔비디아 🎉"
"""


def scalars(node: Node) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    children = node.items if isinstance(node, Seq) else tuple(entry.value for entry in node)
    return [scalar for child in children for scalar in scalars(child)]


def assert_offsets_hold(scalar: Scalar) -> None:
    """Every character of the value stands at its offset, but for folded newlines and escapes."""
    text = scalar.span.source.text
    assert isinstance(scalar.value, str)
    assert len(scalar.offsets) == len(scalar.value) + 1
    assert list(scalar.offsets) == sorted(scalar.offsets)
    for char, at in zip(scalar.value, scalar.offsets, strict=False):
        folded = char in " \n" and text[at] in "\r\n"
        assert folded or text[at] == char or text[at] == "\\", (scalar.value, char, text[at : at + 5])


@pytest.mark.parametrize("loader", PARSERS)
@pytest.mark.parametrize("text", [FOLDED, FOLDED.replace("\n", "\r\n")], ids=["LF", "CRLF"])
def test_offsets_through_every_style(text: str, loader: Loader) -> None:
    tree, problems = read(text, loader)
    assert not problems
    assert tree is not None
    found = scalars(tree)
    assert len(found) == 7
    for scalar in found:
        assert_offsets_hold(scalar)


def test_a_word_inside_a_folded_block_is_found_in_the_file() -> None:
    tree, _ = read(FOLDED)
    assert tree is not None
    when = scalars(tree)[1]
    assert isinstance(when.value, str)
    at = when.value.index("p_trend_down")
    place = when.place(at, at + len("p_trend_down"))
    assert place.text == "p_trend_down"
    assert str(place) == "w.yaml:7:10"
    assert str(when.place(len(when.value), len(when.value))) == "w.yaml:7:45"


letters = st.sampled_from("ab >:#'\"\\\t\n\n  é한🎉-|%&*!@,[]{}")
contents = st.text(letters, max_size=40)


@given(contents, st.sampled_from([yaml.CLoader, yaml.Loader]), st.booleans())
def test_offsets_of_quoted_scalars(content: str, loader: Loader, crlf: bool) -> None:
    single = "'" + content.replace("'", "''").replace("\n", "\n  ") + "'"
    double = '"' + content.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\n  ") + '"'
    text = f"k:\n  - {single}\n  - {double}\n"
    tree, problems = read(text.replace("\n", "\r\n") if crlf else text, loader)
    assume(not problems)
    assert tree is not None
    for scalar in scalars(tree):
        assert_offsets_hold(scalar)


@given(
    contents,
    st.sampled_from(["|", ">", "|-", ">-", "|+", ">+", "|2", ">2-", "|+1 # note"]),
    st.sampled_from([yaml.CLoader, yaml.Loader]),
    st.booleans(),
)
def test_offsets_of_block_scalars(content: str, header: str, loader: Loader, crlf: bool) -> None:
    body = "".join(f"    {line}".rstrip(" ") + "\n" if line.strip() else "\n" for line in content.split("\n"))
    text = f"a:\n  k: {header}\n{body}  z: end\n"
    tree, problems = read(text.replace("\n", "\r\n") if crlf else text, loader)
    assume(not problems)
    assert tree is not None
    found = [s for s in scalars(tree) if isinstance(s.value, str)]
    assert found
    for scalar in found:
        assert_offsets_hold(scalar)


@given(
    st.lists(st.text("abz.>=<()%", min_size=1, max_size=6), min_size=1, max_size=6),
    st.lists(st.sampled_from([" ", "\n  ", "\n\n  ", "  \n   "]), min_size=6, max_size=6),
)
def test_offsets_of_plain_scalars(words: list[str], gaps: list[str]) -> None:
    body = "".join(w + g for w, g in zip(words, gaps, strict=False)).strip()
    tree, problems = read(f"k: x{body}\n")
    assume(not problems)
    assert isinstance(tree, Map)
    for scalar in scalars(tree):
        assert_offsets_hold(scalar)


@given(st.text(max_size=60))
def test_any_text_gives_a_tree_or_a_reason(text: str) -> None:
    tree, problems = read(text)
    assert tree is not None or problems


@given(st.text("ab:-[]{}#&*!|>'\"%\n ?,", max_size=40))
def test_anything_that_looks_like_yaml_gives_a_tree_or_a_reason(text: str) -> None:
    for loader in (yaml.CLoader, yaml.Loader):
        tree, problems = read(text, loader)
        assert tree is not None or problems
