"""Why a measure has no value, in words.

In: the name of a field of `Measures` and the measures it is missing from. Out: a phrase for the en dash.
"""

from __future__ import annotations

from ..backtest.measures import Measures


def why(field: str, m: Measures) -> str:
    """The reason, as far as the other measures tell it."""
    if field in {"sharpe", "sharpe_error", "skew", "kurtosis", "bar_sharpe"}:
        return "needs at least three sessions whose returns differ"
    if field in {"win_rate", "expectancy"} or (field == "profit_factor" and m.trades == 0):
        return "no round trip was closed"
    return {
        "profit_factor": "no round trip lost money",
        "sortino": "needs a session that lost money",
        "calmar": "there was no drawdown",
        "cagr": "too short to be scaled to a year",
        "volatility": "needs at least two sessions",
        "mean_session_error": "needs at least two sessions",
    }.get(field, "not defined")
