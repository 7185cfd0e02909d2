"""Moving what an observer remembers: into a snapshot, back, and over to an edited program.

In: the memory of an observer and an `ObserveState`. Out: the memory, changed. A node is the same when its content hash
is; a column is the same when its symbol is. It stands apart because no other place knows both layouts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .bars import Ints
from .calendar import iso
from .errors import StateError
from .evaluate import MARKET, Graph, Place
from .kernels import CROSS_OPS, Array, Kernel
from .memory import Memory
from .observe_state import NodeState, ObserveState


def observe_state(memory: Memory) -> ObserveState:
    """All of the memory, copied."""
    graph = memory.graph
    nodes = tuple(
        NodeState(graph.nodes[index].id, graph.places[index], (kernel.out.copy(), *kernel.state()))
        for index, kernel in _kernels(graph)
    )
    return ObserveState(
        program_id=memory.program.program_id,
        universe=memory.program.settings.universe,
        clock=(memory.bar_start, memory.bar_end, memory.known_at, _hour_start(memory)),
        days=tuple(sorted(memory.days.items())),
        shared=tuple((name, array.copy()) for name, array in _shared(memory).items()),
        daily=tuple((name, graph.bars[f"1d:{name}"].copy()) for name in graph.series()),
        nodes=nodes,
    )


def restore_state(memory: Memory, state: ObserveState) -> None:
    """Put a state of the same program back; raises `StateError` before anything is changed."""
    if state.program_id != memory.program.program_id:
        raise StateError("the snapshot belongs to another program", "adopt it into a warmed observer instead")
    mine = observe_state(memory)
    if _layout(mine) != _layout(state):
        raise StateError("the snapshot does not fit this version of the program", "start again from the feed")
    graph = memory.graph
    _set_clock(memory, state)
    memory.days = dict(state.days)
    for name, array in state.shared:
        np.copyto(_shared(memory)[name], array)
    for name, array in state.daily:
        np.copyto(graph.bars[f"1d:{name}"], array)
    for (_, kernel), node in zip(_kernels(graph), state.nodes, strict=True):
        _put(kernel, node.arrays)
    graph.refresh()


def adopt_state(memory: Memory, old: ObserveState) -> None:
    """Take over nodes that both have, column by symbol; raises `StateError` when the two stand at different bars."""
    if old.clock[0] == 0:
        return
    if memory.bar_start not in {0, old.clock[0]}:
        raise StateError(
            f"the new world was warmed up to {iso(memory.bar_start)}, the old one stands at {iso(old.clock[0])}"
        )
    universe = memory.program.settings.universe
    common = [symbol for symbol in universe if symbol in set(old.universe)]
    to = np.array([universe.index(symbol) for symbol in common], dtype=np.int64)
    where = {symbol: index for index, symbol in enumerate(old.universe)}
    origin = np.array([where[symbol] for symbol in common], dtype=np.int64)
    shared = _shared(memory)
    for name, array in old.shared:
        shared[name][..., to] = array[..., origin]
    _set_clock(memory, old)
    _adopt_daily(memory, old)
    for index in _adoptable(memory.graph, same=universe == old.universe):
        for node in old.nodes:
            if node.id == memory.graph.nodes[index].id:
                _adopt_node(memory.graph, index, node, dict(zip(to.tolist(), origin.tolist(), strict=True)))
    for _, kernel in _kernels(memory.graph):
        kernel.restore(kernel.state())  # kernels that share a window with an adopted one see its rows as well
    memory.graph.refresh()


def _adopt_daily(memory: Memory, old: ObserveState) -> None:
    for name, array in old.daily:
        if f"1d:{name}" in memory.graph.bars:
            np.copyto(memory.graph.bars[f"1d:{name}"], array)
    memory.days = {**memory.days, **dict(old.days)}


def _adoptable(graph: Graph, *, same: bool) -> Iterator[int]:
    """Nodes whose meaning is theirs alone: over another universe, what was computed across it is not the same."""
    across: set[int] = set()
    for index, node in enumerate(graph.nodes):
        if node.op in CROSS_OPS or across.intersection(node.args):
            across.add(index)
        if graph.kernels[index] is not None and (same or index not in across):
            yield index


def _adopt_node(graph: Graph, index: int, old: NodeState, origin: dict[int, int]) -> None:
    kernel = graph.kernels[index]
    if kernel is None or (old.columns == MARKET) != (graph.places[index] == MARKET):
        return
    arrays = (kernel.out.copy(), *kernel.state())
    if graph.places[index] == MARKET:
        _put(kernel, old.arrays)
        return
    have = {column: at for at, column in enumerate(_columns(old.columns, old.arrays[0]))}
    mine = _columns(graph.places[index], kernel.out)
    pairs = [(at, have[origin[column]]) for at, column in enumerate(mine) if origin.get(column) in have]
    if pairs:
        to, source = (np.array(side) for side in zip(*pairs, strict=True))
        for new, before in zip(arrays, old.arrays, strict=True):
            new[..., to] = before[..., source]
        _put(kernel, arrays)


def _columns(place: Place, row: Array) -> tuple[int, ...] | range:
    return place if isinstance(place, tuple) else range(len(row))


def _put(kernel: Kernel, arrays: tuple[Array, ...]) -> None:
    np.copyto(kernel.out, arrays[0])
    kernel.restore(arrays[1:])


def _kernels(graph: Graph) -> Iterator[tuple[int, Kernel]]:
    for index, kernel in enumerate(graph.kernels):
        if kernel is not None:
            yield index, kernel


def _shared(memory: Memory) -> dict[str, Array]:
    """What every world remembers per symbol, the buffers themselves."""
    hours = memory.hours
    return {
        "bars_15m": memory.graph.bars["15m"],
        "bars_60m": memory.graph.bars["60m"],
        "end_15m": memory.last_end["15m"],
        "end_60m": memory.last_end["60m"],
        "hour_bars": hours.values,
        "hour_present": hours.present,
    }


def _hour_start(memory: Memory) -> int:
    index = memory.hours.index
    return -1 if index < 0 else int(memory.calendar.grid("60m").starts[index])


def _set_clock(memory: Memory, state: ObserveState) -> None:
    memory.bar_start, memory.bar_end, memory.known_at, hour = state.clock
    starts: Ints = memory.calendar.grid("60m").starts
    memory.hours.index = -1 if hour < 0 else int(starts.searchsorted(hour))


def _layout(state: ObserveState) -> tuple[object, ...]:
    """All that must agree for two states of one program to be exchanged."""
    shapes = [(node.id, node.columns, [(array.dtype, array.shape) for array in node.arrays]) for node in state.nodes]
    shared = [(name, array.dtype, array.shape) for name, array in (*state.shared, *state.daily)]
    return state.universe, shared, shapes
