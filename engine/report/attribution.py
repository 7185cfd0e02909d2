"""Who won the money and what it cost: tables by chain, strategy and symbol.

In: the shares of a summary. Out: tables with a bar per row. Long ones keep the rows that moved the account most and add up the
rest, so that every table still sums to the account.
"""

from __future__ import annotations

from typing import Final

from ..backtest.measures import Share
from .figures import money_digits, percent, plain, shown, signed, toned, undefined, whole
from .markup import Child, Html, join, name, tag
from .tables import Column, Table, bar, table

_MOST: Final = 40
_KINDS: Final = (("chain", "chain"), ("strategy", "strategy"), ("symbol", "symbol"))
_COLUMNS: Final = (
    Column("P&L", note="after costs, what is still held at its mark"),
    Column("", number=False),
    Column("Before costs"),
    Column("Costs"),
    Column("Orders"),
    Column("Trades", note="round trips that were closed"),
    Column("Won", note="share of the trades that won money"),
    Column("Profit factor", note="money won by winners over money lost by losers"),
    Column("Turnover", note="times a year"),
)


def attribution(shares: tuple[Share, ...]) -> Html:
    """One table per kind that has rows."""
    parts = []
    for kind, title in _KINDS:
        rows = tuple(share for share in shares if share.kind == kind)
        if rows:
            parts.append(_table(kind, title, rows))
    return join(parts) if parts else tag("p", "Nothing was traded: no order was filled.", class_="empty")


def _table(kind: str, title: str, rows: tuple[Share, ...]) -> Html:
    chosen = sorted(rows, key=lambda row: -abs(row.pnl))[:_MOST]
    kept = tuple(sorted(chosen, key=lambda row: -row.pnl))
    left = tuple(row for row in rows if row not in kept)
    scale = [row.pnl for row in rows]
    digits = money_digits(*(value for row in rows for value in (row.pnl, row.gross)))
    foot = [_sum(f"{len(left)} others", left, digits)] if left else []
    foot.append(_sum("Sum", rows, digits))
    columns = (Column(title.capitalize(), number=False), *_COLUMNS)
    body = tuple(_row(row, scale, digits) for row in kept)
    return table(Table(f"by-{kind}", f"By {title}", columns, body, tuple(foot), "attribution sortable"))


def _row(row: Share, scale: list[float], digits: int) -> tuple[Child, ...]:
    no_trade = "no round trip was closed"
    return (
        name(row.name),
        toned(row.pnl, lambda v: signed(v, digits)),
        bar(row.pnl, scale),
        shown(row.gross, lambda v: signed(v, digits)),
        shown(row.costs, lambda v: plain(v, digits)),
        shown(row.orders, whole),
        shown(row.trades, whole),
        shown(row.win_rate, lambda v: percent(v, 0), no_trade),
        shown(row.profit_factor, plain, "no round trip lost money" if row.trades else no_trade),
        shown(row.turnover, lambda v: plain(v, 1) + "\N{MULTIPLICATION SIGN}"),
    )


def _sum(title: str, rows: tuple[Share, ...], digits: int) -> tuple[Child, ...]:
    """Only what may be added up; rates may not."""
    never = undefined("rates do not add up; see the measures above")
    return (
        title,
        toned(sum(row.pnl for row in rows), lambda v: signed(v, digits)),
        "",
        shown(sum(row.gross for row in rows), lambda v: signed(v, digits)),
        shown(sum(row.costs for row in rows), lambda v: plain(v, digits)),
        shown(sum(row.orders for row in rows), whole),
        shown(sum(row.trades for row in rows), whole),
        never,
        never,
        shown(sum(row.turnover for row in rows), lambda v: plain(v, 1) + "\N{MULTIPLICATION SIGN}"),
    )
