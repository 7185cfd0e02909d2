"""What the venue says when it refuses: HTTP status, Alpaca's code, message, and where we know it from.

In: nothing. Out: `Refused`, raised by the checks and rendered once by the HTTP side, and the table TABLE. Sources:
  doc      the OpenAPI documents or a page of docs.alpaca.markets (orders-at-alpaca, working-with-orders, user-protection)
  guide    alpaca.markets/learn/how-to-fix-common-trading-api-errors-at-alpaca
  gobroker Alpaca's own broker server, whose source was published once
  seen     a reply recorded by somebody in public (issue, log or test of a client); quoted there word by word
  ours     not known; our wording under the code that the class of error has
Alpaca says that messages may change and that code and status are the contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry of the table; `message` may hold {names} that the raiser fills."""

    status: int
    code: int | None
    message: str
    source: str


class Refused(Exception):  # noqa: N818 - the venue refuses, it does not err
    """A request that is answered with a refusal. `more` are further fields of the body; `words` fill the message, or are it
    (`message`)."""

    def __init__(self, key: str, more: dict[str, Any] | None = None, /, **words: object) -> None:
        self.key = key
        self.entry = TABLE[key]
        self.more = more or {}
        message = str(words.get("message", self.entry.message))
        self.message = message.format(**words) if words else message
        super().__init__(self.message)

    @property
    def body(self) -> dict[str, Any]:
        code = {} if self.entry.code is None else {"code": self.entry.code}
        return {**code, "message": self.message, **self.more}


BAD: Final = 40010001
DENIED: Final = 40310000
MISSING: Final = 40410000
WRONG: Final = 42210000

TABLE: Final[dict[str, Refusal]] = {
    # the request as such
    "unauthorized": Refusal(401, None, "unauthorized.", "guide, seen (both APIs, wrong or missing keys)"),
    "no_endpoint": Refusal(404, MISSING, "endpoint not found", "seen"),
    "no_body": Refusal(400, 40010000, "request body format is invalid", "seen"),
    "rate_limit": Refusal(429, 42910000, "rate limit exceeded", "doc (status, headers); seen (code, message)"),
    "internal": Refusal(500, 50010000, "internal server error occurred", "doc (status); seen (code, message)"),
    "unavailable": Refusal(503, None, "service unavailable", "ours"),
    "timeout": Refusal(504, None, "request timed out", "seen"),
    # an order that cannot be read
    "symbol_required": Refusal(422, BAD, "symbol is required", "gobroker"),
    "invalid_side": Refusal(422, BAD, "invalid side", "gobroker, seen"),
    "invalid_type": Refusal(422, BAD, "invalid order type", "gobroker, seen"),
    "invalid_tif": Refusal(422, BAD, "invalid time_in_force", "gobroker, seen"),
    "invalid_class": Refusal(422, BAD, "invalid order_class", "ours"),
    "invalid_param": Refusal(422, BAD, "invalid {name}", "ours, after the pattern of gobroker"),
    "qty_required": Refusal(422, BAD, "qty or notional is required", "seen"),
    "qty_or_notional": Refusal(422, BAD, "only one of qty or notional is accepted", "seen"),
    "qty_positive": Refusal(422, BAD, "qty must be > 0", "gobroker, seen"),
    "notional_positive": Refusal(422, BAD, "notional must be > 0", "ours, after the one for qty"),
    "places": Refusal(422, WRONG, "qty increment must be at most 9 decimal places", "ours; doc: up to 9 places"),
    "notional_places": Refusal(422, WRONG, "notional value must be limited to 2 decimal places", "seen"),
    "limit_required": Refusal(422, BAD, "limit orders require a limit price", "seen"),
    "stop_required": Refusal(422, BAD, "stop orders require a stop price", "seen"),
    "trail_required": Refusal(
        422, BAD, "trailing stop orders must specify one of trail_price or trail_percent", "seen"
    ),
    "price_extra": Refusal(422, BAD, "market orders require no stop or limit price", "seen"),
    "price_positive": Refusal(422, BAD, "{name} must be > 0", "gobroker"),
    "sub_penny": Refusal(
        422, WRONG, "invalid {name} {price}. sub-penny increment does not fulfill minimum pricing criteria", "doc"
    ),
    "client_id_long": Refusal(422, BAD, "client_order_id must be no more than 128 characters", "seen"),
    # a used id: the code depends on whether the first order is still working (measured in public, September 2026)
    "client_id_open": Refusal(422, WRONG, "client_order_id must be unique", "seen"),
    "client_id_done": Refusal(422, BAD, "client_order_id must be unique", "seen"),
    # an order that does not fit its asset or kind
    "no_asset": Refusal(422, WRONG, 'asset "{symbol}" not found', "seen"),
    "not_tradable": Refusal(422, WRONG, 'asset "{symbol}" is not tradable', "seen; gobroker"),
    "not_fractionable": Refusal(403, DENIED, 'asset "{symbol}" is not fractionable', "seen"),
    "fractional_day": Refusal(422, WRONG, "fractional orders must be DAY orders", "seen"),
    "fractional_type": Refusal(
        422, WRONG, "fractional orders must be market, limit, stop, or stop_limit orders", "seen"
    ),
    "fractional_simple": Refusal(422, WRONG, "fractional orders must be simple orders", "seen"),
    "fractional_short": Refusal(422, WRONG, "fractional orders cannot be sold short", "seen"),
    "extended_hours": Refusal(422, WRONG, "extended hours order must be DAY or GTC limit orders", "seen; doc"),
    "no_opg": Refusal(422, WRONG, "opg orders are not accepted between 9:28am and 7:00pm ET", "ours; doc: rejected"),
    "no_cls": Refusal(422, WRONG, "cls orders are not accepted between 3:50pm and 7:00pm ET", "ours; doc: rejected"),
    "tif_for_type": Refusal(422, WRONG, "invalid time_in_force for {type} order", "ours; doc: table of types and tif"),
    "intent": Refusal(
        422, WRONG, "position intent mismatch, inferred: {inferred}, specified: {specified}", "doc (options page)"
    ),
    "bracket_prices": Refusal(422, WRONG, "take_profit.limit_price must be {sign} stop_loss.stop_price", "seen"),
    "bracket_parts": Refusal(422, BAD, "{name} orders require {what}", "ours"),
    "min_cost": Refusal(403, DENIED, "cost basis must be >= minimal amount of order {least}", "seen"),
    "halted": Refusal(422, WRONG, "trading in {symbol} is halted", "ours; the real venue may also queue the order"),
    # money, shares, permissions
    "buying_power": Refusal(403, DENIED, "insufficient buying power", "doc (status); seen (body, with both amounts)"),
    "no_qty": Refusal(
        403, DENIED, "insufficient qty available for order (requested: {requested}, available: {available})", "seen"
    ),
    "wash": Refusal(403, DENIED, "potential wash trade detected. use complex orders", "doc user-protection; seen"),
    "no_short_account": Refusal(403, DENIED, "account is not allowed to short", "seen"),
    "no_short_asset": Refusal(422, WRONG, 'asset "{symbol}" cannot be sold short', "seen (without the status)"),
    "blocked": Refusal(403, DENIED, "account is not authorized to trade", "seen"),
    "suspended": Refusal(403, DENIED, "new orders are rejected by user request", "gobroker, seen"),
    "day_trade": Refusal(403, 40310100, "trade denied due to pattern day trading protection", "seen; rule ended 2026"),
    "intraday_margin": Refusal(403, DENIED, "insufficient intraday margin", "ours; doc: standards since 2026-06-04"),
    # orders and positions that exist or do not
    "no_order_id": Refusal(422, BAD, "order_id is missing", "gobroker, seen (no UUID)"),
    "no_client_id": Refusal(422, BAD, "client_order_id is missing", "gobroker"),
    "no_order": Refusal(404, MISSING, "order not found for {id}", "seen"),
    "no_position": Refusal(404, MISSING, "position does not exist", "seen"),
    "asset_missing": Refusal(404, MISSING, "asset not found for {symbol}", "ours; doc: 404"),
    "done": Refusal(422, WRONG, 'order is already in "{status}" state', "seen"),
    "no_replace": Refusal(422, WRONG, "cannot replace order in {status} status", "doc (options page), seen"),
    "no_change": Refusal(422, WRONG, "order parameters are not changed", "doc (options page)"),
    "replace_fractional": Refusal(422, WRONG, "qty of fractional orders cannot be changed", "ours; doc: not allowed"),
    "direction": Refusal(422, BAD, 'direction can only be "asc" or "desc"', "gobroker"),
    # market data
    "data_param": Refusal(400, None, "invalid {name}: {value}", "ours; doc: 400 with a message"),
    "data_order": Refusal(400, None, "end should not be before start", "seen"),
    "entitlement": Refusal(403, None, "subscription does not permit querying recent SIP data", "seen"),
}
