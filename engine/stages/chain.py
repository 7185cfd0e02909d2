"""4. chain: the first chain whose predicate definitely holds, with hysteresis for the one the symbol is in (R49).

In: truth of `when` and `stay` [K, S]. Out: `Chain`. A chain above pre-empts by its own `when`, without hysteresis.

Where the specification is silent, unknown predicates above the first one that holds mean: nobody can say which chain
is right, so entries are blocked; the current chain stays while it is itself among the unknown ones, otherwise the first
certain one is taken (the current one is definitely false or pre-empted then). Chains change on decision ticks only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bars import Bools
from ..frame import Frame
from ..reasons import Reason
from ..state import Small
from ..tick import Chain, Tick, no_reasons, put

UNKNOWN = 1
HOLDS = 2


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.chain`."""
    current = tick.before.chain
    chain, certain = _choose(frame, tick) if tick.market.decision else (current, tick.regime.known)
    reason = no_reasons(frame)
    put(reason, (chain != current) & (current >= 0), Reason.CHAIN_CHANGED)
    put(reason, ~certain & tick.regime.known, Reason.CHAIN_UNKNOWN)
    # index -1 (before the first decision) reads the exposure of the last chain and enters nothing
    return replace(tick, chain=Chain(chain, frame.exposure[chain], certain & (chain >= 0), reason))


def _choose(frame: Frame, tick: Tick) -> tuple[Small, Bools]:
    """(chain, certain) per symbol."""
    market, known, current = tick.market, tick.regime.known, tick.before.chain
    last = len(frame.exposure) - 1
    ranks = np.arange(last + 1)[:, None]
    truth = np.where(current == ranks, np.maximum(market.when, market.stay), market.when)
    truth[last] = HOLDS
    first = (truth == HOLDS).argmax(axis=0)
    unknown = truth == UNKNOWN
    doubt = unknown.any(axis=0)
    if doubt.any():
        doubt &= unknown.argmax(axis=0) < first
        keep = (current >= 0) & (current < first) & (truth[current, frame.columns] == UNKNOWN)
        first = np.where(keep, current, first)
    if not known.all():
        kept = np.where((current < 0) | tick.regime.neutral, last, current)
        first = np.where(known, first, kept)
        doubt |= ~known
    return first.astype(np.int16), ~doubt
