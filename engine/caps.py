"""Caps: how much of the wished book fits, and what is left of it after everything.

In: signed fractions per symbol. Out: signed fractions. Three pure pieces used by two stages: `scaled` and `surviving`
size a fresh book (target stage), `clipped` and `trimmed` guard the final one (orders stage).

Breadth rule. Caps shrink members together, so with too many of them every one falls below min_target and the churn guard
would empty the book. Members with the lowest rank are dropped until the others keep their minimum. Dropping them one by
one and capping again is the same as keeping the longest prefix, by rank, in which everybody keeps the minimum: a longer
prefix only lowers the scale and only raises the largest requirement. So one sorted pass finds it; first inside each sector
under its own cap, then over all under both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .bars import Bools, Floats, Ints
from .frame import EPS, Frame

#: a member exactly at its minimum keeps it
SLACK: Final = 1.0 + 1e-9


def scaled(frame: Frame, size: Floats) -> tuple[Floats | None, float]:
    """(factor of sector caps [S] or None when no sector is over its cap, factor of the total cap) of the magnitudes of a
    book that already keeps the symbol cap."""
    risk = frame.program.settings.risk
    by_sector = _sector_factor(frame, size, risk.max_sector)
    total = float(np.add.reduce(size if by_sector is None else size * by_sector))
    factor = risk.max_total / total if total > risk.max_total else 1.0
    return by_sector, factor


def _sector_factor(frame: Frame, size: Floats, cap: float) -> Floats | None:
    if not frame.sectors:
        return None
    gross = np.bincount(frame.sector, weights=size, minlength=frame.sectors + 1)
    over = gross > cap
    over[frame.sectors] = False
    if not over.any():
        return None
    factor = np.ones(frame.sectors + 1)
    np.divide(cap, gross, out=factor, where=over)
    return factor.take(frame.sector)


def surviving(frame: Frame, size: Floats, rank: Floats, need: Floats) -> Bools:
    """[S] which members stay under the breadth rule.

    size: magnitudes after the symbol cap, 0 for no member. rank: |adjusted score| with its bonus for held symbols; ties stay in universe order. need: the smallest magnitude,
    before the exposure multiplier, a member must keep; not larger than its own."""
    risk = frame.program.settings.risk
    order = np.flatnonzero(size)
    order = order[_falling(rank[order])]
    if frame.sectors and order.size:
        order = order[_kept_in_sector(_grouped(frame, size[order], need[order], frame.sector[order]), risk.max_sector)]
    if order.size and frame.sectors:
        groups = _grouped(frame, size[order], need[order], frame.sector[order])
        order = order[: _kept_in_total(groups, risk.max_sector, risk.max_total)]
    elif order.size:
        needed, gross = np.maximum.accumulate(need[order] / size[order]), np.cumsum(size[order])
        order = order[: _prefix(needed, gross, risk.max_total)]
    kept = np.zeros(frame.symbols, dtype=np.bool_)
    kept[order] = risk.max_total > 0
    return kept


def _falling(rank: Floats) -> Ints:
    """The stable order of falling ranks. Only ties tell the stable sort from the default one, which is faster."""
    order = np.argsort(-rank)
    ordered = rank[order]
    tied = np.count_nonzero(ordered[1:] == ordered[:-1])
    return np.argsort(-rank, kind="stable") if tied else order


@dataclass(frozen=True, slots=True, eq=False)
class _Groups:
    """Members in rank order, looked at sector by sector: `by` is the stable order by sector; the rest follows it.
    `first` marks the first of a sector, `free` those without one; running sums and running needs are inside a sector."""

    by: Ints
    first: Bools
    free: Bools
    running: Floats
    needed: Floats


def _grouped(frame: Frame, size: Floats, need: Floats, sector: Ints) -> _Groups:
    by = np.argsort(sector, kind="stable")
    ordered, mine = sector[by], size[by]
    first = np.ones(by.size, dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    group = np.cumsum(first) - 1
    before = np.cumsum(mine) - mine
    ratio = need[by] / mine
    lift = (float(ratio.max()) + 1.0) * group  # lifts each group above the former one: one running maximum serves all
    return _Groups(
        by,
        first,
        ordered == frame.sectors,
        before + mine - before[first][group],
        np.maximum.accumulate(ratio + lift) - lift,
    )


def _kept_in_sector(groups: _Groups, cap: float) -> Bools:
    """Prefix of each sector that keeps its minimum under the sector cap; in rank order, aligned to the members."""
    factor = np.where(groups.free, 1.0, np.minimum(1.0, cap / np.maximum(groups.running, EPS)))
    kept = np.empty(groups.by.shape, dtype=np.bool_)
    kept[groups.by] = groups.needed <= factor * SLACK
    return kept


def _kept_in_total(groups: _Groups, sector_cap: float, total_cap: float) -> int:
    """Length of the prefix in which everybody keeps its minimum under sector and total caps together."""
    held_back = np.where(groups.free, groups.running, np.minimum(groups.running, sector_cap))
    added, needed = np.empty(groups.by.shape), np.empty(groups.by.shape)
    former = np.where(groups.first, 0.0, np.concatenate((held_back[:1], held_back[:-1])))
    added[groups.by] = held_back - former
    needed[groups.by] = groups.needed * (groups.running / np.maximum(held_back, EPS))
    return _prefix(np.maximum.accumulate(needed), np.cumsum(added), total_cap)


def _prefix(needed: Floats, gross: Floats, cap: float) -> int:
    """Length of the longest prefix whose total factor is not below what its members need; both only rise."""
    fits = needed * np.maximum(gross, cap) <= cap * SLACK
    return int(fits.size if fits.all() else fits.argmin())


def clipped(frame: Frame, target: Floats, current: Floats, resting: Floats) -> Floats:
    """Targets after which no cap is exceeded by what they add.

    Exposure = |current| + |resting| of all symbols (stale, legacy, external ones too), plus what targets add to it; a
    reduction frees nothing before it is filled. Additions are cut to the symbol cap, then scaled to the room of their
    sector, then to the room of the total."""
    risk = frame.program.settings.risk
    base = np.abs(current)
    base += np.abs(resting)
    size = np.abs(target)
    grows = size > base + EPS
    if not np.count_nonzero(grows):
        return target
    extra = np.minimum(size, risk.max_symbol) - base
    adds = extra > EPS
    if not np.count_nonzero(adds) and not np.count_nonzero(grows & (size > risk.max_symbol)):
        return target
    extra = np.where(adds, extra, 0.0)
    if frame.sectors:
        used = np.bincount(frame.sector, weights=base, minlength=frame.sectors + 1)
        wished = np.bincount(frame.sector, weights=extra, minlength=frame.sectors + 1)
        room = np.maximum(risk.max_sector - used, 0.0)
        share = np.ones(frame.sectors + 1)
        np.divide(room, wished, out=share, where=wished > room)
        share[frame.sectors] = 1.0
        extra = extra * share[frame.sector]
    room_total, wished_total = max(risk.max_total - float(np.add.reduce(base)), 0.0), float(np.add.reduce(extra))
    if wished_total > room_total:
        extra = extra * (room_total / wished_total)
    return np.where(grows, np.sign(target) * (base + extra), target)


def trimmed(frame: Frame, current: Floats, held: Bools) -> Floats | None:
    """Largest magnitude [S] each held symbol may keep: below |current| only where a cap is exceeded by more than
    `cap_tolerance`, and then what brings it back to the cap. None where no cap is."""
    risk = frame.program.settings.risk
    size = np.where(held, np.abs(current), 0.0)
    limit = size
    over = size > risk.max_symbol * risk.cap_tolerance
    if np.count_nonzero(over):
        limit = np.where(over, risk.max_symbol, size)
    if frame.sectors:
        gross = np.bincount(frame.sector, weights=limit, minlength=frame.sectors + 1)
        over = gross > risk.max_sector * risk.cap_tolerance
        over[frame.sectors] = False
        if np.count_nonzero(over):
            share = np.ones(frame.sectors + 1)
            np.divide(risk.max_sector, gross, out=share, where=over)
            limit = limit * share.take(frame.sector)
    total = float(np.add.reduce(limit))
    if total > risk.max_total * risk.cap_tolerance:
        return limit * (risk.max_total / total)
    return None if limit is size else limit
