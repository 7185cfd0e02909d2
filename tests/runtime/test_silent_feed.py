"""Feeds that say nothing, or make something up: R20, R21, R23, R24, R26."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.engine.alerts import HOUR, alerts_of
from qmtl.engine.bars import BarRow, traded
from qmtl.engine.errors import DataError
from qmtl.engine.journal import codec
from qmtl.engine.journal.digest import digest
from qmtl.engine.ports import QuoteRow
from qmtl.engine.reasons import Reason
from qmtl.engine.record import tick_stream
from qmtl.engine.tick import OPEN_LEG

Open = Callable[..., Any]


class Changed:
    """A feed whose rows from a moment on are what `change` makes of them; None = not delivered."""

    def __init__(self, inner: Any, since: int, change: Callable[[BarRow], BarRow | None]) -> None:
        self.inner, self.since, self.change = inner, since, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        for row in self.inner.rows(after, until):
            changed = row if row.known_at <= self.since else self.change(row)
            if changed is not None:
                yield changed


def rewire(run: Any, change: Callable[[BarRow], BarRow | None]) -> None:
    """From the next tick on the run's feed is another."""
    edges = run.runtime.edges
    run.runtime.edges = replace(edges, feed=Changed(edges.feed, run.runtime.progress.last, change))


def openings(ticks: list[Any]) -> int:
    return sum(int((tick.orders.leg == OPEN_LEG).sum()) for tick in ticks)


def in_hours(tick: Any) -> bool:
    return not tick.freshness.outside


def session_start(run: Any) -> None:
    """Tick until the second session is an hour old: entries happen there."""
    opens = run.opened.calendar.opens
    first = int(opens[opens.searchsorted(run.times.decisions[0])])
    while run.runtime.progress.last < first + 3600:
        run.tick(1)


def test_r20_a_feed_of_frozen_bars_opens_nothing(rig: Open) -> None:
    """The answer is in time and its bars are old: freshness is judged by the time of a bar, not of its arrival."""
    run = rig("out")
    session_start(run)
    rewire(run, lambda _: None)
    ticks = [report.ticks[0] for report in run.tick(40)]
    late = [tick for tick in ticks if in_hours(tick) and tick.freshness.stale_at.all()]
    assert len(late) > 20
    assert openings(late) == 0
    assert all((tick.freshness.reason == Reason.STALE).all() for tick in late)
    assert not any(tick.freshness.active.any() for tick in late)


def test_r21_a_silent_feed_is_told_once_and_again_while_it_lasts(rig: Open) -> None:
    run = rig("out")
    session_start(run)
    rewire(run, lambda _: None)
    ticks = [report.ticks[0] for report in run.tick(60)]
    told = [tick.now for tick in ticks if any("the feed is silent" in a for a in alerts_of(tick, 30 * HOUR * 24))]
    first = next(tick for tick in ticks if in_hours(tick) and tick.freshness.stale_at.all())
    assert told == [first.now]
    hourly = [tick for tick in ticks if any("the feed is silent" in a for a in alerts_of(tick, HOUR))]
    assert len(hourly) >= 5
    assert all(in_hours(tick) for tick in hourly)


def test_r24_one_quiet_symbol_is_no_trade_and_a_silent_feed_is_no_data(rig: Open) -> None:
    run = rig("out")
    session_start(run)

    def quiet(row: BarRow) -> BarRow:
        present, values = row.present.copy(), row.values.copy()
        present[0], values[:, 0] = False, np.nan
        return replace(row, present=present, values=values)

    rewire(run, quiet)
    ticks = [tick for report in run.tick(12) if in_hours(tick := report.ticks[0])]
    last = ticks[-1]
    assert Reason(int(last.freshness.reason[0])) is Reason.NO_TRADE
    assert last.freshness.active[1:].any()
    assert not any("the feed is silent" in alert for tick in ticks for alert in alerts_of(tick, HOUR))


def made_up(row: BarRow, column: int) -> BarRow:
    """The row with a flat bar at the last close and no volume, as aggregators fill what they lack."""
    values = row.values.copy()
    values[:4, column], values[4, column] = values[3, column], 0.0
    return replace(row, values=values, present=np.ones_like(row.present))


def test_r26_bars_that_an_aggregator_made_up_are_not_traded_on(rig: Open) -> None:
    run = rig("out")
    session_start(run)
    before = run.runtime.worlds[0].observer.market(run.runtime.progress.last, decision=False).mark[0]
    rewire(run, lambda row: made_up(row, 0))
    ticks = [report.ticks[0] for report in run.tick(12)]
    inside = [tick for tick in ticks if in_hours(tick)]
    assert inside[-1].market.behind_15m[0] > 2
    assert inside[-1].market.behind_15m[1] == 0
    assert Reason(int(inside[-1].freshness.reason[0])) is Reason.NO_TRADE
    assert all(tick.market.mark[0] == before for tick in inside)
    assert not any((tick.orders.leg[0] == OPEN_LEG) for tick in inside[3:])


def test_r26_only_flat_bars_without_volume_are_made_up() -> None:
    prices = np.array([[10.0, 10.0, 10.0, 10.0, np.nan], [10.0, 10.0, 11.0, 10.0, np.nan], [10.0] * 4 + [np.nan],
                       [10.0, 10.0, 10.0, 10.0, np.nan], [0.0, 5.0, 0.0, np.nan, np.nan]])  # fmt: skip
    row = BarRow(0, 900, 900, prices, np.array([True, True, True, True, False]))
    left = traded(row)
    assert left.present.tolist() == [False, True, True, True, False]
    assert np.isnan(left.values[:, 0]).all()
    np.testing.assert_array_equal(left.values[:, 1:], row.values[:, 1:])
    assert traded(left) is left


def test_r26_a_restart_sees_the_made_up_bars_as_the_run_did(rig: Open, tmp_path: Path) -> None:
    for name in ("whole", "part"):
        run = rig(name)
        session_start(run)
        rewire(run, lambda row: made_up(row, 0))
        run.tick(8)
        if name == "part":
            run.crash()
            run = rig(name)
            rewire(run, lambda row: made_up(row, 0))
        run.tick(8)
        run.stop()
    assert digest(tmp_path / "part" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def test_r23_a_decision_says_which_bar_it_knew(rig: Open) -> None:
    """A bar that comes late is decided on when it is known, by the tick that first knows it."""
    run = rig("out")
    run.tick(5)
    held: list[BarRow] = []

    def late(row: BarRow) -> BarRow | None:
        held.append(row)
        return None

    rewire(run, late)
    (missing,) = run.tick(1)
    assert not missing.decision
    run.runtime.edges = replace(run.runtime.edges, feed=run.runtime.edges.feed.inner)
    stored = list(codec.decode_all(run.runtime.edges.journal.read(tick_stream("us_core"))))
    assert stored[-1].header["bar"] == missing.ticks[0].market.bar_start < held[0].start
    assert [record.header["bar"] for record in stored if record.header["decision"]] == sorted(
        {record.header["bar"] for record in stored if record.header["decision"]}
    )


class Quotes:
    """Quotes at the last close times a factor, or a failure."""

    def __init__(self, run: Any, factor: float) -> None:
        self.run, self.factor = run, factor

    def quotes(self, now: int) -> QuoteRow:
        if not self.factor:
            raise DataError("no quotes")
        mark = self.run.runtime.worlds[0].observer.market(now, decision=False).mark
        return QuoteRow(mark * self.factor, np.full(len(mark), now))


@pytest.mark.parametrize(("factor", "entries"), [(1.0, True), (1.05, False), (0.0, True)])
def test_quotes_beyond_the_collar_refuse_entries_and_a_broken_feed_of_quotes_nothing(
    factor: float, entries: bool, rig: Open
) -> None:
    run = rig("out")
    run.runtime.edges = replace(run.runtime.edges, quotes=Quotes(run, factor))
    ticks = [report.ticks[0] for report in run.tick(40)]
    assert (openings(ticks) > 0) is entries
    refused = sum(int((tick.orders.reason == Reason.DENIED_COLLAR).sum()) for tick in ticks)
    assert (refused > 0) is not entries
    stored = list(codec.decode_all(run.runtime.edges.journal.read(tick_stream("us_core"))))
    assert ("market.quote" in stored[-1].columns) is bool(factor)
