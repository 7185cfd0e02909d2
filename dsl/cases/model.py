"""The meaning of a case: frozen values without text, which the engine runs.

In: built by `read.py`. Out: what `engine/cases` sets up, ticks and compares, and the words in which it answers. Fractions are of world capital, times are
epoch seconds or whole seconds before the tick ("ago"), prices and money in the account's currency. `None` where the
text says nothing and the engine knows a sane value.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

Leg = Literal["open", "close"]
#: what an expectation is about; `engine/cases/compare.py` knows how to look at each
About = Literal[
    "chain", "regime", "shadow", "market_phase", "freshness", "selected", "weights", "target", "because", "guards",
    "position_policy", "orders", "denied", "canceled", "kill", "trading",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """Values, the newest last, NaN = missing. A `constant` is one value for as many bars as there are."""

    values: tuple[float, ...]
    constant: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """15m bars of one symbol; fields that are None follow from the close. `path` is where the case says so."""

    symbol: str
    close: Series
    open: Series | None = None
    high: Series | None = None
    low: Series | None = None
    volume: Series | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Regime outputs per 15m bar; the first three sum to 1 wherever they are known."""

    p_trend_up: Series
    p_trend_down: Series
    p_chop: Series
    p_high_vol: Series
    confidence: Series


@dataclass(frozen=True, slots=True)
class RegimeColumns:
    """`others` are the probabilities of every symbol that has none of its own, None = missing."""

    others: Probabilities | None
    by_symbol: tuple[tuple[str, Probabilities | None], ...] = ()


@dataclass(frozen=True, slots=True)
class MarketSeries:
    """Daily values of a market series ("vix"); the newest is of the session before the tick's."""

    name: str
    close: Series
    path: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """What a strategy says of a symbol, in place of what its formulas give. `side` None = unknown. `stop` and `take` as
    the strategy declares them, a distance or a price; NaN = unknown, None = far away (stop) or none (take)."""

    symbol: str
    strategy: str
    side: int | None
    size: float = 1.0
    stop: float | None = None
    take: float | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """Chart-fit inputs of one symbol, in place of those of its bars: pairs (name, value)."""

    symbol: str
    inputs: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A position before the tick. `size` or `qty` says how much, signed. `owner` "" = the strategy that this tick selects.
    `stop` and `take`: distances of its entry (levels for strategies that declare levels)."""

    symbol: str
    size: float | None
    qty: Decimal | None
    owner: str = ""
    average_price: float | None = None
    opened: int = 86_400
    same_generation: bool = True
    stop: float | None = None
    take: float | None = None
    external: bool = False
    path: str = ""


@dataclass(frozen=True, slots=True)
class Working:
    """An order of ours that is not filled yet, signed, sent `since` seconds ago."""

    symbol: str
    size: float | None
    qty: Decimal | None
    leg: Leg
    since: int = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker answered to `count` orders since the last tick. `error` as in the engine's order results."""

    symbol: str
    leg: Leg
    error: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class BrokerMark:
    """The broker's own price of what is held in a symbol, `age` seconds before the tick."""

    symbol: str
    price: float
    age: int = 0


@dataclass(frozen=True, slots=True)
class Readings:
    """What the account shows at a tick instead of what follows from the case; `readable` False = positions cannot be read.
    `flows` is money paid in since the last tick."""

    equity: float | None = None
    buying_power: float | None = None
    readable: bool = True
    answers: tuple[Answer, ...] = ()
    flows: float = 0.0
    marks: tuple[BrokerMark, ...] = ()


@dataclass(frozen=True, slots=True)
class Kill:
    """A kill in force: reason code, how long ago, and after how long it ends by itself (0 = only by resume)."""

    reason: str
    since: int = 600
    recovers: int = 0


@dataclass(frozen=True, slots=True)
class LastSide:
    """The newest position of a symbol that is flat now: its side, and how long ago it was opened."""

    symbol: str
    side: int
    opened: int


@dataclass(frozen=True, slots=True)
class Pending:
    """The second leg of a reversal that waits for the flat."""

    symbol: str
    size: float
    strategy: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the world remembers of earlier ticks. Pairs are (symbol, value); levels and `equity` are money."""

    chain: tuple[tuple[str, str], ...] = ()
    selected: tuple[tuple[str, str], ...] = ()
    switched: tuple[tuple[str, int], ...] = ()
    regime_missing: int = 0
    last_side: tuple[LastSide, ...] = ()
    latched: tuple[tuple[str, str, int], ...] = ()
    pending: tuple[Pending, ...] = ()
    entry_refused: tuple[tuple[str, int], ...] = ()
    exit_refused: tuple[tuple[str, int], ...] = ()
    equity: float | None = None
    day_start: float | None = None
    week_start: float | None = None
    day_breached: int = 0
    week_breached: int = 0
    failures: int = 0
    kill: Kill | None = None


@dataclass(frozen=True, slots=True)
class WantedOrder:
    """An order that is expected; "" and None are not compared."""

    symbol: str
    side: str = ""
    leg: str = ""
    qty: Decimal | None = None
    because: str = ""


@dataclass(frozen=True, slots=True)
class Weight:
    """Weight of a strategy in a weighted selection."""

    strategy: str
    share: float


#: what is expected: a name, a fraction, reason codes that must all have been given, guards, weights, orders
Wanted = str | float | tuple[str, ...] | tuple[Weight, ...] | tuple[WantedOrder, ...]


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that must come out; `symbol` "" = of the whole world. `path` is where the case says so."""

    about: About
    symbol: str
    wanted: Wanted
    path: str


@dataclass(frozen=True, slots=True)
class Step:
    """One tick. A `decision` tick stands at the end of a 15m bar, which it decides on. What is None goes on as it was: the
    last close, the last probabilities, the last signals. `quotes`, pairs (symbol, price), are of this tick only. `offset`:
    seconds from UTC of the clock that `at` is written by."""

    at: int
    decision: bool
    path: str
    bars: tuple[Bars, ...] = ()
    regime: RegimeColumns | None = None
    market: tuple[MarketSeries, ...] = ()
    chart: tuple[Chart, ...] | None = None
    signals: tuple[Signal, ...] | None = None
    readings: Readings = Readings()
    expect: tuple[Expectation, ...] = ()
    offset: int = 0
    quotes: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A test of one world. The steps are its ticks in order, at least one."""

    name: str
    world: str
    path: str
    steps: tuple[Step, ...]
    equity: float = 10_000_000.0
    positions: tuple[Held, ...] = ()
    working: tuple[Working, ...] = ()
    memory: Memory = Memory()


@dataclass(frozen=True, slots=True)
class Why:
    """A reason that one of the steps gave: step, code, what the code means, and the symbol ("" = the world)."""

    step: str
    code: str
    text: str
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """What a person would ask next about a failure: a title ("target of SPY") and lines."""

    title: str
    lines: tuple[str, ...]
