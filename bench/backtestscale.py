"""How the time and the memory of a backtest grow with symbols and with history.

    python bench/backtestscale.py [--seed 11]

The workload is that of `crossload.py`, each size in a process of its own. `us/bar` is the time of the run by its bars, the second
half of the bars against the first says whether a bar becomes dearer as history grows, and `MiB more` is what the process grew
by during the run, beside the bytes of its input. Memory besides input, one block and the result would show as a number that grows
with symbols x bars.

Last line: one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crossload as load

from qmtl.engine.backtest.run import run
from qmtl.engine.calendar import SessionCalendar

SIZES = ((100, 1638), (100, 6552), (500, 1638), (500, 6552), (2000, 1638))


def one(symbols: int, bars: int, seed: int) -> dict[str, float]:
    """A run of one size, measured in this process."""
    calendar = SessionCalendar(load.CALENDAR, load.HISTORY, load.END)
    of = load.prices(calendar, symbols, bars, seed)
    names = tuple(f"S{i:04d}" for i in range(symbols))
    with tempfile.TemporaryDirectory() as folder:
        program, feed = load.program(Path(folder), names), load.feed(names, of)
    marks: list[float] = []
    sizes = [_resident()]

    def watch(done: int, _total: int) -> None:
        marks.append(time.perf_counter())
        if done % 32 == 0:
            sizes.append(_resident())

    began = time.perf_counter()
    result = run([program], (feed, load.NoMacro()), calendar, load.plan(of), watch)
    sizes.append(_resident())
    spent, half = time.perf_counter() - began, len(marks) // 2
    return {
        "symbols": symbols,
        "bars": bars,
        "us_per_bar": spent / bars * 1e6,
        "second_half_to_first": (marks[-1] - marks[half]) / (marks[half] - marks[len(marks) // 50]) * (0.48 / 0.5),
        "orders": len(result.orders.qty),
        "input_mib": feed.block.nbytes / 2**20,
        "more_mib": max(sizes) - sizes[0],
    }


def _resident() -> float:
    """What this process holds now, in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print a row per size, then JSON."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seed", type=int, default=11)
    options.add_argument("--one", nargs=2, type=int, metavar=("SYMBOLS", "BARS"), help="measure one size here")
    chosen = options.parse_args()
    if chosen.one:
        print(json.dumps(one(*chosen.one, chosen.seed)))
        return
    rows = []
    print(
        f"{'symbols':>8} {'bars':>6} {'us/bar':>8} {'late/early':>11} {'orders':>8} {'input MiB':>10} {'MiB more':>9}"
    )
    for symbols, bars in SIZES:
        command = [sys.executable, __file__, "--one", str(symbols), str(bars), "--seed", str(chosen.seed)]
        row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        rows.append(row)
        print(
            f"{row['symbols']:8} {row['bars']:6} {row['us_per_bar']:8.0f} {row['second_half_to_first']:11.2f} "
            f"{row['orders']:8} {row['input_mib']:10.0f} {row['more_mib']:9.0f}"
        )
        sys.stdout.flush()
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
