"""Starts lives quickly: a process without threads that has imported the program, and forks for each life.

In: one JSON object a line on stdin, a `Life` and `after` (seconds after which it is killed from outside, 0 = not). Out: one JSON
object a line: how it ended. A forked life is a process of its own with its own files, sockets and locks; importing numpy and the
rest, reading the exchange's calendar and building the grammar anew for each of a thousand kills is all that is saved.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

if __name__ == "__main__":  # a script: make `tests` the place it is imported from
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from crash.nursery import main

    main()
    sys.exit(0)

#: a life that takes longer hangs, and hanging is a fault of its own
LONGEST = 900.0


def main() -> None:
    """Serve until stdin ends."""
    import warnings

    warnings.simplefilter("ignore")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from venue.start import Handle  # noqa: F401

    import qmtl.cli.alpacaedges
    import qmtl.cli.reload
    import qmtl.cli.run  # noqa: F401

    _warm()
    _say({"ready": os.getpid()})
    for line in sys.stdin:
        wanted = json.loads(line)
        after = float(wanted.pop("after"))
        _say(_lived(wanted, after))


def _warm() -> None:
    """Fill the program's own caches of what never changes: half of what a start costs."""
    from datetime import UTC, datetime, timedelta

    from qmtl.cli.wiring import FIRST_DAY
    from qmtl.dsl.compile import compile_world
    from qmtl.engine.calendar import SessionCalendar

    SessionCalendar("XNYS", FIRST_DAY, (datetime.now(UTC).date() + timedelta(days=365)).isoformat())
    compile_world(Path(__file__).resolve().parents[2] / "worlds" / "us_core.yaml")


def _say(what: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _lived(wanted: dict[str, object], after: float) -> dict[str, object]:
    from crash.child import Life, live

    began = time.monotonic()
    pid = os.fork()
    if not pid:
        code = 70
        try:
            code = live(Life(**wanted))  # type: ignore[arg-type]
        except BaseException:  # noqa: BLE001 - whatever it is, it is told in the log and the process ends here
            import traceback

            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    status = _wait(pid, began, after)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return {
        "killed": killed,
        "code": -1 if killed else os.waitstatus_to_exitcode(status),
        "seconds": time.monotonic() - began,
    }


def _wait(pid: int, began: float, after: float) -> int:
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        age = time.monotonic() - began
        if age > LONGEST:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise TimeoutError(f"a life of {age:.0f} s")
        if 0 < after < age:
            os.kill(pid, signal.SIGKILL)
            after = 0
        time.sleep(0.002)
