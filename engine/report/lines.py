"""Lines over the time axis: thinning, a value axis that fits them, and names written beside them.

In: series over all ticks. Out: paths, scales and marks that the charts are put together from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from ..bars import Floats, Ints
from .figures import plain
from .markup import NOTHING, Html, join, tag
from .plot import Scale, ValueMark, path, percent_x, room, trace, widened
from .thin import buckets, extremes, means
from .ticks import log_ticks, round_step, round_ticks
from .timeaxis import COLUMNS, WIDTH, TimeAxis

#: a range in which the highest is more than this many times the lowest is shown on a ratio scale
_LOG_FROM: Final = 3.0
_MILLION: Final = 1e6
_GAP: Final = 15.0
_STRETCHES: Final = 60
_LABEL: Final = 9

Label = Callable[[float, int], str]


def line(axis: TimeAxis, scale: Scale, values: Floats, class_: str) -> Html:
    """A stroke through the extremes of every pixel column, from the left end of the axis to the right one."""
    return path(outline(axis, scale, values), class_)


def outline(axis: TimeAxis, scale: Scale, values: Floats) -> str:
    """Path data of `line`."""
    at = extremes(values, buckets(axis.count, COLUMNS))
    return trace(*_to_the_ends(axis, at, scale.y(values[at])))


def area(axis: TimeAxis, scale: Scale, values: Floats, class_: str) -> Html:
    """A fill between a line and the value 0."""
    known = np.where(np.isfinite(values), values, 0.0)
    at = extremes(known, buckets(axis.count, COLUMNS))
    x, y = _to_the_ends(axis, at, scale.y(known[at]))
    zero = scale.at(0.0)
    return path(f"M0,{zero:.1f}" + trace(x, y).replace("M", "L", 1) + f"L{WIDTH},{zero:.1f}Z", class_)


def swing(axis: TimeAxis, scale: Scale, values: Floats, edges: Ints) -> tuple[str, str]:
    """For what moves too fast to be a line: the range of each stretch as a fill and its mean both as path
    data."""
    low, high = (np.array(f.reduceat(values, edges[:-1])) for f in (np.fmin, np.fmax))
    x = stretched(axis, edges)
    top, bottom, mean = (
        scale.y(np.concatenate((v[:1], v, v[-1:]))) for v in (high, low, means(values[:, None], edges)[:, 0])
    )
    there = [*zip(x.tolist(), top.tolist(), strict=True)]
    back = [*zip(x[::-1].tolist(), bottom[::-1].tolist(), strict=True)]
    ring = "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in there + back) + "Z"
    return ring, trace(x, mean)


def fitted(height: int, *series: Floats, ratio: bool = False, dated: bool = True) -> Scale:
    """A scale that holds all finite values; with `ratio`, logarithmic when they span more than a factor of three."""
    whole = np.concatenate([s[np.isfinite(s)] for s in series])
    low, high = (float(whole.min()), float(whole.max())) if len(whole) else (0.0, 0.0)
    top, bottom = room(height, dated=dated)
    if ratio and low > 0 and high / low > _LOG_FROM:
        return Scale(low / 1.05, high * 1.05, top, bottom, log=True)
    return Scale(*widened(low, high), top, bottom)


def from_zero(height: int, *series: Floats, dated: bool = True) -> Scale:
    """A linear scale that holds all finite values and zero."""
    return fitted(height, np.zeros(1), *series, dated=dated)


def marks(scale: Scale, label: Label, most: int = 6, unit: float = 1.0) -> tuple[ValueMark, ...]:
    """Round marks of a value axis that is read in multiples of `unit` (0.01 for percent); `label` gets the value in that unit
    and the decimals that its step needs."""
    low, high = scale.low / unit, scale.high / unit
    values = (log_ticks if scale.log else round_ticks)(low, high, most)
    decimals = round_step(low, high, most).decimals if not scale.log else _decimals(values)
    return tuple(ValueMark(scale.at(v * unit), label(v, decimals)) for v in values)


def money_label(value: float, decimals: int) -> str:
    """Money on an axis: 105,000 or 1.25m."""
    if abs(value) < _MILLION:
        return plain(value, decimals)
    return plain(value / _MILLION, 2).rstrip("0").rstrip(".") + "m"


def percent_label(value: float, decimals: int) -> str:
    """Percent on an axis, the value being percent already."""
    return (plain(value, decimals) if value else "0") + "%"


def beside(axis: TimeAxis, scale: Scale, named: Sequence[tuple[str, Floats, str]]) -> Html:
    """The names of two lines, written where they are furthest apart: pairs (name, values, colour class). Nothing where there
    is no room; the key names them too."""
    edges = buckets(axis.count, _STRETCHES)
    if len(edges) <= _LABEL + 2:
        return NOTHING
    heights = [scale.y(means(values[:, None], edges)[:, 0]) for _, values, _ in named]
    apart = np.convolve(heights[0] - heights[1], np.ones(_LABEL) / _LABEL, mode="valid")
    if not np.isfinite(apart).any():
        return NOTHING
    apart[: len(apart) // 8] = apart[-len(apart) // 8 :] = 0.0  # near the ends a name would be cut off on a telephone
    best = int(np.nanargmax(np.abs(apart)))
    if abs(float(apart[best])) < _GAP:
        return NOTHING
    x = percent_x(axis.edge(int(edges[best : best + _LABEL + 1].sum() / (_LABEL + 1))))
    upper = 0 if apart[best] < 0 else 1
    span = slice(int(edges[best]), int(edges[best + _LABEL]))
    over = float(np.nanmin(scale.y(named[upper][1][span]))) - 7
    under = float(np.nanmax(scale.y(named[1 - upper][1][span]))) + 16
    placed = ((named[upper], over, scale.top + 2 <= over), (named[1 - upper], under, under <= scale.bottom - 2))
    return join(_name(text, x, y, tone) for (text, _, tone), y, fits in placed if fits)


def _name(text: str, x: str, y: float, tone: str) -> Html:
    return tag("text", text, x=x, y=y, class_=f"name mid {tone}")


def _to_the_ends(axis: TimeAxis, at: Ints, y: Floats) -> tuple[Floats, Floats]:
    """Points of ticks, drawn on to both edges of the axis, so that one tick is a line too."""
    return np.concatenate(([0.0], axis.x(at), [WIDTH])), np.concatenate((y[:1], y, y[-1:]))


def stretched(axis: TimeAxis, edges: Ints) -> Floats:
    """Positions for values of stretches: the left end of the axis, the middle of each stretch, the right end."""
    x = edges * (WIDTH / axis.count)
    return np.concatenate((x[:1], (x[1:] + x[:-1]) / 2, x[-1:]))


def _decimals(values: Sequence[float]) -> int:
    return max((0, *(-math.floor(math.log10(v)) for v in values if v > 0)))
