"""Daily values that become known within a block of bars.

In: daily rows, in order. Out: the daily nodes' rows before the block and after each of them. There are few, so they are
stepped as in a live run; what is kept is what the bars of the block see of them.
"""

from __future__ import annotations

import numpy as np

from .bars import Bools, Floats, Ints
from .evaluate import Graph
from .kernels import Array
from .missing import missing_in


class Days:
    """The daily nodes of a graph, each a value of the market: a `cells.Slower`."""

    def __init__(self, graph: Graph, most: int) -> None:
        self._graph = graph
        self._most = most
        self._count = 0
        nodes = [index for index, clock in enumerate(graph.clocks) if self.has(clock)]
        self._blocks = {node: np.zeros((most + 1, len(graph.rows[node])), graph.rows[node].dtype) for node in nodes}
        self._ready: list[dict[int, Bools]] = []

    def begin(self) -> None:
        """What is known before the block."""
        self._count = 0
        self._ready.clear()
        self._keep()

    def step(self, series: str, values: Floats) -> None:
        """A daily row, values in the order of FIELDS; one of a series that no node reads changes nothing."""
        if series in self._graph.series():
            self._graph.step_daily(series, values)
        self._count += 1
        self._keep()

    def _keep(self) -> None:
        ready: dict[int, Bools] = {}
        for node, block in self._blocks.items():
            row, kernel = self._graph.rows[node], self._graph.kernels[node]
            block[self._count] = row
            # asked where a value is missing, and only there
            if kernel is not None and missing_in(row)[0]:
                ready[node] = kernel.ready()
        self._ready.append(ready)

    def has(self, clock: str) -> bool:
        return clock.startswith("1d:")

    def want(self, node: int) -> None:
        """All of them are kept."""

    def block(self, node: int) -> Array:
        return self._blocks[node]

    def values(self, node: int, steps: Ints, at: Ints) -> Array:
        rows: Array = self._blocks[node][steps, at]
        return rows

    def ready(self, node: int, steps: Ints, at: Ints) -> Bools:
        seen = np.ones(1, np.bool_)
        rows: Bools = np.array([ready.get(node, seen) for ready in self._ready])[steps, at]
        return rows
