"""What a backtest leaves behind: columns over ticks and over orders, nothing derived.

In: `run.py` fills it. Out: everything that is said about a backtest - measures, attribution, round trips, reports,
comparisons - is computed from it, and it is what is stored. Times are epoch seconds UTC; money in the account's currency;
fractions of world capital.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..bars import Floats, Ints

FORMAT: Final = "qmtl.backtest.v1"

Texts = tuple[str, ...]
Shorts = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Costs:
    """Per side, as fractions of notional: `fee` is paid in cash, `slippage` worsens the price. `borrow` is a yearly
    fraction of what shorts are worth, `borrow_of` pairs (symbol, fraction) that differ from it. `late` bars of delay before
    an order can fill (0 = the first open at or after the tick)."""

    fee: float = 0.0002
    slippage: float = 0.0001
    borrow: float = 0.005
    borrow_of: tuple[tuple[str, float], ...] = ()
    late: int = 0


@dataclass(frozen=True, slots=True)
class Setup:
    """What was run. `worlds` pairs (world, program id); `start`, `end` first and last exchange day; `sessions_a_year` of the
    calendar; `bars_a_session` decision ticks of a full session."""

    format: str
    name: str
    worlds: tuple[tuple[str, str], ...]
    calendar: str
    start: str
    end: str
    cash: float
    costs: Costs
    source: str
    sessions_a_year: float
    bars_a_session: int
    version: str


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The account, one row per decision tick, T rows, before the orders of that tick.

    at        [T] grid time;  session [T] index into `days`;  days  ISO dates of the sessions
    equity, cash   [T] at the marks known then
    fees, borrow   [T] paid since the row before (positive money)
    market    [T] what 1 put equally into every symbol of the universes at the first row is worth (costs left out)
    The last row of a session is its close: its mark is the session's last close.
    """

    at: Ints
    session: Ints
    days: Texts
    equity: Floats
    cash: Floats
    fees: Floats
    borrow: Floats
    market: Floats


@dataclass(frozen=True, slots=True, eq=False)
class WorldSteps:
    """One world at the same T rows.

    capital [T];  pnl [T] money won since the start, costs paid;  gross, net [T] sums of |fraction| and fraction held
    names   [T] symbols held;  kill [T] reason code, 0 = none
    chains  names;  in_chain [T, K] how many symbols are in each
    p       [T, 4] mean of p_trend_up, p_trend_down, p_chop, p_high_vol over the symbols that know them, NaN where none does
    """

    world: str
    chains: Texts
    strategies: Texts
    universe: Texts
    capital: Floats
    pnl: Floats
    gross: Floats
    net: Floats
    names: Shorts
    kill: NDArray[np.uint8]
    in_chain: Shorts
    p: Floats


@dataclass(frozen=True, slots=True, eq=False)
class OrderRows:
    """Every order that was sent, one row each, in the order they were sent; M rows. Text columns are indexes into tuples.

    sent      grid time of the tick;  filled  start of the bar whose open filled it, 0 when it ended unfilled
    world, symbol, strategy, chain, reason   indexes into `worlds`, `symbols`, `strategies`, `chains`, `reasons`; -1 = none
    qty       signed shares;  price  paid or received, 0 unfilled;  fee  money;  mark  price the size was computed with
    closing   True for a closing leg
    """

    worlds: Texts
    symbols: Texts
    strategies: Texts
    chains: Texts
    reasons: Texts
    sent: Ints
    filled: Ints
    world: Shorts
    symbol: Ints
    strategy: Shorts
    chain: Shorts
    reason: Shorts
    qty: Floats
    price: Floats
    fee: Floats
    mark: Floats
    closing: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Prices at the end: [symbols] last mark of each symbol of `OrderRows.symbols`, NaN = never seen."""

    last: Floats


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a reader has to know: `kind` is a reason code, `at` the first tick of it, `count` how many ticks or orders,
    `where` world and symbol (either may be "")."""

    kind: str
    at: int
    count: int
    world: str
    symbol: str
    text: str


@dataclass(frozen=True, slots=True)
class Switch:
    """All changes from one chain to another in one world: how many (symbols x decisions), the mean lag in bars between the
    first bar on which the new chain was the first to hold by its own `when` and the change (hysteresis holds it back), and
    the price P&L of what the symbols held in the `window` bars before and after; money, costs left out (R50)."""

    world: str
    former: str
    chain: str
    count: int
    lag: float
    before: float
    after: float
    window: int


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """A finished backtest."""

    setup: Setup
    steps: Steps
    worlds: tuple[WorldSteps, ...]
    orders: OrderRows
    marks: Marks
    notices: tuple[Notice, ...]
    switches: tuple[Switch, ...] = ()
