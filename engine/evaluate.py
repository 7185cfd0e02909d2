"""The graph at work: nodes of a Program as kernels, stepped by rate.

In: rows of closed bars and which symbols have one. Out: one row per node, kept until the node's next step. Built once
per program: who reads what, and through which columns, is settled here, so that a step only calls kernels in order.

Nodes stand in topological order. Where a bar of a coarse and one of a fine rate close together the coarse nodes step
first, and a fine node reads a coarse one's last row. Constants are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from qmtl.dsl.program import Node

from .bars import FIELDS, Bools, Floats
from .errors import StateError
from .kernels import (
    CROSS_OPS,
    WINDOWED,
    Active,
    Arena,
    Array,
    Elementwise,
    Kernel,
    Window,
    active_of,
    make,
    rows_of,
    window_for,
    windowed,
)

Columns = tuple[int, ...] | None
#: regime outputs that a program may take as inputs instead of computing them (`Graph.given`)
GIVEN = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol", "regime_confidence")
#: what a step masks: a tuple of columns, None for all of them, or the market, which never misses a bar
Place = Columns | str
MARKET = "market"


#: one entry of a plan: what is done when all columns advance, what else, and which columns that masks
Step = tuple[Callable[[], object], Callable[[Active | None], object], Place]


class Graph:
    """Rows and kernels of `nodes` over `width` symbols.

    rows     one buffer per node, float64 or uint8, [columns] or [1]
    kernels  one per node, None for inputs and constants
    places   what a kernel's state spans: columns, None for all of them, or the market
    bars     last bar of every symbol by rate, float64 [5, width]; daily series by "1d:NAME", [5, 1]
    clocks   what steps a node: "15m", "60m", "1d:NAME", "" for constants
    windows  by argument and place: kernels over the same values share one
    late     elementwise nodes that read nothing but their own clock: after a block their rows are those of an earlier bar,
             and are computed from the other rows when they are needed (`settle`)
    given    regime outputs from outside, float64 [5, width] in the order of GIVEN, for programs that take them as inputs;
             written before a 15m bar is stepped
    """

    def __init__(self, nodes: Sequence[Node], width: int) -> None:
        self.nodes = tuple(nodes)
        self.width = width
        self.rows: list[Array] = []
        self.kernels: list[Kernel | None] = []
        self.places: list[Place] = []
        self.bars: dict[str, Floats] = {rate: np.full((len(FIELDS), width), np.nan) for rate in ("15m", "60m")}
        self.given: Floats = np.full((len(GIVEN), width), np.nan)
        self.clocks: list[str] = []
        self.late: set[int] = set()
        self._again: dict[str, list[Step]] = {"60m": [], "15m": []}
        self._unsettled: dict[str, Mapping[Place, Active | None] | None] = {}
        self._plans: dict[str, list[Step]] = {}
        self._gathers: list[Callable[[], object]] = []
        self._gathered: dict[tuple[int, Columns], Array] = {}
        self.windows: dict[tuple[int, Place], Window] = {}
        self._depths = _depths(self.nodes)
        self._arena = Arena()
        for node in self.nodes:
            self._add(node)
        self._stands = {rate: self._places_at(rate) for rate in ("15m", "60m")}
        self._run("", {})

    def series(self) -> tuple[str, ...]:
        """Daily series that some node reads."""
        return tuple(key.removeprefix("1d:") for key in self.bars if key.startswith("1d:"))

    def step_bars(self, rate: str, values: Floats, present: Bools) -> None:
        """Step every node of `rate` by one bar: values [5, width] where `present` [width]."""
        self.settle()
        if present.all():
            np.copyto(self.bars[rate], values)
            self._run(rate, None)
            return
        np.copyto(self.bars[rate], values, where=present)
        self._run(rate, self.masks(rate, present))

    def masks(self, rate: str, present: Bools) -> dict[Place, Active | None]:
        """Who advances, for every place that the nodes of a rate stand in."""
        masks: dict[Place, Active | None] = {MARKET: None}
        for place in self._stands[rate]:
            masks[place] = active_of(present[list(place)] if isinstance(place, tuple) else present)
        return masks

    def _places_at(self, rate: str) -> tuple[Place, ...]:
        """Where nodes of a rate stand, and kernels that are wider than their node."""
        places = [
            *zip(self.clocks, map(place_of, self.nodes), strict=True),
            *zip(self.clocks, self.places, strict=True),
        ]
        return tuple(dict.fromkeys(place for clock, place in places if clock == rate and place != MARKET))

    def step_daily(self, series: str, values: Floats) -> None:
        """Step the nodes of a daily series by one value set, in the order of FIELDS."""
        self.bars[f"1d:{series}"][:, 0] = values
        self._run(f"1d:{series}", None)

    def unsettle(self, clock: str, masks: Mapping[Place, Active | None] | None) -> None:
        """A block has moved all rows of a clock but the `late` ones; `masks` says who advanced in it."""
        self._unsettled[clock] = masks

    def settle(self, *clocks: str) -> None:
        """Bring the `late` rows up to the bar at which the others stand."""
        for clock in clocks or self._again:
            if clock in self._unsettled:
                self._act(self._again[clock], self._unsettled.pop(clock))

    def refresh(self) -> None:
        """Read all inputs again after `bars` and `rows` were restored."""
        for gather in self._gathers:
            gather()

    def _run(self, clock: str, masks: dict[Place, Active | None] | None) -> None:
        self._act(self._plans.get(clock, ()), masks)

    def _act(self, plan: Sequence[Step], masks: Mapping[Place, Active | None] | None) -> None:
        with np.errstate(all="ignore"):
            if masks:
                for _, act, place in plan:
                    act(masks[place])
            else:
                for act_all, *_ in plan:
                    act_all()

    def _add(self, node: Node) -> None:
        self.clocks.append(self._clock(node))
        if node.op == "const":
            self._source(_constant(node))
        elif node.op == "input":
            self._input(node)
        elif node.op in CROSS_OPS:
            self._cross(node)
        else:
            args = tuple(self._read(arg, node) for arg in node.args)
            kernel = self._windowed(node, args[0]) if node.op in WINDOWED else self._make(node, self._width(node))
            self._kernel(kernel, args, place_of(node), self._bound(node, kernel, args))
            self.rows.append(kernel.out)
            if isinstance(kernel, Elementwise):
                # before the first bar everything is missing, but `x ?? 5` and `false and x` are known
                with np.errstate(all="ignore"):
                    kernel.step(args, None)

    def _clock(self, node: Node) -> str:
        """What steps a node: its rate, and for daily ones the one series they come from."""
        if node.rate != "1d":
            return node.rate
        if node.op == "input":
            return f"1d:{series_of(node)[0]}"
        clocks = {self.clocks[arg] for arg in node.args} - {""}
        if len(clocks) != 1:
            raise StateError(f"node {node.id} mixes daily series {sorted(clocks)}", "read them at 15m or 60m")
        return clocks.pop()

    def _width(self, node: Node) -> int:
        if node.scope == "market":
            return 1
        return self.width if node.columns is None else len(node.columns)

    def _source(self, row: Array) -> None:
        self.rows.append(row)
        self.kernels.append(None)
        self.places.append(MARKET)

    def _input(self, node: Node) -> None:
        clock = self.clocks[-1]
        name, field = series_of(node)
        if node.rate == "1d":
            self.bars.setdefault(clock, np.full((len(FIELDS), 1), np.nan))
        row = self.given[GIVEN.index(field)] if field in GIVEN else self.bars[clock][FIELDS.index(field)]
        if node.columns is None or node.scope == "market":
            self._source(row)
        else:
            self._source(self._gather(row, node.columns, clock))
        if name and node.rate != "1d":
            raise StateError(f"input {node.params[0]} at {node.rate} is no bar series")

    def _cross(self, node: Node) -> None:
        """Functions across the universe read the whole column, whatever columns their reader has."""
        source = self.nodes[node.args[0]]
        whole = 1 if node.scope == "market" else len(self.rows[node.args[0]])
        kernel = self._make(node, whole)
        self._kernel(kernel, (self.rows[node.args[0]],), MARKET if node.scope == "market" else source.columns)
        same = node.scope == "market" or node.columns == source.columns
        self.rows.append(kernel.out if same else self._gather(kernel.out, within(node.columns, source), node.rate))

    def _make(self, node: Node, width: int) -> Kernel:
        return make(node.op, node.params, width, self._arena)

    def _windowed(self, node: Node, row: Array) -> Kernel:
        """Kernels over the same values share a window as deep as the deepest of them needs."""
        key = (node.args[0], place_of(node))
        if key not in self.windows:
            self.windows[key] = window = window_for(node.op, self._depths[key], self._width(node))
            self._plan(partial(window.push, row, None), partial(window.push, row), key[1])
        return windowed(node.op, int(node.params[0]), self.windows[key], self._arena, pushes=False)

    def _kernel(
        self, kernel: Kernel, args: tuple[Array, ...], place: Place, bound: Callable[[], object] | None = None
    ) -> None:
        act_all = partial(kernel.step, args, None)
        self._plan(act_all if bound is None else bound, partial(kernel.step, args), place)
        index = len(self.kernels)
        if isinstance(kernel, Elementwise) and self._settles(index):
            self.late.add(index)
            self._again[self.clocks[index]].append(self._plans[self.clocks[index]][-1])
        self.kernels.append(kernel)
        self.places.append(place)

    def _settles(self, index: int) -> bool:
        """True for a node whose arguments are of its own clock, and not given from outside."""
        args = self.nodes[index].args
        given = any(self.nodes[arg].op == "input" and series_of(self.nodes[arg])[1] in GIVEN for arg in args)
        clock = self.clocks[index]
        return clock in self._again and not given and {self.clocks[arg] for arg in args} <= {clock, ""}

    def _bound(self, node: Node, kernel: Kernel, args: tuple[Array, ...]) -> Callable[[], object] | None:
        """An elementwise step in one call; a constant goes in as a number, which a ufunc reads faster than a row of one."""
        if not isinstance(kernel, Elementwise):
            return None
        sources = [self.nodes[arg] for arg in node.args]
        return kernel.bound(
            tuple(
                float(source.params[0]) if (source.op, source.kind) == ("const", "num") else row
                for source, row in zip(sources, args, strict=True)
            )
        )

    def _plan(
        self,
        act_all: Callable[[], object],
        act: Callable[[Active | None], object],
        place: Place,
        clock: str | None = None,
    ) -> None:
        self._plans.setdefault(self.clocks[-1] if clock is None else clock, []).append((act_all, act, place))

    def _read(self, arg: int, reader: Node) -> Array:
        """The argument's row in the columns of its reader."""
        source = self.nodes[arg]
        if source.scope == "market" or reader.scope == "market" or source.columns == reader.columns:
            return self.rows[arg]
        key = (arg, reader.columns)
        if key not in self._gathered:
            self._gathered[key] = self._gather(self.rows[arg], within(reader.columns, source), self.clocks[arg])
        return self._gathered[key]

    def _gather(self, row: Array, where: tuple[int, ...], clock: str) -> Array:
        """A row of some columns of `row`, filled right after `row` whenever that steps."""
        at = np.asarray(where, dtype=np.intp)
        out = row[at]

        gather = partial(np.take, row, at, out=out, mode="clip")
        self._gathers.append(gather)
        self._plan(gather, lambda _active: gather(), MARKET, clock)
        if clock in self._again:
            self._again[clock].append(self._plans[clock][-1])
        return out


def place_of(node: Node) -> Place:
    return MARKET if node.scope == "market" else node.columns


def _depths(nodes: Sequence[Node]) -> dict[tuple[int, Place], int]:
    """The most rows that windowed nodes read of an argument in some columns."""
    depths: dict[tuple[int, Place], int] = {}
    for node in nodes:
        if node.op in WINDOWED:
            key = (node.args[0], place_of(node))
            depths[key] = max(depths.get(key, 0), rows_of(node.op, int(node.params[0])))
    return depths


def within(columns: Columns, source: Node) -> tuple[int, ...]:
    """Where the reader's columns stand in the source's row."""
    if columns is None:
        raise StateError(f"node {source.id} lacks columns that its reader needs")
    if source.columns is None:
        return columns
    at = {column: index for index, column in enumerate(source.columns)}
    return tuple(at[column] for column in columns)


def series_of(node: Node) -> tuple[str, str]:
    """("vix", "close") of "vix.close", ("", "close") of "close"."""
    name, _, field = str(node.params[0]).rpartition(".")
    return name, field


def _constant(node: Node) -> Array:
    value = node.params[0]
    if node.kind == "truth":
        return np.full(1, np.uint8(2) if value else np.uint8(0))
    return np.full(1, float(value))
