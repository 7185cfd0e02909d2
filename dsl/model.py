"""The meaning of documents: frozen values with every default filled in and every unit gone.

In: built by `read.py` from trees. Out: what `lower.py` puts into the `Program` and the engine reads. Fractions are of
world capital unless said otherwise; durations are whole seconds; weights and probabilities are plain floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from .syntax import Expr

OnMissing = Literal["block", "hold", "value"]
Rate = Literal["15m", "60m", "1d"]

#: seconds of a full bar; the last 60m bar of a session is shorter, and a 1d bar is one session
RATE_SECONDS: dict[str, int] = {"15m": 900, "60m": 3600, "1d": 86400}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many bars a symbol may lag behind what its calendar says should be known."""

    stale_15m_bars: int = 2
    stale_60m_bars: int = 1
    regular_hours_only: bool = True


@dataclass(frozen=True, slots=True)
class Regime:
    """`neutral_after`: decision ticks without a regime after which the last (otherwise) chain is used, without entries."""

    source: Literal["heuristic"] = "heuristic"
    heuristic: str = "us_heuristic"
    neutral_after: int = 4


@dataclass(frozen=True, slots=True)
class Chain:
    """`when` is None for the last, `otherwise` chain. `stay` holds while the symbol is in the chain: the explicit
    `stay_when`, or `when` with each probability comparison loosened by the hysteresis."""

    name: str
    when: Expr | None
    stay: Expr | None
    strategies: tuple[str, ...]
    exposure: float


@dataclass(frozen=True, slots=True)
class AllowRow:
    """One row of an allowlist. `until` is the last day (ISO date) it holds, or ""; `reason` is free text."""

    symbol: str
    strategy: str
    enabled: bool = True
    reason: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class ParameterSet:
    """Effective parameters of one strategy for some symbols: name -> value, sorted by name; bars as int-valued floats."""

    strategy: str
    symbols: tuple[str, ...]
    values: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Select:
    """Selection among the strategies of a chain. `temperature` and `cap` are of `weighted`."""

    method: Literal["single_best", "weighted"] = "single_best"
    switch_edge: float = 0.15
    cooldown: int = 7200
    only_when_flat: bool = True
    temperature: float = 0.75
    cap: float = 0.45


@dataclass(frozen=True, slots=True)
class EntryGuardSettings:
    """Blocks new entries on flat symbols while its predicate holds. An unknown predicate blocks (`block`), leaves the
    symbol as it is this tick (`hold`: no entry and no change), or counts as `value`."""

    name: str
    block: Literal["long_entries", "short_entries", "entries"]
    on_missing: OnMissing
    value: bool = False


@dataclass(frozen=True, slots=True)
class EntryGuard:
    settings: EntryGuardSettings
    when: Expr


@dataclass(frozen=True, slots=True)
class ChurnGuard:
    """Fractions of world capital and seconds; each rule can be switched off by its own flag."""

    min_target: float = 0.03
    deadband: float = 0.02
    side_cooldown: int = 3600
    min_hold: int = 3600
    enabled: tuple[str, ...] = ("min_target", "deadband", "side_cooldown", "min_hold")


@dataclass(frozen=True, slots=True)
class PositionPolicy:
    """`flat`: below this magnitude a position counts as flat; `cutover`: a label by which an operator forces a new
    generation of every position; `external`: what to do with positions that are not ours."""

    flat: float = 0.003
    cutover: str = ""
    external: Literal["ignore"] = "ignore"


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Caps as fractions of world capital; losses are negative fractions. `cap_tolerance` multiplies a cap before an
    existing excess is trimmed."""

    daily_loss: float = -0.02
    weekly_loss: float = -0.05
    max_symbol: float = 0.15
    max_sector: float = 0.20
    max_total: float = 0.60
    cap_tolerance: float = 1.05
    position_stop: float = 0.05
    max_consecutive_failures: int = 3
    max_failures: int = 5
    failure_window: int = 300


@dataclass(frozen=True, slots=True)
class OrderRules:
    """`min_delta` as a fraction of world capital; no entries within `open_delay` seconds after the open
    and `close_buffer` seconds before the close; `cancel_after` and `reject_cooldown` in ticks."""

    min_delta: float = 0.005
    open_delay: int = 900
    close_buffer: int = 300
    cancel_after: int = 2
    reject_cooldown: int = 3


@dataclass(frozen=True, slots=True)
class ExchangePolicy:
    """What a venue accepts. Quantities in shares (or coins), prices and notionals in the account's currency."""

    name: str
    lot_size: Decimal = Decimal(1)
    fractional: bool = False
    tick_size: Decimal = Decimal("0.01")
    min_notional: Decimal = Decimal(1)
    shorting: bool = True
    time_in_force: Literal["day"] = "day"
    order_type: Literal["market"] = "market"


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a world that is plain values: what the engine's stages read. `sectors` pairs (symbol, sector); a symbol
    without a pair has no sector cap. `capital` is the initial share of account equity."""

    world: str
    calendar: str
    universe: tuple[str, ...]
    bars: tuple[Rate, ...]
    exchange: ExchangePolicy
    sectors: tuple[tuple[str, str], ...] = ()
    freshness: Freshness = Freshness()
    regime: Regime = Regime()
    select: Select = Select()
    churn_guard: ChurnGuard = ChurnGuard()
    position_policy: PositionPolicy = PositionPolicy()
    risk: RiskLimits = RiskLimits()
    orders: OrderRules = OrderRules()
    capital: float = 1.0


@dataclass(frozen=True, slots=True)
class World:
    """A whole world document: its settings and the parts that hold expressions or are resolved while lowering.
    `allowlist` None means `allowlist: all`. `parameters` covers every strategy of the chains and every symbol."""

    settings: Settings
    chains: tuple[Chain, ...]
    allowlist: tuple[AllowRow, ...] | None
    parameters: tuple[ParameterSet, ...]
    entry_guards: tuple[EntryGuard, ...]
    description: str = ""


@dataclass(frozen=True, slots=True)
class FilesFeed:
    """Folder of `<SYMBOL>.csv[.gz]` or `<SYMBOL>.parquet` bars at `rate`; `delay` seconds from a bar's end to known."""

    bars: str
    rate: Literal["15m", "5m", "1m"] = "15m"
    delay: int = 0
    vix: str = ""


@dataclass(frozen=True, slots=True)
class SyntheticFeed:
    """Seeded market; `start` is the ISO date of its first session."""

    seed: int = 7
    start: str = "2026-01-02"
    delay: int = 0


@dataclass(frozen=True, slots=True)
class PaperBroker:
    """Embedded broker: starting cash in the account's currency, costs per side as fractions of notional."""

    cash: Decimal = Decimal(100_000)
    fee: float = 0.0002
    slippage: float = 0.0001


@dataclass(frozen=True, slots=True)
class Clock:
    """`kind` wall ticks every `interval` seconds of real time; replay goes as fast as it can from `start` to `end`
    (ISO dates, both inclusive, exchange days; "" means all the feed has)."""

    kind: Literal["wall", "replay"] = "replay"
    interval: int = 60
    start: str = ""
    end: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What `qmtl run --config` takes. Paths are as written, relative to the deployment's own folder."""

    name: str
    mode: Literal["dry", "paper"]
    worlds: tuple[str, ...]
    account: str
    feed: FilesFeed | SyntheticFeed
    broker: PaperBroker
    clock: Clock
    out: str
    snapshot_every: int = 26
    description: str = ""
