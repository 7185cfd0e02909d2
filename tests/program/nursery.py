"""Starts `qmtl` quickly: a process without threads that has imported the program, and forks for each start.

As a script: python nursery.py SOCKET KIND, where KIND is `text` (what reads documents) or `run` (everything). Each connection to
the socket is one start: a JSON object (`Wanted`) with the three standard files in, {"pid"} and {"code"} out, a line each. A fork is
a process of its own with its own files, signals, locks and limits; what is saved is to import numpy, pandas and the rest and to read
the exchange's calendar anew for each of several hundred starts. It shares the hash seed of its siblings, so whatever shows that
two processes agree starts both anew, and so does whatever shows the start itself.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import socket
import sys
import warnings
from typing import Any

#: the commands whose modules are imported before anybody asks
KINDS = {
    "text": ("validate", "show", "diff", "graph"),
    "run": ("validate", "run", "backtest", "gate", "journal", "status", "holdings", "test", "diff"),
}
MOST = 1 << 20


def main(place: str, kind: str) -> dict[str, Any]:
    """Serves until the socket's owner is gone; returns only in a started process, with what it shall be."""
    _warm(kind)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(place)
    listening.listen(64)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        asked, _ = listening.accept()
        if not os.fork():
            listening.close()
            return _keep(asked)
        asked.close()
        _reap()


def _warm(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in KINDS[kind]:
            importlib.import_module(f"qmtl.cli.{name}")
        if kind == "run":
            from datetime import UTC, datetime, timedelta

            from qmtl.cli.wiring import FIRST_DAY
            from qmtl.engine.calendar import SessionCalendar

            SessionCalendar("XNYS", FIRST_DAY, (datetime.now(UTC).date() + timedelta(days=365)).isoformat())
    gc.collect()
    gc.freeze()


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(asked: socket.socket) -> dict[str, Any]:
    """Forks the started process, tells its number and how it ended; returns only in it."""
    words, files, _, _ = socket.recv_fds(asked, MOST, 3)
    while not words.endswith(b"\n"):
        words += asked.recv(MOST)
    pid = os.fork()
    if not pid:
        asked.close()
        for standard, file in enumerate(files):
            os.dup2(file, standard)
            os.close(file)
        wanted: dict[str, Any] = json.loads(words)
        return wanted
    for file in files:
        os.close(file)
    with contextlib.suppress(BrokenPipeError):  # whoever asked is gone
        asked.sendall(json.dumps({"pid": pid}).encode() + b"\n")
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):
        asked.sendall(json.dumps({"code": os.waitstatus_to_exitcode(status)}).encode() + b"\n")
    os._exit(0)


def become(wanted: dict[str, Any]) -> None:
    """What the interpreter does before it runs `-m qmtl`: the folder, the environment, the arguments, the files, the limits."""
    os.chdir(wanted["cwd"])
    os.environ.clear()
    os.environ.update(wanted["env"])
    if os.environ.get("PYTHONWARNINGS") == "ignore":
        warnings.simplefilter("ignore")
    sys.argv = ["qmtl", *wanted["arguments"]]
    sys.path[0] = wanted["cwd"]
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr
    for kind, most in wanted["limits"]:
        resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    sys.path.pop(0)  # nothing of the tests is importable in the program
    sys.path.insert(0, "")
    become(main(*sys.argv[1:]))
    from qmtl.cli import main as program

    program()
