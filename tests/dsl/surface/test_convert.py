"""Both ways between the surfaces: no value and no comment is lost, and a second round changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qmtl.dsl.blocks import block_to_tree
from qmtl.dsl.compile import compile_world
from qmtl.dsl.documents import identify, load_file
from qmtl.dsl.identity import program_id
from qmtl.dsl.parser import parse_file
from qmtl.dsl.schema import KINDS, load_schema
from qmtl.dsl.schemashape import alternatives, resolved
from qmtl.dsl.source import Source, Span
from qmtl.dsl.surface.attach import Attached, attach
from qmtl.dsl.surface.blockwriter import to_block
from qmtl.dsl.surface.comments import comments
from qmtl.dsl.surface.convert import Converted, read_text, to_qmtl, to_yaml_files
from qmtl.dsl.surface.yamlwriter import to_yaml
from qmtl.dsl.tree import Entry, Map, Node, Scalar, Seq, plain
from qmtl.dsl.yamltree import read_yaml

from ...thorough import often

ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (
        *(p for folder in ("worlds", "tests/golden/worlds", "qmtl/starter") for p in (ROOT / folder).rglob("*.*")),
        ROOT / "demo.yaml",
        ROOT / "prod.yaml",
        ROOT / "recorded.yaml",
    )
    if path.suffix in {".yaml", ".qmtl"} and load_file(path).documents and not load_file(path).definitions
)
MODELINE = "yaml-language-server:"


def texts(name: str, text: str) -> list[str]:
    """The comments of a text, without the editor's line that YAML alone has."""
    found = [c.text for c in comments(Source(name, text))]
    if found and found[0].startswith(MODELINE):
        found = found[2 if len(found) > 1 and not found[1] else 1 :]
    return found


def other(path: Path) -> tuple[Converted, ...]:
    loaded = load_file(path)
    assert loaded.diagnostics == ()
    return to_yaml_files(loaded) if path.suffix == ".qmtl" else to_qmtl(loaded)


def rounds(path: Path) -> list[Path]:
    """The file itself and what four conversions in a row make of it, side by side."""
    found = [path]
    for number in range(4):
        (made,) = other(found[-1])
        target = path.with_name(f"{number}_{made.name}")
        target.write_text(made.text, encoding="utf-8")
        found.append(target)
    return found


def values(path: Path) -> list[object]:
    return [plain(document.tree) for document in load_file(path).documents]


# ---- what is shipped


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the repository's texts."""
    for folder in ("worlds", "strategies", "schemas", "tests/golden/worlds", "qmtl/starter"):
        if (ROOT / folder).exists():
            shutil.copytree(ROOT / folder, tmp_path / folder)
    for name in ("demo.yaml", "prod.yaml", "recorded.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_file_goes_round(name: str, tree: Path) -> None:
    path = tree / name
    made = other(path)
    if len(made) > 1:
        pieces = [path.with_name(f"piece_{one.name}") for one in made]
        for piece, one in zip(pieces, made, strict=True):
            piece.write_text(one.text, encoding="utf-8")
        assert [value for piece in pieces for value in values(piece)] == values(path)
        found = [text for piece in pieces for text in texts(piece.name, piece.read_text("utf-8"))]
        assert found == texts(path.name, path.read_text("utf-8"))
    for start in pieces if len(made) > 1 else [path]:
        goes_round(start)


def goes_round(path: Path) -> None:
    steps = rounds(path)
    assert all(values(step) == values(path) for step in steps)
    assert all(texts(s.name, s.read_text("utf-8")) == texts(path.name, path.read_text("utf-8")) for s in steps)
    assert steps[1].read_bytes() == steps[3].read_bytes()
    assert steps[2].read_bytes() == steps[4].read_bytes()


@pytest.mark.parametrize("name", ["worlds/us_core.yaml", "worlds/tail_hedge.qmtl"])
def test_a_converted_world_is_the_same_program(name: str, tree: Path) -> None:
    path = tree / name
    before = compile_world(path).program
    (made,) = other(path)
    path.unlink()
    target = path.with_name(made.name)
    target.write_text(made.text, encoding="utf-8")
    after = compile_world(target).program
    assert before is not None
    assert after is not None
    assert program_id(before) == program_id(after)


def test_us_core_in_blocks(golden: Callable[[str, str], None], tree: Path) -> None:
    path = tree / "worlds/us_core.yaml"
    (made,) = other(path)
    golden("convert/us_core.qmtl", made.text)
    back = path.with_name("back.qmtl")
    back.write_text(made.text, encoding="utf-8")
    golden("convert/us_core.yaml", other(back)[0].text)


# ---- anything that a schema allows

CONDITIONS = st.sampled_from(
    ["a > 1", "p_chop >= 0.50 and not (x < 2% or vix.close crosses above 20)", "sma(close, 3)[1]@60m > 5 for 3 bars",
     "a", "true", "1", '"text"', "a.b ?? -1 > 2", "no > # x", "2 +", "a\n  and b", 'x == "a  b"', "~", "{"]
)  # fmt: skip
ODD = st.text(
    st.one_of(st.sampled_from("ab 1.:-#'\"\\[]{},&*!|>%@`?=~<;/\n\t\r\x00\x07\x85\xa0\u2028\ufeff한글😀é"), st.characters(codec="utf-8")),
    max_size=12,
)  # fmt: skip
USUAL = st.sampled_from(
    ["ON", "NO", "y", "true", "null", "~", "16:00", "010", "1_000", "100_000 USD", "2%", "-2%", "- 2%", "60m", "5x",
     "2025-09-02", "2026-01-06T15:30-05:00", "500+0.5x200", "BRK.B", "7A", "a/b.csv", "when", "and", "most", "crosses",
     "0x1F", "1e5", "1.", ".5", "+5", "=", "<<", "- a", "a: b", "a #b", "#b", "strategy", "one\ntwo", "one\n two\n",
     "a long text " * 15, "Infinity", ".inf", "%d", "at", "  ", "", "'", '"', "\\", "\\n", "0o17", "-", "?", ":", "[]"]
)  # fmt: skip
TEXT = st.one_of(USUAL, ODD)
NUMBER = st.one_of(st.integers(-(10**17), 10**17), st.floats(allow_nan=False, allow_infinity=False))


def of_schema(root: Any, schema: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of the shape that a schema gives; texts are whatever can be typed."""
    options = [resolved(root, option) for option in alternatives(root, resolved(root, schema))]
    return st.one_of([found for option in options for found in _of_one(root, option, depth)])


def _of_one(root: Any, schema: Any, depth: int) -> list[st.SearchStrategy[Any]]:
    if "enum" in schema:
        return [st.sampled_from(schema["enum"])]
    if "const" in schema:
        return [st.just(schema["const"])]
    kinds = schema.get("type", "object" if "properties" in schema else "array" if "items" in schema else "string")
    found: list[st.SearchStrategy[Any]] = []
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "string":
            found.append(CONDITIONS if schema.get("x-type") == "predicate" else TEXT)
        elif kind in {"number", "integer"}:
            found.append(NUMBER)
        elif kind == "boolean":
            found.append(st.booleans())
        elif kind == "null":
            found.append(st.none())
        elif kind == "array":
            found.append(st.lists(of_schema(root, schema.get("items", {}), depth + 1), max_size=3))
        else:
            found.append(_of_object(root, schema, depth))
    return found


def _of_object(root: Any, schema: Any, depth: int) -> st.SearchStrategy[Any]:
    fixed = {
        key: st.one_of(st.none(), of_schema(root, inner, depth + 1)) if depth < 9 else st.none()
        for key, inner in schema.get("properties", {}).items()
    }
    free = schema.get("additionalProperties", not fixed)
    named = st.fixed_dictionaries({}, optional=fixed)
    if free is False or depth > 8:
        return named
    inner = of_schema(root, free, depth + 1) if isinstance(free, dict) else TEXT
    return st.tuples(named, st.dictionaries(TEXT, inner, max_size=3)).map(lambda pair: {**pair[1], **pair[0]})


def node_of(value: Any, span: Span) -> Node:
    if isinstance(value, dict):
        return Map(tuple(Entry(key, span, node_of(inner, span)) for key, inner in value.items()), span)
    if isinstance(value, list):
        return Seq(tuple(node_of(item, span) for item in value), span)
    return Scalar(value, span)


SPAN = Span(Source("made", ""), 0, 0)
NONE = Attached({})


def exact(value: object) -> object:
    """Values with their types: 1, 1.0 and true are three different things. Blanks in conditions mean nothing."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exact(item) for item in value]
    return (
        type(value).__name__,
        " ".join(value.split()) if isinstance(value, str) and value[:1] == "a" else repr(value),
    )


def both(kind: str, document: dict[str, Any]) -> tuple[str, str]:
    tree = node_of(document, SPAN)
    assert isinstance(tree, Map)
    schema = load_schema(kind)
    return to_yaml(tree, schema, NONE), to_block(tree, kind, schema, NONE)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=often(60), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_any_document_goes_to_both_surfaces(kind: str, data: st.DataObject) -> None:
    schema = load_schema(kind)
    document = data.draw(of_schema(schema, schema))
    document = {kind: data.draw(TEXT), **{key: value for key, value in document.items() if key != kind}}
    yaml_text, block_text = both(kind, document)
    root, problems = read_yaml(Source("t.yaml", yaml_text))
    assert problems == (), yaml_text
    assert root is not None
    assert exact(plain(root)) == exact(document), yaml_text
    _, (block,), problems = parse_file(Source("t.qmtl", block_text))
    assert problems == (), block_text
    _, tree, problems = block_to_tree(block, schema)
    assert problems == (), block_text
    assert exact(plain(tree)) == exact(document), block_text


@given(TEXT)
@example("\ufeff")
def test_any_text_is_the_same_for_readers_of_yaml_1_1(text: str) -> None:
    import yaml

    yaml_text, _ = both("world", {"world": "w", "description": text, "sectors": {text or "x": text}})
    read = yaml.safe_load(yaml_text)
    assert read["description"] == text
    assert read["sectors"] == {text or "x": text}


# ---- comments

WORLD = """\
version: 1
world: w
universe: [SPY,
  QQQ]
bars:
  - 15m
  - 60m
regime: {source: heuristic,
  neutral_after: 4}
chains:
  - name: a
    when: >-
      p_chop > 0.5
      and p_high_vol > 1
    strategies: [x]
  - name: b
    when: p_chop > 0.5
    strategies:
      - y

  - {name: c, otherwise: true,
     strategies: [z]}
allowlist:
  SPY: [x]
  QQQ: [x, y]
parameters:
  x:
    default: {fast: 1}
    by_symbol:
      SPY: {fast: 2}
risk:
  daily_loss: -2%
capital: 60%
""".splitlines()
#: inside the folded block
NO_TAIL = {12, 13}


@settings(max_examples=often(250), deadline=None)
@given(
    st.dictionaries(st.integers(0, len(WORLD)), st.sampled_from([0, 1, 2, 4, 6, 8]), max_size=5),
    st.sets(st.integers(0, len(WORLD) - 1), max_size=5),
    st.sets(st.integers(0, len(WORLD)), max_size=3),
)
def test_comments_anywhere_are_kept_in_order(alone: dict[int, int], behind: set[int], blank: set[int]) -> None:
    lines = []
    for number, line in enumerate([*WORLD, ""]):
        if number in blank and number not in NO_TAIL:
            lines.append("")
        if number in alone and number not in NO_TAIL:
            lines.append(" " * alone[number] + f"# alone {number}")
        lines.append(line + (f"  # behind {number}" if number in behind and number not in NO_TAIL else ""))
    text = "\n".join(lines)
    assert_kept("w.yaml", text)


def convert_text(name: str, text: str) -> tuple[str, str]:
    document = read_text(text, name)
    assert document is not None, text
    schema = load_schema(document.kind)
    bracketed = name.endswith(".qmtl")
    attached = attach(document.tree, comments(Source(name, text)), bracketed=bracketed)
    if bracketed:
        return "w.yaml", to_yaml(document.tree, schema, attached)
    return "w.qmtl", to_block(document.tree, document.kind, schema, attached)


def assert_kept(name: str, text: str) -> None:
    wanted = texts(name, text)
    steps = [(name, text)]
    for _ in range(4):
        steps.append(convert_text(*steps[-1]))
        assert texts(*steps[-1]) == wanted, f"{text}\n=====\n{steps[-2][1]}\n=====\n{steps[-1][1]}"
    assert steps[1] == steps[3], f"{steps[1][1]}\n=====\n{steps[3][1]}"
    assert steps[2] == steps[4]


BLOCKS = """\
# top

world w { # head
  # above
  universe SPY, # one
           # between
           QQQ # two
  # regime
  regime { # inside
    source heuristic # value
    # end of regime
  } # behind brace
  chain a when p_chop > # half
    # and below
    0.5 { # head of a
    # first
    use x; exposure 40% # both
  }
  # b
  otherwise b { use y } # one line
  # allow
  allow SPY: x # spy
  # qqq
  allow QQQ: x, y
  bars [ # open
    15m # first rate
    , 60m
    # end of list
  ]
  # last
}
# after
"""


@pytest.mark.parametrize(
    "text",
    [
        BLOCKS,
        "world w {\n guard g when a > 1 { block entries } # one\n allow SPY: x # two\n parameters a { default { b 1 } } # three\n}",
        "world w { # head\n version 1 # one\n hysteresis { a { b 0 } } # two\n # end\n} # behind\n# after",
        "world w {\n chain a\n  # above\n  when p > # in\n 1 # behind\n { use x }\n}",
    ],
)
def test_comments_in_odd_places_of_blocks(text: str) -> None:
    assert_kept("w.qmtl", text)


def test_several_documents_become_several_files(tmp_path: Path) -> None:
    path = tmp_path / "all.qmtl"
    path.write_text("# of a\nexchange a {\n  lot_size 1\n} # end of a\n\n# of b\nexchange b { lot_size 2 }\n# last\n")
    made = other(path)
    assert [(m.name, texts("t.yaml", m.text)) for m in made] == [
        ("a.yaml", ["of a", "end of a"]),
        ("b.yaml", ["of b", "last"]),
    ]


def test_the_modeline_follows_the_folder(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    path = deep / "x.qmtl"
    path.write_text("# about\nexchange a { lot_size 1 }\n")
    (made,) = other(path)
    assert made.text.startswith("# yaml-language-server: $schema=../../schemas/exchange.v1.json\n#\n# about\n")
    (deep / "a.yaml").write_text(made.text)
    assert other(deep / "a.yaml")[0].text.startswith("# about\nexchange a {")


def test_identify_reads_what_was_written() -> None:
    root, _ = read_yaml(Source("t.yaml", both("exchange", {"exchange": "x", "lot_size": 1})[0]))
    assert isinstance(root, Map)
    assert identify(root, Source("t.yaml", ""))[0] is not None
