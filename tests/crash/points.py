"""The kill points: every step at which a run touches its journal, the network, its clock or its other files.

In: the name of a point and how often it is to be passed. Out: the process, killed by SIGKILL there. Points are put around the real
methods from outside; the program knows nothing of them. A point "sent" lies between the last byte of a request and the first
of its reply, "inside a commit" between the last row and SQLite's COMMIT.
"""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

#: requests that a run makes, as their points name them
CALLS = (
    "POST order", "DELETE order", "GET order", "GET orders", "GET account", "GET activities", "GET positions", "GET assets",
    "GET bars", "GET quotes",
)  # fmt: skip
POINTS = (
    *(f"{when} {call}" for call in CALLS for when in ("before", "sent", "after")),
    "before a commit", "inside a commit", "after a commit",
    "before a snapshot", "inside a snapshot", "after a snapshot",
    "before a checkpoint", "after a checkpoint",
    "before the clock moves", "after the clock moved",
    "after opening", "after beginning", "after noting", "after completing",
    "before a decision", "after a decision",
    "before the logs", "after the logs",
)  # fmt: skip


#: passed once at the beginning of each tick
TICK = "before the clock moves"


class Points:
    """Counts how often each point was passed, and kills at one of them."""

    def __init__(self, name: str = "", nth: int = 0, ticks: int = 0, obituary: str = os.devnull) -> None:
        """Kill at the `nth` passing of a point, and at the latest after so many `ticks` (0 = whenever); the last thing that is
        done is to write into the `obituary` where it was."""
        self.passed: Counter[str] = Counter()
        self._name, self._nth, self._ticks = name, nth, ticks
        self._obituary = obituary

    def passing(self, name: str) -> None:
        """The process may end here."""
        self.passed[name] += 1
        late = name == TICK and 0 < self._ticks < self.passed[name]
        if late or (name == self._name and self.passed[name] >= self._nth):
            with open(self._obituary, "w", encoding="utf-8") as file:  # noqa: PTH123 - open() is quicker to reach here
                file.write(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the points around the methods of the loaded program."""
        from qmtl.cli import run
        from qmtl.engine import projections, runtime
        from qmtl.engine.adapters.alpaca.transport import Line
        from qmtl.engine.journal.sqlite import SqliteJournal

        self._around(SqliteJournal, "append", "before a commit", "after a commit", self._inside("commit"))
        self._around(SqliteJournal, "save_snapshot", "before a snapshot", "after a snapshot", self._inside("snapshot"))
        self._around(SqliteJournal, "_checkpoint", "before a checkpoint", "after a checkpoint")
        self._around(runtime.Runtime, "_decide", "before a decision", "after a decision")
        self._around(runtime.Runtime, "complete", "", "after completing")
        self._around(projections.Projections, "flush", "before the logs", "after the logs")
        for module, name, point in (
            (run, "open_all", "after opening"),
            (run, "begin", "after beginning"),
            (run, "note", "after noting"),
        ):
            self._around(module, name, "", point)
        inner = Line._ask

        def asked(line: Any, method: str, path: str, *rest: Any) -> Any:
            call = _call(method, path)
            self.passing(f"before {call}")
            answer = inner(line, method, path, *rest)
            self.passing(f"after {call}")
            return answer

        Line._ask = asked
        reply = http.client.HTTPConnection.getresponse

        def getresponse(connection: Any, *rest: Any) -> Any:
            self.passing(f"sent {_call(connection._method, connection.qmtl_path)}")
            return reply(connection, *rest)

        put = http.client.HTTPConnection.putrequest

        def putrequest(connection: Any, method: str, url: str, *rest: Any, **more: Any) -> Any:
            connection.qmtl_path = url
            return put(connection, method, url, *rest, **more)

        http.client.HTTPConnection.putrequest = putrequest  # type: ignore[method-assign]
        http.client.HTTPConnection.getresponse = getresponse  # type: ignore[method-assign]

    def _around(
        self, owner: Any, name: str, before: str, after: str, prepare: Callable[[Any], None] | None = None
    ) -> None:
        inner = getattr(owner, name)

        @wraps(inner)
        def call(*arguments: Any, **more: Any) -> Any:
            if before:
                self.passing(before)
            if prepare is not None:
                prepare(arguments[0])
            result = inner(*arguments, **more)
            self.passing(after)
            return result

        setattr(owner, name, call)

    def _inside(self, what: str) -> Callable[[Any], None]:
        def prepare(journal: Any) -> None:
            database: sqlite3.Connection = journal._db
            database.set_trace_callback(lambda said: self.passing(f"inside a {what}") if said == "COMMIT" else None)

        return prepare


def _call(method: str, address: str) -> str:
    """A request by the name of its points."""
    path = urlsplit(address).path.removeprefix("/v2").removeprefix("/v1")
    if path.startswith("/stocks"):
        return "GET quotes" if "quotes" in path else "GET bars"
    first = path.strip("/").split("/", maxsplit=1)[0]
    if first == "account" and "activities" in path:
        return "GET activities"
    single = method != "GET" or ":" in first or path.count("/") > 1
    return f"{method} {'order' if single else 'orders'}" if first.startswith("orders") else f"{method} {first}"
