"""Years by number: the same seed and number are the same year, so that a long run can be cut into pieces.

In: a seed, numbers. Out: P&L of strategies on many markets side by side, on one market of their own, of a whole world.

Side by side, one observer steps 200 markets of eight symbols, which is what makes thousands of years affordable. A strategy
that reads its own symbol only cannot tell that from a market of its own. Breadth and VIX are then those of all markets
together; that leaves P&L of different markets uncorrelated, but what VIX or breadth leak about one market could not be seen.
So what reads them is judged on markets of its own as well, each with its own observer, VIX and breadth.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from qmtl.dsl.program import Program

from .earnings import Earned, Way, earned
from .martingale import WARM, YEAR, Shape, Simulation, calendar
from .programs import program
from .wholeworld import WorldYear, world_year

#: of the tests: the date of the harness, not searched for; the long run takes others
SEED = 20_261_121
#: markets side by side and symbols in each; symbols of a market of its own
SIDE_BY_SIDE, SYMBOLS, ALONE = 200, 8, 64
_SIDE, _OWN, _WORLD = 0, 1, 2


def side_by_side(
    seed: int,
    number: int,
    strategies: tuple[str, ...],
    ways: tuple[Way, ...] = (Way.HONEST,),
    *,
    markets: int = SIDE_BY_SIDE,
    momentum: float = 0.0,
) -> dict[Way, Earned]:
    """One year on each of many markets, by way of knowing and filling."""
    shape = Shape(markets, SYMBOLS, momentum=momentum)
    simulation = Simulation(shape, (seed, _SIDE, number), calendar())
    return earned(_program(markets * SYMBOLS, strategies), simulation, calendar(), ways)


def own_markets(seed: int, numbers: range, strategies: tuple[str, ...], *, same_day_vix: bool = False) -> Earned:
    """One year on each of some markets, every market with an observer, a VIX and a breadth of its own."""
    parts = []
    for number in numbers:
        simulation = Simulation(Shape(1, ALONE), (seed, _OWN, number), calendar())
        found = earned(_program(ALONE, strategies), simulation, calendar(), same_day_vix=same_day_vix)
        parts.append(found[Way.HONEST])
    return Earned(
        parts[0].strategies,
        np.concatenate([part.pnl for part in parts], axis=2),
        np.mean([part.held for part in parts], axis=0),
    )


def whole_world(world: Program, seed: int, number: int, *, sessions: int = YEAR, early: bool = False) -> WorldYear:
    """One world on a market of its own, for a year or fewer sessions; `early` plants a leak, see `RecordedBars`."""
    shape = Shape(1, len(world.settings.universe), sessions=WARM + sessions + 1)
    return world_year(world, Simulation(shape, (seed, _WORLD, number), calendar()), calendar(), early=early)


@lru_cache(maxsize=8)
def _program(count: int, strategies: tuple[str, ...]) -> Program:
    return program(count, strategies)
