"""`qmtl explain`: the page of every code, the list of all, and an answer to a mistyped one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from click.testing import CliRunner, Result

from qmtl.cli.explain import explain
from qmtl.dsl.diagnostics import CODES
from qmtl.dsl.report.pages import page

ROOT = Path(__file__).resolve().parents[3]


def call(*args: str) -> Result:
    return CliRunner().invoke(explain, args)


@pytest.mark.parametrize("code", CODES)
def test_the_page_of_every_code_is_printed_as_it_stands(code: str) -> None:
    result = call(code)
    assert result.exit_code == 0
    assert result.output.strip() == (ROOT / "docs/codes" / f"{code}.md").read_text(encoding="utf-8").strip()


def test_several_codes_one_after_another_in_any_case() -> None:
    assert call("q0106", "Q0201").output == f"{page('Q0106').strip()}\n\n{page('Q0201').strip()}\n"


def test_without_a_code_all_are_listed_in_their_groups() -> None:
    output = call().output
    found = dict(re.findall(r"^  (Q\d{4})  (?:error  |warning)  (.*)$", output, re.MULTILINE))
    assert found == {code: title for code, (_, title) in CODES.items()}
    assert output.startswith("Files and YAML\n  Q0101  error")
    assert "\n\nDeployments\n  Q0701  error" in output


@pytest.mark.parametrize(
    ("word", "near"), [("Q041", "Q0410"), ("Q02", "Q0201"), ("0106", "Q0106"), ("Q0016", "Q0106"), ("E12345", "")]
)
def test_an_unknown_code_is_wrong_usage_with_a_suggestion(word: str, near: str) -> None:
    result = call(word)
    assert result.exit_code == 2
    assert f"there is no code '{word}'" in result.output
    assert (f"did you mean {near}?" if near else "`qmtl explain` lists them all") in result.output


def test_json_is_one_object_for_one_code_and_a_list_for_all() -> None:
    assert json.loads(call("Q0106", "--format", "json").output) == {
        "code": "Q0106",
        "severity": "error",
        "title": "duplicate key",
        "page": page("Q0106"),
    }
    assert [record["code"] for record in json.loads(call("--format", "json").output)] == list(CODES)


def test_a_pipe_gets_plain_text_and_rich_is_not_loaded() -> None:
    script = (
        "import sys\nfrom qmtl.cli import main\nsys.argv = ['qmtl', 'explain', 'Q0106']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "assert 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == page("Q0106").strip()


def test_a_terminal_gets_a_rendered_page() -> None:
    child = pexpect.spawn(
        sys.executable, ["-m", "qmtl", "explain", "Q0106"], encoding="utf-8", timeout=60, dimensions=(40, 100)
    )
    child.expect(pexpect.EOF)
    output = str(child.before)
    assert "\x1b[" in output
    assert "duplicate key" in output
    assert "```" not in output
    assert "## Bad" not in output
