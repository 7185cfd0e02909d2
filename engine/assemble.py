"""From node rows to the columns that `decide` reads.

In: a Program and its graph after a step. Out: `Columns`, the part of a `Market` that changes only when a bar closes:
copies, read-only, lanes scattered over the universe, no missing value without a reason. It stands between observe and
the market so that a tick without a new bar costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from qmtl.dsl.program import Lane, Program, RegimePlan

from .bars import Bools, Codes, Floats, Ints
from .evaluate import MARKET, Graph
from .kernels import Array
from .market import Sides
from .missing import reasons_for
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


@dataclass(frozen=True, slots=True)
class Part:
    """One output of a lane: its node (None = no such output), where it goes in the universe (None = everywhere), and
    which values of the node's row go there (None = the whole row, broadcast)."""

    node: int | None
    columns: Ints | None
    pick: Ints | None


Lanes = tuple[tuple[Part, ...], ...]


class Assembly:
    """What goes where, settled once per program."""

    def __init__(self, program: Program, graph: Graph) -> None:
        self._graph = graph
        self._regime = program.regime
        self._signal = _lanes(program, lambda lane: lane.signal)
        self._size = _lanes(program, lambda lane: lane.size)
        self._stop = _lanes(program, lambda lane: lane.stop)
        self._take = _lanes(program, lambda lane: lane.take)
        self._when = [chain.when for chain in program.chains]
        self._stay = [chain.stay for chain in program.chains]
        self._guards = [guard.when for guard in program.guards]
        fit = program.fit
        self._fit = [fit.trend15, fit.trend60, fit.mom15, fit.mom60, fit.vol_score, fit.overext]
        self._features = [index for _, index in program.features]

    def columns(self) -> Columns:
        """All columns as of the last bar."""
        graph = self._graph
        signal, known, reason = _signals(graph, self._signal)
        p, p_reason = _probabilities(graph, self._regime)
        columns = Columns(
            mark=graph.bars["15m"][3].copy(),
            p=p,
            p_reason=p_reason,
            confidence=_numbers(graph, [self._regime.confidence])[0],
            when=_truths(graph, self._when),
            stay=_truths(graph, self._stay),
            signal=signal,
            signal_known=known,
            signal_reason=reason,
            size=np.minimum(np.maximum(_scatter(graph, self._size), 0.0), 1.0),
            stop=_scatter(graph, self._stop),
            take=_scatter(graph, self._take),
            guards=_truths(graph, self._guards),
            fit=_numbers(graph, self._fit),
            features=_numbers(graph, self._features),
        )
        for field in fields(columns):
            getattr(columns, field.name).setflags(write=False)
        return columns


def _lanes(program: Program, node_of: Callable[[Lane], int | None]) -> Lanes:
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


def _numbers(graph: Graph, nodes: Sequence[int]) -> Floats:
    """Number rows, [nodes, symbols]; what is not finite is missing. A named truth reads 0, 1 or missing."""
    out = np.empty((len(nodes), graph.width))
    for row, index in zip(out, nodes, strict=True):
        row[:] = _as_number(graph.rows[index])
    np.copyto(out, np.nan, where=~np.isfinite(out))
    return out


def _as_number(row: Array) -> Array:
    return np.where(row == 1, np.nan, row / 2) if row.dtype == np.uint8 else row


def _truths(graph: Graph, nodes: Sequence[int | None]) -> Codes:
    """Truth rows, [nodes, symbols]; true all over where there is no node (`otherwise`)."""
    out = np.full((len(nodes), graph.width), np.uint8(2))
    for row, index in zip(out, nodes, strict=True):
        if index is not None:
            row[:] = graph.rows[index]
    return out


def _scatter(graph: Graph, lanes: Lanes) -> Floats:
    """[strategies, symbols]: the first lane covers all columns, later ones overwrite theirs; NaN where a lane has none."""
    out = np.full((len(lanes), graph.width), np.nan)
    for row, parts in zip(out, lanes, strict=True):
        for part in parts:
            values = np.full(1, np.nan) if part.node is None else graph.rows[part.node]
            row[slice(None) if part.columns is None else part.columns] = (
                values if part.pick is None else values[part.pick]
            )
    np.copyto(out, np.nan, where=~np.isfinite(out))
    return out


def _signals(graph: Graph, lanes: Lanes) -> tuple[Sides, Bools, Codes]:
    """Signals, where they are known, and why not where they are not."""
    values = _scatter(graph, lanes)
    known = np.isfinite(values)
    reason = np.zeros(values.shape, dtype=np.uint8)
    if not known.all():
        for row, unknown, parts in zip(reason, ~known, lanes, strict=True):
            for part in parts:
                if part.node is not None:
                    _explain(graph, part.node, row, _within(unknown, part.columns))
    np.copyto(values, 0.0, where=~known)
    return values.astype(np.int8), known, reason


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
        codes = reasons_for(graph, node, rest)
        row[rest] = np.where(codes == 0, np.uint8(Reason.DIV0), codes)  # infinite: it came from a division


def _probabilities(graph: Graph, plan: RegimePlan) -> tuple[Floats, Codes]:
    """Probabilities [4, symbols] and why one is missing. The first three are known together or not at all."""
    nodes = (plan.p_trend_up, plan.p_trend_down, plan.p_chop, plan.p_high_vol)
    p = _numbers(graph, nodes)
    missing = np.isnan(p)
    np.copyto(p[:3], np.nan, where=np.logical_or.reduce(missing[:3], axis=0))
    reason = np.zeros(graph.width, dtype=np.uint8)
    for node, gone in zip(nodes, missing, strict=True):
        wanted = gone & (reason == 0)
        if wanted.any():
            _explain(graph, node, reason, wanted)
    return p, reason
