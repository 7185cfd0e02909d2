"""`qmtl init`: the folder runs as it stands, as real processes, and nothing in it is ever replaced."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qmtl.schemas import SCHEMAS

Qmtl = Callable[..., subprocess.CompletedProcess[str]]
MODELINE = re.compile(r"^# yaml-language-server: \$schema=(\S+)$")


@pytest.fixture
def fresh(tmp_path: Path, qmtl: Qmtl) -> Path:
    """A folder that was just made."""
    qmtl("init", "first", cwd=tmp_path)
    return tmp_path / "first"


def test_the_next_three_commands_work_as_printed(tmp_path: Path, qmtl: Qmtl) -> None:
    printed = qmtl("init", cwd=tmp_path).stdout.partition("next:\n")[2].splitlines()
    commands = [line.split() for line in printed]
    assert [words[:2] for words in commands] == [["qmtl", "validate"], ["qmtl", "test"], ["qmtl", "run"]]
    for words in commands:
        done = qmtl(*words[1:], *(["--quiet"] if words[1] == "run" else []), cwd=tmp_path)
        assert "warning" not in done.stdout + done.stderr
        assert "error" not in done.stdout + done.stderr
    assert _orders(done.stdout) > 0


def _orders(text: str) -> int:
    found = re.search(r"(\d+) orders, (\d+) fills", text)
    assert found is not None, text
    return min(int(found[1]), int(found[2]))


def test_validate_has_not_even_a_warning(fresh: Path, qmtl: Qmtl) -> None:
    text = qmtl("validate", "worlds", "run.yaml", "strategies", "--deny-warnings", cwd=fresh).stdout
    for document in ("world first", "deployment first_run", "exchange paper_us", "case the first world"):
        assert f"ok  {document}" in text


def test_its_cases_pass_and_touch_a_chain_and_a_guard(fresh: Path, qmtl: Qmtl) -> None:
    text = qmtl("test", cwd=fresh).stdout
    assert re.search(r"(\d+) cases: \1 ok", text), text
    assert "no case exercises guard" not in text


def test_a_run_uses_both_strategies_and_shows_orders_soon(fresh: Path, qmtl: Qmtl) -> None:
    assert _orders(qmtl("run", "--config", "run.yaml", "--quiet", cwd=fresh, timeout=60).stdout) > 0
    events = (fresh / "out/first/live_log_events.csv").read_text()
    assert "ride_trend" in events
    assert "snap_back" in events


def test_diff_inside_it(fresh: Path, qmtl: Qmtl) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"],
    ):
        subprocess.run(["git", *words], cwd=fresh, check=True, capture_output=True)
    assert qmtl("diff", cwd=fresh).stdout == "no change in meaning\n"
    world = fresh / "worlds/first.yaml"
    world.write_text(world.read_text().replace("  XOM:  [snap_back]", "  XOM:  []"))
    text = qmtl("diff", "--detailed-exitcode", code=4, cwd=fresh).stdout
    assert "XOM: a held position becomes unwind_only/disabled_symbol" in text


def test_every_yaml_file_names_its_schema_by_a_path_that_an_editor_finds(fresh: Path) -> None:
    files = [*fresh.glob("*.yaml"), *fresh.glob("worlds/**/*.yaml")]
    assert len(files) == 4
    for file in files:
        found = MODELINE.match(file.read_text().splitlines()[0])
        assert found, file
        schema = (file.parent / found[1]).resolve()
        assert schema.is_file(), schema
        kind = json.loads(schema.read_text())["$id"].split(":")[3]
        assert re.search(rf"^{kind}:", file.read_text(), re.MULTILINE)
    assert {path.name for path in (fresh / ".qmtl/schemas").iterdir()} >= set(SCHEMAS.values())


def test_the_strategies_are_its_own(fresh: Path, root: Path) -> None:
    names = {file.stem for file in (fresh / "strategies").iterdir()}
    assert names == {"ride_trend", "snap_back"}
    assert not names & {file.stem for file in (root / "strategies").glob("*.qmtl")}


def test_a_folder_with_files_is_refused(fresh: Path, qmtl: Qmtl) -> None:
    done = qmtl("init", code=1, cwd=fresh)
    assert "holds files already" in done.stderr
    assert "--force" in done.stderr


def test_force_keeps_every_file_that_is_there(fresh: Path, qmtl: Qmtl) -> None:
    (fresh / "worlds/first.yaml").write_text("world: mine\n")
    (fresh / "run.yaml").unlink()
    (fresh / ".qmtl/schemas/world.v1.json").write_text("{}")
    text = qmtl("init", "--force", cwd=fresh).stdout
    assert (fresh / "worlds/first.yaml").read_text() == "world: mine\n"
    assert "kept   worlds/first.yaml" in text
    assert "wrote  run.yaml" in text
    assert "README.md" not in text, "what is there as it should be needs no word"
    assert json.loads((fresh / ".qmtl/schemas/world.v1.json").read_text())["title"] == "qmtl world"


def test_a_file_in_the_way_is_a_message(tmp_path: Path, qmtl: Qmtl) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here/worlds").write_text("not a folder")
    done = qmtl("init", "here", "--force", code=1, cwd=tmp_path)
    assert done.stderr.startswith("error: here/worlds")


def test_a_repository_that_is_empty_counts_as_empty(tmp_path: Path, qmtl: Qmtl) -> None:
    (tmp_path / ".git").mkdir()
    qmtl("init", cwd=tmp_path)
    assert (tmp_path / ".gitignore").read_text().count("out/") == 1
