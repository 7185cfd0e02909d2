"""The table of refusals: R25, R32, R39."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qmtl.engine.adapters.alpaca.parse import refusal
from qmtl.engine.adapters.alpaca.refusals import classify
from qmtl.engine.adapters.alpaca.transport import Answer

#: texts as they were seen at the broker
SEEN: list[tuple[int, int, str, str, str]] = [
    (422, 40010001, "client_order_id must be unique", "duplicate", "duplicate"),
    (422, 40010001, "client order id must be unique", "duplicate", "duplicate"),
    (401, 40110000, "request is not authorized", "auth", "auth"),
    (401, 0, "unauthorized.", "auth", "auth"),
    (403, 0, "forbidden.", "auth", "auth"),
    (403, 40310000, "access key verification failed : access key not found", "auth", "auth"),
    (403, 42210000, "subscription does not permit querying recent SIP data", "entitlement", "entitlement"),
    (403, 0, "subscription does not permit querying recent SIP data", "entitlement", "entitlement"),
    (422, 0, "subscription does not permit querying recent SIP data", "entitlement", "entitlement"),
    (429, 42910000, "rate limit exceeded", "rate", "rate"),
    (403, 40310000, "insufficient buying power", "business", "buying_power"),
    (403, 40310000, "insufficient day trading buying power", "business", "buying_power"),
    (403, 40310000, "insufficient qty available for order (requested: 5, available: 0)", "business", "quantity"),
    (403, 40310000, "account is not allowed to short", "business", "short"),
    (422, 42210000, 'asset "XYZ" cannot be sold short', "business", "short"),
    (403, 40310000, "fractional orders are not allowed to short", "business", "fraction"),
    (403, 40310000, "potential wash trade detected. use complex orders", "business", "opposite_side"),
    (422, 42210000, "potential wash trade detected. use complex orders", "business", "opposite_side"),
    (403, 40310000, "opposite side market/stop order exists", "business", "opposite_side"),
    (403, 40310000, "cannot open a long buy while a short sell order is open", "business", "opposite_side"),
    (403, 40310000, 'asset "BRK.A" is not fractionable', "business", "fraction"),
    (422, 40010001, "qty must be integer", "business", "fraction"),
    (403, 40310100, "trade denied due to pattern day trading protection", "business", "day_trades"),
    (403, 40310100, "", "business", "day_trades"),
    (403, 40310000, "order would create an intraday margin deficit", "business", "intraday_margin"),
    (
        422,
        42210000,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
        "business",
        "price",
    ),
    (422, 42210000, 'asset "HALT" is not tradable', "business", "asset"),
    (422, 42210000, "asset not found for XYZ", "business", "asset"),
    (403, 40310000, "new orders are rejected by user request", "business", "account"),
    (403, 40310000, "account is not authorized to trade", "business", "account"),
    (422, 40010001, "us_equity orders not allowed for account", "business", "account"),
    (403, 40310000, "account is restricted to liquidation only", "business", "account"),
    (403, 0, "market is closed", "business", "closed"),
    (422, 42210000, "options market orders are only allowed during market hours", "business", "closed"),
    (403, 40310000, "trading is halted for this symbol", "business", "halted"),
    (403, 40310010, "stock too volatile", "business", "halted"),
    (422, 42210000, 'order is already in "filled" state', "business", "too_late"),
    (422, 0, "order is not cancelable", "business", "too_late"),
    (404, 40410000, "order not found for 904837e3", "not_found", "not_found"),
    (404, 0, "order not found", "not_found", "not_found"),
    (404, 40410000, "", "not_found", "not_found"),
    (404, 40410000, "endpoint not found", "business", "unlisted"),
    (404, 0, "Not Found", "business", "unlisted"),
    (403, 40310000, "the moon is in the wrong house", "business", "unlisted"),
    (451, 0, "", "business", "unlisted"),
    (408, 0, "request timeout", "server", "server"),
    (500, 50010000, "internal server error occurred", "server", "server"),
    (504, 0, "", "server", "server"),
    (302, 0, "", "unknown", "unknown"),
    (0, 0, "", "unknown", "unknown"),
]


@pytest.mark.parametrize(("status", "code", "message", "kind", "label"), SEEN)
def test_r39_a_table_says_what_a_refusal_means(status: int, code: int, message: str, kind: str, label: str) -> None:
    verdict = classify(status, code, message)
    assert (verdict.kind, verdict.label) == (kind, label)


@pytest.mark.parametrize("status", range(400, 500))
def test_r39_no_unknown_refusal_is_one_of_authentication(status: int) -> None:
    verdict = classify(status, 49999999, "something that was never seen before")
    assert verdict.kind == {401: "auth", 429: "rate", 408: "server"}.get(status, "business")


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ({"code": 40310000, "message": "insufficient buying power", "buying_power": "1"}, True),
        ({"message": "forbidden."}, True),
        ({"code": 1}, True),
        ({}, False),
        ([], False),
        ("<html>403</html>", False),
        (b"", False),
        (b"\xff\xfe\x00", False),
        (b'{"message": "half', False),
        (b"[" * 100_000, False),
        ({"code": "invalid_input", "message": ["a"]}, False),
    ],
)
def test_whose_words_they_are(body: Any, own: bool) -> None:
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    said = refusal(Answer(403, raw))
    assert said.own is own
    assert said.text
