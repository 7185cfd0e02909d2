"""Equity curves: the account's, a world's, the market's, and pieces of them by session.

In: a `Result`. Out: `Curve`, values per decision tick with the rows at which sessions close. Every measure, drawdown
and walk-forward window is taken from a curve, so that what a session is and where its return begins is said once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Floats, Ints
from ..errors import DataError
from .result import Result, Steps, Texts


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One equity curve.

    value  [T] money (or an index) per tick; value[0] is where the first session's return counts from: the first row
           of a whole backtest, the close before in a piece of one
    ends   [N] row of `value` at which each session closes;  days [N] their ISO dates
    """

    value: Floats
    ends: Ints
    days: Texts


def session_ends(steps: Steps) -> Ints:
    """Rows [N] of `steps` that are the last of their session; sessions without a row do not count."""
    last = np.flatnonzero(np.diff(steps.session) != 0)
    return np.append(last, len(steps.session) - 1)


def sessions_of(steps: Steps, times: Ints) -> Ints:
    """Which session (0..N-1, those with rows) each fill at `times` belongs to: the first that closes at or after it."""
    closes = steps.at[session_ends(steps)]
    return np.minimum(closes.searchsorted(times, side="left"), len(closes) - 1).astype(np.int64)


def account_curve(result: Result) -> Curve:
    """Equity of the account; DataError for an empty backtest or a value that is no number."""
    return _curve(result.steps, result.steps.equity, "equity")


def market_curve(result: Result) -> Curve:
    """What 1 in every symbol became, costs left out."""
    return _curve(result.steps, result.steps.market, "market")


def world_curve(result: Result, number: int) -> Curve:
    """Capital of world `number` as if nothing had been moved in or out: its P&L of each tick over its capital at the
    tick before, linked. For a world that has the whole account this is the account's equity."""
    world = result.worlds[number]
    capital = world.capital[:-1]
    won = np.diff(world.pnl)
    steps = np.divide(won, capital, out=np.zeros(len(won)), where=capital > 0)
    value = world.capital[0] * np.concatenate(([1.0], np.cumprod(1.0 + steps)))
    return _curve(result.steps, value, f"capital of world {world.world}")


def piece(curve: Curve, start: int, stop: int) -> Curve:
    """The sessions start <= i < stop of a curve; its first return counts from the close before them."""
    first = int(curve.ends[start - 1]) if start else 0
    ends = curve.ends[start:stop]
    return Curve(curve.value[first : int(ends[-1]) + 1], ends - first, curve.days[start:stop])


def closes(curve: Curve) -> Floats:
    """[N+1] the value before the first session and at the close of each."""
    return np.concatenate((curve.value[:1], curve.value[curve.ends]))


def session_returns(curve: Curve) -> Floats:
    """[N] close-to-close returns; the first counts from value[0]. NaN after a value that is not positive."""
    return _returns(closes(curve))


def bar_returns(curve: Curve) -> Floats:
    """[T-1] returns per decision tick, those over the night included."""
    return _returns(curve.value)


def _returns(values: Floats) -> Floats:
    before = values[:-1]
    found = np.full(len(before), np.nan)
    np.divide(np.diff(values), before, out=found, where=before > 0)
    return found


def _curve(steps: Steps, value: Floats, what: str) -> Curve:
    if not len(steps.at):
        raise DataError("the backtest has no decision tick", "choose days with sessions, after the warm-up")
    if not np.isfinite(value).all():
        row = int(np.flatnonzero(~np.isfinite(value))[0])
        raise DataError(f"{what} is not a number at row {row} of the backtest ({steps.days[int(steps.session[row])]})")
    if value[0] <= 0:
        raise DataError(f"{what} is {value[0]:g} at the first tick", "a backtest needs money to start with")
    ends = session_ends(steps)
    return Curve(value, ends, tuple(steps.days[int(i)] for i in steps.session[ends]))
