"""What is said about one equity curve, and about the orders behind it.

In: a `Result`, its round trips, and if wanted a piece of its sessions. Out: `Measures`. Ratios come from close-to-close
session returns, scaled by the calendar's sessions a year; definitions are those of empyrical, which the tests use as an
oracle. What is not defined is None: no losses, no trades, fewer than three sessions, an account that lost everything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from ..bars import Bools, Floats
from . import deflated
from .curves import (
    Curve,
    account_curve,
    bar_returns,
    closes,
    market_curve,
    piece,
    session_ends,
    session_returns,
    sessions_of,
    world_curve,
)
from .drawdowns import drawdowns
from .measures import Measures
from .result import OrderRows, Result, Setup
from .roundtrips import slippage_paid
from .trip import Trips


@dataclass(frozen=True, slots=True)
class Window:
    """Sessions start <= i < stop, counting those that have ticks."""

    start: int
    stop: int


def account_measures(result: Result, trips: Trips, window: Window | None = None) -> Measures:
    """Measures of the account over all sessions or those of `window` (trades count where they closed)."""
    window = window or Window(0, len(session_ends(result.steps)))
    curve = piece(account_curve(result), window.start, window.stop)
    rows = (_first_row(result, window), int(session_ends(result.steps)[window.stop - 1]) + 1)
    equity = result.steps.equity[rows[0] : rows[1]]
    gross, net = _exposures(result, rows, equity)
    orders = _within(result, result.orders.sent, window)
    found = _traded(curve_measures(curve, result.setup), result, orders, float(equity.mean()))
    return replace(
        with_trades(found, trips, _within(result, trips.closed, window)),
        exposure=gross,
        net_exposure=net,
        borrow=float(result.steps.borrow[rows[0] : rows[1]].sum()),
    )


def world_measures(result: Result, trips: Trips, number: int) -> Measures:
    """Measures of world `number` over its own capital. The borrow of one of several worlds is what its P&L lacks
    beside its round trips: `Steps.borrow` is the account's."""
    world = result.worlds[number]
    found = curve_measures(world_curve(result, number), result.setup)
    names = result.orders.worlds
    index = names.index(world.world) if world.world in names else -2
    mine = trips.world == index
    borrow = float(result.steps.borrow.sum())
    if len(result.worlds) > 1 and borrow > 0:
        borrow = max(0.0, float(trips.pnl[mine].sum() - (world.pnl[-1] - world.pnl[0])))
    found = _traded(found, result, result.orders.world == index, float(world.capital.mean()))
    return replace(
        with_trades(found, trips, mine),
        exposure=float(world.gross.mean()),
        net_exposure=float(world.net.mean()),
        borrow=borrow,
    )


def market_measures(result: Result, window: Window | None = None) -> Measures:
    """Measures of the market index: bought at the first row, never traded again, costs left out."""
    curve = market_curve(result)
    curve = piece(curve, window.start, window.stop) if window else curve
    return replace(curve_measures(curve, result.setup), exposure=1.0, net_exposure=1.0)


def curve_measures(curve: Curve, setup: Setup) -> Measures:
    """Measures of a curve alone; whatever is about orders and trades is 0 or None."""
    returns, year = session_returns(curve), setup.sessions_a_year
    start, end = float(curve.value[0]), float(curve.value[curve.ends[-1]])
    sound = bool((closes(curve) > 0).all())
    m = deflated.moments(returns) if sound else None
    bars = deflated.moments(bar_returns(curve)) if sound else None
    deepest = drawdowns(curve, 1)
    depth = deepest[0].depth if deepest else 0.0
    growth = _cagr(end / start, len(returns) / year) if sound else None
    return Measures(
        sessions=len(returns),
        start_equity=start,
        end_equity=end,
        total_return=end / start - 1.0,
        cagr=growth,
        volatility=_spread(returns) * math.sqrt(year) if sound and len(returns) > 1 else None,
        sharpe=_yearly(m, year),
        sharpe_error=None if m is None else deflated.sharpe_error(m) * math.sqrt(year),
        sortino=sortino(returns, year) if sound else None,
        max_drawdown=depth,
        drawdown_sessions=deepest[0].sessions if deepest else 0,
        calmar=growth / -depth if growth is not None and depth < 0 else None,
        mean_session=float(returns.mean()) if sound else None,
        mean_session_error=_spread(returns) / math.sqrt(len(returns)) if sound and len(returns) > 1 else None,
        skew=None if m is None else m.skew,
        kurtosis=None if m is None else m.kurtosis,
        bar_sharpe=_yearly(bars, year * setup.bars_a_session),
        trades=0,
        win_rate=None,
        profit_factor=None,
        expectancy=None,
        turnover=0.0,
        exposure=0.0,
        net_exposure=0.0,
        orders=0,
        fees=0.0,
        slippage_paid=0.0,
        borrow=0.0,
    )


def sortino(returns: Floats, year: float) -> float | None:
    """Yearly mean over yearly downside deviation against 0: sqrt(mean(min(r, 0)^2)) over *all* returns [n]; None for
    fewer than two or without a loss."""
    downside = math.sqrt(float((np.minimum(returns, 0.0) ** 2).mean())) if len(returns) else 0.0
    if len(returns) < 2 or downside == 0.0:
        return None
    return float(returns.mean()) * math.sqrt(year) / downside


def win_rate(pnl: Floats) -> float | None:
    """Share of trades [n] that won money."""
    return float((pnl > 0).mean()) if len(pnl) else None


def profit_factor(pnl: Floats) -> float | None:
    """What winners won over what losers lost; None without losses: it has no value then, however many trades won."""
    lost = -float(pnl[pnl < 0].sum())
    return float(pnl[pnl > 0].sum()) / lost if lost > 0 else None


def turnover(traded: float, equity: float, years: float) -> float:
    """Times a year that the account is turned over: half of what was bought and sold, over mean equity (the one-sided
    definition of fund reports)."""
    return traded / 2.0 / equity / years if equity > 0 else 0.0


def with_trades(found: Measures, trips: Trips, chosen: Bools) -> Measures:
    """With the numbers of the chosen round trips [R]; those still open do not count."""
    pnl = trips.pnl[chosen & (trips.closed > 0)]
    return replace(
        found,
        trades=len(pnl),
        win_rate=win_rate(pnl),
        profit_factor=profit_factor(pnl),
        expectancy=float(pnl.mean()) if len(pnl) else None,
    )


def _yearly(m: deflated.Moments | None, a_year: float) -> float | None:
    return None if m is None else m.sharpe * math.sqrt(a_year)


def _spread(returns: Floats) -> float:
    return float(returns.std(ddof=1))


def _cagr(growth: float, years: float) -> float | None:
    """Yearly growth; None where a short history makes it larger than a float."""
    power = math.log(growth) / years
    return math.expm1(power) if power < 700.0 else None


def _traded(found: Measures, result: Result, chosen: Bools, equity: float) -> Measures:
    """With the numbers of the chosen orders."""
    orders: OrderRows = result.orders
    filled = chosen & (orders.filled > 0)
    qty, price = orders.qty[filled], orders.price[filled]
    years = found.sessions / result.setup.sessions_a_year
    return replace(
        found,
        turnover=turnover(float((np.abs(qty) * price).sum()), equity, years),
        orders=int(chosen.sum()),
        fees=float(orders.fee[filled].sum()),
        slippage_paid=float(slippage_paid(qty, price, result.setup.costs.slippage).sum()),
    )


def _exposures(result: Result, rows: tuple[int, int], equity: Floats) -> tuple[float, float]:
    """Mean gross and net of all worlds as fractions of account equity."""
    sums = []
    for name in ("gross", "net"):
        money = np.zeros(len(equity))
        for world in result.worlds:
            money += getattr(world, name)[rows[0] : rows[1]] * world.capital[rows[0] : rows[1]]
        sums.append(float(np.divide(money, equity, out=np.zeros(len(equity)), where=equity > 0).mean()))
    return sums[0], sums[1]


def _first_row(result: Result, window: Window) -> int:
    return int(session_ends(result.steps)[window.start - 1]) + 1 if window.start else 0


def _within(result: Result, times: np.ndarray, window: Window) -> Bools:
    session = sessions_of(result.steps, times)
    return (session >= window.start) & (session < window.stop)
