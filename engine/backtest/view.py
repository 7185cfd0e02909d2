"""The simulated account as one world sees it: what `execution/account.py` is for a run.

In: purse, working orders and what happened since the last tick, in columns over the feed. Out: `market.Account` over the
world's universe.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import overload

import numpy as np

from ..bars import Bools, Floats, Ints
from ..market import Account, Fill, OrderResult, WorkingOrder
from ..orders import OrderState
from .floor import Fills, Floor, Legs
from .purse import MILLION, Purse


class Exact(Sequence[Decimal]):
    """Exact quantities of a world's columns, made when one is asked for."""

    def __init__(self, atoms: Ints, atom: Decimal) -> None:
        self._atoms, self._atom = atoms, atom

    def __len__(self) -> int:
        return len(self._atoms)

    @overload
    def __getitem__(self, at: int) -> Decimal: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Decimal]: ...
    def __getitem__(self, at: int | slice) -> Decimal | Sequence[Decimal]:
        if isinstance(at, slice):
            return [int(atoms) * self._atom for atoms in self._atoms[at]]
        return int(self._atoms[at]) * self._atom


@dataclass(frozen=True, slots=True, eq=False)
class Happened:
    """Since the last tick: which of the orders sent then were refused, fills, orders that ended unfilled (and how)."""

    sent: Legs
    refused: Bools
    fills: tuple[Fills, ...]
    ended: tuple[tuple[OrderState, Legs], ...]


@dataclass(frozen=True, slots=True)
class Readings:
    """Equity, cash and buying power of the account, in its currency."""

    equity: float
    cash: float
    power: float


class Seat:
    """Where a world sits among the feed's columns, and how its orders are named. `owners` gives (strategy, generation,
    world) of an order row."""

    def __init__(self, world: str, symbols: tuple[str, ...], first: int, interval: int) -> None:
        self.world, self.symbols, self.interval = world, symbols, interval
        self.first, self.last = first, first + len(symbols)
        self._nobody: Bools = np.zeros(len(symbols), dtype=np.bool_)
        self._nobody.setflags(write=False)

    def has(self, legs: Legs) -> Ints:
        """Rows of the legs that are this world's."""
        return np.flatnonzero((legs.column >= self.first) & (legs.column < self.last))

    def symbol(self, column: int) -> str:
        """Name of a feed column."""
        return self.symbols[column - self.first]

    def account(
        self, floor: Floor, happened: Happened, readings: Readings, owners: Sequence[tuple[str, str]], others: float
    ) -> Account:
        """The account as of this tick; `others` as in `market.Account`."""
        purse, here = floor.purse, slice(self.first, self.last)
        return Account(
            readable=True,
            equity=readings.equity,
            cash=readings.cash,
            buying_power=readings.power,
            flows=0.0,
            others=others,
            qty=purse.qty[here],
            average_price=purse.price[here],
            exact=Exact(purse.atoms[here], purse.atom),  # type: ignore[arg-type]
            external=self._nobody,
            working=self._working(floor.working, purse.atom),
            fills=self._fills(happened.fills, purse, owners),
            results=self._results(happened),
        )

    def _working(self, legs: Legs, atom: Decimal) -> tuple[WorkingOrder, ...]:
        return tuple(
            WorkingOrder(
                str(legs.row[i]),
                self.symbol(int(legs.column[i])),
                int(legs.atoms[i]) * atom,
                _leg(legs, i),
                int(legs.since[i]),
                1,
            )
            for i in self.has(legs).tolist()
        )

    def _fills(self, fills: Sequence[Fills], purse: Purse, owners: Sequence[tuple[str, str]]) -> tuple[Fill, ...]:
        found = []
        for part in fills:
            legs = part.legs
            for i in self.has(legs).tolist():
                row, price = int(legs.row[i]), Decimal(int(part.price[i])) / MILLION
                strategy, generation = owners[row]
                qty = int(legs.atoms[i]) * purse.atom
                found.append(
                    Fill(
                        str(row),
                        self.symbol(int(legs.column[i])),
                        qty,
                        price,
                        part.at // self.interval * self.interval,
                        self.world,
                        strategy,
                        generation,
                    )
                )
        return tuple(found)

    def _results(self, happened: Happened) -> tuple[OrderResult, ...]:
        """Answers to what was sent, then what became of working orders, as a run hears them."""
        found = []
        for i in self.has(happened.sent).tolist():
            refused = bool(happened.refused[i])
            state = OrderState.REJECTED if refused else OrderState.ACCEPTED
            found.append(self._result(happened.sent, i, state, "business" if refused else ""))
        for part in happened.fills:
            found += [self._result(part.legs, i, OrderState.FILLED, "") for i in self.has(part.legs).tolist()]
        for state, legs in happened.ended:
            found += [self._result(legs, i, state, "") for i in self.has(legs).tolist()]
        return tuple(found)

    def _result(self, legs: Legs, i: int, state: OrderState, error: str) -> OrderResult:
        return OrderResult(str(legs.row[i]), self.symbol(int(legs.column[i])), str(state), error, "", _leg(legs, i))


def _leg(legs: Legs, i: int) -> str:
    return "close" if legs.close[i] else "open"


def finite(marks: Floats) -> Floats:
    """Marks with 0 where nothing is known."""
    return np.nan_to_num(marks)
