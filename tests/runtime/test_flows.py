"""Deposits and withdrawals are not P&L (R45): from the account's events to sizes and loss limits, and over restarts."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.errors import BrokerError
from qmtl.engine.execution import book as books
from qmtl.engine.journal.digest import digest
from qmtl.engine.ports import BrokerEvent
from qmtl.engine.storedbook import StoredBook, read_book

Open = Callable[..., Any]


def flow(seq: int, amount: int) -> BrokerEvent:
    return BrokerEvent(seq, "flow", "", "", Decimal(0), Decimal(amount), Decimal(0), 905, "")


def test_r45_flows_are_summed_once_and_kept() -> None:
    book, changes = books.apply(books.Book(), [], [flow(1, 500), flow(2, -200), flow(2, -200)], 60)
    assert (changes.flows, book.flows) == (300, 300)
    book, changes = books.apply(book, [], [flow(2, -200), flow(3, 50)], 60)
    assert (changes.flows, book.flows) == (50, 350)
    assert changes.fills == changes.results == ()
    assert book.ledger == ()


def test_r45_a_deposit_of_half_the_account_is_no_profit_and_sizes_follow(rig: Open) -> None:
    run = rig("out")
    while not run.runtime.progress.book.ledger or run.runtime.progress.book.orders:
        before = run.tick(1)[0].ticks[0]
    equity = before.load.equity
    run.opened.broker.deposit(Decimal(50_000), run.runtime.progress.last + 30)
    tick = run.tick(1)[0].ticks[0]
    assert tick.account.flows == 50_000
    assert tick.load.trusted
    assert tick.load.equity == pytest.approx(equity + 50_000, rel=0.02)
    assert tick.load.capital == pytest.approx(0.6 * tick.load.equity)
    assert tick.gate.day_level == pytest.approx(before.gate.day_level + 50_000)
    assert tick.gate.week_level == pytest.approx(before.gate.week_level + 50_000)
    assert abs(tick.gate.day_loss) < 0.02
    assert tick.gate.entries == before.gate.entries
    later = run.tick(1)[0].ticks[0]
    assert later.account.flows == 0
    assert later.gate.day_level == tick.gate.day_level


def test_r45_a_withdrawal_of_a_tenth_moves_no_loss_limit(rig: Open) -> None:
    run = rig("out")
    run.tick(5)
    run.opened.broker.deposit(Decimal(-10_000), run.runtime.progress.last + 30)
    tick = run.tick(1)[0].ticks[0]
    assert tick.gate.day_loss > -0.02
    assert not tick.gate.day_breach_at
    assert not tick.gate.kill


@pytest.mark.parametrize("heard", [True, False])
def test_r45_flows_survive_restarts_and_count_once(heard: bool, rig: Open, tmp_path: Path) -> None:
    for name in ("whole", "part"):
        run = rig(name)
        run.tick(20)
        run.opened.broker.deposit(Decimal(25_000), run.runtime.progress.last + 30)
        if name == "part":
            run.tick(int(heard))
            run.crash()
            run = rig(name)
        run.tick(10 + (0 if name == "part" and heard else 1))
        run.stop()
        run.crash()
    assert digest(tmp_path / "part" / "journal.db") == digest(tmp_path / "whole" / "journal.db")
    again = rig("part")
    assert again.runtime.progress.book.flows == 25_000
    assert read_book(again.runtime.edges.journal, StoredBook((), 99)).flows == 25_000


def test_r45_an_equity_that_jumps_before_its_flow_is_heard_waits_and_is_then_explained(rig: Open) -> None:
    run = rig("out")
    before = run.tick(6)[-1].ticks[0]
    store = run.opened.broker._store
    with store.commit():
        store.put_cash(store.cash + 50_000)
    doubtful = run.tick(1)[0].ticks[0]
    assert not doubtful.load.trusted
    assert doubtful.load.equity == pytest.approx(before.load.equity)
    with store.commit():
        store.put_event(BrokerEvent(store.last_seq + 1, "flow", "", "", Decimal(0), Decimal(50_000), Decimal(0), 1, ""))
    explained = run.tick(1)[0].ticks[0]
    assert explained.load.trusted
    assert abs(explained.gate.day_loss) < 0.02


def test_more_than_there_is_cannot_be_taken_out(rig: Open) -> None:
    broker = rig("out").opened.broker
    with pytest.raises(BrokerError, match="cannot be paid"):
        broker.deposit(Decimal(-100_001), 0)
    with pytest.raises(BrokerError, match="cannot be paid"):
        broker.deposit(Decimal(0), 0)
    assert broker.events(0) == ()
    broker.deposit(Decimal(-100_000), 0)
    assert [event.price for event in broker.events(0)] == [Decimal(-100_000)]
