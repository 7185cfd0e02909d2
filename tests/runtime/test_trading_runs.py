"""Whole runs of the demo: an exception in the gate, a kill that flattens, a world that is told to reduce, a shadow regime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any as Rig  # the fixture `rig` opens them

import numpy as np
import pytest
from rich.console import Console

from qmtl.cli.live import Lines
from qmtl.cli.livetable import Screen
from qmtl.engine.alerts import DAY, alerts_of
from qmtl.engine.journal import codec
from qmtl.engine.journal.digest import digest
from qmtl.engine.reasons import Reason
from qmtl.engine.record import last_tick, stored_columns, tick_stream
from qmtl.engine.shadow import Beside, so_far
from qmtl.engine.trading import TradingState
from qmtl.engine.views import shadow_text, state_of, summary_of

Open = Callable[..., Rig]
SECOND = """\
regime momentum_alone {
  doc "A second opinion: the last two hours, nothing else."
  score trend_up 100 * ret_8
  score trend_down -100 * ret_8
  score chop 0.3
  high_vol sigmoid(vix_z - 1)
}
"""


def edit(texts: Path, old: str, new: str) -> None:
    path = texts / "worlds" / "us_core.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def shadowed(texts: Path) -> Path:
    """The demo with a shadow regime."""
    (texts / "strategies" / "second.qmtl").write_text(SECOND)
    edit(texts, "regime: {source: heuristic,", "regime: {source: shadow, shadow: momentum_alone,")
    return texts


def gross(tick: Rig) -> float:
    return float(np.abs(tick.load.current).sum())


# ---- the gate


def test_r44_an_exception_in_the_gate_sends_and_stores_nothing(
    rig: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick ends without an order and without a record; the next start decides it, as if nothing had been."""
    whole = rig("whole")
    whole.tick(30)
    whole.stop()
    broken = rig("broken")
    broken.tick(12)
    before = broken.runtime.edges.journal.last(tick_stream("us_core")).entry.epoch
    calls: list[str] = []
    broker = broken.runtime.edges.broker
    monkeypatch.setattr(type(broker), "submit", lambda *_: calls.append("submit"))
    monkeypatch.setattr(type(broker), "cancel", lambda *_: calls.append("cancel"))
    monkeypatch.setattr("qmtl.engine.stages.orders.judge", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        broken.tick(1)
    assert calls == []
    assert broken.runtime.edges.journal.last(tick_stream("us_core")).entry.epoch == before
    broken.crash()
    monkeypatch.undo()
    again = rig("broken")
    again.tick(18)
    again.stop()
    assert digest(tmp_path / "broken" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def test_r43_a_killed_demo_is_flat_and_stays_flat_over_a_restart(rig: Open, texts: Path) -> None:
    edit(texts, "daily_loss: -2%", "on_kill: flatten\n  daily_loss: -0.1%")
    run = rig("out")
    reports = run.tick(1)
    while not reports[-1].ticks[0].gate.kill:
        reports += run.tick(1)
    assert gross(reports[-1].ticks[0]) > 0.05
    assert any(order.reason == Reason.FLATTEN.code for order in reports[-1].netted.orders)
    after = run.tick(8)  # what had an order working goes once its cancel is confirmed
    assert all(order.leg == "close" for report in after for order in report.netted.orders)
    assert gross(after[-1].ticks[0]) == 0.0
    assert not run.runtime.progress.book.ledger
    run.stop()
    again = rig("out")
    for report in again.tick(30):
        assert report.ticks[0].gate.kill
        assert not report.netted.orders
    assert state_of(report)["worlds"]["us_core"]["trading"] == "halted"
    assert summary_of(report, report.ticks[0], "paper").trading_state == "halted"


def test_a_world_is_told_to_reduce_and_to_go_on_while_it_runs(rig: Open, texts: Path) -> None:
    run = rig("out")
    held = gross(run.tick(40)[-1].ticks[0])
    assert held > 0.05
    edit(texts, "daily_loss: -2%", "trading: reducing\n  daily_loss: -2%")
    assert run.reload()
    assert gross(run.tick(2)[-1].ticks[0]) > 0.05  # nothing asked to close it
    for report in run.tick(60):
        (tick,) = report.ticks
        assert TradingState(tick.gate.trading) is TradingState.REDUCING
        assert all(order.leg == "close" for order in report.netted.orders)
    edit(texts, "trading: reducing\n  ", "")
    assert run.reload()
    assert any(order.leg == "open" for report in run.tick(40) for order in report.netted.orders)


@pytest.mark.parametrize("trading", ["active", "reducing", "halted"])
def test_table_and_lines_show_a_world_that_does_not_trade_as_usual(rig: Open, texts: Path, trading: str) -> None:
    edit(texts, "daily_loss: -2%", f"trading: {trading}\n  daily_loss: -2%")
    report = rig("out").tick(1)[-1]
    shown = []
    for draw in (
        lambda console: console.print(Screen(report, "now", (), {}, 1, 2)),
        lambda console: Lines(console).show(report, 1, 2),
    ):
        console = Console(width=120, height=40, color_system=None)
        with console.capture() as captured:
            draw(console)
        shown.append(captured.get())
    said = f"us_core {trading} (risk.{trading})"
    assert [said in text for text in shown] == [trading != "active"] * 2


# ---- the shadow


def test_a_shadow_decides_nothing(rig: Open, texts: Path) -> None:
    plain = rig("plain").tick(60)
    (texts / "strategies" / "second.qmtl").write_text(SECOND)
    edit(texts, "regime: {source: heuristic,", "regime: {source: shadow, shadow: momentum_alone,")
    shadowed = rig("shadowed").tick(60)
    assert [report.netted for report in plain] == [report.netted for report in shadowed]
    for one, other in zip(plain, shadowed, strict=True):
        np.testing.assert_array_equal(one.ticks[0].market.p, other.ticks[0].market.p)
        np.testing.assert_array_equal(one.ticks[0].orders.target, other.ticks[0].orders.target)
    assert plain[-1].ticks[0].market.shadow is None
    assert so_far(shadowed[-1].ticks[0].after).differing > 0


@pytest.mark.usefixtures("shadowed")
def test_both_outputs_and_their_counts_stand_in_the_journal(rig: Open) -> None:
    run = rig("out")
    run.tick(60)
    records = list(codec.decode_all(run.runtime.edges.journal.read(tick_stream("us_core"))))
    compared = differing = fallbacks = 0
    for record in records:
        p, shadow = record.columns["market.p"], record.columns["market.shadow"]
        assert shadow.shape == (5, p.shape[1])
        known, beside = np.isfinite(p).all(axis=0), np.isfinite(shadow[:4]).all(axis=0)
        np.testing.assert_allclose(shadow[:3, beside].sum(axis=0), 1.0)
        other = p[:3].argmax(axis=0) != shadow[:3].argmax(axis=0)
        columns = stored_columns(record)
        verdict = np.where(~known, Beside.NOTHING, np.where(~beside, Beside.MISSING, np.where(other, 2, 1)))
        np.testing.assert_array_equal(columns["regime.shadow"], verdict)
        if record.header["decision"]:
            compared += int((known & beside).sum())
            differing += int((known & beside & other).sum())
            fallbacks += int((known & ~beside).sum())
        assert int(columns["state.shadow_compared"]) == compared
        assert int(columns["state.shadow_differing"]) == differing
        assert int(columns["state.shadow_fallbacks"]) == fallbacks
    assert 0 < differing < compared


@pytest.mark.usefixtures("shadowed")
def test_a_run_with_a_shadow_goes_on_after_crashes(rig: Open, tmp_path: Path) -> None:
    whole = rig("whole")
    whole.tick(50)
    whole.stop()
    for count in (7, 30, 13):
        part = rig("parts")
        part.tick(count)
        part.crash()
    rig("parts").stop()
    assert digest(tmp_path / "parts" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def test_counts_belong_to_the_two_regimes_that_were_compared(rig: Open, shadowed: Path) -> None:
    run = rig("out")
    before = so_far(run.tick(30)[-1].ticks[0].after)
    edit(shadowed, "p_chop >= 0.50", "p_chop >= 0.60")  # a chain reads the regime and is none
    assert run.reload()
    after = so_far(run.tick(5)[-1].ticks[0].after)
    assert after.compared > before.compared > 0
    (shadowed / "strategies" / "second.qmtl").write_text(SECOND.replace("chop 0.3", "chop 0.4"))
    assert run.reload()
    tick = run.tick(1)[-1].ticks[0]
    assert so_far(tick.before).compared == 0
    assert so_far(tick.after).compared == len(tick.frame.names.symbols) * tick.market.decision
    edit(shadowed, "source: shadow, shadow: momentum_alone,", "source: heuristic,")
    assert run.reload()
    tick = run.tick(2)[-1].ticks[0]
    assert (tick.market.shadow, so_far(tick.after).compared, shadow_text(tick)) == (None, 0, "")


def test_r51_a_shadow_that_is_silent_is_counted_shown_and_told(rig: Open, texts: Path) -> None:
    """A shadow whose score has no value anywhere is silent: not a third each, but nothing, and somebody hears of it."""
    silent = SECOND.replace("score trend_up 100 * ret_8", "score trend_up log(ret_8 - 200%)")
    (texts / "strategies" / "second.qmtl").write_text(silent)
    edit(texts, "regime: {source: heuristic,", "regime: {source: shadow, shadow: momentum_alone,")
    run = rig("out")
    reports = run.tick(8)
    (tick,) = reports[-1].ticks
    assert (tick.regime.shadow == Beside.MISSING).all()
    assert tick.regime.known.all()
    counts = so_far(tick.after)
    assert (counts.compared, counts.fallback_rate, counts.unreliable) == (0, 1.0, True)
    told = [text for report in reports for text in alerts_of(report.ticks[0], DAY)]
    assert told == [
        "has a shadow regime that often says nothing: momentum_alone has no output for 100.0%, above 5% of what was compared"
    ]
    shown = state_of(reports[-1])["worlds"]["us_core"]["shadow"]
    assert (shown["regime"], shown["fallback_rate"], shown["unreliable"]) == ("momentum_alone", 1.0, True)
    row = summary_of(reports[-1], tick, "paper")
    assert (row.regime_source, row.shadow_fallback_rate) == ("shadow", 1.0)
    assert np.isnan(row.shadow_differing_rate)
    assert shadow_text(tick) == "momentum_alone: nothing compared, 100.0% without its output (above 5%)"
    json.dumps(shown["differing_now"])


def test_a_journal_without_the_later_fields_is_read(rig: Open) -> None:
    """A tick as version 1 stored it: the later columns of the state are not there."""
    run = rig("out")
    run.tick(3)
    journal = run.runtime.edges.journal
    stored = last_tick(journal, "us_core")
    assert stored is not None
    record = codec.last_record(journal, tick_stream("us_core"))
    assert record is not None
    later = {f"state.{name}" for name in ("shadow_compared", "shadow_differing", "shadow_fallbacks")}
    columns = {name: column for name, column in record.columns.items() if name not in later | {"gate.trading"}}

    class Old:
        def last(self, stream: str) -> Rig:
            found = journal.last(stream)
            return type(found)(found.seq, type(found.entry)(stream, found.entry.key, found.entry.epoch, payload))

    payload = codec.encode(record.header, columns)
    again = last_tick(Old(), "us_core")
    assert again is not None
    assert int(again.state.shadow_compared) == 0
    np.testing.assert_array_equal(again.state.owner, stored.state.owner)
