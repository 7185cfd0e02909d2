"""`qmtl resume --symbol`: the pause of a symbol whose price moved too far ends when a person says that the price is right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from qmtl.cli import wiring
from qmtl.cli.resume import resume
from qmtl.engine.bars import BarRow, OpenRow

Open = Callable[..., Any]


class Halved:
    """The demo's market, in which SPY loses half of its price from a bar on, for good."""

    def __init__(self, inner: Any, at: int) -> None:
        self.inner, self.at, self.column = inner, at, inner.symbols.index("SPY")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        for row in self.inner.rows(after, until):
            values = row.values.copy()
            values[:4, self.column] *= 0.5 if row.start >= self.at else 1.0
            yield BarRow(row.start, row.end, row.known_at, values, row.present)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        for row in self.inner.opens(after, until):
            prices = row.prices.copy()
            prices[self.column] *= 0.5 if row.start >= self.at else 1.0
            yield OpenRow(row.start, prices)


@pytest.fixture
def halved(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = wiring.open_feed

    def opened(deployment: Any, programs: Any, calendar: Any) -> Any:
        feed, macro = inner(deployment, programs, calendar)
        at = int(calendar.decision_times("2025-11-12", "2025-11-12", 0)[4])
        return Halved(feed, at), macro

    monkeypatch.setattr(wiring, "open_feed", opened)


def said(texts: Path, out: Path, *more: str) -> Result:
    arguments = ["--config", str(texts / "demo.yaml"), "--out", str(out), "--who", "ada", "--why", "news", *more]
    return CliRunner().invoke(resume, arguments)


@pytest.mark.usefixtures("halved")
def test_r28_a_person_ends_the_pause_of_one_symbol(rig: Open, texts: Path, tmp_path: Path) -> None:
    run = rig("out")
    tick = run.tick(12)[-1].ticks[0]
    column = tick.frame.index["SPY"]
    assert tick.load.gap_at[column]
    run.stop()
    out = tmp_path / "out"
    assert said(texts, out, "--symbol", "QQQ").output == "QQQ is paused in no world\n"
    other = said(texts, out, "--symbol", "SPY", "--world", "other")
    assert (other.exit_code, "its worlds are us_core" in other.output) == (1, True)
    assert said(texts, out).output == "no world is killed\n"
    first = said(texts, out, "--symbol", "SPY")
    assert first.output == "us_core: the pause of SPY lifted by ada; the next start believes its price\n"
    second = said(texts, out, "--symbol", "SPY")
    assert second.output == "us_core: the pause of SPY is lifted already; the next start believes its price\n"
    again = rig("out")
    journal = again.runtime.edges.journal
    after = again.tick(1)[-1].ticks[0]
    (stored,) = journal.read("command")
    assert (stored.entry.epoch, b"news" in stored.entry.payload) == (after.now, True)
    assert after.load.gap_at[column] == 0
    assert after.load.mark[column] == after.market.mark[column]
    # what was lifted stays lifted
    again.tick(2)
    again.stop()
    assert not rig("out").runtime.worlds[0].state.gap_at[column]


@pytest.mark.usefixtures("halved")
def test_r28_a_pause_holds_over_restarts(rig: Open) -> None:
    run = rig("out")
    column = run.tick(12)[-1].ticks[0].frame.index["SPY"]
    since = int(run.runtime.worlds[0].state.gap_at[column])
    run.crash()
    again = rig("out")
    tick = again.tick(3)[-1].ticks[0]
    assert tick.load.gap_at[column] == since > 0
