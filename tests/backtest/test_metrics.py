"""Measures of a curve and of what was traded: against empyrical, and by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qmtl.engine.backtest.curves import account_curve, piece, session_returns, sessions_of, world_curve
from qmtl.engine.backtest.metrics import (
    Window,
    account_measures,
    curve_measures,
    market_measures,
    profit_factor,
    win_rate,
    world_measures,
)
from qmtl.engine.backtest.result import Costs
from qmtl.engine.backtest.roundtrips import round_trips
from qmtl.engine.errors import DataError

from .made import Sent, of_returns, played, record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it imports beside its formulas is not ours
    import empyrical

#: round returns that a float keeps apart from rounding, or a small normal
RETURNS = arrays(
    np.float64, st.integers(3, 120), elements=st.floats(-0.2, 0.2).map(lambda x: round(x, 6)), fill=st.nothing()
)


def oracle(name: str, returns: np.ndarray, **more: object) -> float | None:
    """A value of empyrical; None where it says NaN or infinity."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = float(getattr(empyrical, name)(returns, **more))
    return value if math.isfinite(value) else None


def measures_of(returns: np.ndarray):
    result = of_returns(returns)
    return curve_measures(account_curve(result), result.setup)


@given(RETURNS)
@settings(max_examples=150, deadline=None)
def test_measures_are_those_of_empyrical(returns: np.ndarray) -> None:
    found = measures_of(returns)
    pairs = [
        (found.total_return, "cum_returns_final"),
        (found.cagr, "annual_return"),
        (found.volatility, "annual_volatility"),
        (found.max_drawdown, "max_drawdown"),
    ]
    # empyrical divides by what rounding left of a deviation, a downside or a drawdown that is none
    if np.ptp(returns) > 1e-9:
        pairs.append((found.sharpe, "sharpe_ratio"))
    if returns.min() < -1e-9:
        pairs += [(found.sortino, "sortino_ratio"), (found.calmar, "calmar_ratio")]
    for ours, name in pairs:
        theirs = oracle(name, returns)
        assert ours == (None if theirs is None else pytest.approx(theirs, rel=1e-6, abs=1e-9)), name


@given(RETURNS)
@settings(max_examples=80, deadline=None)
def test_constant_gains_have_neither_sharpe_nor_sortino_nor_calmar(returns: np.ndarray) -> None:
    found = measures_of(np.full(len(returns), abs(float(returns[0]))))
    assert (found.sharpe, found.sharpe_error, found.sortino, found.calmar, found.skew) == (None,) * 5
    assert found.volatility == pytest.approx(0.0, abs=1e-9)
    assert found.max_drawdown == 0.0


def test_by_hand_four_sessions() -> None:
    found = measures_of(np.array([0.10, -0.05, 0.02, -0.01]))
    mean = 0.015
    sd = math.sqrt(((0.085**2) + (0.065**2) + (0.005**2) + (0.025**2)) / 3)
    assert found.sessions == 4
    assert found.start_equity == 100_000.0
    assert found.end_equity == pytest.approx(100_000 * 1.1 * 0.95 * 1.02 * 0.99)
    assert found.mean_session == pytest.approx(mean)
    assert found.mean_session_error == pytest.approx(sd / 2)
    assert found.volatility == pytest.approx(sd * math.sqrt(252))
    assert found.sharpe == pytest.approx(mean / sd * math.sqrt(252))
    assert found.sortino == pytest.approx(mean / math.sqrt((0.05**2 + 0.01**2) / 4) * math.sqrt(252))
    # the peak is the first close; the second session falls 5 %, the third comes back to -3.1 %, the fourth to -4.07 %
    assert found.max_drawdown == pytest.approx(-0.05)
    assert found.drawdown_sessions == 3
    assert found.cagr == pytest.approx((1.1 * 0.95 * 1.02 * 0.99) ** 63 - 1)
    assert found.calmar == pytest.approx(found.cagr / 0.05)


def test_the_error_of_normal_returns_is_that_of_lo() -> None:
    """Lo 2002: sqrt((1 + SR^2 / 2) / n); skew and kurtosis of a large normal sample change it little."""
    returns = np.random.default_rng(3).normal(0.001, 0.01, 20_000)
    found = measures_of(returns)
    per_session = found.sharpe / math.sqrt(252)
    assert found.sharpe_error / math.sqrt(252) == pytest.approx(math.sqrt((1 + per_session**2 / 2) / 20_000), rel=0.01)
    assert found.kurtosis == pytest.approx(3.0, abs=0.2)
    assert found.skew == pytest.approx(0.0, abs=0.1)


def test_the_error_is_the_spread_of_sharpes_over_samples_with_fat_tails() -> None:
    rng = np.random.default_rng(4)
    found = [measures_of(row) for row in rng.standard_t(6, (400, 500)) * 0.01 + 0.001]
    spread = np.std([m.sharpe for m in found])
    assert np.mean([m.sharpe_error for m in found]) == pytest.approx(spread, rel=0.12)


def test_the_first_session_counts_from_the_first_row() -> None:
    result = record(np.array([100.0, 110.0, 110.0, 99.0]), 2)
    assert session_returns(account_curve(result)) == pytest.approx([0.1, -0.1])


def test_a_piece_counts_from_the_close_before_it() -> None:
    curve = account_curve(of_returns(np.array([0.1, -0.05, 0.02, 0.03])))
    part = piece(curve, 1, 3)
    assert session_returns(part) == pytest.approx([-0.05, 0.02])
    assert part.days == curve.days[1:3]


def test_the_sharpe_of_bars_is_scaled_by_bars() -> None:
    value = 1e5 * np.cumprod(1 + np.random.default_rng(5).normal(0.0001, 0.002, 260))
    result = record(value, 26)
    found = curve_measures(account_curve(result), result.setup)
    steps = np.diff(value) / value[:-1]
    assert found.bar_sharpe == pytest.approx(steps.mean() / steps.std(ddof=1) * math.sqrt(252 * 26))


@pytest.mark.parametrize("returns", [[0.01], [0.01, 0.02]])
def test_too_few_sessions_have_no_sharpe(returns: list[float]) -> None:
    found = measures_of(np.array(returns))
    assert (found.sharpe, found.sharpe_error, found.skew, found.kurtosis) == (None,) * 4
    assert found.total_return > 0
    assert (found.volatility is None) == (len(returns) == 1)


def test_an_account_that_lost_everything_has_no_ratios() -> None:
    result = record(np.array([100.0, 50.0, 50.0, -10.0, -10.0, 5.0]), 2)
    found = curve_measures(account_curve(result), result.setup)
    assert found.total_return == -0.95
    assert found.max_drawdown == pytest.approx(-1.1)
    ratios = (
        found.cagr,
        found.volatility,
        found.sharpe,
        found.sortino,
        found.calmar,
        found.bar_sharpe,
        found.mean_session,
    )
    assert ratios == (None,) * 7


def test_growth_beyond_a_float_is_undefined() -> None:
    assert measures_of(np.array([30.0])).cagr is None


def test_a_backtest_without_ticks_or_with_a_nan_is_refused() -> None:
    with pytest.raises(DataError, match="no decision tick"):
        account_curve(record(np.zeros(0), 2))
    with pytest.raises(DataError, match=r"equity is not a number at row 1 of the backtest \(2025-01-06\)"):
        account_curve(record(np.array([1.0, np.nan]), 2))
    with pytest.raises(DataError, match="equity is 0 at the first tick"):
        account_curve(record(np.array([0.0, 1.0]), 2))


def test_profit_factor_without_losses_is_undefined_never_999() -> None:
    assert profit_factor(np.array([5.0, 3.0])) is None
    assert profit_factor(np.zeros(0)) is None
    assert profit_factor(np.array([5.0, 1.0, -4.0])) == 1.5
    assert profit_factor(np.array([-4.0])) == 0.0
    assert win_rate(np.zeros(0)) is None
    assert win_rate(np.array([1.0, 0.0, -1.0, 2.0])) == 0.5


def test_what_was_traded_by_hand() -> None:
    sent = [
        Sent(0, "A", 10, 100.0, fee=0.2),
        Sent(1, "A", -10, 110.0, fee=0.22),
        Sent(0, "B", -10, 50.0, fee=0.1),
        Sent(2, "B", 10, 55.0, fee=0.11),
        Sent(2, "A", 10, 100.0, fee=0.2),
        Sent(3, "C", 10, 100.0, fill=False),
    ]
    borrow = np.array([0.0, 0.5, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0])
    result = record(np.full(8, 1000.0), 4, sent, last={"A": 90.0, "B": 55.0, "C": 1.0}, borrow=borrow)
    found = account_measures(result, round_trips(result))
    assert (found.orders, found.trades, found.win_rate) == (6, 2, 0.5)
    assert found.profit_factor == pytest.approx((100 - 0.42) / (50 + 0.21))
    assert found.expectancy == pytest.approx((100 - 0.42 - 50.21) / 2)
    assert found.fees == pytest.approx(0.83)
    assert found.borrow == 0.75
    # half of 4,150 traded over an equity of 1,000, in 2 of 252 sessions
    assert found.turnover == pytest.approx(4_150 / 2 / 1000 * 126)
    assert found.slippage_paid == pytest.approx((1000 + 550 + 1000) / 10_001 + (1100 + 500) / 9_999)
    assert (found.exposure, found.net_exposure) == (0.5, 0.25)


def test_a_window_counts_what_happened_in_it() -> None:
    sent = [
        Sent(0, "A", 10, 100.0, fee=1.0), Sent(5, "A", -10, 110.0, fee=2.0),
        Sent(6, "A", 10, 100.0, fee=4.0), Sent(9, "A", -10, 120.0, fee=8.0),
    ]  # fmt: skip
    borrow = np.arange(12.0)
    equity = np.linspace(1000.0, 1110.0, 12)
    result = record(equity, 4, sent, last={"A": 1.0}, borrow=borrow)
    trips = round_trips(result)
    first, second, third = (account_measures(result, trips, Window(i, i + 1)) for i in range(3))
    assert [m.trades for m in (first, second, third)] == [0, 1, 1]
    assert [m.orders for m in (first, second, third)] == [1, 2, 1]
    assert [m.fees for m in (first, second, third)] == [1.0, 6.0, 8.0]
    assert [m.borrow for m in (first, second, third)] == [6.0, 22.0, 38.0]
    assert [m.start_equity for m in (first, second, third)] == [equity[0], equity[3], equity[7]]
    assert (1 + first.total_return) * (1 + second.total_return) * (1 + third.total_return) == pytest.approx(1.11)
    whole = account_measures(result, trips)
    assert account_measures(result, trips, Window(0, 3)) == whole


def test_a_fill_after_the_last_tick_of_a_session_belongs_to_the_next() -> None:
    steps = record(np.full(8, 1000.0), 4).steps
    times = np.array([steps.at[0], steps.at[3], steps.at[3] + 1, steps.at[4], steps.at[7] + 999])
    assert sessions_of(steps, times).tolist() == [0, 0, 1, 1, 1]


def test_a_world_with_the_whole_account_has_the_accounts_curve() -> None:
    result = of_returns(np.random.default_rng(6).normal(0, 0.02, 40))
    assert world_curve(result, 0).value == pytest.approx(account_curve(result).value, rel=1e-12)
    trips = round_trips(result)
    ours, theirs = world_measures(result, trips, 0), account_measures(result, trips)
    assert ours.sharpe == pytest.approx(theirs.sharpe)
    assert ours.total_return == pytest.approx(theirs.total_return)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_law_measures_of_worlds_add_up_to_the_accounts(seed: int) -> None:
    game = played(seed, worlds=("core", "other"))
    result, trips = game.result, round_trips(game.result)
    account = account_measures(result, trips)
    worlds = [world_measures(result, trips, i) for i in range(2)]
    for name in ("trades", "orders", "fees", "slippage_paid", "borrow"):
        assert sum(getattr(w, name) for w in worlds) == pytest.approx(getattr(account, name), abs=1e-6)
    # equal halves: the account's exposure is the mean of theirs, its turnover too
    assert (worlds[0].exposure + worlds[1].exposure) / 2 == pytest.approx(account.exposure)
    assert (worlds[0].net_exposure + worlds[1].net_exposure) / 2 == pytest.approx(account.net_exposure)
    assert (worlds[0].turnover + worlds[1].turnover) / 2 == pytest.approx(account.turnover)
    assert account.fees == pytest.approx(float(game.books.fees))
    assert account.borrow == pytest.approx(float(game.books.borrow))
    assert account.end_equity - account.start_equity == pytest.approx(sum(game.pnl.values()) - account.borrow, abs=1e-6)


def test_the_market_is_bought_and_held() -> None:
    result = of_returns(np.array([0.1, -0.1, 0.1]))
    found = market_measures(result)
    assert found.total_return == pytest.approx(0.1)
    assert (found.exposure, found.orders, found.win_rate, found.profit_factor) == (1.0, 0, None, None)


def test_free_costs_cost_nothing() -> None:
    sent = [Sent(0, "A", 10, 100.0), Sent(1, "A", -10, 110.0)]
    result = record(np.full(8, 1000.0), 4, sent, costs=Costs(0.0, 0.0, 0.0))
    found = account_measures(result, round_trips(result))
    assert (found.fees, found.slippage_paid, found.borrow) == (0.0, 0.0, 0.0)
    assert found.profit_factor is None
