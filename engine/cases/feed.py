"""The bars of a case as a feed, for the paper account that fills the orders between steps.

In: all rows of a case, those of later steps too. Out: `ports.BarFeed`. A bar that the case does not know opens at the
last close, so that an order of the last but one step can fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ..bars import BarRow, Floats, OpenRow
from ..calendar import SessionCalendar


class CaseFeed:
    """Implements `ports.BarFeed`."""

    def __init__(self, symbols: tuple[str, ...], rows: Sequence[BarRow], calendar: SessionCalendar) -> None:
        self._symbols, self._rows, self._calendar = symbols, tuple(rows), calendar
        self._by_start = {row.start: row for row in self._rows}

    @property
    def symbols(self) -> tuple[str, ...]:
        """The universe of the world."""
        return self._symbols

    @property
    def source(self) -> str:
        """As recorded on ticks."""
        return "case"

    def span(self) -> tuple[int, int]:
        """From the first to the last bar."""
        return (self._rows[0].start, self._rows[-1].end) if self._rows else (0, 0)

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until."""
        return (row for row in self._rows if after < row.known_at <= until)

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        """Opens of the bars of the grid with after < start <= until."""
        starts = self._calendar.grid("15m").starts
        first, stop = np.searchsorted(starts, (after, until), side="right")
        for start in starts[int(first) : int(stop)].tolist():
            row = self._by_start.get(start)
            yield OpenRow(start, self._closes(start) if row is None else row.values[0])

    def _closes(self, before: int) -> Floats:
        closes = np.full(len(self._symbols), np.nan)
        for row in self._rows:
            if row.end <= before:
                np.copyto(closes, row.values[3], where=row.present)
        return closes
