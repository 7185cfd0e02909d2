"""Walk-forward: windows, the error of a short history, and that neither future nor training gets into a test."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine.backtest.curves import account_curve, session_returns
from qmtl.engine.backtest.gates import passing
from qmtl.engine.backtest.metrics import Window, account_measures
from qmtl.engine.backtest.pairs import Pair, Pairs
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.roundtrips import round_trips
from qmtl.engine.backtest.walkforward import stitched, windows
from qmtl.engine.errors import DataError

from .made import Sent, of_returns, record
from .test_gates import BARS, day_trades, good, traded


@given(st.integers(0, 2_000), st.integers(1, 300), st.integers(1, 100))
def test_law_tests_follow_each_other_and_begin_where_their_training_ends(count: int, train: int, test: int) -> None:
    if count < train + test:
        with pytest.raises(DataError, match=f"{train + test - count} are missing"):
            windows(count, train, test)
        return
    found = windows(count, train, test)
    assert found[0][0] == Window(0, train)
    for (training, testing), (_, then) in zip(found, [*found[1:], (None, None)], strict=True):
        assert (training.stop - training.start, testing.stop - testing.start) == (train, test)
        assert training.stop == testing.start
        assert then is None or testing.stop == then.start
    assert 0 <= count - found[-1][1].stop < test


def test_too_little_history_names_the_sessions_missing() -> None:
    with pytest.raises(DataError) as error:
        stitched(of_returns(np.zeros(200)))
    assert str(error.value) == (
        "walk-forward needs 315 sessions (252 to train, 63 to test) and the backtest has 200: 115 are missing"
    )
    assert error.value.hint


def test_without_a_choice_it_is_the_accounts_own_record_after_training() -> None:
    result = of_returns(np.random.default_rng(1).normal(0.001, 0.01, 252 + 63 * 2 + 10))
    found = stitched(result)
    returns = session_returns(account_curve(result))[252 : 252 + 126]
    assert found.returns == pytest.approx(returns)
    assert found.days == account_curve(result).days[252 : 252 + 126]
    assert found.unused == 10
    assert found.measures == account_measures(result, round_trips(result), Window(252, 378))
    assert [(f.chosen, f.pairs) for f in found.folds] == [(None, 0), (None, 0)]
    assert found.folds[0].train == (result.steps.days[0], result.steps.days[251])
    assert found.folds[1].test == (result.steps.days[315], result.steps.days[377])


def test_the_pair_gate_chooses_what_was_good_in_training_only() -> None:
    """A is good throughout, B only in training, C only in the test: A and B are chosen, and B costs money."""
    a, b, c = good(1, 180), good(2, 180), np.random.default_rng(3).normal(0, 10, 180)
    b[150:], c[150:] = -8.0, 50.0
    result = traded(day_trades(a), day_trades(b, "B"), day_trades(c, "C"), sessions=180)
    found = stitched(result, passing, train=150, test=30)
    assert [(f.chosen, f.pairs) for f in found.folds] == [(2, 3)]
    assert found.returns == pytest.approx((a[150:] - 8.0) / 10_000)
    assert found.measures.trades == 60
    assert found.measures.win_rate == pytest.approx(float((a[150:] > 0).mean()) / 2)
    assert found.measures.total_return == pytest.approx(float(np.prod(1 + found.returns)) - 1)
    assert found.measures.bar_sharpe is None
    assert found.measures.orders == 120


def everything(result: Result, pairs: Pairs, window: Window) -> frozenset[Pair]:
    return frozenset(pairs.pairs)


def test_a_trip_that_opened_in_training_does_not_count_in_the_test() -> None:
    sent = [
        Sent(2 * BARS, "A", 1, 1000.0), Sent(6 * BARS, "A", -1, 1900.0),  # won before the test, realised in it
        Sent(7 * BARS, "A", 1, 1000.0), Sent(11 * BARS, "A", -1, 1100.0),  # opened in the first test, closed in the second
        Sent(9 * BARS, "B", 2, 1000.0, fee=1.0),  # still held at the end
    ]  # fmt: skip
    result = record(np.full(12 * BARS, 10_000.0), BARS, sent, last={"A": 1000.0, "B": 1050.0}, costs=Costs(0.0, 0.0))
    found = stitched(result, everything, train=4, test=4)
    wanted = np.zeros(8)
    wanted[3] = 100 / 10_000  # on the last session of the window in which it opened
    wanted[5] = -1 / 10_000
    wanted[7] = 100 / 10_000
    assert found.returns == pytest.approx(wanted)
    assert (found.measures.trades, found.measures.orders) == (1, 3)
    # one share from the 2nd row of session 7 to the 1st of 11, two from the 2nd row of session 9: 8 sessions of 4 rows
    held = 1000.0 * (4 * BARS) + 2000.0 * (3 * BARS - 1)
    assert found.measures.exposure == pytest.approx(held / 10_000 / (8 * BARS))


def test_a_choice_of_nothing_earns_nothing() -> None:
    result = traded(day_trades(good(1, 80)), sessions=80)
    found = stitched(result, lambda *_: frozenset(), train=60, test=20)
    assert found.returns.tolist() == [0.0] * 20
    assert (found.measures.trades, found.measures.sharpe, found.measures.exposure) == (0, None, 0.0)


def test_training_sees_the_same_whatever_happens_later() -> None:
    seen: list[frozenset[Pair]] = []

    def spy(result: Result, pairs: Pairs, window: Window) -> frozenset[Pair]:
        seen.append(passing(result, pairs, window))
        return seen[-1]

    one, other, noise = good(1, 180), good(1, 180), np.random.default_rng(3).normal(0, 10, 180)
    other[150:] = -500.0
    for won in (one, other):
        stitched(traded(day_trades(won), day_trades(noise, "B"), sessions=180), spy, train=150, test=30)
    assert seen[0] == seen[1] == frozenset({Pair("core", "A", "roc")})
