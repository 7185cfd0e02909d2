"""Where definitions come from: folders in order of strength, duplicates, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

from qmtl.dsl.check import check_library
from qmtl.dsl.library import load_library

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_project_replaces_a_builtin(tmp_path: Path) -> None:
    write(tmp_path / "builtin", "a.qmtl", "feature one { value close }\nfeature two { value open }")
    write(tmp_path / "own", "b.qmtl", "feature two { value high }")
    library = load_library((tmp_path / "builtin", tmp_path / "own"))
    assert library.diagnostics == ()
    assert library.names("feature") == ("one", "two")
    two = library.get("feature", "two")
    assert two is not None
    assert two.rules[0].value.span.text == "high"
    assert [p.name for p in library.files] == ["a.qmtl", "b.qmtl"]


def test_the_same_name_twice_in_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "a.qmtl", "feature one { value close }")
    write(tmp_path, "b.qmtl", "feature one { value open }")
    (problem,) = load_library((tmp_path,)).diagnostics
    assert problem.code == "Q0507"
    assert problem.labels[0].text == "first here"


def test_equal_files_are_one(tmp_path: Path) -> None:
    write(tmp_path / "a", "x.qmtl", "feature one { value close }")
    write(tmp_path / "b", "x.qmtl", "feature one { value close }")
    library = load_library((tmp_path / "a", tmp_path / "b", tmp_path / "a"))
    assert library.diagnostics == ()
    # both are watched: an edit of one makes it another
    assert len(library.files) == 2


def test_a_name_means_one_thing(tmp_path: Path) -> None:
    write(tmp_path, "a.qmtl", "feature one { value close }\nstrategy one { style trend; long when true; size 1 }")
    assert [p.code for p in load_library((tmp_path,)).diagnostics] == ["Q0507"]


def test_errors_of_all_files(tmp_path: Path) -> None:
    write(tmp_path, "a.qmtl", "feature one { value close + }")
    write(tmp_path, "b.qmtl", "feature two { value }\nfeature three { value close }")
    (tmp_path / "c.qmtl").write_bytes(b"\xff\xfe\x00\x01")
    write(tmp_path, "d.qmtl", "")
    library = load_library((tmp_path, tmp_path / "missing.qmtl"))
    assert sorted(p.code for p in library.diagnostics) == ["Q0101", "Q0102", "Q0103", "Q0301", "Q0301"]
    assert library.names("feature") == ("one", "three", "two")


def test_the_builtin_library_is_well() -> None:
    library = load_library((ROOT / "strategies",))
    assert library.diagnostics == ()
    assert check_library(library) == ()
    assert len(library.names("strategy")) == 7
