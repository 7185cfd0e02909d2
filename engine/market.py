"""What `observe` hands to `decide`: one row of columns for one tick, and the account as of the same tick.

Shapes: S symbols, N strategies, K chains, G guards, all in the order of the Program. Times are epoch seconds UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from .bars import Bools, Codes, Floats, Hashes, Ints, Sides, Small

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """The exchange's day around `now`. `open_at`/`close_at` are of the session that contains `now` or, outside of
    sessions, of the last one that began; `day` is its ISO date and `week` its ISO week ("2025-W44")."""

    open_at: int
    close_at: int
    day: str
    week: str


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """What follows from a row of the market alone (`ahead`).

    score      [N, S] adjusted scores of the signals, None where nobody worked them out yet
    asked      [N, S] known signals;  target  [N, S] signal x size, 0 where unknown;  ready  [N, S] known well enough for an entry
    sound      all of them are ready;  regime  every probability is known
    current    every symbol has a price and its newest bars;  guarded  an entry guard blocks somebody, or may
    certain    no predicate of a chain is unknown, and `first` [S] is the first chain that holds by its own `when`; False and
               None where nobody looked yet
    """

    score: Floats | None
    asked: Bools
    target: Floats
    ready: Bools
    sound: bool
    regime: bool
    current: bool
    guarded: bool
    certain: bool
    first: Small | None


@dataclass(frozen=True, slots=True)
class Market:
    """One tick's view of the market.

    decision       True on the first tick at which a new 15m bar is known
    regular_hours  open <= now < close by the exchange's calendar
    bar_start/end  of the newest known 15m bar (0 = none yet)
    mark           [S] last known closed 15m close, NaN = never seen
    behind_15m/60m [S] bars that the calendar says should be known and that this symbol lacks; -1 = no bar ever
    p              [4, S] p_trend_up, p_trend_down, p_chop, p_high_vol; NaN missing, p_reason [S] says why
    confidence     [S]
    when, stay     [K, S] truth (0 false, 1 unknown, 2 true); the `otherwise` row is all true
    signal         [N, S] -1, 0, 1; 0 where unknown; signal_known [N, S]; signal_reason [N, S] why unknown
    size           [N, S] in [0, 1], NaN unknown
    stop, take     [N, S] distance from the average price or level (per strategy, see Lane), NaN none or unknown
    guards         [G, S] truth
    fit            [6, S] chart-fit inputs in the order of FitPlan, NaN unknown
    features       [F, S] named features of the Program, for people
    shadow         [5, S] p and confidence of the regime that is only recorded; None where there is none
    ahead      what follows from all this, where it was worked out for a block of rows at once; None: not yet
    quote          [S] newest quote, NaN = none; None where there is no feed of quotes.  quoted_at  [S] epoch s of it
    """

    session: SessionTimes
    decision: bool
    regular_hours: bool
    bar_start: int
    bar_end: int
    mark: Floats
    behind_15m: Counts
    behind_60m: Counts
    p: Floats
    p_reason: Codes
    confidence: Floats
    when: Codes
    stay: Codes
    signal: Sides
    signal_known: Bools
    signal_reason: Codes
    size: Floats
    stop: Floats
    take: Floats
    guards: Codes
    fit: Floats
    features: Floats
    shadow: Floats | None = None
    ahead: Ahead | None = None
    quote: Floats | None = None
    quoted_at: Ints | None = None

    def at(self, session: SessionTimes, regular_hours: bool, *, decision: bool) -> Market:
        """The same row at another time; what is behind is the caller's business."""
        return Market(session, decision, regular_hours, *_LATER(self))


_LATER = attrgetter(*(field.name for field in fields(Market)[3:]))


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill of one of our orders, applied once. `qty` signed (buy positive); `at` is the grid time
    it happened in; `strategy` and `generation` are those of the order."""

    client_order_id: str
    symbol: str
    qty: Decimal
    price: Decimal
    at: int
    world: str
    strategy: str
    generation: str


@dataclass(frozen=True, slots=True)
class OrderResult:
    """How a submission or an order ended since the last tick. `outcome` is a state of `orders.OrderState`; `error` is
    "", "business", "auth", "server" or "unknown"; `detail` is the broker's text."""

    client_order_id: str
    symbol: str
    outcome: str
    error: str
    detail: str
    leg: str


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order of ours that is not terminal yet. `qty` signed, what remains; `since` is the tick that sent it. `lost`: the
    broker was asked for it and does not have it, which is no proof yet that it was never sent."""

    client_order_id: str
    symbol: str
    qty: Decimal
    leg: str
    since: int
    attempt: int
    lost: bool = False


@dataclass(slots=True, eq=False)
class FillColumns:
    """Fills in columns, k rows, oldest first: which symbol; sign of the position after it (0 = flat); whether it opened that
    side, from flat or across zero; grid time it happened in; strategy index and generation hash of its order."""

    column: Ints
    side: Sides
    opened: Bools
    at: Ints
    owner: Small
    generation: Hashes

    def __len__(self) -> int:
        return len(self.column)


@dataclass(slots=True, eq=False)
class AnswerColumns:
    """Answers of a broker that never fails, in columns, k rows: which symbol; closing leg; refused for a business reason.
    `good` orders, each counted once, were taken or ended without an error."""

    column: Ints
    close: Bools
    refused: Bools
    good: int

    def __len__(self) -> int:
        return len(self.column)


@dataclass(slots=True, eq=False)
class WorkingColumns:
    """Working orders in columns over the symbols, at most one of each: leg as in `tick.Load.working`, signed shares that
    remain, tick that sent it; 0 where none is."""

    leg: Codes
    qty: Floats
    since: Ints


@dataclass(frozen=True, slots=True)
class Account:
    """The world's account as of this tick, from the broker.

    readable   False when positions could not be read: the tick is completed without any order
    equity, cash, buying_power   of the whole account, in its currency
    flows      deposits minus withdrawals since the last tick
    others     profit and loss of the account's other worlds since the journal began: it does not count for this world's
               loss limits
    qty, average_price  float64 [S] (0 and NaN when flat); `exact` holds the broker's decimal quantities
    external   bool [S]: the position is not ours, or not all of it is, or the broker has less than is ours
    working    our open orders;  fills, results: since the last tick, oldest first; all three row by row as a run hears of
               them, or in columns as a backtest has them
    split      [S] shares that one share of the tick before is now, 1 = no split; None = none anywhere
    broker_mark, marked_at  [S] the broker's own price of what is held and when it was so (epoch s); NaN and 0 = none
    elsewhere  value of external positions that are in no column here: they are no part of world capital either
    blocked    reason code for which nothing may be opened in the whole account, 0 = none
    halt       reason code of a kill that the account's own state or a person asks for, 0 = none; `flatten`: everything of
               ours is to be closed with it
    ours       what our own fills add up to, exact; None = nothing but our own is held
    own        [S] signed shares of ours that the broker holds: as much of `qty` as `ours` explains;  own_average  [S] what they
               cost by our own fills, NaN where those do not say. None = nothing but our own is held, or nothing of ours beside it
    barred     [S] reason code for which nothing may be opened in a symbol; None = nowhere
    unborrowed [S] symbols that cannot be sold short now; None = none
    """

    readable: bool
    equity: float
    cash: float
    buying_power: float
    flows: float
    others: float
    qty: Floats
    average_price: Floats
    exact: tuple[Decimal, ...]
    external: Bools
    working: tuple[WorkingOrder, ...] | WorkingColumns
    fills: tuple[Fill, ...] | FillColumns
    results: tuple[OrderResult, ...] | AnswerColumns
    split: Floats | None = None
    broker_mark: Floats | None = None
    marked_at: Ints | None = None
    elsewhere: float = 0.0
    blocked: int = 0
    halt: int = 0
    flatten: bool = False
    ours: tuple[Decimal, ...] | None = None
    barred: Codes | None = None
    unborrowed: Bools | None = None
    own: Floats | None = None
    own_average: Floats | None = None


__all__ = [
    "Account",
    "Counts",
    "Fill",
    "Market",
    "OrderResult",
    "SessionTimes",
    "WorkingOrder",
]
