"""Starting the venue from a test or a bench, and telling it what to do.

In: a folder of bars, a book, a moment. Out: `Handle`, which speaks HTTP to it, whether it is a process of its own
(`started`) or a thread in this one (`hosted`, quick to start, for tests that do not kill).
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Handle:
    """A venue that answers. `pid` is 0 for one in this process."""

    url: str
    key: str
    secret: str
    account_number: str
    pid: int

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One call of /_venue/...; raises ValueError with what it says when it refuses."""
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, f"/_venue{path}", None if body is None else json.dumps(body))
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if reply.status >= 400:
            raise ValueError(f"{reply.status} {content.decode()}")
        return json.loads(content) if content else None

    def move(self, now: float) -> None:
        """Move the virtual clock."""
        self.control("POST", "/clock", {"now": now})

    def clock(self) -> dict[str, Any]:
        return self.control("GET", "/clock")

    def fault(self, *rules: dict[str, Any]) -> list[int]:
        """Add rules; their numbers."""
        return self.control("POST", "/faults", list(rules))["ids"]

    def draw(self, seed: int, rates: dict[str, float], match: dict[str, Any] | None = None) -> None:
        """Random faults."""
        self.control("POST", "/faults", {"seed": seed, "rates": rates, "match": match or {}})

    def heal(self, number: int | None = None) -> None:
        """Remove one rule, or everything that spoils."""
        self.control("DELETE", "/faults" if number is None else f"/faults/{number}")

    def log(self) -> list[dict[str, Any]]:
        return self.control("GET", "/faults/log")

    def manual(self, **deed: Any) -> dict[str, Any]:
        return self.control("POST", "/manual", deed)

    def book(self) -> dict[str, Any]:
        return self.control("GET", "/book")

    def calls(self) -> dict[str, int]:
        return self.control("GET", "/calls")


@contextmanager
def started(*, bars: Path, book: Path | None = None, now: float | None = None, **options: Any) -> Iterator[Handle]:
    """A venue in a process of its own. `options` are those of the script: `account="cash"`, `rate_limit=200`, ..."""
    command = [sys.executable, str(HERE / "serve.py"), "--bars", str(bars), "--end-with-stdin"]
    given = {"book": book, "now": now, **options}
    for name, value in given.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"the venue did not start: {process.wait(10)}")
        yield Handle(**json.loads(line))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


@contextmanager
def hosted(*, bars: Path, book: Path | None = None, now: float | None = None, **options: Any) -> Iterator[Handle]:
    """A venue in a thread of this process; the options of `Settings`."""
    from .render import account_number
    from .venue import Settings, opened
    from .wire import Server

    if "cash" in options:
        options["cash"] = Decimal(str(options["cash"]))
    settings = Settings(**options)
    server = Server(opened(settings, bars, book, now))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Handle(server.url, settings.key, settings.secret, account_number(server.venue), 0)
    finally:
        server.stop()
        thread.join(10)
