"""The simulated account as one world sees it: what `execution/account.py` is for a run.

In: purse, working orders and what happened since the last tick, in columns over the feed. Out: `market.Account` over the
world's universe, with what happened in columns too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import overload

import numpy as np

from ..bars import Bools, Ints
from ..frame import Frame, generation_hashes
from ..market import Account, AnswerColumns, FillColumns, WorkingColumns
from ..sizing import constant
from ..tick import CLOSE_LEG, OPEN_LEG, no_reasons
from .floor import Fills, Floor, Legs, joined


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


@dataclass(slots=True, eq=False)
class Happened:
    """Since the last tick: which of the orders sent then were refused, fills, and orders that expired unfilled."""

    sent: Legs
    refused: Bools
    fills: tuple[Fills, ...]
    expired: Legs


def filled_at(frame: Frame, part: Fills) -> int:
    """Grid time of fills."""
    return part.at // frame.interval * frame.interval


@dataclass(slots=True, eq=False)
class Readings:
    """Equity and cash of the account, in its currency."""

    equity: float
    cash: float


class Seat:
    """A world's place among the feed's `width` columns, from `first` on."""

    def __init__(self, frame: Frame, first: int, width: int) -> None:
        self.frame, self.first, self.last = frame, first, first + frame.symbols
        self.alone = width == frame.symbols
        self._idle = WorkingColumns(frame.silent, frame.nothing, frame.never)

    def has(self, legs: Legs) -> Legs:
        """The legs that are this world's, in its own columns."""
        if self.alone or not len(legs):
            return legs
        mine = (legs.column >= self.first) & (legs.column < self.last)
        if np.count_nonzero(mine) < len(legs):
            legs = legs.take(mine)
        return replace(legs, column=legs.column - self.first) if self.first else legs

    def account(self, floor: Floor, happened: Happened, of: tuple[Readings, float], others: float) -> Account:
        """The account as of this tick, from its readings and buying power; `others` as in `market.Account`."""
        readings, power = of
        purse = floor.purse
        qty, price, atoms = purse.qty, purse.price, purse.atoms
        if not self.alone:  # a world alone is given the same arrays again, so that it sees what changed
            here = slice(self.first, self.last)
            qty, price, atoms = qty[here], price[here], atoms[here]
        return Account(
            readable=True,
            equity=readings.equity,
            cash=readings.cash,
            buying_power=power,
            flows=0.0,
            others=others,
            qty=qty,
            average_price=price,
            exact=Exact(atoms, purse.atom),  # type: ignore[arg-type]
            external=self.frame.nowhere,
            working=self._working(floor.working, int(1 / purse.atom)),
            fills=self.fills(happened.fills, atoms),
            results=self.answers(happened),
        )

    def _working(self, legs: Legs, per: int) -> WorkingColumns:
        mine = self.has(legs)
        if not len(mine):
            return self._idle
        leg, qty, since = no_reasons(self.frame), np.zeros(self.frame.symbols), np.zeros(self.frame.symbols, np.int64)
        leg[mine.column] = np.where(mine.close, CLOSE_LEG, OPEN_LEG)
        qty[mine.column] = mine.atoms / per
        since[mine.column] = mine.since
        return WorkingColumns(leg, qty, since)

    def fills(self, fills: Sequence[Fills], atoms: Ints) -> FillColumns | tuple[()]:
        """Fills over the world's columns. An order fills as a whole and a symbol has one order at a time, so what is held now is what was held after it."""
        parts = [(self.has(part.legs), filled_at(self.frame, part)) for part in fills]
        parts = [part for part in parts if len(part[0])]
        if not parts:
            return ()
        legs = parts[0][0]
        at = constant(len(legs), parts[0][1])
        for more, then in parts[1:]:
            legs, at = joined(legs, more), np.concatenate((at, constant(len(more), then)))
        after = atoms.take(legs.column)
        side = np.sign(after).astype(np.int8)
        opened = side != np.sign(after - legs.atoms)
        opened &= after != 0
        generation = generation_hashes(self.frame, legs.owner, legs.column)
        return FillColumns(legs.column, side, opened, at, legs.owner, generation)

    def answers(self, happened: Happened) -> AnswerColumns | tuple[()]:
        """Answers to what was sent and the ends of what expired; a fill follows the answer that was counted, a cancel says
        nothing about the broker."""
        if not len(happened.sent) and not len(happened.expired):
            return ()
        sent, expired = happened.sent, self.has(happened.expired)
        refused = happened.refused
        mine = (sent.column >= self.first) & (sent.column < self.last)
        if np.count_nonzero(mine) < len(sent):
            sent, refused = sent.take(mine), refused[mine]
        if self.first:
            sent = replace(sent, column=sent.column - self.first)
        good = len(sent) - int(np.count_nonzero(refused))
        if len(expired):
            good += len(expired) - int(np.count_nonzero(np.isin(expired.row, sent.row)))
        return AnswerColumns(sent.column, sent.close, refused, good)
