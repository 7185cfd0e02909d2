"""Every kernel with a formula against TA-Lib or pandas, on real bars and on generated ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import talib
from numpy.typing import NDArray

from qmtl.engine.kernels import make

Floats = NDArray[np.float64]


def run(op: str, params: tuple[int, ...], *args: Floats) -> Floats:
    """Step a kernel over [T, S] columns."""
    kernel = make(op, params, args[0].shape[1])
    with np.errstate(all="ignore"):
        return np.array([kernel.step(tuple(arg[t] for arg in args), None).copy() for t in range(len(args[0]))])


def by_column(function: Any, *args: Floats) -> Floats:
    return np.column_stack([function(*(arg[:, s] for arg in args)) for s in range(args[0].shape[1])])


def same(ours: Floats, oracle: Floats, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    assert np.array_equal(np.isnan(ours), np.isnan(oracle))
    np.testing.assert_allclose(ours, oracle, rtol=rtol, atol=atol)
    assert np.mean(np.isnan(ours)) < 0.5, "too little was compared"


def frame(column: Floats) -> pd.DataFrame:
    return pd.DataFrame(column)


@pytest.mark.parametrize("n", [1, 5, 20, 96])
def test_moving_windows_are_ta_lib(bars: Any, n: int) -> None:
    close = bars.cells[:, 3]
    same(run("roc", (n,), close), by_column(lambda x: talib.ROCP(x, n), close))
    if n > 1:
        same(run("sma", (n,), close), by_column(lambda x: talib.SMA(x, n), close))
        same(run("sum", (n,), close), by_column(lambda x: talib.SUM(x, n), close))
        same(run("slope", (n,), close), by_column(lambda x: talib.LINEARREG_SLOPE(x, n), close), atol=1e-8)
        assert np.array_equal(run("highest", (n,), close), by_column(lambda x: talib.MAX(x, n), close), equal_nan=True)
        assert np.array_equal(run("lowest", (n,), close), by_column(lambda x: talib.MIN(x, n), close), equal_nan=True)
        sample = np.sqrt(n / (n - 1))
        same(run("stdev", (n,), close), sample * by_column(lambda x: talib.STDDEV(x, n), close), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [2, 20, 120, 300])
def test_moving_windows_are_pandas(bars: Any, n: int) -> None:
    close = bars.cells[:, 3]
    rolling = frame(close).rolling(n)
    ours = run("stdev", (n,), close)
    same(ours, rolling.std().to_numpy(), rtol=1e-6, atol=1e-5)  # pandas adds up from the first bar on
    windows = np.lib.stride_tricks.sliding_window_view(close, n, axis=0)
    np.testing.assert_allclose(ours[n - 1 :], windows.std(axis=2, ddof=1), rtol=1e-7, atol=1e-11)
    same(run("percentile", (n,), close), rolling.rank(pct=True).to_numpy(), rtol=0, atol=0)
    z = ((frame(close) - rolling.mean()) / rolling.std()).to_numpy()
    flat = (rolling.max() == rolling.min()).to_numpy()
    same(run("zscore", (n,), close), np.where(flat, np.nan, z), rtol=1e-4, atol=1e-6)
    assert np.array_equal(run("lag", (n,), close), frame(close).shift(n).to_numpy(), equal_nan=True)


def test_ranks_with_many_ties_are_pandas(bars: Any) -> None:
    coarse = np.round(bars.cells[:, 3] / bars.cells[0, 3] * 40)
    same(run("percentile", (50,), coarse), frame(coarse).rolling(50).rank(pct=True).to_numpy(), rtol=0, atol=0)
    ranked = run("xrank", (), coarse)
    same(ranked, frame(coarse).rank(axis=1, pct=True).to_numpy(), rtol=0, atol=0)


@pytest.mark.parametrize("n", [2, 14, 60])
def test_recursive_averages_are_pandas_and_ta_lib(bars: Any, n: int) -> None:
    _, high, low, close, _ = (bars.cells[:, field] for field in range(5))
    ewm = frame(close).ewm(span=n, adjust=False, ignore_na=True, min_periods=n)
    same(run("ema", (n,), close), ewm.mean().to_numpy())
    settled = slice(min(20 * n, 900), None)  # TA-Lib seeds with an average: equal once the seed is forgotten
    same(run("ema", (n,), close)[settled], by_column(lambda x: talib.EMA(x, n), close)[settled], rtol=1e-8)
    same(run("atr", (n,), high, low, close), by_column(lambda h, lo, c: talib.ATR(h, lo, c, n), high, low, close))
    same(run("rsi", (n,), close), by_column(lambda x: talib.RSI(x, n), close))
    same(run("true_range", (), high, low, close), by_column(talib.TRANGE, high, low, close), rtol=0, atol=0)


def test_wilder_of_the_true_range_is_the_atr(bars: Any) -> None:
    columns = tuple(bars.cells[:, field] for field in (1, 2, 3))
    ranges = run("true_range", (), *columns)
    assert np.array_equal(run("wilder", (14,), ranges), run("atr", (14,), *columns), equal_nan=True)


def test_crossings_are_the_sign_changes_of_pandas(bars: Any) -> None:
    close = bars.cells[:, 3]
    fast, slow = run("ema", (5,), close), run("ema", (12,), close)
    above = pd.DataFrame(fast > slow)
    up = (above & ~above.shift(1, fill_value=True)).to_numpy()
    crossed = run("crosses_above", (), fast, slow) == 2
    assert crossed.sum() > 10
    assert np.array_equal(crossed[13:], up[13:])
    assert np.array_equal(run("crosses_below", (), slow, fast) == 2, crossed)


def test_gaps_in_ema_are_ignored_as_in_pandas(bars: Any) -> None:
    close = bars.cells[:400, 3].copy()
    close[::7] = np.nan
    oracle = frame(close).ewm(span=10, adjust=False, ignore_na=True, min_periods=10).mean().to_numpy()
    ours = run("ema", (10,), close)
    there = ~np.isnan(close)
    same(ours[there], oracle[there])
    assert np.isnan(ours[~there]).all()
