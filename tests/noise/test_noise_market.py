"""The simulated market: a martingale to the last step, and otherwise much like what it stands for."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from .martingale import WARM, YEAR, Session, Shape, Simulation, calendar

MARKETS, SYMBOLS = 60, 4


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return Simulation(Shape(MARKETS, SYMBOLS), (11,), calendar())


@pytest.fixture(scope="module")
def sessions(simulation: Simulation) -> tuple[Session, ...]:
    return tuple(simulation.sessions())


def t_of(values: np.ndarray) -> float:
    """Mean over standard error of independent values."""
    return float(values.mean() / values.std(ddof=1) * np.sqrt(len(values)))


def by_market(columns: np.ndarray) -> np.ndarray:
    """Mean over the symbols of each market: only markets are independent of each other."""
    return columns.reshape(*columns.shape[:-1], MARKETS, SYMBOLS).mean(axis=-1)


def test_buying_and_holding_earns_nothing(sessions: tuple[Session, ...]) -> None:
    ratio = sessions[-1].values[-1, 3] / sessions[0].values[0, 0]
    assert abs(t_of(by_market(ratio - 1))) < 3


def test_it_is_prices_that_have_no_drift_not_their_logs() -> None:
    """On days with a deviation of 60 % the difference cannot be missed: a log random walk would rise by 20 % a day."""
    wild = Simulation(Shape(6_000, 1, sessions=1), (13,), calendar())
    wild._variances = np.full(6_000, 0.24), np.full(6_000, 0.12)
    wild._beta[:] = 1.0
    before = np.exp(wild._log)
    (day,) = wild.sessions()
    assert abs(t_of(day.values[-1, 3] / before - 1)) < 3
    assert t_of(np.log(day.values[-1, 3] / before)) < -15
    assert np.log(day.values[-1, 3] / before).mean() == pytest.approx(-0.18, abs=0.03)


@pytest.mark.parametrize(
    ("first", "then"), [(0, 3), (3, 0), (0, 0)], ids=["inside bars", "to next open", "open to open"]
)
def test_every_step_is_fair(sessions: tuple[Session, ...], first: int, then: int) -> None:
    """From open to close, from close to the next open (the fill), from open to open: no step has a mean."""
    later = 0 if (first, then) == (0, 3) else 1
    prices = np.concatenate([s.values for s in sessions])
    moves = prices[later:, then] / prices[: len(prices) - later, first] - 1
    assert abs(t_of(by_market(moves).mean(axis=0))) < 3


def test_the_middle_of_a_bar_is_fair_too(sessions: tuple[Session, ...]) -> None:
    middle = np.concatenate([s.middle for s in sessions])
    close = np.concatenate([s.values[:, 3] for s in sessions])
    assert abs(t_of(by_market(close / middle - 1).mean(axis=0))) < 3


def test_the_last_move_says_nothing_about_the_next(sessions: tuple[Session, ...]) -> None:
    opens = np.concatenate([s.values[:, 0] for s in sessions])
    moves = opens[1:] / opens[:-1] - 1
    assert abs(t_of(by_market(moves[1:] * np.sign(moves[:-1])).mean(axis=0))) < 3


def test_bars_hold_together(sessions: tuple[Session, ...]) -> None:
    for session in sessions[::20]:
        opened, high, low, close, volume = (session.values[:, i] for i in range(5))
        assert (high >= np.maximum(opened, close)).all()
        assert (low <= np.minimum(opened, close)).all()
        assert ((high >= session.middle) & (session.middle >= low)).all()
        assert (high > np.maximum(opened, close)).mean() > 0.3, "high and low are reached between open and close"
        assert (volume >= 1).all()
        assert np.isfinite(session.values).all()


def test_sessions_stand_on_the_exchange_s_grid_with_half_days(sessions: tuple[Session, ...]) -> None:
    assert len(sessions) == WARM + YEAR + 1
    counts = {session.day: len(session.starts) for session in sessions}
    assert (counts["2023-11-24"], counts["2024-07-03"]) == (14, 14), "the exchange closed early"
    assert sorted(set(counts.values())) == [14, 26]
    assert all((session.ends - session.starts == 900).all() for session in sessions)


def test_volatility_comes_in_clusters_and_volume_with_it(sessions: tuple[Session, ...]) -> None:
    daily = np.array([np.log(s.values[-1, 3] / s.values[0, 0]) for s in sessions])
    size = np.abs(daily)
    assert np.mean([np.corrcoef(size[1:, c], size[:-1, c])[0, 1] for c in range(size.shape[1])]) > 0.03
    bars = np.concatenate([s.values for s in sessions])
    moved, volume = np.abs(np.log(bars[:, 3] / bars[:, 0])), np.log(bars[:, 4])
    assert np.mean([np.corrcoef(moved[:, c], volume[:, c])[0, 1] for c in range(0, moved.shape[1], 8)]) > 0.3


def test_nights_move_prices_more_than_bars_do(sessions: tuple[Session, ...]) -> None:
    nights = [np.log(b.values[0, 0] / a.values[-1, 3]) for a, b in pairwise(sessions)]
    bars = np.concatenate([np.log(s.values[:, 3] / s.values[:, 0]) for s in sessions])
    assert np.std(nights) > 2 * bars.std()


def test_the_vix_rises_when_its_market_falls_and_knows_nothing_of_tomorrow(
    simulation: Simulation, sessions: tuple[Session, ...]
) -> None:
    """R27: the close of a day's VIX is worth a fortune inside the day, and nothing after it."""
    vix = np.array([simulation.past.vix[-1], *(s.vix for s in sessions)])
    opens = np.array([by_market(s.values[0, 0] / sessions[0].values[0, 0]) for s in sessions])
    closes = np.array([by_market(s.values[-1, 3] / sessions[0].values[0, 0]) for s in sessions])
    change = np.diff(np.log(vix), axis=0)
    same_day = np.log(closes / opens)
    inside = [np.corrcoef(change[:, m], same_day[:, m])[0, 1] for m in range(MARKETS)]
    after = [np.corrcoef(change[:-1, m], same_day[1:, m])[0, 1] for m in range(MARKETS)]
    assert np.mean(inside) < -0.4
    assert abs(t_of(np.array(after))) < 3


def test_the_vix_is_on_the_scale_on_which_the_shipped_world_reads_it(sessions: tuple[Session, ...]) -> None:
    """`us_core` blocks entries above 20: it must happen, and must not be the rule."""
    vix = np.concatenate([s.vix for s in sessions])
    assert 14 < np.median(vix) < 19
    assert 0.1 < (vix > 20).mean() < 0.4


def test_the_same_seed_is_the_same_market_and_another_is_not() -> None:
    shape = Shape(2, 3, sessions=2)
    one, same, other = (
        np.concatenate([s.values for s in Simulation(shape, seed, calendar()).sessions()])
        for seed in ((1, 2), (1, 2), (1, 3))
    )
    np.testing.assert_array_equal(one, same)
    assert not np.isclose(one, other).any(axis=None) or (one != other).mean() > 0.99


def test_planted_momentum_shows_in_the_prices_and_only_there() -> None:
    """The same draws otherwise: a drift is added, not another market made."""
    shape = Shape(40, 4, sessions=60, momentum=0.2)
    opens = np.concatenate([s.values[:, 0] for s in Simulation(shape, (12,), calendar()).sessions()])
    moves = np.log(opens[26:] / opens[:-26])
    assert np.mean(moves[26:] * moves[:-26]) > 0.1 * np.mean(moves**2)
