"""Replies of the trading API: orders, positions, account, assets, activities as the OpenAPI document shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .amounts import NANO, SHARE, ZERO, day_of, instant, money, plain
from .model import Activity, Asset, Order, Position
from .money import figures, held_for_orders

if TYPE_CHECKING:
    from .venue import Venue

RATIO = Decimal("0.0000000001")
AVERAGE = Decimal("0.000000000000001")


def _price(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)


def _stamp(nanoseconds: int) -> str | None:
    return instant(nanoseconds) if nanoseconds else None


def order(venue: Venue, of: Order, *, nested: bool = False) -> dict[str, Any]:
    """One order; with `nested` its legs stand in it."""
    legs = venue.book.legs(of.id) if nested and of.order_class and not of.parent else []
    average = of.filled_cost / of.filled_qty if of.filled_qty else None
    return {
        "id": of.id,
        "client_order_id": of.client_order_id,
        "created_at": instant(of.created_at),
        "updated_at": instant(of.updated_at),
        "submitted_at": instant(of.submitted_at),
        "filled_at": _stamp(of.filled_at),
        "expired_at": _stamp(of.expired_at),
        "expires_at": instant(int(of.expires) * NANO),
        "canceled_at": _stamp(of.canceled_at),
        "failed_at": _stamp(of.failed_at),
        "replaced_at": _stamp(of.replaced_at),
        "replaced_by": of.replaced_by or None,
        "replaces": of.replaces or None,
        "asset_id": asset_id(venue, of.symbol),
        "symbol": of.symbol,
        "asset_class": "us_equity",
        "notional": _price(of.notional),
        "qty": _price(of.qty),
        "filled_qty": plain(of.filled_qty),
        "filled_avg_price": None if average is None else plain(average.quantize(SHARE)),
        "order_class": of.order_class,
        "order_type": of.type,
        "type": of.type,
        "side": of.side,
        "position_intent": of.position_intent,
        "time_in_force": of.time_in_force,
        "limit_price": _price(of.limit_price),
        "stop_price": _price(of.stop_price),
        "status": of.status,
        "extended_hours": of.extended_hours,
        "legs": [order(venue, leg) for leg in legs] or None,
        "trail_percent": _price(of.trail_percent),
        "trail_price": _price(of.trail_price),
        "hwm": _price(of.hwm),
        "subtag": None,
        "source": None,
    }


def asset_id(venue: Venue, symbol: str) -> str:
    return venue.book.name("asset", symbol)


def position(venue: Venue, of: Position) -> dict[str, Any]:
    """One position. What was gained today counts from yesterday's close, for a position of today from its cost."""
    now = venue.now
    current = venue.market.price(of.symbol, now)
    yesterday = _close_of_yesterday(venue, of.symbol)
    value, gain = current * of.qty, current * of.qty - of.cost
    fresh = of.opened == venue.hours.next_to_close(now).date
    today = gain if fresh else (current - yesterday) * of.qty
    base = abs(of.cost) if fresh else abs(yesterday * of.qty)
    free = of.qty - held_for_orders(venue, of.symbol) * (1 if of.qty > 0 else -1)
    return {
        "asset_id": asset_id(venue, of.symbol),
        "symbol": of.symbol,
        "exchange": _asset(venue, of.symbol).exchange,
        "asset_class": "us_equity",
        "asset_marginable": _asset(venue, of.symbol).marginable,
        "qty": plain(of.qty),
        "qty_available": plain(free),
        "avg_entry_price": plain(of.average.quantize(AVERAGE)),
        "side": "long" if of.qty > 0 else "short",
        "market_value": money(value),
        "cost_basis": money(of.cost),
        "unrealized_pl": money(gain),
        "unrealized_plpc": _ratio(gain, abs(of.cost)),
        "unrealized_intraday_pl": money(today),
        "unrealized_intraday_plpc": _ratio(today, base),
        "current_price": plain(current),
        "lastday_price": plain(yesterday),
        "change_today": _ratio(current - yesterday, yesterday),
    }


def _ratio(part: Decimal, whole: Decimal) -> str:
    return plain((part / whole).quantize(RATIO)) if whole else "0"


def _asset(venue: Venue, symbol: str) -> Asset:
    return venue.asset(symbol) or Asset(symbol)


def _close_of_yesterday(venue: Venue, symbol: str) -> Decimal:
    """The close of the last session before the one that is under way, or, at night, before the one that has just ended."""
    hours, now = venue.hours, venue.now
    last = hours.last_closed(now)
    if hours.session(now) is None and day_of(now) == last.date:
        last = hours.following(last, -1)
    price = venue.market.close_before(symbol, last.close)
    scale = venue.market.factor(symbol, now) / venue.market.factor(symbol, last.close)
    return price / scale


def account(venue: Venue) -> dict[str, Any]:
    """The account as GET /v2/account shows it."""
    now, book = figures(venue), venue.book
    blocked = venue.faults.state("trading_blocked") is not None
    last = Decimal(book.mark("last_equity", "0"))
    dollars = {
        "cash": now.cash,
        "buying_power": now.buying_power,
        "regt_buying_power": now.buying_power,
        "daytrading_buying_power": ZERO,
        "options_buying_power": ZERO,
        "non_marginable_buying_power": max(min(now.settled - now.reserved, now.buying_power), ZERO),
        "equity": now.equity,
        "portfolio_value": now.equity,
        "last_equity": last,
        "long_market_value": now.long,
        "short_market_value": now.short,
        "initial_margin": now.initial_margin,
        "maintenance_margin": now.maintenance_margin,
        "last_maintenance_margin": Decimal(book.mark("last_maintenance", "0")),
        "sma": ZERO,
        "accrued_fees": ZERO,
        "pending_reg_taf_fees": ZERO,
        "intraday_adjustments": ZERO,
    }
    return {
        "id": book.name("account"),
        "account_number": account_number(venue),
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "created_at": instant(book.mark("created", 0)),
        "balance_asof": book.mark("balance_asof", venue.hours.last_closed(venue.now).date),
        "multiplier": str(now.multiplier),
        "shorting_enabled": venue.shorting,
        "trading_blocked": blocked,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": venue.faults.state("suspended") is not None,
        "pattern_day_trader": False,
        "daytrade_count": 0,
        "options_approved_level": 0,
        "options_trading_level": 0,
        **{name: money(amount) for name, amount in dollars.items()},
    }


def configurations(venue: Venue) -> dict[str, Any]:
    """The account's settings; nobody can change them here."""
    return {
        "no_shorting": venue.faults.state("no_shorting") is not None,
        "suspend_trade": venue.faults.state("suspended") is not None,
        "fractional_trading": True,
        "max_margin_multiplier": "2" if venue.settings.account == "margin" else "1",
        "max_options_trading_level": 0,
        "dtbp_check": "entry",
        "pdt_check": "entry",
        "ptp_no_exception_entry": False,
        "disable_overnight_trading": True,
        "trade_confirm_email": "none",
    }


def account_number(venue: Venue) -> str:
    """ "PA" and ten signs, as paper accounts are numbered."""
    return "PA" + venue.book.name("account").replace("-", "")[:10].upper()


def asset(venue: Venue, of: Asset) -> dict[str, Any]:
    return {
        "id": asset_id(venue, of.symbol),
        "class": "us_equity",
        "exchange": of.exchange,
        "symbol": of.symbol,
        "name": f"{of.symbol} Common Stock",
        "status": of.status,
        "tradable": of.tradable,
        "marginable": of.marginable,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "shortable": of.shortable,
        "easy_to_borrow": of.easy_to_borrow,
        "borrow_status": "easy_to_borrow" if of.easy_to_borrow else "hard_to_borrow",
        "fractionable": of.fractionable,
        "attributes": [],
    }


def activity(of: Activity) -> dict[str, Any]:
    return {"id": of.id, **of.body}
