"""`qmtl schema`: who only installed the package gets the same schemas for the editor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qmtl.cli.schema import PUBLISHED as NAMES
from qmtl.cli.schema import schema

PUBLISHED = Path(__file__).resolve().parents[2] / "schemas"


@pytest.mark.parametrize("kind", NAMES)
def test_a_schema_is_printed_as_published(kind: str) -> None:
    done = CliRunner().invoke(schema, [kind])
    assert done.exit_code == 0
    assert done.output == (PUBLISHED / NAMES[kind]).read_text(encoding="utf-8")
    assert json.loads(done.output)["title"]


def test_all_schemas_are_written_into_a_folder(tmp_path: Path) -> None:
    done = CliRunner().invoke(schema, ["--out", str(tmp_path / "made" / "here")])
    assert done.exit_code == 0
    written = sorted((tmp_path / "made" / "here").iterdir())
    assert [file.name for file in written] == sorted(NAMES.values())
    assert all(file.read_text() == (PUBLISHED / file.name).read_text() for file in written)
    assert [line.split()[0] for line in done.output.splitlines()] == list(NAMES)


@pytest.mark.parametrize("arguments", [[], ["wrld"], ["world", "--out", "x"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(schema, arguments).exit_code == 2
