"""Every refusal of the table that a request can meet, with status, code and message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from .made import Answer, at, call, order, placed
from .refusals import TABLE, Refused
from .start import Handle

Venues = Callable[..., Handle]

BODY = {"symbol": "AAA", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
#: what is wrong with the body, and the key of the refusal
BODIES: list[tuple[str, dict[str, Any]]] = [
    ("symbol_required", {"symbol": None}),
    ("invalid_side", {"side": "sell_short"}),
    ("invalid_side", {"side": None}),
    ("invalid_type", {"type": "mkt"}),
    ("invalid_tif", {"time_in_force": "gtd"}),
    ("invalid_class", {"order_class": "mleg"}),
    ("invalid_param", {"qty": "ten"}),
    ("invalid_param", {"qty": True}),
    ("invalid_param", {"qty": "NaN"}),
    ("invalid_param", {"client_order_id": 7}),
    ("invalid_param", {"position_intent": "open"}),
    ("qty_required", {"qty": None}),
    ("qty_or_notional", {"notional": "10"}),
    ("qty_positive", {"qty": "0"}),
    ("qty_positive", {"qty": "-1"}),
    ("notional_positive", {"qty": None, "notional": "-5"}),
    ("places", {"qty": "0.0000000001"}),
    ("notional_places", {"qty": None, "notional": "10.001"}),
    ("limit_required", {"type": "limit"}),
    ("stop_required", {"type": "stop"}),
    ("stop_required", {"type": "stop_limit", "limit_price": "10"}),
    ("trail_required", {"type": "trailing_stop"}),
    ("trail_required", {"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"}),
    ("price_extra", {"limit_price": "10"}),
    ("price_positive", {"type": "limit", "limit_price": "0"}),
    ("sub_penny", {"type": "limit", "limit_price": "290.123"}),
    ("sub_penny", {"type": "stop", "stop_price": "0.12345"}),
    ("client_id_long", {"client_order_id": "x" * 129}),
    ("no_asset", {"symbol": "ZZZZ"}),
    ("fractional_day", {"qty": "1.5", "time_in_force": "gtc"}),
    ("fractional_day", {"qty": None, "notional": "10", "time_in_force": "ioc"}),
    ("fractional_type", {"qty": "1.5", "type": "trailing_stop", "trail_price": "1"}),
    ("fractional_simple", {"qty": "1.5", "order_class": "oto", "take_profit": {"limit_price": "200"}}),
    ("fractional_short", {"qty": "1.5", "side": "sell"}),
    ("fractional_short", {"qty": None, "notional": "10", "side": "sell"}),
    ("extended_hours", {"extended_hours": True}),
    ("extended_hours", {"extended_hours": True, "type": "limit", "limit_price": "10", "time_in_force": "ioc"}),
    ("tif_for_type", {"type": "stop", "stop_price": "10", "time_in_force": "ioc"}),
    ("intent", {"position_intent": "buy_to_close"}),
    ("bracket_parts", {"order_class": "bracket", "take_profit": {"limit_price": "200"}}),
    ("bracket_prices", {"order_class": "bracket", "take_profit": {"limit_price": "5"}, "stop_loss": {"stop_price": "9"}}),
    ("min_cost", {"qty": "0.001"}),
    ("min_cost", {"qty": None, "notional": "0.99"}),
    ("buying_power", {"qty": "100000"}),
    ("no_opg", {"time_in_force": "opg"}),
]  # fmt: skip


def assert_refused(answer: Answer, key: str) -> None:
    """The reply is the table's entry: status, code, and its message up to the first filled word."""
    entry = TABLE[key]
    assert answer.status == entry.status, answer
    assert answer.body.get("code") == entry.code, answer
    assert answer.body["message"].startswith(entry.message.partition("{")[0]), answer


@pytest.mark.parametrize(("key", "wrong"), BODIES, ids=[f"{key}-{number}" for number, (key, _) in enumerate(BODIES)])
def test_a_wrong_order_is_refused_with_alpacas_code(venue: Handle, key: str, wrong: dict[str, Any]) -> None:
    body = {name: value for name, value in {**BODY, **wrong}.items() if value is not None}
    assert_refused(call(venue, "POST", "/v2/orders", body), key)
    assert venue.book()["orders"] == []


def test_r39_messages_are_word_for_word_what_is_known(venue: Handle) -> None:
    sub_penny = order(venue, type="limit", limit_price="290.123").body
    assert sub_penny == {
        "code": 42210000,
        "message": "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing criteria",
    }
    assert order(venue, "ZZZZ").body == {"code": 42210000, "message": 'asset "ZZZZ" not found'}
    missing = call(venue, "GET", "/v2/orders:by_client_order_id", client_order_id="sig-1")
    assert missing == (404, {"code": 40410000, "message": "order not found for sig-1"}, missing.headers)
    flat = call(venue, "GET", "/v2/positions/AAA")
    assert (flat.status, flat.body) == (404, {"code": 40410000, "message": "position does not exist"})


def test_a_body_that_is_no_json_object_is_refused(venue: Handle) -> None:
    for body in (b"{", b"[1]", b'"text"'):
        assert_refused(call(venue, "POST", "/v2/orders", body), "no_body")


def test_r03_a_used_client_id_is_refused_for_ever(venue: Handle) -> None:
    sent = placed(venue, client_order_id="once")
    working = order(venue, client_order_id="once")
    assert (working.status, working.body) == (422, {"code": 42210000, "message": "client_order_id must be unique"})
    call(venue, "DELETE", f"/v2/orders/{sent['id']}")
    venue.move(at("2025-12-01 12:00"))
    ended = order(venue, client_order_id="once")
    assert (ended.status, ended.body) == (422, {"code": 40010001, "message": "client_order_id must be unique"})
    assert venue.book()["posts"]["once"] == {"posts": 3, "refused": 2}


@pytest.mark.parametrize(
    ("resting", "new", "refused"),
    [
        ({"type": "market"}, {"type": "market"}, True),
        ({"type": "limit", "limit_price": "90"}, {"type": "market"}, True),
        ({"type": "stop", "stop_price": "120"}, {"type": "limit", "limit_price": "130"}, True),
        ({"type": "limit", "limit_price": "90"}, {"type": "limit", "limit_price": "90"}, True),
        ({"type": "limit", "limit_price": "90"}, {"type": "limit", "limit_price": "91"}, False),
        ({"type": "limit", "limit_price": "90"}, {"type": "trailing_stop", "trail_price": "5"}, False),
    ],
)
def test_an_order_that_could_meet_an_open_one_of_ours_is_a_wash_trade(
    venue: Handle, resting: dict[str, Any], new: dict[str, Any], refused: bool
) -> None:
    placed(venue, qty="50")
    venue.move(at("2025-11-24 10:01"))
    first = placed(venue, qty="5", side="buy", **resting)
    answer = order(venue, qty="5", side="sell", **new)
    assert (answer.status == 403) == refused
    if refused:
        assert_refused(answer, "wash")
        assert answer.body["existing_order_id"] == first["id"]
        what = "limit" if resting["type"] == "limit" else "market/stop"
        assert answer.body["reject_reason"] == f"opposite side {what} order exists"


def test_wrong_keys_are_unauthorized_on_both_apis_and_are_not_counted(venue: Handle) -> None:
    for path in ("/v2/account", "/v2/stocks/bars", "/v2/nothing"):
        answer = call(venue, "GET", path, key="PKWRONG")
        assert (answer.status, answer.body) == (401, {"message": "unauthorized."})
    assert venue.calls() == {}


def test_an_unknown_path_and_ids_that_are_none(venue: Handle) -> None:
    assert_refused(call(venue, "GET", "/v2/options/contracts"), "no_endpoint")
    assert_refused(call(venue, "GET", "/v2/orders/not-a-uuid"), "no_order_id")
    assert_refused(call(venue, "DELETE", "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d"), "no_order")
    assert_refused(call(venue, "GET", "/v2/orders:by_client_order_id"), "no_client_id")
    assert_refused(call(venue, "GET", "/v2/assets/ZZZZ"), "asset_missing")
    assert_refused(call(venue, "DELETE", "/v2/positions/AAA"), "no_position")


def test_wrong_queries_are_refused(venue: Handle) -> None:
    assert_refused(call(venue, "GET", "/v2/orders", direction="up"), "direction")
    assert_refused(call(venue, "GET", "/v2/orders", status="done"), "invalid_param")
    assert_refused(call(venue, "GET", "/v2/orders", after="yesterday"), "invalid_param")
    assert_refused(call(venue, "GET", "/v2/account/activities", page_token="none"), "invalid_param")
    both = {"category": "trade_activity", "activity_types": "FILL"}
    assert_refused(call(venue, "GET", "/v2/account/activities", **both), "invalid_param")


def test_assets_refuse_what_they_are_not_made_for(venue: Handle) -> None:
    venue.manual(do="asset", symbol="AAA", fractionable=False, shortable=False)
    assert_refused(order(venue, qty="1.5"), "not_fractionable")
    assert_refused(order(venue, side="sell"), "no_short_asset")
    venue.manual(do="asset", symbol="BBB", easy_to_borrow=False)
    assert_refused(order(venue, "BBB", side="sell"), "no_short_asset")
    venue.manual(do="asset", symbol="CCC", status="inactive")
    assert_refused(order(venue, "CCC"), "not_tradable")
    shown = {row["symbol"]: row for row in call(venue, "GET", "/v2/assets").body}
    assert (shown["AAA"]["shortable"], shown["BBB"]["borrow_status"]) == (False, "hard_to_borrow")
    assert {row["symbol"] for row in call(venue, "GET", "/v2/assets", status="active").body} == {"AAA", "BBB"}


@pytest.mark.parametrize("key", ["day_trade", "intraday_margin", "blocked", "no_short_account", "unavailable"])
def test_r39_any_entry_of_the_table_can_be_asked_for(venue: Handle, key: str) -> None:
    venue.fault({"do": "refuse", "as": key, "match": {"method": "POST"}})
    assert_refused(order(venue, client_order_id="x"), key)
    assert order(venue, client_order_id="x").status == 200


def test_replacing_checks_like_placing(venue: Handle) -> None:
    sent = placed(venue, qty="10", type="limit", limit_price="90")
    path = f"/v2/orders/{sent['id']}"
    assert_refused(call(venue, "PATCH", path, {}), "no_change")
    assert_refused(call(venue, "PATCH", path, {"limit_price": "90.001"}), "sub_penny")
    assert_refused(call(venue, "PATCH", path, {"qty": "100000"}), "buying_power")
    fraction = placed(venue, "BBB", qty="1.5", type="limit", limit_price="40")
    assert_refused(call(venue, "PATCH", f"/v2/orders/{fraction['id']}", {"qty": "2"}), "replace_fractional")
    dollars = placed(venue, "CCC", notional="10")
    assert_refused(call(venue, "PATCH", f"/v2/orders/{dollars['id']}", {"qty": "2"}), "no_replace")


def test_the_table_names_a_source_for_every_entry_and_a_code_that_fits_its_status() -> None:
    for key, entry in TABLE.items():
        assert entry.source.split(",")[0].split(";")[0].split(" ")[0] in {"doc", "guide", "gobroker", "seen", "ours"}, (
            key
        )
        if entry.code is not None and entry.code != 40010001:
            assert str(entry.code).startswith(str(entry.status)), key
    assert Refused("no_asset", symbol="X").body == {"code": 42210000, "message": 'asset "X" not found'}


def test_the_rate_limit_counts_a_minute_of_the_clock_and_refuses_what_is_over(venues: Venues) -> None:
    venue = venues(rate_limit=3)
    left = [call(venue, "GET", "/v2/clock").headers["X-RateLimit-Remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    refused = call(venue, "GET", "/v2/clock")
    assert_refused(refused, "rate_limit")
    assert refused.headers["X-RateLimit-Reset"] == str(at("2025-11-24 10:01"))
    venue.move(at("2025-11-24 10:01"))
    assert call(venue, "GET", "/v2/clock").status == 200
