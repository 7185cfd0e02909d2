"""Walk-forward: 252 sessions to choose, the next 63 to be judged, and again; the tests stitched into one record.

In: a `Result`, and if wanted a function that chooses pairs on each training part. Out: the windows, the sessions of all
tests together, and their measures. Without a chooser nothing is fitted: then it is the account's own record after the
first training part.

With a chooser the record is the sum of what the chosen pairs made in the backtest that ran all of them; the run is not
repeated with fewer pairs, so room under caps that the others left free is not used. Each round trip counts in the test
window in which it opened, and for training only with what was realised by then: nothing that opened before a test
counts in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..bars import Bools, Floats
from ..errors import DataError
from .curves import Curve, account_curve, piece, session_ends, session_returns
from .measures import Measures
from .metrics import Window, account_measures, curve_measures, turnover, with_trades
from .pairs import Pair, Pairs, daily_settled, opened_in, pair_history
from .result import Result, Texts
from .roundtrips import Traced, trace

TRAIN = 252
TEST = 63

#: (result, pairs, training window) -> the pairs that may trade in the next test window; `gates.passing` is one
Chooser = Callable[[Result, Pairs, Window], frozenset[Pair]]


@dataclass(frozen=True, slots=True)
class Fold:
    """One pair of windows: ISO days of both, and how many pairs were chosen of those that traded (None: no choice)."""

    train: tuple[str, str]
    test: tuple[str, str]
    chosen: int | None
    pairs: int


@dataclass(frozen=True, slots=True, eq=False)
class Stitched:
    """All tests together: their sessions (ISO days), returns [n] per session, measures, and `unused` sessions at the end
    that do not fill a test window."""

    folds: tuple[Fold, ...]
    days: Texts
    returns: Floats
    measures: Measures
    unused: int


def windows(sessions: int, train: int = TRAIN, test: int = TEST) -> tuple[tuple[Window, Window], ...]:
    """Training and test windows over `sessions` sessions; tests follow each other without gap or overlap. DataError that names
    the number of sessions missing when not even one pair fits."""
    if sessions < train + test:
        raise DataError(
            f"walk-forward needs {train + test} sessions ({train} to train, {test} to test) and the backtest has"
            f" {sessions}: {train + test - sessions} are missing",
            "begin the backtest earlier, or ask for shorter windows",
        )
    starts = range(train, sessions - test + 1, test)
    return tuple((Window(at - train, at), Window(at, at + test)) for at in starts)


def stitched(result: Result, choose: Chooser | None = None, *, train: int = TRAIN, test: int = TEST) -> Stitched:
    """The record of all tests together; DataError when the history is too short."""
    curve = account_curve(result)
    folds = windows(len(curve.days), train, test)
    traced = trace(result)
    history = pair_history(result, traced)
    chosen = None if choose is None else [_rows(history, choose(result, history, window)) for window, _ in folds]
    whole = Window(train, folds[-1][1].stop)
    if chosen is None:
        returns = session_returns(piece(curve, whole.start, whole.stop))
        measures = account_measures(result, traced.trips, whole)
    else:
        tests = [(rows, window) for rows, (_, window) in zip(chosen, folds, strict=True)]
        returns = np.concatenate([daily_settled(history, window)[rows].sum(axis=0) for rows, window in tests])
        trips = np.any([opened_in(history, window) & rows[history.trip_row] for rows, window in tests], axis=0)
        measures = _chosen_measures(result, traced, trips, (whole, returns))
    counts = [None] * len(folds) if chosen is None else [int(rows.sum()) for rows in chosen]
    return Stitched(
        folds=tuple(
            Fold(_span(curve, training), _span(curve, testing), count, len(history.pairs))
            for (training, testing), count in zip(folds, counts, strict=True)
        ),
        days=curve.days[whole.start : whole.stop],
        returns=returns,
        measures=measures,
        unused=len(curve.days) - whole.stop,
    )


def _rows(history: Pairs, chosen: frozenset[Pair]) -> Bools:
    return np.array([pair in chosen for pair in history.pairs], dtype=bool)


def _span(curve: Curve, window: Window) -> tuple[str, str]:
    return curve.days[window.start], curve.days[window.stop - 1]


def _chosen_measures(result: Result, traced: Traced, chosen: Bools, part: tuple[Window, Floats]) -> Measures:
    """Measures of the chosen round trips [R] with these returns. A choice has no curve per tick, so `bar_sharpe` is
    None; its exposure is that of the shares held, each at the price of its last fill; borrow is not known per pair: 0."""
    whole, returns = part
    trips, setup = traced.trips, result.setup
    account = piece(account_curve(result), whole.start, whole.stop)
    value = account.value[0] * np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    found = curve_measures(Curve(value, np.arange(1, len(value)), account.days), setup)
    equity = account.value[1:]
    first = int(session_ends(result.steps)[whole.start - 1]) + 1
    gross, net = (held[first : first + len(equity)] / equity for held in _held(result, traced, chosen))
    traded = float(trips.traded[chosen].sum())
    return replace(
        with_trades(found, trips, chosen),
        bar_sharpe=None,
        turnover=turnover(traded, float(equity.mean()), len(returns) / setup.sessions_a_year),
        exposure=float(gross.mean()),
        net_exposure=float(net.mean()),
        orders=int(trips.orders[chosen].sum()),
        fees=float(trips.fees[chosen].sum()),
        slippage_paid=float(trips.slippage[chosen].sum()),
    )


def _held(result: Result, traced: Traced, chosen: Bools) -> tuple[Floats, Floats]:
    """[T] money in shares of the chosen round trips, gross and net, each position at the price of its last fill."""
    legs, at = traced.legs, result.steps.at
    money = legs.after * legs.price
    opens = np.diff(legs.trip, prepend=-1) != 0
    before = np.where(opens, 0.0, np.concatenate(([0.0], money[:-1]))[: len(money)])
    mine = chosen[legs.trip]
    # a row shows what was held before its own orders, so a fill shows from the row after its time on
    row = at.searchsorted(legs.at, side="right")[mine]

    def along(values: Floats) -> Floats:
        return np.cumsum(np.bincount(row, weights=values[mine], minlength=len(at) + 1).astype(np.float64))[: len(at)]

    return along(np.abs(money) - np.abs(before)), along(money - before)
