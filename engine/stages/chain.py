"""4. chain: the first chain whose predicate definitely holds, with hysteresis for the one the symbol is in (R49).

In: truth of `when` and `stay` [K, S]. Out: `Chain`. A chain above pre-empts by its own `when`, without hysteresis.

Where the specification is silent, unknown predicates above the first one that holds mean: nobody can say which chain
is right, so entries are blocked; the current chain stays while it is itself among the unknown ones, otherwise the first
certain one is taken (the current one is definitely false or pre-empted then). Chains change on decision ticks only.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools
from ..frame import Frame, places
from ..reasons import Reason
from ..state import Small
from ..tick import Chain, Tick, changed, first_row, no_reasons, put, some

UNKNOWN = 1
HOLDS = 2


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.chain`."""
    current = tick.before.chain
    chain, certain = _choose(frame, tick) if tick.market.decision else (current, tick.regime.known)
    reason = no_reasons(frame)
    if chain is not current:
        put(reason, (chain != current) & (current >= 0), Reason.CHAIN_CHANGED)
    if certain is not tick.regime.known:
        put(reason, ~certain & tick.regime.known, Reason.CHAIN_UNKNOWN)
    # index -1 (before the first decision) reads the exposure of the last chain and enters nothing
    own = frame.overridden
    exposure = frame.exposure.take(chain) if own is None else own.exposure.take(places(frame, chain))
    return changed(tick, chain=Chain(chain, exposure, certain & (chain >= 0), reason))


def _choose(frame: Frame, tick: Tick) -> tuple[Small, Bools]:
    """(chain, certain) per symbol."""
    market, known, current = tick.market, tick.regime.known, tick.before.chain
    last = len(frame.exposure) - 1
    truth = np.maximum(market.when, market.stay * (current == frame.ranks))  # `stay` counts for the current chain only
    truth[last] = HOLDS
    first = first_row(truth[:last] != HOLDS)
    certain = known
    unknown = truth == UNKNOWN
    if some(unknown):
        certain = known & (first_row(~unknown) >= first)
        keep = (current >= 0) & (current < first) & (truth[current, frame.columns] == UNKNOWN)
        first = np.where(keep, current, first)
    if np.count_nonzero(known) < frame.symbols:
        kept = np.where((current < 0) | tick.regime.neutral, np.int16(last), current)
        first = np.where(known, first, kept)
    return first, certain
