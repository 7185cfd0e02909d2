"""Money rules: buying power, margin and cash accounts, shorts, positions, deposits, splits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from .amounts import ZERO
from .made import account, at, call, now_of, order, placed, positions
from .money import moved
from .start import Handle

Venues = Callable[..., Handle]


def test_a_margin_account_may_spend_twice_its_equity(venue: Handle) -> None:
    before = account(venue)
    assert (before["multiplier"], before["equity"], before["buying_power"]) == ("2", "100000", "200000")
    placed(venue, "BBB", qty="1000")
    venue.move(at("2025-11-24 10:01"))
    after = account(venue)
    assert (after["cash"], after["equity"], after["long_market_value"]) == ("50000", "100000", "50000")
    assert (after["initial_margin"], after["maintenance_margin"], after["buying_power"]) == ("25000", "15000", "150000")


def test_r40_open_buys_reduce_buying_power_and_give_it_back_when_they_end(venue: Handle) -> None:
    sent = placed(venue, "BBB", qty="100", type="limit", limit_price="40")
    assert account(venue)["buying_power"] == "196000"
    call(venue, "DELETE", f"/v2/orders/{sent['id']}")
    assert account(venue)["buying_power"] == "200000"


def test_r40_an_open_market_buy_is_held_at_the_ask(venue: Handle) -> None:
    placed(venue, "BBB", qty="100")
    assert account(venue)["buying_power"] == "194999"  # the ask is 50.01


def test_r40_a_sell_frees_buying_power_only_when_it_fills(venue: Handle) -> None:
    placed(venue, "BBB", qty="1000")
    venue.move(at("2025-11-24 10:01"))
    placed(venue, "BBB", "sell", "1000")
    assert account(venue)["buying_power"] == "150000"
    venue.move(at("2025-11-24 10:15"))
    assert account(venue)["buying_power"] == "200000"


def test_more_than_the_buying_power_is_refused_with_both_amounts_and_leaves_no_trace(venue: Handle) -> None:
    refused = order(venue, "BBB", qty="4001", type="limit", limit_price="50", client_order_id="big")
    assert refused.status == 403
    assert refused.body == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "200000",
        "cost_basis": "200050",
    }
    assert call(venue, "GET", "/v2/orders:by_client_order_id", client_order_id="big").status == 404
    assert order(venue, "BBB", qty="1", client_order_id="big").status == 200  # the id is not used up


def test_r40_shorts_are_valued_three_percent_above_the_ask_or_at_their_limit(venue: Handle) -> None:
    placed(venue, "BBB", "sell", "100")
    assert Decimal(account(venue)["buying_power"]) == 200_000 - 100 * Decimal("50.01") * Decimal("1.03")
    placed(venue, "BBB", "sell", "100", type="limit", limit_price="60")
    assert Decimal(account(venue)["buying_power"]) == 194_000 - 100 * Decimal("50.01") * Decimal("1.03")


def test_a_short_is_a_negative_position_and_its_proceeds_are_cash(venue: Handle) -> None:
    sent = placed(venue, "BBB", "sell", "100")
    assert sent["position_intent"] == "sell_to_open"
    venue.move(at("2025-11-24 10:01"))
    row = call(venue, "GET", "/v2/positions/BBB").body
    assert (row["side"], row["qty"], row["qty_available"]) == ("short", "-100", "-100")
    assert (row["cost_basis"], row["market_value"]) == ("-5000", "-5000")
    now = account(venue)
    assert (now["cash"], now["equity"], now["short_market_value"]) == ("105000", "100000", "-5000")
    assert (now["initial_margin"], now["buying_power"]) == ("2500", "195000")


def test_buying_back_a_short_needs_no_buying_power(venues: Venues) -> None:
    venue = venues(cash="5000")
    placed(venue, "BBB", "sell", "190")
    venue.move(at("2025-11-24 10:01"))
    assert Decimal(account(venue)["buying_power"]) < 190 * 50
    back = placed(venue, "BBB", "buy", "190")
    assert back["position_intent"] == "buy_to_close"
    venue.move(at("2025-11-24 10:15"))
    assert positions(venue) == {}


def test_an_order_never_crosses_zero(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    refused = order(venue, side="sell", qty="15")
    assert (refused.status, refused.body["code"]) == (403, 40310000)
    assert refused.body["message"] == "insufficient qty available for order (requested: 15, available: 10)"
    assert (refused.body["existing_qty"], refused.body["held_for_orders"]) == ("10", "0")


def test_shares_that_open_orders_hold_cannot_be_sold_again(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    first = placed(venue, side="sell", qty="6", type="limit", limit_price="120")
    assert call(venue, "GET", "/v2/positions/AAA").body["qty_available"] == "4"
    refused = order(venue, side="sell", qty="5", type="limit", limit_price="120")
    assert refused.body["message"].endswith("(requested: 5, available: 4)")
    assert refused.body["related_orders"] == [first["id"]]


def test_a_cover_never_crosses_zero_either(venue: Handle) -> None:
    placed(venue, side="sell")
    venue.move(at("2025-11-24 10:01"))
    assert order(venue, side="buy", qty="11").body["code"] == 40310000
    assert order(venue, side="buy", qty="10").status == 200


def test_a_cash_account_spends_its_cash_once_and_never_sells_short(venues: Venues) -> None:
    venue = venues(account="cash", cash="10000")
    assert (account(venue)["multiplier"], account(venue)["buying_power"]) == ("1", "10000")
    assert account(venue)["shorting_enabled"] is False
    assert order(venue, "BBB", "sell", "1").body["message"] == "account is not allowed to short"
    assert order(venue, "BBB", qty="201", type="limit", limit_price="50").body["message"] == "insufficient buying power"


def test_proceeds_in_a_cash_account_settle_on_the_next_session(venues: Venues) -> None:
    venue = venues(account="cash", cash="5000")
    placed(venue, "BBB", qty="100", type="limit", limit_price="50")
    venue.move(at("2025-11-24 10:01"))
    placed(venue, "BBB", "sell", "100")
    venue.move(at("2025-11-24 10:15"))
    now = account(venue)
    assert (now["cash"], now["buying_power"]) == ("5000", "0")
    venue.move(at("2025-11-25 09:30"))
    assert account(venue)["buying_power"] == "5000"


def test_a_margin_account_below_two_thousand_dollars_has_no_margin(venues: Venues) -> None:
    venue = venues(cash="1999")
    now = account(venue)
    assert (now["multiplier"], now["buying_power"], now["shorting_enabled"]) == ("1", "1999", False)


def test_average_entry_price_is_exact_and_survives_a_reduction(venue: Handle) -> None:
    for qty in ("1", "2"):
        placed(venue, qty=qty)
        venue.move(venue.clock()["now"] + 900)
    row = call(venue, "GET", "/v2/positions/AAA").body
    assert Decimal(row["avg_entry_price"]) == ((Decimal("100.2") + 2 * Decimal("100.3")) / 3).quantize(Decimal("1e-15"))
    placed(venue, side="sell", qty="1")
    venue.move(venue.clock()["now"] + 900)
    assert call(venue, "GET", "/v2/positions/AAA").body["avg_entry_price"] == row["avg_entry_price"]


def test_fractions_have_nine_places_and_notional_orders_buy_for_their_amount(venue: Handle) -> None:
    fraction = placed(venue, qty="0.123456789")
    dollars = placed(venue, "BBB", notional="33.33")
    assert (dollars["qty"], dollars["notional"]) == (None, "33.33")
    venue.move(at("2025-11-24 10:01"))
    assert now_of(venue, fraction)["filled_qty"] == "0.123456789"
    assert now_of(venue, dollars)["filled_qty"] == "0.6666"
    assert positions(venue) == {"AAA": "0.123456789", "BBB": "0.6666"}
    placed(venue, qty="0.123456789", side="sell")
    venue.move(at("2025-11-24 10:15"))
    assert positions(venue) == {"BBB": "0.6666"}


def test_deposits_and_withdrawals_are_activities_and_move_the_cash(venue: Handle) -> None:
    venue.manual(do="deposit", amount="500.50")
    venue.manual(do="withdraw", amount="100")
    rows = call(venue, "GET", "/v2/account/activities", activity_types="CSD,CSW").body
    assert [(row["activity_type"], row["net_amount"]) for row in rows] == [("CSW", "-100"), ("CSD", "500.5")]
    assert account(venue)["cash"] == "100400.5"


def test_a_dividend_is_cash_without_an_order(venue: Handle) -> None:
    venue.manual(do="activity", type="DIV", net_amount="1.02", symbol="BBB", qty="2", per_share_amount="0.51")
    (row,) = call(venue, "GET", "/v2/account/activities/DIV").body
    assert (row["symbol"], row["net_amount"]) == ("BBB", "1.02")
    assert account(venue)["cash"] == "100001.02"


def test_r28_a_split_multiplies_the_shares_and_divides_the_price(venues: Venues) -> None:
    venue = venues("2025-11-24 15:30")
    placed(venue)
    venue.move(at("2025-11-24 16:30"))
    resting = placed(venue, side="sell", qty="1", type="limit", limit_price="500", time_in_force="gtc")
    equity = account(venue)["equity"]
    venue.manual(do="split", symbol="AAA", ratio="10")
    row = call(venue, "GET", "/v2/positions/AAA").body
    assert (row["qty"], row["avg_entry_price"], row["current_price"]) == ("100", "10.24", "10.255")
    assert account(venue)["equity"] == equity
    assert now_of(venue, resting)["status"] == "canceled"
    venue.move(at("2025-11-25 09:31"))
    assert call(venue, "GET", "/v2/positions/AAA").body["current_price"] == "10.1"
    assert {row["qty"] for row in call(venue, "GET", "/v2/account/activities/SPLIT").body} == {"-10", "100"}


def test_last_equity_is_that_of_the_close(venue: Handle) -> None:
    placed(venue, qty="100")
    venue.move(at("2025-11-25 09:31"))
    now = account(venue)
    assert now["balance_asof"] == "2025-11-24"
    assert Decimal(now["last_equity"]) == 100_000 + 100 * (Decimal("102.55") - Decimal("100.2"))
    row = call(venue, "GET", "/v2/positions/AAA").body
    assert (row["lastday_price"], row["current_price"]) == ("102.55", "101")
    assert row["unrealized_intraday_pl"] == "-155"


def test_a_trade_by_hand_is_an_order_without_our_prefix(venue: Handle) -> None:
    shown = venue.manual(do="trade", symbol="BBB", qty="-7", price="49.5")
    assert (shown["status"], shown["side"], shown["filled_avg_price"]) == ("filled", "sell", "49.5")
    assert positions(venue) == {"BBB": "-7"}
    (row,) = call(venue, "GET", "/v2/account/activities/FILL").body
    assert (row["order_id"], row["side"]) == (shown["id"], "sell_short")
    assert [row["foreign"] for row in venue.book()["orders"]] == [True]


def test_an_exit_whose_position_went_away_by_hand_is_rejected_not_turned(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    leaving = placed(venue, side="sell", qty="10")
    venue.manual(do="trade", symbol="AAA", qty="-10")
    venue.move(at("2025-11-24 10:15"))
    done = now_of(venue, leaving)
    assert (done["status"], done["filled_qty"]) == ("rejected", "0")
    assert done["failed_at"] is not None
    assert positions(venue) == {}


def test_an_exit_that_is_larger_than_what_is_left_is_rejected(venue: Handle) -> None:
    placed(venue)
    venue.move(at("2025-11-24 10:01"))
    leaving = placed(venue, side="sell", qty="10")
    venue.manual(do="trade", symbol="AAA", qty="-4")
    venue.move(at("2025-11-24 10:15"))
    assert now_of(venue, leaving)["status"] == "rejected"
    assert positions(venue) == {"AAA": "6"}


def test_an_exit_in_dollars_holds_no_buying_power(venue: Handle) -> None:
    placed(venue, "BBB", qty="10")
    venue.move(at("2025-11-24 10:01"))
    before = account(venue)["buying_power"]
    placed(venue, "BBB", "sell", notional="100")
    assert account(venue)["buying_power"] == before
    venue.move(at("2025-11-24 10:15"))
    assert positions(venue) == {"BBB": "8"}


QUANTITY = st.decimals("-50", "50", places=9).filter(lambda qty: qty != 0)
PRICE = st.decimals("1", "500", places=2)


@given(st.lists(st.tuples(QUANTITY, PRICE), max_size=12))
def test_law_a_position_is_the_sum_of_its_trades_and_its_average_one_of_their_prices(
    trades: list[tuple[Decimal, Decimal]],
) -> None:
    position = None
    for qty, price in trades:
        position = moved(position, "AAA", qty, price)
    held = sum((qty for qty, _ in trades), ZERO)
    assert (position.qty if position else ZERO) == held
    if position is not None:
        prices = [price for _, price in trades]
        assert min(prices) - Decimal("1e-9") <= position.average <= max(prices) + Decimal("1e-9")
