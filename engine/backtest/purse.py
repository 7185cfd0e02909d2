"""Positions and cash of the simulated account, as columns of whole numbers.

In: fills (column, signed quantity, open). Out: prices and fees, and readings of equity and buying power. The rules are
those of `paperrules`; quantities are atoms (see `sizing.venue_of`), prices and averages millionths of the currency, cash
the product of both, so that nothing is ever rounded but what the rules round, and a column of fills costs a few array
operations. A law of the tests holds it equal to the embedded account, digit by digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

import numpy as np

from ..bars import Floats, Ints
from ..paperrules import (
    EXACT,
    MILLIONTH,
    Tariff,
    average_after,
    exact_sum,
    fill_fee,
    fill_price,
    in_cents,
    night_cost,
    spendable,
)
from .wholes import FEW, LARGE, half_even, length, nearest

MILLION: Final = 1_000_000
_SHORT: Final = Decimal("1.5")


@dataclass(slots=True, eq=False)
class Filled:
    """Prices and fees in millionths, and atoms held before and after; int64 [k]. `cost`: the sum of the fees."""

    price: Ints
    fee: Ints
    before: Ints
    after: Ints
    cost: int


class Purse:
    """S symbols. `atoms` int64 and `average` int64 (millionths, 0 flat) are the truth; `qty` and `price` (average, NaN
    flat) are the same as floats, replaced and never written, so that who was given one may keep it. Averages are worked out
    when somebody asks for them: most fills of a backtest are followed by others first."""

    def __init__(self, width: int, atom: Decimal, tariff: Tariff, cash: Decimal) -> None:
        self.atom, self.tariff = atom, tariff
        self._size, self._per = float(atom), int(1 / atom)
        #: cash in atoms times millionths, exactly
        self.units = int(cash * self._per * MILLION)
        self.atoms: Ints = np.zeros(width, dtype=np.int64)
        self.qty: Floats = np.zeros(width)
        self._average: Ints = np.zeros(width, dtype=np.int64)
        self._price: Floats = np.full(width, np.nan)
        self._price_before: Floats | None = self._price
        self._old = 0
        self._waiting: list[
            tuple[Ints, Ints, Ints, Ints]
        ] = []  # columns, atoms before, what came to them, at which price
        self.shorts = 0
        self._largest = 0.0

    @property
    def cash(self) -> float:
        """In the account's currency, the nearest float."""
        return self.units / (self._per * MILLION)

    @property
    def average(self) -> Ints:
        """[S] average prices in millionths, 0 flat."""
        self._settle()
        return self._average

    @property
    def price(self) -> Floats:
        """[S] average prices, NaN flat."""
        self._settle()
        return self._price

    def pay(self, millionths: int) -> None:
        """Take a cost off the cash."""
        self.units -= millionths * self._per

    def borrow(self, symbols: Sequence[str], marks: Floats, days: int) -> list[tuple[int, int]]:
        """(column, millionths) that each short pays for a night of so many calendar days, at `marks` [S]."""
        found = []
        for column in np.flatnonzero(self.atoms < 0).tolist():
            price = Decimal(repr(float(marks[column])))
            worth = EXACT.multiply(-int(self.atoms[column]) * self.atom, price)
            found.append((column, int(night_cost(symbols[column], worth, days, self.tariff) / MILLIONTH)))
        return found

    def fill(self, at: Ints, signed: Ints, opened: Floats) -> Filled:
        """Apply fills of distinct symbols: columns, signed atoms and the opens they fill at, [k]."""
        paid = self._paid(signed, opened)
        price = nearest(paid, length(paid), lambda i: self._exact_price(signed[i], opened[i]))
        before = self.atoms.take(at)
        after = before + signed
        worth = np.abs(signed) * (price + 0.5)
        most = float(np.maximum.reduce(worth))
        fits = self._fits(most)  # asked always: it remembers what is held
        if fits and most * len(at) < LARGE:
            fee = self._fees(np.abs(signed * price), most)
            self.units -= int(signed.dot(price))
            self._waiting.append((at, before, signed, price))
        else:
            self._remember()
            self._settle()
            fee = self._one_by_one(at, signed, price)
        cost = int(np.add.reduce(fee)) if self.tariff.fee else 0
        self.units -= cost * self._per
        self._keep(at, after)
        return Filled(price, fee, before, after, cost)

    def _fits(self, more: float) -> bool:
        """Whether quantity times price stays within int64 for what is held and what comes to it."""
        self._largest += more  # no position became larger than that
        if self._largest < LARGE:
            return True
        self._largest = float(np.maximum.reduce(np.abs(self.atoms * self.average.astype(np.float64)))) + more
        return self._largest < LARGE

    def begin(self) -> None:
        """A tick begins: `price_before` is that of now until the next one does."""
        self._old, self._price_before = len(self._waiting), None

    @property
    def price_before(self) -> Floats:
        """[S] average prices when the tick began, NaN flat."""
        return self._remember()

    def _remember(self) -> Floats:
        if self._price_before is None:
            self._work_out(self._old)
            self._price_before = self._price
        return self._price_before

    def _settle(self) -> None:
        """Work out the averages after all fills, and those before the tick first."""
        if self._waiting:
            self._remember()
            self._work_out(len(self._waiting))

    def _work_out(self, count: int) -> None:
        """The averages after so many of the fills that wait, each symbol's in their order."""
        if not count:
            return
        at, before, signed, price = (np.concatenate(parts) for parts in zip(*self._waiting[:count], strict=True))
        del self._waiting[:count]
        self._old = max(self._old - count, 0)
        after = before + signed
        # who only becomes smaller keeps the average
        counts = ((before ^ signed) >= 0) | ((before ^ after) < 0) | (after == 0)
        rows = (at[counts], before[counts], signed[counts], price[counts])
        for column, held, more, paid in _rounds(*rows) if count > 1 else [rows]:
            self._average[column] = _averages((held, self._average[column]), (more, paid))
        average = self._average[at] / MILLION
        np.copyto(average, np.nan, where=average == 0)
        self._price = self._price.copy()
        self._price[at] = average

    def _paid(self, signed: Ints, opened: Floats) -> Floats:
        """Prices after slippage in millionths, before they are rounded."""
        against = float(self.tariff.slippage)
        if not against:
            return opened * float(MILLION)
        return opened * np.where(signed > 0, (1 + against) * MILLION, (1 - against) * MILLION)

    def _exact_price(self, signed: int, opened: float) -> int:
        return int(fill_price(Decimal(repr(float(opened))), 1 if signed > 0 else -1, self.tariff) / MILLIONTH)

    def _fees(self, worth: Ints, most: float) -> Ints:
        """Of what was paid or got, in atoms times millionths."""
        if not self.tariff.fee:
            return np.zeros(len(worth), dtype=np.int64)

        def exact(i: int) -> int:
            notional = EXACT.multiply(Decimal(int(worth[i])), self.atom) * MILLIONTH
            return int(fill_fee(notional, self.tariff) / MILLIONTH)

        rate = self._size * float(self.tariff.fee)
        fee: Floats = np.multiply(worth, rate, dtype=np.float64)
        return nearest(fee, most * rate, exact)

    def _one_by_one(self, at: Ints, signed: Ints, price: Ints) -> Ints:
        """Fees, for quantities or prices too large for int64; averages are written."""
        fee, averages = np.zeros(len(at), dtype=np.int64), self._average.copy()
        for i, (column, qty, paid) in enumerate(zip(at.tolist(), signed.tolist(), price.tolist(), strict=True)):
            notional = EXACT.multiply(Decimal(qty * paid), self.atom) * MILLIONTH
            fee[i] = int(fill_fee(notional, self.tariff) / MILLIONTH)
            self.units -= qty * paid
            held, average = int(self.atoms[column]), 0
            if held + qty:
                former = (Decimal(held), Decimal(int(averages[column])) * MILLIONTH)
                average = int(average_after(*former, Decimal(qty), Decimal(paid) * MILLIONTH) / MILLIONTH)
            averages[column] = average
        self._average = averages
        self._price = np.where(averages != 0, averages / MILLION, np.nan)
        return fee

    def _keep(self, at: Ints, atoms: Ints) -> None:
        """Write what changed; the floats of it in a fresh array."""
        self.atoms[at] = atoms
        self.qty = self.qty.copy()
        self.qty[at] = atoms / self._per
        if self.shorts or np.count_nonzero(atoms < 0):
            self.shorts = int(np.count_nonzero(self.qty < 0))

    def equity(self, marks: Floats) -> float:
        """Cash and positions at `marks` [S] (0 where unknown), to the cent."""
        cash, total = self.cash, float(self.qty.dot(marks))
        scale = abs(cash) + (float(np.abs(self.qty).dot(marks)) if self.shorts else total)
        cents = (cash + total) * 100
        if _tied(cents, self._doubt(scale)):
            cents = (cash + math.fsum(self.qty * marks)) * 100  # an exact sum of rounded products
            if _tied(cents, 8 * FEW * scale * 100 + 1e-9):
                return float(in_cents(self._exact(marks, Decimal(1))))
        return round(cents) / 100

    def power(self, marks: Floats) -> float:
        """Buying power without working orders, to the cent."""
        if not self.shorts:
            return max(self.units * 100 // (self._per * MILLION), 0) / 100
        worth = np.minimum(self.qty, 0.0) * marks
        total, scale = self.cash + 1.5 * float(np.add.reduce(worth)), abs(self.cash) + 2 * float(np.abs(worth).sum())
        cents = max(total, 0.0) * 100
        rounded = math.floor(cents)
        if min(cents - rounded, 1 - (cents - rounded)) <= self._doubt(scale):
            return float(spendable(self.exact_power(marks)))
        return rounded / 100

    def _doubt(self, scale: float) -> float:
        """How far a sum of floats of magnitude `scale` may be from the exact one, in cents."""
        return (len(self.qty) + 8) * FEW * scale * 100 + 1e-9

    def exact_power(self, marks: Floats) -> Decimal:
        """Buying power without working orders, not rounded."""
        return self._exact(np.where(self.qty < 0, marks, 0.0), _SHORT)

    def _exact(self, marks: Floats, times: Decimal) -> Decimal:
        parts = [
            EXACT.multiply(EXACT.multiply(int(atoms) * self.atom, Decimal(repr(float(mark)))), times)
            for atoms, mark in zip(self.atoms.tolist(), marks.tolist(), strict=True)
            if atoms and mark
        ]
        return exact_sum(Decimal(self.units) * self.atom * MILLIONTH, *parts)


def _tied(cents: float, error: float) -> bool:
    """Whether the exact value may round to another cent."""
    return 0.5 - abs(cents - round(cents)) <= error


def _rounds(at: Ints, *rows: Ints) -> Iterator[tuple[Ints, ...]]:
    """Rows of many fills as a few: the first of each symbol, then the second of each, and so on; `at` are the symbols."""
    order = at.argsort(kind="stable")
    count = np.arange(len(at))
    begins = np.diff(at[order], prepend=-1) != 0
    place = count - np.maximum.accumulate(np.where(begins, count, 0))
    order = order[place.argsort(kind="stable")]
    ends = np.bincount(place).cumsum().tolist()
    at, *rows_of = (row[order] for row in (at, *rows))
    for low, high in pairwise([0, *ends]):
        yield at[low:high], *(row[low:high] for row in rows_of)


def _averages(held: tuple[Ints, Ints], more: tuple[Ints, Ints]) -> Ints:
    """Average prices after fills, 0 where nothing is left: `held` atoms and averages, `more` atoms and prices."""
    (atoms, average), (signed, price) = held, more
    after = atoms + signed
    cost = atoms * average
    cost += signed * price
    size = np.abs(after)
    np.maximum(size, 1, out=size)
    grown = half_even(np.abs(cost), size)
    # signs differ: of a product of whole numbers only the sign bits count, and a 0 counts as positive
    new = np.where((atoms ^ signed) >= 0, grown, np.where((atoms ^ after) < 0, price, average))
    new *= after != 0
    return new
