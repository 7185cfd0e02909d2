"""The frame that all charts share: caption, key, value axis, time axis, and the drawing between them.

In: a `Chart`, its paths in units of the time axis across and pixels down. Out: a `<figure>`. The drawing is stretched to the
screen's width, its strokes and its letters are not, so one chart serves a telephone and a wall without a script.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Floats
from .markup import NOTHING, Child, Html, join, tag
from .timeaxis import WIDTH, TimeAxis, TimeMark

_TOP: Final = 10
_FOOT: Final = 24


@dataclass(frozen=True, slots=True)
class Key:
    """One entry of a chart's key: how it is drawn ("line", "dash" or "fill"), in which colour class, its name and its value."""

    shape: str
    tone: str
    name: str
    value: Child = NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class Readout:
    """What the crosshair tells: `unit` money, percent, change, share or count; `values` [probes] of the time axis."""

    name: str
    unit: str
    values: Floats


@dataclass(frozen=True, slots=True)
class ValueMark:
    """A labelled height."""

    y: float
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """Everything that is drawn. `about` is the alternative text; `drawing` stands in stretched units, `notes` in percent across
    and pixels down; `base` is the height of a line that stands out, such as zero."""

    id: str
    title: str
    subtitle: Child
    about: str
    height: int
    marks: tuple[ValueMark, ...]
    keys: tuple[Key, ...]
    drawing: Html
    readouts: tuple[Readout, ...]
    notes: Html = NOTHING
    base: float | None = None
    dated: bool = True


@dataclass(frozen=True, slots=True)
class Scale:
    """Values to pixels down; `log` for a ratio scale. `low` < `high` fill the room between `top` and `bottom`."""

    low: float
    high: float
    top: float
    bottom: float
    log: bool = False

    def y(self, values: Floats) -> Floats:
        """Pixels of values, NaN for NaN."""
        if self.log:
            share = np.log(values / self.low) / np.log(self.high / self.low)
        else:
            share = (values - self.low) / (self.high - self.low)
        found: Floats = self.bottom - share * (self.bottom - self.top)
        return found

    def at(self, value: float) -> float:
        """Pixel of one value."""
        return float(self.y(np.array([value]))[0])


def room(height: int, *, dated: bool = True) -> tuple[float, float]:
    """Top and bottom of the part of a chart in which values stand."""
    return float(_TOP), float(height - (_FOOT if dated else _TOP))


def widened(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    """A range with some air; one that has no extent gets one."""
    if not low < high:
        low, high = low - (abs(low) or 1.0) * 0.01, high + (abs(high) or 1.0) * 0.01
    air = (high - low) * share
    return low - air, high + air


def draw(chart: Chart, axis: TimeAxis) -> Html:
    """The figure of a chart."""
    caption = tag("figcaption", tag("h3", chart.title), tag("p", chart.subtitle, class_="sub"), _keys(chart.keys))
    drawing = tag(
        "svg", chart.drawing,
        viewBox=f"0 0 {WIDTH} {chart.height}", width="100%", height=chart.height, preserveAspectRatio="none", class_="drawn",
    )  # fmt: skip
    data = tag(
        "svg", tag("title", chart.title, id=f"{chart.id}-title"), tag("desc", chart.about, id=f"{chart.id}-about"),
        _rules(chart, axis), drawing, chart.notes, _dates(chart, axis),
        role="img", aria_labelledby=f"{chart.id}-title {chart.id}-about", width="100%", height=chart.height, class_="data",
    )  # fmt: skip
    side = tag("svg", _values(chart), aria_hidden="true", width=60, height=chart.height, class_="scale")
    plot = tag("div", data, side, class_="plot", data_chart=chart.id)
    return tag("figure", caption, plot, class_="chart" + ("" if chart.dated else " undated"), id=chart.id)


def trace(x: Floats, y: Floats) -> str:
    """Path data of a line through points, broken where y is not finite."""
    parts, open_ = [], False
    for across, down in zip(x.tolist(), y.tolist(), strict=True):
        if down - down != 0:  # NaN or infinite
            open_ = False
            continue
        parts.append(f"{'L' if open_ else 'M'}{across:.1f},{down:.1f}")
        open_ = True
    return "".join(parts)


def path(data: str, class_: str) -> Html:
    """A stroke or a fill of the drawing."""
    return tag("path", d=data, class_=class_)


def percent_x(x: float) -> str:
    """A position of the time axis as the percentage that stands outside of the stretched drawing."""
    return f"{x * 100 / WIDTH:.2f}%"


def _keys(keys: tuple[Key, ...]) -> Html:
    rows = (
        tag("li", swatch(key), " ", tag("span", key.name, class_="what"), *((" ", tag("b", key.value)) if key.value != NOTHING else ()))
        for key in keys
    )  # fmt: skip
    return tag("ul", *rows, class_="keys") if keys else NOTHING


def swatch(key: Key) -> Html:
    """A small sample of how a series is drawn."""
    if key.shape == "fill":
        shape = tag("rect", width=14, height=11, y=1, class_=key.tone)
    else:
        shape = tag("line", x1=0, x2=18, y1=6, y2=6, class_=f"{key.tone} {key.shape}")
    return tag("svg", shape, width=14 if key.shape == "fill" else 18, height=12, aria_hidden="true", class_="swatch")


def _rules(chart: Chart, axis: TimeAxis) -> Html:
    across = [tag("line", x1=0, x2="100%", y1=m.y, y2=m.y) for m in chart.marks]
    _, bottom = room(chart.height, dated=chart.dated)
    down = [
        tag(
            "line",
            x1=percent_x(m.x),
            x2=percent_x(m.x),
            y1=0,
            y2=bottom + (5 if chart.dated else _TOP),
            class_=f"r{m.rank}",
        )
        for m in axis.marks
    ]
    base = [] if chart.base is None else [tag("line", x1=0, x2="100%", y1=chart.base, y2=chart.base, class_="base")]
    return tag("g", *across, *down, *base, class_="grid")


def _dates(chart: Chart, axis: TimeAxis) -> Html:
    if not chart.dated:
        return NOTHING
    labels = (
        tag("text", m.label, x=percent_x(m.x), y=chart.height - 5, class_=f"r{m.rank} {_anchor(m)}") for m in axis.marks
    )
    return tag("g", *labels, class_="dates", aria_hidden="true")


def _anchor(mark: TimeMark) -> str:
    """Labels at the ends are kept inside; those of a narrow screen take a larger part of it."""
    edge = WIDTH * (0.06 if mark.rank == 0 else 0.02)
    return "from" if mark.x < edge else "to" if mark.x > WIDTH - edge else "mid"


def _values(chart: Chart) -> Html:
    return join(tag("text", m.label, x=8, y=m.y + 4) for m in chart.marks)
