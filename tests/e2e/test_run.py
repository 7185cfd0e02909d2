"""`qmtl run` as a person meets it: limits, dry runs, the live table, editing while it runs, the wall clock."""

from __future__ import annotations

import csv
import itertools
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]


def count(database: Path, query: str) -> int:
    db = sqlite3.connect(database)
    try:
        return int(db.execute(query).fetchone()[0])
    finally:
        db.close()


def column(log: Path, name: str) -> list[str]:
    """One column of a CSV log."""
    with log.open(newline="") as lines:
        return [row[name] for row in csv.DictReader(lines)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the shipped texts, to edit."""
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "demo.yaml", tmp_path / "demo.yaml")
    return tmp_path


def test_once_and_ticks_stop_and_the_next_start_goes_on(qmtl: Run, tmp_path: Path) -> None:
    assert "1 ticks" in qmtl("run", "--config", "demo.yaml", "--once", "--out", tmp_path / "out").stdout
    assert "7 ticks" in qmtl("run", "--config", "demo.yaml", "--ticks", 7, "--out", tmp_path / "out").stdout
    assert column(tmp_path / "out" / "live_log.csv", "tick") == [str(n) for n in range(1, 9)]


def test_r53_a_dry_run_decides_and_sends_nothing(qmtl: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    qmtl("run", "--config", "demo.yaml", "--ticks", 30, "--dry", "--quiet", "--out", out)
    assert count(out / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'dry_intent'") > 0
    assert count(out / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'intent'") == 0
    assert count(out / "paper.db", "SELECT count(*) FROM orders") == 0


def test_without_a_terminal_there_are_plain_lines(qmtl: Run, tmp_path: Path) -> None:
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 40, "--out", tmp_path / "out").stdout
    assert "\x1b" not in said
    assert re.search(r"^2025-11-12 14:45Z \(Wed 09:45 New York\) 1/\d+ equity [\d,]+ \| ", said, re.MULTILINE)
    assert re.search(r"(buy|sell) \d+ [A-Z]+ @ [\d.]+ open \w+ \(order.entry\)", said)
    quiet = qmtl("run", "--config", "demo.yaml", "--ticks", 40, "--quiet", "--out", tmp_path / "quiet").stdout
    assert "equity" in quiet
    assert "09:45 New York" not in quiet


def test_on_a_terminal_there_is_a_live_table_with_a_progress_bar(tmp_path: Path) -> None:
    screen = pexpect.spawn(
        sys.executable,
        ["-m", "qmtl", "run", "--config", "demo.yaml", "--ticks", "60", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color", "PYTHONWARNINGS": "ignore"},  # type: ignore[arg-type]
        dimensions=(50, 150),
        encoding="utf-8",
        timeout=60,
    )
    screen.expect(pexpect.EOF)
    screen.close()
    assert screen.exitstatus == 0
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.before or "")
    for word in ("symbol", "chain", "target", "why", "last orders", "of 756 decision ticks", "finished: 60 ticks"):
        assert word in text


def waited(log: Path, lines: int) -> bool:
    return log.exists() and len(log.read_bytes().splitlines()) > lines


def until(met: Callable[[], bool], running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not met():
        assert running.poll() is None, "the run ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_r54_a_good_edit_is_in_force_and_a_broken_one_is_told_while_the_old_text_runs_on(home: Path) -> None:
    world = home / "worlds" / "us_core.yaml"
    demo = home / "demo.yaml"  # long enough to be still running after two edits on any machine
    demo.write_text(re.sub(r'end: "[^"]*"', 'end: "2026-03-31"', demo.read_text()))
    text = world.read_text()
    said = home / "said.txt"
    with said.open("w") as sink:
        running = subprocess.Popen(
            [sys.executable, "-m", "qmtl", "run", "--config", "demo.yaml"], cwd=home, stdout=sink, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "200"},
        )  # fmt: skip
    log = home / "out" / "demo" / "live_log.csv"
    until(lambda: waited(log, 40), running)
    world.write_text(text.replace("p_chop >= 0.50", "p_chopp >= 0.60"))
    until(lambda: "the edit is not in force" in said.read_text(), running)
    world.write_text(text.replace("p_chop >= 0.50", "p_chop >= 0.60"))
    until(lambda: "is in force from the next tick on" in said.read_text(), running)
    until(lambda: len(set(column(log, "program_id"))) == 2, running)
    running.terminate()
    assert running.wait(timeout=60) == 0
    assert "error[Q0501]: unknown name `p_chopp`" in said.read_text()
    programs = set(column(log, "program_id"))
    assert len(programs) == 2
    assert count(home / "out" / "demo" / "journal.db", "SELECT count(*) FROM entries WHERE stream = 'program'") == 2


def test_the_wall_clock_ticks_on_its_grid_and_stops(home: Path, qmtl: Run) -> None:
    demo = home / "demo.yaml"
    text = re.sub(r"clock: .*", "clock: {kind: wall, interval: 1s}", demo.read_text())
    demo.write_text(re.sub(r"feed: .*", 'feed: {kind: synthetic, seed: 7, start: "2026-01-02"}', text))
    began = time.monotonic()
    qmtl("run", "--config", "demo.yaml", "--ticks", 3, "--quiet", cwd=home)
    assert 1.5 < time.monotonic() - began < 60
    lines = (home / "out" / "demo" / "live_log.csv").read_text().splitlines()[1:]
    moments = [time.mktime(time.strptime(line.split(",")[0], "%Y-%m-%dT%H:%M:%SZ")) for line in lines]
    assert len(moments) == 3
    assert all(b - a >= 1 for a, b in itertools.pairwise(moments))
