"""What follows from the market alone: worked out for one row, or ahead of the loop for a block of rows at once.

In: a `Market` or a `Block`. Out: `Ahead` of the row, or of all rows with a leading axis of time. Stages read it instead of
looking at the market again: what is known of every symbol needs no column, and what a backtest knows of a block it need
not ask at each tick. The same functions make both, so a block says of a row what the row says of itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .bars import Bools, Codes, Floats, Sides, Small
from .blocks import Block
from .fit import scores
from .frame import Frame
from .market import Ahead, Market
from .masks import first_row, kept

#: truth of a predicate
_UNKNOWN, _HOLDS = 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class AheadRows:
    """`Ahead` of T rows: the same fields with a leading axis of time; `p_sum` [T, 4]: the sums of the probabilities."""

    score: Floats
    asked: Bools
    target: Floats
    ready: Bools
    sound: Bools
    regime: Bools
    current: Bools
    guarded: Bools
    certain: Bools
    first: Small
    p_sum: Floats

    def row(self, index: int) -> Ahead:
        """One of them, as views."""
        return Ahead(
            self.score[index],
            self.asked[index],
            self.target[index],
            self.ready[index],
            bool(self.sound[index]),
            bool(self.regime[index]),
            bool(self.current[index]),
            bool(self.guarded[index]),
            bool(self.certain[index]),
            self.first[index],
        )


def ahead_of_rows(frame: Frame, block: Block) -> AheadRows:
    """What follows from each row of a block."""
    score = scores(frame, block, block.signal)
    signals = _signals(frame.has_stop, block.signal, block.signal_known, block.size, block.stop)
    p_sum, regime, current, guarded = _flags(block)
    found = AheadRows(score, *signals, regime, current, guarded, *_chains(block.when, block.stay), p_sum)
    for name in ("score", "asked", "target", "ready", "first"):
        getattr(found, name).setflags(write=False)
    return found


def ahead_of(frame: Frame, market: Market) -> Ahead:
    """What follows from one row. Scores and chains are left to who needs them: most ticks bring no new bar."""
    asked, target, ready, sound = frame.recent.of(
        _signals, frame.has_stop, market.signal, market.signal_known, market.size, market.stop
    )
    _, regime, current, guarded = _flags(market)
    return Ahead(
        None,
        asked,
        target,
        ready,
        bool(sound),
        bool(regime),
        bool(current),
        bool(guarded),
        certain=False,
        first=None,
    )


def _signals(
    has_stop: Bools, signal: Sides, signal_known: Bools, size: Floats, stop: Floats
) -> tuple[Bools, Floats, Bools, Any]:
    """(known signals, signal x size, signals that an entry could be made on, whether all of them are), [..., N, S].

    A size that is unknown makes a signal unknown, except for signal 0; an entry with a stop needs to know it."""
    zero = signal == 0
    known = np.isfinite(size)
    known |= zero
    known &= signal_known
    target = np.minimum(size, 1.0)
    np.maximum(target, 0.0, out=target)
    target *= signal
    ready = np.isfinite(stop)
    ready |= zero
    ready |= ~has_stop
    ready &= known
    return known, kept(~zero, target), ready, np.logical_and.reduce(ready, axis=(-2, -1))


def _flags(of: Market | Block) -> tuple[Floats, Any, Any, Any]:
    """(sums of the probabilities [..., 4]; every one of them is known; every symbol has its newest bars and a price; a guard blocks or may block), [...]."""
    p_sum: Floats = np.add.reduce(of.p, axis=-1)
    regime = np.isfinite(np.add.reduce(p_sum, axis=-1))
    late = np.logical_or.reduce(of.behind_15m, axis=-1) | np.logical_or.reduce(of.behind_60m, axis=-1)
    current = ~late & np.isfinite(np.add.reduce(of.mark, axis=-1))
    return p_sum, regime, current, np.logical_or.reduce(of.guards, axis=(-2, -1))


def _chains(when: Codes, stay: Codes) -> tuple[Any, Small]:
    """(no predicate is unknown [...]; the first chain that holds [..., S]); the last one always does."""
    early = when[..., :-1, :]
    unknown = (early == _UNKNOWN) | (stay[..., :-1, :] == _UNKNOWN)
    return ~np.logical_or.reduce(unknown, axis=(-2, -1)), first_row(early != _HOLDS)
