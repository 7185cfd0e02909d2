"""Rows of a block that change nothing but numbers: what a whole stretch of bars says at once.

In: a block of rows, what follows from it, and what changes slowly (chains, selection, allowlist). Out: `CalmRows`: for each row
its targets after caps and exposure, and whether anything happens in it that needs the thirteen steps: something unknown or
late, a guard, another chain or strategy, a cap, a target too small to keep. The shortcut asks this once per block of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..ahead import AheadRows
from ..bars import Bools, Codes, Floats, Small
from ..blocks import Block
from ..frame import EPS, Frame
from ..prices import beyond
from ..reasons import Reason

#: sums of a whole block round differently from those of a row
MARGIN = 1 - 1e-9
_REDUCE, _CLOSE = np.uint8(Reason.REDUCE), np.uint8(Reason.CLOSE)


@dataclass(frozen=True, slots=True, eq=False)
class Slow:
    """What stays as it is while the shortcut is open. `candidates` [N, S]; `chain`, `selected` [S]; `exposure` [S]."""

    chain: Small
    selected: Small
    candidates: Bools
    exposure: Floats


@dataclass(frozen=True, slots=True, eq=False)
class CalmRows:
    """Rows `low` on of a block. `calm`: nothing but numbers; `target` [T, S] after exposure; `flat` [T, S] wants nothing;
    `gross`, `peak`: sum and largest of the targets' magnitudes; `short`: somebody wants a short; `rank` [T, S] of opening
    legs; `named`: some strategy names a stop or a take; `zero` [T, S] targets of nothing; `leaving` [T, S] reasons of closing
    legs."""

    block: Block
    ahead: AheadRows
    slow: Slow
    low: int
    high: int
    calm: list[bool]
    target: Floats
    flat: Bools
    gross: list[float]
    peak: list[float]
    short: list[bool]
    rank: Floats
    named: bool
    zero: Bools
    leaving: Codes


def calm_rows(frame: Frame, place: tuple[Block, AheadRows, int], slow: Slow, rows: int) -> CalmRows:
    """The next rows from a place of a block on."""
    block, ahead, low = place
    high = min(low + rows, len(block))
    part = slice(low, high)
    chosen = slow.selected >= 0
    calm = ahead.sound[part] & ahead.regime[part] & ahead.current[part] & ~ahead.guarded[part] & ahead.certain[part]
    calm &= np.logical_and.reduce(ahead.first[part] == slow.chain, axis=1)
    score = _present(frame, ahead, part, slow)
    calm &= ~_chosen_anew(frame, (block, ahead), part, (slow, score))
    calm &= np.minimum.reduce(block.mark[part], axis=1) > 0
    calm[1:] &= ~_jumps(frame, block.mark[part])
    rows_of = np.maximum(slow.selected, 0), frame.columns
    raw = ahead.target[part, 0] if frame.strategies == 1 else ahead.target[part][:, *rows_of]
    raw = np.where(chosen, raw, 0.0)
    size = np.abs(raw)
    calm &= _fits(frame, size)
    own = size * slow.exposure
    if "min_target" in frame.churn:
        least = frame.program.settings.churn_guard.min_target - EPS
        calm &= ~np.logical_or.reduce((own < least) & (size != 0), axis=1)
    flat = raw == 0
    target, peak = raw * slow.exposure, np.maximum.reduce(own, axis=1)
    gross, short = np.add.reduce(own, axis=1), np.minimum.reduce(target, axis=1) < 0
    return CalmRows(
        block=block,
        ahead=ahead,
        slow=slow,
        low=low,
        high=high,
        calm=calm.tolist(),
        target=target,
        flat=flat,
        gross=gross.tolist(),
        peak=peak.tolist(),
        short=short.tolist(),
        rank=np.fmax(np.abs(score), 0.0),
        named=_any_known(block.stop[part]) or _any_known(block.take[part]),
        zero=target == 0,
        leaving=np.where(flat, np.uint8(Reason.OWNER_EXIT), np.where(target == 0, _CLOSE, _REDUCE)),
    )


def _any_known(rows: Floats) -> bool:
    return bool(np.count_nonzero(rows == rows))  # noqa: PLR0124 - NaN differs from itself


def _jumps(frame: Frame, mark: Floats) -> Bools:
    """[T - 1] whether a price is too far from the one of the row before."""
    far = beyond(mark[1:], mark[:-1], frame.program.settings.freshness.max_gap)
    jumps: Bools = np.logical_or.reduce(far, axis=1)
    return jumps


def _present(frame: Frame, ahead: AheadRows, part: slice, slow: Slow) -> Floats:
    """[T, S] scores of who is selected."""
    if frame.strategies == 1:
        return ahead.score[part, 0]
    now: Floats = ahead.score[part][:, np.maximum(slow.selected, 0), frame.columns]
    return now


def _chosen_anew(frame: Frame, of: tuple[Block, AheadRows], part: slice, now: tuple[Slow, Floats]) -> Bools:
    """[T] whether somebody is selected for the first time, or somebody else is better than who is; `now` with its scores."""
    (block, ahead), (slow, present) = of, now
    chosen = slow.selected >= 0
    speaking = slow.candidates & np.isfinite(ahead.score[part]) & (block.signal[part] != 0)
    if frame.strategies == 1:
        first: Bools = np.logical_or.reduce(speaking[:, 0] & ~chosen, axis=1)
        return first
    score = np.where(speaking, ahead.score[part], -np.inf)
    top, best = np.maximum.reduce(score, axis=1), score.argmax(axis=1)
    edge = frame.program.settings.select.switch_edge - EPS
    better = (best != slow.selected) & ~(top - present < edge)  # also where the present one has no score
    anew: Bools = np.logical_or.reduce((top > -np.inf) & (~chosen | better), axis=1)
    return anew


def _fits(frame: Frame, size: Floats) -> Bools:
    """[T] no cap has anything to cut."""
    risk = frame.program.settings.risk
    fits: Bools = np.maximum.reduce(size, axis=1) <= risk.max_symbol
    fits &= np.add.reduce(size, axis=1) <= risk.max_total * MARGIN
    if frame.sectors:
        member = frame.sector[:, None] == np.arange(frame.sectors)
        fits &= np.logical_and.reduce(size @ member <= risk.max_sector * MARGIN, axis=1)
    return fits
