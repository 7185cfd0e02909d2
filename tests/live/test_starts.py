"""What happens between `qmtl run` and the first tick: a stop is heard, a bug has last words, and a stop before the first tick is no
end of anything."""

from __future__ import annotations

import importlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qmtl.cli.run import Session
from qmtl.cli.watch import Watch
from qmtl.cli.wiring import Asked, effective
from qmtl.dsl.compile import compile_deployment
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.runtime import Runtime

from .market import deployed
from .rig import Told, calls

Build = Callable[..., Any]
#: the module; in its package the name may be the command
program = importlib.import_module("qmtl.cli.run")


def start(here: Any) -> Told:
    """`qmtl run` in this process, to its end."""
    config = deployed(here.home, here.venue.url)
    compiled = compile_deployment(config, {})
    assert compiled.deployment is not None
    told = Told()
    session = Session(effective(compiled.deployment, config.parent), Watch.on(config, compiled, {}), told, None)
    session.run(compiled.programs, Asked(wall=lambda: float(here.venue.clock()["now"])))
    return told


def stopping(true: Callable[..., Any], number: signal.Signals) -> Callable[..., Any]:
    """A function that is interrupted while it works."""

    def stopped(*given: Any) -> Any:
        os.kill(os.getpid(), number)
        return true(*given)

    return stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("stage", ["open_all", "begin", "complete"])
def test_r07_a_stop_while_it_starts_ends_it_in_order(
    stage: str, number: signal.Signals, place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing is called lost: on a wall clock the way on is to start it again, never --fresh."""
    here = place(AAA="+")
    where: Any = Runtime if stage == "complete" else program
    monkeypatch.setattr(where, stage, stopping(getattr(where, stage), number))
    former = signal.getsignal(number)
    told = start(here)
    assert told.said[-1] == "stopped; start again to continue: there was no tick since its start, nothing was decided"
    assert signal.getsignal(number) == former
    assert not calls(here.venue, "POST")
    with JournalReader(here.home / "out" / "journal.db") as journal:  # closed whole: another start may have it
        assert journal.last("program") is not None


def test_r44_a_bug_while_it_starts_has_last_words(place: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: Any) -> None:
        raise ZeroDivisionError("a snapshot that nobody thought of")

    here, said = place(AAA="+"), list[str]()
    monkeypatch.setattr(program, "begin", broken)
    monkeypatch.setattr(Told, "say", lambda _told, text: said.append(text))
    with pytest.raises(ZeroDivisionError):
        start(here)
    assert "THE RUN HAS CRASHED before its first tick" in said[-1]
    assert str(Path("out") / "journal.db") in said[-1]
