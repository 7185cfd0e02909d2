"""What changing chains cost: how late a change came, and what was won around it (R50).

In: per decision tick the chain of each symbol, which chains held by themselves, what was held and at which mark; as
references to arrays that are never written again. Out: one `Switch` per world and pair of chains. Detection lag is the
real cost of switching: a table of it says more than a Sharpe ratio about whether a regime is worth having.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ..bars import Bools, Codes, Floats, Ints, Small
from ..frame import Frame
from .result import Switch

#: bars of the P&L before and after: about a session
WINDOW: Final = 26
#: rows that wait before they are turned into numbers
_BLOCK: Final = 256
_HOLDS: Final = 2


@dataclass(slots=True)
class _Sum:
    """Of one pair of chains."""

    count: int = 0
    lag: int = 0
    before: float = 0.0
    after: float = 0.0


@dataclass(slots=True, eq=False)
class SwitchTape:
    """One world. `total` [S] is the price P&L of each symbol since the start, `run` [S] for how many bars in a row the same
    chain was the first to hold."""

    frame: Frame
    sums: dict[tuple[int, int], _Sum] = field(default_factory=lambda: defaultdict(_Sum))
    chain: list[Small] = field(default_factory=list)
    when: list[Codes] = field(default_factory=list)
    qty: list[Floats] = field(default_factory=list)
    mark: list[Floats] = field(default_factory=list)
    _totals: list[Floats] = field(default_factory=list)
    _open: list[tuple[int, Floats, Bools, Small, Small]] = field(default_factory=list)
    _last: tuple[Small, Floats, Floats, Ints, Ints] | None = None
    _row: int = 0

    def note(self, chain: Small, when: Codes, qty: Floats, mark: Floats) -> None:
        """A decision tick: chain [S], truth of `when` [K, S], shares held [S] and marks [S] (0 unknown) before its orders."""
        if len(when) == 1:
            return  # a single chain is never left
        self.chain.append(chain)
        self.when.append(when)
        self.qty.append(qty)
        self.mark.append(mark)
        if len(self.chain) >= _BLOCK:
            self._fold()

    def switches(self) -> tuple[Switch, ...]:
        """Of all ticks so far; what came after the last changes is counted as far as it goes."""
        self._fold()
        for _, then, moved, former, chain in self._open:
            self._after(self._totals[-1] - then, moved, (former, chain))
        self._open.clear()
        names, world = self.frame.names.chains, self.frame.program.settings.world
        return tuple(
            Switch(world, names[a], names[b], s.count, s.lag / s.count, s.before, s.after, WINDOW)
            for (a, b), s in sorted(self.sums.items())
        )

    def _fold(self) -> None:
        if not self.chain:
            return
        firsts = (np.stack(self.when) == _HOLDS).argmax(axis=1)
        for i, (chain, qty, mark) in enumerate(zip(self.chain, self.qty, self.mark, strict=True)):
            self._step(chain, firsts[i], qty, mark)
        for rows in (self.chain, self.when, self.qty, self.mark):
            rows.clear()

    def _step(self, chain: Small, first: Ints, qty: Floats, mark: Floats) -> None:
        if self._last is None:
            self._last = (chain, qty, mark, first, np.zeros(len(chain), dtype=np.int64))
            self._totals.append(np.zeros(len(chain)))
            return
        former, held, then, before, run = self._last
        known = (then > 0) & (mark > 0)
        total = self._totals[-1] + np.where(known, held * (mark - then), 0.0)
        run = np.where(first == before, run + 1, 0)
        self._totals.append(total)
        self._totals = self._totals[-WINDOW - 1 :]
        self._row += 1
        while self._open and self._open[0][0] <= self._row:
            _, then_won, moved, was, now_in = self._open.pop(0)
            self._after(total - then_won, moved, (was, now_in))
        if chain is not former:
            moved = (chain != former) & (former >= 0) & (chain >= 0)
            if np.count_nonzero(moved):
                self._moved(moved, (former, chain), np.where(first == chain, run, 0), total)
        self._last = (chain, qty, mark, first, run)

    def _moved(self, moved: Bools, pair: tuple[Small, Small], lag: Ints, total: Floats) -> None:
        former, chain = pair
        since = total - self._totals[0]
        for column in np.flatnonzero(moved).tolist():
            found = self.sums[int(former[column]), int(chain[column])]
            found.count += 1
            found.lag += int(lag[column])
            found.before += float(since[column])
        self._open.append((self._row + WINDOW, total, moved, former, chain))

    def _after(self, won: Floats, moved: Bools, pair: tuple[Small, Small]) -> None:
        former, chain = pair
        for column in np.flatnonzero(moved).tolist():
            self.sums[int(former[column]), int(chain[column])].after += float(won[column])
