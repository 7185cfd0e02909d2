"""What a position is doing, in one word, and which word may follow which (R17). Pure.

In: the book. Out: a `Phase` per symbol. It is read from quantity and orders, never stored, so it cannot disagree with them. What
`net` sends is checked before it is journaled, for one thing: no second order beside one that works in its symbol, so nothing is opened
while a position closes. The table itself is held against whole runs by the tests; here it could not be asked: positions that are not
ours are closed too (`unwind_only`), and those are flat by the book.

    FLAT ──> OPENING ──> OPEN ──> CLOSING ──> FLAT
               └──> FLAT           └──> OPEN   (an entry that did not fill; an exit that did not, or in part)
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from ..errors import StateError
from ..orders import Order
from .book import Book
from .lifecycle import Tracked


class Phase(StrEnum):
    """`OPEN` has a quantity and may grow; `CLOSING` has an order on its way that reduces it."""

    FLAT = "flat"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"


#: phase -> phases that may follow it from one tick to the next, of what is ours
MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.FLAT: frozenset({Phase.OPENING}),
    Phase.OPENING: frozenset({Phase.OPEN, Phase.FLAT}),
    Phase.OPEN: frozenset({Phase.CLOSING, Phase.OPENING}),
    Phase.CLOSING: frozenset({Phase.FLAT, Phase.OPEN}),
}


def phase(held: bool, tracked: Iterable[Tracked]) -> Phase:
    """The phase of a symbol with these orders of ours."""
    legs = {t.order.leg for t in tracked}
    if "close" in legs:
        return Phase.CLOSING
    if "open" in legs:
        return Phase.OPENING
    return Phase.OPEN if held else Phase.FLAT


def phases(book: Book) -> dict[str, Phase]:
    """Symbol -> phase, of every symbol that is not flat."""
    held = {symbol for symbol, _ in book.ledger}
    orders: dict[str, list[Tracked]] = {}
    for tracked in book.orders:
        orders.setdefault(tracked.order.symbol, []).append(tracked)
    return {symbol: phase(symbol in held, orders.get(symbol, ())) for symbol in sorted(held | orders.keys())}


def check_moves(book: Book, orders: Iterable[Order]) -> None:
    """StateError when an order would open what is closing, or a second one would work beside a first of the same symbol (an
    opening order that the broker does not have delays no exit)."""
    working: dict[str, list[Tracked]] = {}
    for tracked in book.orders:
        working.setdefault(tracked.order.symbol, []).append(tracked)
    for order in orders:
        others = [t for t in working.get(order.symbol, ()) if order.leg == "open" or not t.lost]
        if others:
            now = phase(held=False, tracked=others)
            raise StateError(
                f"order {order.client_order_id} would {order.leg} {order.symbol}, which is {now}: "
                f"{others[0].order.client_order_id} is {others[0].state}"
            )
