"""The way out: deadlines, no second sending, one choke point, nothing of what alpaca-py does by itself."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from requests import Session

from qmtl.engine.adapters.alpaca.connection import Leash, LeashedAdapter, LetGoError
from qmtl.engine.errors import BrokerError

from .wire import Said, Wire

Open = Callable[..., Any]


def test_the_fact_that_alpaca_py_sends_a_post_four_times_on_504(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why it is subclassed: this is the client as it is installed."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    wire.says(Said(504, {"message": "timeout"}))
    with pytest.raises(APIError):
        TradingClient("PK", "s", url_override=wire.url).post("/orders", {"symbol": "SPY"})
    assert wire.paths() == ["POST /v2/orders"] * 4


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_r01_a_post_is_sent_once_whatever_comes_back(wire: Wire, trading: Any, status: int) -> None:
    wire.says(Said(status, {"message": "no"}))
    assert trading.post("/orders", {"symbol": "SPY"}).status == status
    assert wire.paths() == ["POST /v2/orders"]


@pytest.mark.parametrize("manner", ["drop", "short"])
def test_r01_a_connection_that_ends_early_is_no_reason_to_send_again(wire: Wire, trading: Any, manner: str) -> None:
    wire.says(Said(200, {"id": "x"}, manner=manner))
    answer = trading.post("/orders", {"symbol": "SPY"})
    assert (answer.status, answer.sent) == (0, True)
    assert answer.failure.startswith("connection")
    assert len(wire.asked) == 1


def test_r36_a_silent_server_is_left_at_the_deadline(wire: Wire, lines: Open) -> None:
    line = lines(deadline=0.4).trading
    wire.says(Said(manner="hang"), Said(200, {"id": "later"}))
    began = time.monotonic()
    answer = line.post("/orders", {"symbol": "SPY"})
    assert 0.3 < time.monotonic() - began < 3
    assert (answer.status, answer.sent) == (0, True)
    assert line.get("/account").status == 200, "the next call has a connection of its own"


def test_r36_a_server_that_drips_is_left_at_the_deadline(wire: Wire, lines: Open) -> None:
    """Each byte comes long before any read timeout."""
    line = lines(deadline=0.5).trading
    wire.says(Said(200, {"id": "x" * 200}, manner="drip", pause=0.05))
    began = time.monotonic()
    assert line.get("/account").status == 0
    assert time.monotonic() - began < 3


def test_r36_the_worker_that_was_left_ends_and_its_connection_is_shut(wire: Wire, lines: Open) -> None:
    line = lines(deadline=0.3).trading
    before = set(threading.enumerate())
    wire.says(Said(manner="hang"))
    line.get("/account")
    waited = time.monotonic() + 3
    while {t for t in set(threading.enumerate()) - before if "_work" in t.name} and time.monotonic() < waited:
        time.sleep(0.02)
    assert not {t for t in set(threading.enumerate()) - before if "_work" in t.name}


def test_a_worker_that_connects_too_late_sends_nothing(wire: Wire) -> None:
    """The call is given up between connecting and sending: the order must not arrive afterwards."""
    leash, session = Leash(), Session()
    session.mount("http://", LeashedAdapter(leash))
    wire.says(Said(200, {}))
    real = leash.hold

    def late(connection: Any) -> None:
        real(connection)
        leash.let_go()

    leash.hold = late  # type: ignore[method-assign]
    with pytest.raises((LetGoError, OSError)):
        session.post(f"{wire.url}/v2/orders", json={"symbol": "SPY"}, timeout=2)
    time.sleep(0.1)
    assert wire.asked == []


def test_a_call_that_had_not_begun_never_begins(wire: Wire, lines: Open) -> None:
    line = lines().trading
    wire.says(Said(200, {}))
    client = line._client
    client.close()
    with pytest.raises(LetGoError):
        client.post("/orders", {"symbol": "SPY"})
    assert wire.asked == []


def test_a_second_caller_waits_no_longer_than_its_own_deadline(wire: Wire, lines: Open) -> None:
    line = lines(deadline=1.5).trading
    wire.says(Said(manner="hang"))
    first = threading.Thread(target=line.get, args=("/account",), daemon=True)
    first.start()
    time.sleep(0.1)
    answer = line.get("/positions", until=line.clock() + 0.2)
    assert (answer.sent, answer.status) == (False, 0)
    first.join()
    assert wire.paths() == ["GET /v2/account"]


def test_r53_dry_mode_has_one_choke_point_for_alpaca_pys_own_methods_too(wire: Wire, lines: Open) -> None:
    line = lines("dry").trading
    wire.says(Said(200, []))
    with pytest.raises(BrokerError, match="dry"):
        line.post("/orders", {"symbol": "SPY"})
    with pytest.raises(BrokerError, match="dry"):
        line.delete("/orders/1")
    order = MarketOrderRequest(symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY)
    for call in (
        lambda: line._client.submit_order(order),
        line._client.cancel_orders,
        lambda: line._client.close_all_positions(cancel_orders=True),
        lambda: line._client.patch("/orders/1", {}),
        lambda: line._client.put("/watchlists/1", {}),
    ):
        with pytest.raises(BrokerError, match="dry"):
            call()
    assert wire.asked == []
    assert line.get("/orders").status == 200


def test_the_data_line_only_reads_in_every_mode(wire: Wire, lines: Open) -> None:
    with pytest.raises(BrokerError, match="dry"):
        lines("paper").data.post("/orders", {})
    assert wire.asked == []


def test_no_redirect_is_followed_and_no_proxy_of_the_environment_used(
    wire: Wire, lines: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    wire.says(Said(307, b"", {"Location": "https://example.com/v2/orders"}))
    answer = lines().trading.post("/orders", {"symbol": "SPY"})
    assert answer.status == 307
    assert wire.paths() == ["POST /v2/orders"]


def test_an_answer_is_a_small_value(wire: Wire, trading: Any) -> None:
    wire.says(Said(418, "tea", {"X-Request-ID": "r-1"}))
    answer = trading.get("/account")
    assert (answer.status, answer.body, answer.request_id) == (418, b"tea", "r-1")
    assert 0 < answer.elapsed < 3
    with pytest.raises(AttributeError):
        answer.status = 200


def test_keys_travel_in_headers_only(wire: Wire, trading: Any) -> None:
    from .conftest import KEY, SECRET

    wire.says(Said(200, {}))
    trading.get("/account", {"a": "b"})
    asked = wire.asked[0]
    assert (asked.headers["apca-api-key-id"], asked.headers["apca-api-secret-key"]) == (KEY, SECRET)
    assert asked.query == {"a": "b"}


def test_after_close_nothing_leaves(wire: Wire, trading: Any) -> None:
    wire.says(Said(200, {}))
    trading.close()
    answer = trading.post("/orders", {"symbol": "SPY"})
    assert (answer.sent, wire.asked) == (False, [])


def test_an_idle_connection_is_not_trusted(wire: Wire, trading: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wire.says(Said(200, {}))
    trading.get("/account")
    client = trading._client
    trading.get("/account")
    assert trading._client is client
    monkeypatch.setattr("qmtl.engine.adapters.alpaca.transport.IDLE", -1.0)
    trading.get("/account")
    assert trading._client is not client


def test_r41_refusals_in_a_row_are_counted_by_endpoint(wire: Wire, trading: Any) -> None:
    wire.says(*[Said(410, {"message": "gone"})] * 3, Said(200, {}))
    for _ in range(3):
        trading.get("/positions")
    assert dict(trading.refused) == {"/positions": 3}
    trading.get("/positions")
    assert dict(trading.refused) == {}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 and its key, in one file."""
    tool, file = shutil.which("openssl"), tmp_path_factory.mktemp("tls") / "both.pem"
    if tool is None:
        pytest.skip("no openssl to make a certificate with")
    name = ["-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(file), *name]
    made = subprocess.run([*command, "-out", str(file) + ".crt"], capture_output=True, check=True)
    assert made.returncode == 0
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


def test_the_leash_holds_over_tls_too(certificate: Path) -> None:
    """A silent server behind TLS: letting go ends the worker that reads from it, and what connects later sends nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener, read = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        with suppress(OSError):
            while True:
                raw, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(raw, server_side=True) as connection:
                    read.append(connection.recv(4096))
                    connection.recv(4096)  # says nothing, until the other side has gone

    threading.Thread(target=serve, daemon=True).start()
    leash, session, ended = Leash(), Session(), threading.Event()
    session.trust_env = False
    session.mount("https://", LeashedAdapter(leash))
    url = f"https://127.0.0.1:{listener.getsockname()[1]}/v2/orders"

    def ask() -> None:
        with suppress(OSError):
            session.get(url, verify=f"{certificate}.crt", timeout=10)
        ended.set()

    threading.Thread(target=ask, daemon=True).start()
    waited = time.monotonic() + 5
    while not read and time.monotonic() < waited:
        time.sleep(0.01)
    assert read[0].startswith(b"GET /v2/orders")
    leash.let_go()
    assert ended.wait(3)
    with pytest.raises(OSError, match="given up"):
        session.get(url, verify=f"{certificate}.crt", timeout=3)
    assert len(read) == 1
    listener.close()
