"""The kill points: every step at which a run touches its journal, the network, its clock or its other files.

In: for some points, at which passing of all lives together the process ends. Out: the process, killed by SIGKILL there. Points are
put around the real methods from outside; the program knows nothing of them. A point "sent" lies between the last byte of a request
and the first of its reply, "inside a commit" between the last row and SQLite's COMMIT.

How often each point was passed stands in a file that all lives of a month share and map into their memory: a killed process leaves its
counts behind, so that the 40th POST of a month is the 40th, however many lives it took.
"""

from __future__ import annotations

import http.client
import mmap
import os
import signal
import sqlite3
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
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


#: points that only a life after a crash passes when nothing else goes wrong: orders whose answer nobody read are looked up
AFTER_A_CRASH = tuple(point for point in POINTS if point.endswith("GET order"))
_PLACE = {name: place for place, name in enumerate(POINTS)}
_BYTES = 8


def new_counts(file: Path) -> None:
    """A file of counts that are all 0."""
    file.write_bytes(bytes(_BYTES * len(POINTS)))


def counted(file: Path) -> dict[str, int]:
    """How often each point was passed by the lives that shared this file; without those that never were."""
    counts = memoryview(file.read_bytes()).cast("Q")
    return {name: counts[place] for name, place in _PLACE.items() if counts[place]}


class Points:
    """Counts how often each point was passed, and kills at some of them."""

    def __init__(self, counts: str, deaths: Mapping[str, int], obituary: str) -> None:
        """Kill at a point of `deaths` once it was passed that often, by this life and those before it that shared the file of
        `counts`; the last thing that is done is to write into the `obituary` where it was."""
        with open(counts, "r+b") as file:  # noqa: PTH123 - mapped, not read
            self._counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
        self._deaths, self._obituary = dict(deaths), obituary

    def passing(self, name: str) -> None:
        """The process may end here."""
        place = _PLACE.get(name)
        if place is None:  # a call of the test's own, to the venue
            return
        self._counts[place] += 1
        if name in self._deaths and self._counts[place] >= self._deaths[name]:
            with open(self._obituary, "w", encoding="utf-8") as file:  # noqa: PTH123 - open() is quicker to reach here
                file.write(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Put the points around the methods of the loaded program."""
        from qmtl.cli import run
        from qmtl.engine import projections, runtime
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
        self._network()

    def _network(self) -> None:
        """Around each request, and between its last byte and the first of the reply."""
        from qmtl.engine.adapters.alpaca.transport import Line

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
