"""Every kind of fault: what the client sees, and what the venue did meanwhile."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .faults import KINDS, ORDERS, REPLIES, STATES, Call, Faults, chance_of
from .made import account, at, call, now_of, order, placed, positions
from .start import Handle

Venues = Callable[..., Handle]
POST = {"method": "POST", "path": "/v2/orders"}


def taken(venue: Handle, client_order_id: str) -> bool:
    """Whether the venue has an order of that client id."""
    return call(venue, "GET", "/v2/orders:by_client_order_id", client_order_id=client_order_id).status == 200


@pytest.mark.parametrize(("kind", "done"), [("accept_then_drop", True), ("drop_before", False)])
def test_r01_the_connection_closes_without_a_reply(venue: Handle, kind: str, done: bool) -> None:
    venue.fault({"do": kind, "match": POST})
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        order(venue, client_order_id="a")
    assert taken(venue, "a") == done


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("accept_then_504", 504, True),
        ("accept_then_500", 500, True),
        ("429", 429, False),
        ("500", 500, False),
        ("503", 503, False),
    ],
)
def test_r01_errors_with_and_without_execution(venue: Handle, kind: str, status: int, done: bool) -> None:
    venue.fault({"do": kind, "match": POST})
    answer = order(venue, client_order_id="a")
    assert answer.status == status
    assert taken(venue, "a") == done
    assert order(venue, client_order_id="a").status == (422 if done else 200)


def test_r38_a_429_says_when_to_come_back(venue: Handle) -> None:
    venue.fault({"do": "429", "retry_after": 7})
    answer = call(venue, "GET", "/v2/account")
    assert (answer.headers["Retry-After"], answer.headers["X-RateLimit-Remaining"]) == ("7", "0")
    assert int(answer.headers["X-RateLimit-Reset"]) > at("2025-11-24 10:00")
    assert answer.body["code"] == 42910000


@pytest.mark.parametrize(("kind", "done"), [("hang", False), ("accept_then_hang", True)])
def test_a_hanging_reply_never_comes(venue: Handle, kind: str, done: bool) -> None:
    venue.fault({"do": kind, "match": POST})
    with pytest.raises(TimeoutError):
        call(
            venue,
            "POST",
            "/v2/orders",
            {
                "symbol": "AAA",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "qty": "1",
                "client_order_id": "a",
            },
            timeout=0.3,
        )
    assert taken(venue, "a") == done  # other connections are answered


def test_a_drip_defeats_a_read_timeout_but_ends_complete(venue: Handle) -> None:
    venue.fault({"do": "drip", "seconds": 0.002, "match": {"path": "/v2/clock"}})
    begun = time.monotonic()
    answer = call(venue, "GET", "/v2/clock", timeout=0.5)
    assert answer.body["is_open"] is True
    assert time.monotonic() - begun > 0.5  # no single read took so long


@pytest.mark.parametrize("kind", ["empty_200", "html_200", "truncated_json"])
def test_a_200_whose_body_says_nothing_although_the_order_is_taken(venue: Handle, kind: str) -> None:
    venue.fault({"do": kind, "match": POST})
    answer = order(venue, client_order_id="a")
    assert answer.status == 200
    assert not isinstance(answer.body, dict)
    assert taken(venue, "a")


def test_values_and_fields_that_nobody_knows(venue: Handle) -> None:
    venue.fault({"do": "unknown_enum", "times": 2})
    sent = order(venue).body
    assert (sent["status"], sent["type"], "field_of_tomorrow" in sent) == ("pending_new_v3", "market_v3", True)
    assert call(venue, "GET", "/v2/orders").body[0]["status"] == "new_v3"
    assert call(venue, "GET", "/v2/orders").body[0]["status"] == "new"


def test_a_rule_meets_the_nth_call_that_it_matches(venue: Handle) -> None:
    venue.fault({"do": "503", "match": {**POST, "symbol": "BBB", "nth": 2}})
    assert [order(venue, symbol).status for symbol in ("BBB", "AAA", "BBB", "BBB")] == [200, 200, 503, 200]


def test_a_rule_holds_as_often_as_it_says_and_until_it_is_removed(venue: Handle) -> None:
    venue.fault({"do": "503", "times": 2, "match": {"path": "/v2/clock"}})
    assert [call(venue, "GET", "/v2/clock").status for _ in range(3)] == [503, 503, 200]
    (rule,) = venue.fault({"do": "503", "times": 0})
    assert [call(venue, "GET", path).status for path in ("/v2/clock", "/v2/account")] == [503, 503]
    venue.heal(rule)
    assert call(venue, "GET", "/v2/clock").status == 200


def test_a_rule_can_be_bound_to_a_client_id_also_where_it_is_cancelled(venue: Handle) -> None:
    sent = placed(venue, client_order_id="q1-x")
    other = placed(venue, client_order_id="q1-y")
    venue.fault({"do": "503", "match": {"method": "DELETE", "client_order_id": "q1-x"}})
    assert call(venue, "DELETE", f"/v2/orders/{other['id']}").status == 204
    assert call(venue, "DELETE", f"/v2/orders/{sent['id']}").status == 503


def test_r12_an_order_fills_in_parts_one_a_clock_step(venue: Handle) -> None:
    venue.fault({"do": "partial_fills", "parts": 3})
    sent = placed(venue)
    seen = []
    for minute in range(1, 5):
        venue.move(at(f"2025-11-24 10:0{minute}"))
        now = now_of(venue, sent)
        seen.append((now["status"], now["filled_qty"]))
    assert seen == [("partially_filled", "3"), ("partially_filled", "6"), ("filled", "10"), ("filled", "10")]
    assert len(call(venue, "GET", "/v2/account/activities/FILL").body) == 3


def test_r12_a_part_that_has_filled_stays_when_the_rest_expires(venues: Venues) -> None:
    venue = venues("2025-11-24 15:45")
    venue.fault({"do": "partial_fills", "parts": 3})
    sent = placed(venue)
    venue.move(at("2025-11-24 15:46"))
    venue.move(at("2025-11-24 16:00"))
    done = now_of(venue, sent)
    assert (done["status"], done["filled_qty"]) == ("expired", "3")
    assert positions(venue) == {"AAA": "3"}


def test_a_slow_fill_waits(venue: Handle) -> None:
    venue.fault({"do": "slow_fill", "seconds": 1800})
    sent = placed(venue)
    venue.move(at("2025-11-24 10:29"))
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 10:30"))
    assert now_of(venue, sent)["filled_avg_price"] == "100.4"


def test_an_order_can_be_rejected_after_it_was_accepted(venue: Handle) -> None:
    venue.fault({"do": "reject_after_accept"})
    sent = placed(venue)
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 10:01"))
    done = now_of(venue, sent)
    assert (done["status"], done["failed_at"] is not None, positions(venue)) == ("rejected", True, {})
    assert account(venue)["buying_power"] == "200000"


def test_a_slow_cancel_may_lose_against_a_fill(venue: Handle) -> None:
    venue.fault({"do": "slow_cancel", "seconds": 60, "times": 2})
    loses = placed(venue)
    wins = placed(venue, type="limit", limit_price="90")
    for sent in (loses, wins):
        assert call(venue, "DELETE", f"/v2/orders/{sent['id']}").status == 204
        assert now_of(venue, sent)["status"] == "pending_cancel"
    venue.move(at("2025-11-24 10:02"))
    assert now_of(venue, loses)["status"] == "filled"
    assert now_of(venue, wins)["status"] == "canceled"


def test_r09_a_cancel_can_stay_pending_for_ever(venue: Handle) -> None:
    venue.fault({"do": "cancel_pending_forever"})
    sent = placed(venue)
    call(venue, "DELETE", f"/v2/orders/{sent['id']}")
    venue.move(at("2025-12-01 12:00"))
    assert now_of(venue, sent)["status"] == "pending_cancel"
    assert [row["id"] for row in call(venue, "GET", "/v2/orders").body] == [sent["id"]]


def test_listings_repeat_and_reorder_rows(venue: Handle) -> None:
    ids = [placed(venue, type="limit", limit_price="90")["id"] for _ in range(3)]
    venue.fault({"do": "duplicate_rows", "match": {"path": "/v2/orders"}})
    assert [row["id"] for row in call(venue, "GET", "/v2/orders", direction="asc").body] == [
        i for i in ids for _ in "xx"
    ]
    venue.fault({"do": "reordered_rows", "match": {"path": "/v2/orders"}})
    shuffled = [row["id"] for row in call(venue, "GET", "/v2/orders", direction="asc").body]
    assert sorted(shuffled) == sorted(ids)
    assert shuffled != ids
    venue.manual(do="deposit", amount="1")
    venue.fault({"do": "duplicate_rows"})
    assert len(call(venue, "GET", "/v2/account/activities").body) == 2


def test_listings_lag_by_one_state(venue: Handle) -> None:
    sent = placed(venue)
    venue.move(at("2025-11-24 10:01"))
    venue.fault({"do": "stale_list", "times": 3})
    assert call(venue, "GET", "/v2/positions").body == []
    assert [row["status"] for row in call(venue, "GET", "/v2/orders", status="all").body] == ["new"]
    assert call(venue, "GET", "/v2/account/activities").body == []
    assert now_of(venue, sent)["status"] == "filled"  # one order by its id is never stale
    assert positions(venue) == {"AAA": "10"}


def test_r20_bars_freeze_while_the_answer_is_200(venue: Handle) -> None:
    venue.fault({"do": "frozen_bars", "match": {"symbol": "AAA"}})
    venue.move(at("2025-11-24 12:00"))
    query = {"timeframe": "15Min", "start": "2025-11-24", "feed": "iex", "symbols": "AAA,BBB"}
    got = call(venue, "GET", "/v2/stocks/bars", **query)
    assert {symbol: rows[-1]["t"][11:16] for symbol, rows in got.body["bars"].items()} == {
        "AAA": "14:45",
        "BBB": "16:45",
    }
    assert call(venue, "GET", "/v2/stocks/AAA/quotes/latest").body["quote"]["t"] == "2025-11-24T15:00:00Z"


def test_pages_are_shorter_than_asked(venue: Handle) -> None:
    venue.move(at("2025-11-24 12:00"))
    venue.fault({"do": "short_pages", "rows": 2, "times": 0})
    query = {"timeframe": "15Min", "start": "2025-11-24", "feed": "iex", "symbols": "AAA"}
    got = call(venue, "GET", "/v2/stocks/bars", **query).body
    assert len(got["bars"]["AAA"]) == 2
    rest = call(venue, "GET", "/v2/stocks/bars", **query, page_token=got["next_page_token"]).body
    assert rest["bars"]["AAA"][0]["t"] > got["bars"]["AAA"][-1]["t"]
    for _ in range(3):
        venue.manual(do="deposit", amount="1")
    assert len(call(venue, "GET", "/v2/account/activities", page_size=3).body) == 2


def test_r24_symbols_are_missing_from_the_bars(venue: Handle) -> None:
    venue.fault({"do": "missing_symbols", "symbols": ["BBB"], "times": 2})
    query = {"timeframe": "15Min", "start": "2025-11-24", "feed": "iex", "symbols": "AAA,BBB"}
    assert set(call(venue, "GET", "/v2/stocks/bars", **query).body["bars"]) == {"AAA"}
    assert set(call(venue, "GET", "/v2/stocks/quotes/latest", symbols="AAA,BBB").body["quotes"]) == {"AAA"}


def test_r25_an_entitlement_403_is_none_of_the_keys(venues: Venues) -> None:
    venue = venues(plan="unlimited")
    venue.fault({"do": "entitlement_403"})
    query = {"timeframe": "15Min", "start": "2025-11-24", "feed": "sip", "symbols": "AAA"}
    refused = call(venue, "GET", "/v2/stocks/bars", **query)
    assert (refused.status, refused.body) == (403, {"message": "subscription does not permit querying recent SIP data"})
    assert call(venue, "GET", "/v2/stocks/bars", **query).status == 200


def test_r35_the_brokers_clock_is_ahead(venue: Handle) -> None:
    venue.fault({"do": "clock_skew", "seconds": 90})
    answer = call(venue, "GET", "/v2/clock")
    assert answer.body["timestamp"] == "2025-11-24T10:01:30-05:00"
    assert answer.headers["Date"] == "Mon, 24 Nov 2025 15:01:30 GMT"
    assert venue.clock()["now"] == at("2025-11-24 10:00")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"do": "trading_blocked"}, "account is not authorized to trade"),
        ({"do": "suspended"}, "new orders are rejected by user request"),
        ({"do": "halted", "match": {"symbol": "AAA"}}, "trading in AAA is halted"),
        ({"do": "not_tradable", "match": {"symbol": "AAA"}}, 'asset "AAA" is not tradable'),
        ({"do": "not_shortable", "match": {"symbol": "AAA"}}, 'asset "AAA" cannot be sold short'),
        ({"do": "hard_to_borrow", "match": {"symbol": "AAA"}}, 'asset "AAA" cannot be sold short'),
        ({"do": "no_shorting"}, "account is not allowed to short"),
    ],
)
def test_states_refuse_orders_until_they_are_over(venue: Handle, rule: dict[str, Any], message: str) -> None:
    (number,) = venue.fault(rule)
    assert order(venue, side="sell").body["message"] == message
    if "match" in rule:
        assert order(venue, "BBB", side="sell").status == 200
    venue.heal(number)
    assert order(venue, side="sell").status == 200


def test_states_show_in_account_and_assets(venue: Handle) -> None:
    venue.fault({"do": "trading_blocked"}, {"do": "suspended"}, {"do": "no_shorting"}, {"do": "not_tradable"})
    now = account(venue)
    assert (now["trading_blocked"], now["trade_suspended_by_user"], now["shorting_enabled"]) == (True, True, False)
    assert call(venue, "GET", "/v2/assets/AAA").body["tradable"] is False


def test_r32_a_halt_keeps_open_orders_from_filling(venue: Handle) -> None:
    sent = placed(venue)
    (number,) = venue.fault({"do": "halted", "match": {"symbol": "AAA"}})
    venue.move(at("2025-11-24 10:20"))
    assert now_of(venue, sent)["status"] == "new"
    venue.heal(number)
    venue.move(at("2025-11-24 10:30"))
    assert now_of(venue, sent)["status"] == "filled"


def test_gtc_orders_can_be_done_for_the_day(venue: Handle) -> None:
    sent = placed(venue, type="limit", limit_price="90", time_in_force="gtc")
    venue.fault({"do": "done_for_day"})
    venue.move(at("2025-11-24 17:00"))
    assert now_of(venue, sent)["status"] == "done_for_day"
    venue.move(at("2025-11-25 10:00"))
    assert now_of(venue, sent)["status"] == "new"


def test_an_order_by_hand_goes_through_the_same_checks(venue: Handle) -> None:
    shown = venue.manual(do="order", symbol="BBB", side="buy", qty="3")
    assert shown["status"] == "new"
    with pytest.raises(ValueError, match="wash trade"):
        venue.manual(do="order", symbol="BBB", side="sell", qty="3")
    assert venue.manual(do="cancel", client_order_id=shown["client_order_id"])["status"] == "canceled"
    assert venue.book()["orders"][0]["foreign"] is True


def test_what_was_injected_is_logged(venue: Handle) -> None:
    venue.fault({"do": "503", "match": POST}, {"do": "slow_fill"})
    order(venue, client_order_id="a")
    order(venue, client_order_id="a")
    log = venue.log()
    assert [(row["kind"], row["client_order_id"], row["rule"]) for row in log] == [
        ("503", "a", 1),
        ("slow_fill", "a", 2),
    ]
    assert venue.control("GET", "/faults")["rules"] == []


def test_nonsense_is_refused_by_the_control(venue: Handle) -> None:
    for body in (
        {"do": "explode"},
        {"times": 1},
        {"rates": {"halted": 1}},
        {"do": "slow_fill", "second": 5},
        {"do": "503", "match": {"symbols": "AAA"}},
    ):
        with pytest.raises(ValueError, match="400"):
            venue.control("POST", "/faults", body)
    with pytest.raises(ValueError, match="no such deed"):
        venue.manual(do="rob")
    with pytest.raises(ValueError, match="KeyError"):
        venue.manual(do="deposit")


def test_random_faults_are_a_function_of_seed_and_client_id(venues: Venues) -> None:
    def run(seed: int) -> list[tuple[str, str]]:
        venue = venues()
        venue.draw(seed, {"accept_then_504": 0.2, "503": 0.2, "partial_fills": 0.3})
        for number in range(40):
            order(venue, qty="2", client_order_id=f"q1-{number}")
        return [(row["kind"], row["client_order_id"]) for row in venue.log()]

    first = run(7)
    assert first == run(7) != run(8)
    kinds = {kind for kind, _ in first}
    assert kinds == {"accept_then_504", "503", "partial_fills"}


def test_a_second_post_of_the_same_id_draws_anew_and_an_orders_plan_does_not(venue: Handle) -> None:
    first, second = Call("POST", "/v2/orders", ("AAA",), "x", 1), Call("POST", "/v2/orders", ("AAA",), "x", 2)
    assert chance_of(1, "reply", first) != chance_of(1, "reply", second)
    faults = Faults(rates={"503": 1.0}, seed=1)
    drawn = faults.reply(first)
    assert drawn is not None
    assert (drawn.do, faults.reply(Call("GET", "/v2/clock")) is not None) == ("503", True)


def test_random_faults_stay_within_what_they_are_meant_for(venue: Handle) -> None:
    venue.draw(1, {"503": 1.0}, match={"method": "POST"})
    assert call(venue, "GET", "/v2/clock").status == 200
    assert order(venue).status == 503


def test_every_kind_has_a_test_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8") + (Path(__file__).parent / "test_refusals.py").read_text(
        encoding="utf-8"
    )
    text += (Path(__file__).parent / "test_clock_and_hours.py").read_text(encoding="utf-8")
    text += (Path(__file__).parent / "test_data.py").read_text(encoding="utf-8")
    assert set(REPLIES) | ORDERS | STATES == KINDS
    assert [kind for kind in sorted(KINDS) if f'"{kind}"' not in text] == []


def test_clients_that_go_away_in_the_middle_do_no_harm(venue: Handle) -> None:
    host, port = urlsplit(venue.url).netloc.split(":")
    for content in (b"", b"GET /v2", b"POST /v2/orders HTTP/1.1\r\nContent-Length: 50\r\n\r\n{", b"nonsense\r\n\r\n"):
        with socket.create_connection((host, int(port))) as client:
            client.sendall(content)
    assert call(venue, "GET", "/v2/clock").status == 200


def test_many_connections_at_once_give_one_order_each(venue: Handle) -> None:
    def send(number: int) -> None:
        for attempt in range(5):
            order(venue, qty="1", client_order_id=f"{number}-{attempt % 2}")

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    book = venue.book()
    assert len(book["orders"]) == 16
    assert json.dumps(sorted(book["posts"].items())).count('"refused"') == 16
    assert sum(row["posts"] for row in book["posts"].values()) == 40
