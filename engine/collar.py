"""The price collar: which symbols have a fresh quote that contradicts the bar they were decided on (execution.md, gates).

In: the mark of each symbol and its newest quote. Out: a mask. It stands apart from the orders stage, which refuses entries
and ordinary closing orders there: a decision at 100 is no decision at 110.

A protective exit is sent whatever the quote says: the moments at which a price runs away are those for which the exit
exists, and an exit that waits for a calm price is the failure that it should prevent. It carries a note instead.

A quote is fresh for one tick interval. Without a feed of quotes, or without a fresh quote, nothing is refused.
"""

from __future__ import annotations

import numpy as np

from .bars import Bools, Floats, Ints
from .frame import EPS, Frame
from .tick import Tick


def off_collar(frame: Frame, tick: Tick) -> Bools | None:
    """[S] where a fresh quote is further from the mark than `orders.collar`; None when no symbol has a fresh quote."""
    quote, at, mark = tick.market.quote, tick.market.quoted_at, tick.load.mark
    if quote is None or at is None:
        return None
    new = fresh(quote, at, mark, tick.now, frame.interval)
    if not np.count_nonzero(new):
        return None
    return far_from(np.where(new, quote, mark), mark, frame.program.settings.orders.collar)


def far_from(quote: Floats, mark: Floats, collar: float) -> Bools:
    """[S] quotes that are further from their mark than the collar (a fraction)."""
    far: Bools = np.abs(quote - mark) > collar * mark + EPS
    return far


def fresh(quote: Floats, at: Ints, mark: Floats, now: int, interval: int) -> Bools:
    """[S] quotes that count at `now`; a tick is named after its grid time, so a quote may be some seconds younger."""
    found: Bools = (quote > 0) & (mark > 0) & (np.abs(now - at) <= interval)
    return found
