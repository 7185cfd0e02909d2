"""The Program, format version 1: everything the engine needs, immutable, hashed, without text.

In: `lower.py` builds it. Out: the engine ticks it, the journal stores it (`to_json`), `qmtl graph` draws it. It names
no file and holds no span, so that comments, formatting, paths and the surface (YAML or block) change no id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .model import AFTER_V1, EntryGuardSettings, Settings

FORMAT = "qmtl.program.v1"
#: the feature that worlds have which limit orders by volume: average daily volume in shares; no feature of a user is called so
VOLUME = "orders.average_volume"

#: `num` values are float64 with NaN for missing; `truth` values are uint8: 0 false, 1 unknown, 2 true (Kleene order)
Kind = Literal["num", "truth"]
#: `symbol`: one value per column; `market`: one value for all (width 1, broadcast)
Scope = Literal["symbol", "market"]


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of the graph.

    id       content hash (16 hex digits) of (op, params, ids of args, rate); the key of kernel state
    op       name in the builtins table, or "input" / "const"
    params   constants: numbers and strings (for "input" the series name, for "const" the value)
    args     indexes of earlier nodes in `Program.nodes`
    rate     "15m", "60m", "1d", or "" for constants; a node steps when a bar of its rate closes
    columns  indexes into the universe this node is computed for, ascending; None = all. An argument always
             covers the columns of its reader (or is `market`, width 1)
    warmup   bars of each rate, as pairs (rate, bars), until the first value is trustworthy
    """

    id: str
    op: str
    params: tuple[float | int | str, ...]
    args: tuple[int, ...]
    rate: str
    kind: Kind
    scope: Scope
    columns: tuple[int, ...] | None
    warmup: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Outputs of one strategy for the columns of one parameter set; `columns` None = all.

    Node indexes. `signal` is a `latch` node in {-1, 0, 1}; `size` in [0, 1]. `stop` and `take` are distances from the
    average price, or price levels where the matching flag is set; None = no such exit."""

    columns: tuple[int, ...] | None
    signal: int
    size: int
    stop: int | None
    take: int | None
    stop_is_level: bool
    take_is_level: bool


@dataclass(frozen=True, slots=True)
class StrategyPlan:
    """A strategy of this world. The first lane is computed for all columns; later lanes overwrite their columns."""

    name: str
    style: Literal["trend", "chop", "defensive"]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, slots=True)
class RegimePlan:
    """Node indexes of the regime outputs; the first three sum to 1 wherever they are known. `shadow` has those of the regime
    that is only recorded, in the same order; empty without one."""

    p_trend_up: int
    p_trend_down: int
    p_chop: int
    p_high_vol: int
    confidence: int
    shadow: tuple[int, ...] = field(default=(), metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class SymbolPlan:
    """What a chain does otherwise for one column: its strategies (ascending) and its exposure, both in full."""

    column: int
    strategies: tuple[int, ...]
    exposure: float


@dataclass(frozen=True, slots=True)
class ChainPlan:
    """Truth nodes of a chain's predicate and of its loosened form; None for `otherwise`. `overrides`, by ascending column,
    are of the columns that get something else than the chain says; sectors are resolved into their symbols."""

    name: str
    when: int | None
    stay: int | None
    strategies: tuple[int, ...]
    exposure: float
    overrides: tuple[SymbolPlan, ...] = field(default=(), metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class FitPlan:
    """Node indexes of the chart-fit inputs of decisions.md, from the features of the same names."""

    trend15: int
    trend60: int
    mom15: int
    mom60: int
    vol_score: int
    overext: int


@dataclass(frozen=True, slots=True)
class GuardPlan:
    """An entry guard: the truth node of its predicate, what it blocks, and what counts when it is unknown."""

    settings: EntryGuardSettings
    when: int


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled world.

    program_id   hash of all meaning, hex; recorded on every tick
    nodes        in topological order, coarser rates first where it is free to choose
    strategies   in the order of first use by the chains; every index into strategies means this order
    allowed      [strategy][symbol] from the enabled allowlist rows
    allowed_until [strategy][symbol] last ISO day of the row, "" = open
    generations  [strategy][symbol] hash of meaning, effective parameters and allowlist row, hex
    features     named nodes kept as columns for people (journal, explain), pairs (name, node index)
    warmup       bars of each rate the world needs before its first full decision, pairs (rate, bars)
    """

    format: str
    program_id: str
    settings: Settings
    nodes: tuple[Node, ...]
    strategies: tuple[StrategyPlan, ...]
    regime: RegimePlan
    chains: tuple[ChainPlan, ...]
    fit: FitPlan
    guards: tuple[GuardPlan, ...]
    allowed: tuple[tuple[bool, ...], ...]
    allowed_until: tuple[tuple[str, ...], ...]
    generations: tuple[tuple[str, ...], ...]
    features: tuple[tuple[str, int], ...]
    warmup: tuple[tuple[str, int], ...]
