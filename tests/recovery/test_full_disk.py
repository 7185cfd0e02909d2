"""A disk that is full, read-only or taken away at each place where a run writes: it ends with 74, nothing left that is not durable,
and after room was made it goes on to the same book.

A full disk is a limit on the size of files, which holds for root too; where the machine lets anybody mount, a small file system of
its own as well.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from qmtl.cli import run as runs
from qmtl.cli.watch import Watch
from qmtl.cli.wiring import given
from qmtl.dsl.compile import compile_deployment
from qmtl.engine import wholefile
from qmtl.engine.adapters.commands import CommandFiles
from qmtl.engine.adapters.paper_store import PaperStore
from qmtl.engine.errors import JournalError
from qmtl.engine.journal import sqlite as journals
from qmtl.engine.journal.digest import digest
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.projections import Projections

from .conftest import DEMO, LONG, ROOT, SHORT, Said, logged, started, ticks, unsent_unknown, until

Run = Callable[..., Said]
#: where the disk gets full: (owner of the method, its name, how often it is passed before)
PLACES: dict[str, tuple[Any, str, int]] = {
    "at the first append": (SqliteJournal, "append", 0),
    "at an append": (SqliteJournal, "append", 5),
    "at a snapshot": (SqliteJournal, "save_snapshot", 1),
    "at a checkpoint": (SqliteJournal, "_checkpoint", 0),
    "at the end": (SqliteJournal, "close", 0),
    "at the account": (PaperStore, "commit", 3),
    "at the next order": (PaperStore, "put_order", 2),
    "at a fill": (PaperStore, "put_position", 1),
    "at the log of ticks": (Projections, "tick", 4),
    "at the log of orders": (Projections, "event", 2),
    "at flushing the logs": (Projections, "flush", 4),
}


@contextmanager
def full_disk() -> Iterator[None]:
    """Whatever would make a file longer, or writes into one at all, fails until the end."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill() -> None:
    """From now on the disk is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def full_at(place: str, patch: pytest.MonkeyPatch) -> list[str]:
    """The disk gets full right before a method is called; the list says whether that happened."""
    owner, name, times = PLACES[place]
    inner, happened, passed = getattr(owner, name), list[str](), [0]

    def call(*arguments: Any, **more: Any) -> Any:
        passed[0] += 1
        if passed[0] == times + 1:
            fill()
            happened.append(place)
        return inner(*arguments, **more)

    patch.setattr(owner, name, call)
    return happened


@pytest.mark.parametrize("place", PLACES)
def test_a_disk_that_gets_full_anywhere_stops_the_run_and_loses_nothing(
    place: str, out: Path, qmtl: Run, run: Run, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "IDLE_PAGES", 30)
    ends_well = place == "at the end"  # what was acknowledged is in the log, and the next start moves it
    with monkeypatch.context() as patch, full_disk():
        happened = full_at(place, patch)
        said = qmtl(
            "run", "--config", DEMO, "--ticks", LONG - SHORT, "--quiet", "--out", out, code=0 if ends_well else 74
        )
    assert happened == [place]
    assert ends_well or "= help: " in said.err
    assert unsent_unknown(out) == []
    assert qmtl("journal", "check", out).out.startswith("sound: ")
    run(out)
    assert digest(out / "journal.db") == whole
    assert unsent_unknown(out) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_a_disk_that_refuses_the_state_file_stops_the_run(
    code: int, out: Path, qmtl: Run, run: Run, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(wholefile.Path, "replace", refuse)
        said = qmtl("run", "--config", DEMO, "--ticks", 5, "--quiet", "--out", out, code=74)
    assert os.strerror(code) in said.err
    run(out)
    assert digest(out / "journal.db") == whole


def test_an_edit_that_cannot_be_stored_ends_the_run(
    out: Path, qmtl: Run, run: Run, whole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is in force and not in the journal: the next tick must not follow from it."""

    def full(*_: object) -> bool:
        raise JournalError("journal: database or disk is full", "make room")

    with monkeypatch.context() as patch:
        compiled = compile_deployment(DEMO, given("", "", str(out)))
        patch.setattr(Watch, "changed", lambda _self: compiled)
        patch.setattr(runs, "swap_all", full)
        said = qmtl("run", "--config", DEMO, "--ticks", 5, "--quiet", "--out", out, code=74)
    assert "disk is full" in said.err
    assert "not in force" not in said.out
    assert ticks(out) == SHORT
    run(out)
    assert digest(out / "journal.db") == whole


def test_a_kill_that_cannot_be_stored_says_so(out: Path, qmtl: Run) -> None:
    with full_disk():
        fill()
        said = qmtl("kill", "--out", out, "--why", "test", code=74)
    assert "a signal (Ctrl-C, kill PID) stops the run without a file" in said.err
    assert CommandFiles(out).take() == ()
    assert CommandFiles(out).unreadable() == ()


SMALL = """
set -u
mkdir -p "$1"
mount -t tmpfs -o size=$2k none "$1" || exit 99
cp -r "$3"/. "$1"
run() { "$4" -W ignore -m qmtl run --config "$5" --ticks $6 --quiet --out "$1" 2>"$7"; echo "code $?"; }
dd if=/dev/zero of="$1/filler" bs=1k count=100000 2>/dev/null
truncate -s -$8k "$1/filler"
run "$@"
rm "$1/filler"
if [ "$9" = readonly ]; then mount -o remount,ro "$1"; run "$@"; mount -o remount,rw "$1"; fi
cp -r "$1"/. "${10}"
"""


def mountable() -> bool:
    asked = subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
    return asked.returncode == 0


@pytest.mark.parametrize("room", [8, 80, 200])
def test_a_small_file_system_that_is_full_and_then_read_only(
    room: int, short: Path, tmp_path: Path, run: Run, whole: str
) -> None:
    if shutil.which("unshare") is None or not mountable():
        pytest.skip("this machine lets nobody mount a file system")
    kept, told = tmp_path / "kept", tmp_path / "told"
    kept.mkdir()
    size = sum(file.stat().st_size for file in short.iterdir()) // 1024 + 4000
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", SMALL, "small", str(tmp_path / "small"), str(size), str(short), sys.executable, str(DEMO), str(LONG - SHORT), str(told), str(room), "readonly", str(kept)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line.startswith("code ")] == ["code 74", "code 74"], done
    assert "may not be written" in told.read_text()
    assert "Traceback" not in told.read_text()
    assert unsent_unknown(kept) == []
    run(kept)
    assert digest(kept / "journal.db") == whole


def unprivileged() -> None:
    """For a child: let permissions count for root, too (without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH from its next exec on)."""
    if os.geteuid() == 0:
        library = ctypes.CDLL(None)
        for capability in (1, 2):
            library.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.parametrize("what", ["folder", "journal.db"])
def test_permission_that_is_missing_is_named(what: str, out: Path) -> None:
    target = out if what == "folder" else out / what
    before = ticks(out)
    target.chmod(0o500 if what == "folder" else 0o400)
    child = started(out, "--once", preexec_fn=unprivileged)
    said = child.communicate(timeout=60)[1]
    target.chmod(0o700)
    assert child.returncode == 74, said
    assert "may not be written" in said or "not writable" in said
    assert "= help: " in said
    assert ticks(out) == before


def test_permission_that_is_lost_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    home = tmp_path / "out"
    child = started(home, preexec_fn=unprivileged)
    try:
        until(lambda: logged(home) > 3, child)
        home.chmod(0o500)
        said = child.communicate(timeout=60)[1]
    finally:
        child.kill()
        home.chmod(0o700)
    assert child.returncode == 74, said
    assert "Permission denied" in said
    there = ticks(home)
    assert unsent_unknown(home) == []
    again = started(home, "--ticks", "3")
    assert again.communicate(timeout=60)[1] == ""
    assert again.returncode == 0
    assert ticks(home) == there + 3
