"""Where a world's symbols stand among the columns of a feed that serves several worlds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .bars import BarRow, Ints


@dataclass(frozen=True, slots=True)
class Slice:
    """Column indexes of one universe in the feed's; `whole` when they are the same columns in the same order."""

    index: Ints
    whole: bool

    def row(self, row: BarRow) -> BarRow:
        """The row with this universe's columns only."""
        if self.whole:
            return row
        return replace(row, values=row.values[:, self.index], present=row.present[self.index])


def columns_of(universe: tuple[str, ...], feed: tuple[str, ...]) -> Slice:
    """The slice of a universe; KeyError when the feed lacks a symbol."""
    place = {symbol: i for i, symbol in enumerate(feed)}
    return Slice(np.array([place[symbol] for symbol in universe], dtype=np.int64), universe == feed)
