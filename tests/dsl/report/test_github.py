"""Workflow commands of GitHub: one line each, and nothing in a text can end a command or begin another."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from qmtl.cli.validate import validate
from qmtl.dsl.cells import harmless
from qmtl.dsl.diagnostics import Label, problem
from qmtl.dsl.report.github import render_github
from qmtl.dsl.source import Source, Span

TEXT = "a: 1\nb: >-\n  c\n  d\n"
COMMAND = re.compile(r"::(error|warning) ((?:[a-zA-Z]+=[^,:]*,?)+)::(.*)")


def span(start: int, end: int, name: str = "worlds/us.yaml") -> Span:
    return Span(Source(name, TEXT), start, end)


def read(line: str) -> tuple[str, dict[str, str], str]:
    """A command as the runner takes it apart."""
    found = COMMAND.fullmatch(line)
    assert found, line
    pairs = (pair.split("=", 1) for pair in found[2].split(","))
    return found[1], {key: unquote(value) for key, value in pairs}, unquote(found[3])


def test_place_title_labels_and_help() -> None:
    found = problem(
        "Q0106", "m", span(3, 4), label="again", labels=(Label(span(0, 1), "first here"),), help="keep one\nof them"
    )
    assert render_github([found]) == (
        "::error file=worlds/us.yaml,line=1,col=4,endLine=1,endColumn=4,title=Q0106"
        "::m%0Aagain%0Aworlds/us.yaml:1:1: first here%0Ahelp: keep one%0Ahelp: of them\n"
    )


def test_a_place_over_several_lines_has_no_columns() -> None:
    """GitHub drops an annotation whose columns belong to different lines."""
    _, properties, _ = read(render_github([problem("Q0603", "m", span(8, len(TEXT) - 1))]).rstrip("\n"))
    assert properties == {"file": "worlds/us.yaml", "line": "2", "endLine": "4", "title": "Q0603"}


def test_severities_and_mistakes_without_a_place() -> None:
    text = render_github([problem("Q0603", "m", None, file="a.yaml"), problem("Q0109", "n", None)])
    assert text == "::warning file=a.yaml,title=Q0603::m\n::error title=Q0109::n\n"
    assert render_github([]) == ""


@given(st.text(), st.text(max_size=10), st.text())
def test_no_text_can_break_out_of_its_command(message: str, name: str, help_text: str) -> None:
    lines = render_github([problem("Q0203", message, span(0, 1, name), help=help_text)]).split("\n")
    assert lines.pop() == ""
    (line,) = lines
    severity, properties, told = read(line)
    assert (severity, properties["title"], properties["file"]) == ("error", "Q0203", name)
    assert told.startswith(harmless(message))


def test_the_command_prints_them(tmp_path: Path) -> None:
    path = tmp_path / "a,b.yaml"
    path.write_text("world: us\n")
    result = CliRunner().invoke(validate, [str(path), "--format", "github"])
    assert result.exit_code == 1
    assert {read(line)[1]["title"] for line in result.output.splitlines()} == {"Q0202"}
    assert all("a%2Cb.yaml" in line for line in result.output.splitlines())
    well = tmp_path / "e.yaml"
    well.write_text("exchange: e\n")
    assert CliRunner().invoke(validate, [str(well), "--format", "github"]).output == ""
