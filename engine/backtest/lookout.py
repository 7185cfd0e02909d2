"""What the worlds see at each tick, observed block by block ahead of the loop.

In: feeds, observers, the decision times. Out: per tick the rows that became known and each world's `Market`, as a live run
would have them at that tick. Looking ahead of the loop is safe because observing reads bars alone, and every row of a
block holds what was known at its own time; the tests hold blocks and single rows equal, to the bit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

import numpy as np

from ..ahead import AheadRows, ahead_of_rows
from ..bars import FIELDS, BarRow, Floats, MacroRow, OpenRow, traded
from ..blockobserver import BlockObserver, rows_of_block
from ..blocks import BarRows, Block, stacked
from ..calendar import SessionCalendar
from ..columns import Slice
from ..frame import Frame
from ..market import Counts, Market
from ..observe import Observer
from ..ports import BarFeed, MacroFeed

#: decision ticks whose opens are asked for together
_AHEAD: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One row that became known: when, and when the next one should; closes [feed symbols] with NaN where there is no bar,
    whether everybody has one, and where each world finds it: block, what follows from it, row."""

    known_at: int
    due: int
    closes: Floats
    everybody: bool
    places: tuple[tuple[Block, AheadRows, int], ...]


def _seen(row: BarRow, due: int, places: tuple[tuple[Block, AheadRows, int], ...]) -> Seen:
    everybody = np.count_nonzero(row.present) == len(row.present)
    closes = row.values[3] if everybody else np.where(row.present, row.values[3], np.nan)
    return Seen(row.known_at, due, closes, everybody, places)


def warmed(
    observer: Observer, rows: Iterable[BarRow], macros: Sequence[MacroRow], *, features: bool = False
) -> BlockObserver:
    """An observer of blocks that has been fed the history before the first tick; `features`: somebody reads the named ones."""
    blocks, waiting, rows = BlockObserver(observer, features=features), deque(macros), iter(rows)
    most = rows_of_block(observer.memory.graph.width)
    while part := list(islice(rows, most)):
        known = []
        while waiting and waiting[0].known_at <= part[-1].known_at:
            known.append(waiting.popleft())
        for _ in blocks.feed(_traded(part), known):
            pass
    for macro in waiting:
        observer.feed_macro(macro)
    return blocks


def _traded(rows: Sequence[BarRow]) -> BarRows:
    """Rows one below the other, without bars in which nobody traded."""
    block = stacked(rows)
    volume = block.values[:, FIELDS.index("volume")]
    return block if np.count_nonzero(volume) == volume.size else stacked([traded(row) for row in rows])


class Opens:
    """Opening prices of a feed, asked for many bars at once: a floor is shown those that have started, and no others."""

    def __init__(self, feed: BarFeed, decisions: Sequence[int]) -> None:
        self._feed, self._decisions = feed, decisions
        self._rows: list[OpenRow] = []
        self._starts: list[int] = []
        self._after, self._until = 0, 0

    def between(self, after: int, now: int) -> list[OpenRow]:
        """Of bars with after < start <= now, by start; `now` rises."""
        if now > self._until or after < self._after:
            then = min(bisect_right(self._decisions, now) + _AHEAD, len(self._decisions)) - 1
            self._after, self._until = after, max(now, self._decisions[then])
            self._rows = list(self._feed.opens(self._after, self._until))
            self._starts = [row.start for row in self._rows]
        return self._rows[bisect_right(self._starts, after) : bisect_right(self._starts, now)]


class Lookout:
    """Use: `advance(now)` for rising grid times, then `market(world, now, ...)`."""

    def __init__(
        self,
        feeds: tuple[BarFeed, MacroFeed],
        calendar: SessionCalendar,
        worlds: Sequence[tuple[BlockObserver, Slice, Frame]],
        decisions: Sequence[int],
        last: int,
    ) -> None:
        """`worlds`: observer, columns and frame of each; `last`: they have seen everything that was known by then."""
        self._feed, self._macro = feeds
        self._calendar, self._decisions = calendar, decisions
        observers = [blocks.observer for blocks, _, _ in worlds]
        self._delay = observers[0].delay
        self._blocks = [(blocks, columns) for blocks, columns, _ in worlds]
        self._size = min(rows_of_block(observer.memory.graph.width) for observer in observers)
        self._waiting: deque[Seen] = deque()
        self._first, self._until, self._next = last, last, 0
        self._newest: Seen | None = None
        self._frames = [frame for _, _, frame in worlds]
        before = [observer.market(last, decision=False) for observer in observers]
        self._made: list[tuple[Seen | None, Market]] = [(None, market) for market in before]
        self._due = last

    def advance(self, now: int) -> list[Seen]:
        """Rows that became known since the last call and by `now`."""
        while self._until < now:
            self._look_ahead(now)
        waiting, found = self._waiting, []
        while waiting and waiting[0].known_at <= now:
            found.append(waiting.popleft())
        if found:
            self._newest = found[-1]
            self._due = self._newest.due
        return found

    def _next_due(self, known_at: Sequence[int]) -> list[int]:
        """When the next bar of any rate should be known, after each of `known_at`: nobody is further behind before."""
        then = np.array(known_at, dtype=np.int64)
        due = np.full(len(then), np.iinfo(np.int64).max)
        for rate in ("15m", "60m"):
            ends = self._calendar.bar_ends(rate)
            later = ends.searchsorted(then - self._delay, side="right")
            known = later < len(ends)
            due[known] = np.minimum(due[known], ends[later[known]] + self._delay)
        found: list[int] = np.where(due < np.iinfo(np.int64).max, due, then).tolist()
        return found

    def fresh(self, now: int) -> Seen | None:
        """The newest row, None where there is none or a later one should be known."""
        return self._newest if now < self._due else None

    def market(self, world: int, now: int, *, decision: bool) -> Market:
        """What the world sees at `now`, after `advance(now)`."""
        seen, made = self._newest, self._made[world]
        if made[0] is not seen:
            assert seen is not None
            block, ahead, index = seen.places[world]
            made = self._made[world] = (seen, block.market(index, self._calendar, ahead=ahead.row(index)))
        market, known_at = made[1], self._first if seen is None else seen.known_at
        if now == known_at and decision and market.decision:
            return market
        market = market.at(self._calendar.times(now), self._calendar.regular_hours(now), decision=decision)
        return market if now < self._due else self._overdue(market, known_at, now)

    def _overdue(self, market: Market, known_at: int, now: int) -> Market:
        """With the bars that should have become known since, and did not."""

        def counted(rate: str, counts: Counts) -> Counts:
            due = self._calendar.due(now, rate, self._delay) - self._calendar.due(known_at, rate, self._delay)
            return np.where(counts >= 0, counts + np.int32(due), counts) if due else counts

        fine, coarse = counted("15m", market.behind_15m), counted("60m", market.behind_60m)
        if fine is market.behind_15m and coarse is market.behind_60m:
            return market
        ahead = market.ahead and replace(market.ahead, current=False)
        return replace(market, behind_15m=fine, behind_60m=coarse, ahead=ahead)

    def _look_ahead(self, now: int) -> None:
        """Observe the next rows, as many as make a block."""
        self._next = max(self._next, int(np.searchsorted(self._decisions, self._until, side="right")))
        last = min(self._next + self._size, len(self._decisions)) - 1
        until = max(now, self._decisions[last]) if last >= 0 else now
        rows = list(self._feed.rows(self._until, until))
        macros = list(self._macro.rows(self._until, until))
        self._until, self._next = until, last + 1
        parts = [self._observed(number, rows, macros) for number in range(len(self._blocks))]
        if rows:
            places = zip(*parts, strict=True)
            due = self._next_due([row.known_at for row in rows])
            self._waiting.extend(_seen(*of) for of in zip(rows, due, places, strict=True))

    def _observed(self, number: int, rows: list[BarRow], macros: list[MacroRow]) -> list[tuple[Block, AheadRows, int]]:
        """Where one world finds each row."""
        observer, columns = self._blocks[number]
        if not rows:
            for macro in macros:
                observer.observer.feed_macro(macro)
            return []
        own = _traded([columns.row(row) for row in rows])
        found = []
        for block in observer.feed(own, macros):
            ahead = ahead_of_rows(self._frames[number], block)
            found += [(block, ahead, i) for i in range(len(block))]
        return found
