"""What a person reads when Alpaca cannot be asked: words instead of the classes of libraries, the way out, and nothing twice."""

from __future__ import annotations

import socket

import pytest

from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.keys import Keys, Secret
from qmtl.engine.adapters.alpaca.reading import Reader, Remarks
from qmtl.engine.adapters.alpaca.transport import Limits, Line
from qmtl.engine.errors import BrokerError

from .conftest import Open
from .wire import Said, Wire

KEYS = Keys(Secret("PKTEST"), Secret("secret"))


def refused_start(url: str) -> BrokerError:
    line = Line("trading", url, KEYS, limits=Limits(3.0, 3.0))
    try:
        with pytest.raises(BrokerError) as error:
            AlpacaBroker(line)
    finally:
        line.close()
    return error.value


def test_wrong_keys_are_said_with_the_names_of_the_variables(wire: Wire) -> None:
    wire.says(Said(401, {"message": "unauthorized."}, {"X-Request-ID": "abc"}))
    error = refused_start(wire.url)
    assert str(error) == "the keys are not accepted: /account failed: auth: 401 unauthorized. [request abc]"
    assert "APCA_API_KEY_ID" in error.hint
    assert "`mode`" in error.hint


def test_without_a_network_no_class_of_a_library_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = refused_start("https://paper-api.example.test")
    assert str(error) == "/account failed: connection: the name paper-api.example.test cannot be resolved"
    assert error.hint.startswith("check the network")


def test_an_address_where_nobody_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refused_start(f"http://127.0.0.1:{port}")
    assert str(error) == f"/account failed: connection: 127.0.0.1:{port} refuses it"
    assert error.hint.startswith("check the network")


def test_a_server_that_is_not_what_it_should_be_is_said_in_words(wire: Wire) -> None:
    """Plain text where TLS is spoken, and a connection that is cut."""
    wire.says(Said(200, {}, manner="drop"))
    assert "closed it without an answer" in str(refused_start(wire.url))
    assert "TLS with 127.0.0.1" in str(refused_start(wire.url.replace("http:", "https:")))


def test_trouble_on_their_side_has_a_way_out_too(wire: Wire) -> None:
    wire.says(Said(503, {"message": "service unavailable"}))
    assert "status page" in refused_start(wire.url).hint


def test_r41_the_same_refusal_under_another_request_id_is_told_once(wire: Wire, lines: Open) -> None:
    remarks, count = Remarks(), 0

    def script(_: object) -> Said:
        nonlocal count
        count += 1
        return Said(410, {"message": "this endpoint is retired"}, {"X-Request-ID": f"request-{count}"})

    wire.script = script
    reader = Reader(lines().trading, BrokerError, remarks)
    for _ in range(6):
        with pytest.raises(BrokerError):
            reader.ask("/positions", {}, list)
    (told,) = remarks.take()
    assert told.startswith("/positions is refused again and again")
    assert "request-3" in told


def test_r41_again_and_again_is_said_of_the_endpoint_that_refuses(wire: Wire, lines: Open) -> None:
    remarks = Remarks()
    wire.says(Said(410, {"message": "gone"}))
    reader = Reader(lines().trading, BrokerError, remarks)
    for _ in range(4):
        reader.line.get("/positions")
    with pytest.raises(BrokerError) as error:
        reader.ask("/orders", {}, list)
    assert "in a row" not in str(error.value)
    assert remarks.take() == ()
