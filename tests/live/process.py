"""The real program as a process of its own, ticking when the test says so: `qmtl run` on the venue's clock.

As a script: python tests/live/process.py CONFIG URL KEY SECRET. Each line on stdin is a moment (epoch seconds): the venue's clock goes
there and the program ticks; "@ready" on stdout says that it waits for the next line. The end of stdin is the end of the days.
Signals work as in `qmtl run`. From a test: `Process`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a script: make `tests` the place it is imported from
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from live.process import main

    sys.exit(main(*sys.argv[1:]))

READY = "@ready"


class _Stepped:
    """Ticks at the moments that stdin says."""

    total = 0

    def __init__(self, venue: Any, stopped: threading.Event) -> None:
        self._venue, self._stopped = venue, stopped
        self.now = float(venue.clock()["now"])

    def after(self, last: int, sent: bool) -> int | None:
        """The next moment, None at the end of stdin or after a stop."""
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        line = "" if self._stopped.is_set() else sys.stdin.readline()
        if not line or self._stopped.is_set():
            return None
        self.now = float(line)
        self._venue.move(self.now)
        return int(self.now)


def main(config: str, url: str, key: str, secret: str) -> int:
    """Run to the end of stdin."""
    from venue.start import Handle

    from qmtl.cli.exits import leave
    from qmtl.cli.live import display
    from qmtl.cli.run import Session
    from qmtl.cli.watch import Watch
    from qmtl.cli.wiring import Asked, effective
    from qmtl.dsl.compile import compile_deployment
    from qmtl.engine.errors import QmtlError

    venue = Handle(url, key, secret, "", 0)
    compiled = compile_deployment(Path(config), {})
    assert compiled.deployment is not None, compiled.diagnostics
    deployment = effective(compiled.deployment, Path(config).parent)
    session = Session(deployment, Watch.on(Path(config), compiled, {}), display(quiet=False), None)
    times = _Stepped(venue, session.stopped)
    try:
        session.run(compiled.programs, Asked(wall=lambda: times.now, times=lambda _calendar, _stopped: times))
    except QmtlError as error:
        leave(error)
    return 0


class Process:
    """A process of the script above, as a test sees it."""

    def __init__(self, config: Path, venue: Any) -> None:
        """Starts it and waits until it could tick. RuntimeError with what it said when it ended instead."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(config), venue.url, venue.key, venue.secret],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONWARNINGS": "ignore", "COLUMNS": "200"},
        )  # fmt: skip
        self.said: list[str] = []
        if not self._ready():
            raise RuntimeError(f"{self.process.wait(20)}: {''.join(self.said)}")

    def tick(self, moment: int) -> None:
        """One tick, to its end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{moment}\n")
        self.process.stdin.flush()
        assert self._ready(), "".join(self.said)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> int:
        """SIGKILL."""
        self.process.kill()
        return self._ended()

    def _ended(self) -> int:
        if self.process.returncode is None:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            self.process.stdin.close()
            self.said += self.process.stdout.readlines()
            self.process.stdout.close()
        return self.process.wait(20)

    def _ready(self) -> bool:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.strip() == READY:
                return True
            self.said.append(line)
        return False
