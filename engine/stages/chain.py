"""4. chain: the first chain whose predicate definitely holds, with hysteresis for the one the symbol is in (R49).

In: truth of `when` and `stay` [K, S]. Out: `Chain`. A chain above pre-empts by its own `when`, without hysteresis.

Where the specification is silent, unknown predicates above the first one that holds mean: nobody can say which chain
is right, so entries are blocked; the current chain stays while it is itself among the unknown ones, otherwise the first
certain one is taken (the current one is definitely false or pre-empted then). Chains change on decision ticks only.
"""

from __future__ import annotations

import numpy as np

from ..bars import Bools, Floats, Small
from ..frame import Frame, places
from ..masks import first_row
from ..reasons import Reason
from ..tick import Chain, Tick, no_reasons, put, some

UNKNOWN = 1
HOLDS = 2


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.chain`."""
    current, known = tick.before.chain, tick.regime.known
    chain, certain = _choose(frame, tick) if tick.market.decision else (current, known)
    reason = frame.silent
    if chain is not current or certain is not known:
        reason = no_reasons(frame)
        put(reason, (chain != current) & (current >= 0), Reason.CHAIN_CHANGED)
        put(reason, ~certain & known, Reason.CHAIN_UNKNOWN)
    exposure, chosen = frame.recent.of(given_by, frame, chain)
    blend = frame.program.settings.regime.confidence_blend
    if blend:
        exposure = exposure * followed(blend, tick.market.confidence)
    tick.chain = Chain(chain, exposure, certain if chosen is None else certain & chosen, reason)
    return tick


def followed(blend: float, confidence: Floats) -> Floats:
    """[S] 1 - blend x (1 - confidence): what the confidence of the regime leaves of an exposure. Unknown leaves it alone: a
    regime that is not known blocks entries by itself, and must not sell what is held."""
    sure = np.where(np.isfinite(confidence), confidence, 1.0)
    return 1.0 - blend * (1.0 - np.minimum(np.maximum(sure, 0.0), 1.0))


def given_by(frame: Frame, chain: Small) -> tuple[Floats, Bools | None]:
    """(exposure, which symbols are in a chain at all or None for all of them). Index -1, before the first decision, reads the
    exposure of the last chain and enters nothing."""
    own = frame.overridden
    exposure = frame.exposure.take(chain) if own is None else own.exposure.take(places(frame, chain))
    chosen = chain >= 0
    return exposure, None if np.count_nonzero(chosen) == frame.symbols else chosen


def _choose(frame: Frame, tick: Tick) -> tuple[Small, Bools]:
    """(chain, certain) per symbol."""
    market, known, current = tick.market, tick.regime.known, tick.before.chain
    ahead = tick.ahead.first if tick.ahead.certain and known is frame.everywhere else None
    if ahead is not None and np.array_equal(ahead, current):
        return current, known  # what holds comes first by itself: hysteresis has nothing to keep
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
    # the same array again where nothing changed: what follows from it is known then
    return (current if np.array_equal(first, current) else first), certain
