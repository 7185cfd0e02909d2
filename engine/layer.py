"""The nodes of one clock over blocks of rows: the graph's kernels, rows and windows, many rows at a time.

In: the graph, and the bars of a block. Out: every node's rows of the block, handed to whoever asked for them as soon as they
are there. It stands beside the graph and not in it: stepping needs none of this.

What is called for a block of n rows, with which views of which memory, is settled once per n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from .bars import FIELDS, Bools, Floats, Ints
from .cells import Cell, Cells, Slower, Source, Stairs, kernel_of
from .evaluate import GIVEN, Graph, Place, place_of, series_of
from .kernels import Active, Array
from .kernels.block import Run, Scratch
from .kernels.blocks import Plain, over

Act = Callable[[], object]
Masks = Mapping[Place, Active | None]
#: a node's rows of a block, [rows, columns], or one row for all of them, or those of a slower clock
Values = Array | Stairs


class Output(Protocol):
    """Somebody who takes rows of nodes out of a block."""

    @property
    def nodes(self) -> tuple[int, ...]: ...

    def bind(self, values: Sequence[Values], count: int, scratch: Scratch) -> Act:
        """What is done once the rows of `nodes` are there; `values` in their order."""
        ...


@dataclass(slots=True)
class Plan:
    """What is called for a block of so many rows: when all columns advance, and when some do not."""

    quick: list[Act] = field(default_factory=list)
    masked: list[Callable[[Masks], object]] = field(default_factory=list)
    runs: dict[int, Run] = field(default_factory=dict)
    views: list[Array] = field(default_factory=list)

    def add(self, act: Act) -> None:
        """Something that does not ask who advances."""
        self.quick.append(act)
        self.masked.append(lambda _masks: act())


class Layer:
    """One clock. `slower` are the clocks that its nodes read; with `keep` every node's rows last until the next run. For a
    faster clock it is a `cells.Slower` itself."""

    def __init__(self, graph: Graph, clock: str, most: int, slower: Sequence[Slower], *, keep: bool = False) -> None:
        self.graph = graph
        self.clock = clock
        self.cells = Cells(graph, clock, most, slower)
        self.readings = self.cells.readings
        self._values: Floats = np.empty((0, len(FIELDS), graph.width))
        self._masks: Masks | None = None
        self._outputs: dict[int, list[tuple[Output, tuple[Source, ...]]]] = {}
        self._lead = int(clock != "15m")
        self._keep = keep or bool(self._lead)
        self._wanted: set[int] = set()
        self._blocks: list[Array] = []
        self._plans: dict[int, Plan] = {}
        self._scratch = Scratch()
        self._plan = Plan()

    def add_outputs(self, outputs: Sequence[Output]) -> None:
        """Settle who takes what; before the first run."""
        for output in outputs:
            at, sources = self.cells.taken(output.nodes)
            self._outputs.setdefault(at, []).append((output, sources))

    def fields(self) -> tuple[int, ...]:
        """Fields of the bars that its nodes read."""
        names = {series_of(self.graph.nodes[cell.node])[1] for cell in self.cells.all if cell.way == "input"}
        return tuple(FIELDS.index(name) for name in FIELDS if name in names)

    # -- a block: begin, run as often as need be, commit ---------------------------------------------------------------

    def begin(self) -> None:
        """Put windows in place, and the last rows where a faster clock reads them."""
        if not self._blocks:
            self._blocks = self.cells.memory(keep=self._keep)
        for window, _ in self.cells.windows:
            window.settle()
        if self._lead:
            for node in self._wanted:
                np.copyto(self.block(node)[0], self.graph.rows[node])

    def run(self, values: Floats, indexes: Sequence[Ints], masks: Masks | None) -> None:
        """Compute the rows of bars [rows, 5, symbols]; `indexes` say which step of each slower clock each row sees, `masks` who
        advances, None = everybody. Nothing is remembered before `commit`."""
        self._values, self._masks = values, masks
        for reading, index in zip(self.readings, indexes, strict=True):
            reading.take(index)
        self._plan = self._plans.get(len(values)) or self._bind(len(values))
        if masks is None:
            for act in self._plan.quick:
                act()
        else:
            for step in self._plan.masked:
                step(masks)

    def commit(self) -> None:
        """Leave kernels, windows and rows of the graph as stepping the rows of the last `run` would have, but for `late` rows."""
        plan, graph, masks = self._plan, self.graph, self._masks
        for node, run in plan.runs.items():
            run.commit(None if masks is None else masks[graph.places[node]])
        for window, place in self.cells.windows:
            window.take(len(self._values), None if masks is None else masks[place])
        if self._lead:
            for node in plan.runs:
                if node not in graph.late or node in self._wanted:
                    np.copyto(kernel_of(graph, node).out, plan.views[self.cells.own[node]][-1])

    # -- what others read ----------------------------------------------------------------------------------------------

    def has(self, clock: str) -> bool:
        return clock == self.clock

    def want(self, node: int) -> None:
        self._wanted.add(node)

    def block(self, node: int) -> Array:
        if not self._blocks:
            self._blocks = self.cells.memory(keep=self._keep)
        return self._blocks[self.cells.of_node[node]]

    def values(self, node: int, steps: Ints, at: Ints) -> Array:
        if not self._lead:
            rows: Array = self._plan.views[self.cells.of_node[node]]
            return rows[steps, at]
        # what was known before the block the graph still has
        values: Array = self.graph.rows[node][at]
        inside = steps > 0
        if inside.any():
            rows = self._plan.views[self.cells.of_node[node]]
            values[inside] = rows[steps[inside] - 1, at[inside]]
        return values

    def ready(self, node: int, steps: Ints, at: Ints) -> Bools:
        before = kernel_of(self.graph, node).ready()[at]  # nothing was committed yet
        inside = steps >= self._lead
        active = None if self._masks is None else self._masks[self.graph.places[node]]
        if active is not None:
            inside = inside & active.mask[at]
        if not inside.any():
            return before
        rows = self._plan.runs[node].ready()
        after = np.ones(len(at), np.bool_) if rows is None else rows[np.maximum(steps - self._lead, 0), at]
        return np.where(inside, after, before)

    # -- binding -------------------------------------------------------------------------------------------------------

    def _bind(self, count: int) -> Plan:
        plan = Plan(views=[block[self._lead : self._lead + count] for block in self._blocks])
        self._follow(plan, -1, count)
        for index, cell in enumerate(self.cells.all):
            if cell.way == "kernel":
                self._bind_kernel(plan, cell, plan.views[index])
            else:
                plan.add(self._copy(cell, plan, plan.views[index]))
            if cell.way == "input":
                plan.masked.append(partial(self._hold_input, cell, plan.views[index]))
            self._follow(plan, index, count)
        self._plans[count] = plan
        return plan

    def _follow(self, plan: Plan, index: int, count: int) -> None:
        """What happens as soon as a cell is there: windows are filled from it, outputs taken."""
        for window, source in self.cells.fills.get(index, ()):
            plan.add(partial(np.copyto, window.slot(count), _rows(plan, source)))
        for output, sources in self._outputs.get(index, ()):
            values = [source if isinstance(source, Stairs) else _rows(plan, source) for source in sources]
            plan.add(output.bind(values, count, self._scratch))

    def _bind_kernel(self, plan: Plan, cell: Cell, view: Array) -> None:
        graph, kernel = self.graph, kernel_of(self.graph, cell.node)
        node = graph.nodes[cell.node]
        constants = [(graph.nodes[arg].op, graph.nodes[arg].kind) == ("const", "num") for arg in node.args]
        args = tuple(
            float(graph.nodes[arg].params[0]) if constant else _rows(plan, source)
            for arg, constant, source in zip(node.args, constants, cell.sources, strict=True)
        )
        run = plan.runs[cell.node] = over(node.op, kernel, args, view, scratch=self._scratch)
        plan.quick.append(run.act if isinstance(run, Plain) else partial(run.run, None))
        plan.masked.append(partial(_masked, run, graph.places[cell.node], (view, kernel.out)))
        # rows of a slower clock are told apart from those before until the commit
        if not self._lead and cell.node not in graph.late:
            plan.add(partial(np.copyto, kernel.out, view[-1]))

    def _copy(self, cell: Cell, plan: Plan, view: Array) -> Act:
        """Cells whose values stand somewhere else already."""
        if cell.way == "input":
            return self._read(cell, view)
        (source,) = cell.sources
        if isinstance(source, Stairs):
            return partial(_spread, source, cell.at, view)
        return partial(np.take, _rows(plan, source), cell.at, axis=1, out=view, mode="clip")

    def _read(self, cell: Cell, view: Array) -> Act:
        node = self.graph.nodes[cell.node]
        name = series_of(node)[1]
        at = slice(None) if node.columns is None else np.array(node.columns, dtype=np.int64)
        if name in GIVEN:
            return lambda: np.copyto(view, self.graph.given[GIVEN.index(name), at])
        row = FIELDS.index(name)
        return lambda: np.copyto(view, self._values[:, row][:, at])

    def _hold_input(self, cell: Cell, view: Array, masks: Masks) -> None:
        """A symbol without a bar keeps its last one."""
        node = self.graph.nodes[cell.node]
        name, active = series_of(node)[1], masks[place_of(node)]
        if active is not None and name in FIELDS:
            row = self.graph.bars[self.clock][FIELDS.index(name)]
            view[:, active.idle] = (row if node.columns is None else row[list(node.columns)])[active.idle]


def _rows(plan: Plan, source: Source) -> Array:
    assert not isinstance(source, Stairs), "only outputs and spread cells read those"
    return plan.views[source] if isinstance(source, int) else source


def _spread(stairs: Stairs, at: Ints | None, view: Array) -> None:
    """A row of a slower clock for every row of the block."""
    block, index = stairs.reading.slower.block(stairs.node), stairs.reading.index
    if at is None:
        np.take(block, index, axis=0, out=view, mode="clip")
    else:
        np.copyto(view, block[index[:, np.newaxis], at])


def _masked(run: Run, place: Place, rows: tuple[Array, Array], masks: Masks) -> None:
    """Run, and put the last value back where a column has no bar."""
    active, (view, held) = masks[place], rows
    run.run(active)
    if active is not None:
        view[:, active.idle] = held[active.idle]
