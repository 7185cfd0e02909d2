"""What happened to our positions without a fill of ours: splits, and positions that somebody else closed. Pure.

In: the broker's positions now, what it showed the tick before, and the fills since. Out: `Correction`s of the ledger, which
the runtime journals in the same commit as the tick that saw them, so that a restart adds up to the same ledger.

A split multiplies a quantity and divides the average price by the same number, so what the position cost stays the same
(within 0.1 %). A manual trade never does that: a purchase adds its cost, a sale leaves the average price as it is. After a
reverse split brokers pay the part below one share in cash: then the average price tells a simple ratio, and the quantity
is what it gives in whole shares.

What the broker shows as flat is flat. Our own quantity is then written off at the last price that was believed; without
that, the next entry would look like somebody else's position (ledger + external = broker, after every event). It waits
until a second tick shows it flat, no order of ours works in the symbol and no fill of ours was heard in it, so that an
answer that lags behind writes nothing off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from ..market import Fill
from ..ports import BrokerSnapshot, Position
from .book import Book, Changes, Correction

#: cost before and after a split agree to this, as a fraction
SAME: Final = 0.001
#: ratios nearer to 1 are no split
LEAST: Final = 0.01
#: ratios of splits that paid a part in cash have small denominators
SIMPLE: Final = 100
_NOTHING: Final = Decimal(0)
_DIGITS: Final = Decimal("0.000000001")


class Seen(NamedTuple):
    """A position as of the tick before: signed shares, average price, and the price that was believed (NaN = unknown)."""

    qty: float
    average: float
    mark: float


#: the position of a symbol as it was seen last, None for a symbol that no world has
Before = Callable[[str], Seen | None]


def corrections(snapshot: BrokerSnapshot, book: Book, changes: Changes, before: Before) -> tuple[Correction, ...]:
    """Splits and write-offs since the last tick, by symbol. `book` holds the fills of `changes` already."""
    return (*_splits(snapshot, book, changes.fills, before), *_closed(snapshot, book, changes.fills, before))


def _splits(snapshot: BrokerSnapshot, book: Book, fills: Sequence[Fill], before: Before) -> Iterator[Correction]:
    ledger, filled = dict(book.ledger), {fill.symbol for fill in fills}
    for position in snapshot.positions:
        seen = before(position.symbol)
        if seen is None or (seen.qty == float(position.qty) and position.symbol not in filled):
            continue
        qty, average = _expected(seen, [fill for fill in fills if fill.symbol == position.symbol])
        shares = ratio(position, qty, average)
        if shares is None:
            continue
        ours = ledger.get(position.symbol, _NOTHING)
        after = position.qty if ours == qty else _times(ours, shares)
        yield Correction(position.symbol, "split", float(shares), ours, after, _NOTHING, book.last_seq)


def ratio(position: Position, qty: Decimal, average: float) -> Fraction | None:
    """Shares of now for one of before when a split explains the position, else None. `qty` and `average` are what the
    fills of ours let us expect."""
    if position.qty == qty or position.qty * qty <= 0 or not average > 0 or position.average_price <= 0:
        return None
    by_price = average / float(position.average_price)
    if abs(by_price - 1) <= LEAST:
        return None
    by_qty = Fraction(position.qty) / Fraction(qty)
    if abs(by_qty / by_price - 1) <= SAME:
        return by_qty
    simple = Fraction(by_price).limit_denominator(SIMPLE)
    missing = abs(Fraction(qty) * simple) - abs(Fraction(position.qty))
    in_cash = position.qty % 1 == 0 and 0 < missing < 1 and abs(simple / by_price - 1) <= SAME
    return simple if in_cash else None


def _expected(seen: Seen, fills: Sequence[Fill]) -> tuple[Decimal, float]:
    """Quantity and average price after these fills; the average moves when a position grows and stays when it shrinks."""
    qty, average = Decimal(repr(seen.qty)), seen.average
    for fill in fills:
        after, price = qty + fill.qty, float(fill.price)
        if qty * fill.qty > 0:
            average = (float(qty) * average + float(fill.qty) * price) / float(after)
        elif qty * after <= 0:
            average = price
        qty = after
    return qty, average


def _closed(snapshot: BrokerSnapshot, book: Book, fills: Sequence[Fill], before: Before) -> Iterator[Correction]:
    if snapshot.last_seq > book.last_seq:
        return
    busy = {position.symbol for position in snapshot.positions if position.qty}
    busy |= {tracked.order.symbol for tracked in book.orders} | {fill.symbol for fill in fills}
    for symbol, qty in book.ledger:
        seen = None if symbol in busy else before(symbol)
        if seen is not None and seen.qty == 0:
            money = qty * Decimal(repr(_price(seen)))
            yield Correction(symbol, "closed_elsewhere", 1.0, qty, _NOTHING, money, book.last_seq)


def _price(seen: Seen) -> float:
    return next((price for price in (seen.mark, seen.average) if math.isfinite(price)), 0.0)


def _times(qty: Decimal, shares: Fraction) -> Decimal:
    """A part of a position after a split, to a billionth of a share."""
    exact = Fraction(qty) * shares
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(_DIGITS).normalize() + 0
