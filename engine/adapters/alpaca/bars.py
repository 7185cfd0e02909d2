"""Closed 15m bars of a live market (`ports.BarFeed`).

In: symbols, the exchange's sessions, the moments asked for. Out: rows of bars on the session grid, each known once and for ever
at one moment. A bar of history is known at its end + delay. A live one that was not there when it was due is asked for again with
every call, and is known at the moment of the call that found it, so that `after < known_at <= until` gives each row to exactly one
tick (R23); where a later bar is there, an earlier one that nobody has does not come any more. A row is complete when it is first
seen: on a feed that covers a part of the trades, "no trade yet" and "no trade" look the same (R24).

What a failed request would have brought is not missing: the call raises `SilentFeedError`, nothing is given out, and the next call asks
for the same again. A feed that stands still gives no rows (R20, R21).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...bars import BarRow, Floats, Ints, OpenRow
from ...errors import DataError, SilentFeedError
from ..sessions import Sessions, bar_ends, session_starts
from .barpages import read_bars
from .feeds import Feed, Source
from .transport import Line

#: seconds that the bars of one tick may take, and those of a warm-up, which are many pages
PATIENCE, PATIENCE_HISTORY = 20.0, 240.0
#: rows that are remembered; older ones are read again when somebody asks
_KEPT = 8000
#: a request over more time than this is a warm-up
_HISTORY = 2 * 86_400

Adjustment = Literal["split", "raw", "all"]


@dataclass(frozen=True, slots=True)
class _Grid:
    """All bars of the calendar: starts and ends, ascending."""

    starts: list[int]
    ends: list[int]


class AlpacaBars:
    """Implements `ports.BarFeed` for a wall clock."""

    def __init__(
        self,
        line: Line,
        symbols: Sequence[str],
        sessions: Sessions,
        *,
        feed: Feed = "iex",
        adjustment: Adjustment = "split",
        delay: int = 30,
        served: int = 0,
        last: int = 0,
    ) -> None:
        """`delay`: seconds from a bar's end to when it can be known. `served`: start of the newest bar that the journal holds, and
        `last`: its last tick, both 0 for a new one; rows after `served` are given to ticks after `last`, never to a warm-up."""
        if not symbols:
            raise DataError("the universe is empty", "name at least one symbol")
        if adjustment not in ("split", "raw", "all"):
            raise DataError(f"there is no adjustment {adjustment!r}", "`split`, `raw` or `all`")
        self._symbols, self._delay, self._adjustment = tuple(symbols), delay, adjustment
        self._source_of = Source(line, feed)
        self._grid = _grid(sessions)
        self._sessions = sessions
        #: start of the newest row that has a moment of its own; everything up to it is history
        self._newest = self._served = served
        #: the last tick that asked, whatever it got
        self._asked = last
        #: where a new journal begins, on the grid: what its first calls could not get is still asked for
        self._first = len(self._grid.starts)
        self._rows: list[BarRow] = []
        #: first start that `_rows` covers; they are those of one session's day
        self._from, self._session = 0, -1

    @property
    def symbols(self) -> tuple[str, ...]:
        """The universe, in column order."""
        return self._symbols

    @property
    def source(self) -> str:
        """The declared identity: `alpaca:`, feed and adjustment."""
        return f"alpaca:{self._source_of.declared}:{self._adjustment}"

    @property
    def label(self) -> str:
        """The feed that is really used."""
        return self._source_of.label

    def take_remarks(self) -> tuple[str, ...]:
        """What a person should hear of, each once."""
        return self._source_of.remarks.take()

    def span(self) -> tuple[int, int]:
        """Start of the first and end of the last bar that was read."""
        return (self._rows[0].start, self._rows[-1].end) if self._rows else (0, 0)

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until. SilentFeedError before the first of them when something could not be read."""
        self._forget(until)
        live = until > self._asked and after >= self._end_of_newest()
        if live:
            self._asked = until
            self._look_ahead(after, until)
        else:
            self._look_back(after)
        low = self._served if live else 0
        return iter([row for row in self._rows if after < row.known_at <= until and row.start > low])

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:  # noqa: ARG002 - the port's
        """Nothing: a real market fills by itself."""
        return iter(())

    def _forget(self, until: int) -> None:
        """History is read anew with each session: a split over night changes all of it."""
        session = int(np.searchsorted(self._sessions.opens, until, side="right"))
        if session != self._session or len(self._rows) > _KEPT:
            self._rows, self._from, self._session = [], 0, session

    def _end_of_newest(self) -> int:
        """Calls that reach back before it, or no further than the last tick, are warm-ups beside a run: what the run has not seen
        yet is not for them."""
        if not self._newest:
            return -1
        at = bisect_right(self._grid.starts, self._newest) - 1
        return self._grid.ends[at] if at >= 0 else -1

    def _look_back(self, after: int) -> None:
        """Read what is missing of history: bars up to the newest that was given out, with their own moments."""
        first = self._index(after - self._delay)
        stop = bisect_right(self._grid.starts, self._newest)
        if self._from:
            stop = min(stop, bisect_left(self._grid.starts, self._from))
        if first < stop:
            found = self._read(first, stop)
            self._rows = [*(self._row(at, block, known_at=0) for at, block in found), *self._rows]
            self._from = self._grid.starts[first]

    def _look_ahead(self, after: int, until: int) -> None:
        """Read bars after the newest one that are due, and give each its moment."""
        self._first = min(self._first, self._index(after - self._delay))
        low = bisect_right(self._grid.starts, self._newest) if self._newest else self._first
        high = bisect_right(self._grid.ends, until - self._delay)
        if low >= high:
            return
        known = self._rows[-1].known_at if self._rows else 0
        new = []
        for at, block in self._read(low, high):
            due = self._grid.ends[at] + self._delay
            known = max(known, due if due > after else until)
            new.append(self._row(at, block, known_at=known))
        if new:
            if not self._from:
                self._from = self._grid.starts[low]
            self._rows.extend(new)
            self._newest = new[-1].start

    def _index(self, moment: int) -> int:
        """The first bar of the grid that ends after a moment."""
        return bisect_right(self._grid.ends, moment)

    def _read(self, first: int, stop: int) -> list[tuple[int, Floats]]:
        """Bars `first` to `stop` of the grid that at least one symbol has: place on the grid and values [5, S]."""
        starts = self._grid.starts
        long = starts[stop - 1] - starts[first] > _HISTORY
        until = self._source_of.clock() + (PATIENCE_HISTORY if long else PATIENCE)
        # up to the last second of the last bar, not to its start: a subscription for delayed data would be given a bar of which
        # it may see a part only, and says so when asked for all of it
        span = starts[first], self._grid.ends[stop - 1] - 1
        blocks = read_bars(self._source_of, self._symbols, span, self._adjustment, until=until)
        found = []
        for start in sorted(blocks):
            at = bisect_left(starts, start)
            if at < len(starts) and starts[at] == start:
                found.append((at, blocks[start]))
            elif self._inside(start):
                raise SilentFeedError(f"a bar that starts at {start} is off the 15m grid of its session")
        return found

    def _inside(self, start: int) -> bool:
        at = bisect_right(self._grid.starts, start) - 1
        return at >= 0 and start < self._grid.ends[at]

    def _row(self, at: int, values: Floats, *, known_at: int) -> BarRow:
        start, end = self._grid.starts[at], self._grid.ends[at]
        present = ~np.isnan(values[3])
        for array in (values, present):
            array.flags.writeable = False
        return BarRow(start, end, known_at or end + self._delay, values, present)


def _grid(sessions: Sessions) -> _Grid:
    starts: Ints = np.concatenate([session_starts(sessions, number) for number in range(len(sessions.opens))])
    return _Grid(starts.tolist(), bar_ends(sessions, starts).tolist())
