"""Shares that lie on each other: a stacked band over the time axis, each layer with its name written in its widest place.

In: shares over all ticks. Out: paths and labels. Layers are means of short stretches of ticks (of sessions, once there are
many), because a share that flickers between two bars is not what a reader asks about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Floats, Ints
from .lines import stretched
from .markup import NOTHING, Html, join, tag
from .plot import Scale, path, percent_x
from .thin import buckets, means, runs
from .ticks import periods
from .timeaxis import WIDTH, TimeAxis

#: from so many sessions on a stretch is a session
_SESSIONS: Final = 60
_LETTER: Final = 11.0
#: width of a letter in units of the axis, on a screen of middling width and on a telephone
_LETTER_WIDTH: Final = 11.0
_NARROW_LETTER: Final = 25.0
#: pixels that a layer must have for a name
_THICK: Final = 22.0


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """Layers from the bottom up. `edges` of the stretches in ticks; `shares` [stretches, K], NaN where nothing is known;
    `tops` [stretches, K + 1] running sums, the first column 0."""

    edges: Ints
    shares: Floats
    tops: Floats


def stretches(axis: TimeAxis, most: int) -> tuple[str, Ints]:
    """Edges of the stretches that layers are averaged over, at most `most`, and what one is called: a session, week or month
    once there are many, nothing in particular before."""
    if len(axis.starts) < _SESSIONS:
        return "", buckets(axis.count, most)
    unit, first = periods(axis.days, most)
    return unit, np.append(axis.starts[first], axis.count)


def stacked(shares: Floats, edges: Ints) -> Stack:
    """Layers of shares [T, K]."""
    found = means(shares, edges)
    tops = np.concatenate((np.zeros((len(found), 1)), found.cumsum(axis=1)), axis=1)
    return Stack(edges, found, tops)


def layers(axis: TimeAxis, scale: Scale, stack: Stack, tones: Sequence[str]) -> Html:
    """One filled path per layer, with a thin line of paper between them."""
    known = runs(np.isfinite(stack.tops[:, -1]))
    parts = []
    for layer, tone in enumerate(tones):
        data = "".join(_piece(axis, scale, stack, (layer, *run)) for run in known)
        if data:
            parts.append(path(data, f"band {tone}"))
    return join(parts)


def labels(
    axis: TimeAxis, scale: Scale, stack: Stack, names: Sequence[tuple[str, str]], *, around: Floats | None = None
) -> Html:  # fmt: skip
    """(name, tone) of each layer written where it is thick for long enough, above or below the line `around` [stretches] that
    lies over the layers; a layer that never is has its name in the key."""
    rims = scale.y(stack.tops)
    found = []
    for layer, name in enumerate(names):
        above, below = rims[:, layer + 1], rims[:, layer]
        rooms = [(above, below)]
        if around is not None:
            cut = scale.y(around)
            rooms = [(above, np.minimum(below, cut)), (np.maximum(above, cut), below)]
        found.append(_label(axis, stack, rooms, name))
    return join(found)


def at_probes(axis: TimeAxis, stack: Stack) -> Floats:
    """[probes, K] shares of the stretch that each probe stands in."""
    found: Floats = stack.shares[np.searchsorted(stack.edges, axis.probes, side="right") - 1]
    return found


def _piece(axis: TimeAxis, scale: Scale, stack: Stack, of: tuple[int, int, int]) -> str:
    """Outline of one layer over the stretches start:stop: its top from left to right and its bottom back."""
    layer, start, stop = of
    x = stretched(axis, stack.edges[start : stop + 1])
    above, below = (
        scale.y(np.concatenate((rim[:1], rim, rim[-1:])))
        for rim in (stack.tops[start:stop, layer + 1], stack.tops[start:stop, layer])
    )
    if not (above < below).any():
        return ""
    points = [*zip(x.tolist(), above.tolist(), strict=True), *zip(x[::-1].tolist(), below[::-1].tolist(), strict=True)]
    return "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in points) + "Z"


def _label(axis: TimeAxis, stack: Stack, rooms: Sequence[tuple[Floats, Floats]], name: tuple[str, str]) -> Html:
    """The name where it fits even on a telephone, else where it fits on a wide screen and is hidden on a narrow one."""
    for letter, class_ in ((_NARROW_LETTER, ""), (_LETTER_WIDTH, " r1")):
        window = max(1, round((len(name[0]) + 1) * letter / WIDTH * len(stack.shares)))
        if window > len(stack.shares):
            continue
        free, start, middle = max((_widest(above, below, window) for above, below in rooms), key=lambda place: place[0])
        if free >= _THICK:
            ticks = (float(stack.edges[start]) + float(stack.edges[start + window])) / 2
            x, y = percent_x(ticks * WIDTH / axis.count), middle + _LETTER / 2 - 2
            return tag("text", name[0], x=x, y=y, class_=f"name mid {name[1]}{class_}")
    return NOTHING


def _widest(above: Floats, below: Floats, window: int) -> tuple[float, int, float]:
    """Slides a window over a room, given as its rims, to the place whose thinnest part is thickest: its height, the first
    stretch of the window, the middle of what is free there."""
    views = np.lib.stride_tricks.sliding_window_view
    top = views(np.nan_to_num(above, nan=np.inf), window).max(axis=1)
    bottom = views(np.nan_to_num(below, nan=-np.inf), window).min(axis=1)
    best = int((bottom - top).argmax())
    if not (np.isfinite(top[best]) and np.isfinite(bottom[best])):
        return -np.inf, best, 0.0  # nothing is known there
    return float(bottom[best] - top[best]), best, float(top[best] + bottom[best]) / 2
