"""All measures side by side: of the account, the market and each world; of the variants; of two backtests.

In: `Measures`. Out: tables in which a row is a measure, or a row is a variant. Every row says its unit in how it is written;
what is not defined says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ..backtest.measures import Measures, Variant
from .figures import Form, change, known, money_digits, percent, plain, shown, signed, toned, undefined, whole
from .markup import Child, Html, join, tag
from .tables import Column, Table, bar, table
from .why import why

_TIMES: Final = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True, slots=True)
class Line:
    """One measure: field, label, unit and a note. `trading` ones say nothing about an index; one without a field is a heading."""

    field: str
    label: str
    unit: str
    note: str = ""
    trading: bool = False


LINES: Final = (
    Line("", "Return", ""),
    Line("total_return", "Return", "change", "after costs"),
    Line("cagr", "Return a year", "change", "compounded"),
    Line("mean_session", "Mean session", "points", "close to close"),
    Line("mean_session_error", "\N{PLUS-MINUS SIGN} standard error", "spread"),
    Line("", "Risk", ""),
    Line("volatility", "Volatility", "percent", "of session returns, a year"),
    Line("max_drawdown", "Largest drawdown", "percent", "of session closes"),
    Line("drawdown_sessions", "\N{EM DASH} in sessions", "count", "from its peak until it was made up, or the end"),
    Line("skew", "Skew", "ratio", "of session returns"),
    Line("kurtosis", "Kurtosis", "ratio", "of session returns; 3 is normal"),
    Line("", "Return for risk", ""),
    Line("sharpe", "Sharpe ratio", "ratio", "of session returns, a year"),
    Line("sharpe_error", "\N{PLUS-MINUS SIGN} standard error", "ratio"),
    Line("bar_sharpe", "Sharpe ratio by bar", "ratio", "of returns per decision, a year; not for comparing"),
    Line("sortino", "Sortino ratio", "ratio", "mean over downside deviation, a year"),
    Line("calmar", "Calmar ratio", "ratio", "return a year over largest drawdown"),
    Line("", "Trading", ""),
    Line("orders", "Orders", "count", "filled or not", trading=True),
    Line("trades", "Trades", "count", "round trips that were closed", trading=True),
    Line("win_rate", "Won", "share", "of trades", trading=True),
    Line("profit_factor", "Profit factor", "ratio", "money won over money lost", trading=True),
    Line("expectancy", "Mean trade", "signed", "money, after costs", trading=True),
    Line("exposure", "Gross exposure", "share", "mean over decisions"),
    Line("net_exposure", "Net exposure", "net", "mean over decisions"),
    Line("turnover", "Turnover", "times", "a year, one side", trading=True),
    Line("", "Costs", ""),
    Line("fees", "Fees", "money", trading=True),
    Line("slippage_paid", "Slippage", "money", "against the opens that filled", trading=True),
    Line("borrow", "Borrow", "money", "for shorts", trading=True),
)

#: measures of which more is better; a difference of others has no colour
_BETTER: Final = frozenset(
    {"total_return", "cagr", "mean_session", "max_drawdown", "sharpe", "sortino", "calmar", "win_rate", "profit_factor",
     "expectancy"}
)  # fmt: skip


def measures_table(account: Measures, market: Measures, worlds: Sequence[tuple[str, Measures]]) -> Html:
    """Rows of measures; worlds have columns of their own when there is more than one."""
    named = [("Account", account), *(worlds if len(worlds) > 1 else ()), ("Market", market)]
    columns = (Column("Measure", number=False), *(Column(label) for label, _ in named))
    rows = tuple((_label(line), *(_cell(line, m, index=m is market) for _, m in named if line.field)) for line in LINES)
    caption = "Of session returns, close to close, unless it says otherwise"
    return table(Table("measures-table", caption, columns, rows, class_="measures"))


def comparison_table(names: tuple[str, str], a: Measures, b: Measures) -> Html:
    """Rows of measures with their difference, second less first."""
    columns = (Column("Measure", number=False), Column(names[0]), Column(names[1]), Column("Difference"))
    rows = tuple(
        (_label(line), _cell(line, a), _cell(line, b), difference(line, a, b)) if line.field else (_label(line),)
        for line in LINES
    )
    caption = f"Measures, and {names[1]} less {names[0]}"
    return table(Table("measures-table", caption, columns, rows, class_="measures"))


def difference(line: Line, a: Measures, b: Measures) -> Html:
    """Second less first, in the unit of the measure; percent differ by points."""
    first, second = getattr(a, line.field), getattr(b, line.field)
    if not known(first) or not known(second):
        return undefined("not defined on both sides")
    write = toned if line.field in _BETTER else shown
    return write(second - first, _FORMS[line.unit][1])


def variants_table(variants: tuple[Variant, ...]) -> Html:
    """How the result holds when costs or delay are worse than assumed."""
    columns = (Column("Variant", number=False), Column("Return"), Column("", number=False), Column("Sharpe ratio"),
               Column("\N{PLUS-MINUS SIGN} error"), Column("Largest drawdown"), Column("Profit factor"), Column("Trades"),
               Column("Costs"))  # fmt: skip
    digits = money_digits(*(_costs(v.measures) for v in variants))
    scale = [v.measures.total_return for v in variants]
    rows = tuple(_variant(v, scale, digits) for v in variants)
    return table(Table("sensitivity-table", "Each row is the whole backtest run again", columns, rows))


def _variant(variant: Variant, scale: list[float], digits: int) -> tuple[Child, ...]:
    m = variant.measures
    return (
        variant.label,
        toned(m.total_return, change),
        bar(m.total_return, scale),
        shown(m.sharpe, plain, why("sharpe", m)),
        shown(m.sharpe_error, plain, why("sharpe_error", m)),
        toned(m.max_drawdown, percent),
        shown(m.profit_factor, plain, why("profit_factor", m)),
        shown(m.trades, whole),
        shown(_costs(m), lambda v: plain(v, digits)),
    )


def _costs(m: Measures) -> float:
    return m.fees + m.slippage_paid + m.borrow


def _label(line: Line) -> Html:
    return join((line.label, " ", tag("small", line.note))) if line.note else join((line.label,))


def _cell(line: Line, m: Measures, *, index: bool = False) -> Html:
    if index and line.trading:
        return undefined("the market is held, not traded")
    return shown(getattr(m, line.field), _FORMS[line.unit][0], why(line.field, m))


def _money(value: float) -> str:
    return plain(value, money_digits(value))


def _gain(value: float) -> str:
    return signed(value, money_digits(value))


#: how a value of each unit is written, and how the difference of two
_FORMS: Final[Mapping[str, tuple[Form, Form]]] = {
    "change": (change, lambda v: signed(v * 100) + " pp"),
    "percent": (percent, lambda v: signed(v * 100) + " pp"),
    "share": (lambda v: percent(v, 1), lambda v: signed(v * 100, 1) + " pp"),
    "net": (lambda v: change(v, 1), lambda v: signed(v * 100, 1) + " pp"),
    "points": (lambda v: signed(v * 1e4, 1) + " bp", lambda v: signed(v * 1e4, 1) + " bp"),
    "spread": (lambda v: plain(v * 1e4, 1) + " bp", lambda v: signed(v * 1e4, 1) + " bp"),
    "count": (whole, lambda v: signed(v, 0)),
    "money": (_money, _gain),
    "signed": (_gain, _gain),
    "times": (lambda v: plain(v, 1) + _TIMES, lambda v: signed(v, 1) + _TIMES),
    "ratio": (plain, signed),
}
