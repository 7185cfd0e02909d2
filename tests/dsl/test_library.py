"""Where definitions come from: folders in order of strength, duplicates, and files that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from qmtl.dsl import parser
from qmtl.dsl.check import check_library
from qmtl.dsl.compile import validate
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


def test_a_name_twice_in_a_file_is_told_without_a_world_that_uses_it(tmp_path: Path) -> None:
    text = "strategy s { style trend; size 1; long when close > 1 }\n"
    (tmp_path / "s.qmtl").write_text(text * 2)
    (problem,) = validate([tmp_path / "s.qmtl"]).diagnostics
    assert (problem.code, str(problem.span)) == ("Q0507", f"{tmp_path}/s.qmtl:2:10")


def test_a_large_circle_of_features_is_one_short_message(tmp_path: Path) -> None:
    lines = [f"feature f{i} {{ value f{(i + 1) % 500} + 1 }}" for i in range(500)]
    (tmp_path / "f.qmtl").write_text("\n".join(lines))
    (problem,) = validate([tmp_path / "f.qmtl"]).diagnostics
    assert problem.code == "Q0508"
    assert "f0 -> f1 -> " in problem.message
    assert " -> ... -> " in problem.message
    assert len(problem.message) < 300


def test_a_folder_of_definitions_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(12):
        text = f"strategy s{i} {{ style trend; size 1; long when close > 1 }}  # {tmp_path}\n"
        (tmp_path / f"s{i}.qmtl").write_text(text)
    seen = []
    whole = parser._file
    monkeypatch.setattr(parser, "_file", lambda source: (seen.append(source.name), whole(source))[1])
    assert validate([tmp_path]).diagnostics == ()
    own = [name for name in seen if name.startswith(str(tmp_path))]
    assert len(own) == len(set(own)) == 12


SCALED = "strategy {name} {{ style trend; long when close > open; size {size} }}\n"
WORLD = """
version: 1
world: us
calendar: XNYS
universe: [SPY]
chains: [{name: all, otherwise: true, strategies: [roc_momentum]}]
allowlist: all
"""


def test_a_copy_of_a_definition_collides_even_when_its_text_is_that_of_the_builtin(tmp_path: Path) -> None:
    """A file equal to the built-in one used to be skipped, and the edited copy beside it won without a word."""
    text = (ROOT / "strategies" / "atr_ratchet.qmtl").read_text()
    write(tmp_path / "strategies", "atr_ratchet.qmtl", text)
    write(tmp_path / "strategies", "copy.qmtl", text.replace("num = 3", "num = 4"))
    write(tmp_path / "worlds", "us.yaml", WORLD)
    assert [d.code for d in validate([tmp_path / "worlds"]).diagnostics] == ["Q0507"]


def test_a_pinned_definition_counts_even_when_its_text_is_that_of_the_builtin(tmp_path: Path) -> None:
    strong, weak = SCALED.format(name="one", size="20%"), SCALED.format(name="one", size="40%")
    folders = (tmp_path / "builtin", tmp_path / "near", tmp_path / "pinned")
    for folder, text in zip(folders, (strong, weak, strong), strict=True):
        write(folder, "a.qmtl", text)
    found = load_library(folders).get("strategy", "one")
    assert found is not None
    assert found.name.span.source.path == tmp_path / "pinned" / "a.qmtl"


def test_a_misspelt_name_that_leaves_the_builtin_in_force_is_told(tmp_path: Path) -> None:
    write(tmp_path / "strategies", "mine.qmtl", SCALED.format(name="roc_momentun", size="20%"))
    write(tmp_path / "strategies", "other.qmtl", SCALED.format(name="kept_for_later", size="20%"))
    write(tmp_path / "worlds", "us.yaml", WORLD)
    (told,) = validate([tmp_path / "worlds"]).diagnostics
    assert (told.code, told.severity) == ("Q0609", "warning")
    assert told.span is not None
    assert told.span.text == "roc_momentun"
    assert "built-in `roc_momentum`" in told.message


def test_a_file_whose_ending_is_in_capitals_is_not_left_out_silently(tmp_path: Path) -> None:
    write(tmp_path / "worlds", "us.yaml", WORLD)
    write(tmp_path / "worlds", "eu.YAML", WORLD.replace("world: us", "world: eu"))
    (told,) = validate([tmp_path / "worlds"]).diagnostics
    assert (told.code, told.file.endswith("eu.YAML")) == ("Q0101", True)
    assert told.help == "rename it to `eu.yaml`"
