"""Restart and hot reload at exact ticks: a continued run equals an uninterrupted one, an edit keeps what it did not touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any as Rig  # the fixture `rig` opens them

import numpy as np
import pytest

from qmtl.engine.errors import StateError
from qmtl.engine.execution.book import Book
from qmtl.engine.journal.digest import digest
from qmtl.engine.net import Netted
from qmtl.engine.ports import Reply

Open = Callable[..., Rig]


def edit(texts: Path, old: str, new: str, file: str = "worlds/us_core.yaml") -> None:
    path = texts / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("ends", [[7], [1, 2, 3], [40, 41], [55]])
def test_r05_a_run_continued_after_crashes_equals_an_uninterrupted_one(
    ends: list[int], rig: Open, tmp_path: Path
) -> None:
    whole = rig("whole")
    whole.tick(70)
    whole.stop()
    done = 0
    for end in ends:
        part = rig("parts")
        part.tick(end - done)
        part.crash()
        done = end
    last = rig("parts")
    last.tick(70 - done)
    last.stop()
    assert digest(tmp_path / "parts" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


@pytest.mark.parametrize("sent", [0, 1, 99])
def test_r05_a_crash_between_commit_and_answer_loses_and_doubles_nothing(
    sent: int, rig: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the commit, having sent none, one or all of the tick's orders."""
    whole = rig("whole")
    whole.tick(40)
    whole.stop()
    part = rig("part")
    part.tick(3)
    send = part.runtime._send

    def die(netted: Netted, after: Book, now: int) -> tuple[Reply, ...]:
        if len(netted.orders) < 2:
            return send(netted, after, now)
        send(replace(netted, orders=netted.orders[:sent]), after, now)
        raise KeyboardInterrupt

    monkeypatch.setattr(part.runtime, "_send", die)
    with pytest.raises(KeyboardInterrupt):
        part.tick(37)
    part.crash()
    again = rig("part")
    again.tick(40 - again.runtime.progress.number)
    again.stop()
    assert digest(tmp_path / "part" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def test_an_edit_is_a_new_program_from_the_next_tick_on(rig: Open, texts: Path) -> None:
    run = rig("out")
    before = run.tick(30)[-1].ticks[0]
    edit(texts, "p_chop >= 0.50", "p_chop >= 0.60")
    assert run.reload()
    after = run.tick(1)[-1].ticks[0]
    assert before.frame.program.program_id != after.frame.program.program_id
    np.testing.assert_array_equal(before.after.owner, after.before.owner)


def test_an_edit_of_comments_and_order_changes_nothing(rig: Open, texts: Path) -> None:
    run = rig("out")
    run.tick(3)
    edit(texts, "# Probabilities per symbol", "# Another comment\n# Probabilities per symbol")
    assert not run.reload()


def test_unchanged_nodes_keep_their_state_and_the_rest_is_warm(rig: Open, texts: Path) -> None:
    """A run that was edited sees the same features and signals as one that always had the new text."""
    run = rig("edited")
    run.tick(30)
    edit(texts, "roc_momentum:\n    default: {fast: 10", "roc_momentum:\n    default: {fast: 12")
    assert run.reload()
    after = run.tick(1)[-1]
    fresh = rig("fresh")
    twin = fresh.tick(40)
    same = next(report for report in twin if report.now == after.now)
    names = after.ticks[0].frame.names.strategies
    for name in ("atr_ratchet", "bb_rsi_reversion", "ema_cross_atr"):
        row = names.index(name)
        np.testing.assert_array_equal(after.ticks[0].market.signal[row], same.ticks[0].market.signal[row])
    row = names.index("roc_momentum")
    np.testing.assert_array_equal(after.ticks[0].market.signal[row], same.ticks[0].market.signal[row])
    np.testing.assert_array_equal(after.ticks[0].market.p, same.ticks[0].market.p)


def test_a_restart_after_an_edit_equals_a_run_that_went_on(rig: Open, texts: Path, tmp_path: Path) -> None:
    old = (texts / "worlds" / "us_core.yaml").read_text()
    for name, end in (("whole", None), ("crashed", 45)):
        (texts / "worlds" / "us_core.yaml").write_text(old)
        run = rig(name)
        run.tick(30)
        edit(texts, "p_chop >= 0.50", "p_chop >= 0.60")
        assert run.reload()
        if end is not None:
            run.tick(end - 30)
            run.crash()
            run = rig(name)
        run.tick(60 - (end or 30))
        run.stop()
    assert digest(tmp_path / "crashed" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


def test_an_edit_made_while_stopped_is_the_same_as_one_made_while_running(
    rig: Open, texts: Path, tmp_path: Path
) -> None:
    old = (texts / "worlds" / "us_core.yaml").read_text()
    for name in ("running", "stopped"):
        (texts / "worlds" / "us_core.yaml").write_text(old)
        run = rig(name)
        run.tick(30)
        if name == "stopped":
            run.stop()
        edit(texts, "p_chop >= 0.50", "p_chop >= 0.60")
        if name == "running":
            assert run.reload()
        else:
            run = rig(name)
        run.tick(20)
        run.stop()
    assert digest(tmp_path / "stopped" / "journal.db") == digest(tmp_path / "running" / "journal.db")


def test_a_symbol_can_join_and_leave_the_universe_between_two_ticks(rig: Open, texts: Path) -> None:
    run = rig("out")
    held = run.tick(30)[-1].ticks[0]
    flat = [s for s, side in zip(held.frame.names.symbols, held.after.side.tolist(), strict=True) if not side]
    assert "COST" in flat or flat
    leaving = flat[-1]
    text = (texts / "worlds" / "us_core.yaml").read_text()
    kept = [line for line in text.splitlines() if not line.strip().startswith(f"{leaving}:")]
    text = "\n".join(kept).replace(f", {leaving}]", ", IBM]").replace(f"{leaving}: staples", "IBM: staples") + "\n"
    text = text.replace("allowlist:\n", "allowlist:\n  IBM: [roc_momentum, bear_probability]\n")
    (texts / "worlds" / "us_core.yaml").write_text(text)
    assert run.reload()
    tick = run.tick(2)[-1].ticks[0]
    assert "IBM" in tick.frame.names.symbols
    assert leaving not in tick.frame.names.symbols
    column = tick.frame.index["IBM"]
    assert tick.market.mark[column] > 0
    assert tick.market.signal_known[:, column].all()


def test_a_held_symbol_cannot_leave_the_universe(rig: Open, texts: Path) -> None:
    run = rig("out")
    tick = run.tick(30)[-1].ticks[0]
    held = [s for s, side in zip(tick.frame.names.symbols, tick.after.side.tolist(), strict=True) if side]
    world = texts / "worlds" / "us_core.yaml"
    kept = [s for s in tick.frame.names.symbols if s not in held]
    world.write_text(f"version: 1\nworld: us_core\ncalendar: XNYS\nuniverse: [{', '.join(kept)}]\nbars: [15m, 60m]\nallowlist: all\n"
                     "regime: {source: heuristic, heuristic: us_heuristic}\nchains:\n  - {name: neutral, otherwise: true, strategies: [roc_momentum], exposure: 65%}\n"
                     "exchange: alpaca_us_equity\n")  # fmt: skip
    with pytest.raises(StateError, match="takes out of its universe"):
        run.reload()
    assert run.tick(1)[-1].ticks[0].frame.program.program_id == tick.frame.program.program_id
