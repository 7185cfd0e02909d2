"""Rows as Alpaca writes them, from the examples of its OpenAPI document."""

from __future__ import annotations

from typing import Any

ACCOUNT: dict[str, Any] = {
    "id": "1d9eed04-be39-4e01-9b84-a48ac5bbafcf",
    "account_number": "PA1",
    "status": "ACTIVE",
    "currency": "USD",
    "cash": "60000",
    "equity": "100000.55",
    "buying_power": "200000",
    "regt_buying_power": "150000",
    "non_marginable_buying_power": "55000",
    "multiplier": "2",
    "shorting_enabled": True,
    "account_blocked": False,
    "trading_blocked": False,
    "transfers_blocked": False,
    "trade_suspended_by_user": False,
    "pattern_day_trader": False,
}


def order_row(**change: Any) -> dict[str, Any]:
    """An open market order for 10 SPY; what is filled has a price unless the test says otherwise."""
    price = "500" if change.get("filled_qty", "0") != "0" else None
    return {
        "id": "7b08df51-c1ac-453c-99f9-323a5f075f0d",
        "client_order_id": "q1-x",
        "created_at": "2026-03-09T14:00:00.668464435Z",
        "updated_at": "2026-03-09T14:00:01.5Z",
        "submitted_at": "2026-03-09T14:00:00.577215743Z",
        "filled_at": None,
        "expired_at": None,
        "canceled_at": None,
        "failed_at": None,
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "symbol": "SPY",
        "asset_class": "us_equity",
        "notional": None,
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": price,
        "order_class": "",
        "order_type": "market",
        "type": "market",
        "side": "buy",
        "time_in_force": "day",
        "limit_price": None,
        "stop_price": None,
        "status": "new",
        "extended_hours": False,
        "legs": None,
        **change,
    }


def position_row(symbol: str, qty: str, **change: Any) -> dict[str, Any]:
    """A position at 100, worth 120 now."""
    return {
        "asset_id": "904837e3-3b76-47ec-b432-046db621571b",
        "symbol": symbol,
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "avg_entry_price": "100.0",
        "qty": qty,
        "side": "short" if qty.startswith("-") else "long",
        "current_price": "120.0",
        **change,
    }


def flow_row(number: int, created: str, kind: str = "CSD", **change: Any) -> dict[str, Any]:
    """A deposit of 1000."""
    return {
        "id": f"20260309000000000::{number:08d}-6f23-4cef-bdf1-3806aae57dbf",
        "activity_type": kind,
        "date": "2026-03-09",
        "created_at": created,
        "net_amount": "1000",
        "status": "executed",
        **change,
    }


def asset_row(symbol: str, **change: Any) -> dict[str, Any]:
    """A share that everything may be done with."""
    return {
        "id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": symbol,
        "name": symbol,
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "fractionable": True,
        **change,
    }
