"""Caps: how much of the wished book fits, and what is left of it after everything.

In: signed fractions per symbol. Out: signed fractions. Three pure pieces used by two stages: `scaled` and `surviving`
size a fresh book (target stage), `clipped` and `trimmed` guard the final one (orders stage).

Breadth rule. Caps shrink members together, so with too many of them every one falls below min_target and the churn guard
would empty the book. Of the members that are below their minimum the one with the lowest rank is dropped and the caps are
applied again, until nobody is below; first inside each sector under its own cap, then over all under both. A drop only raises
the factors of the others, so who keeps the minimum once keeps it for good, and one pass in rising rank finds the same
members as starting again after every drop. A member that keeps its minimum gives way to nobody: else a small wish with a high rank would push out large ones,
and a smaller exposure, under which the small one is too small by itself, would give the larger book.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from .bars import Bools, Floats, Ints
from .frame import EPS, Frame

#: a member exactly at its minimum keeps it
SLACK: Final = 1.0 + 1e-9
#: so often runs of members are looked for, where there are more of them than this, before they are dropped one by one
_RUNS: Final = 4
_MANY: Final = 250


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

    size: magnitudes after the symbol cap, 0 for no member. rank: |adjusted score| with its bonus for held symbols; of two
    alike the later one in the universe goes. need: the smallest magnitude, before the exposure multiplier, that a member
    must keep; not larger than its own."""
    risk = frame.program.settings.risk
    members = np.flatnonzero(size)[::-1]  # of two with equal ranks the later one goes first
    order = members[_rising(rank[members])]
    kept, ratio = np.zeros(frame.symbols, dtype=np.bool_), need[order] / size[order]
    if frame.sectors:
        book = _Crowd(frame, size, order, ratio)
        book.leave(in_total=False)
        book.leave(in_total=True)
        kept[book.staying()] = risk.max_total > 0
    else:
        kept[_under_one_cap(order, size[order], ratio / SLACK, risk.max_total)] = risk.max_total > 0
    return kept


def _under_one_cap(order: Ints, size: Floats, ratio: Floats, most: float) -> Ints:
    """Who stays where only the total is capped: of those below their minimum, who goes before the first that keeps it after
    the others went, again and again."""
    total = float(np.add.reduce(size))
    stays = np.ones(len(order), dtype=np.bool_)
    while True:
        low = (stays & (ratio * max(total, most) > most)).nonzero()[0]
        if not low.size:
            return order[stays]
        gone = np.cumsum(size[low])
        keeps = ratio[low] * np.maximum(total - (gone - size[low]), most) <= most
        count = int(keeps.argmax()) if np.count_nonzero(keeps) else low.size
        stays[low[:count]] = False
        total -= float(gone[count - 1])


def _rising(rank: Floats) -> Ints:
    """The stable order of rising ranks. Only ties tell the stable sort from the default one, which is faster."""
    order = np.argsort(rank)
    ordered = rank[order]
    tied = np.count_nonzero(ordered[1:] == ordered[:-1])
    return np.argsort(rank, kind="stable") if tied else order


class _Crowd:
    """Members by rising rank: place, magnitude, the share of it that must be kept, sector. `_gross` is per sector, the last
    entry of symbols without one, whose cap is infinite."""

    def __init__(self, frame: Frame, size: Floats, order: Ints, ratio: Floats) -> None:
        risk = frame.program.settings.risk
        self._order, self._size, self._ratio, self._sector = order, size[order], ratio / SLACK, frame.sector[order]
        self._gross = np.bincount(self._sector, weights=self._size, minlength=frame.sectors + 1)
        self._caps = np.full(frame.sectors + 1, risk.max_sector)
        self._caps[frame.sectors] = math.inf
        self._most = risk.max_total

    def leave(self, *, in_total: bool) -> None:
        """Drop who cannot keep the minimum, the lowest rank first. Runs of members that go one after another are found at
        once; where sizes differ so much that there are many short ones, one after another is faster."""
        most = self._most if in_total else math.inf
        for _ in range(_RUNS):
            share = np.minimum(1.0, self._caps / np.maximum(self._gross, EPS))
            total = float(np.minimum(self._gross, self._caps).sum())
            low = (self._ratio > share[self._sector] * min(1.0, most / max(total, EPS))).nonzero()[0]
            if not low.size:
                return
            if len(self._order) <= _MANY:
                break
            self._drop(low[self._going(low, total, most)])
        self._one_by_one(most)

    def _going(self, low: Ints, total: float, most: float) -> Bools:
        """Of those below their minimum, who goes before the first that keeps it after the others went: in its sector, or in
        all when the total decides."""
        by = np.argsort(self._sector[low], kind="stable")
        sector, size = self._sector[low][by], self._size[low][by]
        first = np.ones(by.size, dtype=np.bool_)
        first[1:] = sector[1:] != sector[:-1]
        group, before = np.cumsum(first) - 1, np.cumsum(size) - size
        gross, cap = self._gross[sector] - (before - before[first][group]), self._caps[sector]
        share = np.minimum(1.0, cap / np.maximum(gross, EPS))
        if math.isinf(most):
            keeps = self._ratio[low][by] <= share
            rank = np.arange(by.size)
            until = np.full(int(group[-1]) + 1, by.size)
            np.minimum.at(until, group[keeps], rank[keeps])
            going = np.empty(by.size, dtype=np.bool_)
            going[by] = rank < until[group]
            return going
        freed, room, scale = (
            np.minimum(gross, cap) - np.minimum(gross - size, cap),
            np.empty(by.size),
            np.empty(by.size),
        )
        room[by], scale[by] = freed, share
        left = total - (np.cumsum(room) - room)
        keeps = self._ratio[low] <= scale * np.minimum(1.0, most / np.maximum(left, EPS))
        going = np.ones(by.size, dtype=np.bool_)
        if keeps.any():
            going[keeps.argmax() :] = False
        return going

    def _drop(self, rows: Ints) -> None:
        self._gross -= np.bincount(self._sector[rows], weights=self._size[rows], minlength=len(self._gross))
        stay = np.ones(len(self._order), dtype=np.bool_)
        stay[rows] = False
        self._order, self._sector = self._order[stay], self._sector[stay]
        self._size, self._ratio = self._size[stay], self._ratio[stay]

    def _one_by_one(self, most: float) -> None:
        gross, caps = self._gross.tolist(), self._caps.tolist()
        total, gone = sum(map(min, gross, caps)), []
        columns = (self._size.tolist(), self._ratio.tolist(), self._sector.tolist())
        for row, (size, ratio, sector) in enumerate(zip(*columns, strict=True)):
            full, cap = gross[sector], caps[sector]
            if ratio <= min(1.0, cap / max(full, EPS)) * min(1.0, most / max(total, EPS)):
                continue
            gone.append(row)
            gross[sector] = full - size
            total += min(gross[sector], cap) - min(full, cap)
        self._drop(np.array(gone, dtype=np.int64))

    def staying(self) -> Ints:
        """Places of those that are left."""
        return self._order


def clipped(frame: Frame, target: Floats, current: Floats, resting: Floats) -> Floats:
    """Targets after which no cap is exceeded by what they add.

    Exposure = |current| + |resting| of all symbols (stale and legacy ones too; `resting` has what others hold as well), plus what targets add to it; a
    reduction frees nothing before it is filled. Additions are cut to the symbol cap, then scaled to the room of their
    sector, then to the room of the total."""
    risk = frame.program.settings.risk
    base = np.abs(current)
    base += np.abs(resting)
    size = np.abs(target)
    grows = size > base + EPS
    if not np.count_nonzero(grows):
        return target
    if _fits(frame, np.where(grows, size, base)):  # then it is not touched, not even in its last bit
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


def _fits(frame: Frame, size: Floats) -> bool:
    """Whether magnitudes keep all caps."""
    risk = frame.program.settings.risk
    if np.maximum.reduce(size) > risk.max_symbol or float(np.add.reduce(size)) > risk.max_total:
        return False
    if not frame.sectors:
        return True
    gross = np.bincount(frame.sector, weights=size, minlength=frame.sectors + 1)
    return bool(np.maximum.reduce(gross[: frame.sectors]) <= risk.max_sector)


def trimmed(frame: Frame, current: Floats, held: Bools) -> Floats | None:
    """Largest magnitude [S] each held symbol may keep: below |current| only where a cap is exceeded by more than
    `cap_tolerance`, and then what brings it back to the cap. None where no cap is."""
    risk = frame.program.settings.risk
    size = np.abs(current)  # those of others as well: what they keep within the caps is within them without them
    slack = risk.cap_tolerance
    within = np.maximum.reduce(size) <= risk.max_symbol * slack and float(np.add.reduce(size)) <= risk.max_total * slack
    if within and not frame.sectors:
        return None
    limit = size = np.where(held, size, 0.0)
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
