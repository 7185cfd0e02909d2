"""The account as one world sees it this tick: broker truth laid over the world's columns. Pure.

In: a broker snapshot, the book and what changed. Out: `market.Account`. A position that our own fills do not explain is
external: never traded, and entries in its symbol are blocked (R10).
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from ..market import Account
from ..ports import BrokerSnapshot
from .book import Book, Changes, working

ZERO = Decimal(0)


def world_account(
    universe: tuple[str, ...], snapshot: BrokerSnapshot | None, book: Book, changes: Changes, flows: float = 0.0
) -> Account:
    """Columns over the universe; `snapshot` None = positions could not be read, which is not the same as flat (R11)."""
    column = {symbol: i for i, symbol in enumerate(universe)}
    qty = np.zeros(len(universe))
    average = np.full(len(universe), np.nan)
    exact = [ZERO] * len(universe)
    external = np.zeros(len(universe), bool)
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
        flows=flows,
        qty=qty,
        average_price=average,
        exact=tuple(exact),
        external=external,
        working=tuple(w for w in working(book) if w.symbol in column),
        fills=tuple(f for f in changes.fills if f.symbol in column),
        results=tuple(r for r in changes.results if r.symbol in column),
    )
