"""1. load: the account as columns, after the fills since the last tick.

In: account, mark, the state before. Out: `Load`. Who owns a position, since when and at which levels is settled here,
from fills and the broker's own quantity, before anything is decided (R06, R12). So is which price counts (`prices`): after a
split everything that is remembered is put into shares of today first, `tick.before` too, so that no later stage knows of it.

Where the specification is silent:
- A fill is "from flat" by the exact quantity minus the fills of this tick (where somebody else holds a part: by what is
  ours), so that neither float sums nor
  the 0.3 % band can move a side's clock. When positions could not be read, the last known quantity stands in.
- Stop and take are remembered as they were when the entry was decided, not when its fill was seen, so that a fill seen
  one bar later (paper) and one seconds later (live) give the same levels.
- A position that became flat without a fill of ours (closed by hand) loses its owner like any flat one. One that became
  external by a manual trade keeps its owner, clocks and levels until ours is flat.
- Of a position to which somebody added, and of one that somebody reduced, what is left of ours stays ours: `current` and `held`
  are of that alone, its exits go, and only the rest (`outside`) is no part of world capital. Nothing is opened there.
- External positions count at the broker's mark, or at their average price; those in no column of this world as well.
- A reading of equity that is NaN, not positive, or more than 20 % away from the last believed one (after flows) is not
  believed until a second reading within 5 % of it; until then the old one sizes and entries wait (R45).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby

import numpy as np

from ..bars import Bools, Codes, Floats, Hashes, Ints, Sides, Small
from ..frame import Frame, hash_of
from ..market import Account, Fill, FillColumns, WorkingColumns, WorkingOrder
from ..prices import judged, rescaled, settling
from ..reasons import Reason
from ..state import GONE, NOBODY, DecideState
from ..tick import CLOSE_LEG, LOST_LEG, NO_LEG, OPEN_LEG, Load, Tick, no_reasons, put, some

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
    own = _own(account, qty)
    mark = _marks(account, prices.mark, qty)
    equity, suspect, trusted = believe(before, account)
    capital = _capital(frame, account, equity)
    fills = account.fills if isinstance(account.fills, FillColumns) else _in_columns(frame, tick, account.fills)
    position = _position(frame, tick, fills, (qty, own))
    working = account.working if isinstance(account.working, WorkingColumns) else _working(frame, account.working)
    current = own * mark
    current /= capital
    tick.load = Load(
        equity=equity,
        suspect=suspect,
        capital=capital,
        trusted=trusted,
        solvent=capital > PENNY,
        mark=mark,
        current=current,
        outside=frame.nothing if own is qty else (qty - own) * mark / capital,
        resting=frame.nothing if working.leg is frame.silent else _resting(working, working.qty * mark / capital),
        held=frame.recent.of(_held, qty, external) if own is qty else own != 0,
        external=external,
        working=working.leg,
        working_qty=working.qty,
        working_since=working.since,
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
        reason=_reasons(frame, account, fills, prices.mark, qty),
    )
    return tick


def _position(frame: Frame, tick: Tick, fills: FillColumns, shares: tuple[Floats, Floats]) -> _Position:
    """The memory of positions after the fills; `shares` [S] at the broker, and of ours."""
    position = _Position.of(tick.before)
    if len(fills):
        position = _filled(frame, tick, position, fills)
    if not tick.account.readable:  # nobody knows what is flat or external: it stays as it is remembered
        return position
    if len(fills) or shares[0] is not tick.before.qty:  # else the tick before left it so
        position = _flattened(position, shares[1], tick.account.external)
    return position


def _own(account: Account, qty: Floats) -> Floats:
    """[S] signed shares of ours; the same row where nobody else holds any."""
    if not some(account.external):
        return qty
    return np.where(account.external, 0.0, qty) if account.own is None else account.own


def _held(qty: Floats, external: Bools) -> Bools:
    """Ours and not zero."""
    held: Bools = (qty != 0) & ~external
    return held


def _reasons(frame: Frame, account: Account, fills: FillColumns, mark: Floats, qty: Floats) -> Codes:
    unseen = np.isnan(mark)
    quiet = not len(fills) and account.split is None and account.readable
    if quiet and not some(unseen) and not some(account.external):
        return frame.silent
    reason = no_reasons(frame)
    put(reason, account.external, Reason.EXTERNAL)
    if some(unseen):
        known = np.isfinite(account.broker_mark) if account.broker_mark is not None else np.zeros_like(unseen)
        put(reason, unseen & (qty != 0) & ~known, Reason.NO_MARK)
    if account.split is not None:
        put(reason, account.split != 1.0, Reason.SPLIT)
    reason[fills.column] = int(Reason.FILLED)
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


def _resting(working: WorkingColumns, fraction: Floats) -> Floats:
    """Fractions of the working opening orders; one that may be lost may still fill."""
    opening = (working.leg == OPEN_LEG) | (working.leg == LOST_LEG)
    return np.nan_to_num(np.where(opening, fraction, 0.0))


def _capital(frame: Frame, account: Account, equity: float) -> float:
    """World capital: share x equity without what others hold on the account. Never below PENNY, so that fractions stay
    finite when nothing is left; `Load.solvent` is False then, and only exits of whole positions are sized."""
    outside = account.elsewhere
    if some(account.external):
        there = account.external & (account.qty != 0)  # a mismatch is external too, and may be nothing that has a price
        outside += float(((account.qty - _own(account, account.qty)) * _worth(account))[there].sum())
    capital = frame.program.settings.capital * (equity - outside)
    return capital if math.isfinite(capital) and capital > PENNY else PENNY


def _working(frame: Frame, orders: Sequence[WorkingOrder]) -> WorkingColumns:
    """Leg, signed remaining shares and tick of the open order of each symbol. More than one add up (one of them was given up
    and showed up again)."""
    if not orders:
        return WorkingColumns(frame.silent, frame.nothing, frame.never)
    legs, qty, since = no_reasons(frame), np.zeros(frame.symbols), np.zeros(frame.symbols, dtype=np.int64)
    for order in orders:
        column = frame.index[order.symbol]
        leg = CLOSE_LEG if order.leg == "close" else LOST_LEG if order.lost else OPEN_LEG
        legs[column] = leg if legs[column] in (NO_LEG, LOST_LEG) else legs[column]
        qty[column] += float(order.qty)
        since[column] = max(int(since[column]), order.since)
    return WorkingColumns(legs, qty, since)


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


def _in_columns(frame: Frame, tick: Tick, fills: Sequence[Fill]) -> FillColumns:
    """The fills of a run, with the exact quantity before and after each."""
    ordered = sorted(fills, key=lambda fill: frame.index[fill.symbol])
    rows: list[tuple[int, int, bool, int, int, int]] = []
    for symbol, group in groupby(ordered, key=lambda fill: fill.symbol):
        column, of = frame.index[symbol], tuple(group)
        for fill, after in zip(of, _running(tick, column, of), strict=True):
            side, former = _sign(after), _sign(after - fill.qty)
            owner = frame.strategy_index.get(fill.strategy, GONE)
            rows.append((column, side, side not in {0, former}, fill.at, owner, hash_of(fill.generation)))
    columns = list(zip(*rows, strict=True)) if rows else [()] * 6
    dtypes = (np.int64, np.int8, np.bool_, np.int64, np.int16, np.uint64)
    return FillColumns(*(np.array(column, dtype=dtype) for column, dtype in zip(columns, dtypes, strict=True)))


def _sign(qty: Decimal) -> int:
    return (qty > 0) - (qty < 0)


def _running(tick: Tick, column: int, fills: Sequence[Fill]) -> list[Decimal]:
    """Exact quantity of ours after each fill."""
    total, account = sum((fill.qty for fill in fills), Decimal(0)), tick.account
    now = account.exact[column] if account.ours is None else account.ours[column]
    start = now - total if account.readable else Decimal(repr(float(tick.before.qty[column])))
    quantities: list[Decimal] = []
    for fill in fills:
        start += fill.qty
        quantities.append(start)
    return quantities


def _filled(frame: Frame, tick: Tick, position: _Position, fills: FillColumns) -> _Position:
    """The memory after this tick's fills; only a fill that opens a side starts its clock, adds and reductions refresh
    nothing. Of several in one symbol the last one counts: numpy writes rows in their order."""
    turned = np.flatnonzero(fills.opened | (fills.side == 0))
    if not len(turned):
        return position
    position = position.copy()
    new = fills.opened.take(turned).nonzero()[0]
    if len(new):
        _open(frame, tick, position, fills, turned.take(new))
    position.side[fills.column.take(turned)] = fills.side.take(turned)
    return position


def _open(frame: Frame, tick: Tick, position: _Position, fills: FillColumns, rows: Ints) -> None:
    """Sides open at real fills: owner, generation, clocks, and the levels of their entries."""
    column, owner, at, before = fills.column.take(rows), fills.owner.take(rows), fills.at.take(rows), tick.before
    stop, take = before.entry_stop.take(column), before.entry_take.take(column)
    foreign = before.entry_strategy.take(column) != owner
    if some(foreign):  # not the order that was decided last
        own = foreign & (owner >= 0)
        stop = np.where(foreign, _distances(tick.market.stop, frame.stop_is_level, (owner, column), own), stop)
        take = np.where(foreign, _distances(tick.market.take, frame.take_is_level, (owner, column), own), take)
    position.owner[column] = owner
    position.generation[column] = fills.generation.take(rows)
    position.last_side[column] = fills.side.take(rows)
    position.side_opened_at[column] = position.last_opened_at[column] = at
    position.stop_distance[column], position.take_distance[column] = stop, take
    position.stopping[column] = 0


def _distances(rows: Floats, is_level: Bools, at: tuple[Small, Ints], own: Bools) -> Floats:
    """Distances of now at (strategy, column), NaN where `own` does not hold, or the strategy has none or a line."""
    row, column = np.maximum(at[0], 0), at[1]
    return np.where(own & ~is_level[row, column], rows[row, column], np.nan)


def _flattened(position: _Position, own: Floats, external: Bools) -> _Position:
    """What the broker says is flat is flat; a position of ours without a remembered side takes the broker's. Where nothing of
    ours is seen beside what is external, it stays as it is remembered."""
    side = np.sign(own).astype(np.int8)
    if some(external):
        side = np.where(external & (own == 0), position.side, side)
    left = (side == 0) & ((position.owner != NOBODY) | (position.stopping != 0))
    if some(left):
        position, gone = position.copy(), np.flatnonzero(left)
        position.owner[gone] = NOBODY
        position.generation[gone] = 0
        position.side_opened_at[gone] = 0
        position.stop_distance[gone] = position.take_distance[gone] = np.nan
        position.stopping[gone] = 0
    return position if np.array_equal(side, position.side) else replace(position, side=side)
