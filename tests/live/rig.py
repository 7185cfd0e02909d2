"""The program against the venue in this process, one tick after another: what `qmtl run` does, on the venue's clock.

In: a deployment, a venue. Out: reports of ticks, what a person was told, the journal. Edges, permits, loop, alerts and logs are
the program's own; only the times of ticks are the test's, and signals of the system are left alone. A `crash` lets go of
everything and stores nothing; another rig on the same deployment is the restart.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from qmtl.cli.live import Display
from qmtl.cli.permits import permit_of, settings_of
from qmtl.cli.reload import setting_of
from qmtl.cli.run import Session
from qmtl.cli.watch import Watch
from qmtl.cli.wiring import Asked, effective, open_all
from qmtl.dsl.compile import compile_deployment
from qmtl.engine import wire
from qmtl.engine.orders import PREFIX, Order
from qmtl.engine.ports import BrokerEvent, Reply
from qmtl.engine.projections import Projections
from qmtl.engine.runtime import Runtime, TickReport
from qmtl.engine.start import begin, note
from qmtl.engine.tick import Tick
from qmtl.engine.ticks import grid

from ..venue.start import Handle
from .market import moment


class Told(Display):
    """Keeps what was said and shown."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.reports: list[TickReport] = []

    def start(self) -> None:
        """Nothing to do."""

    def show(self, report: TickReport, done: int, total: int) -> None:
        self.reports.append(report)

    def say(self, text: str) -> None:
        self.said.append(text)

    def stop(self) -> None:
        """Nothing to do."""


class Times:
    """Ticks at the test's moments, each after the venue's clock got there."""

    total = 0

    def __init__(self, rig: Rig, moments: Sequence[int]) -> None:
        self._rig, self._left = rig, list(moments)

    def after(self, last: int, sent: bool) -> int | None:
        """The next moment; None when the test has no more."""
        if not self._left or self._rig.session.stopped.is_set():
            return None
        now = self._left.pop(0)
        self._rig.move(now)
        return now


class Rig:
    """One start of the program. Use: `tick("10:15")`, `tick()` (an interval later), `crash()` or `stop()`."""

    def __init__(self, config: Path, venue: Handle, acknowledged: str = "", ahead: float = 0.0) -> None:
        """`ahead`: seconds that our clock is before the venue's."""
        self.venue, self.config, self.open, self.ahead = venue, config, True, ahead
        self.now = float(venue.clock()["now"])
        compiled = compile_deployment(config, {})
        assert compiled.deployment is not None, [d.message for d in compiled.diagnostics]
        deployment = effective(compiled.deployment, config.parent)
        self.told = Told()
        self.session = Session(deployment, Watch.on(config, compiled, {}), self.told, None)
        self.deployment, self.out = deployment, Path(deployment.out)
        self.opened = open_all(deployment, compiled.programs, Asked(acknowledged, wall=self.wall))
        try:
            setting = setting_of(deployment, self.opened)
            worlds, progress = begin(setting, compiled.programs, grid(self.wall(), deployment.clock.interval))
            permit = permit_of(self.opened, deployment, self.session.stopped)
            self.runtime = Runtime(self.opened.edges, worlds, settings_of(deployment), progress, permit)
            note(self.runtime, setting)
            self.runtime.complete(int(self.wall()))
        except BaseException:
            self.opened.close()
            raise

    def wall(self) -> float:
        """Our clock."""
        return self.now + self.ahead

    def move(self, now: int) -> None:
        """The venue's clock, and ours with it."""
        self.venue.move(max(now, self.now))
        self.now = max(now, self.now)

    def tick(self, when: str | int = 1, times: int = 1) -> TickReport:
        """Tick at a moment of the day, or so many intervals after the last tick; `times` ticks on from there."""
        interval = self.deployment.clock.interval
        first = moment(when) if isinstance(when, str) else self.runtime.progress.last + when * interval
        moments = [first + i * interval for i in range(times)]
        projections = Projections(self.out, durable=False)
        try:
            self.session._loop(self.runtime, Times(self, moments), projections, self.opened)
        finally:
            projections.close()
        return self.told.reports[-1]

    def set(self, **settings: Any) -> None:
        """Change how the runtime ticks."""
        self.runtime.settings = replace(self.runtime.settings, **settings)

    @property
    def last(self) -> TickReport:
        """The last tick's report."""
        return self.told.reports[-1]

    @property
    def world(self) -> Tick:
        """The one world's tick."""
        return self.last.ticks[0]

    def why(self, symbol: str) -> int:
        """The reason code of the orders stage for a symbol."""
        return int(self.world.orders.reason[self.world.frame.index[symbol]])

    def intents(self) -> dict[str, Order]:
        """Every journaled intent by its id."""
        entries = self.opened.journal.read("intent")
        return {stored.entry.key: wire.loads(Order, stored.entry.payload) for stored in entries}

    def replies(self) -> list[Reply]:
        """Every journaled answer."""
        return [r for s in self.opened.journal.read("reply") for r in wire.loads_all(Reply, s.entry.payload)]

    def events(self) -> list[BrokerEvent]:
        """Every journaled event."""
        return [e for s in self.opened.journal.read("event") for e in wire.loads_all(BrokerEvent, s.entry.payload)]

    def ledger(self) -> dict[str, Decimal]:
        """What is ours by our own fills."""
        return dict(self.runtime.progress.book.ledger)

    def stop(self) -> None:
        """A clean end."""
        self.session.stopped.set()
        self.runtime.stop()
        self.crash()

    def crash(self) -> None:
        """An end without last words."""
        if self.open:
            self.open = False
            self.opened.close()


def orders(venue: Handle, symbol: str = "", ours: bool = True) -> list[dict[str, Any]]:
    """Orders at the venue, oldest first."""
    return [
        o
        for o in venue.book()["orders"]
        if o["client_order_id"].startswith(PREFIX) == ours and symbol in ("", o["symbol"])
    ]


def held(venue: Handle) -> dict[str, Decimal]:
    """Positions at the venue."""
    return {symbol: Decimal(p["qty"]) for symbol, p in venue.book()["positions"].items()}


def calls(venue: Handle, method: str = "") -> dict[str, int]:
    """Calls that the venue had, by endpoint."""
    return {name: n for name, n in venue.calls().items() if name.startswith(method)}


def running(rig: Rig, *moments: str) -> threading.Thread:
    """Ticks in another thread, for what happens meanwhile."""
    thread = threading.Thread(target=lambda: [rig.tick(m) for m in moments], daemon=True)
    thread.start()
    return thread


def stepping(rig: Rig, count: int) -> Iterator[TickReport]:
    """So many ticks, one at a time."""
    for _ in range(count):
        yield rig.tick()
