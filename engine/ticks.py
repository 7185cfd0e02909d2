"""When to tick: one definition of tick times for wall-clock runs and for replays.

In: decision times from the exchange's calendar, the tick interval, and whether orders were sent. Out: grid times (epoch
seconds). A tick is named by its grid time floor(t / interval), which also enters the order ids.

A replay steps the decision ticks and, one interval after a tick that sent orders, a follow-up tick that sees their
fills; a wall clock passes every grid point. Follow-ups outside of decision times compute no new entry in either.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


def grid(moment: float, interval: int) -> int:
    """The grid time at or before a moment; both in epoch seconds."""
    return int(moment // interval) * interval


class TickTimes(Protocol):
    """Yields grid times, strictly rising."""

    def after(self, last: int, sent: bool) -> int | None:
        """The next grid time after `last`, or None at the end (or when stopped); `sent` says that the tick at `last`
        left orders at the broker."""
        ...

    @property
    def total(self) -> int:
        """How many decision ticks there will be, 0 when endless; for a progress bar."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayTimes:
    """As fast as possible over known decision times (ascending)."""

    decisions: Sequence[int]
    interval: int
    stopped: threading.Event

    def after(self, last: int, sent: bool) -> int | None:
        """See `TickTimes`; the follow-up is left out where a decision tick stands at the same time or earlier."""
        if self.stopped.is_set():
            return None
        index = bisect_right(self.decisions, last)
        decision = self.decisions[index] if index < len(self.decisions) else None
        follow_up = grid(last, self.interval) + self.interval
        if decision is None:  # the last decision has one follow-up; nothing after it can fill
            return follow_up if sent and self.decisions and last == self.decisions[-1] else None
        return follow_up if sent and follow_up < decision else decision

    @property
    def total(self) -> int:
        """All decision ticks of the range."""
        return len(self.decisions)


@dataclass(frozen=True, slots=True)
class WallTimes:
    """Every `interval` seconds of real time. Missed grid points coalesce into the newest; every path sleeps."""

    interval: int
    stopped: threading.Event
    clock: Callable[[], float] = time.time

    def after(self, last: int, sent: bool) -> int | None:  # noqa: ARG002 - a wall clock ticks anyway
        """Sleeps until the first grid time after `last` that is not in the future, or until stopped."""
        while not self.stopped.is_set():
            now = self.clock()
            newest = grid(now, self.interval)
            if newest > last:
                return newest
            # a step of at most one second keeps a changed host clock from oversleeping
            self.stopped.wait(min(1.0, max(0.01, last + self.interval - now)))
        return None

    @property
    def total(self) -> int:
        """Endless."""
        return 0
