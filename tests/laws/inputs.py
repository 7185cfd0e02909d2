"""The one place where the laws make what decide and net read: programs, market rows, accounts.

A stage that gets another optional column needs a line here and nowhere else. A `World` is a small value that can be
compared, edited and drawn; `frame_of` compiles it by hand, without text and nodes. Names are canonical (NAMES, RULES,
CHAINS), and the noise of a row belongs to names, so that the same seed says the same about a symbol whatever its place.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import math
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

from qmtl.dsl.model import (
    ChurnGuard,
    EntryGuardSettings,
    ExchangePolicy,
    OrderRules,
    PositionPolicy,
    Regime,
    RiskLimits,
    Select,
    Settings,
)
from qmtl.dsl.program import (
    FORMAT,
    ChainPlan,
    FitPlan,
    GuardPlan,
    Lane,
    Program,
    RegimePlan,
    StrategyPlan,
    SymbolPlan,
)
from qmtl.engine.frame import Frame, build_frame
from qmtl.engine.market import Account, Market, SessionTimes

NAMES = ("AA", "BB", "CC", "DD", "EE", "FF", "GG", "HH")
RULES = ("alpha", "beta", "gamma", "delta")
CHAINS = ("one", "two", "three", "four")

#: Tuesday 2025-10-28, 09:30 in New York; every day of the laws is a session
OPEN = int(dt.datetime(2025, 10, 28, 13, 30, tzinfo=dt.UTC).timestamp())
SESSION = 23_400
DAY = 86_400
#: the day before the first one, the first, and those after it: last days of allowlist rows
DATES = tuple((dt.date(2025, 10, 27) + dt.timedelta(days=i)).isoformat() for i in range(4))
BAR = 900
MINUTE = 60
EPS = 1e-9


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A strategy. `version` stands for its meaning and parameters; `stop` and `take`: "", "distance" or "level"."""

    name: str
    style: str = "trend"
    version: int = 1
    stop: str = ""
    take: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """A chain; `own` are symbols for which it says otherwise: (symbol, strategies, exposure)."""

    name: str
    uses: tuple[str, ...]
    exposure: float = 1.0
    own: tuple[tuple[str, tuple[str, ...], float], ...] = ()

    @property
    def used(self) -> set[str]:
        return {*self.uses, *(name for _, uses, _ in self.own for name in uses)}


@dataclasses.dataclass(frozen=True, slots=True)
class World:
    """What a world text comes to. `banned` are the pairs (symbol, strategy) without an allowlist row; `ends` are rows with a
    last day, as (symbol, strategy, ISO day); `blend` is how far exposure follows the confidence of the regime."""

    symbols: tuple[str, ...] = NAMES[:2]
    rules: tuple[Rule, ...] = (Rule("alpha"), Rule("beta"))
    chains: tuple[Link, ...] = (Link("one", ("alpha", "beta")),)
    banned: frozenset[tuple[str, str]] = frozenset()
    ends: frozenset[tuple[str, str, str]] = frozenset()
    blend: float = 0.0
    sectors: tuple[tuple[str, str], ...] = ()
    guards: tuple[tuple[str, str, bool], ...] = ()
    select: Select = dataclasses.field(default_factory=Select)
    churn: ChurnGuard = dataclasses.field(default_factory=ChurnGuard)
    risk: RiskLimits = dataclasses.field(default_factory=RiskLimits)
    orders: OrderRules = dataclasses.field(default_factory=OrderRules)
    capital: float = 1.0
    exchange: ExchangePolicy = dataclasses.field(default_factory=lambda: ExchangePolicy("lab"))
    cutover: str = ""
    external: str = "ignore"
    quotes: bool = False  # there is a feed of quotes
    marks: bool = False  # the broker shows its own marks
    name: str = "lab"

    def changed(self, **fields: Any) -> World:
        return dataclasses.replace(self, **fields)

    @property
    def active(self) -> tuple[Rule, ...]:
        """The strategies that any chain names: a program has no others."""
        used = set().union(*(link.used for link in self.chains))
        return tuple(rule for rule in self.rules if rule.name in used)

    def until(self, symbol: str, rule: str) -> str:
        """The last day of an allowlist row, "" for a row without one."""
        if (symbol, rule) in self.banned:
            return ""
        return next((day for one, name, day in self.ends if (one, name) == (symbol, rule)), "")

    def allows(self, symbol: str, rule: str, day: str) -> bool:
        """Does an allowlist row enable the pair on an exchange day? The last day is one of them."""
        return (symbol, rule) not in self.banned and not "" < self.until(symbol, rule) < day

    def enabled(self, symbol: str, day: str) -> bool:
        """Does any row of any chain enable the symbol on an exchange day?"""
        for link in self.chains:
            uses = next((uses for name, uses, _ in link.own if name == symbol), link.uses)
            if any(self.allows(symbol, rule, day) for rule in uses):
                return True
        return False


def generation(world: World, rule: Rule, symbol: str) -> str:
    """Of meaning, allowlist row and cutover label, as the compiler makes it."""
    row = f"{(symbol, rule.name) in world.banned} {world.until(symbol, rule.name)}"
    text = f"{rule.name} {rule.version} {row} {world.cutover}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def frame_of(world: World) -> Frame:
    """The world as the stages read it."""
    return build_frame(program_of(world))


def program_of(world: World) -> Program:
    """The world compiled by hand: stage configuration without nodes."""
    rules = world.active
    row = {rule.name: i for i, rule in enumerate(rules)}
    return Program(
        format=FORMAT,
        program_id=hashlib.blake2b(repr(world).encode(), digest_size=16).hexdigest(),
        settings=settings_of(world),
        nodes=(),
        strategies=tuple(
            StrategyPlan(
                rule.name,
                rule.style,  # type: ignore[arg-type]
                (
                    Lane(
                        None,
                        0,
                        0,
                        0 if rule.stop else None,
                        0 if rule.take else None,
                        rule.stop == "level",
                        rule.take == "level",
                    ),
                ),
            )
            for rule in rules
        ),
        regime=RegimePlan(0, 0, 0, 0, 0),
        chains=tuple(_chain(world, link, row, last=link is world.chains[-1]) for link in world.chains),
        fit=FitPlan(0, 0, 0, 0, 0, 0),
        guards=tuple(
            GuardPlan(EntryGuardSettings(f"guard{i}", *guard), 0)  # type: ignore[arg-type]
            for i, guard in enumerate(world.guards)
        ),
        allowed=tuple(tuple((symbol, rule.name) not in world.banned for symbol in world.symbols) for rule in rules),
        allowed_until=tuple(tuple(world.until(symbol, rule.name) for symbol in world.symbols) for rule in rules),
        generations=tuple(tuple(generation(world, rule, symbol) for symbol in world.symbols) for rule in rules),
        features=(),
        warmup=(),
    )


def _chain(world: World, link: Link, row: dict[str, int], *, last: bool) -> ChainPlan:
    own = sorted(
        (world.symbols.index(symbol), uses, part) for symbol, uses, part in link.own if symbol in world.symbols
    )
    return ChainPlan(
        link.name,
        None if last else 0,
        None,
        tuple(sorted(row[name] for name in link.uses)),
        link.exposure,
        tuple(SymbolPlan(column, tuple(sorted(row[name] for name in uses)), part) for column, uses, part in own),
    )


def settings_of(world: World) -> Settings:
    """The plain values of a world."""
    return Settings(
        world=world.name,
        calendar="XNYS",
        universe=world.symbols,
        bars=("15m", "60m"),
        exchange=world.exchange,
        regime=Regime(confidence_blend=world.blend),
        sectors=tuple(pair for pair in world.sectors if pair[0] in world.symbols),
        select=world.select,
        churn_guard=world.churn,
        position_policy=PositionPolicy(cutover=world.cutover, external=world.external),  # type: ignore[arg-type]
        risk=world.risk,
        orders=world.orders,
        capital=world.capital,
    )


def at(hhmm: str, day: int = 0) -> int:
    """Epoch seconds of an exchange time on the first day plus `day` days."""
    hours, minutes = hhmm.split(":")
    return OPEN + (int(hours) * 60 + int(minutes) - 570) * 60 + day * DAY


def session(now: int) -> SessionTimes:
    """The session that contains or precedes `now`."""
    begin = OPEN + (now - OPEN) // DAY * DAY
    day = dt.datetime.fromtimestamp(begin, tz=dt.UTC).date()
    year, week, _ = day.isocalendar()
    return SessionTimes(begin, begin + SESSION, day.isoformat(), f"{year}-W{week:02d}")


def is_open(now: int) -> bool:
    """Regular hours: open <= now < close."""
    return (now - OPEN) % DAY < SESSION


def locked(value: Any) -> Any:
    """The same record with every array read-only: a stage that writes to its input fails."""
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if isinstance(item, np.ndarray):
            item.setflags(write=False)
    return value


#: columns of a row: (leading axes, dtype, a value that says nothing); "N" strategies, "K" chains, "G" guards, "" symbols
COLUMNS: dict[str, tuple[Any, Any, Any]] = {
    "mark": ("", np.float64, 100.0),
    "behind_15m": ("", np.int32, 0),
    "behind_60m": ("", np.int32, 0),
    "p": (4, np.float64, np.array([[0.5], [0.2], [0.3], [0.1]])),
    "p_reason": ("", np.uint8, 0),
    "confidence": ("", np.float64, 0.5),
    "when": ("K", np.uint8, 0),
    "stay": ("K", np.uint8, 0),
    "signal": ("N", np.int8, 0),
    "signal_known": ("N", np.bool_, True),
    "signal_reason": ("N", np.uint8, 0),
    "size": ("N", np.float64, 1.0),
    "stop": ("N", np.float64, math.nan),
    "take": ("N", np.float64, math.nan),
    "guards": ("G", np.uint8, 0),
    "fit": (6, np.float64, np.array([[0.002], [0.003], [0.01], [0.01], [0.1], [0.5]])),
    "features": (0, np.float64, 0.0),
}


def market_of(frame: Frame, now: int, *, times: SessionTimes | None = None, **columns: Any) -> Market:
    """A row at `now`: calm and complete where `columns` says nothing. Decision tick on the quarter of an hour unless
    `decision` is given; `times` replaces the session (it is open then). `quote` stands alone: there may be none."""
    quote = columns.pop("quote", None)
    when = times or session(now)
    axes = {"N": frame.strategies, "K": len(frame.exposure), "G": len(frame.program.guards)}
    arrays = {}
    for name, (lead, dtype, quiet) in COLUMNS.items():
        value = columns.pop(name, quiet)
        shape = (frame.symbols,) if lead == "" else (axes.get(lead, lead), frame.symbols)
        array = np.empty(shape, dtype=dtype)
        array[...] = value
        if name in ("when", "stay"):
            array[-1] = 2  # the otherwise row
        arrays[name] = array
    decision = bool(columns.pop("decision", (now - OPEN) % BAR == 0))
    assert not columns, f"no such columns: {sorted(columns)}"
    return locked(
        Market(
            session=when,
            decision=decision,
            regular_hours=times is not None or is_open(now),
            bar_start=now // BAR * BAR - BAR,
            bar_end=now // BAR * BAR,
            quote=quote,
            quoted_at=None if quote is None else np.full(frame.symbols, now),
            **arrays,
        )
    )


def account_of(frame: Frame, **fields: Any) -> Account:
    """An account of 100,000 without positions. `held` maps symbols to exact quantities, `average` to prices (100)."""
    held, average = fields.pop("held", {}), fields.pop("average", {})
    exact = tuple(Decimal(held.get(symbol, 0)) for symbol in frame.names.symbols)
    qty = np.array([float(value) for value in exact])
    prices = np.array([average.get(symbol, 100.0) for symbol in frame.names.symbols])
    made: dict[str, Any] = {
        "readable": True,
        "equity": 100_000.0,
        "cash": 100_000.0,
        "buying_power": 400_000.0,
        "flows": 0.0,
        "others": 0.0,
        "qty": qty,
        "average_price": np.where(qty != 0, prices, math.nan),
        "exact": exact,
        "external": np.zeros(frame.symbols, dtype=bool),
        "working": (),
        "fills": (),
        "results": (),
    }
    return locked(Account(**{**made, **fields}))
