"""Made-up bars as files, for machines without recorded ones: the built-in market, written as a feed of files would read it.

In: a folder, days, a seed. Out: the folder of `<SYMBOL>.csv.gz` bars and a file of daily VIX values.
"""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from qmtl.dsl.compile import compile_world
from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.calendar import SessionCalendar

ROOT = Path(__file__).resolve().parents[2]
#: bars before the first day, for the warm-up
_BEFORE = timedelta(days=75)


def made_up(folder: Path, start: str, end: str, seed: int) -> tuple[Path, Path]:
    """Write bars of us_core's universe from some weeks before `start` to the session after `end`."""
    program = compile_world(ROOT / "worlds" / "us_core.yaml").program
    assert program is not None
    first, last = date.fromisoformat(start) - _BEFORE, date.fromisoformat(end) + timedelta(days=6)
    calendar = SessionCalendar("XNYS", "2020-01-02", (last + timedelta(days=30)).isoformat())
    symbols = program.settings.universe
    market = SyntheticMarket(symbols, calendar, seed=seed, start=first.isoformat(), delay=0)
    bars = folder / "bars"
    bars.mkdir(parents=True)
    until = int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp())
    rows = list(market.rows(0, until))
    for column, symbol in enumerate(symbols):
        with gzip.open(bars / f"{symbol}.csv.gz", "wt", newline="") as file:
            out = csv.writer(file)
            out.writerow(("timestamp", "open", "high", "low", "close", "volume"))
            out.writerows(
                (
                    datetime.fromtimestamp(row.start, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                    *(repr(float(v)) for v in row.values[:, column]),
                )
                for row in rows
                if row.present[column]
            )
    vix = folder / "vix.csv"
    days = ((row.day, *(f"{value:.2f}" for value in row.values[:4])) for row in market.vix.rows(0, until))
    vix.write_text("date,open,high,low,close\n" + "".join(",".join(day) + "\n" for day in days))
    return bars, vix
