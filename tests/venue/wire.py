"""HTTP/1.1 over sockets: keep-alive, one write a reply, and replies that never come.

In: a venue. Out: `Server`, one thread a connection. It stands below the standard library's http.server because a reply
must be dropped, cut, dripped or withheld at will, and because it parses a request in a tenth of the time.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import socketserver
import sys
import threading
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

from .messages import Reply, Request, parsed
from .routes import answer

if TYPE_CHECKING:
    from .venue import Venue

LONGEST_LINE = 65_536
_numbers = itertools.count(1)


class Server(socketserver.ThreadingTCPServer):
    """Serves one venue until `stop`."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, venue: Venue, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Connection)
        self.venue = venue
        self.stopping = threading.Event()
        self.connections: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is no error of ours; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        """Stop serving and close the book."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.venue.close()


class Connection(socketserver.StreamRequestHandler):
    """One connection: requests in order until either side closes."""

    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        self.server.connections.add(self.connection)
        try:
            while (request := self._read()) is not None:
                reply = answer(self.server.venue, request)
                if not self._send(reply) or request.headers.get("connection", "").lower() == "close":
                    return
        finally:
            self.server.connections.discard(self.connection)

    def _read(self) -> Request | None:
        """The next request; None when the client has closed or what it sends is no HTTP."""
        first = self.rfile.readline(LONGEST_LINE).split()
        if len(first) != 3:
            return None
        headers = {}
        while (line := self.rfile.readline(LONGEST_LINE)) not in {b"\r\n", b"\n", b""}:
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        return parsed(first[0].decode(), first[1].decode(), headers, self.rfile.read(length) if length else b"")

    def _send(self, reply: Reply) -> bool:
        """Send a reply, or do with it what the fault says; False = the connection ends."""
        if reply.how == "drop":
            return False
        if reply.how == "hang":
            self._wait_for_close()
            return False
        content = _encoded(self.server.venue, reply)
        if reply.how == "drip":
            return self._drip(content, reply.pace)
        if reply.how == "cut":
            body = reply.encoded()[1]
            self.wfile.write(_encoded(self.server.venue, reply, body[: len(body) // 2]))
            return True
        self.wfile.write(content)
        return True

    def _wait_for_close(self) -> None:
        """Keep silent until the client gives up or the server stops."""
        self.connection.settimeout(0.05)
        while not self.server.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                if not self.connection.recv(1, socket.MSG_PEEK):
                    return
                self.server.stopping.wait(0.05)

    def _drip(self, content: bytes, pace: float) -> bool:
        for byte in content:
            if self.server.stopping.wait(pace):
                return False
            self.wfile.write(bytes([byte]))
        return True


def _encoded(venue: Venue, reply: Reply, body: bytes | None = None) -> bytes:
    """Status line, headers and body in one piece. Date is the venue's clock, skewed when a fault says so."""
    kind, content = reply.encoded()
    content = content if body is None else body
    skew = (venue.faults.state("clock_skew") or {}).get("seconds", 0)
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        f"Date: {formatdate(venue.now + skew, usegmt=True)}",
        f"X-Request-ID: {next(_numbers):032x}",
        *(f"{name}: {value}" for name, value in reply.headers.items()),
    ]
    if reply.status != HTTPStatus.NO_CONTENT:
        lines += [f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content
