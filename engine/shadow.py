"""A regime that is only recorded beside the one that decides: where both differ, where it is silent, and how often (R51).

In: the probabilities of both. Out: a `Beside` per symbol, the counts of a tick, and the rates since both are what they are. Nothing
here decides: chains, strategies and scores read the other regime.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

import numpy as np

from qmtl.dsl.program import Program

from .bars import Codes, Floats
from .state import DecideState

#: a larger share of fallbacks is told: then the shadow could not be trusted to decide
MOST_FALLBACKS: Final = 0.05
#: rows of probabilities that say which trend it is
_TRENDS: Final = 3


class Beside(IntEnum):
    """What the shadow says of a symbol; numbers are frozen, the journal stores them."""

    #: the regime itself has no output, so there is nothing to compare
    NOTHING = 0
    #: the same trend is the largest of the three
    AGREES = 1
    DIFFERS = 2
    #: the shadow has no output where the regime has one: it would have fallen back
    MISSING = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """Symbols compared (both had an output), those of them that differ, and those where only the regime had an output."""

    compared: int = 0
    differing: int = 0
    fallbacks: int = 0

    @property
    def differing_rate(self) -> float:
        """Share of the compared ones, NaN when there are none."""
        return self.differing / self.compared if self.compared else float("nan")

    @property
    def fallback_rate(self) -> float:
        """Share of all that the regime had an output for, NaN when there are none."""
        asked = self.compared + self.fallbacks
        return self.fallbacks / asked if asked else float("nan")

    @property
    def unreliable(self) -> bool:
        """Whether the shadow falls back more often than it may (R51)."""
        return self.fallback_rate > MOST_FALLBACKS


def beside(p: Floats, shadow: Floats | None) -> Codes:
    """[S] `Beside` from the regime's [4, S] and the shadow's [5, S] probabilities; empty when there is no shadow."""
    if shadow is None:
        return np.empty(0, dtype=np.uint8)
    codes = np.full(p.shape[1], Beside.DIFFERS, dtype=np.uint8)
    codes[p[:_TRENDS].argmax(axis=0) == shadow[:_TRENDS].argmax(axis=0)] = Beside.AGREES
    codes[~np.isfinite(shadow[: len(p)].sum(axis=0))] = Beside.MISSING
    codes[~np.isfinite(p.sum(axis=0))] = Beside.NOTHING
    return codes


def counted(codes: Codes) -> Counts:
    """The counts of a tick."""
    if not len(codes):
        return Counts()
    number = np.bincount(codes, minlength=len(Beside)).tolist()
    differing = number[Beside.DIFFERS]
    return Counts(number[Beside.AGREES] + differing, differing, number[Beside.MISSING])


def so_far(state: DecideState) -> Counts:
    """The counts since both regimes are what they are."""
    return Counts(int(state.shadow_compared), int(state.shadow_differing), int(state.shadow_fallbacks))


def recounted(state: DecideState, old: Program, new: Program) -> DecideState:
    """The state for an edited program: what was counted belongs to the two regimes that were compared."""
    if _computed(old) == _computed(new):
        return state
    zero = np.zeros((), dtype=np.int64)
    return replace(state, shadow_compared=zero, shadow_differing=zero, shadow_fallbacks=zero)


def _computed(program: Program) -> tuple[str, ...]:
    """What both regimes compute, by the content of their nodes; the shadow's behind the other's."""
    plan = program.regime
    outputs = (plan.p_trend_up, plan.p_trend_down, plan.p_chop, plan.p_high_vol, *plan.shadow)
    return tuple(program.nodes[index].id for index in outputs)
