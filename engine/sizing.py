"""From wishes in fractions of world capital to quantities, as columns: lots, shorting, notional, buying power.

In: the Ticks of one grid time and the account's buying power. Out: `Sized`, one row per leg, in the order in which they
are to be sent. Pure, and the only place where quantities are made: `net` turns rows into orders, a backtest uses them as
they are. Quantities are whole numbers of *atoms*, the power of ten that lots and whole shares are multiples of, so that
they are exact; limits are compared in float64.

A venue with more than lots, a smallest value and shorting, or with rules for single symbols, is judged order by order in exact
decimals (`orderrules`), and so is a world that limits its orders (`ordergates`); plain ones are columns from end to end. A law of
the tests holds both ways equal where both can be gone.

Closing orders come first, then opening ones by falling rank, sized within buying power; a sell frees nothing before it is
filled (R40).

Where the specification is silent: an opening sale takes 103 % of its notional of buying power (R40); an opening order that
does not fit is cut to the lots that do, and denied when none does. Shorts are whole shares. A venue without fractions
trades whole lots of at least one share. Closing a whole position sends the broker's exact quantity, whatever its lots
(unless the venue binds it to them), less what others hold of it; a partial close is rounded toward zero and never exceeds what is held. What is too small
to be closed is denied once per decision tick, not again on every follow-up tick.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Final

import numpy as np

from qmtl.dsl.exchange import ExchangePolicy, rules_for

from .bars import Bools, Codes, Floats, Ints
from .frame import Frame
from .ordergates import Gates, limited
from .orderrules import Ask, Fitted, Side, fitted, in_lots, largest, lot_of
from .ours import closable, whole_of
from .reasons import Reason
from .tick import OPEN_LEG, Tick, put, some

SHORT_MARGIN: Final = 1.03
#: 0.3 / lot 0.1 is 3 lots: quotients are read to twelve digits
_DIGITS: Final = 1e-12
#: quantities beyond this many atoms are cut to it, far below where int64 ends
_MOST: Final = 2.0**61
#: nearer to the smallest notional than this fraction nobody is sure
_NEAR: Final = 1e-8
#: places of closing legs in the sending order stand before those of all ranks
_BUYS_BACK: Final = -1e300
#: where the sum of the squares of lots is below this, none of them is near that
_FAR: Final = 2.0**80
#: row that is neither sent nor denied
_DROPPED: Final = 255
_NONE: Final = Decimal(0)
#: orders whose lots may differ: buys that open, sales that open, closing ones
_KINDS: Final[tuple[tuple[Side, bool], ...]] = (("buy", True), ("sell", True), ("sell", False))


@dataclass(frozen=True, slots=True)
class Venue:
    """Lots of an exchange policy in atoms: `lot` of longs, `whole` of shorts, `atom` itself in shares. `exact`: its orders are
    judged one by one, and `lot` to `shorting` are only those of the general rules."""

    atom: Decimal
    size: float
    lot: int
    whole: int
    least: float
    shorting: bool
    exact: bool = False


@dataclass(slots=True, eq=False)
class Sized:
    """Legs of the ticks in the order to send them, k rows.

    tick, column   which tick, and which symbol of it;  close  closing legs
    whole          the whole position goes, in the broker's exact quantity; `atoms` is 0 then
    atoms          signed quantity to send, 0 = denied;  wished  the same before any limit
    qty            signed shares wished, float64;  unit  atoms of a lot
    mark           price used;  reason  why it is wished;  denial  reason code, 0 = none; with atoms left: cut
    needed, funds  money, where `denial` speaks of buying power
    """

    tick: Ints
    column: Ints
    close: Bools
    whole: Bools
    atoms: Ints
    wished: Ints
    qty: Floats
    unit: Ints
    mark: Floats
    rank: Floats
    reason: Codes
    denial: Codes
    needed: Floats
    funds: Floats

    def __len__(self) -> int:
        return len(self.column)


@cache
def venue_of(policy: ExchangePolicy) -> Venue:
    """An exchange policy in atoms; of all its symbols, so that every account on it counts in the same ones."""
    whole = lot_of(policy, "sell", opens=True)
    lot = lot_of(policy, "buy", opens=True)
    every = [lot, whole, *(each for rules in (policy, *_of_symbols(policy)) for each in _lots_of(rules))]
    exponents = (value.normalize().as_tuple().exponent for value in every)
    atom = Decimal(1).scaleb(min(0, *(e for e in exponents if isinstance(e, int))))
    return Venue(
        atom,
        float(atom),
        int(lot / atom),
        int(whole / atom),
        float(policy.min_notional),
        policy.shorting,
        exact=_exact(policy),
    )


def _of_symbols(policy: ExchangePolicy) -> Iterator[ExchangePolicy]:
    """The rules of each name that the policy says something of."""
    return (rules_for(policy, rules.name) for rules in policy.symbols)


def _lots_of(rules: ExchangePolicy) -> Iterator[Decimal]:
    return (lot_of(rules, side, opens=opens) for side, opens in _KINDS)


def _exact(policy: ExchangePolicy) -> bool:
    """Whether a policy says more than columns know of."""
    limits = (policy.max_quantity, policy.max_notional, policy.market_lot_size, policy.market_max_quantity)
    least = policy.min_quantity or policy.market_min_quantity or policy.fractional_min_notional > policy.min_notional
    return bool(policy.symbols or least or policy.closing == "bound" or any(limit is not None for limit in limits))


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Lots in atoms by column, where symbols have their own: [S] of buys that open, sales that open, and closing orders."""

    buys: Ints
    sales: Ints
    closes: Ints

    def take(self, wishes: Wishes, shares: Floats) -> Ints:
        """Of each leg."""
        opening = np.where(shares >= 0, self.buys.take(wishes.column), self.sales.take(wishes.column))
        return np.where(wishes.close, self.closes.take(wishes.column), opening)


def _units(frame: Frame, venue: Venue) -> Units:
    rules = rules_at(frame)
    columns = ([int(lot_of(own, side, opens=opens) / venue.atom) for own in rules] for side, opens in _KINDS)
    return Units(*(np.array(column, dtype=np.int64) for column in columns))


def venue_at(frame: Frame) -> Venue:
    """The venue of a world."""
    return frame.recent.of(venue_of, frame.program.settings.exchange)  # a policy's hash takes longer than asking


def rules_at(frame: Frame) -> tuple[ExchangePolicy, ...]:
    """What the venue accepts of each symbol of a world."""
    return frame.recent.of(_rules, frame)


def _rules(frame: Frame) -> tuple[ExchangePolicy, ...]:
    return tuple(rules_for(frame.program.settings.exchange, symbol) for symbol in frame.names.symbols)


@dataclass(slots=True, eq=False)
class Wishes:
    """Legs of one world in the order in which they are to be sent, k rows: which symbol; closing leg; the whole position;
    signed fraction of world capital; price; shares held; rank of opening legs; reason code. `decision`: of a decision tick."""

    column: Ints
    close: Bools
    whole: Bools
    delta: Floats
    mark: Floats
    held: Floats
    rank: Floats
    reason: Codes
    decision: bool


def full_exit(frame: Frame, column: int, qty: float, mark: float) -> bool:
    """Whether a working exit of `qty` shares is as large as the venue takes: what remains follows once it is filled."""
    rules = rules_at(frame)[column]
    most = largest(rules, Decimal(repr(mark)) if mark > 0 else None, opens=False)
    lot = lot_of(rules, "sell", opens=False)
    return most is not None and abs(qty) >= float(in_lots(most, lot)) * (1 - _DIGITS)


def counted_one_by_one(frame: Frame) -> bool:
    """Whether the orders of a world are judged one by one."""
    return venue_at(frame).exact or limited(frame.program.settings.orders)


def sized(ticks: Sequence[Tick], buying_power: float) -> Sized | None:
    """Every leg of the ticks with the quantity that may be sent; None when nothing is wished. `buying_power` is money of
    the whole account. Where a world limits the orders of a day, `tick.after` has what is sent now counted."""
    wishing = [number for number, tick in enumerate(ticks) if _wishes(tick)]
    if not wishing:
        return None
    parts = [_of_tick(number, ticks[number]) for number in wishing]
    rows = parts[0] if len(parts) == 1 else _sorted(_joined(parts), ticks)
    if any(counted_one_by_one(ticks[number].frame) for number in wishing):
        return _one_by_one(rows, ticks, buying_power)
    return within_funds(rows, [venue_at(tick.frame) for tick in ticks], buying_power)


def _wishes(tick: Tick) -> bool:
    return tick.orders.leg is not tick.frame.silent and some(tick.orders.leg)


def _of_tick(number: int, tick: Tick) -> Sized:
    orders, load, frame = tick.orders, tick.load, tick.frame
    at = orders.leg.nonzero()[0]
    opens, delta = orders.leg.take(at) == OPEN_LEG, orders.delta.take(at)
    rank = tick.select.rank.take(at) if len(tick.select.rank) else np.zeros(len(at))
    if len(at) > 1:
        order = sending_order(frame, at, opens, delta, rank)
        at, opens, delta, rank = at.take(order), opens.take(order), delta.take(order), rank.take(order)
    wishes = Wishes(
        column=at,
        close=~opens,
        whole=orders.closing.take(at),
        delta=delta,
        mark=load.mark.take(at),
        held=closable(tick).take(at),
        rank=rank,
        reason=orders.reason.take(at),
        decision=tick.market.decision,
    )
    venue = venue_at(frame)
    return legs_of(number, wishes, venue, load.capital, frame.recent.of(_units, frame, venue) if venue.exact else None)


def sending_order(frame: Frame, at: Ints, opens: Bools, delta: Floats | None, rank: Floats) -> Ints:
    """Closing legs first, sells before buys; opening ones by falling rank; names settle ties. `delta` None: every closing leg
    sells."""
    place = np.negative(rank)
    if delta is None:
        np.putmask(place, ~opens, -np.inf)
    else:
        place = np.where(opens, place, np.where(delta > 0, _BUYS_BACK, -np.inf))
    if frame.by_name:  # rising columns are rising names
        return place.argsort(kind="stable")
    return np.lexsort((frame.alphabetical.take(at), place))


def legs_of(number: int, wishes: Wishes, venue: Venue, capital: float, units: Units | None = None) -> Sized:
    """The quantities that one world wishes, before buying power; `number` is that of its tick, `units` are the lots of its
    symbols where they differ."""
    k, priced = len(wishes.column), bool(np.minimum.reduce(wishes.mark) > 0)
    unit, atoms, whole = _quantities(wishes, venue, capital, units, priced=priced)
    gone = int(np.count_nonzero(whole))
    qty: Floats = np.multiply(atoms, venue.size, dtype=np.float64)
    if gone:
        qty = np.where(whole, -wishes.held, qty)
    wanting = gone + int(np.count_nonzero(atoms)) < k
    blank = np.zeros(k)
    return Sized(
        tick=constant(k, number),
        column=wishes.column,
        close=wishes.close,
        whole=whole,
        atoms=atoms,
        wished=atoms,
        qty=qty,
        unit=constant(k, unit) if isinstance(unit, int) else unit,
        mark=wishes.mark,
        rank=wishes.rank,
        reason=wishes.reason,
        denial=_denied(wishes, venue, (atoms, whole), (priced, wanting)),
        needed=blank,
        funds=blank,
    )


def undenied(wishes: Wishes, venue: Venue, capital: float) -> tuple[Ints, Bools, float] | None:
    """(atoms, whole positions, money that opening legs need at most) of legs of which none is refused or cut; None where one
    is, or may be. What `legs_of` and `within_funds` say of the same wishes, where there is money enough. Every leg has a
    price."""
    _, atoms, whole = _quantities(wishes, venue, capital, None, priced=True)
    gone = np.count_nonzero(whole)
    if gone + np.count_nonzero(atoms) < len(atoms):
        return None
    size = np.abs(atoms)
    if venue.least and np.count_nonzero(size * wishes.mark * venue.size <= venue.least * (1 + _NEAR)) > gone:
        return None
    if not venue.shorting and np.count_nonzero((atoms < 0) & ~wishes.close):
        return None
    return atoms, whole, float(size.dot(wishes.mark)) * venue.size * SHORT_MARGIN * (1 + _NEAR)


def _quantities(
    wishes: Wishes, venue: Venue, capital: float, units: Units | None, *, priced: bool
) -> tuple[Ints | int, Ints, Bools]:
    """(atoms of a lot, signed atoms in whole lots, whole positions: 0 atoms there); `priced`: every leg has a price."""
    close, mark = wishes.close, wishes.mark
    shares = wishes.delta * capital
    if priced:
        shares /= mark
    else:
        shares = np.divide(shares, mark, out=np.zeros(len(mark)), where=mark > 0)
    unit: Ints | int = venue.lot
    if units is not None:
        unit = units.take(wishes, shares)
    elif venue.lot != venue.whole:
        unit = np.where(close | (shares >= 0), venue.lot, venue.whole)
    atoms, whole = _lots(shares, unit, venue), wishes.whole
    if np.count_nonzero(whole) < np.count_nonzero(close):  # a remainder below the twelfth digit is no position
        whole = whole | (close & (np.abs(atoms) * venue.size >= np.abs(wishes.held) * (1 - _DIGITS)))
    np.putmask(atoms, whole, 0)
    return unit, atoms, whole


def constant(rows: int, value: int) -> Ints:
    """A column of one value."""
    column = np.empty(rows, dtype=np.int64)
    column.fill(value)  # much faster than `full` for a few rows
    return column


def _lots(shares: Floats, unit: Ints | int, venue: Venue) -> Ints:
    """Signed atoms, cut toward zero to whole lots."""
    lots, most = shares / (unit * venue.size), _MOST / unit
    lots += lots * _DIGITS
    if not lots.dot(lots) < _FAR:
        np.minimum(lots, most, out=lots)
        np.maximum(lots, -most, out=lots)
    atoms: Ints = lots.astype(np.int64)  # cuts toward zero
    if isinstance(unit, int) and unit == 1:
        return atoms
    atoms *= unit
    return atoms


def _denied(wishes: Wishes, venue: Venue, legs: tuple[Ints, Bools], known: tuple[bool, bool]) -> Codes:
    """What is refused whatever the buying power; `legs` are atoms and whole positions, `known` whether every leg has a price
    and whether one has no quantity."""
    (atoms, whole), (priced, wanting) = legs, known
    denial = np.zeros(len(atoms), dtype=np.uint8)
    if wanting:
        nothing = (atoms == 0) & ~whole
        put(denial, nothing, Reason.DENIED_LOT)
        if not wishes.decision:
            put(denial, nothing & wishes.close, _DROPPED)
    if not (venue.shorting or venue.exact):
        put(denial, (atoms < 0) & ~(wishes.close | whole), Reason.DENIED_SHORT)
    if not priced:
        put(denial, ~(wishes.close | whole) & (wishes.mark <= 0), Reason.DENIED_MARK)
    return denial


def _joined(parts: Sequence[Sized]) -> Sized:
    names = Sized.__slots__
    return Sized(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _sorted(rows: Sized, ticks: Sequence[Tick]) -> Sized:
    """Legs of several ticks in the order of `_in_order`."""
    names = [ticks[t].frame.names.symbols[c] for t, c in zip(rows.tick.tolist(), rows.column.tolist(), strict=True)]
    delta = np.where(rows.whole, rows.qty, rows.wished)
    order = np.lexsort((np.array(names), np.where(rows.close, delta > 0, -rows.rank), ~rows.close))
    return Sized(**{name: getattr(rows, name)[order] for name in Sized.__slots__})


def within_funds(rows: Sized, venues: Sequence[Venue], buying_power: float) -> Sized:
    """The rows after smallest notional and buying power, nothing touched where everything fits; `venues` by tick."""
    notional = np.abs(rows.qty)
    notional *= rows.mark
    denied = some(rows.denial)
    plenty = not denied and float(np.add.reduce(notional)) * SHORT_MARGIN <= buying_power
    if plenty and not any(venue.least for venue in venues):
        return rows
    asks = (rows.denial == 0) & ~rows.whole
    small = None
    if any(venue.least for venue in venues):
        least = np.array([venue.least for venue in venues]).take(rows.tick)
        small = asks & (notional < least)
    opens = asks & ~rows.close
    if small is not None:
        opens &= ~small
    cost = np.where(opens, notional * np.where(rows.qty < 0, SHORT_MARGIN, 1.0), 0.0)
    if float(cost.sum()) > buying_power:
        return _cut(rows, venues, buying_power)
    denial = rows.denial
    if small is not None and some(small):
        denial = np.where(small, np.uint8(Reason.DENIED_NOTIONAL), denial)
    if denied or some(denial):
        return replace(rows, atoms=np.where(denial == 0, rows.atoms, 0), denial=denial)
    return rows


def _cut(rows: Sized, venues: Sequence[Venue], buying_power: float) -> Sized:
    """One row after another, as far as buying power reaches."""
    atoms, denial, needed, funds = rows.atoms.copy(), rows.denial.copy(), rows.needed.copy(), rows.funds.copy()
    left = buying_power
    for i in np.flatnonzero((denial == 0) & ~rows.whole).tolist():
        venue, mark = venues[int(rows.tick[i])], float(rows.mark[i])
        price = mark * SHORT_MARGIN if rows.qty[i] < 0 else mark
        cost = 0.0 if rows.close[i] else abs(float(rows.qty[i])) * price
        if cost > left:
            part = np.array([float(rows.qty[i]) * max(left, 0.0) / cost])
            atoms[i] = int(_lots(part, int(rows.unit[i]), venue)[0])
            denial[i] = Reason.REDUCED_FUNDS if atoms[i] else Reason.DENIED_FUNDS
            needed[i], funds[i] = cost, left
            cost = abs(int(atoms[i])) * venue.size * price
        if atoms[i] and abs(int(atoms[i])) * venue.size * mark < venue.least:
            atoms[i], denial[i], cost = 0, Reason.DENIED_NOTIONAL, 0.0
        left -= cost
    atoms[(denial != 0) & (denial != int(Reason.REDUCED_FUNDS))] = 0
    return replace(rows, atoms=atoms, denial=denial, needed=needed, funds=funds)


def _one_by_one(rows: Sized, ticks: Sequence[Tick], buying_power: float) -> Sized:
    """The rows after the rules of their symbols, the limits of their worlds and buying power, one after another."""
    done = replace(
        rows, **{name: getattr(rows, name).copy() for name in ("whole", "atoms", "denial", "needed", "funds")}
    )
    gates = {n: Gates(tick) for n, tick in enumerate(ticks) if limited(tick.frame.program.settings.orders)}
    left = buying_power
    for i in range(len(done)):
        number = int(done.tick[i])
        if done.denial[i]:
            done.atoms[i] = 0
        else:
            left -= _judged(done, i, ticks[number], gates.get(number), left)
    for number, gate in gates.items():
        ticks[number].after = gate.after(ticks[number].after)
    return done


def _judged(rows: Sized, i: int, tick: Tick, gate: Gates | None, left: float) -> float:
    """Judge one row, write what becomes of it, and give the buying power that it takes."""
    venue, column, opens, price = venue_at(tick.frame), int(rows.column[i]), not rows.close[i], float(rows.mark[i])
    rules, whole, wished = rules_at(tick.frame)[column], bool(rows.whole[i]), int(rows.atoms[i]) * venue.atom
    if whole:
        wished = -whole_of(tick, column)
    mark = Decimal(repr(price)) if price > 0 else None
    ask = Ask(abs(wished), "buy" if wished > 0 else "sell", opens, whole, mark)
    told, cost = fitted(rules, ask), 0.0
    if opens and told.qty:
        told = _gated(gate, column, told, price)
    if opens and told.qty:
        told, cost = _afforded(rules, replace(ask, qty=told.qty), told, (left, int(rows.unit[i]), venue))
    if not (opens or told.qty or tick.market.decision):
        told = Fitted(_NONE)
    rows.denial[i] = told.reason if told.qty or told.reason else _DROPPED
    rows.needed[i], rows.funds[i] = float(told.found), float(told.limit)
    rows.whole[i] = whole and told.qty == ask.qty
    rows.atoms[i] = 0 if rows.whole[i] else int(told.qty / venue.atom) * (1 if wished > 0 else -1)
    if gate is not None and told.qty:
        gate.sent(float(told.qty) * price if mark else 0.0)
    return cost


def _gated(gate: Gates | None, column: int, fit: Fitted, price: float) -> Fitted:
    """What the limits of the world leave of an opening order: all of it or nothing."""
    refused = None if gate is None else gate.refused(column, float(fit.qty), float(fit.qty) * price)
    if refused is None:
        return fit
    return Fitted(_NONE, refused.reason, Decimal(repr(refused.found)), Decimal(repr(refused.limit)))


def _afforded(rules: ExchangePolicy, ask: Ask, fit: Fitted, of: tuple[float, int, Venue]) -> tuple[Fitted, float]:
    """(what buying power leaves of an opening order, what it takes of it); `of`: what is left, atoms of a lot, the venue."""
    left, unit, venue = of
    price = float(ask.mark or 0) * (SHORT_MARGIN if ask.side == "sell" else 1.0)
    cost = float(ask.qty) * price
    if cost <= left:
        return fit, cost
    part = _lots(np.array([float(ask.qty) * max(left, 0.0) / cost]), unit, venue)
    again, money = (
        fitted(rules, replace(ask, qty=int(part[0]) * venue.atom)),
        (Decimal(repr(cost)), Decimal(repr(left))),
    )
    if again.qty:
        return Fitted(again.qty, Reason.REDUCED_FUNDS, *money), float(again.qty) * price
    return (Fitted(_NONE, Reason.DENIED_FUNDS, *money) if again.reason == Reason.DENIED_LOT else again), 0.0


def refused(rows: Sized) -> Bools:
    """Rows that a person is told about: denied, or sent with less than was wished."""
    told: Bools = (rows.denial != 0) & (rows.denial != _DROPPED)
    return told
