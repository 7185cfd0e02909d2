"""From rows of nodes over a block of time to the columns that `decide` reads, as `assemble` does for one row.

In: cells of the fine layer, as soon as each is there. Out: arrays with a leading axis of time, written in place. What is
missing and why is asked afterwards, of a layer that kept all its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qmtl.dsl.program import Program

from .assemble import Part, Row, as_number, limit_size, number_rows, truth_rows
from .bars import Bools, Codes, Ints
from .cells import Slower, Stairs
from .evaluate import Graph
from .kernels import Array
from .kernels.block import Scratch
from .layer import Act, Layer, Values
from .missing import reasons_for
from .reasons import Reason

#: rows of values with the rows of the block that each of them is for; None when they are its rows
Spans = Sequence[tuple[int, int, int]] | None
_TRUE = np.uint8(2)


@dataclass(slots=True)
class Target:
    """The columns being written, [rows, outputs, symbols] by name, and for which rows of them a layer runs now."""

    arrays: dict[str, Array] = field(default_factory=dict)
    low: int = 0
    high: int = 0
    unknown: bool = False

    def part(self, name: str) -> Array:
        """The rows being written."""
        array: Array = self.arrays[name][self.low : self.high]
        return array


@dataclass(frozen=True, slots=True)
class OutputRow:
    """One row of one column: implements `layer.Output`. `limited`: its sizes are within 0 to 1 as they come."""

    target: Target
    name: str
    row: int
    parts: Row
    limited: bool

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(part.node for part in self.parts if part.node is not None)

    def bind(self, values: Sequence[Values], count: int, scratch: Scratch) -> Act:
        if not values:
            blank = _TRUE if self.target.arrays[self.name].dtype == np.uint8 else np.nan
            return lambda: self._out().fill(blank)
        gather = self._gather(values, count, scratch)
        if self.target.arrays[self.name].dtype == np.uint8:
            return lambda: _spread(*gather(), self._out())
        if self.name == "signal":
            return lambda: self._signal(*gather(), scratch)
        return lambda: self._number(*gather(), scratch)

    def _out(self, name: str = "") -> Array:
        return self.target.part(name or self.name)[:, self.row]

    def _gather(self, values: Sequence[Values], count: int, scratch: Scratch) -> Callable[[], tuple[Array, Spans]]:
        """The row's values, [rows, columns], and where they go: whole, or step by step for those of a coarser clock."""
        part, value = self.parts[0], values[0]
        if len(self.parts) == 1 and part.columns is None:
            if isinstance(value, Stairs):
                return lambda: (value.rows(), value.reading.spans)
            rows = value if value.ndim == 2 else value[np.newaxis]
            return lambda: (rows, None)
        width, kind = self.target.arrays[self.name].shape[-1], self.target.arrays[self.name].dtype
        mixed = scratch.codes("mixed", count, width) if kind == np.uint8 else scratch.floats("mixed", count, width)
        given = iter(values)
        puts = [_put(part, None if part.node is None else next(given)) for part in self.parts]

        def gather() -> tuple[Array, Spans]:
            for put in puts:
                put(mixed)
            return mixed, None

        return gather

    def _number(self, rows: Array, spans: Spans, scratch: Scratch) -> None:
        values = as_number(rows)
        known = scratch.bools("known", *values.shape)
        np.isfinite(values, known)
        if not known.all():
            values = np.where(known, values, np.nan)
            self.target.unknown |= self.name == "p"
        if self.name == "size" and not self.limited:
            sizes = scratch.floats("sizes", *values.shape)
            np.copyto(sizes, values)
            limit_size(sizes)
            values = sizes
        _spread(values, spans, self._out())

    def _signal(self, rows: Array, spans: Spans, scratch: Scratch) -> None:
        known = scratch.bools("known", *rows.shape)
        np.isfinite(rows, known)
        if not known.all():
            rows = np.where(known, rows, 0.0)
            self.target.unknown = True
        _spread(rows, spans, self._out())
        _spread(known, spans, self._out("signal_known"))


def output_rows(program: Program, target: Target, *, features: bool) -> list[OutputRow]:
    """All rows of all columns, less the features when nobody reads them."""
    rows = {**number_rows(program), **truth_rows(program)}
    if not features:
        rows["features"] = ()
    return [
        OutputRow(target, name, row, parts, all(_within_one(program, part.node) for part in parts))
        for name, group in rows.items()
        for row, parts in enumerate(group)
    ]


def _within_one(program: Program, index: int | None) -> bool:
    """True for a `clip` to 0 to 1, which is what the lowering puts around a size."""
    if index is None:
        return False
    node = program.nodes[index]
    bounds = [program.nodes[arg] for arg in node.args[1:]]
    return node.op == "clip" and [(bound.op, *bound.params) for bound in bounds] == [("const", 0.0), ("const", 1.0)]


@dataclass(frozen=True, slots=True)
class Shapes:
    """How many rows each column has, and how wide they are."""

    numbers: tuple[tuple[str, int], ...]
    truths: tuple[tuple[str, int], ...]
    width: int

    def blank(self, count: int) -> dict[str, Array]:
        """Fresh columns for so many rows of the block; reasons say "nothing to say"."""
        arrays: dict[str, Array] = {name: np.empty((count, rows, self.width)) for name, rows in self.numbers}
        arrays.update({name: np.empty((count, rows, self.width), np.uint8) for name, rows in self.truths})
        shape = arrays["signal"].shape
        arrays["signal"] = np.empty(shape, np.int8)
        arrays["signal_known"] = np.empty(shape, np.bool_)
        arrays["signal_reason"] = np.zeros(shape, np.uint8)
        arrays["p_reason"] = np.zeros((count, self.width), np.uint8)
        arrays["mark"] = np.empty((count, self.width))
        return arrays


def shapes_of(program: Program, *, features: bool) -> Shapes:
    """The shapes of a program's columns, less the features when nobody reads them."""
    numbers = [
        (name, len(rows) if features or name != "features" else 0) for name, rows in number_rows(program).items()
    ]
    truths = [(name, len(rows)) for name, rows in truth_rows(program).items()]
    return Shapes(tuple(numbers), tuple(truths), len(program.settings.universe))


def _put(part: Part, values: Values | None) -> Callable[[Array], None]:
    """How one part of a row gets there."""
    at = slice(None) if part.columns is None else part.columns

    def put(out: Array) -> None:
        if values is None:
            out[:, at] = np.nan
            return
        rows = values.all() if isinstance(values, Stairs) else values
        rows = rows if out.dtype == np.uint8 else as_number(rows)
        out[:, at] = rows if part.pick is None else rows[..., part.pick]

    return put


def _spread(rows: Array, spans: Spans, out: Array) -> None:
    """Write rows where they go."""
    if spans is None:
        np.copyto(out, rows, casting="unsafe")
        return
    for row, low, high in spans:
        np.copyto(out[low:high], rows[row], casting="unsafe")


@dataclass(frozen=True, slots=True)
class BlockRows:
    """What a walk for reasons reads in a block that was run by a layer that keeps its cells, before the commit. `times` are
    rows of the block, one for each place that is asked about."""

    fine: Layer
    times: Ints

    @property
    def graph(self) -> Graph:
        return self.fine.graph

    def values(self, index: int, at: Ints) -> Array:
        found = self._of(index)
        row: Array = self.graph.rows[index]
        return row[at] if found is None else found[0].values(index, found[1], at)

    def ready(self, index: int, at: Ints) -> Bools:
        found = self._of(index)
        return np.ones(len(at), np.bool_) if found is None else found[0].ready(index, found[1], at)

    def _of(self, index: int) -> tuple[Slower, Ints] | None:
        """The clock that has a node and the steps of it that are asked about, None for a constant."""
        clock = self.graph.clocks[index]
        if clock == self.fine.clock:
            return self.fine, self.times
        for reading in self.fine.readings:
            if reading.slower.has(clock):
                return reading.slower, reading.index[self.times]
        return None


def say_why(program: Program, target: Target, fine: Layer) -> None:
    """Reasons of unknown signals and probabilities of the rows being written."""
    never = np.isnan(target.part("mark"))
    for index, parts in enumerate(number_rows(program)["signal"]):
        reason = target.part("signal_reason")[:, index]
        unknown = ~target.part("signal_known")[:, index]
        for part in parts:
            if part.node is not None:
                inside = unknown
                if part.columns is not None:
                    inside = np.zeros_like(unknown)
                    inside[:, part.columns] = unknown[:, part.columns]
                _explain(fine, part.node, (reason, inside, never))
    p, reason = target.part("p"), target.part("p_reason")
    known = np.isfinite(p)
    np.copyto(p[:, :3], np.nan, where=~np.logical_and.reduce(known[:, :3], axis=1)[:, np.newaxis])
    plan = program.regime
    for row, node in enumerate((plan.p_trend_up, plan.p_trend_down, plan.p_chop, plan.p_high_vol)):
        _explain(fine, node, (reason, ~known[:, row] & (reason == 0), never))


def _explain(fine: Layer, node: int, what: tuple[Codes, Bools, Bools]) -> None:
    """Write the reasons of the unknown places; a symbol that never had a bar needs no walk."""
    reason, unknown, never = what
    reason[unknown & never] = Reason.NO_DATA
    times, symbols = np.nonzero(unknown & ~never)
    if len(times):
        codes = reasons_for(BlockRows(fine, times), node, symbols)
        # infinite: it came from a division
        reason[times, symbols] = np.where(codes == 0, np.uint8(Reason.DIV0), codes)
