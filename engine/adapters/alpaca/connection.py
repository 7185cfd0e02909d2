"""Connections that can be taken away from a worker that does not come back.

In: a `Leash`. Out: an adapter for `requests` whose connections are on it. Letting go of the leash closes them at once, from
any thread, and keeps every connection made later from sending a byte: a call whose answer nobody waits for any more must not
place an order afterwards.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

LET_GO = "the call was given up"


class LetGoError(OSError):
    """What a worker gets that goes on after its call was given up."""


class Leash:
    """Open connections of one client, and whether they may still be used. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[HTTPConnection] = []
        self._gone = False

    def check(self) -> None:
        """LetGoError when nothing may be sent any more."""
        if self._gone:
            raise LetGoError(LET_GO)

    def hold(self, connection: HTTPConnection) -> None:
        """Remember a connection that is open now."""
        with self._lock:
            self._held = [held for held in self._held if held.sock is not None and held is not connection]
            self._held.append(connection)

    def let_go(self) -> None:
        """Shut every connection, for good. What a worker has not sent by now it never sends."""
        with self._lock:
            self._gone = True
            for connection in self._held:
                if connection.sock is not None:
                    # the socket's own method: that of a TLS socket would change what the worker is just reading from
                    with contextlib.suppress(OSError):
                        socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)


class _OnLeash(HTTPConnection):
    """A connection that asks its leash before each byte."""

    def __init__(self, *args: Any, leash: Leash, **options: Any) -> None:
        self._leash = leash
        super().__init__(*args, **options)

    def connect(self) -> None:
        self._leash.check()
        super().connect()
        self._leash.hold(self)

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self._leash.check()
        super().send(data)


class _TlsOnLeash(_OnLeash, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _OnLeash


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsOnLeash


class _Pools(PoolManager):
    def __init__(self, leash: Leash, **options: Any) -> None:
        super().__init__(**options)
        self._leash = leash
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        context = dict(self.connection_pool_kw if request_context is None else request_context)
        return super()._new_pool(scheme, host, port, {**context, "leash": self._leash})


class LeashedAdapter(HTTPAdapter):
    """An adapter of `requests` without retries, whose connections are on a leash."""

    def __init__(self, leash: Leash) -> None:
        self._leash = leash
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """One pool per client, of connections on the leash."""
        self.poolmanager = _Pools(self._leash, num_pools=connections, maxsize=maxsize, block=block, **options)
