"""The published schema of `--format json`: every output fits it, and a changed output would not."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from qmtl.cli.validate import validate
from qmtl.dsl.diagnostics import CODES, Label, problem
from qmtl.dsl.report.json import render_json
from qmtl.dsl.source import Source, Span

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads(files("qmtl.schemas").joinpath("diagnostics.v1.json").read_text(encoding="utf-8"))
PUBLISHED = Draft7Validator(SCHEMA)
PLACE = Span(Source("w.yaml", "a: b\n"), 3, 4)


def errors(value: Any) -> list[str]:
    return [error.message for error in PUBLISHED.iter_errors(value)]


def test_the_schema_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((ROOT / "tests/golden").glob("**/Q*.json")), ids=lambda p: str(p.stem))
def test_every_golden_of_a_code_fits(path: Path) -> None:
    assert errors(json.loads(path.read_text(encoding="utf-8"))) == []


def test_the_golden_of_the_planted_mistakes_fits() -> None:
    assert errors(json.loads((ROOT / "tests/golden/diagnostics/planted.json").read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("code", CODES)
def test_every_code_fits_with_a_place_and_without(code: str) -> None:
    whole = problem(code, "m", PLACE, label="l", labels=(Label(PLACE, "t"),), help="h")
    written = json.loads(render_json([whole, problem(code, "m", None, file="f")]))
    assert errors(written) == []
    kind = CODES[code][0]
    assert written["summary"] == {"errors": 0, "warnings": 0} | {f"{kind}s": 2}


@given(st.text(), st.text(min_size=1))
def test_any_text_fits(text: str, message: str) -> None:
    span = Span(Source(text, text), 0, len(text))
    assert errors(json.loads(render_json([problem("Q0203", message, span, label=text, help=text)]))) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("label"),
        lambda d: d.update(line=0),
        lambda d: d.update(code="E1"),
        lambda d: d.update(severity="info"),
        lambda d: d.update(end_line=None),
        lambda d: d.update(line=None),
        lambda d: d["labels"].append({"text": "t"}),
    ],
)
def test_the_schema_refuses_what_would_break_a_reader(spoil: Any) -> None:
    written = json.loads(render_json([problem("Q0203", "m", PLACE)]))
    assert errors(written) == []
    spoil(written["diagnostics"][0])
    assert errors(written)


def test_the_command_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("world: us\n")
    result = CliRunner().invoke(validate, [str(path), "--format", "json"])
    assert result.exit_code == 1
    assert errors(json.loads(result.output)) == []
