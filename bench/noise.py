"""Trades for thousands of years on prices that nobody can earn on, and says what was earned (tests/noise).

    python bench/noise.py [--years 5000] [--seed 1] [--part strategies|markets|worlds ...] [--minutes M] [--out FOLDER]
    python bench/noise.py --leaks

strategies  the seven built-in strategies and three probes, 200 independent markets at a time
markets     what reads VIX or breadth, every market with a VIX and a breadth of its own
worlds      the shipped world us_core, orders and fills included

Every year has a number, and the same seed and number are the same year. What is done stands in FOLDER (out/noise), one file
per seed and part, so that a run that was stopped goes on where it stood. `strategies` comes first, then the other two take
turns until each has its years or the minutes are over.

`--leaks` prints what the tests judge instead: their 200 years with and without each planted leak.

Last line: one JSON object {seed, years, t, bound, beyond, seconds}; `beyond` names what is out of bounds.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
FORMAT = "qmtl.noise.v1"


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of year: `make(seed, number)` gives the P&L of its units and their Sharpe ratios, [units, names] each (no ratios:
    an empty list); a number stands for `years` years, a unit for 1 / `units_a_year` of one."""

    name: str
    names: tuple[str, ...]
    years: int
    units_a_year: float
    make: Callable[[int, int], tuple[np.ndarray, np.ndarray | None]]


class Done:
    """The file of a part: a header, then one line per number. A line that was cut off while it was written does not count."""

    def __init__(self, folder: Path, seed: int, part: Part) -> None:
        self.part = part
        self.path = folder / f"{part.name}-{seed}.jsonl"
        self.header = {"format": FORMAT, "seed": seed, "part": part.name, "names": list(part.names)}
        self.lines: dict[int, dict[str, list]] = {}
        if self.path.exists() and self.path.stat().st_size:
            self._read()
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.header) + "\n")

    def _read(self) -> None:
        whole, _, torn = self.path.read_text().rpartition("\n")
        header, *lines = whole.splitlines()
        if json.loads(header) != self.header:
            sys.exit(f"{self.path} is of another run or version: give another --out, or delete it")
        if torn:
            self.path.write_text(whole + "\n")
        for line in map(json.loads, lines):
            self.lines[line["number"]] = line

    @property
    def years(self) -> int:
        """Years done."""
        return len(self.lines) * self.part.years

    def step(self, seed: int) -> None:
        """Do the next number and write it down."""
        number = next(n for n in range(len(self.lines) + 1) if n not in self.lines)
        pnl, ratios = self.part.make(seed, number)
        line = {"number": number, "pnl": pnl.tolist(), "sharpe": [] if ratios is None else ratios.tolist()}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines[number] = line

    def units(self, key: str) -> np.ndarray:
        """All units done, [units, names]."""
        return np.concatenate([np.array(line[key]).reshape(-1, len(self.part.names)) for line in self.lines.values()])


def main() -> None:
    """Print progress, a table per part, and the JSON line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--years", type=int, default=5_000, help="of each part")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--part", nargs="+", choices=("strategies", "markets", "worlds"))
    options.add_argument(
        "--minutes", type=float, default=float("inf"), help="stop after the year in which they are over"
    )
    options.add_argument("--out", type=Path, default=Path("out/noise"))
    options.add_argument("--leaks", action="store_true", help="print the years of the tests, leaks and all")
    chosen = options.parse_args()
    sys.path.insert(0, str(ROOT))
    if chosen.leaks:
        _leaks()
        return
    parts = [part for part in _parts() if not chosen.part or part.name in chosen.part]
    files = [Done(chosen.out, chosen.seed, part) for part in parts]
    began = time.monotonic()
    for file in _turns(files, chosen.years):
        if time.monotonic() - began > chosen.minutes * 60:
            break
        file.step(chosen.seed)
        passed = time.monotonic() - began
        print(f"{passed:8.0f} s  {file.part.name:<10} {file.years:>6,} of {chosen.years:,} years", flush=True)
    _report(files, chosen.seed, time.monotonic() - began)


def _turns(files: list[Done], years: int) -> Iterator[Done]:
    """Which file is to do its next number: the first part until it is done, then the others by turns."""
    first, rest = files[:1], files[1:]
    for group in [first, rest] if first[0].part.name == "strategies" else [files]:
        while waiting := [file for file in group if file.years < years]:
            yield from waiting


def _parts() -> list[Part]:
    years = importlib.import_module("tests.noise.years")
    statistic = importlib.import_module("tests.noise.statistic")
    programs = importlib.import_module("tests.noise.programs")
    wholeworld = importlib.import_module("tests.noise.wholeworld")
    earnings = importlib.import_module("tests.noise.earnings")
    world = wholeworld.us_core()

    def together(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        pnl = years.side_by_side(seed, number, programs.TOGETHER)[earnings.Way.HONEST].pnl
        return statistic.market_years(pnl), statistic.sharpe_ratios(pnl)

    def apart(seed: int, number: int) -> tuple[np.ndarray, None]:
        return statistic.weeks(years.own_markets(seed, range(number, number + 1), programs.APART).pnl), None

    def whole(seed: int, number: int) -> tuple[np.ndarray, None]:
        return statistic.weeks(years.whole_world(world, seed, number).pnl[:, None, None]), None

    return [
        Part("strategies", programs.TOGETHER, years.SIDE_BY_SIDE, 1.0, together),
        Part("markets", programs.APART, 1, statistic.WEEKS, apart),
        Part("worlds", (world.settings.world,), 1, statistic.WEEKS, whole),
    ]


def _leaks() -> None:
    """Mean yearly P&L and t by strategy, one column per way of knowing and filling."""
    tables = importlib.import_module("tests.noise.tables")
    began, out = time.monotonic(), {}
    for title, columns in tables.all_tables():
        print(f"\n| {title} |" + "".join(f" {way} |" for way in columns))
        print("|---|" + "---|" * len(columns))
        for rows in zip(*columns.values(), strict=True):
            print(f"| {rows[0].strategy} |" + "".join(f" {v.mean:+.3f}, t {v.t:+.1f} |" for v in rows))
        out |= {f"{title}/{way}": {v.strategy: round(v.t, 2) for v in rows} for way, rows in columns.items()}
    print(json.dumps({"t": out, "seconds": round(time.monotonic() - began, 1)}))


def _report(files: list[Done], seed: int, seconds: float) -> None:
    statistic = importlib.import_module("tests.noise.statistic")
    limit = statistic.LIMIT
    out = {"seed": seed, "years": {}, "t": {}, "bound": round(limit, 2), "beyond": []}
    for file in (file for file in files if file.lines):
        part = file.part
        verdicts = statistic.judged(part.names, file.units("pnl"), part.units_a_year)
        ratios = (
            statistic.judged(part.names, file.units("sharpe")) if part.units_a_year == 1 else [None] * len(verdicts)
        )
        print(f"\n{part.name}: {file.years:,} years, |t| up to {limit:.2f} is chance")
        for verdict, ratio in zip(verdicts, ratios, strict=True):
            mean_ratio = "" if ratio is None else f"   mean Sharpe {ratio.mean:+.4f}, t {ratio.t:+.2f}"
            print(
                f"  {verdict.strategy:<18} {verdict.mean:+.4f} +- {verdict.error:.4f} a year, t {verdict.t:+.2f}{mean_ratio}"
            )
        out["years"][part.name] = file.years
        out["t"][part.name] = {verdict.strategy: round(verdict.t, 2) for verdict in verdicts}
        out["beyond"] += [f"{part.name}/{verdict.strategy}" for verdict in verdicts if abs(verdict.t) > limit]
    print(json.dumps({**out, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main()
