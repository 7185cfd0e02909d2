"""The meaning of documents: frozen values with every default filled in and every unit gone.

In: built by `read.py` from trees. Out: what `lower.py` puts into the `Program` and the engine reads. Fractions are of
world capital unless said otherwise; durations are whole seconds; weights and probabilities are plain floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from .exchange import ExchangePolicy as ExchangePolicy  # noqa: PLC0414 - a part of the model, in a file of its own
from .later import AFTER_V1 as AFTER_V1  # noqa: PLC0414 - readers of the model ask for it here
from .syntax import Expr

OnMissing = Literal["block", "hold", "value"]
Rate = Literal["15m", "60m", "1d"]

#: seconds of a full bar; the last 60m bar of a session is shorter, and a 1d bar is one session
RATE_SECONDS: dict[str, int] = {"15m": 900, "60m": 3600, "1d": 86400}


@dataclass(frozen=True, slots=True)
class Freshness:
    """How many bars a symbol may lag behind what its calendar says should be known. `max_gap`: the largest change of its
    price between two known bars, as a fraction of the former one, that is believed without an explanation."""

    stale_15m_bars: int = 2
    stale_60m_bars: int = 1
    regular_hours_only: bool = True
    max_gap: float = field(default=0.4, metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class Regime:
    """`neutral_after`: decision ticks without a regime after which the last (otherwise) chain is used, without entries.
    `shadow` names a second regime that is computed on the same bars and only recorded; "" unless the source is `shadow`.
    `confidence_blend`: how far, 0 to 1, the exposure of a chain follows the confidence of the regime."""

    source: Literal["heuristic", "shadow"] = "heuristic"
    heuristic: str = "us_heuristic"
    neutral_after: int = 4
    shadow: str = field(default="", metadata=AFTER_V1)
    confidence_blend: float = field(default=0.0, metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class ChainOverride:
    """What a chain does otherwise for one sector or symbol; None keeps what the chain (or the symbol's sector) says."""

    kind: Literal["sector", "symbol"]
    name: str
    strategies: tuple[str, ...] | None = None
    exposure: float | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """`when` is None for the last, `otherwise` chain. `stay` holds while the symbol is in the chain: the explicit
    `stay_when`, or `when` with each probability comparison loosened by the hysteresis. `overrides` by sector come first."""

    name: str
    when: Expr | None
    stay: Expr | None
    strategies: tuple[str, ...]
    exposure: float
    overrides: tuple[ChainOverride, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """Every strategy that the chain names for any symbol, in the order of the text."""
        own = (name for override in self.overrides for name in override.strategies or ())
        return tuple(dict.fromkeys((*self.strategies, *own)))

    @property
    def widest(self) -> float:
        """The largest exposure that it gives any symbol."""
        return max((self.exposure, *(o.exposure for o in self.overrides if o.exposure is not None)))

    def given(self, symbol: str, sector: str) -> tuple[tuple[str, ...], float]:
        """Strategies and exposure of a symbol: a symbol beats its sector ("" for none), and a sector the chain."""
        strategies, exposure = self.strategies, self.exposure
        for override in self.overrides:
            if override.name == (symbol if override.kind == "symbol" else sector):
                strategies = strategies if override.strategies is None else override.strategies
                exposure = exposure if override.exposure is None else override.exposure
        return strategies, exposure


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
class RouterAlphas:
    """What the router adds to the score of a strategy: each alpha times its probability."""

    strategy: str
    p_trend_up: float = 0.0
    p_trend_down: float = 0.0
    p_chop: float = 0.0
    p_high_vol: float = 0.0


@dataclass(frozen=True, slots=True)
class Select:
    """Selection among the strategies of a chain. `temperature` and `cap` are of `weighted`; `alphas` by name of strategy,
    those that add nothing left out."""

    method: Literal["single_best", "weighted"] = "single_best"
    switch_edge: float = 0.15
    cooldown: int = 7200
    only_when_flat: bool = True
    temperature: float = 0.75
    cap: float = 0.45
    alphas: tuple[RouterAlphas, ...] = field(default=(), metadata=AFTER_V1)


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
    generation of every position; `external`: what to do with positions that are not ours: never trade them, or close them
    as protective exits do."""

    flat: float = 0.003
    cutover: str = ""
    external: Literal["ignore", "unwind_only"] = "ignore"


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """Caps as fractions of world capital; losses are negative fractions. `cap_tolerance` multiplies a cap before an
    existing excess is trimmed. `trading`: what may be sent at all, whatever the gate says beside it; `on_kill`: whether a
    kill closes what is held or leaves it to its exits."""

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
    trading: Literal["active", "reducing", "halted"] = field(default="active", metadata=AFTER_V1)
    on_kill: Literal["hold", "flatten"] = field(default="hold", metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class OrderRules:
    """`min_delta` as a fraction of world capital; no entries within `open_delay` seconds after the open
    and `close_buffer` seconds before the close; `cancel_after` and `reject_cooldown` in ticks. `collar`: how far a fresh
    quote may be from the mark, as a fraction of it, for an order that is no protective exit.

    Limits of opening orders, None = none: `max_notional` money an order; `max_volume` an order as a fraction of the
    symbol's average daily volume; `max_per_tick`, `max_per_day` orders of the world in a tick and an exchange day, and
    `max_turnover` what they are worth in a day as a fraction of world capital. Closing orders count and are never denied."""

    min_delta: float = 0.005
    open_delay: int = 900
    close_buffer: int = 300
    cancel_after: int = 2
    reject_cooldown: int = 3
    collar: float = field(default=0.02, metadata=AFTER_V1)
    max_notional: Decimal | None = field(default=None, metadata=AFTER_V1)
    max_volume: float | None = field(default=None, metadata=AFTER_V1)
    max_per_tick: int | None = field(default=None, metadata=AFTER_V1)
    max_per_day: int | None = field(default=None, metadata=AFTER_V1)
    max_turnover: float | None = field(default=None, metadata=AFTER_V1)


@dataclass(frozen=True, slots=True)
class Settings:
    """All of a world that is plain values: what the engine's stages read. `sectors` pairs (symbol, sector); a symbol
    without a pair has no sector cap. `capital` is the initial share of account equity. `allow_live`: the world may trade real
    money."""

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
    allow_live: bool = field(default=False, metadata=AFTER_V1)


#: name of the feature with the average daily volume, in programs of worlds that need it; no feature of a user has one like it
VOLUME: Final = "orders.average_volume"


def needs_volume(settings: Settings) -> bool:
    """Whether a world limits its orders by volume."""
    return settings.orders.max_volume is not None


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
class AlpacaFeed:
    """Alpaca's market data: which trades (`feed`), what past prices are adjusted for, seconds from a bar's end to known, file
    of daily VIX values, whether quotes are asked for; `url` "" = the usual address."""

    feed: Literal["iex", "sip"] = "iex"
    adjustment: Literal["split", "raw", "all"] = "split"
    delay: int = 30
    vix: str = ""
    quotes: bool = True
    url: str = ""


@dataclass(frozen=True, slots=True)
class PaperBroker:
    """Embedded broker: starting cash in the account's currency, costs per side as fractions of notional. `borrow` is a yearly
    fraction of what shorts are worth, paid for each night; `borrow_by_symbol` pairs (symbol, fraction) that differ from it."""

    cash: Decimal = Decimal(100_000)
    fee: float = 0.0002
    slippage: float = 0.0001
    borrow: float = 0.005
    borrow_by_symbol: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class AlpacaBroker:
    """An account at Alpaca; which one, the keys say, and they never stand in a text. `url` "" = by the keys; `timeout` seconds
    of one request."""

    url: str = ""
    timeout: int = 10
    requests_per_minute: int = 200


@dataclass(frozen=True, slots=True)
class Clock:
    """`kind` wall ticks every `interval` seconds of real time; replay goes as fast as it can from `start` to `end`
    (ISO dates, both inclusive, exchange days; "" means all the feed has). `max_skew`: seconds that our clock may differ from
    the broker's."""

    kind: Literal["wall", "replay"] = "replay"
    interval: int = 60
    start: str = ""
    end: str = ""
    max_skew: int = 5


@dataclass(frozen=True, slots=True)
class Deployment:
    """What `qmtl run --config` takes. Paths are as written, relative to the deployment's own folder."""

    name: str
    mode: Literal["dry", "paper", "live"]
    worlds: tuple[str, ...]
    account: str
    feed: FilesFeed | SyntheticFeed | AlpacaFeed
    broker: PaperBroker | AlpacaBroker
    clock: Clock
    out: str
    snapshot_every: int = 26
    description: str = ""


@dataclass(frozen=True, slots=True)
class WorldShift:
    """How the share of one world changes: fractions of total equity. `strategies_before` and `strategies_after` pair
    (strategy, fraction) as far as the text says them; those after are all of the world's, or none."""

    world: str
    before: float
    after: float
    strategies_before: tuple[tuple[str, float], ...] = ()
    strategies_after: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Overlay:
    """The hedge of one world: (after / base - 1) x net notional x `hedge_ratio`, in units of price x `multiplier`.
    `base_alloc` None: the share that was stored with the first plan."""

    world: str
    instrument: str
    hedge_ratio: Decimal = Decimal(1)
    multiplier: Decimal = Decimal(1)
    base_alloc: float | None = None


@dataclass(frozen=True, slots=True)
class ScalingBudget:
    """Where scaling stops in a hybrid plan: a fraction of total equity, and money; None means no such limit."""

    turnover: float | None = None
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class SharedAccount:
    """Limits on the exposure that results on an account shared by worlds, as fractions of total equity."""

    max_gross: float = 1.0
    max_net: float = 1.0
    margin_headroom: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A world plan. `worlds` stand in the order of the text; `lot_sizes` pair (symbol, size) for symbols that do not take
    that of their world's exchange; money is in the account's currency. `shared_account` None: nothing is netted over
    worlds. `run_id` "" until one is given."""

    name: str
    method: Literal["scaling", "overlay", "hybrid"]
    worlds: tuple[WorldShift, ...]
    overlays: tuple[Overlay, ...] = ()
    budget: ScalingBudget | None = None
    min_trade_notional: Decimal = Decimal(0)
    lot_sizes: tuple[tuple[str, Decimal], ...] = ()
    target: bool = False
    scope: Literal["per_world", "per_strategy", "global"] = "per_world"
    shared_account: SharedAccount | None = None
    submit: bool = False
    run_id: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class ModelOutput:
    """Where a model says a probability: the element `index` of the ONNX output `output`, for the newest bar."""

    probability: str
    output: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """`temperature` divides the log-probabilities before they are normalised again; 1 changes nothing."""

    method: Literal["none", "temperature"] = "none"
    temperature: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelDocument:
    """A regime model. `file` is as written, relative to the document's own folder; the input of the graph is `window`
    15m bars (oldest first) by `features`, in this order; `outputs` has each probability once."""

    name: str
    file: str
    sha256: str
    features: tuple[str, ...]
    outputs: tuple[ModelOutput, ...]
    window: int = 32
    calibration: Calibration = Calibration()
    description: str = ""
