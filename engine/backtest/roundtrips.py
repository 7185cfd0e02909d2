"""From orders to round trips, at average cost: adds average the entry price, reductions realise against it.

In: the filled rows of `OrderRows`, the slippage of the cost model, the last marks. Out: `Legs`, one per fill with what
it realised, and `Trips`, one per position from flat to flat. Attribution, win rates and the pair gate stand on these.

The engine never crosses zero in one order; a row that does is split into a closing and an opening leg all the same.
Positions are counted in whole units of 10^-k shares, so that "flat" is exactly 0 and never 0.1 + 0.2 - 0.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Bools, Floats, Ints
from .result import OrderRows, Result
from .trip import Trips

#: decimals of a share that are told apart; fewer where a symbol's quantities are so large that int64 would overflow
_DECIMALS: Final = 9


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """Fills by world, symbol and time, one row each (two for an order that crossed zero), L rows.

    order     row of `OrderRows`;  trip  row of `Trips`;  at  time of the fill
    qty       signed shares;  after  shares held after it;  price  paid or received
    realised  money won against the average cost, before fees; 0 for legs that open or add
    fee       money;  slippage  money lost to the slippage model, inside `realised` and the average cost
    """

    order: Ints
    trip: Ints
    at: Ints
    qty: Floats
    after: Floats
    price: Floats
    realised: Floats
    fee: Floats
    slippage: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """Legs and the round trips that they make."""

    legs: Legs
    trips: Trips


def round_trips(result: Result) -> Trips:
    """The round trips of a backtest: closed ones by the time they closed, then open ones by the time they opened."""
    return trace(result).trips


def trace(result: Result) -> Traced:
    """Legs and round trips of a backtest; money in the account's currency."""
    legs = _legs(result.orders, result.setup.costs.slippage)
    trips = _trips(legs, result)
    order = np.lexsort((trips.symbol, trips.world, trips.opened, trips.closed, trips.closed == 0))
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    sorted_trips = Trips(*(getattr(trips, name)[order] for name in Trips.__dataclass_fields__))
    return Traced(_with_trip(legs, place[legs.trip]), sorted_trips)


def slippage_paid(qty: Floats, price: Floats, fraction: float) -> Floats:
    """Money lost to the slippage model per fill: a buy paid open x (1 + fraction), a sale got open x (1 - fraction)."""
    side = np.sign(qty)
    return np.abs(qty) * price * fraction / (1.0 + side * fraction)


def _with_trip(legs: Legs, trip: Ints) -> Legs:
    return Legs(
        legs.order, trip, legs.at, legs.qty, legs.after, legs.price, legs.realised, legs.fee, legs.slippage
    )  # fmt: skip


def _legs(orders: OrderRows, slippage: float) -> Legs:
    """Legs with their trips numbered by first leg."""
    rows = np.flatnonzero((orders.filled > 0) & (orders.qty != 0))
    rows = rows[np.lexsort((rows, orders.filled[rows], orders.symbol[rows], orders.world[rows]))]
    first = _changes(orders.world[rows], orders.symbol[rows])
    units, scale = _units(orders.qty[rows], first)
    held = _held(units, first)
    before = held - units
    # an order across zero becomes two legs: what closes, and what opens
    cross = (np.sign(before) * np.sign(held)) < 0
    of = np.repeat(np.arange(len(rows)), np.where(cross, 2, 1))
    second = np.zeros(len(of), dtype=bool)
    second[1:] = of[1:] == of[:-1]
    closing = cross[of] & ~second
    part = np.where(closing, -before[of], np.where(second, held[of], units[of]))
    was = np.where(second, 0, before[of])
    order = rows[of]
    # whole orders keep their exact float; only parts of a split one are computed
    qty = np.where(cross[of], part / scale, orders.qty[order])
    price = orders.price[order]
    trip = np.cumsum(was == 0) - 1
    realised = _realised(was, part, price, scale)
    fee = orders.fee[order] * np.abs(qty) / np.abs(orders.qty[order])
    return Legs(
        order=order,
        trip=trip,
        at=orders.filled[order],
        qty=qty,
        after=(was + part) / scale,
        price=price,
        realised=realised,
        fee=fee,
        slippage=slippage_paid(qty, price, slippage),
    )


def _changes(world: Ints | np.ndarray, symbol: Ints) -> Bools:
    """True at the first row of each (world, symbol)."""
    first = np.ones(len(symbol), dtype=bool)
    first[1:] = (symbol[1:] != symbol[:-1]) | (world[1:] != world[:-1])
    return first


def _units(qty: Floats, first: Bools) -> tuple[Ints, float]:
    """Quantities as whole numbers of 1 / scale shares, and the scale."""
    if not len(qty):
        return np.zeros(0, dtype=np.int64), 1.0
    most = float(np.add.reduceat(np.abs(qty), np.flatnonzero(first)).max())
    decimals = min(_DECIMALS, int(np.floor(18.0 - np.log10(most)))) if most > 0 else _DECIMALS
    scale = 10.0**decimals
    return np.rint(qty * scale).astype(np.int64), scale


def _held(units: Ints, first: Bools) -> Ints:
    """Running position of each (world, symbol). The sum over all may wrap around; differences in a group stay exact."""
    total: Ints = np.cumsum(units)
    starts = np.flatnonzero(first)
    base: Ints = np.where(starts > 0, total[starts - 1], 0)
    lengths = np.diff(np.append(starts, len(units)))
    held: Ints = total - np.repeat(base, lengths)
    return held


def _realised(was: Ints, part: Ints, price: Floats, scale: float) -> Floats:
    """Money realised per leg against the average cost of the position before it. A recurrence, so a plain loop over
    plain numbers: 100,000 legs take some hundredths of a second."""
    realised = np.zeros(len(part))
    average = 0.0
    for row, (held, units, paid) in enumerate(zip(was.tolist(), part.tolist(), price.tolist(), strict=True)):
        if held == 0:
            average = paid
        elif (held > 0) == (units > 0):
            average = (held * average + units * paid) / (held + units)
        else:
            realised[row] = -units / scale * (paid - average)
    return realised


def _trips(legs: Legs, result: Result) -> Trips:
    """Trips in the order of their first leg."""
    orders, opens = result.orders, np.flatnonzero(np.diff(legs.trip, prepend=-1))
    count = len(opens)
    lasts = np.append(opens, len(legs.trip))[1:] - 1
    firsts, enders = legs.order[opens], legs.order[lasts]
    side = np.sign(legs.qty[opens])
    grows = np.sign(legs.qty) == side[legs.trip]

    def total(values: Floats, rows: Bools | None = None) -> Floats:
        weights = values if rows is None else np.where(rows, values, 0.0)
        return np.bincount(legs.trip, weights=weights, minlength=count).astype(np.float64)

    size, notional = np.abs(legs.qty), np.abs(legs.qty) * legs.price
    entry = total(notional, grows) / total(size, grows)
    held = legs.after[lasts]
    is_open = held != 0
    mark = _marks(result, orders.symbol[firsts], legs.price[lasts])
    out = total(size, ~grows)
    left = np.divide(total(notional, ~grows), out, out=np.zeros(count), where=out > 0)
    fees = total(legs.fee)
    # money received less money paid, plus what is still held at its mark
    pnl = -total(legs.qty * legs.price) + np.where(is_open, held * mark, 0.0) - fees
    biggest = np.maximum.reduceat(np.abs(legs.after), opens) if count else np.zeros(0)
    return Trips(
        world=orders.world[firsts],
        symbol=orders.symbol[firsts],
        opened=legs.at[opens],
        closed=np.where(is_open, 0, legs.at[lasts]),
        side=side.astype(np.int8),
        qty=biggest,
        entry=entry,
        exit=np.where(is_open, mark, left),
        pnl=pnl,
        fees=fees,
        ret=np.divide(pnl, entry * biggest, out=np.zeros(count), where=entry * biggest > 0),
        strategy=orders.strategy[firsts],
        chain=orders.chain[firsts],
        reason=np.where(is_open, -1, orders.reason[enders]).astype(np.int16),
        orders=np.bincount(legs.trip, minlength=count).astype(np.int64),
        traded=total(notional),
        slippage=total(legs.slippage),
    )


def _marks(result: Result, symbol: Ints, paid: Floats) -> Floats:
    """Last mark of each trip's symbol; the last price paid where none was ever seen."""
    last = result.marks.last[symbol]
    return np.where(np.isfinite(last), last, paid)
