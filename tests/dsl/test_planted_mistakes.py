"""Eight planted mistakes in one world file: exactly the right diagnostics at the right places, as golden files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.dsl.compile import Validation, validate
from qmtl.dsl.report.json import render_json
from qmtl.dsl.report.text import render_text

Golden = Callable[[str, str], None]
PLANTED = "tests/golden/diagnostics/planted.yaml"


@pytest.fixture
def found(root: Path) -> Validation:
    return validate([PLANTED])


def test_text(found: Validation, golden: Golden) -> None:
    golden("diagnostics/planted.txt", render_text(found.diagnostics))


def test_json(found: Validation, golden: Golden) -> None:
    golden("diagnostics/planted.json", render_json(found.diagnostics))


def test_each_mistake_is_found_once_and_at_its_place(found: Validation) -> None:
    text = Path(PLANTED).read_text(encoding="utf-8").splitlines()
    records = json.loads(render_json(found.diagnostics))["diagnostics"]
    places = {(r["code"], text[r["line"] - 1][r["column"] - 1 : r["end_column"] - 1]) for r in records}
    assert places == {
        ("Q0201", "stale_15m_bar"),  # a misspelt key
        ("Q0206", "60"),  # a missing unit
        ("Q0503", "roc_momentun"),  # an unknown strategy, three times in the file
        ("Q0504", "windw"),  # an unknown parameter under by_symbol
        ("Q0106", "min_target"),  # a duplicate key
        ("Q0410", "<"),  # a type error inside a folded block
        ("Q0505", "OM"),  # `ON` is a ticker, so `OM` is a misspelt one
        ("Q0601", "trend"),  # no chain is `otherwise`
    }
    assert len(records) == 8


def test_the_ticker_on_stays_a_string(found: Validation) -> None:
    """Under YAML 1.1 `ON` and `NO` are booleans; here only the misspelt `OM` is wrong, and `ON` is what it should be."""
    (wrong,) = (d for d in found.diagnostics if d.code == "Q0505")
    assert wrong.help == "did you mean `ON`?"
