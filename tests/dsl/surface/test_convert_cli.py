"""`qmtl convert`: prints, writes new files only, refuses what has errors or no other form."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qmtl.cli.convert import convert

POLICY = "# what the venue takes\nexchange: a\nlot_size: 1  # whole shares\n"
BLOCK = "# what the venue takes\nexchange a {\n  lot_size 1  # whole shares\n}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(POLICY)
    return tmp_path


def ran(*arguments: str) -> Result:
    return CliRunner().invoke(convert, arguments)


def test_prints_the_other_surface(folder: Path) -> None:
    result = ran("a.yaml")
    assert (result.exit_code, result.output) == (0, BLOCK)
    (folder / "b.qmtl").write_text(BLOCK)
    assert ran("b.qmtl").output == POLICY
    assert sorted(p.name for p in folder.iterdir()) == ["a.yaml", "b.qmtl"]


def test_write_makes_a_file_beside_the_source_and_never_overwrites(folder: Path) -> None:
    result = ran("--write", "a.yaml")
    assert result.exit_code == 0
    assert "wrote a.qmtl" in result.output
    assert "keep one of the two" in result.output
    assert (folder / "a.qmtl").read_text() == BLOCK
    assert (folder / "a.yaml").read_text() == POLICY
    (folder / "a.qmtl").write_text("mine")
    again = ran("--write", "a.yaml", "--to", "qmtl")
    assert again.exit_code == 2
    assert "is not overwritten" in again.output
    assert (folder / "a.qmtl").read_text() == "mine"


def test_several_documents_are_written_all_or_none(folder: Path) -> None:
    (folder / "both.qmtl").write_text("exchange a { lot_size 1 }\nexchange b { lot_size 2 }\n")
    (folder / "a.yaml").rename(folder / "keep.txt")
    (folder / "b.yaml").write_text("mine")
    assert ran("--write", "both.qmtl").exit_code == 2
    assert not (folder / "a.yaml").exists()
    (folder / "b.yaml").unlink()
    assert ran("--write", "both.qmtl").exit_code == 0
    assert (folder / "a.yaml").read_text() == "exchange: a\nlot_size: 1\n"
    assert (folder / "b.yaml").read_text() == "exchange: b\nlot_size: 2\n"


def test_several_documents_are_printed_with_their_names(folder: Path) -> None:
    (folder / "both.qmtl").write_text("exchange c { lot_size 1 }\nexchange b { lot_size 2 }\n")
    output = ran("both.qmtl").output
    assert output == "# file: c.yaml\nexchange: c\nlot_size: 1\n\n# file: b.yaml\nexchange: b\nlot_size: 2\n"


def test_out_names_one_new_file(folder: Path) -> None:
    assert ran("a.yaml", "--out", "new.qmtl").exit_code == 0
    assert (folder / "new.qmtl").read_text() == BLOCK
    assert ran("a.yaml", "--out", "new.qmtl").exit_code == 2
    assert ran("a.yaml", "--out", "no/folder.qmtl").exit_code == 2
    assert ran("a.yaml", "--out", "x.qmtl", "--write").exit_code == 2


def test_a_file_with_errors_is_answered_with_its_diagnostics(folder: Path) -> None:
    (folder / "a.yaml").write_text("exchange: a\nlot_sise: 1\n")
    result = ran("--write", "a.yaml")
    assert result.exit_code == 1
    assert "Q0201" in result.output
    assert sorted(p.name for p in folder.iterdir()) == ["a.yaml"]
    assert ran("none.yaml").exit_code == 1


def test_what_computes_has_no_yaml_form(folder: Path) -> None:
    (folder / "s.qmtl").write_text("feature f { value close }\nexchange a2 { lot_size 1 }\n")
    result = ran("s.qmtl")
    assert result.exit_code == 2
    assert "feature f" in result.output


def test_the_surface_it_has_already(folder: Path) -> None:
    result = ran("a.yaml", "--to", "yaml")
    assert result.exit_code == 2
    assert "is YAML already" in result.output
    assert ran(str(folder)).exit_code == 2


def test_mistakes_do_not_land_in_the_file_that_the_output_goes_to(folder: Path) -> None:
    (folder / "bad.yaml").write_text("exchange: a\nlot: 1\n")
    result = ran("bad.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error[Q0201]" in result.stderr


def test_a_strategy_file_is_told_that_it_stays_what_it_is(folder: Path) -> None:
    (folder / "s.qmtl").write_text("feature f { value close }\n")
    result = ran("s.qmtl")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "what computes has no YAML form, and stays a .qmtl file." in result.stderr
    assert "Move" not in result.stderr
    (folder / "s.qmtl").write_text(BLOCK + "feature f { value close }\n")
    assert "Move it to a .qmtl file of its own first" in ran("s.qmtl").stderr
