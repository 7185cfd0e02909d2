"""The simulated broker of a backtest, in columns: what `adapters/paper.py` is for a run, order by order.

In: sized legs of a tick, opens of bars. Out: fills, orders that ended, and what is left working. Rules: an order fills at
the open of the first bar of its symbol that starts at or after it was sent (`late` bars later where costs say so), day
orders end with their session, an order that buying power does not cover is refused. A limit order fills at the first such
open at which it would pay no more (or get no less) than its limit, and ends at the first one where it is to fill at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import numpy as np

from qmtl.dsl.exchange import ExchangePolicy, rules_for

from ..bars import Bools, Floats, Ints, OpenRow, Small
from ..orderrules import Ask, refusal
from ..paperrules import EXACT, Tariff, exact_sum, refused_opening, reserve, within_limit
from ..sizing import venue_of
from .purse import Filled, Purse
from .wholes import SURE


@dataclass(slots=True, eq=False)
class Legs:
    """Orders as columns, W rows: row in the list of all orders, column among the feed's symbols, signed atoms, closing leg,
    grid time of the tick that sent it, end of its session, bars it still has to wait, strategy index in its world."""

    row: Ints
    column: Ints
    atoms: Ints
    close: Bools
    since: Ints
    expires: Ints
    wait: Ints
    owner: Small

    def __len__(self) -> int:
        return len(self.row)

    def take(self, where: Bools | Ints) -> Legs:
        """Some of the rows."""
        at = where.nonzero()[0] if where.dtype == np.bool_ else where
        return Legs(*(getattr(self, name).take(at) for name in Legs.__slots__))


def joined(first: Legs, second: Legs) -> Legs:
    """Both, one below the other."""
    return Legs(*(np.concatenate((getattr(first, name), getattr(second, name))) for name in Legs.__slots__))


_NO_ROWS = np.zeros(0, dtype=np.int64)
NO_LEGS: Final = Legs(
    _NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros(0, dtype=np.bool_), _NO_ROWS, _NO_ROWS, _NO_ROWS,
    np.zeros(0, dtype=np.int16),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """The limit of a limit order; `at_once`: it ends at the first open that is beyond it."""

    limit: Decimal
    at_once: bool


@dataclass(slots=True, eq=False)
class Fills:
    """Fills as columns: the filled legs, start of the bar that filled them, and what they did to the purse."""

    legs: Legs
    at: int
    did: Filled


class Floor:
    """Working orders over a purse. Use per tick: `advance`, then read, `cancel`, `submit`."""

    def __init__(self, purse: Purse, policy: ExchangePolicy, tariff: Tariff, symbols: Sequence[str] = ()) -> None:
        """`symbols` are those of the purse, where the policy has rules for some of them."""
        self.purse, self._tariff = purse, tariff
        self._rules = [rules_for(policy, symbol) for symbol in symbols] or [policy] * len(purse.atoms)
        self.working: Legs = NO_LEGS
        #: limits of working limit orders by their rows
        self.bounds: dict[int, Bound] = {}
        self._missed: list[Legs] = []
        self._shown = -1
        # where the venue has more to say, the exact rules are asked about every order that opens something
        self._size, self._least = (
            float(purse.atom),
            float("inf") if venue_of(policy).exact else float(policy.min_notional),
        )
        self._dear = 1 + float(tariff.fee) + float(tariff.slippage)

    def advance(self, now: int, opens: Sequence[OpenRow]) -> tuple[list[Fills], Legs]:
        """(fills, orders that expired) by `now`; `opens` are the bars that started since the last call, by start."""
        fills: list[Fills] = []
        for row in opens:
            if self.working is NO_LEGS:
                break
            fills.extend(self._filled(row))
            self._shown = max(self._shown, row.start)
        ended = NO_LEGS
        for missed in self._missed:
            ended = joined(ended, missed)
        self._missed.clear()
        if self.working is not NO_LEGS:
            over = self.working.expires <= now
            if np.count_nonzero(over):
                late = self.working.take(over)
                ended, self.working = joined(ended, late) if len(ended) else late, self._left(~over)
        return fills, ended

    def _filled(self, row: OpenRow) -> Iterator[Fills]:
        legs = self.working
        prices = row.prices[legs.column]
        known = prices == prices  # noqa: PLR0124 - NaN differs from itself
        # orders stand in the order of their times
        again = row.start <= self._shown  # those before were shown it already
        in_time = legs.since[-1] <= row.start < legs.expires[0] and not (again and legs.since[0] < row.start)
        if in_time and not self.bounds and np.count_nonzero(known) == len(prices) and not np.count_nonzero(legs.wait):
            self.working = NO_LEGS
            yield Fills(legs, row.start, self.purse.fill(legs.column, legs.atoms, prices))
            return
        reached = known & (legs.since <= row.start) & (row.start < legs.expires)
        if again:
            reached &= legs.since == row.start
        ready = reached & (legs.wait == 0)
        held_up = reached & ~ready
        missed = self._beyond(legs, prices, ready) if self.bounds else held_up[:0]
        gone = ready | missed if len(missed) else ready
        waiting = self._left(~gone)
        if np.count_nonzero(held_up):
            waiting = replace(waiting, wait=waiting.wait - held_up[~gone].astype(np.int64))
        self.working = waiting
        if np.count_nonzero(ready):
            done = legs.take(ready)
            yield Fills(done, row.start, self.purse.fill(done.column, done.atoms, prices[ready]))

    def _beyond(self, legs: Legs, prices: Floats, ready: Bools) -> Bools:
        """Who of `ready` ends because the open is beyond its limit; all who are beyond theirs are taken out of it."""
        missed = np.zeros(len(ready), dtype=np.bool_)
        for i in ready.nonzero()[0].tolist():
            bound = self.bounds.get(int(legs.row[i]))
            opened, side = Decimal(repr(float(prices[i]))), 1 if legs.atoms[i] > 0 else -1
            if bound is not None and not within_limit(opened, side, bound.limit, self._tariff):
                ready[i], missed[i] = False, bound.at_once
        if np.count_nonzero(missed):
            self._missed.append(legs.take(missed))
        return missed

    def cancel(self, rows: Sequence[int]) -> Legs:
        """Take orders away; they ended unfilled."""
        gone = np.isin(self.working.row, rows)
        ended, self.working = self.working.take(gone), self._left(~gone)
        return ended

    def _left(self, where: Bools) -> Legs:
        """Of the working orders; the same empty columns where there are none."""
        return self.working.take(where) if np.count_nonzero(where) else NO_LEGS

    def power(self, marks: Floats) -> float:
        """Buying power left after what working opening orders reserve, to the cent."""
        if self.working is NO_LEGS or not len(self._opening()):
            return self.purse.power(marks)
        return float(max(self._exact_power(marks), Decimal(0)).quantize(Decimal("0.01"), "ROUND_DOWN"))

    def submit(self, legs: Legs, marks: Floats) -> Bools:
        """Take orders; [k] which were refused for want of buying power. `marks` as of now."""
        plenty = self._plenty(legs, marks)
        refused = np.zeros(len(legs), dtype=np.bool_) if plenty else self._one_by_one(legs, marks)
        self.accept(legs if plenty else legs.take(~refused))
        return refused

    def bind(self, bounds: Mapping[int, Bound]) -> None:
        """Limits of orders that are about to be taken, by their rows; those of orders that are over are forgotten."""
        if bounds or self.bounds:
            kept = {row: self.bounds[row] for row in self.working.row.tolist() if row in self.bounds}
            self.bounds = {**kept, **bounds}

    def affords(self, money: float, power: float) -> bool:
        """Whether buying power surely covers orders that need so much before costs."""
        return money * self._dear * (1 + SURE) + 0.02 <= power * (1 - SURE)

    def accept(self, legs: Legs) -> None:
        """Take orders that need not be looked at."""
        if len(legs):
            self.working = legs if self.working is NO_LEGS else joined(self.working, legs)

    def _plenty(self, legs: Legs, marks: Floats) -> bool:
        """True when buying power surely covers all opening ones of them."""
        worth = legs.atoms * marks.take(legs.column)
        power, least, size = self.power(marks), self._least, self._size
        if not least and self.affords(size * float(np.add.reduce(np.abs(worth))), power):
            return True  # even if all of them opened something
        if least and np.count_nonzero((np.abs(worth) * size <= least * (1 + SURE)) & ~legs.close):
            return False  # so near to the smallest notional the exact rule has to say
        worth[legs.close] = 0.0
        bought = float(np.add.reduce(np.maximum(worth, 0.0)))
        sold = bought - float(np.add.reduce(worth))
        need = size * (bought + sold * (0.5 / self._dear))  # a short reserves half of itself, and no costs
        return not need or self.affords(need, power)

    def _one_by_one(self, legs: Legs, marks: Floats) -> Bools:
        refused = np.zeros(len(legs), dtype=np.bool_)
        power, atom = self._exact_power(marks), self.purse.atom
        columns = (legs.column.tolist(), legs.atoms.tolist(), legs.close.tolist())
        for i, (column, atoms, close) in enumerate(zip(*columns, strict=True)):
            if close:
                continue
            side, qty, mark = (1 if atoms > 0 else -1), abs(atoms) * atom, Decimal(repr(float(marks[column])))
            rules = self._rules[column]
            ask = Ask(qty, "buy" if side > 0 else "sell", opens=True, whole=False, mark=mark)
            why = refusal(rules, ask)[1] or refused_opening(rules, self._tariff, (side, qty, mark), power)[1]
            if why:
                refused[i] = True
            else:
                power = exact_sum(power, -reserve(side, EXACT.multiply(qty, mark), self._tariff))
        return refused

    def _opening(self) -> Legs:
        return self._left(~self.working.close)

    def _exact_power(self, marks: Floats) -> Decimal:
        power = self.purse.exact_power(marks)
        opening = self._opening()
        for column, atoms in zip(opening.column.tolist(), opening.atoms.tolist(), strict=True):
            worth = EXACT.multiply(abs(atoms) * self.purse.atom, Decimal(repr(float(marks[column]))))
            power = exact_sum(power, -reserve(1 if atoms > 0 else -1, worth, self._tariff))
        return power
