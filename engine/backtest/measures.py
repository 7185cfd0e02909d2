"""What is said about a backtest, as plain values: no formula stands here, only names, units and what is undefined.

In: `metrics.py`, `attribution.py` and the rest of this package fill them. Out: JSON, tables and the report. A number
that is not defined (no losses, no trades, too few sessions) is None, never 0, 999 or NaN.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one equity curve. Fractions are plain (0.05 = 5 %); ratios are yearly.

    Primary ones come from session returns (close to close), scaled by the calendar's sessions a year; `bar_*` ones from
    returns per decision tick, and are labelled so wherever they are shown. `kurtosis` is 3 for a normal distribution.
    `trades` are closed round trips, `expectancy` their mean P&L in money. `turnover` is how many times a year the account
    is turned over: (bought + sold) / 2 / mean equity. `exposure` and `net_exposure` are fractions of equity, mean over ticks.
    """

    sessions: int
    start_equity: float
    end_equity: float
    total_return: float
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sharpe_error: float | None
    sortino: float | None
    max_drawdown: float
    drawdown_sessions: int
    calmar: float | None
    mean_session: float | None
    mean_session_error: float | None
    skew: float | None
    kurtosis: float | None
    bar_sharpe: float | None
    trades: int
    win_rate: float | None
    profit_factor: float | None
    expectancy: float | None
    turnover: float
    exposure: float
    net_exposure: float
    orders: int
    fees: float
    slippage_paid: float
    borrow: float


@dataclass(frozen=True, slots=True)
class Share:
    """One row of an attribution: `kind` is "chain", "strategy" or "symbol". Money; `pnl` after costs, of closed trades and
    of what is still held at its mark; `gross` before costs. Each kind has a row named "borrow" when borrow was paid, which
    the orders do not carry; with it the `pnl` of a kind adds up to the account's."""

    kind: str
    name: str
    pnl: float
    gross: float
    costs: float
    orders: int
    trades: int
    win_rate: float | None
    profit_factor: float | None
    turnover: float


@dataclass(frozen=True, slots=True)
class Drawdown:
    """A fall from a peak of session closes: ISO days, `end` "" while it lasts; `depth` is negative."""

    start: str
    bottom: str
    end: str
    depth: float
    sessions: int


@dataclass(frozen=True, slots=True)
class Period:
    """Return of one month ("2025-11") or one session ("2025-11-28")."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of the sensitivity table: the same backtest with other costs or a later fill."""

    label: str
    measures: Measures


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is printed or stored as JSON beside the columns."""

    fingerprint: str
    measures: Measures
    market: Measures
    worlds: tuple[tuple[str, Measures], ...]
    shares: tuple[Share, ...]
    months: tuple[Period, ...]
    best: tuple[Period, ...]
    worst: tuple[Period, ...]
    drawdowns: tuple[Drawdown, ...]
    variants: tuple[Variant, ...]
