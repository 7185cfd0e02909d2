"""What a reader of a backtest has to know beside its numbers: kills, refused orders, positions that nobody could judge, and
decisions at which nothing was known.

In: ticks and sized legs, as they come. Out: one `Notice` per kind, world and symbol, with the first time and how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..bars import Bools
from ..frame import Frame
from ..reasons import Reason
from ..sizing import Sized, refused
from ..tick import Tick, some
from .result import Notice


@dataclass(slots=True)
class _Count:
    at: int
    count: int


@dataclass(slots=True)
class NoticeTape:
    """Counts by (reason code, world, symbol), in the order they first happened."""

    found: dict[tuple[int, str, str], _Count] = field(default_factory=dict)

    def add(self, code: int, at: int, world: str, symbol: str = "", count: int = 1) -> None:
        """Something happened `count` times at a tick."""
        key = (code, world, symbol)
        if key in self.found:
            self.found[key].count += count
        else:
            self.found[key] = _Count(at, count)

    def look(self, tick: Tick) -> None:
        """Kills that fired, exits that keep failing, and stops that nobody could judge."""
        world = tick.frame.program.settings.world
        if tick.gate.fired and tick.gate.kill:
            self.add(tick.gate.kill, tick.now, world)
        if tick.risk.alert is not tick.frame.nowhere:
            self._by_symbol(tick, Reason.EXIT_FAILING, tick.risk.alert)
        if tick.market.decision:
            self._unknown(tick, world)
        if tick.freshness.reason is not tick.frame.silent:  # with fresh prices nobody is blind, and nothing is paused
            for reason, column in ((Reason.STOP_BLIND, tick.target.reason), (Reason.GAP, tick.freshness.reason)):
                self._by_symbol(tick, reason, column == reason)

    def _unknown(self, tick: Tick, world: str) -> None:
        """Decisions at which nobody could have entered anything, for want of bars or of a series."""
        if not tick.ahead.regime and np.isnan(tick.market.p).all(axis=1).any():
            self.add(Reason.REGIME_MISSING, tick.now, world)
        if not tick.ahead.asked.any():
            self.add(Reason.WARMING, tick.now, world)

    def denied(self, frames: Sequence[Frame], legs: Sized, now: int) -> None:
        """Legs that the engine itself refused or cut."""
        if not some(legs.denial):
            return
        told = refused(legs)
        for number, code in zip(legs.tick[told].tolist(), legs.denial[told].tolist(), strict=True):
            self.add(code, now, frames[number].program.settings.world)

    def _by_symbol(self, tick: Tick, reason: Reason, where: Bools) -> None:
        names = tick.frame.names.symbols
        for column in np.flatnonzero(where).tolist():
            self.add(int(reason), tick.now, tick.frame.program.settings.world, names[column])

    def notices(self) -> tuple[Notice, ...]:
        """All of them."""
        return tuple(
            Notice(Reason(code).code, count.at, count.count, world, symbol, Reason(code).text)
            for (code, world, symbol), count in self.found.items()
        )
