"""What a step of each kernel costs at 1,000 symbols, beside pandas computing the same over 500 bars, symbol by symbol.

    python bench/kernels.py [--symbols 1000] [--steps 400]

The second table steps the whole graph of the world of `bench/tick.py`, 15m and 60m bars closing together, at several
widths and with symbols missing. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import tickworld

from qmtl.dsl.program import Program
from qmtl.engine.evaluate import Graph
from qmtl.engine.kernels import Arena, active_of, make

BARS = 500
Frame = pd.DataFrame

#: op, n, inputs, and the same in pandas for one symbol's frame (None: no one-liner)
CASES: tuple[tuple[str, int, str, Callable[[Frame], object] | None], ...] = (
    ("lag", 1, "c", lambda f: f.close.shift(1)),
    ("roc", 10, "c", lambda f: f.close.pct_change(10)),
    ("sma", 20, "c", lambda f: f.close.rolling(20).mean()),
    ("sum", 20, "c", lambda f: f.close.rolling(20).sum()),
    ("stdev", 20, "c", lambda f: f.close.rolling(20).std()),
    ("stdev", 60, "c", lambda f: f.close.rolling(60).std()),
    ("zscore", 50, "c", lambda f: (f.close - f.close.rolling(50).mean()) / f.close.rolling(50).std()),
    ("zscore", 120, "c", lambda f: (f.close - f.close.rolling(120).mean()) / f.close.rolling(120).std()),
    ("highest", 96, "c", lambda f: f.close.rolling(96).max()),
    ("lowest", 48, "c", lambda f: f.close.rolling(48).min()),
    ("slope", 20, "c", None),
    ("percentile", 120, "c", lambda f: f.close.rolling(120).rank(pct=True)),
    ("ema", 20, "c", lambda f: f.close.ewm(span=20, adjust=False).mean()),
    ("wilder", 14, "c", lambda f: f.close.ewm(alpha=1 / 14, adjust=False).mean()),
    ("rsi", 14, "c", None),
    ("true_range", 0, "hlc", None),
    ("atr", 14, "hlc", None),
    ("crosses_above", 0, "ch", None),
    ("for_bars", 3, "t", None),
    ("ratchet", 0, "clh", None),
    ("latch", 0, "tttt", None),
    ("div", 0, "ch", lambda f: f.close / f.high),
    ("gt", 0, "ch", lambda f: f.close > f.high),
    ("sigmoid", 0, "c", lambda f: 1 / (1 + np.exp(-f.close))),
    ("choose", 0, "tch", None),
    ("xrank", 0, "c", None),
)


def series(symbols: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.003, (BARS, symbols)), axis=0))
    truths = random.integers(0, 3, (BARS, symbols)).astype(np.uint8)
    return {"c": close, "h": close * 1.002, "l": close * 0.998, "t": truths}


def step_us(op: str, n: int, inputs: str, data: dict[str, np.ndarray], share_idle: float, steps: int) -> float:
    """Median microseconds of one step, after the kernel is warm."""
    width = data["c"].shape[1]
    kernel = make(op, (n,) if n else (), width, Arena())
    active = active_of(np.random.default_rng(2).random(width) >= share_idle)
    times = []
    with np.errstate(all="ignore"):
        for t in range(BARS + steps):
            args = tuple(data[name][t % BARS] for name in inputs)
            began = time.perf_counter()
            kernel.step(args, active if t >= BARS else None)
            if t >= BARS:
                times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e6


def pandas_ms(compute: Callable[[Frame], object], frames: list[Frame]) -> float:
    began = time.perf_counter()
    for frame in frames:
        compute(frame)
    return (time.perf_counter() - began) * 1e3


def graph_ms(program: Program, share_missing: float, steps: int) -> tuple[float, float]:
    """Median milliseconds of a step that closes a 15m and a 60m bar, and of one that closes a 15m bar only."""
    symbols = len(program.settings.universe)
    graph = Graph(program.nodes, symbols)
    random, data = np.random.default_rng(3), series(symbols)
    both, fine = [], []
    for t in range(BARS + steps):
        close, high, low = (data[name][t % BARS] for name in "chl")
        values = np.stack([close, high, low, close, high])
        present = random.random(symbols) >= (share_missing if t >= BARS else 0.0)
        began = time.perf_counter()
        graph.step_bars("60m", values, present)
        between = time.perf_counter()
        graph.step_bars("15m", values, present)
        if t >= BARS:
            fine.append(time.perf_counter() - between)
            both.append(time.perf_counter() - began)
    return statistics.median(both) * 1e3, statistics.median(fine) * 1e3


def graphs(steps: int) -> dict[str, dict[str, float]]:
    """The graph of the world that `bench/tick.py` ticks."""
    found: dict[str, dict[str, float]] = {}
    for symbols in (100, 1000, 5000):
        with tempfile.TemporaryDirectory() as folder:
            program = tickworld.program(Path(folder), tuple(f"S{index:04d}" for index in range(symbols)))
        if not found:
            print(f"\na world of {len(program.nodes)} nodes, ms per step   {'15m+60m':>10} {'15m':>10}")
        found[str(symbols)] = {}
        for share in (0.0, 0.01, 0.3):
            both, fine = graph_ms(program, share, steps)
            found[str(symbols)][f"{share:.0%}"] = round(both, 3)
            print(f"{symbols:6} symbols, {share:4.0%} of them without a bar{both:13.3f} {fine:10.3f}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--symbols", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    data = series(options.symbols)
    frames = [Frame({"close": data["c"][:, s], "high": data["h"][:, s]}) for s in range(options.symbols)]
    print(f"{options.symbols} symbols   {'step us':>10} {'1% idle us':>10} {'pandas ms':>10} {'ratio':>8}")
    kernels: dict[str, dict[str, float | None]] = {}
    for op, n, inputs, compute in CASES:
        full = step_us(op, n, inputs, data, 0.0, options.steps)
        idle = step_us(op, n, inputs, data, 0.01, options.steps)
        oracle = pandas_ms(compute, frames) if compute else None
        name = f"{op}({n})" if n else op
        kernels[name] = {"us": round(full, 1), "us_idle": round(idle, 1), "pandas_ms": oracle and round(oracle, 1)}
        ratio = f"{oracle * 1e3 / full:8.0f}" if oracle else f"{'':8}"
        print(f"{name:15} {full:10.1f} {idle:10.1f} {oracle or float('nan'):10.1f} {ratio}")
    result = {"symbols": options.symbols, "kernels": kernels, "graph_ms": graphs(options.steps // 4)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
