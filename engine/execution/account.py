"""The account as one world sees it this tick: broker truth laid over the world's columns. Pure.

In: a broker snapshot, the book and what changed. Out: `market.Account`. A position that our own fills do not explain is
external: never traded, and entries in its symbol are blocked (R10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from ..bars import Floats
from ..market import Account
from ..ports import BrokerSnapshot
from .book import Book, Changes, working

ZERO = Decimal(0)


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
    column: Mapping[str, int], snapshot: BrokerSnapshot | None, book: Book, changes: Changes, others: float = 0.0
) -> Account:
    """Columns over the universe (`column`: symbol -> index); `snapshot` None = positions could not be read, which is not the same as flat (R11)."""
    width = len(column)
    qty = np.zeros(width)
    average = np.full(width, np.nan)
    exact = [ZERO] * width
    external = np.zeros(width, bool)
    ours = dict(book.ledger)
    for position in snapshot.positions if snapshot else ():
        i = column.get(position.symbol)
        if i is not None and position.qty:
            qty[i], average[i], exact[i] = float(position.qty), float(position.average_price), position.qty
            external[i] = ours.get(position.symbol, ZERO) != position.qty
    return Account(
        readable=snapshot is not None,
        equity=float(snapshot.equity) if snapshot else float("nan"),
        cash=float(snapshot.cash) if snapshot else float("nan"),
        buying_power=float(snapshot.buying_power) if snapshot else 0.0,
        flows=0.0,
        others=others,
        qty=qty,
        average_price=average,
        exact=tuple(exact),
        external=external,
        working=tuple(w for w in working(book) if w.symbol in column),
        fills=tuple(f for f in changes.fills if f.symbol in column),
        results=tuple(r for r in changes.results if r.symbol in column),
    )
