"""Diagnostics as people and programs read them: carets under the exact letters, nothing a terminal would obey."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.cells import harmless, width
from qmtl.dsl.diagnostics import Diagnostic, Label, problem
from qmtl.dsl.report.json import render_json
from qmtl.dsl.report.text import render_text, summary
from qmtl.dsl.source import Source, Span


def span(text: str, word: str, name: str = "worlds/us_core.yaml", nth: int = 0) -> Span:
    at = -1
    for _ in range(nth + 1):
        at = text.index(word, at + 1)
    return Span(Source(name, text), at, at + len(word))


def shown(diagnostic: Diagnostic) -> str:
    return render_text([diagnostic]).removesuffix(f"\n\n1 error\nfor more: qmtl explain {diagnostic.code}\n")


def test_the_sample_of_the_language_text() -> None:
    text = "\n" * 11 + "      and vix.close < 30m\n"
    found = problem(
        "Q0410",
        "cannot compare price with duration",
        span(text, "<"),
        labels=(Label(span(text, "vix.close"), "this is a price"), Label(span(text, "30m"), "this is a duration")),
        help="did you mean the number `30`?",
    )
    assert shown(found) == (
        "error[Q0410]: cannot compare price with duration\n"
        "  --> worlds/us_core.yaml:12:21\n"
        "   |\n"
        "12 |       and vix.close < 30m\n"
        "   |           --------- ^ --- this is a duration\n"
        "   |           this is a price\n"
        "   |\n"
        "   = help: did you mean the number `30`?"
    )


def test_carets_are_measured_in_cells_beside_hangul_and_emoji() -> None:
    text = 'name: "엔비디아 🎉" !\n'
    lines = shown(problem("Q0203", "m", span(text, "!"))).splitlines()
    assert width(lines[-2].partition("!")[0]) == width(lines[-1].partition("^")[0])
    wide = shown(problem("Q0203", "m", span(text, "비디"))).splitlines()[-1]
    assert wide.endswith("|          ^^^^")


def test_three_labels_on_a_line_are_written_right_to_left() -> None:
    text = "aa bb cc dd\n"
    found = problem(
        "Q0401",
        "m",
        span(text, "dd"),
        label="four",
        labels=tuple(Label(span(text, w), w * 2) for w in ("aa", "bb", "cc")),
    )
    assert shown(found).splitlines()[4:] == ["  | -- -- -- ^^ four", "  | |  |  cccc", "  | |  bbbb", "  | aaaa"]


def test_places_in_other_lines_and_other_files_are_shown() -> None:
    text = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\na: 6\n"
    other = span("x: 1\n", "x", "other.yaml")
    found = problem(
        "Q0106",
        "m",
        span(text, "a", nth=1),
        label="again",
        labels=(Label(span(text, "a"), "first here"), Label(other, "and there")),
    )
    assert shown(found).splitlines()[1:] == [
        " --> worlds/us_core.yaml:6:1",
        "  |",
        "1 | a: 1",
        "  | - first here",
        "...",
        "6 | a: 6",
        "  | ^ again",
        " ::: other.yaml:1:1",
        "  |",
        "1 | x: 1",
        "  | - and there",
    ]


def test_a_span_over_lines_is_underlined_on_its_first_line() -> None:
    text = "when: >-\n  a\n  b\n"
    found = problem("Q0203", "m", Span(Source("f", text), 6, len(text) - 1))
    assert shown(found).splitlines()[-1] == "  |       ^^"


def test_very_long_lines_are_shown_as_a_window() -> None:
    text = "x" * 5000 + " HERE " + "y" * 5000
    lines = shown(problem("Q0203", "m", span(text, "HERE"))).splitlines()
    assert max(len(line) for line in lines) < 180
    assert lines[-2].index("HERE") == lines[-1].index("^^^^")


def test_diagnostics_without_a_place_name_their_file() -> None:
    assert (
        shown(problem("Q0101", "the file cannot be read", None, file="a.yaml", help="x"))
        == "error[Q0101]: the file cannot be read\n  --> a.yaml\n   = help: x"
    )
    assert shown(problem("Q0109", "no documents were found", None)) == "error[Q0109]: no documents were found"


def test_the_summary_counts_errors_and_warnings() -> None:
    error, warning = problem("Q0101", "m", None), problem("Q0603", "m", None)
    assert summary([error, error, warning]) == "2 errors, 1 warning"
    assert summary([warning, warning]) == "2 warnings"
    assert summary([]) == "no errors"
    assert render_text([]) == ""


def test_colour_is_only_added_when_asked_for() -> None:
    found = problem("Q0203", "m", span("a: b\n", "b"), label="l", help="h")
    assert "\x1b" not in render_text([found])
    coloured = render_text([found], color=True)
    assert "\x1b[1;31m" in coloured
    assert "\x1b" not in coloured.replace("\x1b[1;31m", "").replace("\x1b[1;34m", "").replace("\x1b[1m", "").replace(
        "\x1b[0m", ""
    )


def test_json_has_stable_fields_and_exclusive_ends() -> None:
    text = "a: 1\n한글: 값\n"
    found = problem("Q0203", "m", span(text, "값"), label="l", labels=(Label(span(text, "한글"), "t"),), help="h")
    assert json.loads(render_json([found]))["diagnostics"] == [
        {
            "file": "worlds/us_core.yaml", "line": 2, "column": 5, "end_line": 2, "end_column": 6, "code": "Q0203", "severity": "error",
            "message": "m", "label": "l", "help": "h",
            "labels": [{"file": "worlds/us_core.yaml", "line": 2, "column": 1, "end_line": 2, "end_column": 3, "text": "t"}],
        }
    ]  # fmt: skip
    assert json.loads(render_json([problem("Q0109", "m", None, file="x")]))["diagnostics"][0]["line"] is None


@given(st.text(max_size=30), st.data())
def test_nothing_from_a_file_reaches_the_terminal_as_a_command(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    rendered = render_text([problem("Q0203", text, Span(Source("f", text), start, end), label=text, help=text)])
    assert not [
        char
        for char in rendered
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in "\n\u200c\u200d"
    ]


@given(st.text(max_size=20))
def test_harmless_text_keeps_its_width(text: str) -> None:
    assert width(harmless(text)) == width(text) or any(unicodedata.category(c)[0] in "CZ" for c in text)
