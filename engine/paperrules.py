"""The rules of the paper account: fill prices, fees, averages, buying power, refusals. Pure, in exact decimals.

In: orders, positions, prices. Out: what becomes of them. The embedded account of `qmtl run` applies them one order at a
time; a backtest applies the same rules to columns of whole numbers and comes here where a rounding is close.

* A fill is at the open of the first bar that starts at or after the order, worsened by the slippage, to a millionth;
  its fee is a fraction of the notional, to a millionth. Ties are rounded to even.
* A limit order fills only where that price is no worse than its limit.
* The average price moves when a position grows and stays when it shrinks; it is kept to a millionth.
* Buying power = cash - 1.5 x what shorts are worth - what working opening orders reserve (buys: notional and costs;
  shorts: half their notional). A short's proceeds are in the cash, so half of its worth is the margin.
* A short pays for each night it is held, when the next session opens: its worth at the close x the yearly rate x calendar
  days / 360, to a millionth.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from qmtl.dsl.exchange import ExchangePolicy

ZERO: Final = Decimal(0)
#: prices, averages and fees are kept to a millionth of the currency; no sum of them is ever rounded
MILLIONTH: Final = Decimal("0.000001")
#: readings of equity and buying power are in cents, as brokers give them
CENT: Final = Decimal("0.01")
EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
SHORT_MARGIN: Final = Decimal("0.5")
_YEAR: Final = Decimal(360)


@dataclass(frozen=True, slots=True)
class Tariff:
    """Costs per side as exact fractions of notional, and the yearly rate of borrowing: `borrow`, or that of the symbol."""

    fee: Decimal
    slippage: Decimal
    borrow: Decimal = ZERO
    borrow_of: tuple[tuple[str, Decimal], ...] = ()

    @classmethod
    def of(
        cls, fee: float, slippage: float, borrow: float = 0.0, borrow_of: Iterable[tuple[str, float]] = ()
    ) -> Tariff:
        """From the numbers of a text, digit by digit."""
        rates = tuple((symbol, Decimal(str(rate))) for symbol, rate in borrow_of)
        return cls(Decimal(str(fee)), Decimal(str(slippage)), Decimal(str(borrow)), rates)


def exact_sum(first: Decimal, *rest: Decimal) -> Decimal:
    """A sum that is never rounded."""
    for value in rest:
        first = EXACT.add(first, value)
    return first


def fill_price(opened: Decimal, side: int, tariff: Tariff) -> Decimal:
    """What a buy (`side` 1) pays or a sale (-1) gets at an open."""
    against = tariff.slippage if side > 0 else -tariff.slippage
    return EXACT.multiply(opened, 1 + against).quantize(MILLIONTH, context=EXACT)


def fill_fee(notional: Decimal, tariff: Tariff) -> Decimal:
    """The fee of a signed notional."""
    return EXACT.multiply(abs(notional), tariff.fee).quantize(MILLIONTH, context=EXACT)


def night_cost(symbol: str, worth: Decimal, days: int, tariff: Tariff) -> Decimal:
    """What a short worth `worth` (positive) pays for `days` calendar days between two sessions; money-market years have
    360 days."""
    rate = dict(tariff.borrow_of).get(symbol, tariff.borrow)
    return EXACT.divide(EXACT.multiply(worth, rate) * days, _YEAR).quantize(MILLIONTH, context=EXACT)


def nights(opens: Sequence[int], charged: int, now: int) -> Iterator[tuple[int, int, int]]:
    """(session, opening of the next one, calendar days between) of the nights that ended after `charged` and by `now`;
    `opens` are the openings of all sessions, ascending."""
    for number in range(bisect_right(opens, max(charged, opens[0])), bisect_right(opens, now)):
        # rounded, because days with a clock change are an hour longer or shorter
        yield number - 1, opens[number], round((opens[number] - opens[number - 1]) / 86_400)


def average_after(qty: Decimal, average: Decimal, signed: Decimal, price: Decimal) -> Decimal:
    """Average price after a fill of `signed` at `price`; `qty` and `average` are those before, 0 when flat."""
    if qty * signed < 0:
        return price if (qty + signed) * qty < 0 else average
    cost = exact_sum(EXACT.multiply(qty, average), EXACT.multiply(signed, price))
    return EXACT.divide(cost, exact_sum(qty, signed)).quantize(MILLIONTH, context=EXACT)


def reserve(side: int, notional: Decimal, tariff: Tariff) -> Decimal:
    """Buying power that an opening order holds until it is filled; `notional` positive."""
    if side < 0:
        return EXACT.multiply(notional, SHORT_MARGIN)
    return EXACT.multiply(notional, 1 + tariff.fee + tariff.slippage)


def buying_power(cash: Decimal, worth: Iterable[Decimal], reserved: Iterable[Decimal]) -> Decimal:
    """From what positions are worth (signed) and what working opening orders reserve; may be negative."""
    power = cash
    for value in worth:
        if value < 0:
            power = exact_sum(power, EXACT.multiply(value, 1 + SHORT_MARGIN))
    for value in reserved:
        power = exact_sum(power, -value)
    return power


def in_cents(money: Decimal) -> Decimal:
    """A reading of equity."""
    return money.quantize(CENT, context=EXACT)


def spendable(money: Decimal) -> Decimal:
    """A reading of buying power: never negative, never more than there is."""
    return max(money, ZERO).quantize(CENT, ROUND_DOWN, EXACT)


def within_limit(opened: Decimal, side: int, limit: Decimal, tariff: Tariff) -> bool:
    """Whether a limit order may fill at an open: what it pays or gets after slippage is no worse than its limit."""
    return (fill_price(opened, side, tariff) - limit) * side <= 0


def refused_opening(
    policy: ExchangePolicy, tariff: Tariff, order: tuple[int, Decimal, Decimal], power: Decimal
) -> tuple[int, str]:
    """(HTTP-like status, why) of an opening order (side, quantity, mark) that the account does not take, beside its size; ""
    when it does."""
    side, qty, mark = order
    if side < 0 and not policy.shorting:
        return 403, "account is not allowed to short"
    need, left = reserve(side, EXACT.multiply(qty, mark), tariff), max(power, ZERO)
    return (403, f"insufficient buying power: {left:.2f} of {need:.2f}") if need > left else (200, "")
