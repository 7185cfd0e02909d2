"""R44: a bug in a stage ends the run with words that a person can act on, exit code 70, and a journal that goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from qmtl.cli.crash import LastWords
from qmtl.cli.kill import kill
from qmtl.engine.errors import LockedError

from ..live.rig import Told

#: the program with a stage that fails once its tick's time has come
SCRIPT = """
import sys
from qmtl.cli import main
from qmtl.engine.stages import churn

true, left = churn.run, int(sys.argv.pop(1))

def broken(frame, tick):
    global left
    left -= 1
    if left < 0:
        raise ZeroDivisionError("an index that nobody thought of")
    return true(frame, tick)

import qmtl.engine.decide as decide
decide.STAGES = tuple((name, broken if name == "churn" else stage) for name, stage in decide.STAGES)
main()
"""
RUN = ("run", "--config", "demo.yaml", "--quiet", "--start", "2025-11-12", "--out", "out")


def qmtl(texts: Path, good: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in the folder of the texts; the stage fails after so many ticks."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(good), *arguments],
        cwd=texts, env={**os.environ, "COLUMNS": "400"}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_r44_a_bug_says_where_it_was_and_what_to_do_and_the_run_goes_on_there(texts: Path) -> None:
    """Also when it comes again at each start; what was said meanwhile is carried out by the first tick that ends."""
    whole = qmtl(texts, 3, *RUN, "--ticks", "9")
    said = whole.stdout + whole.stderr
    assert whole.returncode == 70
    assert "Traceback" not in said
    assert "THE RUN HAS CRASHED in the tick of 2025-11-12 15:01Z" in said
    assert ", world us_core, <string> line 12: ZeroDivisionError: an index that nobody thought of" in said
    assert f"journal {texts / 'out' / 'journal.db'}" in said
    assert "close positions at the broker itself" in said
    assert "an index that nobody thought of" in (texts / "qmtl-bug.txt").read_text()
    killed = CliRunner().invoke(kill, ["--out", str(texts / "out"), "--flatten", "--wait", "0"])
    assert "next start" in killed.output
    again = qmtl(texts, 0, *RUN, "--ticks", "9")
    assert again.returncode == 70
    assert "in the tick of 2025-11-12 15:01Z" in again.stdout
    mended = qmtl(texts, 99, *RUN, "--ticks", "2")
    assert mended.returncode == 0, mended.stderr
    assert "is killed: kill.operator; everything that is ours is to be closed" in mended.stdout


def test_r44_a_dry_run_has_nothing_to_close_and_errors_of_the_engine_are_no_crash() -> None:
    told = Told()
    for mode, error in (("dry", KeyError("x")), ("paper", KeyError("x")), ("paper", LockedError("taken", ""))):
        with pytest.raises(type(error)), LastWords(told, Path("journal.db"), mode):
            raise error
    assert ["close positions" in text for text in told.said] == [False, True]
    assert all("before its first tick" in text for text in told.said)
