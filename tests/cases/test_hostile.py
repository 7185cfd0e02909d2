"""Broken case files are answered with diagnostics at places inside them, never with an exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from qmtl.cli.casefiles import load_suite, worlds_under_test
from qmtl.cli.caserun import outcomes
from qmtl.dsl.compile import validate

BITS = (
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "x",
    "_",
    "%",
    "~",
    "all",
    "missing",
    "-",
    "500x3",
    "null",
    "[]",
    "{}",
    "'",
    "\t",
    "é",
    "0",
    "1e9",
    "true",
)


@pytest.fixture
def here(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "worlds").symlink_to(root / "worlds")
    (tmp_path / "cases").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def damaged(text: str, seed: int) -> str:
    """The text with a few characters replaced, cut out or put in."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text))
        stop = start + chance.choice((0, 1, 1, 3, 12))
        text = text[:start] + chance.choice((*BITS, "")) + text[stop:]
    return text


@pytest.mark.parametrize("seed", range(60))
def test_damaged_case_files_end_in_diagnostics(root: Path, here: Path, seed: int) -> None:
    files = sorted((root / "worlds" / "cases").iterdir())
    source = files[seed % len(files)]
    path = here / "cases" / f"c{source.suffix}"
    text = damaged(source.read_text(), seed)
    path.write_text(text)
    for problem in validate([str(path)]).diagnostics:
        if problem.span is not None and problem.span.source.name.startswith("cases"):
            assert 0 <= problem.span.start <= problem.span.end <= len(problem.span.source.text)


@pytest.mark.parametrize("seed", range(0, 60, 6))
def test_what_validates_runs(root: Path, here: Path, seed: int) -> None:
    source = root / "worlds" / "cases" / "stops.yaml"
    (here / "cases" / "c.yaml").write_text(damaged(source.read_text(), seed))
    suite = load_suite(["cases"])
    if suite.well:
        done, _ = outcomes(suite, worlds_under_test(suite), "")
        assert done
