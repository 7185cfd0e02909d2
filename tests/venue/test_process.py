"""The venue as a process of its own, as the crash tests use it, and how fast it answers."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .made import account, at, call, now_of, placed, positions
from .start import HERE, Handle, started

DATA = HERE.parents[2] / "shared" / "data" / "us_15m"


def test_a_process_says_where_it_is_and_keeps_its_book(bars: Path, tmp_path: Path) -> None:
    where = {"bars": bars, "book": tmp_path / "book.db"}
    with started(**where, now=at("2025-11-24 10:00"), cash="5000", key="PKOTHER", seed=3) as venue:
        assert venue.pid != os.getpid()
        assert (venue.key, account(venue)["account_number"]) == ("PKOTHER", venue.account_number)
        placed(venue, qty="3", client_order_id="q1-a")
        venue.move(at("2025-11-24 10:01"))
        assert positions(venue) == {"AAA": "3"}
    with started(**where, now=at("2025-11-24 10:01"), key="PKOTHER", seed=3) as again:
        assert (again.account_number, positions(again)) == (venue.account_number, {"AAA": "3"})
        assert again.calls()["GET /v2/positions"] == 2


def test_it_ends_with_the_stdin_of_whoever_started_it(bars: Path) -> None:
    command = [sys.executable, str(HERE / "serve.py"), "--bars", str(bars), "--end-with-stdin"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"url"')
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()


@pytest.mark.parametrize("more", [[], ["--end-with-stdin"]])
def test_it_ends_on_sigterm_and_has_written_its_book(bars: Path, tmp_path: Path, more: list[str]) -> None:
    command = [sys.executable, str(HERE / "serve.py"), "--bars", str(bars), "--book", str(tmp_path / "book.db"), *more]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"url"')
    process.terminate()
    assert process.wait(10) == 0
    process.stdin.close()
    process.stdout.close()
    assert (tmp_path / "book.db").stat().st_size > 0


def test_it_can_be_imported_from_outside_the_tests_by_putting_tests_on_the_path(bars: Path) -> None:
    """As bench/ does."""
    code = (
        f"import sys; sys.path.append({str(HERE.parent)!r})\n"
        "from pathlib import Path\n"
        "from venue.start import started\n"
        f"with started(bars=Path({str(bars)!r}), now={at('2025-11-24 10:00')}) as venue:\n"
        "    print(venue.clock()['session'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "2025-11-24"


@pytest.mark.skipif(not DATA.is_dir(), reason="recorded bars are not at hand: ../shared/data/us_15m is missing")
def test_it_fills_at_recorded_prices() -> None:
    with started(bars=DATA, now=at("2025-10-01 10:59")) as venue:
        sent = placed(venue, "SPY", qty="2")
        venue.move(at("2025-10-01 11:00"))
        assert now_of(venue, sent)["filled_avg_price"] == "665.81"
        row = call(
            venue,
            "GET",
            "/v2/stocks/bars",
            symbols="SPY",
            timeframe="15Min",
            start="2025-10-01",
            feed="iex",
            sort="desc",
        )
        assert row.body["bars"]["SPY"][0]["t"] == "2025-10-01T14:45:00Z"
        assert len(call(venue, "GET", "/v2/assets").body) == 60


def test_it_answers_in_a_few_milliseconds_whatever_is_asked(bars: Path, tmp_path: Path) -> None:
    """A guard against something quadratic, far above what is measured (0.3 ms a read, 0.7 ms an order), because the machine
    is shared."""
    with started(bars=bars, book=tmp_path / "book.db", now=at("2025-11-24 10:00")) as venue:
        assert _seconds_each(venue, "GET", "/v2/positions") < 0.01
        assert _seconds_each(venue, "POST", "/v2/orders") < 0.01
        begun = time.perf_counter()
        for minute in range(60):
            venue.move(at("2025-11-24 10:00") + 60 * minute)
        assert (time.perf_counter() - begun) / 60 < 0.05


def _seconds_each(venue: Handle, method: str, path: str, count: int = 300) -> float:
    """Mean seconds of a request on one connection, the client's own work included."""
    connection = http.client.HTTPConnection(urlsplit(venue.url).netloc)
    headers = {"APCA-API-KEY-ID": venue.key, "APCA-API-SECRET-KEY": venue.secret}
    begun = time.perf_counter()
    for number in range(count):
        body = (
            f'{{"symbol":"AAA","side":"buy","qty":"1","type":"limit","limit_price":"1.00","time_in_force":"day",'
            f'"client_order_id":"{number}"}}'
        )
        connection.request(method, path, body if method == "POST" else None, headers)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 200
    connection.close()
    return (time.perf_counter() - begun) / count
