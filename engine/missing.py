"""Why a value is missing, found only when somebody asks.

In: rows of the graph's nodes, now or over a block of time, and a node with the places in which it is missing. Out: a reason
code per place, by walking back to the first missing argument. Nodes that are known cost nothing; there is no second,
always-on column of reasons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .bars import Bools, Codes, Ints
from .evaluate import MARKET, Graph
from .kernels import PARTIAL, STATEFUL, Array
from .reasons import Reason


class Rows(Protocol):
    """Where a walk reads. `at` are positions in a node's row, one for each place that was asked about."""

    @property
    def graph(self) -> Graph: ...

    def values(self, index: int, at: Ints) -> Array:
        """Values of a node."""
        ...

    def ready(self, index: int, at: Ints) -> Bools:
        """Whether a node with a memory had seen enough."""
        ...


@dataclass(frozen=True, slots=True)
class LastRows:
    """The rows as they are now."""

    graph: Graph

    def values(self, index: int, at: Ints) -> Array:
        row: Array = self.graph.rows[index][at]
        return row

    def ready(self, index: int, at: Ints) -> Bools:
        kernel = self.graph.kernels[index]
        return np.ones(len(at), np.bool_) if kernel is None else kernel.ready()[at]


def missing_in(row: Array) -> Bools:
    """Where a row holds no value: NaN, or an unknown truth."""
    missing: Bools = row == 1 if row.dtype == np.uint8 else np.isnan(row)
    return missing


def reasons_for(rows: Rows, node: int, symbols: Ints) -> Codes:
    """Reason codes, uint8 [places], for the universe's column of each place that `rows` reads; NONE where `node` is known."""
    return _Walk(rows, symbols).reasons(node)


class _Walk:
    """One question to the graph about some symbols. Answers are kept per node: many nodes share their inputs."""

    def __init__(self, rows: Rows, symbols: Ints) -> None:
        self._rows = rows
        self._nodes = rows.graph.nodes
        self._symbols = symbols
        self._found: dict[int, Codes] = {}

    def reasons(self, index: int) -> Codes:
        found = self._found.get(index)
        if found is None:
            found = self._found[index] = self._reasons(index)
        return found

    def _reasons(self, index: int) -> Codes:
        at = self._positions(index)
        missing = missing_in(self._rows.values(index, at))
        codes = np.zeros(len(at), dtype=np.uint8)
        for arg in self._nodes[index].args:
            if not np.any(missing & (codes == 0)):
                return codes
            np.copyto(codes, self._of_argument(index, arg), where=missing & (codes == 0))
        own = missing & (codes == 0)
        if own.any():
            np.copyto(codes, self._own(index, at), where=own)
        return codes

    def _of_argument(self, index: int, arg: int) -> Codes:
        node, source = self._nodes[index], self._nodes[arg]
        if node.scope == MARKET and source.scope != MARKET:
            # nobody has a value: any symbol's reason is the market's
            first = source.columns[0] if source.columns else 0
            return reasons_for(self._rows, arg, np.full(len(self._symbols), first))
        return self.reasons(arg)

    def _own(self, index: int, at: Ints) -> Codes:
        """The node itself has no value although its arguments have one."""
        op = self._nodes[index].op
        if op == "input":
            return np.full(len(at), Reason.NO_DATA, dtype=np.uint8)
        if op in PARTIAL:
            return np.full(len(at), Reason.DIV0, dtype=np.uint8)
        if op in STATEFUL:
            return np.where(self._rows.ready(index, at), np.uint8(Reason.DIV0), np.uint8(Reason.WARMING))
        return np.full(len(at), Reason.WARMING, dtype=np.uint8)

    def _positions(self, index: int) -> Ints:
        """Universe columns as positions in the node's row."""
        node = self._nodes[index]
        if node.scope == MARKET:
            return np.zeros(len(self._symbols), dtype=np.int64)
        if node.columns is None:
            return self._symbols
        # a symbol beside the node's columns is one that no reader of it asks about: any position will do
        at = np.searchsorted(np.asarray(node.columns), self._symbols)
        return np.minimum(at, len(node.columns) - 1).astype(np.int64)
