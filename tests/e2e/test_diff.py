"""`qmtl diff` as a real process inside a git repository: the grammar of its sides, its exit codes, broken sides."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Qmtl = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
SAME = "no change in meaning\n"
WORLD = "worlds/us_core.yaml"


def git(home: Path, *words: str) -> None:
    who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *words], cwd=home, check=True, capture_output=True, env={**os.environ, **who, **quiet})


def edit(home: Path, old: str, new: str, name: str = WORLD) -> None:
    text = (home / name).read_text()
    assert old in text
    (home / name).write_text(text.replace(old, new, 1))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Three versions: v1, v2 (a threshold moved), and a working tree (a strategy edited, a deployment too)."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    home = tmp_path / "project"
    for name in ("worlds", "strategies"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__", "cases"))
    shutil.copy(ROOT / "demo.yaml", home / "demo.yaml")
    (home / "compose.yaml").write_text("services: {}\n")  # not one of ours: never read
    (home / ".gitattributes").write_text("worlds export-ignore\n")  # what `git archive` would leave out
    git(home, "init", "-q")
    git(home, "add", "-A")
    git(home, "commit", "-qm", "one")
    git(home, "tag", "v1")
    edit(home, "p_chop >= 0.50", "p_chop >= 0.60")
    git(home, "commit", "-qam", "two")
    git(home, "tag", "v2")
    return home


def test_a_clean_tree_has_no_change(repository: Path, qmtl: Qmtl) -> None:
    assert qmtl("diff", cwd=repository).stdout == SAME
    assert qmtl("diff", "HEAD", "--detailed-exitcode", cwd=repository).stdout == SAME


def test_a_comment_is_no_change_and_a_deadband_is(repository: Path, qmtl: Qmtl) -> None:
    edit(repository, "# All percentages below", "# Every percentage below")
    assert qmtl("diff", "--detailed-exitcode", cwd=repository).stdout == SAME
    edit(repository, "deadband: 2%", "deadband: 3%")
    text = qmtl("diff", "--detailed-exitcode", code=4, cwd=repository).stdout
    assert text == (
        "world us_core\n  ~ churn_guard.deadband: 2% -> 3%  HEAD:worlds/us_core.yaml:100 -> worlds/us_core.yaml:100\n"
    )
    assert qmtl("diff", cwd=repository).stdout == text


@pytest.mark.parametrize("sides", [("v1..v2",), ("v1", "v2"), ("v1..",), ("v1..v2", "worlds"), ("v1", "v2", WORLD)])
def test_two_revisions(sides: tuple[str, ...], repository: Path, qmtl: Qmtl) -> None:
    edit(repository, "deadband: 2%", "deadband: 3%")  # the working tree is none of them
    text = qmtl("diff", *sides, cwd=repository).stdout
    after = "HEAD" if sides[0] == "v1.." else "v2"
    assert (
        f"~ chain chop: p_chop >= 0.50 -> >= 0.60           v1:worlds/us_core.yaml:39 -> {after}:worlds/us_core.yaml:39"
        in text
    )
    assert "deadband" not in text


def test_a_revision_and_the_working_tree(repository: Path, qmtl: Qmtl) -> None:
    edit(repository, "exit long  when z > -leave", "exit long  when z > leave", "strategies/zscore_reversion.qmtl")
    edit(repository, "seed: 7", "seed: 8", "demo.yaml")
    text = qmtl("diff", "v1", cwd=repository).stdout
    assert "~ strategy zscore_reversion: exit long when z > -leave -> exit long when z > leave" in text
    assert "v1:strategies/zscore_reversion.qmtl:21 -> strategies/zscore_reversion.qmtl:21" in text
    assert "deployment demo\n  ~ feed.seed: 7 -> 8  v1:demo.yaml:11 -> demo.yaml:11\n" in text
    limited = qmtl("diff", "v1", WORLD, cwd=repository).stdout
    assert "feed.seed" not in limited
    assert "exit long" in limited


def test_from_a_folder_below(repository: Path, qmtl: Qmtl) -> None:
    edit(repository, "deadband: 2%", "deadband: 3%")
    text = qmtl("diff", "HEAD", ".", cwd=repository / "worlds").stdout
    assert "HEAD:us_core.yaml:100 -> us_core.yaml:100" in text


def test_two_folders_outside_git(repository: Path, tmp_path: Path, qmtl: Qmtl) -> None:
    for name in ("worlds", "strategies"):
        shutil.copytree(repository / name, tmp_path / "other" / name)
    edit(tmp_path / "other", "deadband: 2%", "deadband: 3%")
    text = qmtl("diff", repository / "worlds", "other/worlds", cwd=tmp_path).stdout
    assert "~ churn_guard.deadband: 2% -> 3%" in text
    assert "-> other/worlds/us_core.yaml:100" in text
    assert "deadband: 3% -> 2%" in qmtl("diff", "../other/worlds", cwd=repository).stdout


def test_a_world_that_is_gone_from_the_working_tree(repository: Path, qmtl: Qmtl) -> None:
    (repository / "demo.yaml").unlink()
    text = qmtl("diff", "HEAD", "demo.yaml", cwd=repository).stdout
    assert text.startswith("deployment demo\n  - deployment demo: 11 keys  HEAD:demo.yaml:6\n")


def test_a_broken_side_is_shown_as_validate_shows_it(repository: Path, qmtl: Qmtl) -> None:
    edit(repository, "p_chop >= 0.60", "p_chopp >= 0.60")
    text = qmtl("diff", "--detailed-exitcode", code=1, cwd=repository).stdout
    assert text == qmtl("validate", code=1, cwd=repository).stdout
    git(repository, "commit", "-qam", "broken")
    edit(repository, "p_chopp >= 0.60", "p_chop >= 0.60")
    old = qmtl("diff", code=1, cwd=repository).stdout
    assert "--> HEAD:worlds/us_core.yaml:39:11" in old
    found = json.loads(qmtl("diff", "--format", "json", code=1, cwd=repository).stdout)
    assert "Q0501" in json.dumps(found)


def test_json(repository: Path, qmtl: Qmtl) -> None:
    found = json.loads(qmtl("diff", "v1..v2", "--format", "json", cwd=repository).stdout)
    paths = [change["path"] for change in found["documents"][0]["changes"]]
    assert paths == ["chains.chop.when", "chains.chop.stay"]
    assert json.loads(qmtl("diff", "--format", "json", cwd=repository).stdout) == {
        "changed": False,
        "documents": [],
        "warnings": [],
    }


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (("nothing",), "`nothing` is neither a file or folder nor a git revision"),
        (("--", "--upload-pack=x"), "neither a file or folder nor a git revision"),
        (("worlds", "nothing"), "`nothing` is neither a file or folder nor a git revision"),
        (("worlds", "worlds", "worlds"), "two folders or files have no third"),
        (("v1", "v2", "worlds", "demo.yaml"), "at most two sides and a path"),
        (("v1", "../elsewhere"), "must lie below the working directory"),
        (("v1", "nowhere"), "there are no documents on either side"),
    ],
)
def test_wrong_usage(sides: tuple[str, ...], said: str, repository: Path, qmtl: Qmtl) -> None:
    assert said in " ".join(qmtl("diff", *sides, code=2, cwd=repository).stderr.split())


def test_data_that_git_does_not_hold_is_no_mistake_of_a_revision(repository: Path, qmtl: Qmtl) -> None:
    edit(
        repository,
        'feed: {kind: synthetic, seed: 7, start: "2025-09-02"}',
        "feed: {kind: files, bars: bars}",
        "demo.yaml",
    )
    (repository / ".gitignore").write_text("bars/\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "files")
    (repository / "bars").mkdir()
    assert qmtl("diff", cwd=repository).stdout == SAME


def test_diff_loads_nothing_heavy(repository: Path) -> None:
    edit(repository, "deadband: 2%", "deadband: 3%")
    heavy = {"numpy", "pandas", "onnxruntime", "alpaca", "exchange_calendars", "qmtl.engine"}
    script = (
        "import sys\nfrom qmtl.cli import main\nsys.argv = ['qmtl', 'diff']\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        f"print('LOADED', code, sorted({heavy!r} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=repository, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.rstrip().endswith("LOADED 0 []"), done.stdout[-500:] + done.stderr[-2000:]
