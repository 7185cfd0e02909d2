"""The workload of `bench/backtest.py`: prices, an EMA 12/48 cross, and qmtl's side of it as text.

N symbols, T 15m bars of New York sessions, after WARM bars of history. At every bar but a session's last: equity at the
last closes; a symbol whose EMA 12 is above its EMA 48 wants 10 %/N of it, any other nothing; what is off by less than 2 %
of that slot is left alone; the rest is traded at the next bar's open for a cost of 1 bp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from qmtl.dsl.compile import compile_world
from qmtl.dsl.program import Program
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs
from qmtl.engine.bars import BarRow, MacroRow, OpenRow
from qmtl.engine.calendar import SessionCalendar

#: sessions of history: what the slowest input of a decision needs
WARM_SESSIONS = 32
CALENDAR, HISTORY, END = "XNYS", "2024-01-02", "2025-12-31"
FAST, SLOW = 12, 48
CASH = 100_000_000
COST = 1e-4
SLOT, DEADBAND = 0.10, 0.02

STRATEGY = """\
strategy cross {
  doc   "Long while the fast mean is above the slow one."
  style trend
  long when ema(close, 12) > ema(close, 48)
  size SLOT%
}
"""

#: every rule is there and looks at every symbol; none of them says no
WORLD = """\
version: 1
world: cross
calendar: XNYS
universe: [SYMBOLS]
bars: [15m, 60m]
regime: {source: heuristic, heuristic: us_heuristic}
chains:
  - {name: all, otherwise: true, strategies: [cross], exposure: 100%}
allowlist: all
select: {method: single_best, switch_edge: 0, cooldown: 0m}
entry_guards:
  - {name: halted, block: long_entries, when: close < 0.01, on_missing: block}
churn_guard: {min_target: MIN%, deadband: DEAD%, side_cooldown: 0m, min_hold: 0m}
orders: {min_delta: 0%, open_delay: 0m, close_buffer: 0m}
risk: {daily_loss: -50%, weekly_loss: -90%, max_symbol: 100%, max_sector: 100%, max_total: 100%, position_stop: 90%}
exchange: nowhere
capital: 100%
"""

#: the plainest reading of a market: all that counts here is that it is known
REGIME = """\
regime plain {
  doc "A reading that every symbol has from its first bars on."
  score trend_up   roc(close, 1)
  score trend_down 0
  score chop       0
  high_vol 0.1
}
"""

VENUE = """\
version: 1
exchange: nowhere
lot_size: 0.000001
fractional: true
min_notional: 0
shorting: true
"""


@dataclass(frozen=True, slots=True)
class Prices:
    """Bars [WARM + T]: starts and ends (epoch seconds), `closing` for the last of a session; opens and closes float64
    [WARM + T, N]. The first `warm` bars are history; the first decision is made on bar `warm`, a session's first."""

    starts: np.ndarray
    ends: np.ndarray
    closing: np.ndarray
    opened: np.ndarray
    closed: np.ndarray
    warm: int
    first_day: str


def prices(calendar: SessionCalendar, symbols: int, bars: int, seed: int) -> Prices:
    """Correlated random walks; a bar opens a little off the last close."""
    rng = np.random.default_rng(seed)
    grid = calendar.grid("15m")
    warm = int(grid.session.searchsorted(WARM_SESSIONS))
    count = warm + bars
    market = rng.normal(0, 0.0012, (count, 1))
    closed = rng.uniform(20, 300, symbols) * np.exp(np.cumsum(market + rng.normal(0, 0.002, (count, symbols)), axis=0))
    opened = np.vstack([closed[:1], closed[:-1]]) * np.exp(rng.normal(0, 0.0002, (count, symbols)))
    session = grid.session[: count + 1]
    return Prices(
        starts=grid.starts[:count],
        ends=grid.ends[:count],
        closing=session[:-1] != session[1:],
        opened=np.round(opened, 4),
        closed=np.round(closed, 4),
        warm=warm,
        first_day=calendar.days[WARM_SESSIONS],
    )


@dataclass(frozen=True, slots=True)
class Bars:
    """The prices behind the feed port."""

    symbols: tuple[str, ...]
    starts: np.ndarray
    ends: np.ndarray
    block: np.ndarray
    present: np.ndarray
    source: str = "memory"

    def span(self) -> tuple[int, int]:
        return int(self.starts[0]), int(self.ends[-1])

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        low, high = np.searchsorted(self.ends, [after, until], side="right")
        for i in range(low, high):
            start, end = int(self.starts[i]), int(self.ends[i])
            yield BarRow(start, end, end, self.block[i], self.present)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        low, high = np.searchsorted(self.starts, [after, until], side="right")
        for i in range(low, high):
            yield OpenRow(int(self.starts[i]), self.block[i, 0])


class NoMacro:
    """No daily series."""

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:  # noqa: ARG002
        return iter(())


def feed(symbols: tuple[str, ...], of: Prices) -> Bars:
    """The feed of these prices."""
    high, low = np.maximum(of.opened, of.closed), np.minimum(of.opened, of.closed)
    block = np.ascontiguousarray(np.stack([of.opened, high, low, of.closed, np.full_like(high, 1000.0)], axis=1))
    return Bars(symbols, of.starts, of.ends, block, np.ones(len(symbols), dtype=np.bool_))


def program(folder: Path, symbols: tuple[str, ...]) -> Program:
    """The world, compiled from text like any other."""
    slot = 100 * SLOT / len(symbols)
    (folder / "strategies").mkdir(exist_ok=True)
    (folder / "strategies" / "cross.qmtl").write_text(STRATEGY.replace("SLOT", f"{slot:.10f}"))
    (folder / "strategies" / "plain.qmtl").write_text(REGIME)
    text = WORLD.replace("us_heuristic", "plain").replace("SYMBOLS", ", ".join(symbols))
    text = text.replace("MIN", f"{slot / 100:.10f}").replace("DEAD", f"{slot * DEADBAND:.10f}")
    (folder / "cross.yaml").write_text(text)
    (folder / "nowhere.yaml").write_text(VENUE)
    compiled = compile_world(folder / "cross.yaml")
    assert compiled.program is not None, [d.message for d in compiled.diagnostics]
    return compiled.program


def plan(of: Prices) -> Plan:
    """1 bp a side, no slippage beyond it, no borrowing."""
    return Plan("cross", start=of.first_day, cash=Decimal(CASH), costs=Costs(fee=COST, slippage=0.0, borrow=0.0))
