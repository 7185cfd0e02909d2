"""Real bars as pandas frames, and what the compiled texts make of them: shared by the tests of this folder.

Bars are indexed by the second they *end* (60m bars on the session grid from the open), so that 15m and 60m series can
be laid beside each other by time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.adapters.files import FilesBars
from qmtl.engine.adapters.vixfile import VixFile
from qmtl.engine.bars import FIELDS, BarRow
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.observe import Observer

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
VIX_FROM = int(pd.Timestamp("2024-06-01", tz="UTC").timestamp())


@dataclass(frozen=True, slots=True)
class Observed:
    """Columns of every 15m row: times of its end, and [rows, ...] arrays as in `Market`."""

    program: Program
    ends: np.ndarray
    signal: np.ndarray
    size: np.ndarray
    stop: np.ndarray
    take: np.ndarray
    p: np.ndarray

    def strategy(self, name: str, symbol: str) -> pd.DataFrame:
        """Signal (NaN = unknown), size, stop and take of one pair by end of bar."""
        row = next(n for n, plan in enumerate(self.program.strategies) if plan.name == name)
        column = self.program.settings.universe.index(symbol)
        values = {key: getattr(self, key)[:, row, column] for key in ("signal", "size", "stop", "take")}
        return pd.DataFrame(values, self.ends)

    def regime(self, symbol: str) -> pd.DataFrame:
        """up, down, chop, volatile by end of bar."""
        column = self.program.settings.universe.index(symbol)
        return pd.DataFrame(self.p[:, :, column], self.ends, ["up", "down", "chop", "volatile"])


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of recorded data; tests that need it skip where it is absent."""
    if not (DATA / "us_15m").is_dir():
        pytest.skip("recorded bars are not here (expected ../shared/data/us_15m beside the repository)")
    return DATA


@pytest.fixture(scope="session")
def calendar() -> SessionCalendar:
    return SessionCalendar("XNYS", "2024-06-01", "2026-03-31")


@pytest.fixture(scope="session")
def vix(data: Path) -> pd.Series:
    """Daily VIX closes by date."""
    return pd.read_csv(data / "vix" / "vix_daily_cboe.csv", parse_dates=["date"], index_col="date").close


def quarter_bars(data: Path, symbol: str) -> pd.DataFrame:
    """15m bars of one symbol by end of bar."""
    bars = pd.read_csv(data / "us_15m" / f"{symbol}.csv.gz", parse_dates=["timestamp"])
    starts = (bars.timestamp - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    bars.index = pd.Index(starts.to_numpy() + 900)
    return bars[list(FIELDS)]


def hour_bars(quarter: pd.DataFrame) -> pd.DataFrame:
    """60m bars from the open of each session; the last one is short and ends with the session."""
    ends = quarter.index.to_series()
    day = pd.to_datetime(ends - 900, unit="s", utc=True).dt.tz_convert("America/New_York").dt.date
    number = ends.groupby(day.to_numpy()).cumcount() // 4
    groups = quarter.assign(end=ends).groupby([day.to_numpy(), number.to_numpy()])
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum", "end": "last"}
    return groups.agg(how).set_index("end")


def observe(program: Program, rows: list[BarRow], vix_file: Path, calendar: SessionCalendar) -> Observed:
    """Feed all rows, VIX as it becomes known, and keep the columns after each 15m row."""
    observer, macro = Observer(program, calendar, 0), VixFile(vix_file)
    seen, kept = VIX_FROM, []
    for row in rows:
        for daily in macro.rows(seen, row.known_at):
            observer.feed_macro(daily)
        seen = row.known_at
        observer.feed(row)
        market = observer.market(row.known_at, decision=True)
        signal = np.where(market.signal_known, market.signal.astype(float), np.nan)
        kept.append((row.end, signal, market.size, market.stop, market.take, market.p))
    return Observed(program, *(np.array(column) for column in zip(*kept, strict=True)))


@pytest.fixture(scope="session")
def watch() -> Callable[..., Observed]:
    """Feed rows to a fresh observer and keep every row's columns."""
    return observe


@pytest.fixture(scope="session")
def bars(data: Path) -> Callable[[str], tuple[pd.DataFrame, pd.DataFrame]]:
    """15m and 60m bars of one symbol."""

    def both(symbol: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        quarter = quarter_bars(data, symbol)
        return quarter, hour_bars(quarter)

    return both


@pytest.fixture(scope="session")
def feed(data: Path, calendar: SessionCalendar) -> Callable[[tuple[str, ...]], list[BarRow]]:
    """All recorded rows of some symbols."""

    def rows(symbols: tuple[str, ...]) -> list[BarRow]:
        bars = FilesBars(data / "us_15m", symbols, calendar)
        return list(bars.rows(0, bars.span()[1]))

    return rows


@pytest.fixture(scope="session")
def us_core() -> Program:
    """The shipped world, compiled."""
    compiled = compile_world(ROOT / "worlds" / "us_core.yaml")
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


@pytest.fixture(scope="session")
def core_observed(
    us_core: Program, feed: Callable[..., list[BarRow]], data: Path, calendar: SessionCalendar
) -> Observed:
    """The shipped world over all recorded bars."""
    return observe(us_core, feed(us_core.settings.universe), data / "vix" / "vix_daily_cboe.csv", calendar)
