"""What a person has to hear about prices: pauses and splits, overdue bars, stops that nobody can judge.

In: a finished tick of one world. Out: sentences, of what is new in this tick; with `again`, of what lasts as well. Like all
alerts they follow from the tick and the state before it alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .bars import Bools
from .reasons import Reason
from .tick import Tick

#: names that one sentence lists
FEW = 5


def price_alerts(tick: Tick, *, again: bool) -> tuple[str, ...]:
    """Sentences about the prices of this world."""
    return (*_splits(tick), *_pauses(tick, again), *_overdue(tick, again), *_blind(tick, again))


def _splits(tick: Tick) -> Iterator[str]:
    split = tick.account.split
    if split is not None:
        for column in np.flatnonzero(split != 1.0).tolist():
            name, bars = _name(tick, column), int(tick.load.settling[column])
            yield (
                f"sees a split of {name}, {split[column]:g} for 1: levels are rescaled, and it is held under its stops for "
                f"{bars} bars, until no formula sees prices of before; `qmtl resume --symbol {name}` ends that"
            )


def _pauses(tick: Tick, again: bool) -> Iterator[str]:
    gap_at, before = tick.load.gap_at, tick.before.gap_at
    told = (gap_at != 0) & (again | (before == 0))
    for column in np.flatnonzero(told).tolist():
        name, former, newest = _name(tick, column), tick.load.believed[column], tick.market.mark[column]
        way = f"`qmtl resume --symbol {name}` when the price is right"
        yield f"has paused {name}: its price went from {former:g} to {newest:g} and no split explains it; {way}"
    for column in np.flatnonzero((gap_at == 0) & (before != 0)).tolist():
        yield f"trades {_name(tick, column)} again: its price is explained"


def _overdue(tick: Tick, again: bool) -> Iterator[str]:
    """A feed that says nothing while the process looks healthy (R21); one symbol alone is no alert."""
    stale_at = tick.freshness.stale_at
    silent = stale_at != 0
    if tick.freshness.outside or not silent.size or not silent.all():
        return
    if again or int(stale_at.max()) == tick.now:
        yield "has no new bar of any symbol: the feed is silent, entries wait"


def _blind(tick: Tick, again: bool) -> Iterator[str]:
    blind = tick.target.reason == Reason.STOP_BLIND
    new: Bools = blind & (again | (tick.freshness.stale_at == tick.now))
    names = [_name(tick, column) for column in np.flatnonzero(new).tolist()]
    if names:
        more = f" and {len(names) - FEW} more" if len(names) > FEW else ""
        yield f"cannot judge the stops of {', '.join(names[:FEW])}{more}: neither a fresh bar nor a young mark of the broker"


def _name(tick: Tick, column: int) -> str:
    return tick.frame.names.symbols[column]
