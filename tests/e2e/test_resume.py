"""`qmtl resume` as a person uses it: refused while it runs, journaled, applied by the next start."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The demo with a loss limit that the first losing day breaks."""
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "demo.yaml", tmp_path / "demo.yaml")
    world = tmp_path / "worlds" / "us_core.yaml"
    world.write_text(re.sub(r"daily_loss: -2%", "daily_loss: -0.1%", world.read_text()))
    return tmp_path


def sent(home: Path) -> int:
    db = sqlite3.connect(home / "out" / "demo" / "journal.db")
    try:
        return int(db.execute("SELECT count(*) FROM entries WHERE stream = 'intent'").fetchone()[0])
    finally:
        db.close()


def test_r13_a_loss_kill_holds_over_restarts_until_somebody_lifts_it(home: Path, qmtl: Run) -> None:
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 300, cwd=home).stdout
    assert "world us_core is killed: kill.daily_loss; only exits from now on, lift it with `qmtl resume`" in said
    before = sent(home)
    qmtl("run", "--config", "demo.yaml", "--ticks", 60, "--quiet", cwd=home)
    assert sent(home) == before
    lifted = qmtl("resume", "--config", "demo.yaml", "--who", "ada", "--why", "a test", cwd=home).stdout
    assert lifted == "us_core: kill.daily_loss lifted by ada; the next start applies it\n"
    assert (
        "lifted already" in qmtl("resume", "--config", "demo.yaml", "--who", "ada", "--why", "again", cwd=home).stdout
    )
    qmtl("run", "--config", "demo.yaml", "--ticks", 120, "--quiet", cwd=home)
    assert sent(home) > before


def test_resume_says_when_there_is_nothing_to_lift(home: Path, qmtl: Run) -> None:
    assert (
        "there is no journal"
        in qmtl("resume", "--config", "demo.yaml", "--who", "a", "--why", "b", cwd=home, code=74).stderr
    )
    qmtl("run", "--config", "demo.yaml", "--once", "--quiet", cwd=home)
    assert (
        qmtl("resume", "--config", "demo.yaml", "--who", "a", "--why", "b", cwd=home).stdout == "no world is killed\n"
    )
