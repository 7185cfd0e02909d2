"""The heuristic regime on real bars: sane, as documented, and the same as an independent pandas reference.

`docs/regime.md` holds measured numbers; they are read from its tables and computed again here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib

CHAINS = ("defensive", "chop", "trend", "neutral")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "regime.md"
Panel = dict[str, pd.DataFrame]


def symbolwise(frame: pd.DataFrame, function) -> pd.DataFrame:
    """Apply to each symbol's own bars, as windows count them."""
    return pd.DataFrame({s: function(frame[s].dropna()) for s in frame}).reindex(frame.index)


def zscore(x: pd.Series, n: int) -> pd.Series:
    return (x - x.rolling(n).mean()) / x.rolling(n).std()


def ewm(x: pd.Series, n: int) -> pd.Series:
    return x.ewm(span=n, adjust=False, min_periods=n, ignore_na=True).mean()


def usable(daily: pd.Series, times: pd.DatetimeIndex) -> pd.Series:
    """A daily series as each bar may know it: the row of a day counts from the next day of New York on."""
    day = times.tz_convert("America/New_York").tz_localize(None).normalize()
    known = daily.dropna().copy()
    known.index = known.index + pd.Timedelta(days=1)
    return pd.Series(known.reindex(known.index.union(day.unique())).ffill().reindex(day).to_numpy(), times)


def reference_features(panel: Panel, vix: pd.Series) -> Panel:
    """The ten features, symbols in columns (market series repeated)."""
    close = panel["close"]

    def atr_pct(x: pd.Series) -> pd.Series:
        high, low = panel["high"][x.name][x.index], panel["low"][x.name][x.index]
        return pd.Series(talib.ATR(high.to_numpy(), low.to_numpy(), x.to_numpy(), 14), x.index) / x

    def market(x: pd.Series) -> pd.DataFrame:
        return pd.DataFrame(dict.fromkeys(close, x))

    step = symbolwise(close, lambda x: x - x.shift(1))
    breadth = np.log(((step > 0).sum(axis=1) + 1) / ((step < 0).sum(axis=1) + 1))[step.notna().any(axis=1)]
    features = {f"ret_{n}": symbolwise(close, lambda x, n=n: x / x.shift(n) - 1) for n in (1, 4, 8)}
    for n in (20, 60):
        features[f"vol_{n}"] = symbolwise(features["ret_1"], lambda x, n=n: x.rolling(n).std())
    features["atr_pct"] = symbolwise(close, atr_pct)
    features["ema_gap"] = symbolwise(close, lambda x: (ewm(x, 20) - ewm(x, 60)) / x)
    features["adr_z"] = market(zscore(breadth, 120).reindex(close.index))
    features["vix_z"] = market(usable(zscore(vix, 80), close.index))
    features["vix_chg_5"] = market(usable(vix / vix.shift(5) - 1, close.index))
    return {name: frame.where(close.notna()) for name, frame in features.items()}


def reference_regime(f: Panel) -> tuple[pd.DataFrame, ...]:
    """p_trend_up, p_trend_down, p_chop, p_high_vol from the features, as docs/regime.md says it."""
    drift = f["ema_gap"] / (5**0.5 * f["vol_60"])
    pace = 0.5 * f["ret_8"] / (8**0.5 * f["vol_20"]) + 0.5 * f["ret_4"] / (2 * f["vol_20"])
    direction = symbolwise(0.6 * drift + 0.4 * pace + 0.2 * f["adr_z"], lambda x: ewm(x, 8))
    movement = symbolwise(0.6 * drift.abs() + 0.4 * pace.abs(), lambda x: ewm(x, 8))
    scores = (direction, -direction - 0.5, 1.8 - 2 * movement)
    total = sum(np.exp(s) for s in scores)
    unrest = 0.8 * symbolwise(f["atr_pct"], lambda x: zscore(x, 120)) + 0.5 * np.log(f["vol_20"] / f["vol_60"])
    heat = unrest + 0.6 * f["vix_z"] + 2 * f["vix_chg_5"] - 1.5
    return (*(np.exp(s) / total for s in scores), 1 / (1 + np.exp(-heat)))


def reference_chains(p: tuple[pd.DataFrame, ...], h: float = 0.07) -> pd.DataFrame:
    """Index of the chain per bar and symbol with hysteresis, -1 before the first regime."""
    up, down, chop, volatile = (x.to_numpy() for x in p)
    current = np.full(up.shape[1], -1)
    rows = []
    for u, d, c, v in zip(up, down, chop, volatile, strict=True):
        in_defensive, in_chop, in_trend = (np.where(current == k, h, 0.0) for k in (0, 1, 2))
        defensive = (v >= 0.40 - in_defensive) & (d >= u - in_defensive)
        defensive |= (d >= 0.45 - in_defensive) & (d > u - in_defensive)
        trend = (u >= 0.55 - in_trend) & (d < 0.40 + in_trend)
        now = np.select([defensive, c >= 0.50 - in_chop, trend], [0, 1, 2], 3)
        known = np.isfinite(u + d + c + v)
        current = np.where(known, now, current)
        rows.append(np.where(known, current, -1))
    return pd.DataFrame(rows, p[0].index, p[0].columns)


def dwells(chains: pd.DataFrame) -> np.ndarray:
    """Bars per visit to a chain, all symbols together."""
    out = []
    for s in chains:
        x = chains[s][chains[s] >= 0].to_numpy()
        out.append(np.diff(np.r_[0, np.flatnonzero(np.diff(x)) + 1, len(x)]))
    return np.concatenate(out)


# ---- what the chains make of it, measured


@dataclass(frozen=True, slots=True)
class Measured:
    """Reference regime of one universe over all recorded bars."""

    panel: Panel
    features: Panel
    p: tuple[pd.DataFrame, ...]
    chains: pd.DataFrame

    def shares(self) -> list[float]:
        """Percent of symbol-bars in each chain."""
        chains = self.chains.to_numpy()
        return [100 * float((chains == k).sum() / (chains >= 0).sum()) for k in range(len(CHAINS))]

    def past_return(self) -> pd.DataFrame:
        """Return over the last 26 bars (one session), percent."""
        return 100 * symbolwise(self.panel["close"], lambda x: x / x.shift(26) - 1)

    def by_chain(self, frame: pd.DataFrame) -> list[float]:
        return [float(np.nanmean(frame.where(self.chains == k).to_numpy())) for k in range(len(CHAINS))]

    def daily(self) -> pd.DataFrame:
        """Per session: mean p_high_vol and mean range of the day as a share of the close."""
        day = self.chains.index.date
        high, low, close = (self.panel[name].groupby(day) for name in ("high", "low", "close"))
        volatile = self.p[3].where(self.chains >= 0).mean(axis=1).groupby(day).mean()
        spread = ((high.max() - low.min()) / close.last()).mean(axis=1)
        return pd.DataFrame({"volatile": volatile, "range": spread}).dropna()


def measure(data: Path, symbols: tuple[str, ...], vix: pd.Series) -> Measured:
    files = {s: pd.read_csv(data / "us_15m" / f"{s}.csv.gz", parse_dates=["timestamp"], index_col=0) for s in symbols}
    panel = {name: pd.DataFrame({s: f[name] for s, f in files.items()}) for name in ("high", "low", "close")}
    features = reference_features(panel, vix)
    p = reference_regime(features)
    return Measured(panel, features, p, reference_chains(p).where(panel["close"].notna(), -1))


@pytest.fixture(scope="module")
def core(data, vix, us_core) -> Measured:
    return measure(data, us_core.settings.universe, vix)


@pytest.fixture(scope="module")
def wide(data, vix) -> Measured:
    return measure(data, tuple(sorted(path.name[:-7] for path in (data / "us_15m").glob("*.csv.gz"))), vix)


def documented(row: str, *, table: str) -> list[float]:
    """The numbers of one table row of docs/regime.md; `table` is the first cell of the table's head."""
    text = DOCS.read_text(encoding="utf-8")
    head = re.search(rf"^\| {re.escape(table)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert head, f"no table {table!r} in {DOCS.name}"
    cells = next(line for line in head[1].splitlines() if line.startswith(f"| {row} |")).strip("|").split("|")
    return [float(cell) for cell in cells[1:]]


@pytest.mark.parametrize("universe", ["us_core", "wide"])
def test_documented_chain_shares_are_true_and_sane(universe, core, wide):
    shares = (core if universe == "us_core" else wide).shares()
    assert shares == pytest.approx(documented(universe, table="share of symbol-bars, %"), abs=0.051)
    defensive, chop, trend, neutral = shares
    assert 5 < defensive < 25
    assert 25 < chop < 50
    assert 15 < trend < 35
    assert 5 < neutral < 35


def test_documented_means_per_chain_are_true(core):
    table = "us_core, mean per chain"
    past = core.by_chain(core.past_return())
    assert past == pytest.approx(documented("return of the last 26 bars, %", table=table), abs=0.0051)
    ranges = [100 * x for x in core.by_chain(core.features["atr_pct"])]
    assert ranges == pytest.approx(documented("ATR 14, % of price", table=table), abs=0.00051)


@pytest.mark.parametrize(("index", "name"), [(0, "p_trend_up"), (1, "p_trend_down"), (2, "p_chop"), (3, "p_high_vol")])
def test_documented_distribution_is_true_and_on_both_sides_of_its_threshold(index, name, core):
    *quantiles, threshold, above = documented(name, table="us_core, probability")
    values = core.p[index].to_numpy()[core.chains.to_numpy() >= 0]
    assert np.quantile(values, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist() == pytest.approx(quantiles, abs=0.0051)
    share = 100 * float((values >= threshold).mean())
    assert share == pytest.approx(above, abs=0.051)
    assert 10 < share < 50


def test_chains_do_not_flicker(core):
    """R49: hysteresis and a four-bar EMA keep a visit to a chain long and changes few."""
    bars = dwells(core.chains)
    sessions = len(np.unique(core.chains.index.date[(core.chains >= 0).any(axis=1)]))
    changes = (len(bars) - core.chains.shape[1]) / (sessions * core.chains.shape[1])
    assert [float(np.median(bars))] == documented("median visit to a chain, bars", table="us_core")
    assert changes == pytest.approx(documented("chain changes per symbol and day", table="us_core")[0], abs=0.0051)
    assert changes < 4


@pytest.mark.parametrize(("index", "side"), [(0, "p_trend_up"), (1, "p_trend_down")])
def test_trend_probabilities_name_what_the_last_session_did(index, side, core):
    past = core.past_return().to_numpy()[core.p[index].to_numpy() >= 0.55]
    rose = 100 * float((past[np.isfinite(past)] > 0).mean())
    assert rose == pytest.approx(
        documented(f"last 26 bars rose where {side} >= 0.55, %", table="us_core")[0], abs=0.051
    )


def test_high_volatility_is_high_on_volatile_days(core):
    daily = core.daily()
    ranked = daily.sort_values("range").volatile
    measured = {
        "rank correlation of a day's mean p_high_vol with its range": daily.volatile.rank().corr(daily.range.rank()),
        "mean p_high_vol on the ten days of widest range": ranked.iloc[-10:].mean(),
        "mean p_high_vol on the ten days of narrowest range": ranked.iloc[:10].mean(),
    }
    for row, value in measured.items():
        assert [value] == pytest.approx(documented(row, table="us_core"), abs=0.0051), row


def test_the_selloff_of_october_2025_is_seen(core):
    days = ("10-08", "10-09", "10-10", "10-13", "10-16", "10-27")
    volatile = core.daily().volatile
    seen = [float(volatile[pd.Timestamp(f"2025-{day}").date()]) for day in days]
    assert seen == pytest.approx(documented("us_core", table="mean p_high_vol"), abs=0.0051)
    assert max(seen[:2]) < 0.40 < seen[2] < seen[3]


# ---- the compiled text


def test_compiled_regime_equals_the_reference(core, us_core, core_observed):
    """`strategies/us_heuristic.qmtl` and `features.qmtl`, compiled and stepped, give the reference's numbers."""
    for column, symbol in enumerate(us_core.settings.universe):
        got = core_observed.p[:, :, column]
        want = np.column_stack([frame[symbol].to_numpy() for frame in core.p])[-len(got) :]
        known = np.isfinite(want).all(axis=1)
        np.testing.assert_allclose(got[known], want[known], rtol=1e-8, atol=1e-10, err_msg=symbol)
    total = core_observed.p[:, :3].sum(axis=1)
    assert np.nanmax(np.abs(total - 1)) < 1e-12


def test_without_vix_the_regime_is_missing_and_nothing_is_made_up(us_core, feed, watch, calendar, tmp_path):
    """R29: no `??` in the regime: without VIX high volatility is unknown, never a harmless 0.5."""
    empty = tmp_path / "vix.csv"
    empty.write_text("date,open,high,low,close\n1990-01-02,17.2,17.2,17.2,17.2\n")
    observed = watch(us_core, feed(us_core.settings.universe)[:400], empty, calendar)
    assert np.isnan(observed.p[:, 3]).all()
    assert np.isfinite(observed.p[-1, :3]).all()
