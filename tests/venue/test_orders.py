"""The life of orders: when they fill, at what price, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .bars import write
from .made import account, at, call, now_of, opening, order, placed, positions
from .start import Handle

Venues = Callable[..., Handle]


def test_a_market_order_fills_at_the_open_of_the_next_bar_and_never_in_the_same_instant(venue: Handle) -> None:
    sent = placed(venue)
    assert sent["status"] == "pending_new"
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 10:00"))  # the same moment again: a bar begins here, but the clock is not past it
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 10:01"))
    done = now_of(venue, sent)
    assert (done["status"], done["filled_qty"], done["filled_avg_price"]) == ("filled", "10", str(opening(0, 2)))


def test_an_order_sent_within_a_bar_waits_for_the_next(venues: Venues) -> None:
    venue = venues("2025-11-24 10:01")
    sent = placed(venue)
    venue.move(at("2025-11-24 10:14"))
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 10:15"))
    assert now_of(venue, sent)["filled_avg_price"] == str(opening(0, 3))


def test_an_order_outside_the_session_is_accepted_and_fills_at_the_next_open(venues: Venues) -> None:
    venue = venues("2025-11-24 17:00")
    sent = placed(venue)
    assert sent["status"] == "accepted"
    venue.move(at("2025-11-25 09:29"))
    assert now_of(venue, sent)["status"] == "accepted"
    venue.move(at("2025-11-25 09:31"))
    assert now_of(venue, sent)["filled_avg_price"] == "101"


def test_a_day_order_expires_at_the_close_of_its_day(venue: Handle) -> None:
    sent = placed(venue, type="limit", limit_price="90")
    venue.move(at("2025-11-24 15:59:59"))
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-24 16:00"))
    done = now_of(venue, sent)
    assert done["status"] == "expired"
    assert done["expired_at"].startswith("2025-11-24T21:00:00")


def test_the_range_of_the_last_bar_still_fills_a_day_order(venues: Venues) -> None:
    venue = venues("2025-11-24 15:45")
    sent = placed(venue, type="limit", limit_price="102.35")  # opens at 102.5, falls to 102.3
    venue.move(at("2025-11-24 16:00"))
    assert now_of(venue, sent)["filled_avg_price"] == "102.35"


def test_r30_a_day_order_expires_at_an_early_close(venues: Venues) -> None:
    venue = venues("2025-11-28 12:50")
    sent = placed(venue, type="limit", limit_price="90")
    venue.move(at("2025-11-28 13:00"))
    assert now_of(venue, sent)["status"] == "expired"


def test_gtc_orders_stay_over_night_and_fill_on_another_day(venue: Handle) -> None:
    sent = placed(venue, side="sell", qty="5", type="limit", limit_price="103.50", time_in_force="gtc")
    venue.move(at("2025-11-25 12:00"))
    assert now_of(venue, sent)["status"] == "new"
    venue.move(at("2025-11-26 16:00"))
    assert now_of(venue, sent)["filled_avg_price"] == "103.5"
    assert positions(venue) == {"AAA": "-5"}


def test_a_limit_fills_at_the_open_when_that_is_better_else_at_the_limit_within_the_range(venue: Handle) -> None:
    better = placed(venue, type="limit", limit_price="100.50")
    within = placed(venue, type="limit", limit_price="100.05")
    outside = placed(venue, type="limit", limit_price="99.99")
    venue.move(at("2025-11-24 10:14"))
    assert now_of(venue, better)["filled_avg_price"] == "100.2"
    assert now_of(venue, within)["status"] == "new"  # what the range of a bar is, is known when it ends
    venue.move(at("2025-11-24 10:15"))
    assert now_of(venue, within)["filled_avg_price"] == "100.05"
    assert now_of(venue, outside)["status"] == "new"


def test_the_range_of_a_bar_counts_only_for_orders_that_were_there_when_it_began(venues: Venues) -> None:
    venue = venues("2025-11-24 10:01")
    sent = placed(venue, type="limit", limit_price="100.05")
    venue.move(at("2025-11-24 10:15"))
    assert now_of(venue, sent)["status"] == "new"


def test_stops_trigger_on_the_range_and_a_stop_limit_becomes_a_limit(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    stop = placed(venue, side="sell", qty="4", type="stop", stop_price="100.15")
    both = placed(venue, side="sell", qty="6", type="stop_limit", stop_price="100.15", limit_price="100.60")
    venue.move(at("2025-11-24 10:30"))
    assert now_of(venue, stop)["filled_avg_price"] == "100.15"
    assert now_of(venue, both)["status"] == "new"
    venue.move(at("2025-11-24 11:00"))
    assert now_of(venue, both)["filled_avg_price"] == "100.6"


def test_a_buy_stop_does_not_fill_far_above_its_stop(venues: Venues) -> None:
    venue = venues("2025-11-24 15:50")
    sent = placed(venue, qty="1", type="stop", stop_price="50", time_in_force="gtc")
    venue.move(at("2025-11-25 12:00"))  # 101 at the open is more than 2.5 % above 50: it waits as a limit
    assert now_of(venue, sent)["status"] == "new"


def test_a_trailing_stop_follows_the_best_price(venues: Venues) -> None:
    venue = venues("2025-11-24 15:00")
    placed(venue)
    venue.move(at("2025-11-24 15:01"))
    sent = placed(venue, side="sell", type="trailing_stop", trail_price="0.35", time_in_force="gtc")
    assert sent["hwm"] == "102.2"
    venue.move(at("2025-11-24 15:30"))
    assert now_of(venue, sent)["hwm"] == "102.5"
    venue.move(at("2025-11-25 09:31"))  # opens at 101, below 102.9 - 0.35
    assert now_of(venue, sent)["filled_avg_price"] == "101"


def test_ioc_is_cancelled_where_it_does_not_fill_at_once(venue: Handle) -> None:
    good = placed(venue, type="limit", limit_price="101", time_in_force="ioc")
    bad = placed(venue, type="limit", limit_price="99", time_in_force="ioc")
    venue.move(at("2025-11-24 10:01"))
    assert now_of(venue, good)["status"] == "filled"
    assert now_of(venue, bad)["status"] == "canceled"


def test_fok_never_fills_in_part(venue: Handle) -> None:
    venue.fault({"do": "partial_fills", "parts": 2, "times": 2})
    whole = placed(venue, type="limit", limit_price="101", time_in_force="fok")
    parts = placed(venue, type="limit", limit_price="101", time_in_force="ioc")
    venue.move(at("2025-11-24 10:01"))
    assert now_of(venue, whole)["filled_qty"] == "10"
    part = now_of(venue, parts)
    assert (part["filled_qty"], part["status"]) == ("5", "canceled")


def test_opg_fills_only_in_the_opening_auction(venues: Venues) -> None:
    venue = venues("2025-11-24 19:30")
    good = placed(venue, time_in_force="opg")
    bad = placed(venue, type="limit", limit_price="99", time_in_force="opg")
    venue.move(at("2025-11-25 09:30"))
    assert now_of(venue, good)["filled_avg_price"] == "101"
    assert now_of(venue, bad)["status"] == "canceled"


def test_cls_fills_at_the_closing_price(venue: Handle) -> None:
    good = placed(venue, time_in_force="cls")
    bad = placed(venue, type="limit", limit_price="90", time_in_force="cls")
    venue.move(at("2025-11-24 15:59"))
    assert now_of(venue, good)["status"] == "new"
    venue.move(at("2025-11-24 16:00"))
    assert now_of(venue, good)["filled_avg_price"] == "102.55"
    assert now_of(venue, bad)["status"] == "canceled"


@pytest.mark.parametrize(
    ("now", "force", "taken"),
    [
        ("2025-11-25 09:27", "opg", True),
        ("2025-11-25 09:28", "opg", False),
        ("2025-11-24 18:59", "opg", False),
        ("2025-11-24 19:00", "opg", True),
        ("2025-11-24 15:49", "cls", True),
        ("2025-11-24 15:50", "cls", False),
        ("2025-11-24 18:59", "cls", False),
        ("2025-11-24 19:00", "cls", True),
        ("2025-11-28 18:59", "opg", False),
        ("2025-11-29 12:00", "opg", True),
    ],
)
def test_auction_orders_have_their_hours(venues: Venues, now: str, force: str, taken: bool) -> None:
    assert (order(venues(now), time_in_force=force).status == 200) == taken


def test_extended_hours_orders_live_until_eight_in_the_evening(venues: Venues) -> None:
    venue = venues("2025-11-24 17:00")
    sent = placed(venue, type="limit", limit_price="100", extended_hours=True)
    assert sent["status"] == "pending_new"
    venue.move(at("2025-11-24 20:00"))
    assert now_of(venue, sent)["status"] == "expired"


def test_extended_hours_orders_trade_on_bars_outside_the_session_and_others_do_not(
    venues: Venues, tmp_path: Path
) -> None:
    rows = [
        (f"2025-11-24T{hour}:{minute:02d}:00Z", 20, 21, 19, 20, 5) for hour in (21, 22) for minute in (0, 15, 30, 45)
    ]
    write(tmp_path / "AAA.csv.gz", rows)
    venue = venues("2025-11-24 15:59", bars=tmp_path, cash="1000")
    extended = placed(venue, qty="1", type="limit", limit_price="20.50", extended_hours=True)
    regular = placed(venue, qty="1", type="limit", limit_price="20.50", time_in_force="gtc")
    venue.move(at("2025-11-24 16:30"))
    assert now_of(venue, extended)["filled_avg_price"] == "20"
    assert now_of(venue, regular)["status"] == "new"


def test_a_cancel_ends_an_order_and_repeating_it_is_no_error(venue: Handle) -> None:
    sent = placed(venue)
    path = f"/v2/orders/{sent['id']}"
    assert call(venue, "DELETE", path).status == 204
    assert call(venue, "DELETE", path).status == 204
    venue.move(at("2025-11-24 10:16"))
    done = now_of(venue, sent)
    assert (done["status"], done["filled_qty"]) == ("canceled", "0")
    assert done["canceled_at"] is not None


def test_an_order_that_has_filled_cannot_be_cancelled(venue: Handle) -> None:
    sent = placed(venue)
    venue.move(at("2025-11-24 10:01"))
    refused = call(venue, "DELETE", f"/v2/orders/{sent['id']}")
    assert (refused.status, refused.body) == (422, {"code": 42210000, "message": 'order is already in "filled" state'})


def test_cancelling_everything_answers_for_every_order(venue: Handle) -> None:
    ids = {placed(venue, type="limit", limit_price="90")["id"] for _ in range(3)}
    answer = call(venue, "DELETE", "/v2/orders")
    assert answer.status == 207
    assert {row["id"]: row["status"] for row in answer.body} == dict.fromkeys(ids, 200)
    assert call(venue, "GET", "/v2/orders").body == []


def test_replacing_an_order_makes_a_new_one_and_ends_the_old(venue: Handle) -> None:
    old = placed(venue, type="limit", limit_price="90", client_order_id="first")
    new = call(
        venue, "PATCH", f"/v2/orders/{old['id']}", {"qty": "7", "limit_price": "91", "client_order_id": "second"}
    )
    assert new.status == 200
    assert (new.body["replaces"], new.body["qty"], new.body["limit_price"]) == (old["id"], "7", "91")
    ended = now_of(venue, old)
    assert (ended["status"], ended["replaced_by"]) == ("replaced", new.body["id"])
    again = call(venue, "PATCH", f"/v2/orders/{old['id']}", {"qty": "8"})
    assert again.body["message"] == 'order is already in "replaced" state'
    assert account(venue)["buying_power"] == "199363"  # 7 x 91 are held, the old order holds nothing


def test_an_accepted_order_cannot_be_replaced(venues: Venues) -> None:
    venue = venues("2025-11-24 17:00")
    sent = placed(venue, type="limit", limit_price="90")
    refused = call(venue, "PATCH", f"/v2/orders/{sent['id']}", {"qty": "7"})
    assert refused.body == {"code": 42210000, "message": "cannot replace order in accepted status"}


def test_a_bracket_wakes_its_legs_and_one_ends_the_other(venue: Handle) -> None:
    sent = placed(
        venue, order_class="bracket", take_profit={"limit_price": "101.00"}, stop_loss={"stop_price": "99.50"}
    )
    assert [leg["status"] for leg in sent["legs"]] == ["held", "held"]
    venue.move(at("2025-11-24 10:01"))
    profit, loss = call(venue, "GET", f"/v2/orders/{sent['id']}", nested="true").body["legs"]
    assert (profit["status"], loss["status"]) == ("new", "held")
    venue.move(at("2025-11-24 12:00"))
    profit, loss = call(venue, "GET", f"/v2/orders/{sent['id']}", nested="true").body["legs"]
    assert (profit["status"], loss["status"]) == ("filled", "canceled")
    assert positions(venue) == {}


def test_r09_the_held_stop_loss_of_a_bracket_is_an_open_order_and_fills(venues: Venues) -> None:
    venue = venues("2025-11-24 15:30")
    sent = placed(
        venue,
        order_class="bracket",
        time_in_force="gtc",
        take_profit={"limit_price": "120"},
        stop_loss={"stop_price": "101.50"},
    )
    venue.move(at("2025-11-24 15:31"))
    listed = {row["type"]: row["status"] for row in call(venue, "GET", "/v2/orders").body}
    assert listed == {"limit": "new", "stop": "held"}
    venue.move(at("2025-11-25 09:31"))  # opens at 101
    profit, loss = call(venue, "GET", f"/v2/orders/{sent['id']}", nested="true").body["legs"]
    assert (profit["status"], loss["status"], loss["filled_avg_price"]) == ("canceled", "filled", "101")


def test_cancelling_a_bracket_cancels_its_legs(venue: Handle) -> None:
    sent = placed(
        venue,
        type="limit",
        limit_price="90",
        order_class="bracket",
        take_profit={"limit_price": "101.00"},
        stop_loss={"stop_price": "80"},
    )
    call(venue, "DELETE", f"/v2/orders/{sent['id']}")
    assert {row["status"] for row in call(venue, "GET", "/v2/orders", status="all").body} == {"canceled"}


def test_an_oco_order_is_the_exit_itself(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    sent = placed(
        venue,
        side="sell",
        type="limit",
        order_class="oco",
        take_profit={"limit_price": "120"},
        stop_loss={"stop_price": "100.15"},
    )
    assert (sent["limit_price"], [leg["status"] for leg in sent["legs"]]) == ("120", ["held"])
    venue.move(at("2025-11-24 10:30"))
    assert now_of(venue, sent)["status"] == "canceled"
    assert positions(venue) == {}


def test_listing_follows_status_symbols_side_times_direction_and_limit(venue: Handle) -> None:
    sent = [placed(venue, symbol, type="limit", limit_price="0.5", qty="1") for symbol in ("AAA", "BBB", "AAA")]
    call(venue, "DELETE", f"/v2/orders/{sent[0]['id']}")

    def listed(**query: object) -> list[str]:
        return [row["id"] for row in call(venue, "GET", "/v2/orders", **query).body]

    ids = [row["id"] for row in sent]
    assert listed() == [ids[2], ids[1]]
    assert listed(status="closed") == [ids[0]]
    assert listed(status="all", direction="asc") == ids
    assert listed(status="all", symbols="AAA") == [ids[2], ids[0]]
    assert listed(status="all", side="sell") == []
    assert listed(status="all", limit=2) == [ids[2], ids[1]]
    assert listed(status="all", after=sent[0]["submitted_at"]) == [ids[2], ids[1]]
    assert listed(status="all", until=sent[2]["submitted_at"]) == [ids[1], ids[0]]
    assert listed(status="all", before_order_id=ids[1]) == [ids[0]]
    assert listed(status="all", after_order_id=ids[1]) == [ids[2]]


def test_a_listing_has_fifty_orders_unless_told_and_five_hundred_at_most(venue: Handle) -> None:
    for _ in range(501):
        placed(venue, type="limit", limit_price="0.5", qty="1")
    assert len(call(venue, "GET", "/v2/orders").body) == 50
    assert len(call(venue, "GET", "/v2/orders", limit=900).body) == 500


def test_fills_are_activities(venue: Handle) -> None:
    venue.fault({"do": "partial_fills", "parts": 2})
    sent = placed(venue)
    venue.move(at("2025-11-24 10:01"))
    venue.move(at("2025-11-24 10:02"))
    last, first = call(venue, "GET", "/v2/account/activities/FILL").body
    assert (first["type"], first["qty"], first["cum_qty"], first["leaves_qty"]) == ("partial_fill", "5", "5", "5")
    assert (last["type"], last["qty"], last["cum_qty"], last["leaves_qty"]) == ("fill", "5", "10", "0")
    assert {first["order_id"], last["order_id"]} == {sent["id"]}


def test_activities_are_paged_by_the_id_of_the_last_one(venue: Handle) -> None:
    for _ in range(5):
        venue.manual(do="deposit", amount="10")
    venue.manual(do="withdraw", amount="5")
    seen: list[str] = []
    while page := call(
        venue,
        "GET",
        "/v2/account/activities",
        direction="asc",
        page_size=2,
        **({"page_token": seen[-1]} if seen else {}),
    ).body:
        seen += [row["id"] for row in page]
    assert len(seen) == len(set(seen)) == 6
    kinds = [row["activity_type"] for row in call(venue, "GET", "/v2/account/activities", activity_types="CSW").body]
    assert kinds == ["CSW"]
    assert len(call(venue, "GET", "/v2/account/activities", activity_types="TRANS").body) == 6
    assert call(venue, "GET", "/v2/account/activities", category="trade_activity").body == []


def test_closing_a_position_places_an_order_and_is_counted(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    answer = call(venue, "DELETE", "/v2/positions/AAA", percentage="50")
    assert (answer.status, answer.body["side"], answer.body["qty"]) == (200, "sell", "5")
    rest = call(venue, "DELETE", "/v2/positions", cancel_orders="true")
    assert [(row["symbol"], row["status"], row["body"]["qty"]) for row in rest.body] == [("AAA", 200, "10")]
    calls = venue.calls()
    assert (calls["DELETE /v2/positions/{symbol}"], calls["DELETE /v2/positions"]) == (1, 1)
