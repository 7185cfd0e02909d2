"""Who won the money: P&L per chain, strategy and symbol.

In: a `Result` and its round trips. Out: `Share` rows. A round trip belongs to the chain and the strategy of the order
that opened it, whoever closed it, so that adds and exits are not spread over rows that decided nothing.

Law: the `pnl` of all rows of one kind adds up to the account's. Borrow is charged to the account per tick and not to an
order, so each kind has a row "borrow" for it when there was any.
"""

from __future__ import annotations

import numpy as np

from ..bars import Ints
from .curves import session_ends
from .measures import Share
from .metrics import profit_factor, turnover, win_rate
from .result import Result, Texts
from .trip import Trips

BORROW = "borrow"
#: name of the row for positions that no chain or strategy of ours opened
NOBODY = "none"


def shares(result: Result, trips: Trips) -> tuple[Share, ...]:
    """Rows of the kinds "chain", "strategy" and "symbol", in this order; in a kind the best P&L first, borrow last."""
    orders = result.orders
    return (
        *_kind("chain", orders.chains, trips.chain, (result, trips)),
        *_kind("strategy", orders.strategies, trips.strategy, (result, trips)),
        *_kind("symbol", orders.symbols, trips.symbol, (result, trips)),
    )


def _kind(kind: str, names: Texts, index: np.ndarray, of: tuple[Result, Trips]) -> tuple[Share, ...]:
    borrow = float(of[0].steps.borrow.sum())
    index = index.astype(np.int64)
    # one sort gives the rows of every group: a mask per symbol would cost symbols x trips
    order = np.argsort(index, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(index[order])) + 1) if len(order) else []
    rows = [_share(kind, names[index[g[0]]] if index[g[0]] >= 0 else NOBODY, g, of) for g in groups]
    rows.sort(key=lambda row: (-row.pnl, row.name))
    if borrow > 0:
        rows.append(Share(kind, BORROW, -borrow, 0.0, borrow, 0, 0, None, None, 0.0))
    return tuple(rows)


def _share(kind: str, name: str, chosen: Ints, of: tuple[Result, Trips]) -> Share:
    result, trips = of
    pnl = trips.pnl[chosen]
    costs = float((trips.fees[chosen] + trips.slippage[chosen]).sum())
    closed = pnl[trips.closed[chosen] > 0]
    years = len(session_ends(result.steps)) / result.setup.sessions_a_year
    return Share(
        kind=kind,
        name=name,
        pnl=float(pnl.sum()),
        gross=float(pnl.sum()) + costs,
        costs=costs,
        orders=int(trips.orders[chosen].sum()),
        trades=len(closed),
        win_rate=win_rate(closed),
        profit_factor=profit_factor(closed),
        turnover=turnover(float(trips.traded[chosen].sum()), float(result.steps.equity.mean()), years),
    )
