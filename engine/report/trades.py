"""The trades: newest and largest round trips, one row each.

In: trips, and the names of the orders. Out: a table that a script may sort and filter, and a note on what is left out. All of
them stand in trips.parquet; a page with fifty thousand rows is read by nobody.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..backtest.result import OrderRows, Result, Texts
from ..backtest.trip import Trips
from ..bars import Ints
from .figures import change, held, money_digits, plural, price, quantity, shown, signed, stamp, toned, undefined, whole
from .markup import Child, Html, join, name, tag
from .tables import Column, Table, table

MOST: Final = 500
_LARGEST: Final = 250


def trades(result: Result, trips: Trips) -> Html:
    """Up to 500 rows, newest first, with what a script needs to filter them."""
    count = len(trips.opened)
    if not count:
        return tag("p", "Nothing was traded: no order was filled.", class_="empty")
    rows = chosen(trips)
    several = len(result.setup.worlds) > 1
    digits = money_digits(*trips.pnl[rows].tolist())
    body = tuple(_row(result, trips, int(row), (several, digits)) for row in rows)
    columns = (
        Column("Symbol", number=False), *((Column("World", number=False),) if several else ()),
        Column("Side", number=False), Column("P&L", note="money after fees"), Column("Return"),
        Column("Opened, UTC", number=False), Column("Closed, UTC", number=False), Column("Held"),
        Column("Quantity", note="the largest held"), Column("Entry", note="average price"),
        Column("Exit", note="average price; the last mark while open"),
        Column("Strategy", number=False), Column("Chain", number=False), Column("Closed by", number=False),
    )  # fmt: skip
    caption = "Round trips, newest first"
    return join(
        (
            _note(count, len(rows)),
            _filter(),
            table(Table("trades-table", caption, columns, body, class_="trades sortable", tall=True)),
        )
    )


def chosen(trips: Trips) -> Ints:
    """Rows to show, newest first: all, or the 250 with the largest profit or loss and then the newest ones. A trip that is
    open is as new as it gets."""
    when = np.where(trips.closed > 0, trips.closed, np.iinfo(np.int64).max)
    newest = np.lexsort((trips.opened, when))[::-1]
    if len(newest) <= MOST:
        return newest.astype(np.int64)
    keep = np.zeros(len(newest), dtype=bool)
    keep[np.argsort(-np.abs(trips.pnl), kind="stable")[:_LARGEST]] = True
    others = newest[~keep[newest]]
    keep[others[: MOST - _LARGEST]] = True
    return newest[keep[newest]].astype(np.int64)


def _note(count: int, rows: int) -> Html:
    if count == rows:
        return tag("p", f"All {plural(count, 'round trip')}.", class_="sub")
    text = (
        f"{whole(rows)} of {whole(count)} round trips: the {_LARGEST} with the largest profit or loss and the newest "
        f"{rows - _LARGEST} others; {whole(count - rows)} are left out here. The whole table is in "
    )
    return tag("p", text, tag("code", "trips.parquet"), ".", class_="sub")


def _filter() -> Html:
    """Only of use to a script, which shows it."""
    label = tag("label", "Filter ", for_="trades-filter")
    box = tag(
        "input", type="search", id="trades-filter", placeholder="symbol, strategy, chain, \N{HORIZONTAL ELLIPSIS}"
    )
    return tag("p", label, box, " ", tag("output", id="trades-count", for_="trades-filter"), class_="filter", hidden="")


def _row(result: Result, trips: Trips, row: int, how: tuple[bool, int]) -> tuple[Child, ...]:
    several, digits = how
    orders: OrderRows = result.orders
    opened, closed = int(trips.opened[row]), int(trips.closed[row])
    end = closed or int(result.steps.at[-1])
    exit_ = shown(float(trips.exit[row]), price)
    return (
        _named(orders.symbols, int(trips.symbol[row])),
        *((_named(orders.worlds, int(trips.world[row])),) if several else ()),
        "long" if trips.side[row] > 0 else "short",
        toned(float(trips.pnl[row]), lambda v: signed(v, digits)),
        toned(float(trips.ret[row]), change),
        stamp(opened),
        stamp(closed) if closed else tag("em", "open"),
        shown(float(end - opened), held),
        shown(float(trips.qty[row]), quantity),
        shown(float(trips.entry[row]), price),
        exit_ if closed else tag("em", exit_, title="the last mark"),
        _named(orders.strategies, int(trips.strategy[row])),
        _named(orders.chains, int(trips.chain[row])),
        _named(orders.reasons, int(trips.reason[row]), "still open" if not closed else "no reason was recorded"),
    )


def _named(names: Texts, index: int, missing: str = "none") -> Html:
    return name(names[index]) if 0 <= index < len(names) else undefined(missing)
