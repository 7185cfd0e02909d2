"""All that `observe` remembers, in one place: what a snapshot holds and a restart puts back.

In: a program and a calendar. Out: a fresh memory, as of before the first bar. `observe` moves it on, `transfer` carries
it over.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qmtl.dsl.program import Program

from .bars import Ints
from .bars60 import HourBars
from .calendar import SessionCalendar
from .evaluate import Graph


@dataclass(slots=True)
class Memory:
    """Nodes and their kernels, the open hour, and where time stands.

    bar_start, bar_end  of the newest 15m bar (0 = none yet);  known_at  of the newest row of any kind
    days      series -> ISO day of its newest row
    last_end  rate -> end of each symbol's last bar, int64 [symbols], 0 = none
    """

    program: Program
    calendar: SessionCalendar
    graph: Graph
    hours: HourBars
    last_end: dict[str, Ints]
    bar_start: int = 0
    bar_end: int = 0
    known_at: int = 0
    days: dict[str, str] = field(default_factory=dict)


def blank(program: Program, calendar: SessionCalendar) -> Memory:
    """A memory before the first bar."""
    width = len(program.settings.universe)
    ends = {rate: np.zeros(width, dtype=np.int64) for rate in ("15m", "60m")}
    return Memory(program, calendar, Graph(program.nodes, width), HourBars(calendar, width), ends)
