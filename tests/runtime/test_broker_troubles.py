"""What the runtime makes of a broker that cannot be asked: R11, and the clock of a run that is edited."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qmtl.engine.errors import BrokerError
from qmtl.engine.ports import Command, Known, Told
from qmtl.engine.reasons import Reason

Open = Callable[..., Any]


class Deaf:
    """A broker whose positions cannot be read while `deaf` is set."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.deaf, self.submitted = inner, False, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def hear(self, known: Known, now: int) -> Told:
        if self.deaf:
            raise BrokerError("the account does not answer")
        answer: Told = self.inner.hear(known, now)
        return answer

    def submit(self, order: Any, now: int) -> Any:
        self.submitted += 1
        return self.inner.submit(order, now)


def test_r11_positions_that_cannot_be_read_send_nothing_and_are_not_flat(rig: Open) -> None:
    run = rig("out")
    broker = Deaf(run.runtime.edges.broker)
    run.runtime.edges = replace(run.runtime.edges, broker=broker)
    while not run.runtime.progress.book.ledger or run.runtime.progress.book.orders:
        before = run.tick(1)[0].ticks[0]
    broker.deaf, sent = True, broker.submitted
    for report in run.tick(30):
        tick = report.ticks[0]
        assert report.snapshot is None
        assert not tick.account.readable
        assert not report.netted.orders
        assert not report.netted.cancels
        np.testing.assert_array_equal(tick.after.qty, before.after.qty)
        np.testing.assert_array_equal(tick.after.owner, before.after.owner)
        np.testing.assert_array_equal(tick.after.average, before.after.average)
    assert broker.submitted == sent
    ledger = run.runtime.progress.book.ledger
    broker.deaf = False
    heard = run.tick(1)[0].ticks[0]
    assert heard.account.readable
    assert run.runtime.progress.book.ledger == ledger
    assert not heard.load.external.any()


def test_the_interval_does_not_change_by_hot_reload(rig: Open, texts: Path) -> None:
    run = rig("out")
    run.tick(5)
    config = texts / "demo.yaml"
    config.write_text(config.read_text().replace("interval: 60s", "interval: 30s"))
    world = texts / "worlds" / "us_core.yaml"
    world.write_text(world.read_text().replace("switch_edge: 0.15", "switch_edge: 0.20"))
    assert run.reload()
    assert run.runtime.settings.interval == 60
    assert run.runtime.worlds[0].frame.interval == 60
    assert run.runtime.worlds[0].frame.program.settings.select.switch_edge == 0.20


class Lossy:
    """A broker to which nothing gets through while `shut`; what does is counted by leg."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.shut, self.sent = inner, False, []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def submit(self, order: Any, now: int) -> Any:
        if self.shut:
            raise BrokerError("no route")
        self.sent.append(order.leg)
        return self.inner.submit(order, now)


def test_r07_an_entry_that_got_stuck_before_a_kill_is_not_sent_when_the_network_is_back(rig: Open) -> None:
    run = rig("out")
    broker = Lossy(run.runtime.edges.broker)
    run.runtime.edges = replace(run.runtime.edges, broker=broker)
    run.tick(10)
    broker.shut = True
    last = run.tick(1)[-1]
    while not any(order.leg == "open" for order in last.netted.orders):
        last = run.tick(1)[-1]
    assert {reply.state for reply in last.replies} == {"UNKNOWN"}
    broker.shut, broker.sent = False, []
    command = Command("1-kill", "kill", last.now, "ada", "a drill")
    assert run.runtime.edges.commands is not None
    run.runtime.edges.commands.give(command)
    for minute in range(1, 9):
        report = run.runtime.tick(last.now + 60 * minute)
        assert report.ticks[0].gate.kill == Reason.KILL_OPERATOR
    assert "open" not in broker.sent
    assert run.runtime.progress.book.orders == ()
    assert run.runtime.edges.commands.take() == ()
    assert run.runtime.edges.journal.find("command", "1-kill") is not None
