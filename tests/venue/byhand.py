"""The trace that a trade by hand leaves: an order that has filled, without any prefix, and its fill."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from .matching import record_fill
from .model import Order

if TYPE_CHECKING:
    from .venue import Venue


def done_order(venue: Venue, symbol: str, qty: Decimal, price: Decimal) -> Order:
    """Store the order of a signed quantity that was traded at a price just now."""
    book = venue.book
    stamp, seq = book.stamp(venue.now), book.next_seq()
    side = "buy" if qty > 0 else "sell"
    # the trade is booked already: what is held now tells whether it opened
    opened = book.held(symbol) * qty > 0
    order = Order(
        id=book.name("order", "by hand", seq),
        seq=seq,
        client_order_id=book.name("client", seq),
        symbol=symbol,
        side=side,
        type="market",
        time_in_force="day",
        status="filled",
        qty=abs(qty),
        notional=None,
        since=venue.now,
        live_from=venue.now,
        expires=venue.hours.next_to_close(venue.now).close,
        created_at=stamp,
        submitted_at=stamp,
        updated_at=stamp,
        position_intent=f"{side}_to_{'open' if opened else 'close'}",
        filled_qty=abs(qty),
        filled_cost=abs(qty) * price,
        filled_at=stamp,
        foreign=True,
    )
    record_fill(venue, book.put(order), abs(qty), price, stamp)
    return order
