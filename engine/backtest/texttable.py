"""Numbers and tables as a person reads them on a terminal: at most 100 columns, aligned, "-" for what is not defined.

In: plain values. Out: text. The summary and the comparison of backtests print with these, so that a measure has one
name and one form wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from .measures import Measures

WIDTH: Final = 100
NAME: Final = 28
UNDEFINED: Final = "-"

Value = float | int | None


def percent(value: Value, digits: int = 2) -> str:
    """0.05 -> "5.00 %"."""
    return UNDEFINED if value is None else f"{_still(value * 100, digits)} %"


def number(value: Value, digits: int = 2) -> str:
    """1234.5 -> "1,234.50"."""
    return UNDEFINED if value is None else _still(value, digits)


def whole(value: Value) -> str:
    """1234 -> "1,234"."""
    return UNDEFINED if value is None else f"{value:,.0f}"


def name(text: str, most: int = NAME) -> str:
    """A name cut to `most` characters."""
    return text if len(text) <= most else f"{text[: most - 2]}.."


def table(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows as aligned lines, the first `left` columns to the left, the others to the right, two spaces apart; no line is
    longer than WIDTH."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip()[:WIDTH])
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Item:
    """A measure as it is shown: what it is called, how it is taken out of `Measures`, how it is written."""

    label: str
    field: str
    write: Callable[[Value], str]

    def value(self, measures: Measures) -> Value:
        """The number itself."""
        found: Value = getattr(measures, self.field)
        return found


#: the measures of the curve, and those of what was traded, in the order they are shown
CURVE_ITEMS: Final = (
    Item("equity at the start", "start_equity", number),
    Item("equity at the end", "end_equity", number),
    Item("total return", "total_return", percent),
    Item("CAGR", "cagr", percent),
    Item("volatility, yearly", "volatility", percent),
    Item("Sharpe", "sharpe", number),
    Item("  standard error", "sharpe_error", number),
    Item("Sortino", "sortino", number),
    Item("max drawdown", "max_drawdown", percent),
    Item("  sessions", "drawdown_sessions", whole),
    Item("Calmar", "calmar", number),
    Item("mean session", "mean_session", lambda value: percent(value, 3)),
    Item("  standard error", "mean_session_error", lambda value: percent(value, 3)),
    Item("skew of sessions", "skew", number),
    Item("kurtosis (normal: 3)", "kurtosis", number),
    Item("Sharpe of 15m bars", "bar_sharpe", number),
)
TRADE_ITEMS: Final = (
    Item("round trips", "trades", whole),
    Item("win rate", "win_rate", lambda value: percent(value, 1)),
    Item("profit factor", "profit_factor", number),
    Item("expectancy of a trip", "expectancy", number),
    Item("turnover, times a year", "turnover", lambda value: number(value, 1)),
    Item("exposure, mean gross", "exposure", lambda value: percent(value, 1)),
    Item("exposure, mean net", "net_exposure", lambda value: percent(value, 1)),
    Item("orders", "orders", whole),
    Item("fees", "fees", number),
    Item("slippage", "slippage_paid", number),
    Item("borrow", "borrow", number),
)


def _still(value: float, digits: int) -> str:
    """Fixed digits, never "-0.00"; powers of ten for what would not fit a column."""
    if abs(value) >= 1e13:
        return f"{value:.3e}"
    text = f"{value:,.{digits}f}"
    return text[1:] if text.startswith("-") and not text.strip("-0.,") else text
