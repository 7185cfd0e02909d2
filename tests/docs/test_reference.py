"""The reference pages are those that the schemas and tables give, complete, and every example in them compiles."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from qmtl.dsl.builtins import BUILTINS, FIELDS, MARKET, REGIME, STATEFUL
from qmtl.dsl.compile import validate
from qmtl.dsl.exprtext import spell
from qmtl.dsl.fieldtable import block_forms, field_reference, fields, kind_of
from qmtl.dsl.functiontable import LITERALS, OPERATORS, STATEMENTS, warm_up
from qmtl.dsl.lexing import HEADS
from qmtl.dsl.lowering import _OPS
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.reference import pages, typed
from qmtl.dsl.schema import KINDS, load_schema
from qmtl.dsl.source import Source, Span
from qmtl.dsl.syntax import Binary, Expr
from qmtl.dsl.tree import Scalar
from qmtl.engine.reasons import Reason
from qmtl.engine.reasontable import reason_reference

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
EXAMPLES = [*(b.example for b in BUILTINS.values()), *(form.example for form in (*OPERATORS, *LITERALS))]
WORLD = """\
version: 1
world: trial
calendar: XNYS
universe: [SPY, QQQ]
chains:
  - {name: all, otherwise: true, strategies: [STRATEGIES]}
allowlist: all
"""


def parsed(text: str) -> Expr:
    expr, problems = parse_predicate(Scalar(text, Span(Source("example", text), 0, len(text))))
    assert expr is not None, problems
    return expr


# ---- staleness


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_reference_is_fresh(name: str) -> None:
    """Refresh it with: make docs"""
    assert (REFERENCE / name).read_text(encoding="utf-8") == pages()[name], "run `make docs` and read the diff"


def test_the_list_of_reasons_is_fresh() -> None:
    assert (REFERENCE / "reasons.md").read_text(encoding="utf-8") == reason_reference(), "run `make docs`"


def test_every_reason_is_listed_once_with_its_text() -> None:
    page = reason_reference()
    for reason in Reason:
        assert page.count(f"| `{reason.code}` | {int(reason)} | {reason.text} |") == (reason is not Reason.NONE)
    assert not re.search(r"\| --- \|\n(?!\|)", page), "a group without a reason"


# ---- functions.md


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_the_example_of_a_function_uses_it(name: str) -> None:
    assert f"{name}(" in BUILTINS[name].example
    assert f"### {name}\n" in pages()["functions.md"]


def test_every_example_compiles_in_a_world(tmp_path: Path) -> None:
    """Not only its types: through lowering to a program."""
    names = []
    for number, example in enumerate(EXAMPLES):
        names.append(f"example_{number}")
        condition = (
            example if typed(example).partition(",")[0].endswith("condition") else f"({example}) > ({example})[1]"
        )
        text = f"strategy example_{number} {{\n  style trend\n  long when {condition}\n  size 100%\n}}\n"
        (tmp_path / "strategies").mkdir(exist_ok=True)
        (tmp_path / "strategies" / f"{names[-1]}.qmtl").write_text(text)
    (tmp_path / "worlds").mkdir()
    (tmp_path / "worlds" / "trial.yaml").write_text(WORLD.replace("STRATEGIES", ", ".join(names)))
    found = validate([tmp_path / "worlds"])
    assert not [(d.code, d.message, str(d.span)) for d in found.diagnostics if d.severity == "error"]
    assert found.documents


def test_every_operator_is_told() -> None:
    told = " ".join(form.written for form in OPERATORS)
    assert {op for op in (*_OPS, "??", "not", "for") if not re.search(rf"(?<!\S){re.escape(op)}(?!\w)", told)} == set()


_SAMPLES = {2: "??", 4: "*", 5: "+", 9: "and", 10: "or", 11: "at most"}


@pytest.mark.parametrize(("tighter", "looser"), [*itertools.combinations(sorted(_SAMPLES), 2)])
def test_operators_bind_as_told(tighter: int, looser: int) -> None:
    near, far = _SAMPLES[tighter], _SAMPLES[looser]
    for text in (f"a {near} b {far} c", f"a {far} b {near} c"):
        expr = parsed(text)
        assert isinstance(expr, Binary)
        assert expr.op == far, spell(expr)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("-x[1]", "-(x[1])"),
        ("-x ?? y", "-(x ?? y)"),
        ("-x * y", "(-x) * y"),
        ("x + y > z", "(x + y) > z"),
        ("x > y for 3 bars", "(x > y) for 3 bars"),
        ("not x > y for 3 bars", "not ((x > y) for 3 bars)"),
        ("not x > y and z > y", "(not (x > y)) and (z > y)"),
    ],
)
def test_the_other_levels_bind_as_told(text: str, same: str) -> None:
    assert spell(parsed(text)) == spell(parsed(same))


def test_every_statement_is_told() -> None:
    for kind, heads in HEADS.items():
        if kind in STATEMENTS:
            told = " ".join(written for written, _, _ in STATEMENTS[kind])
            assert {head for head in heads if not re.search(rf"\b{head}\b", told)} == set(), kind


def test_every_name_that_has_a_meaning_is_told() -> None:
    page = pages()["functions.md"]
    assert [name for name in (*FIELDS, *MARKET, *REGIME) if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("op", "told"),
    [("sma", "n bars"), ("roc", "n + 1 bars"), ("true_range", "2 bars"), ("abs", "none"), ("ratchet", "101 bars")],
)
def test_warm_ups_are_told_as_formulas_where_there_is_one(op: str, told: str) -> None:
    assert warm_up(op) == told


def test_other_warm_ups_are_told_for_two_lengths() -> None:
    assert warm_up("ema") == f"{STATEFUL['ema'](14) + 1} bars for n = 14, {STATEFUL['ema'](20) + 1} bars for n = 20"


def test_an_example_that_does_not_compile_is_refused() -> None:
    for wrong in ("sma(close)", "close >", "smaa(close, 3)"):
        with pytest.raises(ValueError, match=re.escape(wrong)):
            typed(wrong)


# ---- fields.md


def test_fields_of_a_small_schema_read_like_this() -> None:
    schema = {
        "description": "A thing.",
        "required": ["thing"],
        "properties": {
            "thing": {"type": "string", "x-expects": "a name", "description": "Name.", "examples": ["a"]},
            "size": {
                "type": "string",
                "x-unit": "ratio",
                "x-range": ["0%", "5%"],
                "default": "1%",
                "description": "Size | part.",
                "examples": ["2%"],
            },
            "rows": {"type": "array", "maxItems": 3, "items": {"$ref": "#/definitions/row"}, "description": "Rows."},
            "more": {"type": "object", "additionalProperties": {"$ref": "#/definitions/row"}, "description": "More."},
            "word": {
                "description": "Word.",
                "anyOf": [{"enum": ["all"]}, {"type": "array", "items": {"type": "string"}}],
            },
        },
        "definitions": {
            "row": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "description": "N."}}}
        },
        "x-qmtl": {"blocks": {"row": {"list": "rows", "name": "n", "head": {"when": "c"}, "set": {"x": True}}}},
    }
    lines = field_reference({"thing": schema}).splitlines()
    rows = [line for line in lines if line.startswith("| `")]
    assert rows == [
        "| `thing` | text | **required** | a name | Name. | `a` |",
        "| `size` | ratio (`3%`, `25bps`) | `1%` | `0%` to `5%` | Size \\| part. | `2%` |",
        "| `rows` | list of map | none | at most 3 entries | Rows. |  |",
        "| `rows[].n` | whole number | none | 1 or more | N. |  |",
        "| `more` | map NAME -> map | none |  | More. |  |",
        "| `more.NAME.n` | whole number | none | 1 or more | N. |  |",
        "| `word` | choice or list of text | none | `all` | Word. |  |",
    ]
    assert lines[-1] == "- `row N when C { ... }` is an entry of the list `rows` with `x: true`"


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_a_schema_is_told(kind: str) -> None:
    schema = load_schema(kind)
    section = pages()["fields.md"].partition(f"\n## {kind}\n")[2].partition("\n## ")[0]
    told = set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))
    assert told == {field.path for field in fields(schema)}
    assert set(schema["properties"]) <= told
    assert all(kind_of(schema, field.schema) != "any value" for field in fields(schema))
    for word in schema.get("x-qmtl", {}).get("blocks", {}):
        assert any(form.startswith(f"`{word} ") for form in block_forms(schema)), word


def test_what_an_if_says_about_keys_is_told_in_words() -> None:
    schema = {
        "description": "A thing.",
        "properties": {key: {"type": "string", "description": f"{key}."} for key in ("kind", "a", "b", "c", "d")},
        "allOf": [
            {
                "if": {"properties": {"kind": {"enum": ["x", "y"]}}, "required": ["kind"]},
                "then": {"required": ["a"], "properties": {"b": {"not": {}}}},
                "else": {"properties": {"a": {"not": {}}}},
            },
            {"if": {"required": ["c"]}, "then": {}, "else": {"required": ["d"]}},
        ],
    }
    told = {field.path: field.note for field in fields(schema)}
    assert told == {
        "kind": "",
        "a": "Required with `kind: x` or `kind: y`. Only with `kind: x` or `kind: y`.",
        "b": "Not with `kind: x` or `kind: y`.",
        "c": "",
        "d": "Required without `c`.",
    }


def test_what_was_told_already_is_not_told_again() -> None:
    inside = {"type": "object", "properties": {"n": {"type": "integer", "description": "N."}}}
    schema = {
        "description": "A thing.",
        "properties": {key: {**inside, "description": f"{key}."} for key in ("a", "b")},
    }
    assert [(field.path, field.note) for field in fields(schema)] == [
        ("a", ""),
        ("a.n", ""),
        ("b", "Inside: as in `a`."),
    ]
