"""A TCP proxy that spoils connections on loopback: latency, cuts, silence, drips, refusals.

In: the address of a server. Out: `Proxy`, an address of its own whose connections go through to the server as long as
nothing is wrong. What goes wrong is one `Trouble`, which may be changed at any time; it holds for connections that are made
afterwards, latency and blackhole also for those that are open. Bytes are counted, never understood: HTTP is not parsed.

In this process:   with Proxy("127.0.0.1", 8080) as proxy: proxy.trouble = Trouble(cut_reply_after=40)
As a process:      python tests/venue/proxy.py --to 127.0.0.1:8080   prints {"url", "control", "pid"} and ends with its stdin;
                   POST to the control URL sets the trouble ({} = none), GET shows it and how many connections it met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import struct
import sys
import threading
import time
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

CHUNK = 65_536
PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong. Seconds and bytes; -1 = never.

    latency            every piece of data waits so long, in each direction
    cut_request_after  the connection is cut when so many bytes have gone to the server, 0 = at once
    cut_reply_after    the same for bytes that come back, so a reply ends in its middle although the server did its work
    blackhole          accepted, then nothing moves in either direction
    silent_reply       requests go through, no reply comes back
    drip               seconds between two bytes of a reply
    refuse             connections are refused (nobody listens)
    reset              a cut is a reset (RST), not an end (FIN)
    """

    latency: float = 0.0
    cut_request_after: int = -1
    cut_reply_after: int = -1
    blackhole: bool = False
    silent_reply: bool = False
    drip: float = 0.0
    refuse: bool = False
    reset: bool = False


class Proxy:
    """A listening address. `connections` counts those that were made, also to a blackhole."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._trouble = Trouble()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._pairs: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.connections = 0
        self.port = 0
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def trouble(self) -> Trouble:
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: Trouble) -> None:
        self._trouble = trouble
        if trouble.refuse:
            self._deaf()
        elif self._listener is None:
            self._listen()

    def cut(self) -> None:
        """Cut every open connection now."""
        with self._lock:
            pairs = list(self._pairs)
        for one in pairs:
            self._end(one)

    def close(self) -> None:
        self._stopping.set()
        self._deaf()
        self.cut()

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _deaf(self) -> None:
        """Stop listening: new connections are refused by the system."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        trouble = self._trouble
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.add(client)
        if trouble.cut_request_after == 0:
            self._end(client)
            return
        try:
            server = socket.create_connection(self._server)
        except OSError:
            self._end(client)
            return
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.add(server)
        back = threading.Thread(target=self._pump, args=(server, client, trouble.cut_reply_after, True), daemon=True)
        back.start()
        self._pump(client, server, trouble.cut_request_after, False)
        back.join()

    def _pump(self, source: socket.socket, sink: socket.socket, cut_after: int, is_reply: bool) -> None:
        """Carry bytes until either side ends or the cut is due; then end both."""
        left = cut_after
        with contextlib.suppress(OSError):
            while content := source.recv(CHUNK):
                self._hold(is_reply=is_reply)
                if left >= 0:
                    content = content[:left]
                    left -= len(content)
                self._carry(sink, content, is_reply=is_reply)
                if left == 0:
                    break
        self._end(source)
        self._end(sink)

    def _hold(self, *, is_reply: bool) -> None:
        """Wait for the latency, and for as long as nothing may move."""
        time.sleep(self._trouble.latency)
        while not self._stopping.is_set() and (self._trouble.blackhole or (is_reply and self._trouble.silent_reply)):
            time.sleep(PAUSE)

    def _carry(self, sink: socket.socket, content: bytes, *, is_reply: bool) -> None:
        if not (is_reply and self._trouble.drip):
            sink.sendall(content)
            return
        for byte in content:
            if self._stopping.wait(self._trouble.drip):
                return
            sink.sendall(bytes([byte]))

    def _end(self, one: socket.socket) -> None:
        """End a socket, with a reset when the trouble says so."""
        with self._lock:
            if one not in self._pairs:
                return
            self._pairs.discard(one)
        with contextlib.suppress(OSError):
            if self._trouble.reset:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.shutdown(socket.SHUT_RD)  # wakes the thread that reads; closing alone would not
            else:
                one.shutdown(socket.SHUT_RDWR)
        one.close()


# as a process
class _Control(BaseHTTPRequestHandler):
    """GET shows the trouble, POST sets it, DELETE cuts every open connection."""

    proxy: Proxy

    def _reply(self) -> None:
        content = json.dumps({"trouble": asdict(self.proxy.trouble), "connections": self.proxy.connections}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        self._reply()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.proxy.trouble = replace(Trouble(), **body)
        self._reply()

    def do_DELETE(self) -> None:
        self.proxy.cut()
        self._reply()

    def log_message(self, *_: object) -> None:
        """Says nothing: stderr is the test's."""


def main(arguments: list[str] | None = None) -> int:
    """Run a proxy until stdin ends."""
    parser = argparse.ArgumentParser(description="a TCP proxy that spoils connections")
    parser.add_argument("--to", required=True, help="host:port of the server")
    host, _, port = parser.parse_args(arguments).to.partition(":")
    with Proxy(host, int(port)) as proxy:
        handler = type("Control", (_Control,), {"proxy": proxy})
        control = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=control.serve_forever, daemon=True).start()
        hello = {"url": proxy.url, "control": f"http://127.0.0.1:{control.server_address[1]}", "pid": os.getpid()}
        print(json.dumps(hello), flush=True)  # noqa: T201 - that is the protocol
        sys.stdin.read()
        control.shutdown()
        control.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
