"""The real command in this process, on real files: runs of the demo that were stopped or killed, to break and to go on with."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from qmtl.cli import cli
from qmtl.engine.journal.digest import digest

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo.yaml"
#: ticks of a short run, and of one that went on
SHORT, LONG = 30, 44
#: ticks of a run that was killed
KILLED = 14
#: the program, dying right after a tick
DYING = f"""
import os, signal
from qmtl.cli import main
from qmtl.engine.projections import Projections
inner, passed = Projections.flush, []
def flush(self):
    inner(self)
    passed.append(1)
    if len(passed) == {KILLED}:
        os.kill(os.getpid(), signal.SIGKILL)
Projections.flush = flush
main()
"""


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Qmtl = Callable[..., Said]
Damage = Callable[[Path], None]


@pytest.fixture(scope="session")
def qmtl() -> Qmtl:
    """`qmtl ...` in this process; `code` is what it must end with."""

    def call(*arguments: object, code: int | None = 0) -> Said:
        done = CliRunner().invoke(cli, [str(a) for a in arguments], env={"COLUMNS": "200"})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        said = Said(done.exit_code, done.stdout, done.stderr)
        if code is not None:
            assert said.code == code, said.out[-2000:] + said.err[-2000:]
        if said.code not in (0, None):
            assert said.err.startswith("error: ") or arguments[0] != "run"
            assert "  = help: " in said.err or arguments[0] != "run"
        return said

    return call


@pytest.fixture(scope="session")
def run(qmtl: Qmtl) -> Qmtl:
    """`qmtl run` of the demo into a folder, up to a number of ticks since its beginning."""

    def call(out: Path, upto: int = LONG, *more: object, code: int | None = 0) -> Said:
        there = ticks(out) if code == 0 and (out / "journal.db").exists() else 0
        wanted = upto - there if code == 0 else 1
        if wanted <= 0:
            return Said(0, "", "")
        return qmtl("run", "--config", DEMO, "--ticks", wanted, "--quiet", "--out", out, *more, code=code)

    return call


@pytest.fixture(scope="session")
def short(run: Qmtl, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after a while. Copy it before use."""
    out = tmp_path_factory.mktemp("short") / "out"
    run(out, SHORT)
    return out


@pytest.fixture(scope="session")
def whole(run: Qmtl, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of a run without any trouble."""
    out = tmp_path_factory.mktemp("whole") / "out"
    run(out)
    return digest(out / "journal.db")


@pytest.fixture(scope="session")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed with SIGKILL before it ever moved its log into the file. Copy it before use."""
    out = tmp_path_factory.mktemp("killed") / "out"
    arguments = ["run", "--config", str(DEMO), "--quiet", "--out", str(out)]
    child = subprocess.run([sys.executable, "-W", "ignore", "-c", DYING, *arguments], cwd=ROOT, check=False)
    assert child.returncode == -signal.SIGKILL
    assert ticks(out) == KILLED
    assert (out / "journal.db-wal").stat().st_size > 100_000
    return out


@pytest.fixture
def out(short: Path, tmp_path: Path) -> Path:
    """A copy of the short run."""
    return Path(shutil.copytree(short, tmp_path / "out"))


@pytest.fixture
def dead(killed: Path, tmp_path: Path) -> Path:
    """A copy of the killed run."""
    return Path(shutil.copytree(killed, tmp_path / "dead"))


def started(out: Path, *more: str, **how: Any) -> subprocess.Popen[str]:
    """The program in a process of its own, on a replay that is long enough."""
    return subprocess.Popen(
        [sys.executable, "-m", "qmtl", "run", "--config", str(DEMO), "--end", "2026-06-30", "--quiet", "--out", str(out), *more],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONWARNINGS": "ignore"}, **how,
    )  # fmt: skip


def until(met: Callable[[], bool], child: subprocess.Popen[str]) -> None:
    """Wait for something that a running child does."""
    deadline = time.monotonic() + 60
    while not met():
        assert child.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def logged(out: Path) -> int:
    """Lines of ticks in the log."""
    path = out / "live_log.csv"
    return path.read_bytes().count(b"\n") - 1 if path.exists() else 0


def ask(database: Path, query: str, *values: object) -> list[Any]:
    """Rows of a database as it is on disk; a change is committed. Who only reads leaves the log as it is."""
    how = "?mode=ro" if query.startswith("SELECT") else ""
    with closing(sqlite3.connect(f"file:{database}{how}", uri=True)) as db, db:
        return db.execute(query, values).fetchall()


def ticks(out: Path) -> int:
    """How many ticks the journal holds."""
    return int(ask(out / "journal.db", "SELECT count(*) FROM entries WHERE stream LIKE 'tick:%'")[0][0])


def flip(path: Path, place: int, bit: int = 3) -> None:
    """One bit of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ (1 << bit)]))


def unsent_unknown(out: Path) -> list[str]:
    """Orders at the paper account that the journal has no intent of: there must never be one."""
    intents = {row[0] for row in ask(out / "journal.db", "SELECT key FROM entries WHERE stream = 'intent'")}
    return [row[0] for row in ask(out / "paper.db", "SELECT client_order_id FROM orders") if row[0] not in intents]
