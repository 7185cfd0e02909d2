"""JSON as exact values; every reply that was recorded or stands in the documents can be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.adapters.alpaca import account
from qmtl.engine.adapters.alpaca.barpages import _page
from qmtl.engine.adapters.alpaca.orders import STATES, decimal, placed
from qmtl.engine.adapters.alpaca.parse import ShapeError, moment, nanoseconds, number, parsed, second, stamp
from qmtl.engine.adapters.alpaca.quotes import _middles

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "alpaca"
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded replies are not here")


def recorded() -> list[dict[str, Any]]:
    if not SHARED.is_dir():
        return []
    found: list[dict[str, Any]] = json.loads((SHARED / "alpaca_py_recorded_responses.json").read_text())
    return found


def of(place: str, method: str = "GET") -> Iterator[Any]:
    """Recorded bodies of one endpoint, with exact numbers."""
    for one in recorded():
        if one["method"] == method and place in one["url"] and one["status"] == 200 and one["body"] is not None:
            yield parsed(json.dumps(one["body"]).encode())


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHARED / f"openapi_{name}-api.json").read_text())
    return found


def test_recorded_orders() -> None:
    bodies = [*of("/v2/orders"), *of("/v2/orders", "POST")]
    rows = [row for body in bodies for row in (body if isinstance(body, list) else [body])]
    assert len(rows) >= 7
    for row in rows:
        read = placed(row)
        assert read.order.broker_id == row["id"]
        assert read.order.client_order_id == row["client_order_id"]
        assert read.remark == ""


def test_recorded_positions_and_account_and_assets() -> None:
    positions = [account.position(row, 7) for body in of("/v2/positions") if isinstance(body, list) for row in body]
    assert positions
    assert (positions[0].symbol, positions[0].qty) == ("AAPL", Decimal(5))
    assert positions[0].marked_at == 7
    money = account.money(next(of("/v2/account")))
    assert (money.number, money.cash, money.blocked) == ("010203ABCD", Decimal("-23140.2"), "")
    assets = account.assets(next(of("/v2/assets")), ["AAPL", "NONE"])
    assert [asset.tradable for asset in assets] == [True, False]


def test_recorded_bars_and_quotes() -> None:
    pages = [_page(body) for body in of("/v2/stocks/bars?")]
    assert sum(len(rows) for page, _ in pages for rows in page.values()) == 7
    quotes = [_middles(body) for body in of("/v2/stocks/quotes/latest")]
    assert quotes[0]["AAPL"] == (161.105, 1647612163)


def test_examples_of_the_openapi_documents() -> None:
    trading = document("trading")
    examples = trading["components"]["examples"]
    orders = {name: one["value"] for name, one in examples.items() if name.endswith("OrderResponse")}
    assert len(orders) == 5
    for one in orders.values():
        assert placed(parsed(json.dumps(one).encode())).remark == ""
    response = trading["paths"]["/v2/account"]["get"]["responses"]["200"]["content"]["application/json"]["example"]
    money = account.money(parsed(json.dumps(response).encode()))
    assert (money.equity, money.buying_power) == (Decimal("123346.11"), Decimal("245432.61"))
    schemas = trading["components"]["schemas"]
    for one in schemas["Position"]["x-examples"].values():
        assert account.position(parsed(json.dumps(one).encode()), 1).symbol == "AAPL"
    clock = schemas["legacy_clock"]["example"]["timestamp"]
    assert nanoseconds(clock) == 1_750_788_922 * 10**9
    other = {**schemas["NonTradeActivities"]["x-examples"]["example-1"]}
    assert account.flow(other) is None, "a dividend is no flow"
    data = document("market-data")
    bars = data["paths"]["/v2/stocks/bars"]["get"]["responses"]["200"]["content"]["application/json"]["examples"]
    page, token = _page(parsed(json.dumps(bars["bars"]["value"]).encode()))
    assert list(page) == ["AAPL"]
    assert token


def test_every_status_of_the_documents_is_in_the_table() -> None:
    assert set(document("trading")["components"]["schemas"]["OrderStatus"]["enum"]) == set(STATES)


def test_every_flow_is_a_type_of_the_documents() -> None:
    assert set(account.FLOWS) <= set(document("trading")["components"]["schemas"]["ActivityType"]["enum"])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"0.1"', "0.1"),
        ("0.1", "0.1"),
        ("0.30000000000000004", "0.30000000000000004"),
        ("12345678901234567890", "12345678901234567890"),
        ("1e3", "1000"),
        ('"-23140.2"', "-23140.2"),
        ("null", None),
    ],
)
def test_numbers_are_exact_both_ways_of_writing(written: str, read: str | None) -> None:
    found = number(parsed(f'{{"x": {written}}}'.encode()), "x")
    assert found == (None if read is None else Decimal(read))


@pytest.mark.parametrize(
    "written", ['"abc"', '""', "true", "[]", "{}", '"NaN"', '"Infinity"', "1e400", '"1e5"', '" 1"', '"1_0"', '"١"']
)
def test_what_is_no_number_is_not_read_as_one(written: str) -> None:
    with pytest.raises(ShapeError):
        number(parsed(f'{{"x": {written}}}'.encode()), "x")


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'"\\ud800', b"1" * 5000]
)
def test_what_is_no_json_is_said_so(body: bytes) -> None:
    with pytest.raises(ShapeError):
        parsed(body)


@given(st.decimals(-(10**12), 10**12, allow_nan=False, places=9))
def test_decimals_go_out_and_come_back(value: Decimal) -> None:
    written = decimal(value)
    assert "E" not in written
    assert Decimal(written) == value


def test_r33_a_time_without_a_zone_is_no_time() -> None:
    for text in ("2026-03-09T09:30:00", "2026-03-09", "09:30", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", None, 5):
        with pytest.raises(ShapeError):
            nanoseconds(text)


def test_r33_times_with_a_zone_are_exact() -> None:
    assert nanoseconds("2023-12-12T22:31:24.668464435Z") == 1_702_420_284_668_464_435
    assert nanoseconds("2025-06-24T14:15:22-04:00") == 1_750_788_922 * 10**9
    assert nanoseconds("2025-06-25T03:15:22+09:00") == 1_750_788_922 * 10**9
    assert moment({"a": None, "b": "2025-06-24T14:15:22.999Z"}, "a", "b") == 1_750_774_522
    assert moment({}, "a") == 0


@given(st.integers(0, 4_000_000_000 * 10**9))
def test_stamps_come_back(nanos: int) -> None:
    assert nanoseconds(stamp(nanos)) == nanos // 1000 * 1000
    assert nanoseconds(second(nanos)) == nanos // 10**9 * 10**9
