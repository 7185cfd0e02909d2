"""What each pair of symbol and strategy made, session by session: what the pair gate and walk-forward choices
stand on.

In: a `Result` and its traced fills. Out: `Pairs`: realised P&L per fill and per round trip, and what to divide it by.

A backtest stores the marks of its end only, so P&L counts on the session in which it was realised (average cost, fees
taken off), and what is still held counts at its last mark on the last session. Borrow is not known per pair and is left
out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Floats, Ints
from .curves import session_ends, sessions_of
from .metrics import Window
from .result import Result
from .roundtrips import Traced


@dataclass(frozen=True, slots=True)
class Pair:
    """A strategy on a symbol in a world."""

    world: str
    symbol: str
    strategy: str


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """P pairs that traded, over N sessions.

    pairs    P names;  capital [P, N] of the pair's world and equity [N] of the account, at the close before each session
    row      [K] pair of each piece of P&L;  trip [K] its round trip;  session [K] in which it counts;  won [K] money
    trip_row, trip_opened, trip_closed, trip_won   [R] pair, sessions and money per round trip; trip_closed is N while open
    """

    pairs: tuple[Pair, ...]
    capital: Floats
    equity: Floats
    row: Ints
    trip: Ints
    session: Ints
    won: Floats
    trip_row: Ints
    trip_opened: Ints
    trip_closed: Ints
    trip_won: Floats


def pair_history(result: Result, traced: Traced) -> Pairs:
    """P&L of every pair that traded."""
    trips, legs = traced.trips, traced.legs
    ends = session_ends(result.steps)
    before, count = np.concatenate(([0], ends[:-1])), len(ends)
    keys = np.stack((trips.world, trips.symbol, trips.strategy), axis=1).astype(np.int64)
    used, rows = np.unique(keys, axis=0, return_inverse=True)
    trip_row = rows.reshape(-1).astype(np.int64)
    money = legs.realised - legs.fee
    # what an open trip is worth beyond what it realised counts on the last session
    held = np.flatnonzero(trips.closed == 0)
    realised = np.bincount(legs.trip, weights=money, minlength=len(trips.pnl))
    trip = np.concatenate((legs.trip, held))
    return Pairs(
        pairs=tuple(_pair(result, key) for key in used.tolist()),
        capital=_capital(result, before)[used[:, 0]],
        equity=_positive(result.steps.equity[before], result.steps.equity[0]),
        row=trip_row[trip],
        trip=trip,
        session=np.concatenate((sessions_of(result.steps, legs.at), np.full(len(held), count - 1))),
        won=np.concatenate((money, (trips.pnl - realised)[held])),
        trip_row=trip_row,
        trip_opened=sessions_of(result.steps, trips.opened),
        trip_closed=np.where(trips.closed > 0, sessions_of(result.steps, trips.closed), count),
        trip_won=trips.pnl,
    )


def daily(pairs: Pairs, window: Window) -> Floats:
    """[P, n] P&L over world capital, per session of the window, of round trips that opened in it. What was realised
    after the window is left out, as it was not known then."""
    inside = (pairs.trip_opened[pairs.trip] >= window.start) & (pairs.session < window.stop)
    return _spread(pairs, window, inside) / pairs.capital[:, window.start : window.stop]


def daily_settled(pairs: Pairs, window: Window) -> Floats:
    """[P, n] P&L over account equity, per session of the window, of round trips that opened in it. What they realised
    after the window counts on its last session, so that each round trip belongs to exactly one of several windows in a row."""
    inside = opened_in(pairs, window)[pairs.trip]
    return _spread(pairs, window, inside) / pairs.equity[window.start : window.stop]


def opened_in(pairs: Pairs, window: Window) -> Bools:
    """[R] which round trips opened in the window."""
    return (pairs.trip_opened >= window.start) & (pairs.trip_opened < window.stop)


def _spread(pairs: Pairs, window: Window, chosen: Bools) -> Floats:
    """Sum the chosen pieces into money [P, n]; those after the window into its last session."""
    width = window.stop - window.start
    session = np.minimum(pairs.session[chosen], window.stop - 1) - window.start
    shape = (len(pairs.pairs), width)
    total = np.bincount(pairs.row[chosen] * width + session, weights=pairs.won[chosen], minlength=shape[0] * width)
    return total.astype(np.float64).reshape(shape)


def _pair(result: Result, key: list[int]) -> Pair:
    orders = result.orders
    strategy = orders.strategies[key[2]] if key[2] >= 0 else ""
    return Pair(orders.worlds[key[0]], orders.symbols[key[1]], strategy)


def _capital(result: Result, rows: Ints) -> Floats:
    """[worlds of the orders, N] capital at these rows of the steps."""
    worlds = {world.world: world.capital for world in result.worlds}
    found = [_positive(worlds[name][rows], float(worlds[name][0])) for name in result.orders.worlds]
    return np.array(found).reshape(len(found), len(rows))


def _positive(values: Floats, first: float) -> Floats:
    """Values to divide by: where nothing was left, what there was at first."""
    return np.where(values > 0, values, first)
