"""The shipped cases hold, exercise nearly every rule, and stay fast."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from qmtl.cli.casefiles import load_suite, worlds_under_test
from qmtl.cli.caserun import covered, outcomes
from qmtl.dsl.cases.report import Covered, Outcome, text

SHIPPED = "worlds"
RULES = "tests/cases/rules"


@cache
def run(path: str) -> tuple[tuple[Outcome, ...], tuple[Covered, ...]]:
    suite = load_suite([path])
    assert suite.well, suite.diagnostics
    ready = worlds_under_test(suite)
    done, played = outcomes(suite, ready, "")
    return done, covered(suite, ready, played)


@pytest.mark.parametrize("path", [SHIPPED, RULES])
def test_every_shipped_case_holds(root: Path, path: str) -> None:
    done, _ = run(path)
    failed = tuple(outcome for outcome in done if not outcome.well)
    assert not failed, text(failed, ())
    assert len(done) > 15


def test_the_shipped_worlds_are_covered(root: Path) -> None:
    _, rules = run(SHIPPED)
    missed = {one.world: [rule for rule in one.rules if not rule[2]] for one in rules if "plan" not in one.world}
    assert missed["us_core"] == []
    assert missed["tail_hedge"] == []


def test_no_name_stands_twice(root: Path) -> None:
    done, _ = run(SHIPPED)
    names = [(outcome.group, outcome.name) for outcome in done]
    assert len(set(names)) == len(names)


def test_the_cases_of_the_guide_hold(root: Path, tmp_path: Path) -> None:
    (tmp_path / "worlds").symlink_to(root / "worlds")
    (tmp_path / "cases").mkdir()
    page = (root / "docs" / "cases.md").read_text()
    fences = re.findall(r"^```(yaml|qmtl)\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    assert len(fences) == 3
    for number, (language, fence) in enumerate(fences):
        (tmp_path / "cases" / f"{number}.{language}").write_text(fence)
    done, _ = run(str(tmp_path / "cases"))
    assert len(done) == 4
    assert not [failure.message for outcome in done for failure in outcome.failures]
