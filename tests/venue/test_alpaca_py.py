"""The unmodified alpaca-py clients, with their models, on every endpoint that they have for what the venue serves."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetStatus,
    OrderClass,
    OrderSide,
    OrderStatus,
    PositionIntent,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from .made import at
from .start import Handle


@pytest.fixture
def trading(venue: Handle) -> TradingClient:
    return TradingClient(venue.key, venue.secret, url_override=venue.url)


@pytest.fixture
def data(venue: Handle) -> StockHistoricalDataClient:
    return StockHistoricalDataClient(venue.key, venue.secret, url_override=venue.url)


def market(symbol: str = "AAA", side: OrderSide = OrderSide.BUY, **more: object) -> MarketOrderRequest:
    size = {} if "notional" in more else {"qty": 10}
    return MarketOrderRequest(symbol=symbol, side=side, time_in_force=TimeInForce.DAY, **{**size, **more})


def test_an_order_from_submission_to_fill(trading: TradingClient, venue: Handle) -> None:
    sent = trading.submit_order(market(client_order_id="q1-a"))
    assert (sent.status, sent.position_intent) == (OrderStatus.PENDING_NEW, PositionIntent.BUY_TO_OPEN)
    venue.move(at("2025-11-24 10:01"))
    done = trading.get_order_by_client_id("q1-a")
    assert done.id == sent.id == trading.get_order_by_id(sent.id).id
    assert (done.status, done.filled_qty, done.filled_avg_price) == (OrderStatus.FILLED, "10", "100.2")
    assert done.filled_at is not None
    (held,) = trading.get_all_positions()
    assert (held.symbol, held.qty, held.side, held.avg_entry_price) == ("AAA", "10", PositionSide.LONG, "100.2")
    assert trading.get_open_position("AAA").market_value == "1002"
    assert trading.get_open_position(held.asset_id).qty_available == "10"


def test_listing_replacing_and_cancelling(trading: TradingClient) -> None:
    limit = LimitOrderRequest(symbol="AAA", qty=2, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, limit_price=90)
    sent = trading.submit_order(limit)
    filter_open = GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["AAA", "BBB"], side=OrderSide.BUY, limit=10)
    assert [order.id for order in trading.get_orders(filter_open)] == [sent.id]
    new = trading.replace_order_by_id(sent.id, ReplaceOrderRequest(qty=3, limit_price=91))
    assert (new.replaces, new.qty, new.limit_price) == (sent.id, "3", "91")
    trading.cancel_order_by_id(new.id)
    assert trading.get_order_by_id(new.id).status == OrderStatus.CANCELED
    trading.submit_order(limit)
    assert [row.status for row in trading.cancel_orders()] == [200]
    everything = GetOrdersRequest(status=QueryOrderStatus.ALL, after=datetime(2025, 11, 24, tzinfo=UTC))
    assert {order.status for order in trading.get_orders(everything)} == {OrderStatus.REPLACED, OrderStatus.CANCELED}


def test_other_kinds_of_orders(trading: TradingClient) -> None:
    dollars = trading.submit_order(market(notional=25.5))
    assert (dollars.qty, dollars.notional) == (None, "25.5")
    stop = StopOrderRequest(symbol="BBB", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, stop_price=60)
    assert trading.submit_order(stop).stop_price == "60"
    trail = TrailingStopOrderRequest(
        symbol="BBB", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.GTC, trail_percent=2
    )
    assert trading.submit_order(trail).trail_percent == "2"
    bracket = market(
        order_class=OrderClass.BRACKET,
        take_profit=TakeProfitRequest(limit_price=120),
        stop_loss=StopLossRequest(stop_price=80),
    )
    sent = trading.submit_order(bracket)
    legs = trading.get_order_by_id(sent.id, GetOrderByIdRequest(nested=True)).legs
    assert [leg.status for leg in legs] == [OrderStatus.HELD, OrderStatus.HELD]


def test_closing_positions(trading: TradingClient, venue: Handle) -> None:
    trading.submit_order(market())
    venue.move(at("2025-11-24 10:01"))
    assert trading.close_position("AAA", ClosePositionRequest(qty="4")).qty == "4"
    (row,) = trading.close_all_positions(cancel_orders=True)
    assert (row.symbol, row.status) == ("AAA", 200)


def test_account_clock_calendar_and_assets(trading: TradingClient) -> None:
    account = trading.get_account()
    assert (account.cash, account.buying_power, account.multiplier) == ("100000", "200000", "2")
    assert account.account_number.startswith("PA")
    assert trading.get_account_configurations().no_shorting is False
    clock = trading.get_clock()
    assert clock.is_open
    assert clock.timestamp == datetime(2025, 11, 24, 15, tzinfo=UTC)
    days = trading.get_calendar(GetCalendarRequest(start=date(2025, 11, 27), end=date(2025, 11, 28)))
    assert [(day.date, day.close) for day in days] == [(date(2025, 11, 28), datetime(2025, 11, 28, 13))]  # noqa: DTZ001
    assert trading.get_asset("AAA").fractionable
    assert len(trading.get_all_assets(GetAssetsRequest(status=AssetStatus.ACTIVE))) == 3


def test_activities_come_raw(trading: TradingClient, venue: Handle) -> None:
    trading.submit_order(market())
    venue.move(at("2025-11-24 10:01"))
    venue.manual(do="deposit", amount="7")
    rows = trading.get("/account/activities", {"direction": "asc", "page_size": 100})
    assert [row["activity_type"] for row in rows] == ["FILL", "CSD"]


def test_refusals_arrive_as_api_errors_with_code_and_status(trading: TradingClient) -> None:
    with pytest.raises(APIError) as refused:
        trading.submit_order(market("ZZZZ"))
    assert (refused.value.code, refused.value.status_code) == (42210000, 422)
    assert refused.value.message == 'asset "ZZZZ" not found'
    with pytest.raises(APIError) as missing:
        trading.get_order_by_client_id("nobody")
    assert missing.value.status_code == 404


def test_the_client_repeats_a_post_after_a_504_and_the_venue_takes_one_order(
    trading: TradingClient, venue: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    venue.fault({"do": "accept_then_504", "match": {"method": "POST"}})
    with pytest.raises(APIError, match="client_order_id must be unique"):
        trading.submit_order(market(client_order_id="q1-a"))
    book = venue.book()
    assert [order["client_order_id"] for order in book["orders"]] == ["q1-a"]
    assert book["posts"]["q1-a"] == {"posts": 2, "refused": 1}


def test_the_client_without_a_client_id_makes_an_order_a_try(
    trading: TradingClient, venue: Handle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    venue.fault({"do": "accept_then_504", "match": {"method": "POST"}, "times": 3})
    trading.submit_order(market())
    assert len(venue.book()["orders"]) == 4


def test_bars_of_many_symbols_over_pages(data: StockHistoricalDataClient, venue: Handle) -> None:
    venue.move(at("2025-11-25 16:00"))
    request = StockBarsRequest(
        symbol_or_symbols=["AAA", "BBB"],
        timeframe=TimeFrame(15, TimeFrameUnit.Minute),
        start=datetime(2025, 11, 24, 14, 30, tzinfo=UTC),
        end=datetime(2025, 11, 25, 21, tzinfo=UTC),
        feed=DataFeed.IEX,
        adjustment=Adjustment.RAW,
    )
    venue.fault({"do": "short_pages", "rows": 7, "times": 0})
    bars = data.get_stock_bars(request).data
    assert {symbol: len(rows) for symbol, rows in bars.items()} == {"AAA": 52, "BBB": 52}
    assert bars["AAA"][0].open == 100.0
    assert venue.calls()["GET /v2/stocks/bars"] == 15
    hourly = StockBarsRequest(
        symbol_or_symbols="AAA", timeframe=TimeFrame.Hour, start=datetime(2025, 11, 24, 14, tzinfo=UTC), limit=2
    )
    assert len(data.get_stock_bars(hourly).data["AAA"]) == 2
    daily = StockBarsRequest(
        symbol_or_symbols="AAA", timeframe=TimeFrame.Day, start=datetime(2025, 11, 24, tzinfo=UTC), feed="iex"
    )
    assert [bar.close for bar in data.get_stock_bars(daily).data["AAA"]] == [102.55, 103.55]


def test_latest_quotes_trades_and_bars(data: StockHistoricalDataClient) -> None:
    quote = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=["AAA"], feed=DataFeed.IEX))["AAA"]
    assert quote.bid_price < 100.2 < quote.ask_price
    trade = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAA"))["AAA"]
    assert trade.price == 100.2
    bar = data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols="AAA"))["AAA"]
    assert bar.close == 100.15


def test_r25_sip_data_of_the_last_minutes_is_an_api_error(data: StockHistoricalDataClient) -> None:
    request = StockLatestQuoteRequest(symbol_or_symbols=["AAA"], feed=DataFeed.SIP)
    with pytest.raises(APIError, match="subscription does not permit") as refused:
        data.get_stock_latest_quote(request)
    assert refused.value.status_code == 403
