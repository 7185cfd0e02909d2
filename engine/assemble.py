"""From node rows to the columns that `decide` reads.

In: a Program and its graph after a step. Out: `Columns`, the part of a `Market` that changes only when a bar closes:
copies, read-only, lanes scattered over the universe, no missing value without a reason. It stands between observe and
the market so that a tick without a new bar costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from qmtl.dsl.program import Lane, Program

from .bars import Bools, Codes, Floats, Ints, Sides
from .evaluate import MARKET, Graph
from .kernels import PLAIN_ZERO, Array
from .missing import LastRows, reasons_for
from .reasons import Reason


@dataclass(frozen=True, slots=True)
class Columns:
    """The fields of `market.Market` of the same names and shapes."""

    mark: Floats
    p: Floats
    p_reason: Codes
    confidence: Floats
    when: Codes
    stay: Codes
    signal: Sides
    signal_known: Bools
    signal_reason: Codes
    size: Floats
    stop: Floats
    take: Floats
    guards: Codes
    fit: Floats
    features: Floats
    shadow: Floats | None


@dataclass(frozen=True, slots=True)
class Part:
    """One output of a lane: its node (None = no such output), where it goes in the universe (None = everywhere), and
    which values of the node's row go there (None = the whole row, broadcast)."""

    node: int | None
    columns: Ints | None
    pick: Ints | None


#: the parts of one output row: the first lane covers all columns, later ones overwrite theirs
Row = tuple[Part, ...]


class Gathered:
    """Output rows of one kind, gathered from the graph in one go: a node's row that is an output as it stands is copied,
    any other is put together in a row of its own first, and what never changes is put together once."""

    def __init__(self, graph: Graph, rows: Sequence[Row], blank: np.float64 | np.uint8) -> None:
        self._shape = (len(rows), graph.width)
        self._type = blank.dtype
        self._sources: list[Array] = []
        self._mixed: list[tuple[Array, Row]] = []
        #: values that have to be finite for every value to be known that can be
        self.known = len(rows) * graph.width
        for parts in rows:
            first, *more = parts or (Part(None, None, None),)
            source = None if first.node is None else graph.rows[first.node]
            if source is not None and not more and len(source) == graph.width and source.dtype == self._type:
                self._sources.append(source)
                continue
            own = np.full(graph.width, blank)
            _scatter(graph, own, parts)
            self._sources.append(own)
            if all(part.node is None or graph.nodes[part.node].op == "const" for part in parts):
                self.known -= graph.width - int(np.count_nonzero(np.isfinite(own)))
            else:
                self._mixed.append((own, parts))
        self._graph = graph

    def gather(self) -> Array:
        """A fresh copy, [rows, symbols]."""
        for own, parts in self._mixed:
            _scatter(self._graph, own, parts)
        out = np.empty(self._shape, self._type)
        if self._sources:
            np.concatenate(self._sources, out=out.reshape(-1))
        return out


class Assembly:
    """What goes where, settled once per program."""

    def __init__(self, program: Program, graph: Graph) -> None:
        self._graph = graph
        plan = program.regime
        self._p = (plan.p_trend_up, plan.p_trend_down, plan.p_chop, plan.p_high_vol)
        numbers, truths = number_rows(program), truth_rows(program)
        self._signal = numbers["signal"]
        self._number_at, self._truth_at = _slices(numbers), _slices(truths)
        self._numbers = Gathered(graph, [row for rows in numbers.values() for row in rows], np.float64(np.nan))
        self._truths = Gathered(graph, [row for rows in truths.values() for row in rows], np.uint8(2))

    def columns(self) -> Columns:
        """All columns as of the last bar."""
        block, truths = self._numbers.gather(), self._truths.gather()
        known = np.isfinite(block)
        if np.count_nonzero(known) != self._numbers.known:
            np.copyto(block, np.nan, where=~known)  # what is not finite is missing, and every NaN is the same NaN
        at = self._number_at
        signal, signal_reason = _signals(self._graph, self._signal, block[at["signal"]], known[at["signal"]])
        p_reason = _probabilities(self._graph, self._p, block[at["p"]], known[at["p"]])
        size = block[at["size"]]
        limit_size(size)
        mark = self._graph.bars["15m"][3].copy()
        for array in (mark, block, truths, known, signal, signal_reason, p_reason):
            array.setflags(write=False)
        numbers = {name: block[where] for name, where in at.items() if name not in {"signal", "confidence", "shadow"}}
        return Columns(
            mark=mark,
            signal=signal,
            signal_known=known[at["signal"]],
            signal_reason=signal_reason,
            p_reason=p_reason,
            confidence=block[at["confidence"].start],
            shadow=block[at["shadow"]] if len(block[at["shadow"]]) else None,
            **numbers,
            **{name: truths[where] for name, where in self._truth_at.items()},
        )


def number_rows(program: Program) -> dict[str, tuple[Row, ...]]:
    """Output rows of numbers by the name of their column."""
    plan, fit = program.regime, program.fit
    return {
        "signal": _lanes(program, lambda lane: lane.signal),
        "size": _lanes(program, lambda lane: lane.size),
        "stop": _lanes(program, lambda lane: lane.stop),
        "take": _lanes(program, lambda lane: lane.take),
        "p": _whole((plan.p_trend_up, plan.p_trend_down, plan.p_chop, plan.p_high_vol)),
        "confidence": _whole([plan.confidence]),
        "fit": _whole([fit.trend15, fit.trend60, fit.mom15, fit.mom60, fit.vol_score, fit.overext]),
        "features": _whole([index for _, index in program.features]),
        "shadow": _whole(plan.shadow),
    }


def truth_rows(program: Program) -> dict[str, tuple[Row, ...]]:
    """Output rows of truths by the name of their column."""
    return {
        "when": _whole([chain.when for chain in program.chains]),
        "stay": _whole([chain.stay for chain in program.chains]),
        "guards": _whole([guard.when for guard in program.guards]),
    }


def limit_size(size: Floats) -> None:
    """Cut sizes to 0 to 1, in place."""
    np.maximum(size, 0.0, out=size)
    np.minimum(size, 1.0, out=size)
    np.add(size, PLAIN_ZERO, size)


def _whole(nodes: Sequence[int | None]) -> tuple[Row, ...]:
    return tuple((Part(index, None, None),) for index in nodes)


def _slices(rows: dict[str, tuple[Row, ...]]) -> dict[str, slice]:
    """Where each group of rows stands when all of them are one below the other."""
    ends = list(accumulate(len(group) for group in rows.values()))
    return {name: slice(end - len(group), end) for end, (name, group) in zip(ends, rows.items(), strict=True)}


def _lanes(program: Program, node_of: Callable[[Lane], int | None]) -> tuple[Row, ...]:
    return tuple(
        tuple(_part(program, lane, node_of(lane)) for lane in strategy.lanes) for strategy in program.strategies
    )


def _part(program: Program, lane: Lane, index: int | None) -> Part:
    """Where the same node serves several lanes its row is wider than the lane: only the lane's columns are picked."""
    if lane.columns is None:
        return Part(index, None, None)
    columns = np.array(lane.columns, dtype=np.int64)
    if index is None or program.nodes[index].scope == MARKET or program.nodes[index].columns == lane.columns:
        return Part(index, columns, None)
    wider = program.nodes[index].columns
    return Part(index, columns, columns if wider is None else np.searchsorted(wider, columns).astype(np.int64))


def as_number(row: Array) -> Array:
    """A named truth reads 0, 1 or missing."""
    return np.where(row == 1, np.nan, row / 2) if row.dtype == np.uint8 else row


def _scatter(graph: Graph, out: Array, parts: Row) -> None:
    """Put one output row together; where there is no node it keeps what it was made of."""
    for part in parts:
        if part.node is not None:
            values = graph.rows[part.node] if out.dtype == np.uint8 else as_number(graph.rows[part.node])
            out[slice(None) if part.columns is None else part.columns] = (
                values if part.pick is None else values[part.pick]
            )
        elif part.columns is not None:
            out[part.columns] = np.nan


def _signals(graph: Graph, lanes: tuple[Row, ...], values: Floats, known: Bools) -> tuple[Sides, Codes]:
    """Signals, 0 where they are not known, and why not."""
    reason = np.zeros(values.shape, dtype=np.uint8)
    if 0 in known.tobytes():
        for row, unknown, parts in zip(reason, ~known, lanes, strict=True):
            for part in parts:
                if part.node is not None:
                    _explain(graph, part.node, row, _within(unknown, part.columns))
        np.copyto(values, 0.0, where=~known)
    return values.astype(np.int8), reason


def _within(unknown: Bools, columns: Ints | None) -> Bools:
    if columns is None:
        return unknown
    inside = np.zeros_like(unknown)
    inside[columns] = unknown[columns]
    return inside


def _explain(graph: Graph, node: int, row: Codes, unknown: Bools) -> None:
    """Write the reasons of the unknown columns; a symbol that never had a bar needs no walk."""
    never = unknown & np.isnan(graph.bars["15m"][3])
    row[never] = Reason.NO_DATA
    rest = np.flatnonzero(unknown & ~never)
    if len(rest):
        codes = reasons_for(LastRows(graph), node, rest)
        row[rest] = np.where(codes == 0, np.uint8(Reason.DIV0), codes)  # infinite: it came from a division


def _probabilities(graph: Graph, nodes: Sequence[int], p: Floats, known: Bools) -> Codes:
    """Why a probability is missing. The first three are known together or not at all: `p` is changed to that."""
    reason = np.zeros(graph.width, dtype=np.uint8)
    if 0 not in known.tobytes():
        return reason
    np.copyto(p[:3], np.nan, where=~np.logical_and.reduce(known[:3], axis=0))
    for node, here in zip(nodes, known, strict=True):
        wanted = ~here & (reason == 0)
        if 1 in wanted.tobytes():
            _explain(graph, node, reason, wanted)
    return reason
