"""Why a value is missing, found only when somebody asks.

In: the graph, a node, the columns in which it is missing. Out: a reason code per column, by walking back to the first
missing argument. Nodes that are known cost nothing; there is no second, always-on column of reasons.
"""

from __future__ import annotations

import numpy as np

from .bars import Bools, Codes, Ints
from .evaluate import MARKET, Graph
from .kernels import PARTIAL, STATEFUL, Array
from .reasons import Reason


def missing_in(row: Array) -> Bools:
    """Where a row holds no value: NaN, or an unknown truth."""
    missing: Bools = row == 1 if row.dtype == np.uint8 else np.isnan(row)
    return missing


def reasons_for(graph: Graph, node: int, symbols: Ints) -> Codes:
    """Reason codes, uint8 [symbols], for universe columns in which `node` is missing; NONE where it is not."""
    return _Walk(graph, symbols).reasons(node)


class _Walk:
    """One question to the graph about some symbols. Answers are kept per node: many nodes share their inputs."""

    def __init__(self, graph: Graph, symbols: Ints) -> None:
        self._graph = graph
        self._symbols = symbols
        self._found: dict[int, Codes] = {}

    def reasons(self, index: int) -> Codes:
        found = self._found.get(index)
        if found is None:
            found = self._found[index] = self._reasons(index)
        return found

    def _reasons(self, index: int) -> Codes:
        node = self._graph.nodes[index]
        at = self._positions(index)
        missing = missing_in(self._graph.rows[index])[at]
        codes = np.zeros(len(at), dtype=np.uint8)
        for arg in node.args:
            if not np.any(missing & (codes == 0)):
                return codes
            np.copyto(codes, self._of_argument(index, arg), where=missing & (codes == 0))
        own = np.flatnonzero(missing & (codes == 0))
        codes[own] = self._own(index, at[own])
        return codes

    def _of_argument(self, index: int, arg: int) -> Codes:
        node, source = self._graph.nodes[index], self._graph.nodes[arg]
        if node.scope == MARKET and source.scope != MARKET:
            # nobody has a value: any symbol's reason is the market's
            first = np.array([source.columns[0] if source.columns else 0])
            return np.repeat(reasons_for(self._graph, arg, first), len(self._symbols))
        return self.reasons(arg)

    def _own(self, index: int, at: Ints) -> Codes:
        """The node itself has no value although its arguments have one."""
        node, kernel = self._graph.nodes[index], self._graph.kernels[index]
        if node.op == "input":
            return np.full(len(at), Reason.NO_DATA, dtype=np.uint8)
        if node.op in PARTIAL:
            return np.full(len(at), Reason.DIV0, dtype=np.uint8)
        if node.op in STATEFUL and kernel is not None:
            ready = kernel.ready()[at]
            return np.where(ready, np.uint8(Reason.DIV0), np.uint8(Reason.WARMING))
        return np.full(len(at), Reason.WARMING, dtype=np.uint8)

    def _positions(self, index: int) -> Ints:
        """Universe columns as positions in the node's row."""
        node = self._graph.nodes[index]
        if node.scope == MARKET:
            return np.zeros(len(self._symbols), dtype=np.int64)
        if node.columns is None:
            return self._symbols
        # a symbol beside the node's columns is one that no reader of it asks about: any position will do
        at = np.searchsorted(np.asarray(node.columns), self._symbols)
        return np.minimum(at, len(node.columns) - 1).astype(np.int64)
