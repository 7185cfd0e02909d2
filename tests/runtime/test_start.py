"""Restart and hot reload at exact ticks: a continued run equals an uninterrupted one, an edit keeps what it did not touch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from typing import Any as Rig  # the fixture `rig` opens them

import numpy as np
import pytest

from qmtl.engine.errors import StateError
from qmtl.engine.execution.book import Book
from qmtl.engine.journal.digest import digest
from qmtl.engine.net import Netted
from qmtl.engine.ports import Reply
from qmtl.engine.reasons import Reason
from qmtl.engine.record import resume_entry

from .conftest import ROOT, SMALL
from .conftest import Rig as Opened

Open = Callable[..., Rig]


def edit(texts: Path, old: str, new: str, file: str = "worlds/us_core.yaml") -> None:
    path = texts / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Any]:
    """The digest of the demo's journal after so many ticks in one run."""

    @cache
    def digest_at(count: int) -> Any:
        folder = tmp_path_factory.mktemp("uninterrupted")
        run = Opened(ROOT, folder / "whole")
        run.tick(count)
        run.stop()
        return digest(folder / "whole" / "journal.db")

    return digest_at


@pytest.mark.parametrize("ends", [[7], [1, 2, 3], [40, 41], [55]])
def test_r05_a_run_continued_after_crashes_equals_an_uninterrupted_one(
    ends: list[int], rig: Open, uninterrupted: Callable[[int], Any], tmp_path: Path
) -> None:
    done = 0
    for end in ends:
        part = rig("parts")
        part.tick(end - done)
        part.crash()
        done = end
    last = rig("parts")
    last.tick(70 - done)
    last.stop()
    assert digest(tmp_path / "parts" / "journal.db") == uninterrupted(70)


@pytest.mark.parametrize("sent", [0, 1, 99])
def test_r05_a_crash_between_commit_and_answer_loses_and_doubles_nothing(
    sent: int, rig: Open, uninterrupted: Callable[[int], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies after the commit, having sent none, one or all of the tick's orders."""
    whole = uninterrupted(40)
    part = rig("part")
    part.tick(3)
    send = part.runtime._send

    def die(netted: Netted, after: Book, *rest: object) -> tuple[Reply, ...]:
        if len(netted.orders) < 2:
            return send(netted, after, *rest)
        send(replace(netted, orders=netted.orders[:sent]), after, *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(part.runtime, "_send", die)
    with pytest.raises(KeyboardInterrupt):
        part.tick(37)
    part.crash()
    again = rig("part")
    again.tick(40 - again.runtime.progress.number)
    again.stop()
    assert digest(tmp_path / "part" / "journal.db") == whole


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
    assert flat
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
    with pytest.raises(StateError, match="the edit takes it out of its universe"):
        run.reload()
    assert run.tick(1)[-1].ticks[0].frame.program.program_id == tick.frame.program.program_id


def test_a_symbol_with_an_order_working_cannot_leave_the_universe(rig: Open, texts: Path) -> None:
    run = rig("out")
    while not run.runtime.progress.book.orders:
        tick = run.tick(1)[-1].ticks[0]
    symbol = run.runtime.progress.book.orders[0].order.symbol
    kept = [s for s in tick.frame.names.symbols if s != symbol]
    (texts / "worlds" / "us_core.yaml").write_text(SMALL.format(", ".join(kept)))
    with pytest.raises(StateError, match=symbol):
        run.reload()
    run.tick(3)


def test_another_account_than_the_journals_is_refused(rig: Open, tmp_path: Path) -> None:
    run = rig("out")
    run.tick(30)
    run.stop()
    for file in (tmp_path / "out").glob("paper.db*"):
        file.unlink()
    with pytest.raises(StateError, match="it is another account"):
        rig("out")


def test_an_account_with_orders_that_the_journal_does_not_know_is_refused(rig: Open, tmp_path: Path) -> None:
    run = rig("out")
    run.tick(30)
    run.stop()
    for file in (tmp_path / "out").glob("journal.db*"):
        file.unlink()
    with pytest.raises(StateError, match="orders of ours that the journal does not know"):
        rig("out")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 7", "seed: 8", "was fed by"),
        ("interval: 60s", "interval: 30s", "ticks every 60 s"),
        ("mode: paper", "mode: dry", "is of a paper run"),
    ],
)
def test_going_on_with_another_feed_clock_or_mode_is_refused(
    old: str, new: str, message: str, rig: Open, texts: Path
) -> None:
    run = rig("out")
    run.tick(5)
    run.stop()
    edit(texts, old, new, "demo.yaml")
    with pytest.raises(StateError, match=message):
        rig("out")


def test_a_world_that_is_renamed_or_taken_out_while_it_holds_something_is_refused(rig: Open, texts: Path) -> None:
    run = rig("out")
    run.tick(30)
    assert run.runtime.progress.book.ledger
    run.stop()
    edit(texts, "world: us_core", "world: us_renamed")
    with pytest.raises(StateError, match="us_renamed is new"):
        rig("out")
    edit(texts, "worlds: [worlds/us_core.yaml]", "worlds: [worlds/tail_hedge.qmtl]", "demo.yaml")
    with pytest.raises(StateError, match="no world has it in its universe"):
        rig("out")


@pytest.fixture
def both(texts: Path) -> None:
    """The demo with both shipped worlds on one account."""
    edit(texts, "worlds: [worlds/us_core.yaml]", "worlds: [worlds/us_core.yaml, worlds/tail_hedge.qmtl]", "demo.yaml")


@pytest.mark.usefixtures("both")
def test_two_worlds_stop_and_go_on_as_one_run(rig: Open, tmp_path: Path) -> None:
    whole = rig("whole")
    whole.tick(60)
    whole.stop()
    part = rig("part")
    part.tick(33)
    part.crash()
    part = rig("part")
    part.tick(27)
    part.stop()
    assert digest(tmp_path / "part" / "journal.db") == digest(tmp_path / "whole" / "journal.db")


@pytest.mark.usefixtures("both")
def test_a_worlds_loss_limit_counts_its_own_losses_only(rig: Open) -> None:
    run = rig("out")
    reports = run.tick(120)
    first = float(reports[0].snapshot.equity)
    for report in reports[1:]:
        parts = [tick.load.equity - tick.account.others - first for tick in report.ticks]
        # what the worlds won or lost is what the account did
        assert sum(parts) == pytest.approx(float(report.snapshot.equity) - first, abs=0.05)
    assert any(abs(tick.account.others) > 1 for report in reports for tick in report.ticks)


def test_a_lifted_kill_counts_from_the_next_reading(rig: Open) -> None:
    run = rig("out")
    run.tick(10)
    world = run.runtime.worlds[0]
    world.state = replace(world.state, kill=np.array(int(Reason.KILL_DAY), dtype=np.uint8))
    killed = run.tick(2)[-1].ticks[0]
    assert killed.gate.kill
    run.runtime.edges.journal.append([resume_entry("us_core", run.runtime.progress.last, "me", "a test")])
    run.stop()
    again = rig("out")
    tick = again.tick(1)[-1].ticks[0]
    assert not tick.gate.kill
    assert tick.gate.day_level == pytest.approx(tick.load.equity)
