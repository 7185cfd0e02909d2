"""Bad input ends with a clear message and a documented exit code, never a traceback, and loses nothing stored."""

from __future__ import annotations

import gzip
import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with the shipped texts, to break."""
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("demo.yaml", "recorded.yaml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "Q0103"), (bytes(range(256)) * 20, "Q0102"), (b"[" * 5_000_000, "Q0104"), (b"[" * 900_000, "Q0104"), (b"a: " * 200_000, "Q0105"), (b"\x00\x01", "Q0")],
    ids=["empty", "binary", "5 MB of nesting", "nesting below the size cap", "one long line", "control characters"],
)  # fmt: skip
def test_files_that_are_no_documents(content: bytes, code: str, home: Path, qmtl: Run) -> None:
    (home / "worlds" / "bad.yaml").write_bytes(content)
    said = qmtl("validate", "worlds", cwd=home, code=1)
    assert f"error[{code}" in said.stdout
    (home / "demo.yaml").write_bytes(content)
    assert f"error[{code}" in qmtl("run", "--config", "demo.yaml", cwd=home, code=1).stderr


@pytest.fixture
def bars(real_bars: Path, tmp_path: Path) -> Path:
    """A copy of the recorded bars, to break."""
    return Path(shutil.copytree(real_bars / "us_15m", tmp_path / "bars"))


def rewrite(file: Path, change: Callable[[list[str]], list[str]]) -> None:
    lines = gzip.decompress(file.read_bytes()).decode().splitlines()
    file.write_bytes(gzip.compress(("\n".join(change(lines)) + "\n").encode()))


def cell(lines: list[str], row: int, column: int, value: str) -> list[str]:
    parts = lines[row].split(",")
    parts[column] = value
    return [*lines[:row], ",".join(parts), *lines[row + 1 :]]


BROKEN: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "NaN price": (lambda lines: cell(lines, 10, 4, "nan"), "SPY.csv.gz:11: close is missing"),
    "negative price": (lambda lines: cell(lines, 10, 1, "-5"), "SPY.csv.gz:11: open is -5"),
    "unsorted": (lambda lines: [*lines[:10], lines[11], lines[10], *lines[12:]], "SPY.csv.gz:12: 2025-05-12T15:45:00Z is earlier than line 11"),
    "duplicate": (lambda lines: [*lines[:10], lines[10], *lines[10:]], "SPY.csv.gz:12: 2025-05-12T15:45:00Z stands twice"),
    "naive time": (lambda lines: cell(lines, 10, 0, "2025-05-12 15:45:00"), "SPY.csv.gz:11"),
    "no header": (lambda lines: lines[1:], "SPY.csv.gz"),
    "nothing": (lambda _: [], "SPY.csv.gz"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_bars_that_cannot_be_used_name_file_and_line(name: str, bars: Path, qmtl: Run, tmp_path: Path) -> None:
    change, message = BROKEN[name]
    rewrite(bars / "SPY.csv.gz", change)
    said = qmtl(
        "run", "--config", "recorded.yaml", "--bars", bars, "--start", "2025-10-01", "--out", tmp_path / "out", code=1
    )
    assert message in said.stderr
    assert "= help:" in said.stderr


def test_bars_outside_regular_sessions_are_left_out_and_counted(bars: Path, qmtl: Run, tmp_path: Path) -> None:
    night = "2025-11-28T01:00:00Z,680,681,679,680.5,100"
    rewrite(bars / "SPY.csv.gz", lambda lines: [lines[0], *sorted([*lines[1:], night])])
    said = qmtl(
        "run", "--config", "recorded.yaml", "--bars", bars, "--start", "2025-11-28", "--out", tmp_path / "out", "--once"
    )
    assert "note: 1 bars outside regular sessions were left out" in said.stdout


def test_missing_folders_and_days(real_bars: Path, qmtl: Run, tmp_path: Path) -> None:
    def run(*more: object) -> str:
        return qmtl("run", "--config", "recorded.yaml", "--out", tmp_path / "out", *more, code=1).stderr

    assert "the files feed has no folder of bars" in run()
    assert "does not exist" in run("--bars", tmp_path / "nowhere")
    assert "does not exist" in run("--bars", real_bars / "us_15m", "--vix", tmp_path / "nowhere.csv")
    assert "nothing to replay" in run("--bars", real_bars / "us_15m", "--start", "2026-01-01", "--end", "2026-02-01")
    assert "is not a day" in run("--bars", real_bars / "us_15m", "--start", "soon")


def test_an_out_folder_that_cannot_be(qmtl: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file" / "out", Path("/proc/qmtl")):
        assert "cannot be made" in qmtl("run", "--config", "demo.yaml", "--out", out, code=74).stderr


def content(out: Path) -> dict[str, str]:
    """Hash of every table of the journal, through sqlite itself."""
    db = sqlite3.connect(out / "journal.db")
    try:
        return {
            "entries": hashlib.sha256(
                repr(db.execute("SELECT stream, key, payload FROM entries ORDER BY seq").fetchall()).encode()
            ).hexdigest()
        }
    finally:
        db.close()


def test_a_full_disk_stops_the_run_and_loses_nothing(qmtl: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    qmtl("run", "--config", "demo.yaml", "--ticks", 40, "--quiet", "--out", out)
    before = content(out)
    limit = (out / "journal.db").stat().st_size + 200_000

    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "run", "--config", "demo.yaml", "--quiet", "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 74, done.stderr
    assert "Traceback" not in done.stderr
    assert "= help:" in done.stderr
    db = sqlite3.connect(out / "journal.db")
    rows = db.execute("SELECT stream, key, payload FROM entries ORDER BY seq").fetchall()
    db.close()
    head = next(
        i for i in range(len(rows), 0, -1) if hashlib.sha256(repr(rows[:i]).encode()).hexdigest() == before["entries"]
    )
    assert head <= len(rows)
    qmtl("run", "--config", "demo.yaml", "--ticks", 5, "--quiet", "--out", out)


def test_a_second_runner_on_the_account_is_refused(qmtl: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = subprocess.Popen(
        [sys.executable, "-m", "qmtl", "run", "--config", "demo.yaml", "--end", "2026-06-30", "--out", str(out)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )  # fmt: skip
    assert first.stdout is not None
    try:
        first.stdout.readline()
        said = qmtl("run", "--config", "demo.yaml", "--once", "--out", out, code=75)
        assert f"process {first.pid}" in said.stderr
        # nor may the folder be moved aside under it
        qmtl("run", "--config", "demo.yaml", "--fresh", "--once", "--out", out, code=75)
        assert not out.with_name("out.1").exists()
    finally:
        first.kill()
        first.communicate()


def test_a_damaged_journal_is_named_and_left_alone(qmtl: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    qmtl("run", "--config", "demo.yaml", "--ticks", 10, "--quiet", "--out", out)
    data = bytearray((out / "journal.db").read_bytes())
    data[:100] = b"x" * 100
    (out / "journal.db").write_bytes(data)
    for file in out.glob("journal.db-*"):
        file.unlink()
    said = qmtl("run", "--config", "demo.yaml", "--once", "--out", out, code=74)
    assert "journal.db" in said.stderr
    assert (out / "journal.db").read_bytes() == data
    qmtl("run", "--config", "demo.yaml", "--once", "--fresh", "--quiet", "--out", out)
    assert (tmp_path / "out.1" / "journal.db").read_bytes() == data


def test_a_torn_snapshot_falls_back_to_the_one_before(qmtl: Run, tmp_path: Path) -> None:
    out, whole = tmp_path / "out", tmp_path / "whole"
    qmtl("run", "--config", "demo.yaml", "--ticks", 90, "--quiet", "--out", whole)
    qmtl("run", "--config", "demo.yaml", "--ticks", 60, "--quiet", "--out", out)
    db = sqlite3.connect(out / "journal.db")
    db.execute("UPDATE snapshots SET payload = substr(payload, 1, 1000) WHERE id = (SELECT max(id) FROM snapshots)")
    db.commit()
    db.close()
    qmtl("run", "--config", "demo.yaml", "--ticks", 30, "--quiet", "--out", out)
    digests = [qmtl("journal", "digest", folder / "journal.db").stdout.splitlines()[-1] for folder in (out, whole)]
    assert digests[0] == digests[1]


def test_days_before_the_first_bar_are_nothing_to_replay(qmtl: Run, tmp_path: Path) -> None:
    said = qmtl(
        "run",
        "--config",
        "demo.yaml",
        "--start",
        "2024-03-04",
        "--end",
        "2024-03-08",
        "--out",
        tmp_path / "out",
        code=1,
    )
    assert "there is nothing to replay" in said.stderr
