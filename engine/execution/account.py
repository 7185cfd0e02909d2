"""The account as one world sees it this tick: broker truth laid over the world's columns. Pure.

In: a broker snapshot, the book and what changed. Out: `market.Account`. Where the broker's quantity is not what our own fills add
up to, the symbol is external: entries in it are blocked (R10). So is one that our fills say is there and the broker does not
show, until the ledger is corrected: answers about fills and about positions may lag behind each other. What the broker and our
fills agree on is still ours (`own`), and its exits go (R42, R47); the rest is somebody else's and never traded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from ..bars import Bools, Floats, Ints
from ..market import Account, Fill
from ..ports import BrokerSnapshot, Position
from .book import Book, Changes, working
from .conditions import FREE, Conditions
from .ledger import averages, own_part

ZERO = Decimal(0)
#: most ticks
NO_SPLITS: Mapping[str, float] = MappingProxyType({})


def profits(universes: Sequence[tuple[str, ...]], marks: Sequence[Floats], book: Book) -> list[float]:
    """Profit and loss of each world since the journal began, from the fills of its own symbols: cash flow with fees plus
    what is held at its mark (an unknown mark counts at nothing until there is one)."""
    cash, held = dict(book.cash), dict(book.ledger)
    totals = []
    for universe, mark in zip(universes, marks, strict=True):
        total = 0.0
        for symbol, price in zip(universe, mark.tolist(), strict=True):
            total += float(cash.get(symbol, ZERO))
            if symbol in held and price == price:  # noqa: PLR0124 - NaN differs from itself
                total += float(held[symbol]) * price
        totals.append(total)
    return totals


def world_account(
    column: Mapping[str, int],
    snapshot: BrokerSnapshot | None,
    book: Book,
    changes: Changes,
    *,
    others: float = 0.0,
    splits: Mapping[str, float] = NO_SPLITS,
    conditions: Conditions = FREE,
) -> Account:
    """Columns over the universe (`column`: symbol -> index); `snapshot` None = positions could not be read, which is not
    the same as flat (R11). `splits`: symbol -> shares of now for one of the tick before; `book` is corrected already.
    `conditions`: what may not be done now."""
    ledger = dict(book.ledger)
    held = _held(column, snapshot.positions if snapshot else (), ledger)
    if snapshot:
        for symbol in ledger:
            i = column.get(symbol)
            if i is not None and not held.exact[i]:  # by our fills, and not there: no entry until it is written off
                held.external[i] = True
    marked, mixed = bool(held.marked_at.any()), bool(held.external.any())
    return Account(
        readable=snapshot is not None,
        equity=float(snapshot.equity) if snapshot else float("nan"),
        cash=float(snapshot.cash) if snapshot else float("nan"),
        buying_power=float(snapshot.buying_power) if snapshot else 0.0,
        flows=float(changes.flows),
        others=others,
        qty=held.qty,
        average_price=held.average,
        exact=tuple(held.exact),
        external=held.external,
        working=tuple(w for w in working(book) if w.symbol in column),
        fills=tuple(_rescaled(f, splits) for f in changes.fills if f.symbol in column),
        results=tuple(r for r in changes.results if r.symbol in column),
        split=shares_of(column, splits),
        broker_mark=held.mark if marked else None,
        marked_at=held.marked_at if marked else None,
        elsewhere=held.elsewhere,
        ours=tuple(ledger.get(symbol, ZERO) for symbol in column) if mixed else None,
        own=held.own if mixed else None,
        own_average=_paid(column, book) if mixed else None,
        blocked=conditions.blocked,
        halt=conditions.halt,
        flatten=conditions.flatten,
        barred=conditions.barred_in(column),
        unborrowed=conditions.unborrowed_in(column),
    )


@dataclass(slots=True)
class _Held:
    """The broker's positions as columns; `elsewhere` is the value of external ones in no column."""

    qty: Floats
    own: Floats
    average: Floats
    exact: list[Decimal]
    external: Bools
    mark: Floats
    marked_at: Ints
    elsewhere: float = 0.0


def _held(column: Mapping[str, int], positions: Sequence[Position], ours: Mapping[str, Decimal]) -> _Held:
    width = len(column)
    none, nobody = np.full(width, np.nan), np.zeros(width, dtype=np.bool_)
    zeros, times = np.zeros(width), np.zeros(width, dtype=np.int64)
    held = _Held(zeros, zeros.copy(), none, [ZERO] * width, nobody, none.copy(), times)
    for position in positions:
        i, ledger = column.get(position.symbol), ours.get(position.symbol, ZERO)
        if i is None:
            held.elsewhere += _value(position, position.qty - own_part(position.qty, ledger))
        elif position.qty:
            held.qty[i], held.average[i] = float(position.qty), float(position.average_price)
            held.exact[i], held.external[i] = position.qty, ledger != position.qty
            held.own[i] = float(own_part(position.qty, ledger))
            if position.mark is not None:
                held.mark[i], held.marked_at[i] = float(position.mark), position.marked_at
    return held


def _paid(column: Mapping[str, int], book: Book) -> Floats:
    """[S] average price of our own shares by our own fills: the broker's average mixes in what others paid."""
    paid = averages(book.holdings)
    return np.array([float(paid[symbol]) if symbol in paid else np.nan for symbol in column])


def _value(position: Position, qty: Decimal) -> float:
    """Money that so many shares of a position are worth, by the broker's mark where it has one."""
    return float(qty * (position.average_price if position.mark is None else position.mark))


def shares_of(column: Mapping[str, int], splits: Mapping[str, float]) -> Floats | None:
    """[S] shares of now for one of before, by column; None when no symbol here was split."""
    here = {column[symbol]: shares for symbol, shares in splits.items() if symbol in column}
    if not here:
        return None
    row = np.ones(len(column))
    row[list(here)] = list(here.values())
    return row


def _rescaled(fill: Fill, splits: Mapping[str, float]) -> Fill:
    """A fill of before a split, in shares of today: it was heard at the same tick as the split."""
    shares = splits.get(fill.symbol)
    if shares is None:
        return fill
    exact = Fraction(shares).limit_denominator(1000)
    return replace(fill, qty=fill.qty * exact.numerator / exact.denominator, price=fill.price / Decimal(repr(shares)))
