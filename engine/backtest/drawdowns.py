"""Falls from a peak, months, and the best and worst sessions of a curve: what people ask about
a track record.

In: a `Curve`. Out: tuples of `Drawdown` and `Period`. Values between two closes are not looked at: a drawdown is one of
session closes, as an account statement shows it.
"""

from __future__ import annotations

import numpy as np

from ..bars import Floats
from .curves import Curve, closes, session_returns
from .measures import Drawdown, Period


def drawdown_series(curve: Curve) -> Floats:
    """[N+1] value over the highest close so far, less 1; the first is 0."""
    values = closes(curve)
    return values / np.maximum.accumulate(values) - 1.0


def drawdowns(curve: Curve, most: int = 5) -> tuple[Drawdown, ...]:
    """The `most` deepest falls, deepest first. `sessions` counts from the peak to the close that reaches it again, or to
    the last one. A fall from the first value has the first session as its start: there is no close before it."""
    series = drawdown_series(curve)
    under = series < 0
    # a fall begins at the close before the first one under water, and ends at the first that is above again
    starts = np.flatnonzero(under[1:] & ~under[:-1])
    found = []
    for peak in starts.tolist():
        above = np.flatnonzero(~under[peak + 1 :])
        end = peak + 1 + int(above[0]) if len(above) else len(series)
        bottom = peak + int(series[peak:end].argmin())
        back = curve.days[end - 1] if len(above) else ""
        sessions = min(end, len(series) - 1) - peak
        found.append(
            Drawdown(curve.days[max(peak - 1, 0)], curve.days[bottom - 1], back, float(series[bottom]), sessions)
        )
    return tuple(sorted(found, key=lambda fall: (fall.depth, fall.start))[:most])


def months(curve: Curve) -> tuple[Period, ...]:
    """Return of each calendar month that has a session, in order; the first counts from the first value."""
    values = closes(curve)
    names = [day[:7] for day in curve.days]
    lasts = [i for i, name in enumerate(names) if i + 1 == len(names) or names[i + 1] != name]
    befores = [0, *(i + 1 for i in lasts[:-1])]
    return tuple(
        Period(names[last], float(values[last + 1] / values[before] - 1.0))
        for before, last in zip(befores, lasts, strict=True)
        if values[before] > 0
    )


def best_and_worst(curve: Curve, most: int = 5) -> tuple[tuple[Period, ...], tuple[Period, ...]]:
    """The `most` best sessions, best first, and the `most` worst, worst first; never one session in both."""
    returns = session_returns(curve)
    known = np.flatnonzero(np.isfinite(returns))
    order = known[np.argsort(returns[known], kind="stable")]
    count = min(most, len(order) // 2)
    rows = [Period(curve.days[int(i)], float(returns[i])) for i in order]
    return tuple(reversed(rows[len(rows) - count :])), tuple(rows[:count])
