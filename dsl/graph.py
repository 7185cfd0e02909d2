"""The graph under construction: nodes shared by content, constants folded, warm-up and columns worked out.

In: operations added by the lowering, arguments before readers. Out: `Node`s in execution order, of which only those that
something needs, each with the columns that its readers ask for. A node's id is a hash of what it computes and never of
who reads it, so a strategy that reads the same average as another shares its node, and state survives an edit elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from .builtins import ACROSS, STATEFUL, TO_MARKET
from .folding import fold
from .infer import RATES, finest

if TYPE_CHECKING:
    from .program import Kind, Node, Scope

Param = float | int | str
Warmup = tuple[tuple[str, int], ...]

#: a window of n fine bars reaches back over this many of them per coarser bar (a session of 26 bars of 15m)
_PER_COARSER: Final = {("15m", "60m"): 4, ("15m", "1d"): 26, ("60m", "1d"): 7}
_TRUTHS: Final = frozenset(
    {
        "gt",
        "ge",
        "lt",
        "le",
        "eq",
        "ne",
        "and",
        "or",
        "not",
        "coalesce_truth",
        "crosses_above",
        "crosses_below",
        "for_bars",
    }
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A node before columns, order and id are known; `args` are indexes of drafts."""

    op: str
    params: tuple[Param, ...]
    args: tuple[int, ...]
    rate: str
    kind: Kind
    scope: Scope
    warmup: Warmup


@dataclass(slots=True)
class Graph:
    """Hash-consed drafts; adding the same operation twice gives the same index."""

    drafts: list[Draft] = field(default_factory=list)
    _index: dict[tuple[object, ...], int] = field(default_factory=dict)

    def const(self, value: float) -> int:
        """A number that is known when compiled."""
        number = float(value) + 0.0  # no negative zero
        return self._keep("const", (number,), (), "", "num")

    def truth(self, value: bool) -> int:
        """A condition that is known when compiled."""
        return self._keep("const", (int(value),), (), "", "truth")

    def series(self, name: str, rate: str) -> int:
        """An input; names with a dot are of the whole market."""
        return self._keep("input", (name,), (), rate, "num")

    def add(self, op: str, args: Iterable[int], *params: int, rate: str = "") -> int:
        """An operation over earlier nodes. `rate` is that of an operation whose arguments have none."""
        given = tuple(args)
        drafts = self.drafts
        folded = fold(op, [drafts[a].params[0] for a in given]) if self._constant(given) else None
        if folded is not None:
            return self.truth(bool(folded)) if op in _TRUTHS else self.const(folded)
        kind: Kind = "truth" if op in _TRUTHS else "num"
        return self._keep(op, params, given, finest([drafts[a].rate for a in given]) or rate, kind)

    def value(self, index: int) -> float | None:
        """The value of a constant, None for anything else."""
        draft = self.drafts[index]
        return float(draft.params[0]) if draft.op == "const" else None

    def _constant(self, args: tuple[int, ...]) -> bool:
        return bool(args) and all(self.drafts[a].op == "const" for a in args)

    def _keep(self, op: str, params: tuple[Param, ...], args: tuple[int, ...], rate: str, kind: Kind) -> int:
        key = (op, kind, params, args, rate)
        known = self._index.get(key)
        if known is None:
            warmup = _warmup(op, params, rate, [self.drafts[a].warmup for a in args])
            draft = Draft(op, params, args, rate, kind, self._scope(op, params, args), warmup)
            known = self._index[key] = len(self.drafts)
            self.drafts.append(draft)
        return known

    def _scope(self, op: str, params: tuple[Param, ...], args: tuple[int, ...]) -> Scope:
        if op == "input":
            return "market" if "." in str(params[0]) else "symbol"
        if op in TO_MARKET:
            return "market"
        return "symbol" if any(self.drafts[a].scope == "symbol" for a in args) else "market"


def _warmup(op: str, params: tuple[Param, ...], rate: str, args: list[Warmup]) -> Warmup:
    """Bars of each rate until the first value can be trusted: the most of the arguments, plus the operation's own.

    The own bars of a fine rate also push back those of a coarser one: they must have been known that long ago."""
    most: dict[str, int] = {rate: 1} if op == "input" else {}
    for warmup in args:
        for of, bars in warmup:
            most[of] = max(most.get(of, 0), bars)
    if op in STATEFUL and rate:
        own = STATEFUL[op](int(params[0]) if params else 0)
        most[rate] = most.get(rate, 1) + own
        for of in most:
            per = _PER_COARSER.get((rate, of))
            if per:
                most[of] += math.ceil(own / per)
    return tuple(sorted(most.items()))


@dataclass(frozen=True, slots=True)
class Finished:
    """Nodes in execution order, and where the drafts went."""

    nodes: tuple[Node, ...]
    index: Mapping[int, int]


def finish(graph: Graph, wanted: Mapping[int, frozenset[int] | None]) -> Finished:
    """The nodes that are needed. `wanted` gives the columns asked for of outputs, None for all of them.

    Coarser rates come first (an argument is never finer than its reader), then what is nearer to the inputs, then by id:
    the order does not depend on the order of the text."""
    from .program import Node  # here, because a check of texts makes no nodes

    columns = _columns(graph, wanted)
    levels = _levels(graph)
    ids = _ids(graph, columns)
    order = sorted(columns, key=lambda i: (RATES.index(graph.drafts[i].rate), levels[i], ids[i]))
    index = {old: new for new, old in enumerate(order)}
    nodes = []
    for old in order:
        draft = graph.drafts[old]
        asked = columns[old]
        nodes.append(
            Node(
                id=ids[old],
                op=draft.op,
                params=draft.params,
                args=tuple(index[a] for a in draft.args),
                rate=draft.rate,
                kind=draft.kind,
                scope=draft.scope,
                columns=None if asked is None or draft.scope == "market" else tuple(sorted(asked)),
                warmup=draft.warmup,
            )
        )
    return Finished(tuple(nodes), index)


def _columns(graph: Graph, wanted: Mapping[int, frozenset[int] | None]) -> dict[int, frozenset[int] | None]:
    """Columns of every needed node: the union of what its readers ask for; functions across the universe ask for all."""
    asked = dict(wanted)
    for index in range(max(wanted, default=-1), -1, -1):
        if index not in asked:
            continue
        draft = graph.drafts[index]
        columns = None if draft.op in ACROSS or draft.scope == "market" else asked[index]
        for arg in draft.args:
            before = asked.get(arg, frozenset())
            asked[arg] = None if before is None or columns is None else before | columns
    return asked


def _ids(graph: Graph, needed: Iterable[int]) -> dict[int, str]:
    """A hash of what each needed draft computes. With a draft its arguments are needed, and they come before it."""
    ids: dict[int, str] = {}
    for index in sorted(needed):
        draft = graph.drafts[index]
        parts = (draft.op, draft.kind, *map(repr, draft.params), "", *(ids[a] for a in draft.args), draft.rate)
        ids[index] = sha256("\x1f".join(parts).encode()).hexdigest()[:16]
    return ids


def _levels(graph: Graph) -> list[int]:
    """How many operations of its own rate lie between each draft and the inputs."""
    levels: list[int] = []
    for draft in graph.drafts:
        levels.append(1 + max((levels[a] for a in draft.args if graph.drafts[a].rate == draft.rate), default=0))
    return levels


def most(warmups: Iterable[Warmup]) -> Warmup:
    """The most bars of each rate."""
    bars: dict[str, int] = {}
    for warmup in warmups:
        for rate, count in warmup:
            bars[rate] = max(bars.get(rate, 0), count)
    return tuple(sorted(bars.items()))
