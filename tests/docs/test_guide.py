"""Strategies and features shown in the documents mean something: they are checked as if a world used each of them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from qmtl.dsl.check import check_library
from qmtl.dsl.library import load_library

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```qmtl\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if FENCE.search(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_definitions_shown_are_right(page: Path, tmp_path: Path) -> None:
    (tmp_path / "shown.qmtl").write_text("\n".join(FENCE.findall(page.read_text(encoding="utf-8"))))
    library = load_library([Path(str(files("qmtl.strategies"))), tmp_path])
    assert library.diagnostics == ()
    assert [(d.code, d.message) for d in check_library(library)] == []


def test_a_mistake_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "shown.qmtl").write_text("feature f {\n  value rocc(close, 8)\n}\n")
    assert [d.code for d in check_library(load_library([tmp_path]))] == ["Q0502"]
