"""Charts of the account: equity with the market as a quiet second line, the fall from the highest mark, and turnover.

In: the result and the time axis. Out: `Chart`s that share the axis.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from ..backtest.result import Result, Steps
from ..bars import Floats, Ints
from .figures import change, day, percent, plain
from .lines import area, beside, fitted, from_zero, line, marks, money_label, percent_label
from .markup import join
from .plot import Chart, Key, Readout, Scale, path, trace
from .spells import killed
from .thin import buckets, extremes
from .ticks import periods
from .timeaxis import COLUMNS, TimeAxis

_EQUITY: Final = 320
_DRAWDOWN: Final = 140
_TURNOVER: Final = 120


def equity(result: Result, axis: TimeAxis) -> Chart:
    """Account and market from the same start. A ratio scale when they span more than a factor of three."""
    account = result.steps.equity
    market = result.steps.market * (account[0] / result.steps.market[0])
    scale = fitted(_EQUITY, account, market, ratio=True, dated=False)
    won, index = change(_growth(account)), change(_growth(market))
    return Chart(
        id="equity",
        title="Equity",
        subtitle="Money at every decision; the market is the same money held equally in every symbol"
        + (". Ratio scale: equal distances are equal returns" if scale.log else ""),
        about=f"Line chart from {plain(float(account[0]), 0)} to {plain(float(account[-1]), 0)}, a change of "
        f"{won}; the market changed by {index}. {_extremes(result.steps, axis)}",
        height=_EQUITY,
        marks=marks(scale, money_label),
        keys=(Key("line", "account", "Account", won), Key("dash", "market", "Market, equal weight", index)),
        drawing=join(
            (line(axis, scale, market, "stroke market dash"), line(axis, scale, account, "stroke account strong"))
        ),
        readouts=(
            Readout("Account", "money", account[axis.probes]),
            Readout("Account since start", "change", account[axis.probes] / account[0] - 1),
            Readout("Market since start", "change", market[axis.probes] / market[0] - 1),
        ),
        notes=join(
            (
                *(killed(axis, world, scale.bottom) for world in result.worlds),
                beside(axis, scale, (("Account", account, "account"), ("Market", market, "market"))),
            )
        ),
        base=scale.at(float(account[0])),
        dated=False,
    )


def drawdown(result: Result, axis: TimeAxis) -> Chart:
    """The fall from the highest mark so far: at every decision as a fill, at session closes as a line."""
    account = result.steps.equity
    fall = account / np.maximum.accumulate(account) - 1
    closes = _fall_at_closes(account, axis)
    fitting = from_zero(_DRAWDOWN, fall, closes)
    scale = Scale(fitting.low, 0.0, fitting.top, fitting.bottom)
    deepest = percent(float(closes.min()))
    return Chart(
        id="drawdown",
        title="Drawdown",
        subtitle="Below the highest value so far: the line at session closes, the fill at every decision",
        about=f"Area chart below zero. The deepest session close stands {deepest} from the highest close before it, "
        f"the deepest mark of all {percent(float(fall.min()))}.",
        height=_DRAWDOWN,
        marks=marks(scale, percent_label, 4, 0.01),
        keys=(Key("line", "loss", "Deepest close", deepest),),
        drawing=join((area(axis, scale, fall, "under"), path(_close_line(axis, scale, closes), "stroke loss"))),
        readouts=(
            Readout("At this decision", "percent", fall[axis.probes]),
            Readout("At the session's close", "percent", closes[axis.session[axis.probes]]),
        ),
        base=scale.at(0.0),
    )


def turnover(result: Result, axis: TimeAxis) -> Chart:
    """Half of what was bought and sold over equity, per session, week or month, whichever gives bars that can be seen."""
    unit, first = periods(axis.days)
    edges = np.append(axis.starts[first], axis.count)
    worth = result.steps.equity[edges[1:] - 1]
    share = np.divide(_traded(result, edges) / 2, worth, out=np.zeros(len(worth)), where=worth > 0)
    fitting = from_zero(_TURNOVER, share)
    scale = Scale(0.0, fitting.high, fitting.top, fitting.bottom)
    which = np.searchsorted(edges, axis.probes, side="right") - 1
    mean = percent(float(share.mean()), 1 if share.mean() < 1 else 0)
    return Chart(
        id="turnover",
        title="Turnover",
        subtitle=f"Half of what was bought and sold, over equity, per {unit}",
        about=f"Bar chart of {len(share)} bars: on average {mean} per {unit}, at most {percent(float(share.max()), 1)}.",
        height=_TURNOVER,
        marks=marks(scale, percent_label, 4, 0.01),
        keys=(Key("fill", "bar", f"Mean per {unit}", mean),),
        drawing=path(_bars(axis, scale, edges, share), "bar"),
        readouts=(Readout(f"In this {unit}", "share", share[which]),),
        base=scale.at(0.0),
    )


def _growth(values: Floats) -> float:
    return float(values[-1] / values[0] - 1)


def _extremes(steps: Steps, axis: TimeAxis) -> str:
    low, high = int(steps.equity.argmin()), int(steps.equity.argmax())
    return (
        f"Highest {plain(float(steps.equity[high]), 0)} on {day(axis.days[int(axis.session[high])])}, "
        f"lowest {plain(float(steps.equity[low]), 0)} on {day(axis.days[int(axis.session[low])])}."
    )


def _fall_at_closes(account: Floats, axis: TimeAxis) -> Floats:
    """Drawdown of session closes [sessions]; the first value of all counts as a peak."""
    closes = account[np.append(axis.starts[1:], axis.count) - 1]
    found: Floats = closes / np.maximum.accumulate(np.append(account[:1], closes))[1:] - 1
    return found


def _close_line(axis: TimeAxis, scale: Scale, closes: Floats) -> str:
    """From the beginning through the right edge of every session."""
    points = np.append(0.0, closes)
    edges = np.append(axis.starts, axis.count)
    at = extremes(points, buckets(len(points), COLUMNS))
    x = np.array([axis.edge(int(tick)) for tick in edges[at]])
    return trace(x, scale.y(points[at]))


def _traded(result: Result, edges: Ints) -> Floats:
    """Notional of the fills between edges of ticks; a fill belongs to the first tick at or after it."""
    orders = result.orders
    filled = orders.filled > 0
    tick = np.minimum(result.steps.at.searchsorted(orders.filled[filled], side="left"), len(result.steps.at) - 1)
    period = np.searchsorted(edges, tick, side="right") - 1
    notional = np.abs(orders.qty[filled] * orders.price[filled])
    return np.bincount(period, weights=notional, minlength=len(edges) - 1).astype(np.float64)


def _bars(axis: TimeAxis, scale: Scale, edges: Ints, values: Floats) -> str:
    """Rectangles with a fifth of air between them."""
    parts = []
    for start, end, y in zip(edges[:-1].tolist(), edges[1:].tolist(), scale.y(values).tolist(), strict=True):
        left, right = axis.edge(start), axis.edge(end)
        air = (right - left) * 0.1
        parts.append(f"M{left + air:.1f},{scale.bottom:.1f}V{y:.1f}H{right - air:.1f}V{scale.bottom:.1f}Z")
    return "".join(parts)
