"""One backtest by qmtl, by vectorbt's `from_order_func` with cash sharing, and by bt, from bars to an equity curve.

    pip install -e '.[bench]'
    python bench/backtest.py [--symbols 500] [--bars 6552] [--runs 5] [--no-bt]

The workload is that of `crossload.py`. All three compute the averages, decide at every bar, trade at the next open and
give the equity at every bar's close; they must agree on the final equity to 1e-5 and on the number of orders. What is
timed starts with arrays of opens and closes in memory (qmtl: with a feed over them and a compiled program) and ends with
the equity curve (qmtl: with the whole `Result`). Runs alternate in one process; medians count. vectorbt's first run, which
compiles, stands in a line of its own.

qmtl runs the whole pipeline with every guard on: freshness, regime, chains, allowlist, signals, selection, caps, stops,
churn guard, position policy, loss limits, order rules. Nearly all of its ticks take the shortcut (`engine/backtest/shortcut.py`), whose share is
printed, and once the run is made without it (`qmtl_all_steps_s`). The other two run the rule and nothing else.

Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import crossload as load
import numpy as np

from qmtl.engine.backtest.run import run
from qmtl.engine.calendar import SessionCalendar

#: agreement that is asked of the final equity
AGREE = 1e-5


@dataclass(frozen=True, slots=True)
class Outcome:
    """Equity at the last close and orders that were filled."""

    equity: float
    orders: int


def average(values: np.ndarray, length: int) -> np.ndarray:
    """EMA as pandas `ewm(span=length, adjust=False)`, over axis 0."""
    alpha = 2 / (length + 1)
    out = np.empty_like(values)
    out[0] = values[0]
    for i in range(1, len(values)):
        out[i] = out[i - 1] + alpha * (values[i] - out[i - 1])
    return out


def by_qmtl(of: load.Prices, folder: Path, calendar: SessionCalendar) -> Callable[..., Outcome]:
    """The whole pipeline."""
    names = tuple(f"S{i:04d}" for i in range(of.closed.shape[1]))
    program, feed = load.program(folder, names), load.feed(names, of)

    def once(*, shortcut: bool = True) -> Outcome:
        result = run([program], (feed, load.NoMacro()), calendar, load.plan(of), shortcut=shortcut)
        return Outcome(float(result.steps.equity[-1]), int((result.orders.filled > 0).sum()))

    return once


def by_vectorbt(of: load.Prices) -> Callable[[], Outcome]:
    """`Portfolio.from_order_func`: one group with shared cash, the equity of the last closes once per bar."""
    import vectorbt as vbt
    from numba import njit
    from vectorbt.portfolio import nb
    from vectorbt.portfolio.enums import NoOrder

    slot = load.SLOT / of.closed.shape[1]
    dead, fee, warm = slot * load.DEADBAND, load.COST, of.warm
    opened, closed = of.opened[warm:], of.closed[warm:]
    skip = of.closing[warm:]

    @njit
    def worth(c, closed):  # type: ignore[no-untyped-def]
        value = c.last_cash[c.group]
        if c.i > 0:
            for column in range(c.from_col, c.to_col):
                value += c.last_position[column] * closed[c.i - 1, column]
        return (value,)

    @njit
    def order(c, value, opened, closed, signal, skip, slot, dead, fee):  # type: ignore[no-untyped-def]
        if c.i == 0 or skip[c.i - 1]:
            return NoOrder
        last = closed[c.i - 1, c.col]
        missing = signal[c.i - 1, c.col] * slot * value - c.position_now * last
        if missing == 0 or abs(missing) < dead * value:
            return NoOrder
        return nb.order_nb(size=missing / last, price=opened[c.i, c.col], fees=fee)

    def once() -> Outcome:
        quick = vbt.MA.run(of.closed, load.FAST, ewm=True).ma.to_numpy()
        calm = vbt.MA.run(of.closed, load.SLOW, ewm=True).ma.to_numpy()
        signal = (quick > calm)[warm:].astype(float)
        done = vbt.Portfolio.from_order_func(
            closed, order, opened, closed, signal, skip, slot, dead, fee,
            pre_segment_func_nb=worth, pre_segment_args=(closed,),
            group_by=True, cash_sharing=True, init_cash=load.CASH, freq="15min",
        )  # fmt: skip
        equity = done.value()
        return Outcome(float(equity.iloc[-1]), len(done.order_records))

    return once


def by_bt(of: load.Prices) -> Callable[[], Outcome]:
    """A strategy of two algos over opens; sizes come from the closes of the bar before."""
    import bt
    import pandas as pd

    warm = of.warm
    opened, closed, skip = of.opened[warm:], of.closed[warm:], of.closing[warm:]
    names = [f"S{i:04d}" for i in range(closed.shape[1])]
    slot = load.SLOT / closed.shape[1]
    data = pd.DataFrame(opened, index=pd.to_datetime(of.starts[warm:], unit="s"), columns=names)
    counted = [0]

    class Trade(bt.Algo):  # type: ignore[misc]
        def __init__(self, signal: np.ndarray) -> None:
            super().__init__()
            self.signal, self.row = signal, 0
            self.held = np.zeros(len(names))

        def __call__(self, target) -> bool:  # type: ignore[no-untyped-def]
            # bt calls it for every row of the data; its own first row is made by bt and has no prices
            row = self.row
            self.row += 1
            if row == 0 or skip[row - 1]:
                return True
            last = closed[row - 1]
            value = target.capital + float(self.held @ last)
            missing = self.signal[row - 1] * slot * value - self.held * last
            wanted = np.flatnonzero((np.abs(missing) >= slot * load.DEADBAND * value) & (missing != 0))
            size = missing / last
            for i in wanted.tolist():
                target.transact(size[i], child=names[i], update=False)
                self.held[i] += size[i]
            target.update(target.now)
            counted[0] += len(wanted)
            return True

    def once() -> Outcome:
        counted[0] = 0
        signal = (average(of.closed, load.FAST) > average(of.closed, load.SLOW))[warm:].astype(float)
        strategy = bt.Strategy("cross", [Trade(signal)], children=names)
        test = bt.Backtest(
            strategy, data, initial_capital=load.CASH, integer_positions=False, progress_bar=False,
            commissions=lambda quantity, price: abs(quantity) * price * load.COST,
        )  # fmt: skip
        test.run()
        assert len(test.strategy.values)
        (trade,) = test.strategy.stack.algos  # bt runs a copy of what it is given
        return Outcome(float(test.strategy.capital + trade.held @ closed[-1]), counted[0])

    return once


def agree(outcomes: dict[str, Outcome]) -> None:
    """Stop when they did not do the same thing."""
    ours = outcomes["qmtl"]
    for name, theirs in outcomes.items():
        if abs(theirs.equity / ours.equity - 1) > AGREE or theirs.orders != ours.orders:
            raise SystemExit(f"{name} did something else: {theirs} against {ours}")


def shares(once: Callable[..., Outcome]) -> float:
    """The share of ticks that took the shortcut, in a run of its own."""
    from qmtl.engine.backtest import run as loop

    counts, former = {"shortcut": 0, "all": 0}, loop._Backtest._in_short

    def counted(self: loop._Backtest, *arguments: object, **more: object) -> bool | None:
        done = former(self, *arguments, **more)  # type: ignore[arg-type]
        counts["all"] += 1
        counts["shortcut"] += done is not None
        return done

    loop._Backtest._in_short = counted  # type: ignore[method-assign]
    try:
        once()
    finally:
        loop._Backtest._in_short = former  # type: ignore[method-assign]
    return counts["shortcut"] / counts["all"]


def main() -> None:
    """Print a line per peer, then JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--symbols", type=int, default=500)
    options.add_argument("--bars", type=int, default=6552)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--no-bt", action="store_true", help="bt takes the longest by far")
    chosen = options.parse_args()
    calendar = SessionCalendar(load.CALENDAR, load.HISTORY, load.END)
    of = load.prices(calendar, chosen.symbols, chosen.bars, chosen.seed)
    with tempfile.TemporaryDirectory() as folder:
        peers: dict[str, Callable[..., Outcome]] = {
            "qmtl": by_qmtl(of, Path(folder), calendar),
            "vectorbt": by_vectorbt(of),
        }
        if not chosen.no_bt:
            peers["bt"] = by_bt(of)
        began = time.perf_counter()
        peers["vectorbt"]()
        compiling = time.perf_counter() - began
        spent: dict[str, list[float]] = {name: [] for name in peers}
        outcomes: dict[str, Outcome] = {}
        for number in range(chosen.runs):
            for name, once in peers.items():
                began = time.perf_counter()
                outcomes[name] = once()
                spent[name].append(time.perf_counter() - began)
                print(f"run {number + 1}  {name:<9} {spent[name][-1]:8.3f} s  {outcomes[name]}")
                sys.stdout.flush()
            agree(outcomes)
        taken = shares(peers["qmtl"])
        began = time.perf_counter()
        agree({"qmtl": outcomes["qmtl"], "all steps": peers["qmtl"](shortcut=False)})
        all_steps = time.perf_counter() - began
    median = {name: statistics.median(times) for name, times in spent.items()}
    cells = chosen.symbols * chosen.bars
    out: dict[str, float | int] = {
        "symbols": chosen.symbols,
        "bars": chosen.bars,
        "orders": outcomes["qmtl"].orders,
        "qmtl_s": round(median["qmtl"], 3),
        "vectorbt_s": round(median["vectorbt"], 3),
        "vectorbt_first_s": round(compiling, 3),
        "qmtl_all_steps_s": round(all_steps, 3),
        "share_of_ticks_in_shortcut": round(taken, 3),
        "us_per_step": round(median["qmtl"] / chosen.bars * 1e6, 1),
        "symbol_bars_per_s": round(cells / median["qmtl"]),
        "ratio_vectorbt": round(median["vectorbt"] / median["qmtl"], 2),
        "ratio_vectorbt_with_jit": round(compiling / median["qmtl"], 2),
    }
    if "bt" in median:
        out |= {"bt_s": round(median["bt"], 3), "ratio_bt": round(median["bt"] / median["qmtl"], 2)}
    for name, value in out.items():
        print(f"{name:>24}  {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    main()
