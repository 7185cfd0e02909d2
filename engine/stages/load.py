"""1. load: the account as columns, after the fills since the last tick.

In: account, mark, the state before. Out: `Load`. Who owns a position, since when and at which levels is settled here,
from fills and the broker's own quantity, before anything is decided (R06, R12). So is which price counts (`prices`): after a
split everything that is remembered is put into shares of today first, `tick.before` too, so that no later stage knows of it.

Where the specification is silent:
- A fill is "from flat" by the broker's exact quantity minus the fills of this tick, so that neither float sums nor
  the 0.3 % band can move a side's clock. When positions could not be read, the last known quantity stands in.
- Stop and take are remembered as they were when the entry was decided, not when its fill was seen, so that a fill seen
  one bar later (paper) and one seconds later (live) give the same levels.
- A position that became flat without a fill of ours (closed by hand) loses its owner like any flat one. One that became
  external by a manual trade keeps its owner, clocks and levels until it is flat: it is ours again when the trade is undone.
- External positions count at the broker's mark, or at their average price; those in no column of this world as well.
- A reading of equity that is NaN, not positive, or more than 20 % away from the last believed one (after flows) is not
  believed until a second reading within 5 % of it; until then the old one sizes and entries wait (R45).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

import numpy as np

from ..bars import Bools, Codes, Floats, Ints
from ..frame import Frame, hash_of
from ..market import Account, Fill, Sides
from ..prices import judged, rescaled, settling
from ..reasons import Reason
from ..state import GONE, NOBODY, DecideState, Hashes, Small
from ..tick import CLOSE_LEG, OPEN_LEG, Load, Tick, no_reasons, put, some

JUMP = 0.20
AGREE = 0.05
PENNY = 0.01


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.load`."""
    account = tick.account
    if account.split is not None:
        tick.before = rescaled(tick.before, account.split)
    before, external = tick.before, account.external
    prices = judged(before, tick.market.mark, tick.now, frame.program.settings.freshness.max_gap)
    qty = account.qty if account.readable else before.qty
    mark = _marks(account, prices.mark, qty)
    equity, suspect, trusted = believe(before, account)
    capital = _capital(frame, account, equity)
    position = _flattened(_filled(frame, tick, _Position.of(before)), qty, external)
    working, working_qty, working_since = _working(frame, account)
    tick.load = Load(
        equity=equity,
        suspect=suspect,
        capital=capital,
        trusted=trusted,
        solvent=capital > PENNY,
        mark=mark,
        current=qty * mark / capital,
        resting=_resting(working, working_qty * mark / capital) if account.working else np.zeros(frame.symbols),
        held=(qty != 0) & ~external,
        external=external,
        working=working,
        working_qty=working_qty,
        working_since=working_since,
        owner=position.owner,
        generation=position.generation,
        side=position.side,
        side_opened_at=position.side_opened_at,
        last_side=position.last_side,
        last_opened_at=position.last_opened_at,
        stop_distance=position.stop_distance,
        take_distance=position.take_distance,
        stopping=position.stopping,
        believed=prices.believed,
        mark_scale=prices.scale,
        gap_at=prices.gap_at,
        settling=settling(before, tick.market, account.split, frame.program.warmup),
        average=account.average_price if account.readable else before.average,
        reason=_reasons(frame, account, prices.mark, qty),
    )
    return tick


def _reasons(frame: Frame, account: Account, mark: Floats, qty: Floats) -> Codes:
    reason = no_reasons(frame)
    put(reason, account.external, Reason.EXTERNAL)
    unseen = np.isnan(mark)
    if some(unseen):
        known = np.isfinite(account.broker_mark) if account.broker_mark is not None else np.zeros_like(unseen)
        put(reason, unseen & (qty != 0) & ~known, Reason.NO_MARK)
    if account.split is not None:
        put(reason, account.split != 1.0, Reason.SPLIT)
    if account.fills:
        reason[[frame.index[fill.symbol] for fill in account.fills]] = int(Reason.FILLED)
    if not account.readable:
        reason[:] = Reason.UNREADABLE
    return reason


def believe(before: DecideState, account: Account) -> tuple[float, float, bool]:
    """(equity to use, reading that waits for confirmation or NaN, believed) from the last believed reading.

    0 and less are believed at the second reading (the loss limits then act on them); NaN never is."""
    last, suspect, reading = float(before.equity), float(before.suspect), float(account.equity)
    expected = last + account.flows
    if not math.isfinite(reading) or not account.readable:
        return expected, suspect, False
    if math.isnan(last):
        plausible = reading > 0
    else:
        plausible = abs(reading - expected) <= JUMP * abs(last) and (reading > 0 or last <= 0)
    confirmed = not math.isnan(suspect) and abs(reading - suspect) <= AGREE * max(abs(suspect), 1.0)
    if plausible or confirmed:
        return reading, math.nan, True
    return expected, reading, False


def _marks(account: Account, mark: Floats, qty: Floats) -> Floats:
    """Price per symbol, the same row when it is complete; where a position has no bar yet the broker's mark or, without
    one, its average price, 0 where nothing is known or needed."""
    missing = np.isnan(mark)
    if not some(missing):
        return mark
    return np.where(missing, np.where(qty != 0, np.nan_to_num(_worth(account)), 0.0), mark)


def _worth(account: Account) -> Floats:
    """What one share of each position is worth to the account, NaN where nothing is held."""
    marks, average = account.broker_mark, account.average_price
    return average if marks is None else np.where(np.isfinite(marks), marks, average)


def _resting(working: Codes, fraction: Floats) -> Floats:
    """Fractions of the working opening orders."""
    return np.nan_to_num(np.where(working == OPEN_LEG, fraction, 0.0))


def _capital(frame: Frame, account: Account, equity: float) -> float:
    """World capital: share x equity without the external positions of the account. Never below PENNY, so that fractions stay
    finite when nothing is left; `Load.solvent` is False then, and only exits of whole positions are sized."""
    outside = account.elsewhere
    if some(account.external):
        outside += float((account.qty * _worth(account))[account.external].sum())
    capital = frame.program.settings.capital * (equity - outside)
    return capital if math.isfinite(capital) and capital > PENNY else PENNY


def _working(frame: Frame, account: Account) -> tuple[Codes, Floats, Ints]:
    """Leg, signed remaining shares and tick of the open order of each symbol. More than one add up (never sent by us)."""
    legs, qty, since = no_reasons(frame), np.zeros(frame.symbols), np.zeros(frame.symbols, dtype=np.int64)
    for order in account.working:
        column = frame.index[order.symbol]
        legs[column] = CLOSE_LEG if order.leg == "close" else OPEN_LEG
        qty[column] += float(order.qty)
        since[column] = max(int(since[column]), order.since)
    return legs, qty, since


@dataclass(frozen=True, slots=True, eq=False)
class _Position:
    """The per-symbol memory of a position, in the order of `Load`."""

    owner: Small
    generation: Hashes
    side: Sides
    side_opened_at: Ints
    last_side: Sides
    last_opened_at: Ints
    stop_distance: Floats
    take_distance: Floats
    stopping: Codes

    @classmethod
    def of(cls, state: DecideState) -> _Position:
        return cls(
            state.owner,
            state.generation,
            state.side,
            state.side_opened_at,
            state.last_side,
            state.last_opened_at,
            state.stop_distance,
            state.take_distance,
            state.stopping,
        )

    def copy(self) -> _Position:
        return _Position(*(getattr(self, name).copy() for name in _Position.__slots__))


def _filled(frame: Frame, tick: Tick, position: _Position) -> _Position:
    """The memory after this tick's fills; only a fill from flat opens a side, adds and reductions refresh nothing."""
    if not tick.account.fills:
        return position
    position = position.copy()
    ordered = sorted(tick.account.fills, key=lambda fill: frame.index[fill.symbol])
    for symbol, group in groupby(ordered, key=lambda fill: fill.symbol):
        column, fills = frame.index[symbol], tuple(group)
        for fill, after in zip(fills, _running(tick, column, fills), strict=True):
            flat_before = after == fill.qty
            crossed = not flat_before and after != 0 and (after > 0) != (after - fill.qty > 0)
            if after != 0 and (flat_before or crossed):
                _open(frame, tick, position, column, fill, 1 if after > 0 else -1)
            elif after == 0:
                position.side[column] = 0
    return position


def _running(tick: Tick, column: int, fills: Sequence[Fill]) -> list[Decimal]:
    """Exact quantity after each fill."""
    total = sum((fill.qty for fill in fills), Decimal(0))
    start = (
        tick.account.exact[column] - total if tick.account.readable else Decimal(repr(float(tick.before.qty[column])))
    )
    quantities: list[Decimal] = []
    for fill in fills:
        start += fill.qty
        quantities.append(start)
    return quantities


def _open(frame: Frame, tick: Tick, position: _Position, column: int, fill: Fill, side: int) -> None:
    """A side opens at a real fill: owner, generation, clocks, and the levels of its entry."""
    owner = frame.strategy_index.get(fill.strategy, GONE)
    before = tick.before
    decided = int(before.entry_strategy[column]) == owner
    position.owner[column] = owner
    position.generation[column] = hash_of(fill.generation)
    position.side[column] = position.last_side[column] = side
    position.side_opened_at[column] = position.last_opened_at[column] = fill.at
    stop, take = before.entry_stop[column], before.entry_take[column]
    if not decided:
        stop = _distance(tick.market.stop, frame.stop_is_level, owner, column)
        take = _distance(tick.market.take, frame.take_is_level, owner, column)
    position.stop_distance[column], position.take_distance[column] = stop, take
    position.stopping[column] = 0


def _distance(rows: Floats, is_level: Bools, owner: int, column: int) -> float:
    """The owner's distance of now, NaN where it has none or a line."""
    return float(rows[owner, column]) if owner >= 0 and not is_level[owner, column] else math.nan


def _flattened(position: _Position, qty: Floats, external: Bools) -> _Position:
    """What the broker says is flat is flat; a position of ours without a remembered side takes the broker's. What became
    external stays as it is remembered."""
    side = np.sign(qty).astype(np.int8)
    if some(external):
        side = np.where(external, position.side, side)
    flat = side == 0
    if not some((side != position.side) | (flat & (position.owner != NOBODY))):
        return position
    return _Position(
        owner=np.where(flat, np.int16(NOBODY), position.owner),
        generation=np.where(flat, np.uint64(0), position.generation),
        side=side,
        side_opened_at=np.where(flat, 0, position.side_opened_at),
        last_side=position.last_side,
        last_opened_at=position.last_opened_at,
        stop_distance=np.where(flat, np.nan, position.stop_distance),
        take_distance=np.where(flat, np.nan, position.take_distance),
        stopping=np.where(flat, np.uint8(0), position.stopping),
    )
