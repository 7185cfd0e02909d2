"""The way to Alpaca: alpaca-py's clients with one call, one answer, one deadline.

In: a method, a path and what goes with it. Out: an `Answer`, whatever happened. alpaca-py as it is knows no timeout, sends a
POST again on 429 and 504, and raises on an answer that it cannot model after the order was accepted. So its clients are
subclassed where every request of theirs passes, `_one_request`: nothing is sent twice, nothing is modelled, nothing is
redirected, proxies of the environment are left alone, and in dry mode nothing but GET passes at all (R53).

Every call runs in a worker thread, because no socket timeout ends a server that sends a byte now and then. When the deadline
passes, the worker is left behind and its connections are shut, so that it cannot send later what nobody waits for (R36).
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import urlsplit

from alpaca.common.rest import RESTClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.trading.client import TradingClient
from requests import Response
from requests.exceptions import ConnectTimeout, RequestException, Timeout
from urllib3.exceptions import HTTPError

from ...errors import BrokerError
from .budget import Budget
from .connection import Leash, LeashedAdapter, LetGoError
from .keys import MASK, Keys

CONNECT_TIMEOUT = 5.0
#: a connection that was idle for longer is not trusted to be alive: a POST on a dead one has an unknown end
IDLE = 20.0
#: refusals in a row on one path after which a person should look at it (R41)
REPEATED = 3
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})

Method = Literal["GET", "POST", "DELETE"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call. `status` 0: no answer, and `failure` says why; `sent` False: certainly nothing left. `headers` have
    names in lower case; `elapsed` seconds by the monotonic clock; `at` our wall clock when the answer was complete."""

    status: int
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False)
    request_id: str = ""
    elapsed: float = 0.0
    at: float = 0.0
    failure: str = ""
    sent: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take: `deadline` seconds for the whole of it, `read` between two bytes."""

    deadline: float = 10.0
    read: float = 8.0


@dataclass(slots=True)
class _Call:
    """One call, between the thread that waits and the one that works."""

    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None


class _Once(RESTClient):
    """What both clients of alpaca-py become: one request, never again, nothing interpreted."""

    def _settle(self, keys: Keys, leash: Leash, *, read_only: bool) -> None:
        self._keys, self.leash, self._read_only = keys, leash, read_only
        self._retry, self._retry_codes = 0, []
        self._session.trust_env = False
        self.timeouts = (CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, LeashedAdapter(leash))

    def _get_auth_headers(self) -> dict[str, str]:
        return {"APCA-API-KEY-ID": self._keys.name.reveal(), "APCA-API-SECRET-KEY": self._keys.secret.reveal()}

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:  # noqa: ARG002 - alpaca-py's
        """The one place through which every request passes, those of alpaca-py's own methods included."""
        if self._read_only and method != "GET":
            raise BrokerError(f"{method} is not sent in dry mode", "nothing but reading leaves a dry run")
        self.leash.check()
        response = self._session.request(method, url, **opts, timeout=self.timeouts)
        return _answer(response)

    def close(self) -> None:
        self.leash.let_go()
        self._session.close()


class _Trading(_Once, TradingClient):
    """alpaca-py's trading client, called once."""


class _Data(_Once, StockHistoricalDataClient):
    """alpaca-py's client of market data of stocks, called once."""


class Line:
    """Calls to one address of Alpaca, one at a time. Safe between threads; a second caller waits within its own deadline."""

    def __init__(
        self,
        kind: Literal["trading", "data"],
        url: str,
        keys: Keys,
        *,
        budget: Budget | None = None,
        limits: Limits | None = None,
        read_only: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`read_only`: everything but GET is refused where it would leave. `wall` is our clock, to compare with theirs."""
        self._kind, self._url, self._keys, self._read_only = kind, url, keys, read_only
        self._budget, self._limits = budget or Budget(), limits or Limits()
        self._wall = wall
        self._host = urlsplit(url).netloc
        self._lock, self._closed = threading.Lock(), False
        self._client = self._open()
        self._used = time.monotonic()
        self._refused: Counter[str] = Counter()

    @property
    def wall(self) -> Callable[[], float]:
        """Our wall clock, epoch seconds."""
        return self._wall

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that deadlines are told by, monotonic seconds."""
        return time.monotonic

    @property
    def refused(self) -> Mapping[str, int]:
        """Paths whose last reads were all refused with a 4xx, and how many in a row (R41)."""
        return MappingProxyType(self._refused)

    def refused_in_a_row(self, path: str) -> int:
        """How many of the last reads of this endpoint were refused with a 4xx, 0 when the last one was not."""
        return self._refused[_place(path)]

    def get(self, path: str, query: Mapping[str, str] | None = None, *, until: float | None = None) -> Answer:
        """Read; `until` is the moment of `clock` by which it must be done, waiting for a free request included."""
        return self._ask("GET", path, dict(query or {}), until)

    def post(self, path: str, payload: Mapping[str, object]) -> Answer:
        """Send once. BrokerError in dry mode."""
        return self._ask("POST", path, dict(payload), None)

    def delete(self, path: str) -> Answer:
        """Ask once to take something back. BrokerError in dry mode."""
        return self._ask("DELETE", path, None, None)

    def cleaned(self, text: str) -> str:
        """A text of somebody else without our keys in it."""
        return self._keys.cleaned(text)

    def close(self) -> None:
        """Let go of the connections; nothing is sent from here on."""
        self._closed = True
        self._client.close()

    def _open(self) -> _Once:
        """A client with connections of its own. It never holds the keys: they go from their wrapper into the headers."""
        client: _Once
        if self._kind == "trading":
            client = _Trading(MASK, MASK, raw_data=True, url_override=self._url)
        else:
            client = _Data(MASK, MASK, raw_data=True, url_override=self._url)
        client._settle(self._keys, Leash(), read_only=self._read_only)  # noqa: SLF001 - its own class
        return client

    def _ask(self, method: Method, path: str, data: dict[str, Any] | None, until: float | None) -> Answer:
        if self._read_only and method != "GET":
            raise BrokerError(f"{method} {path} is not sent in dry mode", "nothing but reading leaves a dry run")
        clock = time.monotonic
        end = clock() + self._limits.deadline if until is None else until
        if self._closed:
            return Answer(0, failure="not sent: the connection to the broker is closed", sent=False)
        if not self._lock.acquire(timeout=max(0.0, end - clock())):
            return Answer(0, failure="not sent: another call did not end in time", sent=False)
        try:
            lack = self._budget.take(end - clock(), urgent=method != "GET")
            if lack:
                return Answer(0, failure=f"not sent: {lack}", sent=False)
            left = min(end - clock(), self._limits.deadline)
            if left <= 0:
                return Answer(0, failure="not sent: its deadline passed while it waited", sent=False)
            answer = self._run(method, path, data, left)
        finally:
            self._lock.release()
        if answer.status:
            self._budget.heed(answer.status, answer.headers)
        self._count(method, path, answer.status)
        return answer

    def _run(self, method: Method, path: str, data: dict[str, Any] | None, left: float) -> Answer:
        began = time.monotonic()
        if began - self._used > IDLE:
            self._client.close()
            self._client = self._open()
        client, call = self._client, _Call()
        client.timeouts = (min(CONNECT_TIMEOUT, left), min(self._limits.read, left))
        work = threading.Thread(target=self._work, args=(client, call, method, path, data), daemon=True)
        try:
            work.start()
        except RuntimeError as error:  # the system has no thread left
            return Answer(0, failure=f"not sent: {error}", sent=False)
        call.done.wait(left)
        self._used = time.monotonic()
        if call.answer is None:
            client.close()
            self._client = self._open()
            why = f"no answer within {left:.1f} s" if not call.done.is_set() else "the worker ended without an answer"
            return Answer(0, failure=why, elapsed=self._used - began, at=self._wall())
        answer = call.answer
        return Answer(
            answer.status,
            self._keys.cleaned_bytes(answer.body),
            answer.headers,
            self.cleaned(answer.request_id),
            self._used - began,
            self._wall(),
            self.cleaned(answer.failure),
        )

    def _work(self, client: _Once, call: _Call, method: Method, path: str, data: dict[str, Any] | None) -> None:
        got: Any  # what `_one_request` made, which alpaca-py's own types do not know
        try:
            if method == "GET":
                got = client.get(path, data)
            elif method == "POST":
                got = client.post(path, data)
            else:
                got = client.delete(path)
            call.answer = got
        except (RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            call.answer = None if isinstance(error, LetGoError) else Answer(0, failure=_why(error, self._host))
        finally:
            call.done.set()

    def _count(self, method: Method, path: str, status: int) -> None:
        if method != "GET" or status in (0, 429) or status >= 500:
            return
        place = _place(path)
        if 400 <= status < 500 and not (status == 404 and place == "/orders:by_client_order_id"):
            self._refused[place] += 1
        else:
            del self._refused[place]


def _place(path: str) -> str:
    """The path without what names one thing: counts are kept per endpoint."""
    return "/".join(part for part in path.split("/")[:4] if len(part) < 32)


def _answer(response: Response) -> Answer:
    headers = MappingProxyType({name.lower(): value for name, value in response.headers.items()})
    return Answer(response.status_code, response.content, headers, headers.get("x-request-id", ""))


def _why(error: Exception, host: str) -> str:
    """What went wrong on the way, in words: libraries wrap the cause several times and print their own classes."""
    if isinstance(error, ConnectTimeout):
        return f"timeout: {host} cannot be reached"
    if isinstance(error, Timeout):
        return f"timeout: {host} gave no answer"
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    match cause:
        case socket.gaierror():
            what = f"the name {host} cannot be resolved"
        case ConnectionRefusedError():
            what = f"{host} refuses it"
        case ssl.SSLError():
            what = f"TLS with {host} failed: {cause.reason or cause}"
        case ConnectionError() | http.client.RemoteDisconnected():
            what = f"{host} closed it without an answer"
        case OSError(strerror=str() as said):
            what = f"{host}: {said}"
        case _:
            what = f"{host}: {str(cause)[:300]}"
    return f"connection: {what}"
