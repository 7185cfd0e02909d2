"""A runtime of the demo in this process, to tick, stop, edit and start again at exact ticks."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from qmtl.cli.reload import setting_of, swap_all
from qmtl.cli.wiring import effective, open_all
from qmtl.dsl.compile import compile_deployment
from qmtl.engine.runtime import RunSettings, Runtime, TickReport
from qmtl.engine.start import begin, note
from qmtl.engine.ticks import ReplayTimes

ROOT = Path(__file__).resolve().parents[2]
#: a world of so many symbols
SMALL = """\
version: 1
world: us_core
calendar: XNYS
universe: [{}]
bars: [15m, 60m]
allowlist: all
regime: {{source: heuristic, heuristic: us_heuristic}}
chains:
  - {{name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}}
exchange: alpaca_us_equity
"""


class Rig:
    """One open run. `texts` is the folder of worlds and strategies, `out` that of the journal."""

    def __init__(self, texts: Path, out: Path, config: str = "demo.yaml") -> None:
        self.texts, self.config, self.open = texts, config, True
        compiled = compile_deployment(texts / config, {"out": str(out)})
        assert compiled.deployment is not None, [d.message for d in compiled.diagnostics]
        self.deployment = effective(compiled.deployment, texts, start="", end="", dry=False)
        self.opened = open_all(self.deployment, compiled.programs)
        calendar, clock = self.opened.calendar, self.deployment.clock
        self.setting = setting_of(self.deployment, self.opened)
        decisions = calendar.decision_times(clock.start, clock.end, 0).tolist()
        self.times = ReplayTimes(decisions, 60, threading.Event())
        first = calendar.times(decisions[0] - 1).open_at
        with ExitStack() as undo:
            undo.callback(self.opened.close)
            worlds, progress = begin(self.setting, compiled.programs, first)
            undo.pop_all()
        self.runtime = Runtime(self.opened.edges, worlds, RunSettings("demo", "paper", snapshot_every=26), progress)
        note(self.runtime, self.setting)
        self.runtime.complete(progress.last)

    def tick(self, count: int) -> list[TickReport]:
        """So many ticks on."""
        reports = []
        for _ in range(count):
            progress = self.runtime.progress
            now = self.times.after(progress.last, progress.sent)
            assert now is not None
            reports.append(self.runtime.tick(now))
        return reports

    def reload(self) -> bool:
        """What `qmtl run` does when a file changed."""
        compiled = compile_deployment(self.texts / self.config, {"out": self.deployment.out})
        assert compiled.programs, [d.message for d in compiled.diagnostics]
        setting = setting_of(self.deployment, self.opened)
        return swap_all(self.runtime, setting, compiled.programs, self.deployment, self.opened)

    def stop(self) -> None:
        """A clean end."""
        self.runtime.stop()
        self.crash()

    def crash(self) -> None:
        """An end without the last words: locks and files are let go, nothing is stored."""
        if self.open:
            self.open = False
            self.opened.close()


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A copy of the shipped texts, to edit."""
    home = tmp_path / "texts"
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "demo.yaml", home / "demo.yaml")
    return home


@pytest.fixture
def rig(texts: Path, tmp_path: Path) -> Iterator[Callable[[str], Rig]]:
    """Open runs by the name of their out folder; what is still open at the end is closed."""
    made: list[Rig] = []

    def open_rig(name: str, config: str = "demo.yaml") -> Rig:
        made.append(Rig(texts, tmp_path / name, config))
        return made[-1]

    yield open_rig
    for one in made:
        one.crash()
