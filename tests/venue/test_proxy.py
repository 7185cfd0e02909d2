"""The TCP proxy: every kind of trouble with a real client, in this process and from another."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from .made import account, call, order
from .proxy import Proxy, Trouble
from .start import HERE, Handle


@pytest.fixture
def proxy(venue: Handle) -> Iterator[Proxy]:
    where = urlsplit(venue.url)
    assert where.hostname is not None
    assert where.port is not None
    with Proxy(where.hostname, where.port) as made:
        yield made


@pytest.fixture
def behind(venue: Handle, proxy: Proxy) -> Handle:
    """The venue as it is reached through the proxy."""
    return replace(venue, url=proxy.url)


def taken(venue: Handle, client_order_id: str) -> bool:
    return call(venue, "GET", "/v2/orders:by_client_order_id", client_order_id=client_order_id).status == 200


def test_without_trouble_everything_goes_through(behind: Handle, proxy: Proxy) -> None:
    assert account(behind)["cash"] == "100000"
    with requests.Session() as session:
        headers = {"APCA-API-KEY-ID": behind.key, "APCA-API-SECRET-KEY": behind.secret}
        for _ in range(3):
            assert session.get(f"{behind.url}/v2/clock", headers=headers, timeout=5).json()["is_open"] is True
    assert proxy.connections == 2  # one, and one that three requests shared


def test_latency_holds_in_each_direction(behind: Handle, proxy: Proxy) -> None:
    proxy.trouble = Trouble(latency=0.1)
    begun = time.monotonic()
    assert call(behind, "GET", "/v2/clock").status == 200
    assert time.monotonic() - begun >= 0.2


def test_a_cut_at_once(behind: Handle, proxy: Proxy, venue: Handle) -> None:
    proxy.trouble = Trouble(cut_request_after=0)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        order(behind, client_order_id="a")
    assert not taken(venue, "a")


def test_a_cut_in_the_middle_of_a_request_leaves_no_order(behind: Handle, proxy: Proxy, venue: Handle) -> None:
    proxy.trouble = Trouble(cut_request_after=60)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        order(behind, client_order_id="a")
    assert not taken(venue, "a")


@pytest.mark.parametrize("after", [0, 5, 300])
def test_r01_a_cut_in_the_middle_of_the_reply_leaves_an_order(
    behind: Handle, proxy: Proxy, venue: Handle, after: int
) -> None:
    proxy.trouble = Trouble(cut_reply_after=after)
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        order(behind, client_order_id="a")
    assert taken(venue, "a")


def test_a_reset_is_a_reset(behind: Handle, proxy: Proxy) -> None:
    proxy.trouble = Trouble(cut_reply_after=0, reset=True)
    with pytest.raises(ConnectionResetError):
        call(behind, "GET", "/v2/clock")


def test_a_blackhole_accepts_and_never_answers(behind: Handle, proxy: Proxy, venue: Handle) -> None:
    proxy.trouble = Trouble(blackhole=True)
    with pytest.raises(TimeoutError):
        call(behind, "GET", "/v2/clock", timeout=0.2)
    assert venue.calls() == {}
    assert proxy.connections == 1
    proxy.trouble = Trouble()
    assert call(behind, "GET", "/v2/clock").status == 200


def test_r01_a_silent_reply_hides_an_order_that_was_taken(behind: Handle, proxy: Proxy, venue: Handle) -> None:
    proxy.trouble = Trouble(silent_reply=True)
    body = {
        "symbol": "AAA",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "qty": "1",
        "client_order_id": "a",
    }
    with pytest.raises(TimeoutError):
        call(behind, "POST", "/v2/orders", body, timeout=0.3)
    assert taken(venue, "a")


def test_a_drip_arrives_byte_by_byte(behind: Handle, proxy: Proxy) -> None:
    proxy.trouble = Trouble(drip=0.001)
    begun = time.monotonic()
    assert call(behind, "GET", "/v2/clock", timeout=0.5).status == 200
    assert time.monotonic() - begun > 0.3


def test_refused_connections_and_the_same_port_again(behind: Handle, proxy: Proxy) -> None:
    proxy.trouble = Trouble(refuse=True)
    with pytest.raises(ConnectionRefusedError):
        call(behind, "GET", "/v2/clock")
    proxy.trouble = Trouble()
    assert call(behind, "GET", "/v2/clock").status == 200


def test_open_connections_can_be_cut(behind: Handle, proxy: Proxy) -> None:
    connection = http.client.HTTPConnection(urlsplit(behind.url).netloc, timeout=5)
    headers = {"APCA-API-KEY-ID": behind.key, "APCA-API-SECRET-KEY": behind.secret}
    connection.request("GET", "/v2/clock", headers=headers)
    assert connection.getresponse().read()
    proxy.cut()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        _again(connection, headers)
    connection.close()


def _again(connection: http.client.HTTPConnection, headers: dict[str, str]) -> None:
    connection.request("GET", "/v2/clock", headers=headers)
    connection.getresponse()


def test_as_a_process_it_is_told_over_http(venue: Handle) -> None:
    command = [sys.executable, str(HERE / "proxy.py"), "--to", urlsplit(venue.url).netloc]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        hello = json.loads(process.stdout.readline())
        behind = replace(venue, url=hello["url"])
        assert call(behind, "GET", "/v2/clock").status == 200
        told = requests.post(hello["control"], json={"refuse": True}, timeout=5).json()
        assert (told["trouble"]["refuse"], told["connections"]) == (True, 1)
        with pytest.raises(ConnectionRefusedError):
            call(behind, "GET", "/v2/clock")
        requests.post(hello["control"], json={}, timeout=5)
        assert call(behind, "GET", "/v2/clock").status == 200
        assert requests.delete(hello["control"], timeout=5).status_code == 200
    finally:
        process.stdin.close()
        assert process.wait(10) == 0
        process.stdout.close()
