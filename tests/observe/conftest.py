"""Bars, real and generated, and a small builder of graphs: what the tests of observe share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from qmtl.dsl.model import ExchangePolicy, Settings
from qmtl.dsl.program import FORMAT, ChainPlan, FitPlan, Lane, Node, Program, RegimePlan, StrategyPlan
from qmtl.engine.bars import BarRow
from qmtl.engine.calendar import SessionCalendar

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
REAL_SYMBOLS = 24


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars on the 15m grid of XNYS: starts and ends [T], cells [T, 5, S], present [T, S]."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    cells: NDArray[np.float64]
    present: NDArray[np.bool_]
    symbols: tuple[str, ...]

    def rows(self, delay: int = 0) -> Iterator[BarRow]:
        for index, (start, end) in enumerate(zip(self.starts.tolist(), self.ends.tolist(), strict=True)):
            yield BarRow(start, end, end + delay, self.cells[index], self.present[index])

    def part(self, low: int, high: int) -> Bars:
        cut = slice(low, high)
        return replace(
            self,
            starts=self.starts[cut],
            ends=self.ends[cut],
            cells=self.cells[cut],
            present=self.present[cut],
        )


@lru_cache
def _calendar() -> SessionCalendar:
    return SessionCalendar("XNYS", "2025-04-01", "2025-12-31")


def _grid(first_day: str, last_day: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    grid, days = _calendar().grid("15m"), _calendar().days
    low, high = days.index(first_day), days.index(last_day)
    inside = (grid.session >= low) & (grid.session <= high)
    return grid.starts[inside], grid.ends[inside]


@lru_cache
def real_bars(first_day: str, last_day: str, count: int = REAL_SYMBOLS) -> Bars:
    folder = SHARED / "us_15m"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/us_15m")
    starts, ends = _grid(first_day, last_day)
    files = sorted(folder.glob("*.csv.gz"))[:count]
    values = np.full((len(starts), 5, len(files)), np.nan)
    for column, file in enumerate(files):
        frame = pd.read_csv(file)
        at = pd.to_datetime(frame.pop("timestamp"), utc=True).dt.tz_convert(None).to_numpy().astype("datetime64[s]")
        frame.index = pd.Index(at.astype(np.int64))
        values[:, :, column] = frame.reindex(starts).to_numpy()
    symbols = tuple(file.name.removesuffix(".csv.gz") for file in files)
    return Bars(starts, ends, values, ~np.isnan(values[:, 3]), symbols)


@lru_cache
def generated_bars(first_day: str, last_day: str, count: int = 7, gaps: float = 0.0) -> Bars:
    """Random walks with ranges and volume; `gaps` is the share of bars that are missing."""
    starts, ends = _grid(first_day, last_day)
    random = np.random.default_rng(3)
    shape = (len(starts), count)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.004, shape), axis=0))
    opened = np.vstack([np.full((1, count), 100.0), close[:-1]])
    high = np.maximum(opened, close) * (1 + random.exponential(0.001, shape))
    low = np.minimum(opened, close) * (1 - random.exponential(0.001, shape))
    volume = np.floor(random.exponential(10_000, shape))
    present = random.random(shape) >= gaps
    values = np.stack([opened, high, low, close, volume], axis=1)
    values = np.where(present[:, None, :], values, np.nan)
    return Bars(starts, ends, values, present, tuple(f"S{index}" for index in range(count)))


@pytest.fixture(scope="session")
def calendar() -> SessionCalendar:
    return _calendar()


@pytest.fixture(scope="session", params=["real", "generated"])
def bars(request: pytest.FixtureRequest) -> Bars:
    """Two months that hold the clock change of 2025-11-02 and the half day 2025-11-28."""
    make = real_bars if request.param == "real" else generated_bars
    return make("2025-10-01", "2025-11-28")


@pytest.fixture(scope="session")
def generate() -> Callable[..., Bars]:
    return generated_bars


class Builder:
    """Nodes by hand, for graphs that no text describes. `columns` None is the whole universe."""

    def __init__(self, universe: tuple[str, ...]) -> None:
        self.universe = universe
        self.nodes: list[Node] = []

    def node(
        self,
        op: str,
        *args: int,
        params: tuple[float | int | str, ...] = (),
        kind: str = "num",
        rate: str | None = None,
        columns: tuple[int, ...] | None = None,
        scope: str | None = None,
    ) -> int:
        rates = [self.nodes[arg].rate for arg in args]
        if rate is None:
            rate = next((known for known in ("15m", "60m", "1d") if known in rates), "")
        if scope is None:
            scope = "symbol" if any(self.nodes[arg].scope == "symbol" for arg in args) else "market"
        text = repr((op, params, [self.nodes[arg].id for arg in args], rate))
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.nodes.append(Node(key, op, params, args, rate, kind, scope, columns, ()))
        return len(self.nodes) - 1

    def const(self, value: float) -> int:
        return self.node("const", params=(value,), scope="market")

    def bar(self, series: str, rate: str = "15m") -> int:
        return self.node("input", params=(series,), rate=rate, scope="market" if "." in series else "symbol")

    def truth(self, op: str, *args: int, **more: object) -> int:
        return self.node(op, *args, kind="truth", **more)

    def program(self, **parts: object) -> Program:
        half = self.const(0.25)
        regime = RegimePlan(half, half, self.const(0.5), half, half)
        settings = Settings("test", "XNYS", self.universe, ("15m", "60m"), ExchangePolicy("none"))
        plain = dict.fromkeys(("trend15", "trend60", "mom15", "mom60", "vol_score", "overext"), half)
        fields: dict[str, object] = {
            "format": FORMAT,
            "program_id": hashlib.sha256(repr((self.nodes, parts)).encode()).hexdigest(),
            "settings": settings,
            "nodes": tuple(self.nodes),
            "strategies": (),
            "regime": regime,
            "chains": (ChainPlan("neutral", None, None, (), 0.65),),
            "fit": FitPlan(**plain),
            "guards": (),
            "allowed": (),
            "allowed_until": (),
            "generations": (),
            "features": (),
            "warmup": (),
        }
        return Program(**{**fields, **parts})


@pytest.fixture
def build() -> Callable[[tuple[str, ...]], Builder]:
    return Builder


def world(universe: tuple[str, ...]) -> Program:
    """A program that uses every op: two rates, VIX, lanes, a cross-section, latches, a ratchet."""
    b = Builder(universe)
    few = tuple(range(1, len(universe), 3))
    close, high, low, volume = (b.bar(name) for name in ("close", "high", "low", "volume"))
    hour, hour_high, hour_low = (b.bar(name, "60m") for name in ("close", "high", "low"))
    vix = b.bar("vix.close", "1d")
    zero, one, ten = b.const(0.0), b.const(1.0), b.const(10.0)
    ret = b.node("roc", close, params=(1,))
    fast, slow = b.node("ema", close, params=(5,)), b.node("ema", close, params=(12,))
    atr = b.node("atr", high, low, close, params=(7,))
    roc60 = b.node("roc", hour, params=(3,))
    calm60 = b.node("sma", roc60, params=(5,))
    features = {
        "vol": b.node("stdev", ret, params=(20,)),
        "z": b.node("zscore", close, params=(15,)),
        "rsi": b.node("rsi", close, params=(9,)),
        "wilder": b.node("wilder", volume, params=(6,)),
        "top": b.node("highest", b.node("lag", close, params=(1,)), params=(10,)),
        "low": b.node("lowest", low, params=(10,)),
        "slope": b.node("slope", close, params=(8,)),
        "rank": b.node("percentile", close, params=(13,)),
        "sum": b.node("sum", volume, params=(4,)),
        "ratio": b.node("div", close, b.node("sub", fast, slow)),
        "atr60": b.node("atr", hour_high, hour_low, hour, params=(4,)),
        "calm60": calm60,
        "vix_z": b.node("zscore", vix, params=(10,)),
        "range": b.node("true_range", high, low, close),
        "xrank": b.node("xrank", ret),
        "xmean": b.node("xmean", ret, scope="market"),
        "mixed": b.node("tanh", b.node("mul", b.node("div", close, hour), b.node("log", vix))),
        "signs": b.node("sign", b.node("neg", b.node("abs", ret))),
        "soft": b.node("sigmoid", b.node("min2", b.node("max2", ret, zero), one)),
        "root": b.node("sqrt", b.node("exp", b.node("clip", ret, zero, ten))),
    }
    up = b.truth("gt", ret, zero)
    features["breadth"] = b.node("breadth", up, scope="market")
    features["count"] = b.node("count", up, scope="market")
    features["adr_z"] = b.node("zscore", features["breadth"], params=(20,))
    features["either"] = b.node("choose", up, fast, slow)
    features["first"] = b.node("coalesce", calm60, ret)
    lower, upper = b.node("sub", fast, atr), b.node("add", fast, atr)
    features["line"] = b.node("ratchet", close, lower, upper)
    long = b.truth("and", b.truth("ge", fast, slow), b.truth("not", b.truth("lt", calm60, zero)))
    short = b.truth(
        "or", b.truth("crosses_below", fast, slow), b.truth("for_bars", b.truth("le", ret, zero), params=(3,))
    )
    never = b.truth("eq", zero, one)
    signal = b.node("latch", long, short, b.truth("crosses_above", slow, fast), b.truth("ne", close, close))
    lane = b.node("stdev", ret, params=(6,), columns=few)
    lane_long = b.truth("gt", lane, b.node("stdev", ret, params=(9,), columns=few), columns=few)
    lane_signal = b.node("latch", lane_long, never, b.truth("not", lane_long, columns=few), never, columns=few)
    rank_few = b.node("mul", features["xrank"], lane, columns=few)
    calm = b.truth("coalesce_truth", b.truth("gt", vix, ten), never)
    strategies = (
        StrategyPlan(
            "both",
            "trend",
            (
                Lane(None, signal, features["soft"], atr, None, stop_is_level=False, take_is_level=False),
                Lane(few, lane_signal, features["soft"], None, rank_few, stop_is_level=False, take_is_level=False),
            ),
        ),
        StrategyPlan("plain", "chop", (Lane(None, signal, one, None, atr, stop_is_level=False, take_is_level=False),)),
    )
    exps = [b.node("exp", b.node("mul", features["z"], b.const(weight))) for weight in (0.5, -0.5, 0.0)]
    total = b.node("add", b.node("add", exps[0], exps[1]), exps[2])
    p = [b.node("div", part, total) for part in exps]
    regime = RegimePlan(p[0], p[1], p[2], b.node("sigmoid", features["vix_z"]), b.node("max2", p[0], p[1]))
    chains = (
        ChainPlan("up", b.truth("gt", p[0], b.const(0.6)), b.truth("gt", p[0], b.const(0.5)), (0,), 0.9),
        ChainPlan("calm", calm, calm, (0, 1), 0.4),
        ChainPlan("neutral", None, None, (1,), 0.65),
    )
    named = tuple(features.items())
    return b.program(strategies=strategies, regime=regime, chains=chains, features=named)


@pytest.fixture(scope="session")
def make_world() -> Callable[[tuple[str, ...]], Program]:
    return world
