"""Round trips: what became of each position from flat to flat.

In: fills. Out: `Trips`, columns over round trips, by the time they closed; those still open come last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bars import Floats, Ints
from .result import Shorts


@dataclass(frozen=True, slots=True, eq=False)
class Trips:
    """One row per round trip of a (world, symbol), R rows; indexes are those of `OrderRows`.

    opened, closed   times of the first and last fill, closed 0 while open
    side             1 long, -1 short;  qty  largest |quantity| held;  entry, exit  average prices (exit: the mark while open)
    pnl              money after fees, marked to the last mark while open;  fees  money, of both ways;  ret  pnl / (entry x qty)
    strategy, chain  of the order that opened it;  reason  of the order that closed it, -1 while open
    orders           how many orders filled it
    traded           notional of all its fills;  slippage  money lost to the slippage model, already inside pnl
    """

    world: Shorts
    symbol: Ints
    opened: Ints
    closed: Ints
    side: NDArray[np.int8]
    qty: Floats
    entry: Floats
    exit: Floats
    pnl: Floats
    fees: Floats
    ret: Floats
    strategy: Shorts
    chain: Shorts
    reason: Shorts
    orders: Ints
    traded: Floats
    slippage: Floats
