"""One tick that closes a 15m and a 60m bar, at 100, 1,000 and 5,000 symbols, beside a per-symbol pandas cycle.

    python bench/tick.py [--symbols 100,1000,5000] [--ticks 12] [--no-peer]

What is timed: `Runtime.tick` - observe, decide, net, orders and the durable commit - with six strategies, less the time
spent inside the paper account, which stands in its own column: at a real venue it is the network's. Follow-up ticks are
reported apart. The world's caps are set so that at least 1 % of the symbols trade in the timed ticks; the table shows how
many did.

The peer is what such bots commonly do each cycle: for every symbol a pandas frame of 500 bars, 20 features by rolling
and ewm. It decides nothing, orders nothing and stores nothing.

Last line: one JSON object with medians in milliseconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tickworld import Bench, build

FEATURES = 20


def pandas_cycle(symbols: int, bars: int = 500) -> float:
    """Milliseconds of one cycle: 20 features for each symbol over its last 500 bars."""
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, bars)))
    frame = pd.DataFrame(
        {
            "open": close,
            "high": close * 1.002,
            "low": close * 0.998,
            "close": close,
            "volume": rng.integers(1_000, 9_000, bars),
        }
    )
    frames = [frame * (1 + i / symbols) for i in range(symbols)]
    began = time.perf_counter()
    for one in frames:
        features(one)
    return (time.perf_counter() - began) * 1e3


def features(one: pd.DataFrame) -> pd.Series:
    """The last row of 20 common features."""
    close, high, low = one["close"], one["high"], one["low"]
    change = close.diff()
    reach = pd.concat([high - low, (high - close.shift()).abs(), (low - close.shift()).abs()], axis=1).max(axis=1)
    ret = close.pct_change()
    gain = change.clip(lower=0).ewm(alpha=1 / 14, adjust=False).mean()
    loss = (-change.clip(upper=0)).ewm(alpha=1 / 14, adjust=False).mean()
    columns = {
        "ret_1": ret,
        "ret_4": close.pct_change(4),
        "ret_8": close.pct_change(8),
        "vol_20": ret.rolling(20).std(),
        "vol_60": ret.rolling(60).std(),
        "sma_20": close.rolling(20).mean(),
        "sma_50": close.rolling(50).mean(),
        "std_20": close.rolling(20).std(),
        "std_50": close.rolling(50).std(),
        "ema_20": close.ewm(span=20, adjust=False).mean(),
        "ema_60": close.ewm(span=60, adjust=False).mean(),
        "atr_10": reach.ewm(alpha=1 / 10, adjust=False).mean(),
        "atr_14": reach.ewm(alpha=1 / 14, adjust=False).mean(),
        "rsi_14": 100 - 100 / (1 + gain / loss),
        "high_96": high.rolling(96).max(),
        "low_96": low.rolling(96).min(),
        "high_48": high.rolling(48).max(),
        "low_48": low.rolling(48).min(),
        "vol_ratio": one["volume"].rolling(10).mean() / one["volume"].rolling(50).mean(),
        "z_50": (close - close.rolling(50).mean()) / close.rolling(50).std(),
    }
    assert len(columns) == FEATURES
    return pd.DataFrame(columns).iloc[-1]


def measure(bench: Bench, ticks: int) -> dict[str, float]:
    """Medians over ticks that close both bars, and over follow-up ticks."""
    both: list[float] = []
    idle: list[float] = []
    traded: list[int] = []
    inside_broker: list[float] = []
    while len(both) < ticks:
        bench.runtime.edges.journal.idle()  # as a run does between two ticks
        now, closes_hour = bench.next()
        inside, began = bench.broker.seconds, time.perf_counter()
        report = bench.runtime.tick(now)
        broker = (bench.broker.seconds - inside) * 1e3
        spent = (time.perf_counter() - began) * 1e3 - broker
        if not report.decision:
            idle.append(spent)
        elif closes_hour and bench.measured(now):
            both.append(spent)
            traded.append(len(report.netted.orders))
            inside_broker.append(broker)
    return {
        "ms": statistics.median(both),
        "p95": sorted(both)[int(len(both) * 0.95)],
        "idle_ms": statistics.median(idle),
        "orders": statistics.median(traded),
        "broker_ms": statistics.median(inside_broker),
    }


def main() -> None:
    """Print the table and the JSON line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--symbols", default="100,1000,5000")
    options.add_argument("--ticks", type=int, default=12)
    options.add_argument("--no-peer", action="store_true")
    chosen = options.parse_args()
    print(
        f"{'symbols':>8} {'ms/tick':>9} {'p95':>8} {'idle ms':>8} {'broker ms':>10} {'orders':>7} {'pandas ms':>10} {'ratio':>8}"
    )
    out: dict[str, dict[str, float]] = {
        "ms_per_tick": {},
        "p95_ms": {},
        "idle_ms": {},
        "broker_ms": {},
        "orders": {},
        "pandas_ms": {},
    }
    for symbols in (int(text) for text in chosen.symbols.split(",")):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            seen = measure(build(Path(folder), symbols), chosen.ticks)
        peer = float("nan") if chosen.no_peer else pandas_cycle(symbols)
        print(
            f"{symbols:>8} {seen['ms']:>9.2f} {seen['p95']:>8.2f} {seen['idle_ms']:>8.2f} {seen['broker_ms']:>10.2f} {seen['orders']:>7.0f}"
            f" {peer:>10.0f} {peer / seen['ms']:>7.0f}x"
        )
        sys.stdout.flush()
        key = str(symbols)
        for name, value in (
            ("ms_per_tick", "ms"),
            ("p95_ms", "p95"),
            ("idle_ms", "idle_ms"),
            ("broker_ms", "broker_ms"),
            ("orders", "orders"),
        ):
            out[name][key] = round(seen[value], 3)
        if not chosen.no_peer:
            out["pandas_ms"][key] = round(peer, 1)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
