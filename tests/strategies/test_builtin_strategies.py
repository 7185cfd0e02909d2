"""Every built-in strategy against an independent pandas / TA-Lib reference on real bars, bar by bar.

The references below are written from the facts of the rules, not from the `.qmtl` texts: whole columns at once, where
the engine steps bar by bar. Signals must agree exactly, sizes and levels within 1e-9, from the first known bar on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import talib

from qmtl.dsl.compile import compile_world

Frame = pd.DataFrame
Reference = Callable[..., Frame]

#: an index, a wild single stock, a calm one and a sector fund
SYMBOLS = ("SPY", "TSLA", "COST", "XLE")
WORLD = """
version: 1
world: all_seven
calendar: XNYS
universe: [{symbols}]
chains:
  - {{name: all, otherwise: true, strategies: [{strategies}]}}
allowlist: all
"""


def atr(bars: Frame, n: int) -> pd.Series:
    return pd.Series(talib.ATR(bars.high.values, bars.low.values, bars.close.values, n), bars.index)


def ema(x: pd.Series, n: int) -> pd.Series:
    return x.ewm(span=n, adjust=False, min_periods=n).mean()


def truth(condition: pd.Series, *inputs: pd.Series) -> pd.Series:
    """Kleene as numbers: 0 false, 0.5 unknown where an input is missing, 1 true."""
    known = pd.concat(inputs, axis=1).notna().all(axis=1)
    return condition.astype(float).where(known, 0.5)


def every(*conditions: pd.Series) -> pd.Series:
    return pd.concat(conditions, axis=1).min(axis=1)


def latch(long: pd.Series, short: pd.Series, exit_long: pd.Series, exit_short: pd.Series) -> pd.Series:
    """The signal: exit first, then entry, an opposite entry flips; unknown while flat with an unknown entry."""
    out, side = [], 0
    for enter_long, enter_short, leave_long, leave_short in zip(long, short, exit_long, exit_short, strict=True):
        if (side == 1 and leave_long == 1) or (side == -1 and leave_short == 1):
            side = 0
        if (enter_long == 1) != (enter_short == 1):
            side = 1 if enter_long == 1 else -1
        unknown = side == 0 and 0.5 in (enter_long, enter_short)
        out.append(np.nan if unknown else side)
    return pd.Series(out, long.index)


def while_entry(long: pd.Series, short: pd.Series) -> pd.Series:
    """The signal of rules without exits: it lasts while its entry is not false."""
    return latch(long, short, 1 - long, 1 - short)


def last_closed(x: pd.Series, quarter: Frame) -> pd.Series:
    """A series by 60m bar as of the end of every 15m bar: both carry the second their bar ended."""
    return x.reindex(quarter.index, method="ffill")


def by_range(bars: Frame, n: int = 14) -> pd.Series:
    return (0.01 / (atr(bars, n) / bars.close)).clip(0.1, 1)


def columns(signal: pd.Series, size: pd.Series, stop: pd.Series, take: pd.Series | None = None) -> Frame:
    none = pd.Series(np.nan, signal.index)
    return pd.DataFrame({"signal": signal, "size": size, "stop": stop, "take": none if take is None else take})


def roc_momentum(
    quarter: Frame, hour: Frame, p: Frame, *, windows: tuple[int, int] = (10, 40), threshold: float = 0
) -> Frame:
    def speed(n: int) -> pd.Series:
        return (hour.close / hour.close.shift(n) - 1).rolling(5).mean()

    fast, slow = (speed(n) for n in windows)
    long = truth((fast > slow) & (fast > threshold), fast, slow)
    short = truth((fast < slow) & (fast < -threshold), fast, slow)
    # Kleene: one false side of an `and` is false, whatever the unknown side says
    long, short = long.mask(fast <= threshold, 0), short.mask(fast >= -threshold, 0)
    size = (fast.abs() / fast.abs().rolling(60).max()).clip(0.1, 1)
    return columns(while_entry(long, short), size, 1.5 * atr(hour, 14), 2.5 * atr(hour, 14))


def zscore_reversion(quarter: Frame, hour: Frame, p: Frame) -> Frame:
    z = (hour.close - hour.close.rolling(50).mean()) / hour.close.rolling(50).std()
    crowd = hour.volume.rolling(10).mean() / hour.volume.rolling(50).mean()
    # the gate is read on every quarter hour, the rest as of the last closed hour
    z, crowd, size, unit = (last_closed(x, quarter) for x in (z, crowd, by_range(hour), atr(hour, 14)))
    trending = p.up + p.down
    calm = every(truth(crowd < 1.2, crowd), truth(trending < 0.55, trending))
    long, short = every(truth(z < -1.5, z), calm), every(truth(z > 1.5, z), calm)
    signal = latch(long, short, truth(z > -0.3, z), truth(z < 0.3, z))
    return columns(signal, size, 2 * unit)


def atr_ratchet(quarter: Frame, hour: Frame, p: Frame, *, width: float = 3) -> Frame:
    unit, mid, close = atr(quarter, 10), ema(quarter.close, 20), quarter.close
    lower, upper = mid - width * unit, mid + width * unit
    line, above, lines = np.nan, None, []
    for x, low, high in zip(close, lower, upper, strict=True):
        if np.isnan(low):
            lines.append(np.nan)
            continue
        if above is None:
            above = x >= (low + high) / 2
            line = low if above else high
        elif above:
            line = max(line, low)
            if x < line:
                above, line = False, high
        else:
            line = min(line, high)
            if x > line:
                above, line = True, low
        lines.append(line)
    stop = pd.Series(lines, close.index)
    signal = while_entry(truth(close > stop, stop), truth(close < stop, stop))
    return columns(signal, ((close - stop).abs() / (3 * unit)).clip(0.1, 1), stop, 2 * unit)


def bb_rsi_reversion(quarter: Frame, hour: Frame, p: Frame) -> Frame:
    close = quarter.close
    mid = close.rolling(20).mean()
    band = 2 * close.rolling(20).std()
    rsi = pd.Series(talib.RSI(close.values, 14), close.index)
    long, short = truth((close < mid - band) & (rsi < 35), rsi, mid), truth((close > mid + band) & (rsi > 65), rsi, mid)
    long, short = long.mask(rsi >= 35, 0), short.mask(rsi <= 65, 0)
    signal = latch(long, short, truth(close >= mid, mid), truth(close <= mid, mid))
    return columns(signal, by_range(quarter), 1.5 * atr(quarter, 14))


def bear_probability(quarter: Frame, hour: Frame, p: Frame) -> Frame:
    drawdown = 1 - hour.close / hour.close.rolling(120).max()
    unrest = hour.close.pct_change(fill_method=None).rolling(60).std()
    b = 0.65 * drawdown.rolling(120).rank(pct=True) + 0.35 * unrest.rolling(120).rank(pct=True)
    signal = latch(truth(b <= 0.28, b), truth(b >= 0.72, b), truth(b >= 0.5, b), truth(b <= 0.5, b))
    return columns(signal, (2 * (b - 0.5).abs()).clip(0.1, 1), 2 * atr(hour, 14))


def channel_breakout(quarter: Frame, hour: Frame, p: Frame) -> Frame:
    def previous(n: int) -> tuple[pd.Series, pd.Series]:
        return quarter.high.rolling(n).max().shift(1), quarter.low.rolling(n).min().shift(1)

    (top, bottom), (near_top, near_bottom), close = previous(96), previous(48), quarter.close
    signal = latch(
        truth(close > top, top),
        truth(close < bottom, bottom),
        truth(close < near_bottom, near_bottom),
        truth(close > near_top, near_top),
    )
    return columns(signal, by_range(quarter), 3 * atr(quarter, 14))


def ema_cross_atr(quarter: Frame, hour: Frame, p: Frame) -> Frame:
    fast, slow = ema(hour.close, 20), ema(hour.close, 60)
    was_fast, was_slow = fast.shift(1), slow.shift(1)
    up = truth((fast > slow) & (was_fast <= was_slow), was_fast, was_slow)
    down = truth((fast < slow) & (was_fast >= was_slow), was_fast, was_slow)
    return columns(latch(up, down, down, up), by_range(hour), 2 * atr(hour, 14), 3 * atr(hour, 14))


REFERENCES: dict[str, Reference] = {
    "roc_momentum": roc_momentum,
    "zscore_reversion": zscore_reversion,
    "atr_ratchet": atr_ratchet,
    "bb_rsi_reversion": bb_rsi_reversion,
    "bear_probability": bear_probability,
    "channel_breakout": channel_breakout,
    "ema_cross_atr": ema_cross_atr,
}


def agree(got: Frame, want: Frame) -> None:
    differs = ~((got.signal == want.signal) | (got.signal.isna() & want.signal.isna()))
    assert not differs.any(), pd.concat([got.signal, want.signal], axis=1)[differs].head()
    for column in ("size", "stop", "take"):
        np.testing.assert_allclose(got[column], want[column], rtol=1e-9, err_msg=column)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("worlds") / "all_seven.yaml"
    path.write_text(WORLD.format(symbols=", ".join(SYMBOLS), strategies=", ".join(REFERENCES)))
    compiled = compile_world(path)
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


@pytest.fixture(scope="module")
def rows(feed):
    return feed(SYMBOLS)


@pytest.fixture(scope="module")
def observed(program, rows, data, calendar, watch):
    return watch(program, rows, data / "vix" / "vix_daily_cboe.csv", calendar)


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("name", REFERENCES)
def test_strategy_equals_its_reference(name, symbol, observed, bars):
    """Signals agree exactly and sizes, stops and takes within 1e-9, wherever either side knows a value."""
    quarter, hour = bars(symbol)
    got = observed.strategy(name, symbol).loc[quarter.index]
    p = observed.regime(symbol).loc[quarter.index]
    want = REFERENCES[name](quarter, hour, p).pipe(last_closed, quarter)

    agree(got, want)


@pytest.mark.parametrize(
    ("name", "symbol", "parameters"),
    [
        ("roc_momentum", "SPY", {}),
        ("roc_momentum", "QQQ", {"windows": (15, 40)}),
        ("roc_momentum", "TSLA", {"windows": (15, 60), "threshold": 0.01}),
        ("atr_ratchet", "NVDA", {"width": 3.5}),
        ("atr_ratchet", "MSFT", {}),
    ],
)
def test_parameters_by_symbol_reach_the_signal(name, symbol, parameters, core_observed, bars):
    """R52: what `by_symbol` of worlds/us_core.yaml says is what the symbol trades with, and nobody else."""
    quarter, hour = bars(symbol)
    got = core_observed.strategy(name, symbol).loc[quarter.index]
    want = REFERENCES[name](quarter, hour, quarter, **parameters).pipe(last_closed, quarter)
    agree(got, want)


@pytest.mark.parametrize("name", REFERENCES)
def test_strategy_trades_both_ways(name, observed):
    """Half a year of four symbols holds longs and shorts of every rule, and entries that are real changes of side."""
    sides = pd.concat([observed.strategy(name, symbol).signal.dropna() for symbol in SYMBOLS])
    assert {1.0, -1.0} <= set(sides.unique())
    assert (sides.diff().abs() > 0).sum() >= 10


@pytest.mark.parametrize("name", REFERENCES)
def test_stop_and_take_are_where_the_rule_puts_them(name, program):
    """atr_ratchet alone has its stop at a level; three strategies take profits."""
    plan = next(p for p in program.strategies if p.name == name)
    lane = plan.lanes[0]
    assert lane.stop is not None
    assert lane.stop_is_level == (name == "atr_ratchet")
    assert (lane.take is not None) == (name in {"roc_momentum", "atr_ratchet", "ema_cross_atr"})
