"""Which entry guards hold a symbol back in a tick, and which inputs are missing where a guard is unknown.

In: a decided tick and the graph that its market came from, before the next bar changes it. Out: `HeldBack`s. All guards of a
world share two reason codes; a case that tests one of them wants its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qmtl.dsl.program import Node

from ..evaluate import MARKET, Graph
from ..kernels import STATEFUL
from ..missing import missing_in
from ..stages.target import UNKNOWN, held_back, sized, without_entries
from ..tick import Notes, Tick


@dataclass(frozen=True, slots=True)
class HeldBack:
    """A guard that blocks or freezes the target of a symbol. `missing` are the inputs without a value that make it
    unknown, in words; none when its condition holds."""

    guard: str
    symbol: str
    missing: tuple[str, ...]


def held_back_by(tick: Tick, graph: Graph) -> tuple[HeldBack, ...]:
    """Every guard that acts on what a decision would hold without guards, each judged by itself."""
    frame = tick.frame
    if not tick.market.decision or not frame.program.guards:
        return ()
    notes, may_enter = Notes(frame), tick.target.may_enter
    wished = without_entries(frame, tick, sized(frame, tick, may_enter, notes).target, may_enter, notes)
    found = []
    for row, guard in enumerate(frame.program.guards):
        blocked, frozen = held_back(frame, tick, wished, row)
        for column in np.flatnonzero(blocked | frozen).tolist():
            unknown = tick.market.guards[row][column] == UNKNOWN
            missing = tuple(dict.fromkeys(_missing(graph, guard.when, column))) if unknown else ()
            found.append(HeldBack(guard.settings.name, frame.names.symbols[column], missing))
    return tuple(found)


def _missing(graph: Graph, index: int, column: int) -> Iterator[str]:
    """Walks back from a node without a value to what has none by itself."""
    node = graph.nodes[index]
    causes = [arg for arg in node.args if _is_missing(graph, arg, column)]
    for arg in causes:
        yield from _missing(graph, arg, column)
    if causes:
        return
    if node.op == "input":
        yield f"{_series(node)} has no value"
    elif node.op in STATEFUL:
        yield f"{node.op}({_read(graph, node)}) {_lacks(node)}"
    else:
        yield f"{node.op} of {_read(graph, node)} has no value"


def _is_missing(graph: Graph, index: int, column: int) -> bool:
    node = graph.nodes[index]
    at = 0 if node.scope == MARKET else column
    if node.scope != MARKET and node.columns is not None:
        if column not in node.columns:
            return False
        at = node.columns.index(column)
    return bool(missing_in(graph.rows[index])[at])


def _lacks(node: Node) -> str:
    """What a kernel with a memory waits for."""
    bars = dict(node.warmup).get(node.rate, 0)
    return f"needs {bars} {node.rate} bars" if bars > 1 else "has no value"


def _read(graph: Graph, node: Node) -> str:
    """The series below a node: `close@60m, vix.close`."""
    names: dict[str, None] = {}
    waiting = list(node.args)
    while waiting:
        source = graph.nodes[waiting.pop(0)]
        if source.op == "input":
            names.setdefault(_series(source))
        waiting += source.args
    return ", ".join(names)


def _series(node: Node) -> str:
    """`vix.close`, `close`, `close@60m`."""
    name = str(node.params[0])
    return f"{name}@60m" if node.rate == "60m" else name
