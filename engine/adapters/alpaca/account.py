"""The account as Alpaca reads it: money, positions, what may be done with an asset, money that came or went.

In: rows of /v2/account, /v2/positions, /v2/assets and /v2/account/activities. Out: values of the port. Money is read on the safe
side: an account without margin buys with settled funds, and one with margin with what it may also hold overnight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ...ports import Activity, Asset, Position
from .parse import NANO, ShapeError, amount, flag, moment, nanoseconds, needed, number, stamp, text

#: money that is paid in or taken out, which is neither profit nor loss. Dividends, interest and fees are earned or paid: no flows
FLOWS = ("CSD", "CSW", "TRANS", "JNL", "JNLC", "ACATC")
#: an option contract stands for so many shares
_CONTRACT = 100
_ZONE = ZoneInfo("America/New_York")
_ID = re.compile(r"(\d{17})::.+")
_CANNOT = (
    ("account_blocked", "the account is blocked"),
    ("trading_blocked", "trading is blocked"),
    ("trade_suspended_by_user", "trading is suspended by the user"),
)


@dataclass(frozen=True, slots=True)
class Money:
    """The account itself; `blocked` says why it may not trade, "" = it may. `number` is the account's number."""

    number: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    blocked: str
    shorts: bool


def money(row: Mapping[str, Any]) -> Money:
    """A row of /v2/account; ShapeError where number, equity, cash or buying power cannot be read."""
    multiplier = number(row, "multiplier")
    margin = multiplier is not None and multiplier > 1
    status = text(row, "status")
    reasons = [words for key, words in _CANNOT if flag(row, key, default=False)]
    if status not in ("ACTIVE", "PAPER_ONLY"):
        reasons.append(f"the account's status is {status or 'not given'}")
    # settled funds without margin; with it the lesser of the day's and the night's buying power
    also = ("regt_buying_power",) if margin else ("non_marginable_buying_power", "cash_withdrawable")
    lesser = [found for key in also if (found := number(row, key)) is not None]
    return Money(
        needed(row, "account_number"),
        amount(row, "equity"),
        amount(row, "cash"),
        min(amount(row, "buying_power"), *lesser) if lesser else amount(row, "buying_power"),
        "; ".join(reasons),
        shorts=margin and flag(row, "shorting_enabled", default=False),
    )


def position(row: Mapping[str, Any], now: int) -> Position:
    """A row of /v2/positions. Alpaca gives no time of its price: it is theirs as of the reading, `now`."""
    qty, price = amount(row, "qty"), number(row, "current_price")
    if text(row, "side") == "short" and qty > 0:
        qty = -qty
    each = _CONTRACT if text(row, "asset_class") == "us_option" else 1
    known = price is not None and price > 0
    return Position(
        needed(row, "symbol"),
        qty,
        amount(row, "avg_entry_price") * each,
        price * each if price is not None and known else None,
        now if known else 0,
    )


def assets(rows: Sequence[Mapping[str, Any]], universe: Sequence[str]) -> tuple[Asset, ...]:
    """What may be done with each symbol of the universe; one that is not listed as active may not be traded."""
    wanted = set(universe)
    listed = {row["symbol"]: row for row in rows if isinstance(row.get("symbol"), str) and row["symbol"] in wanted}
    return tuple(_asset(symbol, listed.get(symbol)) for symbol in universe)


def locked(universe: Sequence[str]) -> tuple[Asset, ...]:
    """What may be done while the list cannot be read: nothing new."""
    return tuple(_asset(symbol, None) for symbol in universe)


def _asset(symbol: str, row: Mapping[str, Any] | None) -> Asset:
    if row is None:
        return Asset(symbol, tradable=False, shortable=False, easy_to_borrow=False, fractionable=False)
    borrow = text(row, "borrow_status")  # the flag beside it is deprecated
    easy = borrow == "easy_to_borrow" if borrow else flag(row, "easy_to_borrow", default=False)
    tradable = flag(row, "tradable", default=False) and text(row, "status") in ("active", "")
    return Asset(
        symbol, tradable, flag(row, "shortable", default=False), easy, flag(row, "fractionable", default=False)
    )


@dataclass(frozen=True, slots=True)
class Flow:
    """An activity of money with the moment it was entered (nanoseconds since 1970) and Alpaca's own id."""

    activity: Activity
    entered: int
    name: str


def flow(row: Mapping[str, Any]) -> Flow | None:
    """A row of /v2/account/activities; None for what is no flow or was taken back. Ids of theirs rise by day only, so ours begin
    with the moment of entry."""
    kind, name = needed(row, "activity_type"), needed(row, "id")
    if kind not in FLOWS or text(row, "status") == "canceled":
        return None
    entered = _entered(row, name)
    net = amount(row, "net_amount")
    detail = " ".join(part for part in (kind, text(row, "activity_sub_type"), text(row, "description")) if part)
    return Flow(Activity(f"{stamp(entered)} {name}", "flow", net, entered // NANO, detail), entered, name)


def _entered(row: Mapping[str, Any], name: str) -> int:
    """When it was entered, in nanoseconds; without a stamp the id's own digits, which are New York time."""
    if row.get("created_at") is not None:
        return nanoseconds(row["created_at"])
    found = _ID.fullmatch(name)
    if found is not None:
        try:
            naive = datetime.strptime(found[1], "%Y%m%d%H%M%S%f")  # noqa: DTZ007 - its zone is put on in the next line
        except ValueError as error:
            raise ShapeError("an activity's id holds no moment") from error
        return int(naive.replace(tzinfo=_ZONE).astimezone(UTC).timestamp()) * NANO
    if row.get("transaction_time") is not None:
        return moment(row, "transaction_time") * NANO
    raise ShapeError("an activity without a moment")
