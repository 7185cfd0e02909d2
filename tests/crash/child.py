"""One life of the real program against the venue: what `qmtl run --config FILE` does, on the venue's clock.

In: a `Life`. Out: the exit code, or no code at all because it was killed. Everything is the program's own (deployment, edges, loop,
signals) but four things: time is asked of the venue and moved there before each tick; the minute in which so many requests may leave
is one of that clock too (after a 429 the rest of the days would else go by unheard); kill points lie around its methods; and the
journal moves its log into its file after some ticks where it takes some hours else, so that lives which are short get there. Only a
life that shows what the judge can see is `broken` on purpose.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .broken import BREAKS
from .points import Points


@dataclass(frozen=True)
class Life:
    """A start of the program: its deployment, the venue's address and keys, first and last day, the file for what it says and that of
    the points' counts; at which passing of which points it dies; after how many ticks it ends (0 = with the days); how many quiet ticks
    before the session of the last day it has instead of the days; what in it is broken (names of `broken.BREAKS`)."""

    config: str
    url: str
    key: str
    secret: str
    state: str
    start: str
    end: str
    log: str
    counts: str
    deaths: dict[str, int] = field(default_factory=dict)
    limit: int = 0
    quiet: int = 0
    broken: tuple[str, ...] = ()


#: said before the program says why it ends, with the kind of the error
ENDED_BY = "ended by "
#: seconds from the first quiet tick to the first decision: a bar after the opening
_EARLY = 2_700
#: pages of a journal's log that are moved in the next pause
_PAGES = 12


def obituary_of(log: str) -> str:
    """The file in which a life writes where it ended."""
    return str(Path(log).with_suffix(".died"))


def live(life: Life) -> int:
    """Run to the end of the days; 0 when it got there."""
    log = os.open(life.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ |= {"APCA_API_KEY_ID": life.key, "APCA_API_SECRET_KEY": life.secret, "QMTL_STATE": life.state}
    from qmtl.engine.journal import sqlite

    points = Points(life.counts, life.deaths, obituary_of(life.log))
    for name in life.broken:
        BREAKS[name]()
    points.install()
    sqlite.IDLE_PAGES = _PAGES
    try:
        code = _run(life, points)
    except SystemExit as ended:
        code = int(ended.code or 0)
    sys.stdout.flush()
    return code


def _run(life: Life, points: Points) -> int:
    from venue.start import Handle  # the nursery puts `tests` on the path

    from qmtl.cli.exits import leave
    from qmtl.cli.live import display
    from qmtl.cli.run import Session
    from qmtl.cli.watch import Watch
    from qmtl.cli.wiring import Asked, effective
    from qmtl.dsl.compile import compile_deployment
    from qmtl.engine.adapters.alpaca import wiring
    from qmtl.engine.errors import QmtlError

    venue = Handle(life.url, life.key, life.secret, "", 0)
    compiled = compile_deployment(life.config, {})
    assert compiled.deployment is not None, compiled.diagnostics
    deployment = effective(compiled.deployment, Path(life.config).parent)
    clock = _Clock(venue, points, life)
    honest = wiring.Budget
    wiring.Budget = lambda *given, **more: honest(*given, **more | {"clock": clock.wall, "sleep": lambda _: None})  # type: ignore[assignment,misc]
    session = Session(deployment, Watch.on(Path(life.config), compiled, {}), display(quiet=True), life.limit or None)
    try:
        session.run(compiled.programs, Asked(wall=clock.wall, times=clock.times))
    except QmtlError as error:
        sys.stderr.write(f"{ENDED_BY}{type(error).__name__}\n")
        leave(error)
    return 0


class _Clock:
    """The venue's clock, as the program sees it."""

    def __init__(self, venue: Any, points: Points, life: Life) -> None:
        self._venue, self._points, self._life = venue, points, life
        self._now = float(venue.clock()["now"])

    def wall(self) -> float:
        return self._now

    def move(self, now: int) -> None:
        self._points.passing("before the clock moves")
        self._venue.move(max(now, self._now))
        self._now = max(now, self._now)
        self._points.passing("after the clock moved")

    def times(self, calendar: Any, stopped: threading.Event) -> Any:
        from qmtl.engine.ticks import ReplayTimes

        life, clock = self._life, self
        decisions = calendar.decision_times(life.start, life.end, 0, interval=60)
        if life.quiet:  # half an hour before the session nothing is decided, only heard and looked up
            before = calendar.decision_times(life.end, life.end, 0, interval=60)[0] - _EARLY
            decisions = [before + 60 * tick for tick in range(life.quiet)]

        class VenueTimes(ReplayTimes):
            """Ticks of a replay, each after the venue's clock got there."""

            def after(self, last: int, sent: bool) -> int | None:
                now = ReplayTimes.after(self, last, sent and not life.quiet)
                if now is not None:
                    clock.move(now)
                return now

        return VenueTimes([int(t) for t in decisions], 60, stopped)
