"""Nothing that is written, raised or told holds a key, not even when the server says it first."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from qmtl.engine.adapters.alpaca.bars import AlpacaBars
from qmtl.engine.adapters.alpaca.broker import AlpacaBroker
from qmtl.engine.adapters.alpaca.quotes import AlpacaQuotes
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import QmtlError
from qmtl.engine.orders import Order
from qmtl.engine.ports import Known

from .conftest import KEY, SECRET
from .rows import ACCOUNT, order_row
from .wire import Asked, Said, Wire

Open = Callable[..., Any]
ECHO = f"the key {KEY} with {SECRET} is refused"
ORDER = Order("q1-a", "SPY", "buy", Decimal(1), "open", 1, 1, "X", Decimal(1), 0, ())
ANSWERS = (
    Said(200, ECHO),
    Said(200, {"id": ECHO, "client_order_id": ECHO, "status": ECHO, "qty": ECHO}),
    Said(200, [{"id": ECHO, "client_order_id": ECHO, "status": ECHO, "symbol": ECHO}]),
    Said(200, [order_row(client_order_id="q1-a", status=ECHO)]),
    Said(200, order_row(client_order_id="q1-a", status=ECHO)),
    Said(401, {"code": 40110000, "message": ECHO}, {"X-Request-ID": SECRET}),
    Said(403, {"message": ECHO}),
    Said(404, ECHO),
    Said(422, {"code": 40010001, "message": f"client_order_id must be unique {ECHO}"}),
    Said(500, ECHO),
    Said(307, ECHO, {"Location": f"https://example.com/{SECRET}"}),
    Said(200, ECHO, manner="drop"),
    Said(200, ECHO, manner="short"),
    Said(200, ECHO, manner="hang"),
    Said(200, b"", {"Content-Length": SECRET}),
    Said(200, b"", {"Content-Encoding": "gzip", SECRET: KEY}),
)


@pytest.mark.parametrize("said", ANSWERS, ids=range(len(ANSWERS)))
def test_no_output_holds_a_key(
    wire: Wire, lines: Open, said: Said, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    wire.routes(v2_account=ACCOUNT)
    opened = lines(deadline=0.4)
    broker = AlpacaBroker(opened.trading, ("SPY",), patience=0.6)
    bars = AlpacaBars(opened.data, ("SPY",), SessionCalendar("XNYS", "2026-03-02", "2026-03-31"), feed="sip")
    quotes = AlpacaQuotes(opened.data, ("SPY",), feed="sip")
    wire.script = lambda _: said
    calls: tuple[Callable[[], Any], ...] = (
        lambda: broker.submit(ORDER, 5),
        lambda: broker.cancel("q1-a", 5),
        lambda: broker.lookup("q1-a"),
        lambda: broker.hear(Known(orders=("q1-a",)), 1_773_064_800),
        broker.positions,
        lambda: broker.traces("q1"),
        lambda: list(bars.rows(1_773_063_000, 1_773_064_000)),
        lambda: quotes.quotes(5),
    )
    written = [_all_of(call) for call in calls]
    written += [*broker.take_remarks(), *bars.take_remarks(), *quotes.take_remarks(), repr(opened), repr(broker)]
    written += [repr(vars(broker)), repr(vars(opened.trading)), caplog.text, *capfd.readouterr()]
    whole = "\n".join(written)
    assert "q1-a" in whole
    assert SECRET not in whole
    assert KEY not in whole


def _all_of(call: Callable[[], Any]) -> str:
    """What it gives, or what its error says with all locals of all frames."""
    try:
        return repr(call())
    except QmtlError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        return "".join(shown.format()) + repr(error) + error.hint


def test_the_client_of_alpaca_py_never_holds_them(wire: Wire, lines: Open) -> None:
    client = lines().trading._client
    assert SECRET not in repr(vars(client))
    assert client._api_key == client._secret_key == "***"


def test_the_server_does_get_them(wire: Wire, lines: Open) -> None:
    """The test above would pass without keys too."""
    seen: list[Asked] = []

    def script(asked: Asked) -> Said:
        seen.append(asked)
        return Said(200, {})

    wire.script = script
    lines().trading.get("/account")
    assert seen[0].headers["apca-api-secret-key"] == SECRET
