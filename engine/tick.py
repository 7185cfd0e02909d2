"""The Tick, format version 1: what the thirteen steps hand from one to the next.

In: `decide` starts one with the inputs. Out: each stage returns it with its own record filled in; `net` reads the
wishes, the journal stores `columns`, the logs read the labels and counters at the end. Every record is a set of
columns over symbols [S] (a few [N, S] or single numbers), and has one reason code per symbol.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from .ahead import ahead_of
from .bars import Bools, Codes, Floats, Hashes, Ints, Sides, Small
from .frame import Frame
from .market import Account, Ahead, Market
from .state import Counters, DecideState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FORMAT: Final = "qmtl.tick.v1"

#: `Orders.leg` and `Load.working`
NO_LEG: Final = 0
OPEN_LEG: Final = 1
CLOSE_LEG: Final = 2
#: `Load.working` of an opening order that the broker does not seem to have: it blocks entries, and delays no exit
LOST_LEG: Final = 3


class PolicyLabel(IntEnum):
    """What the position policy made of a symbol; `text` is what logs print."""

    text: str

    def __new__(cls, number: int, text: str) -> PolicyLabel:  # noqa: PYI034 - an enum member is made here
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        return member

    NORMAL = 0, "normal"
    DISABLED = 1, "unwind_only/disabled_symbol"
    EXTERNAL = 2, "external/ignore"
    PRE_CUTOVER = 3, "legacy_hold/pre_cutover_position"
    OWNER_MISMATCH = 4, "legacy_hold/owner_mismatch"
    UNWOUND = 5, "external/unwind_only"


@dataclass(slots=True, eq=False)
class Load:
    """1. Account as columns. Fractions are of `capital` = share x equity without external positions.

    trusted          the equity reading is believed (else the last believed one stands in and entries wait)
    solvent          capital is positive; else fractions mean nothing: no entries, trims or reductions
    current          signed fraction that is ours;  held: it is not zero
    outside          signed fraction beside it that is somebody else's;  external: there is any, or less is there than is ours
    resting          signed fraction of working opening orders
    working          NO_LEG, OPEN_LEG, CLOSE_LEG or LOST_LEG; working_qty signed shares that remain; working_since tick
    owner ... stopping   the position's memory after the fills of this tick
    mark             price that counts now;  believed, mark_scale, gap_at, settling, average  what is remembered
    """

    equity: float
    suspect: float
    capital: float
    trusted: bool
    solvent: bool
    mark: Floats
    current: Floats
    outside: Floats
    resting: Floats
    held: Bools
    external: Bools
    working: Codes
    working_qty: Floats
    working_since: Ints
    owner: Small
    generation: Hashes
    side: Sides
    side_opened_at: Ints
    last_side: Sides
    last_opened_at: Ints
    stop_distance: Floats
    take_distance: Floats
    stopping: Codes
    believed: Floats
    mark_scale: Floats
    gap_at: Ints
    settling: Counters
    average: Floats
    reason: Codes


@dataclass(slots=True, eq=False)
class Freshness:
    """2. `active`: entries possible. `outside`: no orders at all. The reason is the status; `stale_at` since when bars are
    overdue, 0 where they are not."""

    active: Bools
    outside: bool
    phase_outside: bool
    stale_at: Ints
    reason: Codes


@dataclass(slots=True, eq=False)
class Regime:
    """3. `missing` counts decision ticks in a row; from neutral_after on the symbol is `neutral`. `shadow` [S] is a
    `shadow.Beside`, empty without a second regime; the three counts are of this tick, 0 unless it decides."""

    known: Bools
    missing: Counters
    neutral: Bools
    shadow: Codes
    compared: int
    differing: int
    fallbacks: int
    reason: Codes


@dataclass(slots=True, eq=False)
class Chain:
    """4. Chain index per symbol and its exposure multiplier; `certain` is False where entries must wait."""

    chain: Small
    exposure: Floats
    certain: Bools
    reason: Codes


@dataclass(slots=True, eq=False)
class Allowlist:
    """5. `candidates` [N, S]: in the chain and enabled. `enabled` [S]: by any row of any chain."""

    candidates: Bools
    disabled: Bools
    enabled: Bools
    hit_rate: float
    reason: Codes


@dataclass(slots=True, eq=False)
class Signals:
    """6. `eligible` [N, S]: a candidate whose signal (and stop, if it has one) is known. `signal` is 0 where a latch
    holds. `owner_*` [S]: exit-only view of the position's owner, NaN target where unknown or owned by nobody here."""

    eligible: Bools
    signal: Sides
    target: Floats
    latch: Sides
    owner_known: Bools
    owner_target: Floats
    reason: Codes


@dataclass(slots=True, eq=False)
class Select:
    """7. `selected` strategy index (MIX for weighted, NOBODY), `raw` its signed target before caps (NaN = hold), `rank`
    its |adjusted score|. `exit_only`: no entries. `weights` [N, S] for weighted, else empty."""

    score: Floats
    weights: Floats
    selected: Small
    switched_at: Ints
    rank: Floats
    raw: Floats
    exit_only: Bools
    reason: Codes


@dataclass(slots=True, eq=False)
class Target:
    """8. Target after caps, breadth, exposure, guards and stops. `protective`: exits that bypass everything they must.
    `stop_level`, `take_level`: prices in force. `stopping`: reason of a stop being executed."""

    target: Floats
    may_enter: Bools
    protective: Bools
    stop_level: Floats
    take_level: Floats
    stopping: Codes
    latch: Sides
    reason: Codes


@dataclass(slots=True, eq=False)
class Churn:
    """9. Target after the churn guard."""

    target: Floats
    reason: Codes


@dataclass(slots=True, eq=False)
class Policy:
    """10. Target after the position policy; `label` is a PolicyLabel."""

    target: Floats
    label: Codes
    protective: Bools
    reason: Codes


@dataclass(slots=True, eq=False)
class Gate:
    """The account-wide part of the risk gate: loss limits, kill state, failure counters; single numbers and rings.
    `trading` is a TradingState, `why` the reason when it is not ACTIVE."""

    kill: int
    trading: int
    fired: bool
    entries: bool
    why: int
    day_loss: float
    week_loss: float
    close_equity: float
    day: int
    week: int
    day_anchor: float
    week_anchor: float
    day_level: float
    week_level: float
    day_breach_at: int
    week_breach_at: int
    killed_at: int
    recover_at: int
    recoveries: int
    recovery_day: int
    consecutive: int
    ring_at: Ints
    ring_orders: Counters
    ring_failures: Counters
    ring_next: int
    failed_ids: Hashes
    failed_next: int
    flatten: int = 0


@dataclass(slots=True, eq=False)
class Orders:
    """11. The wishes. `target` after the last clip; `leg` and signed `delta` (fraction) of what is to be sent;
    `closing` = the whole position; `cancel` = reason to cancel the working order, 0 none; `strategy` of an opening leg;
    `pending` = fraction to enter once a reversal is flat; `note` = reason code of something to know about what is sent."""

    target: Floats
    leg: Codes
    delta: Floats
    closing: Bools
    cancel: Codes
    strategy: Small
    pending: Floats
    pending_strategy: Small
    entry_strategy: Small
    entry_stop: Floats
    entry_take: Floats
    entry_stop_level: Floats
    entry_take_level: Floats
    note: Codes
    reason: Codes


@dataclass(slots=True, eq=False)
class Risk:
    """12. Per-symbol bookkeeping of order results; `alert` where an exit was refused three times or more."""

    reject_until: Ints
    exit_rejects: Small
    alert: Bools
    reason: Codes


@dataclass(slots=True, eq=False)
class Persist:
    """13. `reason`: the one that decided, of the last stage that had something to say."""

    reason: Codes


T = TypeVar("T")


def _blank(record: type[T]) -> T:
    """A record before its stage has run: every column empty."""
    empty = np.empty(0)
    return record(**{field.name: empty for field in fields(record)})  # type: ignore[arg-type]


@dataclass(slots=True, eq=False)
class Tick:
    """One tick of one world: inputs, then one record per step in run order, then the next state (`after`)."""

    now: int
    frame: Frame
    before: DecideState
    market: Market
    ahead: Ahead
    account: Account
    after: DecideState
    load: Load
    freshness: Freshness
    regime: Regime
    chain: Chain
    allowlist: Allowlist
    signals: Signals
    select: Select
    target: Target
    churn: Churn
    policy: Policy
    gate: Gate
    orders: Orders
    risk: Risk
    persist: Persist


#: records in run order; the gate belongs to step 11
RECORDS: Final = (
    "load",
    "freshness",
    "regime",
    "chain",
    "allowlist",
    "signals",
    "select",
    "target",
    "churn",
    "policy",
    "gate",
    "orders",
    "risk",
    "persist",
)


_BLANK: Final = (
    _blank(Load),
    _blank(Freshness),
    _blank(Regime),
    _blank(Chain),
    _blank(Allowlist),
    _blank(Signals),
    _blank(Select),
    _blank(Target),
    _blank(Churn),
    _blank(Policy),
    _blank(Gate),
    _blank(Orders),
    _blank(Risk),
    _blank(Persist),
)


def start(frame: Frame, state: DecideState, market: Market, account: Account, now: int) -> Tick:
    """A tick before its first step."""
    return Tick(now, frame, state, market, market.ahead or ahead_of(frame, market), account, state, *_BLANK)


def changed(record: T, **columns: object) -> T:
    """A copy of a Tick or a Gate with some fields replaced; faster than `dataclasses.replace`."""
    after = copy(record)
    for name, value in columns.items():
        setattr(after, name, value)
    return after


def put(column: Codes, where: Bools, value: int) -> None:
    """Write a code into a stage's own fresh column where the mask holds."""
    np.putmask(column, where, int(value))  # twice as fast as copyto


def some(mask: NDArray[Any]) -> bool:
    """Does a mask hold, or a column differ from 0, anywhere; counting is faster than `any`."""
    return bool(np.count_nonzero(mask))


def any_strategy(pairs: Bools) -> Bools:
    """[S] from [N, S]: any strategy."""
    found: Bools = np.logical_or.reduce(pairs, axis=0)
    return found


class Notes:
    """A stage's reason column, made when there is something to say."""

    __slots__ = ("column",)

    def __init__(self, frame: Frame) -> None:
        self.column = frame.silent

    def put(self, where: Bools, code: int) -> None:
        """A reason code where the mask holds."""
        if np.count_nonzero(where):
            np.putmask(self.own(), where, int(code))

    def own(self) -> Codes:
        """The column, to be written."""
        if not self.column.flags.writeable:
            self.column = self.column.copy()
        return self.column


def no_reasons(frame: Frame) -> Codes:
    """A fresh reason column."""
    return np.zeros(frame.symbols, dtype=np.uint8)


@cache
def _layout() -> tuple[tuple[str, str, str], ...]:
    pairs = zip(RECORDS, cast("tuple[DataclassInstance, ...]", _BLANK), strict=True)
    return tuple((name, item.name, f"{name}.{item.name}") for name, blank in pairs for item in fields(blank))


def columns(tick: Tick) -> tuple[tuple[str, NDArray[Any]], ...]:
    """Every stage's columns as (record.column, array), in a stable order; single numbers are arrays of shape ()."""
    return tuple((label, np.asarray(getattr(getattr(tick, record), column))) for record, column, label in _layout())
