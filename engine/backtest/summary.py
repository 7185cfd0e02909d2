"""What a person reads after a backtest: one record with everything said about it, and its text for a terminal.

In: a `Result`, and the measures of its variants (other costs, later fills) where they were run. Out: `Summary`, and
text of at most 100 columns. The HTML report, the stored JSON and `--compare` all begin from the same record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from .attribution import BORROW, shares
from .curves import account_curve
from .drawdowns import best_and_worst, drawdowns, months
from .fingerprint import fingerprint
from .measures import Measures, Period, Share, Summary, Variant
from .metrics import account_measures, market_measures, world_measures
from .result import Costs, Notice, Result, Setup, Switch
from .roundtrips import round_trips
from .texttable import CURVE_ITEMS, TRADE_ITEMS, Item, name, number, percent, table, whole

#: columns of a line
_WIDE: Final = 99
#: rows of symbols, months and notices that the terminal shows before it says how many more there are
_BEST: Final = 5
_MONTHS: Final = 24
_NOTICES: Final = 12
_SWITCHES: Final = 12


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A finished backtest with what was said about it: what is written to a folder and read back."""

    result: Result
    summary: Summary


def summarise(result: Result, variants: tuple[Variant, ...] = ()) -> Summary:
    """Everything that is said about a backtest; DataError when it has no tick."""
    trips = round_trips(result)
    curve = account_curve(result)
    best, worst = best_and_worst(curve)
    return Summary(
        fingerprint=fingerprint(result.orders),
        measures=account_measures(result, trips),
        market=market_measures(result),
        worlds=tuple((world.world, world_measures(result, trips, i)) for i, world in enumerate(result.worlds)),
        shares=shares(result, trips),
        months=months(curve),
        best=best,
        worst=worst,
        drawdowns=drawdowns(curve),
        variants=variants,
    )


def summary_text(
    setup: Setup, summary: Summary, notices: tuple[Notice, ...] = (), switches: tuple[Switch, ...] = ()
) -> str:
    """The summary as text: sections with a blank line between them."""
    sections = [
        _head(setup, summary),
        _beside(summary.measures, summary.market),
        _worlds(summary),
        _shares(summary, "chain", _all),
        _shares(summary, "strategy", _all),
        _shares(summary, "symbol", _ends),
        _months(summary.months),
        _falls(summary),
        _sessions(summary),
        _switches(switches),
        _variants(summary),
        _notices(notices),
        f"fingerprint of {whole(summary.measures.orders)} orders: {summary.fingerprint}\n",
    ]
    return "\n".join(section for section in sections if section)


def costs_text(costs: Costs) -> str:
    """The cost model in one line."""
    other = f" ({len(costs.borrow_of)} symbols differ)" if costs.borrow_of else ""
    late = f", {costs.late} bars late" if costs.late else ""
    return (
        f"fee {costs.fee * 1e4:g} bps and slippage {costs.slippage * 1e4:g} bps a side, borrow {costs.borrow * 1e4:g}"
        f" bps a year{other}; fills at the next open{late}"
    )


def _head(setup: Setup, summary: Summary) -> str:
    worlds = ", ".join(world for world, _ in setup.worlds)
    return (
        f"{name(setup.name, 40)}  {setup.start} to {setup.end}, {whole(summary.measures.sessions)} sessions of"
        f" {setup.calendar}\n"
        f"worlds  {name(worlds, 90)}\n"
        f"data    {name(setup.source, 90)}\n"
        f"costs   {costs_text(setup.costs)}\n"
    )


def _beside(account: Measures, market: Measures) -> str:
    """Measures of the curve beside the market's, then those of trading."""
    rows = [("", "account", "market")]
    rows += [(item.label, item.write(item.value(account)), item.write(item.value(market))) for item in CURVE_ITEMS]
    rows += [(item.label, item.write(item.value(account)), "") for item in TRADE_ITEMS]
    return table(rows)


_WORLD_ITEMS: Final[tuple[tuple[str, str], ...]] = (
    ("return", "total return"),
    ("Sharpe", "Sharpe"),
    ("drawdown", "max drawdown"),
    ("trips", "round trips"),
    ("PF", "profit factor"),
    ("gross", "exposure, mean gross"),
)


def _items(labels: tuple[tuple[str, str], ...]) -> list[tuple[str, Item]]:
    known = {item.label: item for item in (*CURVE_ITEMS, *TRADE_ITEMS)}
    return [(title, known[label]) for title, label in labels]


def _measure_rows(first: str, rows: list[tuple[str, Measures]]) -> str:
    items = _items(_WORLD_ITEMS)
    head = (first, *(title for title, _ in items))
    return table([head, *((name(text), *(item.write(item.value(m)) for _, item in items)) for text, m in rows)])


def _worlds(summary: Summary) -> str:
    return _measure_rows("world", list(summary.worlds)) if len(summary.worlds) > 1 else ""


def _variants(summary: Summary) -> str:
    """The sensitivity table; its first row is the backtest itself."""
    if not summary.variants:
        return ""
    return _measure_rows("variant", [("as run", summary.measures), *((v.label, v.measures) for v in summary.variants)])


def _all(rows: list[Share]) -> tuple[list[Share], str]:
    return rows, ""


def _ends(rows: list[Share]) -> tuple[list[Share], str]:
    """The best and the worst symbols, how many stand between them, and what was paid for borrowing."""
    symbols = [row for row in rows if row.name != BORROW]
    if len(symbols) <= 2 * _BEST:
        return rows, ""
    shown = [*symbols[:_BEST], *symbols[-_BEST:], *rows[len(symbols) :]]
    return shown, f"{len(symbols) - 2 * _BEST} symbols between them are not shown\n"


def _shares(summary: Summary, kind: str, choose: Callable[[list[Share]], tuple[list[Share], str]]) -> str:
    rows, more = choose([share for share in summary.shares if share.kind == kind])
    if not rows:
        return ""
    head = (kind, "P&L", "before costs", "costs", "orders", "trips", "wins", "PF", "turnover")
    body = [
        (
            name(row.name),
            number(row.pnl),
            number(row.gross),
            number(row.costs),
            whole(row.orders),
            whole(row.trades),
            percent(row.win_rate, 0),
            number(row.profit_factor),
            number(row.turnover, 1),
        )
        for row in rows
    ]
    return table([head, *body]) + more


def _months(months_: tuple[Period, ...]) -> str:
    """Months in lines of five; only the last ones of a long backtest."""
    shown = months_[-_MONTHS:]
    cells = [f"{month.name} {percent(month.value):>8}" for month in shown]
    lines = ["   ".join(cells[i : i + 5]) for i in range(0, len(cells), 5)]
    more = f"{len(months_) - len(shown)} months before them are not shown\n" if len(months_) > len(shown) else ""
    return "months\n" + "".join(f"{line}\n" for line in lines) + more


def _falls(summary: Summary) -> str:
    if not summary.drawdowns:
        return ""
    rows = [("drawdown", "bottom", "end", "depth", "sessions")]
    rows += [
        (fall.start, fall.bottom, fall.end or "still", percent(fall.depth), whole(fall.sessions))
        for fall in summary.drawdowns
    ]
    return table(rows, left=3)


def _sessions(summary: Summary) -> str:
    if not summary.best:
        return ""
    rows = [("best session", "", "worst session", "")]
    rows += [
        (best.name, percent(best.value), worst.name, percent(worst.value))
        for best, worst in zip(summary.best, summary.worst, strict=True)
    ]
    return table(rows)


def _switches(switches: tuple[Switch, ...]) -> str:
    """The pairs of chains that changed most often."""
    if not switches:
        return ""
    window = switches[0].window
    rows = [("chain switch", "count", "lag, bars", f"P&L each, {window} bars before", "after")]
    often = sorted(switches, key=lambda switch: (-switch.count, switch.world, switch.former, switch.chain))
    rows += [
        (
            name(f"{switch.former} -> {switch.chain}", 40),
            whole(switch.count),
            number(switch.lag, 1),
            number(switch.before / switch.count),
            number(switch.after / switch.count),
        )
        for switch in often[:_SWITCHES]
    ]
    return table(rows)


def _notices(notices: tuple[Notice, ...]) -> str:
    if not notices:
        return ""
    lines = []
    for notice in notices[:_NOTICES]:
        where = " ".join(part for part in (notice.world, notice.symbol) if part)
        times = f" ({whole(notice.count)} times)" if notice.count > 1 else ""
        when = f"{np.datetime64(notice.at, 's').item():%Y-%m-%d %H:%M} UTC"
        tail = f"{times}, first {when}" if times else f", {when}"
        said = name(f"{notice.kind}{' ' + where if where else ''}: {notice.text}", _WIDE - len(tail))
        lines.append(said + tail)
    if len(notices) > _NOTICES:
        lines.append(f"{len(notices) - _NOTICES} more notices are in the report")
    return "notices\n" + "".join(f"{line}\n" for line in lines)
