"""What a layer of blocks is made of, before anything runs: cells, and who reads them until when.

In: nodes, added in the order of the graph. Out: `Cells`: one for every block of values that is needed, with the memory it
stands in. It stands apart from `layer` because all of this is settled once per program.

A cell is one block of values: of an input, of a node, of some columns of either, or of a slower clock's node spread over
this clock's rows. Cells that nobody reads any more lend their memory to later ones, so that most of what is read was
written a moment ago (unless all are kept), and a cell that a window is made of stands in the window's own buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np

from qmtl.dsl.program import Node

from .bars import Bools, Ints
from .evaluate import MARKET, Graph, Place, place_of, within
from .kernels import CROSS_OPS, WINDOWED, Array, Kernel, Window, WindowKernel


class Slower(Protocol):
    """Nodes of a slower clock over the same block. Step 0 is what was known before it."""

    def has(self, clock: str) -> bool:
        """Whether it computes nodes of this clock."""
        ...

    def want(self, node: int) -> None:
        """Some layer reads this node."""
        ...

    def block(self, node: int) -> Array:
        """Rows of a node that is wanted, [steps, columns], filled as the block runs."""
        ...

    def values(self, node: int, steps: Ints, at: Ints) -> Array:
        """Values of any node at some steps and positions."""
        ...

    def ready(self, node: int, steps: Ints, at: Ints) -> Bools:
        """Whether a node with a memory had seen enough."""
        ...


@dataclass(slots=True)
class Reading:
    """How a layer reads a slower clock: `index` is the step that each of its rows sees, `spans` say the same as (step less
    the first, first row, the row after the last)."""

    slower: Slower
    index: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    spans: list[tuple[int, int, int]] = field(default_factory=list)

    def take(self, index: Ints) -> None:
        """The steps of the next run."""
        self.index = index
        cuts = [0, *(np.flatnonzero(index[1:] != index[:-1]) + 1).tolist(), len(index)]
        first = int(index[0])
        self.spans = [(int(index[low]) - first, low, high) for low, high in pairwise(cuts)]


@dataclass(frozen=True, slots=True)
class Stairs:
    """Rows of a slower clock's node as a layer sees them: each for some of its rows."""

    node: int
    reading: Reading

    def rows(self) -> Array:
        """The rows that are read, as `Reading.spans` counts them."""
        index = self.reading.index
        rows: Array = self.reading.slower.block(self.node)[index[0] : index[-1] + 1]
        return rows

    def all(self) -> Array:
        """A row for every row of the block."""
        rows: Array = self.reading.slower.block(self.node)[self.reading.index]
        return rows


#: a cell by its number, one row for all rows of a block, or the rows of a slower clock's node
Source = int | Array | Stairs
Way = Literal["input", "spread", "pick", "kernel"]


@dataclass(slots=True)
class Cell:
    """One block of values. `at`: columns taken of the source; `window`: the one that stands where the cell stands; `last`: the
    last cell that reads it."""

    node: int
    way: Way
    width: int
    kind: np.dtype[np.generic]
    sources: tuple[Source, ...] = ()
    at: Ints | None = None
    window: Window | None = None
    last: int = -1


class Cells:
    """The cells of one clock's nodes.

    all      in the order in which they are computed
    of_node  the cell that has a node's row;  own  that of its kernel, which is wider where a node needs some columns only
    fills    cell -> windows that are filled from it as soon as it is there (-1 = from what does not change in a block)
    windows  all of them, with the place whose columns they hold
    """

    def __init__(self, graph: Graph, clock: str, most: int, slower: Sequence[Slower]) -> None:
        self.all: list[Cell] = []
        self.of_node: dict[int, int] = {}
        self.own: dict[int, int] = {}
        self.fills: dict[int, list[tuple[Window, Source]]] = {}
        self.windows: list[tuple[Window, Place]] = []
        self.readings = tuple(Reading(one) for one in slower)
        self._graph = graph
        self._clock = clock
        self._most = most
        self._lead = int(clock != "15m")  # the step before the block, for those who read it from a faster clock
        self._derived: dict[tuple[str, int, tuple[int, ...] | None], int] = {}
        for index, node in enumerate(graph.nodes):
            if graph.clocks[index] == clock:
                self._add(index, node)

    def taken(self, nodes: Sequence[int]) -> tuple[int, tuple[Source, ...]]:
        """Sources of an output: the cell after which all of `nodes` are there, and where their rows are."""
        sources = []
        for node in nodes:
            reading = self._reading(node)
            if reading is not None:
                reading.slower.want(node)
            sources.append(self._source(node, None) if reading is None else Stairs(node, reading))
        at = max((source for source in sources if isinstance(source, int)), default=-1)
        self._use(sources, at)
        return at, tuple(sources)

    def memory(self, *, keep: bool) -> list[Array]:
        """A block for every cell, [most, columns], one row longer where a faster clock reads; `keep`: none is used twice."""
        free: dict[tuple[int, str], list[Array]] = {}
        ends: dict[int, list[int]] = {}
        blocks: list[Array] = []
        for index, cell in enumerate(self.all):
            if cell.window is not None:
                blocks.append(cell.window.slot(self._most))
                continue
            spare = free.get((cell.width, cell.kind.str))
            blocks.append(spare.pop() if spare else np.zeros((self._most + self._lead, cell.width), cell.kind))
            ends.setdefault(max(cell.last, index), []).append(index)
            for done in () if keep else ends.pop(index, ()):
                free.setdefault((self.all[done].width, self.all[done].kind.str), []).append(blocks[done])
        return blocks

    def _add(self, index: int, node: Node) -> None:
        if node.op == "input":
            width = self._graph.width if node.columns is None else len(node.columns)
            self.of_node[index] = self._cell(Cell(index, "input", width, np.dtype(np.float64)))
            return
        kernel, across = kernel_of(self._graph, index), node.op in CROSS_OPS
        sources = tuple(self._source(arg, None if across else node) for arg in node.args)
        at = self.own[index] = self._cell(Cell(index, "kernel", len(kernel.out), kernel.out.dtype, sources))
        if node.op in WINDOWED:
            self._window(index, node, sources[0])
        else:
            self._use(sources, at)
        source = self._graph.nodes[node.args[0]]
        if across and node.scope != MARKET and node.columns != source.columns:
            at = self._pick(at, index, within(node.columns, source))
        self.of_node[index] = at

    def _window(self, index: int, node: Node, source: Source) -> None:
        """The window that a node reads is filled as soon as its source is there."""
        place, kernel = place_of(node), self._graph.kernels[index]
        window = self._graph.windows[node.args[0], place]
        assert isinstance(kernel, WindowKernel), f"{node.op} reads a window"
        kernel.reserve(self._most)
        if (window, place) in self.windows:
            return
        self.windows.append((window, place))
        if isinstance(source, int) and not self._lead and self.all[source].width > 1:
            self.all[source].window = window  # it is written right there
        else:
            at = source if isinstance(source, int) else -1
            self.fills.setdefault(at, []).append((window, source))

    def _reading(self, node: int) -> Reading | None:
        clock = self._graph.clocks[node]
        return next((reading for reading in self.readings if reading.slower.has(clock)), None)

    def _source(self, arg: int, reader: Node | None) -> Source:
        """The argument in the columns of its reader (None = all that it has)."""
        graph, source = self._graph, self._graph.nodes[arg]
        same = reader is None or MARKET in {source.scope, reader.scope} or source.columns == reader.columns
        columns = None if same or reader is None else within(reader.columns, source)
        if graph.clocks[arg] == self._clock:
            return self.of_node[arg] if columns is None else self._pick(self.of_node[arg], arg, columns)
        reading = self._reading(arg)
        if reading is None:
            return graph.rows[arg]  # a constant: one row for all
        if ("spread", arg, columns) not in self._derived:
            reading.slower.want(arg)
            at = None if columns is None else np.array(columns, dtype=np.int64)
            width = len(graph.rows[arg]) if at is None else len(at)
            cell = Cell(arg, "spread", width, graph.rows[arg].dtype, (Stairs(arg, reading),), at)
            self._derived["spread", arg, columns] = self._cell(cell)
        return self._derived["spread", arg, columns]

    def _pick(self, base: int, node: int, columns: tuple[int, ...]) -> int:
        """A cell with some columns of another."""
        if ("pick", base, columns) not in self._derived:
            at = np.array(columns, dtype=np.int64)
            picked = self._cell(Cell(node, "pick", len(at), self.all[base].kind, (base,), at))
            self._derived["pick", base, columns] = picked
            self._use((base,), picked)
        return self._derived["pick", base, columns]

    def _cell(self, cell: Cell) -> int:
        self.all.append(cell)
        return len(self.all) - 1

    def _use(self, sources: Sequence[Source], reader: int) -> None:
        for source in sources:
            if isinstance(source, int):
                self.all[source].last = max(self.all[source].last, reader)


def kernel_of(graph: Graph, node: int) -> Kernel:
    """The kernel of a node that has one."""
    kernel = graph.kernels[node]
    assert kernel is not None, "inputs and constants have no kernel, and nobody asks for one"
    return kernel
