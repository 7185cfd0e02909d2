"""Money: what a fill does to position and cash, and what the account shows.

In: the venue (book, market, clock). Out: `Figures` and changes of the book. Sources: fields of Account in the OpenAPI
document (multiplier 2: buying_power = max(equity - initial_margin, 0) * 2; multiplier 1: cash), "Placing orders" of
docs.alpaca.markets (open buys and short sells reduce buying power, what closes frees it when it fills, a short counts with
the larger of its limit and 3 % above the ask). A cash account may spend only what has settled: sales settle at the open of
the next session (T+1). A margin account below 2,000 dollars has multiplier 1 and sells nothing short.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from .amounts import ZERO, plain
from .model import Order, Position

if TYPE_CHECKING:
    from .venue import Venue

HALF, THIRTY = Decimal("0.5"), Decimal("0.3")
MARGIN_FLOOR = Decimal(2000)
SHORT_MARKUP = Decimal("1.03")
LEAST = Decimal(1)


@dataclass(frozen=True, slots=True)
class Figures:
    """The account in dollars; `short` is negative; `reserved` is what open orders hold of the buying power."""

    cash: Decimal
    settled: Decimal
    long: Decimal
    short: Decimal
    reserved: Decimal
    multiplier: int

    @property
    def equity(self) -> Decimal:
        return self.cash + self.long + self.short

    @property
    def gross(self) -> Decimal:
        return self.long - self.short

    @property
    def initial_margin(self) -> Decimal:
        return self.gross * (HALF if self.multiplier > 1 else 1)

    @property
    def maintenance_margin(self) -> Decimal:
        return self.gross * THIRTY

    @property
    def buying_power(self) -> Decimal:
        """What may still be bought or sold short, open orders taken off; never negative."""
        if self.multiplier == 1:
            return max(self.settled - self.reserved, ZERO)
        return max(max(self.equity - self.initial_margin, ZERO) * self.multiplier - self.reserved, ZERO)


def figures(venue: Venue) -> Figures:
    """The account now."""
    book, now = venue.book, venue.now
    long = short = ZERO
    for position in book.positions.values():
        value = position.qty * venue.market.price(position.symbol, now)
        long, short = (long + value, short) if value > 0 else (long, short + value)
    unsettled = sum((Decimal(amount) for amount, at in book.mark("unsettled", []) if at > now), ZERO)
    reserved = sum((reserve(order) for order in book.open_orders()), ZERO)
    margin = venue.settings.account == "margin" and book.cash + long + short >= MARGIN_FLOOR
    settled = book.cash if venue.settings.account == "margin" else book.cash - unsettled
    return Figures(book.cash, settled, long, short, reserved, 2 if margin else 1)


def reserve(order: Order) -> Decimal:
    """Buying power that an open order holds."""
    if order.reserve == 0 or order.status == "held":
        return ZERO
    if order.qty is None:
        return (order.notional or ZERO) - order.filled_cost
    return order.left * order.reserve


def reserve_price(order: Order, ask: Decimal) -> Decimal:
    """The price a share with which an opening order is checked and held."""
    limit = order.limit_price or order.stop_price or ZERO
    if order.side == "sell":
        return max(limit, ask * SHORT_MARKUP)
    return limit or ask


def held_for_orders(venue: Venue, symbol: str) -> Decimal:
    """Shares of a position that open closing orders hold. A leg that waits behind its sibling holds none of its own."""
    return sum(
        (
            order.left
            for order in venue.book.open_orders()
            if order.symbol == symbol and order.closes and order.status != "held"
        ),
        ZERO,
    )


def moved(position: Position | None, symbol: str, qty: Decimal, price: Decimal) -> Position | None:
    """The position after a signed quantity was traded: adding costs its price, reducing keeps the average."""
    if position is None or position.qty == 0:
        return Position(symbol, qty, qty * price, "")
    after = position.qty + qty
    if after == 0:
        return None
    if (position.qty > 0) == (qty > 0):
        return Position(symbol, after, position.cost + qty * price, position.opened)
    if (after > 0) != (position.qty > 0):
        return Position(symbol, after, after * price, "")
    return Position(symbol, after, position.cost * after / position.qty, position.opened)


def trade(venue: Venue, symbol: str, qty: Decimal, price: Decimal) -> None:
    """Book a signed quantity at a price: position, cash, and when the money settles."""
    book, now = venue.book, venue.now
    after = moved(book.positions.get(symbol), symbol, qty, price)
    if after is not None and not after.opened:
        after = Position(symbol, after.qty, after.cost, venue.hours.next_to_close(now).date)
    book.hold(symbol, after)
    book.pay(-qty * price)
    if venue.settings.account == "cash" and qty < 0:
        settles = venue.hours.following(venue.hours.next_to_close(now)).open
        waiting = [row for row in book.mark("unsettled", []) if row[1] > now]
        book.set_mark("unsettled", [*waiting, [plain(-qty * price), settles]])
