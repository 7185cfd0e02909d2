"""Numbers beside the account's own: what holding would have earned, how long a year is, and what nobody knew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from qmtl.engine.adapters.synthetic import SyntheticMarket
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.run import run
from qmtl.engine.backtest.summary import summarise, summary_text
from qmtl.engine.calendar import SessionCalendar

from .test_shortcut import SYMBOLS, Lines

PLAN = Plan("told", "2025-10-06", "2025-10-15")
LATE = 1_760_100_000  # 2025-10-10


def hours(last: str = "2025-12-31") -> SessionCalendar:
    return SessionCalendar("XNYS", "2024-01-02", last)


@dataclass(frozen=True, slots=True)
class Starting:
    """A market whose last symbol has no bar before some day."""

    market: SyntheticMarket

    def __getattr__(self, name: str) -> Any:
        return getattr(self.market, name)

    def rows(self, after: int, until: int) -> Any:
        for row in self.market.rows(after, until):
            if row.start >= LATE:
                yield row
                continue
            gone = np.arange(len(row.present)) == len(row.present) - 1
            yield replace(row, values=np.where(gone, np.nan, row.values), present=row.present & ~gone)


def market(calendar: SessionCalendar) -> SyntheticMarket:
    return SyntheticMarket(SYMBOLS, calendar, seed=2, start="2025-08-20")


def test_the_market_holds_every_symbol_from_its_first_bar_on() -> None:
    calendar = hours()
    feed = market(calendar)
    found = run([Lines().program()], (Starting(feed), feed.vix), calendar, PLAN)
    at, base, mark = found.steps.at.tolist(), np.full(len(SYMBOLS), np.nan), np.full(len(SYMBOLS), np.nan)
    rows = {row.known_at: row for row in Starting(feed).rows(at[0] - 900, at[-1])}
    expected = []
    for now in at:
        row = rows[now]
        mark = np.where(row.present, row.values[3], mark)
        base = np.where(np.isnan(base), mark, base)
        expected.append(np.where(np.isnan(mark), 1.0, mark / base).mean())
    assert np.isnan(rows[at[0]].values[3][-1])
    assert found.steps.market == pytest.approx(expected, rel=1e-12)


def test_how_far_the_calendar_reaches_changes_no_number() -> None:
    """It reaches a year beyond today, so a backtest of old days would differ from one day to the next."""
    found = []
    for last in ("2025-11-28", "2025-12-31"):
        calendar = hours(last)
        feed = market(calendar)
        found.append(run([Lines().program()], (feed, feed.vix), calendar, PLAN).setup)
    assert found[0] == found[1]


def test_decisions_at_which_nothing_was_known_are_told_with_their_first_day() -> None:
    calendar = hours()
    feed = SyntheticMarket(SYMBOLS, calendar, seed=2, start="2025-10-06")  # no history before the first tick
    found = run([Lines().program()], (feed, feed.vix), calendar, PLAN)
    told = {notice.kind: notice for notice in found.notices}
    assert told["missing.warming"].at == found.steps.at[0]
    assert told["regime.missing"].count > 1
    assert "missing.warming shortcut" in summary_text(found.setup, summarise(found), found.notices)
