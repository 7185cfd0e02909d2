"""One runner per account and mode (R08): the second is told who runs, a killed one leaves no lock behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from qmtl.engine.errors import JournalError, LockedError
from qmtl.engine.lock import lock_account

CHILD = """
import sys, time
from pathlib import Path
from qmtl.engine.lock import lock_account
held = lock_account(Path(sys.argv[1]), "demo", "paper")
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_start_says_who_runs(tmp_path: Path) -> None:
    with (
        lock_account(tmp_path, "demo", "paper"),
        pytest.raises(LockedError) as caught,
    ):
        lock_account(tmp_path, "demo", "paper")
    assert f"account 'demo' in mode paper is in use by process {os.getpid()} on " in str(caught.value)
    assert "only one may run" in caught.value.hint


def test_other_accounts_and_modes_run_beside_it(tmp_path: Path) -> None:
    with lock_account(tmp_path, "demo", "paper"), lock_account(tmp_path, "demo", "live"):
        lock_account(tmp_path, "other", "paper").release()


def test_released_means_free(tmp_path: Path) -> None:
    held = lock_account(tmp_path, "demo", "paper")
    held.release()
    held.release()
    assert held.path.read_text() == ""
    lock_account(tmp_path, "demo", "paper").release()


def test_a_killed_runner_s_lock_is_taken_over(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match=f"process {child.pid} on "):
        lock_account(tmp_path, "demo", "paper")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with lock_account(tmp_path, "demo", "paper") as held:
        assert str(os.getpid()) in held.path.read_text()


def test_rubbish_in_the_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "demo-paper.lock").write_bytes(b"\xff\x00 rubbish")
    lock_account(tmp_path, "demo", "paper").release()


def test_account_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    with lock_account(tmp_path, "../a/b", "paper") as held:
        assert held.path.parent == tmp_path
    first, second = lock_account(tmp_path, "a/b", "paper"), lock_account(tmp_path, "a_b", "paper")
    first.release()
    second.release()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be made: No such file or directory"):
        lock_account(tmp_path / "nowhere", "demo", "paper")
