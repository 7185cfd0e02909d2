"""The synthetic market: the same for the same seed, whatever else is asked; sane prices; every regime within a month."""

# ruff: noqa: PD011 - `values` is a field of BarRow here, not of a frame

from __future__ import annotations

import hashlib
import time

import numpy as np
import pandas as pd
import pytest

from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.adapters.synthetic_market import REGIMES, YEAR, profile
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.errors import DataError

CALENDAR = SessionCalendar("XNYS", "2024-12-01", "2026-12-31")
NAMES = ("AAPL", "MSFT", "SPY", "XOM", "JPM", "NVDA", "KO", "PFE", "T", "GE", "BA", "CAT")
EVER = 2**40


def market(symbols: tuple[str, ...] = NAMES, **options: object) -> SyntheticMarket:
    return SyntheticMarket(symbols, CALENDAR, **{"count": 30, **options})  # type: ignore[arg-type]


def block(feed: SyntheticMarket) -> np.ndarray:
    return np.array([row.values for row in feed.rows(0, EVER)])


def moment(text: str) -> int:
    return int(pd.Timestamp(text).timestamp())


def test_same_seed_same_market_and_another_seed_another() -> None:
    one, two, other = block(market(seed=7)), block(market(seed=7)), block(market(seed=8))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other, equal_nan=True)


def test_the_market_of_the_default_seed_is_frozen() -> None:
    """Journals of two machines can be compared only while this stands; a change here is a new format of the feed."""
    feed = market(("AAPL", "SPY"), count=3)
    digest = hashlib.sha256(block(feed).astype("<f8").tobytes())
    digest.update(repr([(row.day, row.values[:4].tolist()) for row in feed.vix.rows(0, EVER)][-3:]).encode())
    assert digest.hexdigest()[:16] == "c8e179cf955c1820"


def test_more_symbols_change_no_other_symbol() -> None:
    few, many = block(market(("SPY", "AAPL"))), block(market(("ZZZ", "AAPL", "NEW", "SPY")))
    np.testing.assert_array_equal(few[:, :, 0], many[:, :, 3])
    np.testing.assert_array_equal(few[:, :, 1], many[:, :, 1])


def test_the_calendar_s_coverage_changes_nothing() -> None:
    near = SessionCalendar("XNYS", "2025-12-22", "2026-03-31")
    feed = SyntheticMarket(("SPY",), near, count=5)
    np.testing.assert_array_equal(block(feed), block(market(("SPY",), count=5)))
    assert [row.day for row in feed.vix.rows(0, EVER)][:2] == ["2025-12-22", "2025-12-23"]


def test_asking_in_any_order_gives_the_same_rows() -> None:
    feed, again = market(count=80), market(count=80)
    whole = {row.start: row.values for row in feed.rows(0, EVER)}
    times = sorted(whole)
    for start in (times[-1], times[0], times[1000], times[26]):
        (row,) = again.rows(start + 899, start + 900)
        np.testing.assert_array_equal(row.values, whole[start])


def test_R22_rows_are_known_after_their_end_and_never_later_than_until() -> None:
    feed = market(delay=30)
    now = moment("2026-01-05T15:00Z")
    assert [row.end for row in feed.rows(now - 900, now)] == [now - 900]
    assert [row.end for row in feed.rows(now - 900, now + 30)] == [now - 900, now]
    assert [row.start for row in feed.opens(now - 1, now)] == [now]
    assert max(row.known_at for row in feed.rows(0, now)) <= now
    pieces = [row.start for t in range(now, now + 7200, 60) for row in feed.rows(t, t + 60)]
    assert pieces == [row.start for row in feed.rows(now, now + 7200)]


def test_R30_sessions_are_those_of_the_exchange() -> None:
    feed = market(("SPY",), start="2026-11-24", count=4)
    rows = list(feed.rows(0, EVER))
    by_day = {
        day: sum(moment(day) <= row.start < moment(day) + 86400 for row in rows) for day in ("2026-11-26", "2026-11-27")
    }
    assert by_day == {"2026-11-26": 0, "2026-11-27": 14}
    assert feed.span() == (moment("2026-11-24T14:30Z"), moment("2026-11-30T21:00Z"))


def test_prices_are_possible() -> None:
    values = block(market(tuple(f"S{i}" for i in range(300)), count=60))
    opened, high, low, close, volume = (values[:, i] for i in range(5))
    present = ~np.isnan(close)
    assert (low[present] > 0).all()
    assert (high >= np.fmax(opened, close))[present].all()
    assert (low <= np.fmin(opened, close))[present].all()
    assert (volume[present] >= 1).all()
    np.testing.assert_array_equal(close[present], np.round(close[present], 4))


def test_every_regime_shows_within_twenty_sessions_whatever_the_seed() -> None:
    for seed in range(40):
        feed = market(("SPY",), seed=seed, count=40)
        for first in (0, 20):
            shown = {feed.regime(i) for i in range(first, first + 20)}
            assert len(shown & {"trend_up", "trend_down", "chop", "high_vol"}) >= 3
        assert {feed.regime(i) for i in range(40)} == {regime.name for regime in REGIMES}


def test_regimes_move_prices_as_they_say() -> None:
    feed = market(tuple(f"S{i}" for i in range(60)), count=200)
    opened, close = np.array([[r.values[0], r.values[3]] for r in feed.rows(0, EVER)]).transpose(1, 0, 2)
    starts = np.array([row.start for row in feed.rows(0, EVER)])
    day = np.searchsorted(CALENDAR.opens, starts, side="right")
    moves: dict[str, list[float]] = {}
    for number, index in enumerate(np.unique(day)):
        chosen = day == index
        first, last = opened[chosen][0], close[chosen][-1]
        moves.setdefault(feed.regime(number), []).append(float(np.nanmean(np.log(last / first))))
    mean = {name: np.mean(values) for name, values in moves.items()}
    spread = {name: np.std(values) for name, values in moves.items()}
    assert mean["trend_up"] > 0.004
    assert mean["trend_down"] < -0.004
    assert abs(mean["chop"]) < 0.003
    assert spread["high_vol"] > 2 * spread["calm"]


def test_symbols_are_correlated_and_not_copies() -> None:
    close = block(market(count=60))[:, 3]
    returns = np.diff(np.log(close), axis=0)
    returns = returns[~np.isnan(returns).any(axis=1)]
    pairs = np.corrcoef(returns.T)[np.triu_indices(len(NAMES), 1)]
    assert 0.3 < pairs.mean() < 0.85
    assert pairs.max() < 0.98


def test_volatility_and_volume_are_u_shaped_and_nights_have_gaps() -> None:
    values = block(market(tuple(f"S{i}" for i in range(100)), count=60, start="2026-01-05"))[: 26 * 60]
    ranges = np.log(values[:, 1] / values[:, 2]).reshape(60, 26, -1)
    by_bar = np.nanmean(ranges, axis=(0, 2))
    assert by_bar[0] > 1.5 * by_bar[12] < by_bar[25] * 1.5
    volume = np.nanmean(values[:, 4].reshape(60, 26, -1), axis=(0, 2))
    assert volume[0] > 1.5 * volume[12] < volume[25] * 1.5
    close = values[:, 3].reshape(60, 26, -1)
    gaps = np.log(values[:, 0].reshape(60, 26, -1)[1:, 0] / close[:-1, -1])
    inside = np.log(values[:, 0].reshape(60, 26, -1)[1:, 10] / close[1:, 9])
    assert np.nanstd(gaps) > 5 * np.nanstd(inside)
    assert np.isclose(np.mean(profile(26) ** 2), 1.0)


def test_R24_illiquid_symbols_lack_bars_and_others_do_not() -> None:
    values = block(market(tuple(f"S{i}" for i in range(200)), count=20))
    missing = np.isnan(values[:, 3]).mean(axis=0)
    assert 5 < (missing > 0).sum() < 60
    assert 0.05 < missing[missing > 0].mean() < 0.15


def test_R27_vix_is_of_the_same_market_and_known_after_its_day() -> None:
    feed = market(("SPY",), count=150)
    rows = list(feed.vix.rows(0, EVER))
    assert len(rows) == 150 + YEAR
    assert rows[-150].day == "2026-01-02"
    assert rows[-150].known_at == moment("2026-01-03T00:00-05:00")
    now = moment("2026-01-06T20:00Z")
    assert [row.day for row in feed.vix.rows(0, now)][-1] == "2026-01-05"
    by_regime: dict[str, list[float]] = {}
    for number, row in enumerate(rows[-150:]):
        assert row.values[2] <= row.values[3] <= row.values[1]
        assert row.values[2] > 0
        by_regime.setdefault(feed.regime(number), []).append(float(row.values[3]))
    assert np.mean(by_regime["high_vol"]) > 1.4 * np.mean(by_regime["calm"])
    assert np.mean(by_regime["trend_up"]) < 20


def test_vix_history_before_the_first_bar_warms_daily_indicators() -> None:
    rows = list(market(("SPY",)).vix.rows(0, moment("2026-01-02T14:30Z")))
    assert len(rows) == YEAR


def test_without_drift_prices_are_martingales() -> None:
    """Not log walks: the mean of the price itself stays (decisions.md, Noise)."""
    close = block(market(tuple(f"S{i}" for i in range(400)), count=60, drift=0.0, seed=3))[:, 3]
    first = close[0] / block(market(tuple(f"S{i}" for i in range(400)), count=1, drift=0.0, seed=3))[0, 0]
    growth = np.nanmean(close[-1] / (close[0] / first))
    # 60 sessions of about 1.2 % common volatility: one standard error is some 8 %
    assert 0.75 < growth < 1.3


def test_thousands_of_symbols_are_quick() -> None:
    feed = market(tuple(f"S{i}" for i in range(2000)), count=5)
    began = time.perf_counter()
    assert len(list(feed.rows(0, EVER))) == 130
    assert time.perf_counter() - began < 2.0


def test_rows_are_read_only_and_shared() -> None:
    feed = market(count=1)
    row = next(feed.rows(0, EVER))
    with pytest.raises(ValueError, match="read-only"):
        row.values[0, 0] = 1.0
    assert np.shares_memory(row.values, next(feed.opens(0, EVER)).prices)


def test_bad_start_is_said(tmp_path: object) -> None:
    with pytest.raises(DataError, match="'soon' is not a date"):
        market(start="soon")
    with pytest.raises(DataError, match="no session from 2031-01-01 on"):
        market(start="2031-01-01")
