"""The average daily volume, for worlds that limit an order by it (`orders: {max_volume: ...}`).

In: the graph of such a world. Out: one more node, shown as the feature `program.VOLUME`. It is a node like any other, so its warm-up counts
and a backtest sees what a run sees; a world without the limit has no such node and the program that it always had.

The average is over the bars of 20 full sessions, 60m ones because they are the fewest: `sma(volume, 140)@60m * 7`. Each symbol counts
its own bars, so a half day makes the window a little longer and no other; of a quiet symbol, which lacks bars, the average is
taken from bars with trades only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .graph import Graph
from .model import Settings

_SESSIONS: Final = 20
_RATE: Final = "60m"
#: 60m bars of a full session
_BARS: Final[Mapping[str, int]] = MappingProxyType({"XNYS": 7})


def needs_volume(settings: Settings) -> bool:
    """Whether a world limits its orders by volume."""
    return settings.orders.max_volume is not None


def average_volume(graph: Graph, settings: Settings) -> int:
    """The draft of the average daily volume of each symbol, in shares."""
    bars = _BARS[settings.calendar]
    volume = graph.series("volume", _RATE)
    mean = graph.add("sma", (volume,), _SESSIONS * bars, rate=_RATE)
    return graph.add("mul", (mean, graph.const(float(bars))))
