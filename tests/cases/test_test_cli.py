"""`qmtl test` as people and CI systems use it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qmtl.cli.test import test as command
from tests.conftest import Golden

CASE = """\
case: two rules
world: us_core
at: 2026-01-06T10:30-05:00
bars: {SPY: 500}
regime: {p_trend_up: 70%, p_chop: 20%}
market: {vix.close: 15}
signals: {SPY: {roc_momentum: long}}
cases:
  - name: this one holds
    expect: {chain: trend}
  - name: this one "fails" & says <why>
    positions: {SPY: 12%}
    expect:
      target: {SPY: 15%}
      orders: [{symbol: SPY, side: buy}]
"""


@pytest.fixture
def project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one world, one failing case and one that holds."""
    shutil.copytree(root / "worlds" / "exchanges", tmp_path / "worlds" / "exchanges")
    shutil.copy(root / "worlds" / "us_core.yaml", tmp_path / "worlds")
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "rules.yaml").write_text(CASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def steady(text: str) -> str:
    """Without the one thing that differs from run to run."""
    return re.sub(r"\([0-9.]+ s\)", "(0.00 s)", text)


def test_a_failing_run_shows_the_expectation_what_came_and_why(project: Path, golden: Golden) -> None:
    done = run("cases", "worlds")
    assert done.exit_code == 1
    golden("cases/failing.txt", steady(done.output))


def test_a_run_that_holds_ends_with_0(project: Path, golden: Golden) -> None:
    done = run("-k", "this one holds", "cases")
    assert done.exit_code == 0
    golden("cases/holding.txt", steady(done.output))


def test_mistakes_are_said_before_anything_runs(project: Path, golden: Golden) -> None:
    path = project / "cases" / "rules.yaml"
    path.write_text(CASE.replace("chain: trend", "chain: trent").replace("SPY: 500", "SPY: 500 5o"))
    done = run("cases")
    assert done.exit_code == 1
    assert "ok " not in done.output
    golden("cases/mistakes.txt", done.output)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-01-06T10:20-05:00", "no 15m bar of XNYS ends at 10:20 in New York"),
        ("2026-01-01T10:30-05:00", "no 15m bar of XNYS closes"),
        ("2026-01-06T10:30-05:00\ntick: follow_up", "this is no follow-up tick"),
    ],
)
def test_times_that_the_calendar_does_not_have_are_shown_at_their_place(project: Path, at: str, words: str) -> None:
    (project / "cases" / "rules.yaml").write_text(CASE.replace("2026-01-06T10:30-05:00", at))
    done = run("cases", "-k", "holds")
    assert done.exit_code == 1
    assert words in done.output
    assert "--> cases/rules.yaml:3:5" in done.output


def test_no_cases_are_a_failure(project: Path) -> None:
    done = run("worlds")
    assert done.exit_code == 1
    assert "no case was found below worlds" in done.output
    done = run("-k", "nowhere", "cases")
    assert done.exit_code == 1
    assert "no case was found that matches `nowhere`" in done.output


def test_a_path_that_does_not_exist_is_an_error(project: Path) -> None:
    done = run("nowhere")
    assert done.exit_code == 1
    assert "Q0101" in done.output


def test_wrong_usage_ends_with_2(project: Path) -> None:
    assert run("--coverage-min", "80", "cases").exit_code == 2
    assert run("--format", "tap", "cases").exit_code == 2
    assert run("--junit", "cases/rules.yaml/report.xml", "-k", "holds", "cases").exit_code == 2


def test_coverage_below_the_minimum_fails(project: Path) -> None:
    (project / "cases" / "rules.yaml").write_text(CASE.partition('  - name: this one "fails"')[0])
    assert run("cases", "--coverage-min", "5%").exit_code == 0
    done = run("cases", "--coverage-min", "90%")
    assert done.exit_code == 1
    assert re.search(r"the cases of us_core exercise \d+% of its rules, not 90%", done.output)


def test_json_holds_everything_that_the_text_says(project: Path) -> None:
    document = json.loads(run("cases", "--format", "json").output)
    assert document["format"] == "qmtl.cases.v1"
    holds, fails = document["cases"]
    assert (holds["ok"], fails["ok"], holds["file"], holds["line"]) == (True, False, "cases/rules.yaml", 9)
    first = fails["failures"][0]
    assert (first["line"], first["column"], first["symbol"]) == (14, 21, "SPY")
    assert first["message"] == "target of SPY: expected 15%, got 12%"
    text = "the target is too near the current position"
    assert {"step": "churn", "code": "churn.deadband", "text": text, "symbol": "SPY"} in first["reasons"]
    assert first["details"] == [
        {
            "title": "way of the target of SPY",
            "lines": ["raw 100% -> cap.symbol 15% -> exposure (90%) 13.5% -> churn.deadband (2%) 12%"],
        }
    ]
    (world,) = document["coverage"]
    assert world["world"] == "us_core"
    assert {"kind": "chain", "name": "trend", "exercised": True} in world["rules"]


def test_junit_is_what_ci_systems_read(project: Path) -> None:
    done = run("cases", "--junit", "report.xml")
    assert done.exit_code == 1
    root = ET.parse("report.xml").getroot()
    assert run("cases", "--format", "junit").output.startswith('<?xml version="1.0"')
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "2", "1")
    (suite,) = root
    assert {"name", "tests", "failures", "errors", "skipped", "time"} == set(suite.keys())
    assert suite.get("name") == "cases/rules.yaml"
    holds, fails = suite
    assert {"name", "classname", "time", "file", "line"} == set(holds.keys())
    assert fails.get("name") == 'this one "fails" & says <why>'
    assert [failure.tag for failure in fails] == ["failure", "failure"]
    assert fails[0].get("message") == "target of SPY: expected 15%, got 12%"
    assert "churn.deadband" in (fails[0].text or "")


def test_control_characters_of_a_file_do_not_reach_the_report(project: Path) -> None:
    path = project / "cases" / "rules.yaml"
    path.write_text(CASE.replace("name: this one holds", r'name: "a \x1b[31m \x07 bell"'))
    assert "\x1b[31m" not in run("cases").output
    ET.fromstring(run("cases", "--format", "junit").output)


def test_watching_runs_again_after_an_edit(project: Path) -> None:
    with (project / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "qmtl", "test", "--watch", "-k", "this one", "cases"],
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(project / "out.txt", "1 failed")
        path = project / "cases" / "rules.yaml"
        path.write_text(CASE.replace("SPY: 15%", "SPY: 12%").replace("[{symbol: SPY, side: buy}]", "[]"))
        wait_for(project / "out.txt", "2 cases: 2 ok")
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(path: Path, words: str) -> None:
    deadline = time.monotonic() + 90
    while words not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.2)
