"""What observing a bar costs in a backtest: row by row, and over blocks of rows. Both give the same bits, which is checked.

    python bench/blocks.py [--symbols 500] [--runs 3]

Three programs over the bars of `tickworld`: the shipped world us_core with its universe widened, an EMA 12/48 cross with
the shipped regime, and the same with a regime of one line. Warmed up in blocks, then the same two months of bars with a
daily VIX both ways; columns are assembled at every row. Medians over the runs, CPU time of one thread.

Last line: one JSON object with microseconds per bar.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import tickworld

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.bars import BarRow, MacroRow
from qmtl.engine.blockobserver import BlockObserver
from qmtl.engine.blocks import stacked
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.observe import Observer

ROOT = Path(__file__).resolve().parents[1]
WARM, TIMED = 2600, 1040

CROSS = """\
strategy cross {
  doc   "Long while the fast mean is above the slow one."
  style trend
  long when ema(close, 12) > ema(close, 48)
  size 1%
}
"""

PLAIN = """\
regime plain {
  doc "A reading that every symbol has from its first bars on."
  score trend_up   roc(close, 1)
  score trend_down 0
  score chop       0
  high_vol 0.1
}
"""

WORLD = """\
version: 1
world: cross
calendar: XNYS
universe: [SYMBOLS]
bars: [15m, 60m]
regime: {source: heuristic, heuristic: REGIME}
chains:
  - {name: all, otherwise: true, strategies: [cross], exposure: 100%}
allowlist: all
risk: {daily_loss: -5%, weekly_loss: -9%, max_symbol: 10%, max_sector: 100%, max_total: 90%}
exchange: nowhere
capital: 100%
"""


def cross(symbols: tuple[str, ...], regime: str) -> Program:
    """The EMA cross under a regime."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "strategies").mkdir()
        (folder / "strategies" / "cross.qmtl").write_text(CROSS)
        (folder / "strategies" / "plain.qmtl").write_text(PLAIN)
        (folder / "cross.yaml").write_text(WORLD.replace("SYMBOLS", ", ".join(symbols)).replace("REGIME", regime))
        (folder / "nowhere.yaml").write_text(tickworld.VENUE.replace("bench_venue", "nowhere"))
        compiled = compile_world(folder / "cross.yaml")
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def widened(symbols: tuple[str, ...]) -> Program:
    """us_core over more symbols; its own parameters by symbol stay with the first of them."""
    program = compile_world(ROOT / "worlds" / "us_core.yaml").program
    assert program is not None
    return replace(program, settings=replace(program.settings, universe=symbols))


def step_us(observer: Observer, rows: Sequence[BarRow], macros: Sequence[MacroRow]) -> float:
    """Microseconds per bar, row by row."""
    waiting, began = list(macros), time.thread_time()
    for row in rows:
        while waiting and waiting[0].known_at <= row.known_at:
            observer.feed_macro(waiting.pop(0))
        observer.feed(row)
        observer.market(row.known_at, decision=True)
    return (time.thread_time() - began) / len(rows) * 1e6


def block_us(blocks: BlockObserver, rows: Sequence[BarRow], macros: Sequence[MacroRow]) -> float:
    """Microseconds per bar, in blocks."""
    bars, began = stacked(rows), time.thread_time()
    for _ in blocks.feed(bars, macros):
        pass
    return (time.thread_time() - began) / len(rows) * 1e6


def measure(
    program: Program, runs: int, data: tuple[SessionCalendar, list[BarRow], list[MacroRow]]
) -> dict[str, float]:
    """Both ways, from the same warm state to the same end."""
    calendar, rows, macros = data
    warm, timed = rows[:WARM], rows[WARM : WARM + TIMED]
    early = [macro for macro in macros if macro.known_at <= warm[-1].known_at]
    late = [macro for macro in macros if warm[-1].known_at < macro.known_at <= timed[-1].known_at]
    stepped, blocks = Observer(program, calendar, 0), BlockObserver(Observer(program, calendar, 0))
    for _ in blocks.feed(stacked(warm), early):
        pass
    start = blocks.observer.snapshot()
    steps, together = [], []
    for _ in range(runs):
        stepped.restore(start)
        blocks.observer.restore(start)
        steps.append(step_us(stepped, timed, late))
        together.append(block_us(blocks, timed, late))
        assert stepped.snapshot() == blocks.observer.snapshot()
    step, block = statistics.median(steps), statistics.median(together)
    found = {"nodes": len(program.nodes), "step_us": step, "block_us": block, "ratio": step / block}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=500)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    symbols = tuple(f"S{index:04d}" for index in range(options.symbols))
    calendar = SessionCalendar("XNYS", tickworld.FIRST, tickworld.LAST)
    rows = list(tickworld.feed(symbols, calendar).rows(0, 2**62))
    data = calendar, rows, list(tickworld.vix(calendar).rows(0, rows[-1].known_at))
    programs = {
        "us_core": widened(symbols),
        "ema_us_heuristic": cross(symbols, "us_heuristic"),
        "ema_plain": cross(symbols, "plain"),
    }
    print(f"{options.symbols} symbols        {'nodes':>6} {'step us/bar':>12} {'block us/bar':>13} {'ratio':>7}")
    result: dict[str, object] = {"symbols": options.symbols, "numpy": np.__version__}
    for name, program in programs.items():
        found = result[name] = measure(program, options.runs, data)
        print(
            f"{name:18} {found['nodes']:>6.0f} {found['step_us']:12.1f} {found['block_us']:13.1f} {found['ratio']:7.1f}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
