"""Which price of a symbol is believed: the last closed bar, in shares of today, unless it jumped and nobody knows why.

In: the price that was believed last, the feed's newest one, the splits that the account shows. Out: `Prices`. Pure, and
apart from the stages because the runtime values positions by the same prices.

A split and its first bar are not seen at the same tick. When the account shows it first, the feed's price is still of the
old shares: it is divided by the ratio until a bar comes that is nearer to the new price than to the old one. When the
bar comes first it is a gap (R28), and the split explains it later.

A gap is a price further than `max_gap` from the one believed before, up or down. It pauses the symbol; the former price
stays believed, so that a bad tick sizes nothing. The pause ends when the price is back within the bound, which a split
that explains it brings about as well, or when a person says that the price is right (`lifted`).

After a split formulas go on from prices of both kinds of shares: a 10:1 split looks like a fall of 90 % for as long as a
window reaches over it, and what they say would turn a position around. So the symbol settles: it is held under its rescaled
stops, nothing is opened or resized by a formula, until as many bars have closed as the program needs to be warm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qmtl.dsl.model import RATE_SECONDS

from .bars import Bools, Floats, Ints
from .market import Market
from .state import Counters, DecideState

#: remembered prices of a position, which a split divides
_PRICES = (
    "mark",
    "average",
    "stop_distance",
    "take_distance",
    "stop_level",
    "take_level",
    "entry_stop",
    "entry_take",
    "entry_stop_level",
    "entry_take_level",
)


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """`mark` [S] counts now, NaN = never seen; `believed`, `scale` and `gap_at` are what is remembered of it."""

    mark: Floats
    believed: Floats
    scale: Floats
    gap_at: Ints


def judged(before: DecideState, newest: Floats, now: int, max_gap: float) -> Prices:
    """The prices of a tick. `before` must be `rescaled` already; `newest` is the feed's row of last closes."""
    scale, mark = before.mark_scale, newest
    waiting = scale != 1.0
    if np.count_nonzero(waiting):
        mark, scale = _in_todays_shares(before, newest, waiting)
    gap = beyond(mark, before.mark, max_gap)
    if not np.count_nonzero(gap):
        none = before.gap_at if not np.count_nonzero(before.gap_at) else np.zeros_like(before.gap_at)
        unseen = np.isnan(mark)
        believed = np.where(unseen, before.mark, mark) if np.count_nonzero(unseen) else mark
        return Prices(mark, believed, scale, none)
    believed = np.where(gap | np.isnan(mark), before.mark, mark)
    gap_at = np.where(gap, np.where(before.gap_at != 0, before.gap_at, now), 0)
    return Prices(np.where(gap, before.mark, mark), believed, scale, gap_at)


def beyond(price: Floats, former: Floats, max_gap: float) -> Bools:
    """[S] whether a price is further from the former one than the bound; False where either is unknown."""
    far: Bools = np.abs(price - former) > max_gap * former
    return far


def _in_todays_shares(before: DecideState, newest: Floats, waiting: Bools) -> tuple[Floats, Floats]:
    """(prices, scales): still of the old shares while they are nearer to the old price than to today's."""
    scaled, former = newest / before.mark_scale, before.mark
    old = waiting & (_apart(scaled, former) <= _apart(newest, former))
    return np.where(old, scaled, newest), np.where(old, before.mark_scale, 1.0)


def _apart(price: Floats, other: Floats) -> Floats:
    """How far two prices are from each other as a ratio, at least 1."""
    return np.maximum(price / other, other / price)


def rescaled(state: DecideState, split: Floats) -> DecideState:
    """The memory in shares of today: `split` [S] shares for one, 1 = none."""
    changes = {name: getattr(state, name) / split for name in _PRICES}
    return replace(state, **changes, qty=state.qty * split, mark_scale=state.mark_scale * split)


def settling(before: DecideState, market: Market, split: Floats | None, warmup: Sequence[tuple[str, int]]) -> Counters:
    """[S] bars that are left until formulas know no price of before a split; `warmup` is the program's."""
    left = before.settling
    if np.count_nonzero(left) and market.decision:
        closed = (market.behind_15m == 0) & (before.mark_scale == 1.0)
        left = np.maximum(left - closed, 0).astype(np.int32)
    if split is None:
        return left
    bars = max((RATE_SECONDS[rate] // RATE_SECONDS["15m"] * count for rate, count in warmup if rate != "1d"), default=0)
    return np.where(split != 1.0, bars, left).astype(np.int32)


def lifted(state: DecideState, columns: Iterable[int]) -> DecideState:
    """The state after a person said that the prices of these symbols are right: whatever comes next is believed."""
    mark, gap_at, left = state.mark.copy(), state.gap_at.copy(), state.settling.copy()
    for column in columns:
        mark[column], gap_at[column], left[column] = np.nan, 0, 0
    return replace(state, mark=mark, gap_at=gap_at, settling=left)
