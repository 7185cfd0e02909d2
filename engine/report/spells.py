"""Stretches of time in which a world was killed, as hatched bands with their name.

In: a world and the time axis. Out: marks that lie over a chart. A band is never thinner than a stroke: a kill of one tick in a
year of bars is the one thing that nobody may overlook.
"""

from __future__ import annotations

from typing import Final

from ..backtest.result import WorldSteps
from ..reasons import Reason
from .markup import Html, join, tag
from .plot import percent_x
from .thin import runs
from .timeaxis import WIDTH, TimeAxis

_CODES: Final = {int(reason): reason.code for reason in Reason}
_MOST_NAMES: Final = 3
_APART: Final = 0.2 * WIDTH


def killed(axis: TimeAxis, world: WorldSteps, bottom: float) -> Html:
    """Bands for every spell of `world.kill`, the first few named where names do not touch."""
    parts, last, names = [], -_APART, 0
    for start, end in runs(world.kill > 0):
        left, right = axis.edge(start), axis.edge(end)
        parts.append(_band(left, right, bottom))
        if names < _MOST_NAMES and left - last >= _APART:
            code = int(world.kill[start])
            parts.append(_flag(left, bottom, f"{world.world}: {_CODES.get(code, f'kill {code}')}"))
            last, names = left, names + 1
    return join(parts)


def _band(left: float, right: float, bottom: float) -> Html:
    shape = tag("rect", x=percent_x(left), y=0, width=percent_x(right - left), height=bottom, class_="killed")
    return join((shape, tag("line", x1=percent_x(left), x2=percent_x(left), y1=0, y2=bottom, class_="killed")))


def _flag(left: float, bottom: float, text: str) -> Html:
    late = left > WIDTH / 2
    shift = -6 if late else 6
    label = "to" if late else "from"
    return tag("text", text, x=percent_x(left), dx=shift, y=bottom - 8, class_=f"name alarm {label}")
