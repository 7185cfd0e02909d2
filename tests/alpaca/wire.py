"""A server on loopback that says exactly what a test wants, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request that reached the server."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


@dataclass(frozen=True)
class Said:
    """One answer. `body` is JSON, text or bytes. `manner`: "" whole, "hang" nothing and the connection stays open, "drop" the
    connection is closed without a word, "drip" a byte every `pause` seconds, "short" fewer bytes than announced."""

    status: int = 200
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)
    manner: str = ""
    pause: float = 0.05
    after: float = 0.0


Script = Callable[[Asked], Said]


class Wire:
    """Listens on a port of its own. `script` answers; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: Script = lambda _: Said(404, {"code": 40410000, "message": "endpoint not found"})
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def says(self, *answers: Said) -> None:
        """These answers in turn, the last one for ever."""
        left = list(answers)
        self.script = lambda _: left.pop(0) if len(left) > 1 else left[0]

    def routes(self, **by_path: Any) -> None:
        """Answers by path ("v2_account" for /v2/account); a callable is asked, a `Said` is said, JSON is put into a 200."""

        def script(asked: Asked) -> Said:
            key = asked.path.strip("/").replace("/", "_").replace(":", "_").replace("-", "_")
            found = by_path.get(f"{asked.method.lower()}_{key}", by_path.get(key))
            if found is None:
                return Said(404, "<html>nothing here</html>")
            said = found(asked) if callable(found) else found
            return said if isinstance(said, Said) else Said(200, said)

        self.script = script

    def paths(self) -> list[str]:
        return [f"{one.method} {one.path}" for one in self.asked]

    def close(self) -> None:
        self.ended.set()
        self._listener.close()
        for one in self._open:
            with suppress(OSError):
                one.close()

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection:
            stream = connection.makefile("rb")
            while asked := _request(stream):
                self.asked.append(asked)
                said = self.script(asked)
                time.sleep(said.after)
                if not self._answer(connection, said):
                    return

    def _answer(self, connection: socket.socket, said: Said) -> bool:
        if said.manner == "hang":
            self.ended.wait(20)
            return False
        if said.manner == "drop":
            return False
        body = b"" if said.status == 204 else said.body if isinstance(said.body, bytes) else _bytes(said.body)
        headers = {"Date": formatdate(usegmt=True), "Content-Length": str(len(body)), **said.headers}
        lines = [f"HTTP/1.1 {said.status} X", *(f"{name}: {value}" for name, value in headers.items() if value != "-")]
        whole = "\r\n".join([*lines, "", ""]).encode() + body
        if said.manner == "short":
            connection.sendall(whole[:-3])
            return False
        if said.manner == "drip":
            for at in range(len(whole)):
                connection.sendall(whole[at : at + 1])
                if self.ended.wait(said.pause):
                    break
            return False
        connection.sendall(whole)
        return True


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _request(stream: Any) -> Asked | None:
    line = stream.readline().decode().split()
    if len(line) < 2:
        return None
    headers = {}
    while text := stream.readline().decode().strip():
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", "0")))
    parts = urlsplit(line[1])
    return Asked(line[0], parts.path, dict(parse_qsl(parts.query)), json.loads(body) if body else None, headers)


@contextmanager
def listening() -> Iterator[Wire]:
    wire = Wire()
    try:
        yield wire
    finally:
        wire.close()
