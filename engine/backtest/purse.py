"""Positions and cash of the simulated account, as columns of whole numbers.

In: fills (column, signed quantity, open). Out: prices and fees, and readings of equity and buying power. The rules are
those of `paperrules`; quantities are atoms (see `sizing.venue_of`), prices and averages millionths of the currency, cash
the product of both, so that nothing is ever rounded but what the rules round, and a column of fills costs a few array
operations. A law of the tests holds it equal to the embedded account, digit by digit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
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
from .wholes import FEW, LARGE, half_even, nearest

MILLION: Final = 1_000_000
_SHORT: Final = Decimal("1.5")


class Purse:
    """S symbols. `atoms` int64 and `average` int64 (millionths, 0 flat) are the truth; `qty` and `price` (average, NaN
    flat) are the same as floats, replaced and never written, so that who was given one may keep it."""

    def __init__(self, width: int, atom: Decimal, tariff: Tariff, cash: Decimal) -> None:
        self.atom, self.tariff = atom, tariff
        self._size, self._per = float(atom), int(1 / atom)
        #: cash in atoms times millionths, exactly
        self.units = int(cash * self._per * MILLION)
        self.atoms: Ints = np.zeros(width, dtype=np.int64)
        self.average: Ints = np.zeros(width, dtype=np.int64)
        self.qty: Floats = np.zeros(width)
        self.price: Floats = np.full(width, np.nan)
        self.shorts = 0

    @property
    def cash(self) -> float:
        """In the account's currency, the nearest float."""
        return self.units / (self._per * MILLION)

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

    def fill(self, at: Ints, signed: Ints, opened: Floats) -> tuple[Ints, Ints]:
        """Apply fills of distinct symbols: columns, signed atoms and the opens they fill at, [k]. Returns prices and fees
        in millionths, int64 [k]."""
        price = self._prices(signed, opened)
        largest = float(np.maximum.reduce(np.abs(signed))) * float(np.maximum.reduce(price))
        if largest < LARGE:
            product = signed * price
            fee = self._fees(product)
            self.units -= int(np.add.reduce(product)) if largest * len(at) < LARGE else sum(product.tolist())
            self._average(at, signed, price)
        else:
            fee = self._one_by_one(at, signed, price)
        if self.tariff.fee:
            self.units -= int(np.add.reduce(fee)) * self._per
        self._mirror(at, signed)
        return price, fee

    def _prices(self, signed: Ints, opened: Floats) -> Ints:
        against = float(self.tariff.slippage)
        worse = np.where(signed > 0, (1 + against) * MILLION, (1 - against) * MILLION) if against else float(MILLION)

        def exact(i: int) -> int:
            side = 1 if signed[i] > 0 else -1
            return int(fill_price(Decimal(repr(float(opened[i]))), side, self.tariff) / MILLIONTH)

        return nearest(opened * worse, exact)

    def _fees(self, product: Ints) -> Ints:
        if not self.tariff.fee:
            return np.zeros(len(product), dtype=np.int64)

        def exact(i: int) -> int:
            notional = EXACT.multiply(Decimal(int(product[i])), self.atom) * MILLIONTH
            return int(fill_fee(notional, self.tariff) / MILLIONTH)

        return nearest(np.abs(product) * (self._size * float(self.tariff.fee)), exact)

    def _average(self, at: Ints, signed: Ints, price: Ints) -> None:
        held, average = self.atoms.take(at), self.average.take(at)
        after = held + signed
        grows = (held != 0) & ((held > 0) == (signed > 0))
        new = np.where(after * np.sign(held) <= 0, price, average)  # from flat, or crossing zero
        if np.count_nonzero(grows):
            more = grows.nonzero()[0]
            new[more] = self._grown(held.take(more), average.take(more), signed.take(more), price.take(more))
        new[after == 0] = 0
        self.average[at] = new

    def _grown(self, held: Ints, average: Ints, signed: Ints, price: Ints) -> Ints:
        """Averages of positions that became larger."""
        largest = float(np.maximum.reduce(np.abs(held))) * float(np.maximum.reduce(average))
        largest += float(np.maximum.reduce(np.abs(signed))) * float(np.maximum.reduce(price))
        if largest < LARGE:
            return half_even(np.abs(held * average + signed * price), np.abs(held + signed))
        rows = zip(held.tolist(), average.tolist(), signed.tolist(), price.tolist(), strict=True)
        return np.array([self._exact_average(*row) for row in rows], dtype=np.int64)

    def _exact_average(self, held: int, average: int, signed: int, price: int) -> int:
        parts = (Decimal(held), Decimal(average) * MILLIONTH, Decimal(signed), Decimal(price) * MILLIONTH)
        return int(average_after(*parts) / MILLIONTH)

    def _one_by_one(self, at: Ints, signed: Ints, price: Ints) -> Ints:
        """The same for quantities or prices too large for int64."""
        fee = np.zeros(len(at), dtype=np.int64)
        for i, (column, qty, paid) in enumerate(zip(at.tolist(), signed.tolist(), price.tolist(), strict=True)):
            held, average = int(self.atoms[column]), int(self.average[column])
            notional = EXACT.multiply(Decimal(qty * paid), self.atom) * MILLIONTH
            fee[i] = int(fill_fee(notional, self.tariff) / MILLIONTH)
            self.units -= qty * paid
            after = held + qty
            if not after:
                self.average[column] = 0
            elif not held:
                self.average[column] = paid
            else:
                self.average[column] = self._exact_average(held, average, qty, paid)
        return fee

    def _mirror(self, at: Ints, signed: Ints) -> None:
        """Floats of what changed, in fresh arrays."""
        self.atoms[at] += signed
        atoms = self.atoms.take(at)
        qty, price = self.qty.copy(), self.price.copy()
        qty[at] = atoms / self._per
        paid = self.average.take(at) / MILLION
        paid[atoms == 0] = np.nan
        price[at] = paid
        self.qty, self.price = qty, price
        if self.shorts or np.minimum.reduce(atoms) < 0:
            self.shorts = int(np.count_nonzero(qty < 0))

    def equity(self, marks: Floats) -> float:
        """Cash and positions at `marks` [S] (0 where unknown), to the cent."""
        worth = self.qty * marks
        total = float(np.add.reduce(worth))
        size = float(np.add.reduce(np.abs(worth))) if self.shorts else total
        return self._cents(
            self.cash + total, abs(self.cash) + size, lambda: in_cents(self._exact(marks, Decimal(1))), down=False
        )

    def power(self, marks: Floats) -> float:
        """Buying power without working orders, to the cent."""
        if not self.shorts:
            return max(self.units * 100 // (self._per * MILLION), 0) / 100
        worth = np.minimum(self.qty, 0.0) * marks
        total, scale = self.cash + 1.5 * float(np.add.reduce(worth)), abs(self.cash) + 2 * float(np.abs(worth).sum())
        return self._cents(max(total, 0.0), scale, lambda: spendable(self.exact_power(marks)), down=True)

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

    def _cents(self, total: float, scale: float, exact: Callable[[], Decimal], *, down: bool) -> float:
        """The reading in cents, from the float where its error cannot matter."""
        cents = total * 100
        error = (len(self.qty) + 8) * FEW * scale * 100 + 1e-9
        rounded = math.floor(cents) if down else round(cents)  # ties are asked for exactly
        distance = min(cents - rounded, 1 - (cents - rounded)) if down else 0.5 - abs(cents - rounded)
        return float(exact()) if distance <= error else float(rounded) / 100
