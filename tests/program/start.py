"""Runs `qmtl ...` to its end in a process forked from one that has imported it (`nursery.py` says what that is and is not).

`call` is for tests, `command` makes a `qmtl` for shell scripts; tests of the start itself, of signals and of terminals start the
program anew with `subprocess`.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent


#: what a shell runs as `qmtl`: it hands its own files over and ends as the forked process does
SCRIPT = """\
import json, os, signal, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect({place!r})
wanted = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ), "limits": []}}
words = json.dumps(wanted).encode() + b"\\n"
line.sendall(words[socket.send_fds(line, [words], [0, 1, 2]):])
answers = line.makefile()
pid = json.loads(answers.readline())["pid"]
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = json.loads(answers.readline())["code"]
sys.exit(code if code >= 0 else 128 - code)
"""


@cache
def nursery(kind: str = "run") -> Path:
    """The socket of this test process's nursery, which is started when it is first asked for and ends with the tests."""
    folder = Path(tempfile.mkdtemp(prefix="qmtl-"))
    place = folder / kind
    process = subprocess.Popen(
        [sys.executable, str(HERE / "nursery.py"), str(place), kind], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
        env={**{name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}, "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip

    def end() -> None:
        process.kill()
        process.communicate()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return place


def call(
    arguments: Iterable[object],
    *,
    cwd: Path,
    env: dict[str, str] | None = None,
    timeout: float = 240,
    limits: Iterable[tuple[int, int]] = (),
    kind: str = "run",
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run([python, "-m", "qmtl", *arguments])` returns, with text captured; TimeoutExpired after `timeout`
    seconds. `limits` are (resource.RLIMIT_..., most) pairs that hold in that process alone."""
    wanted = {
        "arguments": [str(word) for word in arguments],
        "cwd": str(cwd),
        "env": dict(os.environ) if env is None else env,
        "limits": list(limits),
    }
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        Path(os.devnull).open("rb") as nothing,
        socket.socket(socket.AF_UNIX) as line,
    ):
        line.settimeout(timeout)
        line.connect(str(nursery(kind)))
        words = json.dumps(wanted).encode() + b"\n"
        sent = socket.send_fds(line, [words], [nothing.fileno(), out.fileno(), err.fileno()])
        line.sendall(words[sent:])
        code = _ended(line, wanted["arguments"], timeout)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return subprocess.CompletedProcess(["qmtl", *wanted["arguments"]], code, *texts)


def command(folder: Path) -> Path:
    """A folder for PATH with a `qmtl` in it."""
    script = folder / "qmtl.py"
    script.write_text(SCRIPT.format(place=str(nursery())))
    found = folder / "qmtl"
    found.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{script}" "$@"\n')
    found.chmod(0o755)
    return folder


def _ended(line: socket.socket, arguments: list[str], timeout: float) -> int:
    with line.makefile("r") as answers:
        pid = json.loads(answers.readline())["pid"]
        try:
            return int(json.loads(answers.readline())["code"])
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            raise subprocess.TimeoutExpired(["qmtl", *arguments], timeout) from None
