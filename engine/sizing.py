"""From wishes in fractions of world capital to quantities, as columns: lots, shorting, notional, buying power.

In: the Ticks of one grid time and the account's buying power. Out: `Sized`, one row per leg, in the order in which they
are to be sent. Pure, and the only place where quantities are made: `net` turns rows into orders, a backtest uses them as
they are. Quantities are whole numbers of *atoms*, the power of ten that lots and whole shares are multiples of, so that
they are exact; limits are compared in float64.

Closing orders come first, then opening ones by falling rank, sized within buying power; a sell frees nothing before it is
filled (R40).

Where the specification is silent: an opening sale takes 103 % of its notional of buying power (R40); an opening order that
does not fit is cut to the lots that do, and denied when none does. Shorts are whole shares. A venue without fractions
trades whole lots of at least one share. Closing a whole position sends the broker's exact quantity, whatever its lots;
a partial close is rounded toward zero and never exceeds what is held. A trim of less than one lot is denied once per
decision tick, not again on every follow-up tick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from qmtl.dsl.model import ExchangePolicy

from .bars import Bools, Codes, Floats, Ints
from .reasons import Reason
from .tick import CLOSE_LEG, Tick, put, some

SHORT_MARGIN: Final = 1.03
#: 0.3 / lot 0.1 is 3 lots: quotients are read to twelve digits
_DIGITS: Final = 1e-12
#: quantities beyond this many atoms are cut to it, far below where int64 ends
_MOST: Final = 2.0**61
#: row that is neither sent nor denied
_DROPPED: Final = 255


@dataclass(frozen=True, slots=True)
class Venue:
    """Lots of an exchange policy in atoms: `lot` of longs, `whole` of shorts, `atom` itself in shares."""

    atom: Decimal
    size: float
    lot: int
    whole: int
    least: float
    shorting: bool


@dataclass(frozen=True, slots=True, eq=False)
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
    """An exchange policy in atoms."""
    whole = max(policy.lot_size, Decimal(1))
    lot = policy.lot_size if policy.fractional else whole
    exponents = (value.normalize().as_tuple().exponent for value in (lot, whole))
    atom = Decimal(1).scaleb(min(0, *(e for e in exponents if isinstance(e, int))))
    return Venue(atom, float(atom), int(lot / atom), int(whole / atom), float(policy.min_notional), policy.shorting)


def sized(ticks: Sequence[Tick], buying_power: float) -> Sized | None:
    """Every leg of the ticks with the quantity that may be sent; None when nothing is wished. `buying_power` is money of
    the whole account."""
    parts = [_of_tick(number, tick) for number, tick in enumerate(ticks) if some(tick.orders.leg)]
    if not parts:
        return None
    rows = parts[0] if len(parts) == 1 else _joined(parts)
    rows = _sorted(rows, ticks)
    return _within_funds(rows, ticks, buying_power)


def _of_tick(number: int, tick: Tick) -> Sized:
    orders, load, venue = tick.orders, tick.load, venue_of(tick.frame.program.settings.exchange)
    at = np.flatnonzero(orders.leg)
    close, whole, mark = orders.leg.take(at) == CLOSE_LEG, orders.closing.take(at), load.mark.take(at)
    value = orders.delta.take(at) * load.capital
    shares = np.divide(value, mark, out=np.zeros_like(value), where=mark > 0)
    unit = np.where(close | (shares >= 0), venue.lot, venue.whole)
    atoms = _lots(shares, unit, venue)
    held = tick.account.qty.take(at)
    # a remainder below the twelfth digit is no position
    whole = whole | (close & (np.abs(atoms) * venue.size >= np.abs(held) * (1 - _DIGITS)))
    atoms = np.where(whole, 0, atoms)
    rank = tick.select.rank.take(at) if len(tick.select.rank) else np.zeros(len(at))
    blank = np.zeros(len(at))
    return Sized(
        tick=np.full(len(at), number),
        column=at,
        close=close,
        whole=whole,
        atoms=atoms,
        wished=atoms,
        qty=np.where(whole, -held, atoms * venue.size),
        unit=unit,
        mark=mark,
        rank=rank,
        reason=orders.reason.take(at),
        denial=_denied(tick, venue, close | whole, (atoms, whole, mark)),
        needed=blank,
        funds=blank,
    )


def _lots(shares: Floats, unit: Ints | int, venue: Venue) -> Ints:
    """Signed atoms, cut toward zero to whole lots."""
    lots = np.abs(shares) / (unit * venue.size)
    lots = np.minimum(np.floor(lots + lots * _DIGITS), _MOST / unit)
    return np.copysign(lots, shares).astype(np.int64) * unit


def _denied(tick: Tick, venue: Venue, close: Bools, wish: tuple[Ints, Bools, Floats]) -> Codes:
    """What is refused whatever the buying power."""
    atoms, whole, mark = wish
    denial = np.zeros(len(atoms), dtype=np.uint8)
    nothing = (atoms == 0) & ~whole
    if some(nothing):
        put(denial, nothing, Reason.DENIED_LOT)
        if not tick.market.decision:
            put(denial, nothing & close, _DROPPED)
    if not venue.shorting:
        put(denial, (atoms < 0) & ~close, Reason.DENIED_SHORT)
    put(denial, ~close & (mark <= 0), Reason.DENIED_MARK)
    return denial


def _joined(parts: Sequence[Sized]) -> Sized:
    names = Sized.__slots__
    return Sized(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _sorted(rows: Sized, ticks: Sequence[Tick]) -> Sized:
    """Closing legs first, sells before buys; opening ones by falling rank; symbols settle ties."""
    if len(rows) == 1:
        return rows
    order = np.lexsort((_by_name(rows, ticks), np.where(rows.close, rows.qty > 0, -rows.rank), ~rows.close))
    return Sized(**{name: getattr(rows, name)[order] for name in Sized.__slots__})


def _by_name(rows: Sized, ticks: Sequence[Tick]) -> NDArray[Any]:
    """What sorts rows by the names of their symbols."""
    if len(ticks) == 1:
        return ticks[0].frame.alphabetical.take(rows.column)
    names = [ticks[t].frame.names.symbols[c] for t, c in zip(rows.tick.tolist(), rows.column.tolist(), strict=True)]
    return np.array(names)


def _within_funds(rows: Sized, ticks: Sequence[Tick], buying_power: float) -> Sized:
    """The rows after smallest notional and buying power; nothing is touched where everything fits."""
    venues = [venue_of(tick.frame.program.settings.exchange) for tick in ticks]
    least = np.array([venue.least for venue in venues]).take(rows.tick)
    notional = np.abs(rows.qty) * rows.mark
    asks = (rows.denial == 0) & ~rows.whole
    small = asks & (notional < least)
    opens = asks & ~rows.close
    cost = np.where(opens & ~small, notional * np.where(rows.qty < 0, SHORT_MARGIN, 1.0), 0.0)
    if float(cost.sum()) <= buying_power:
        denial, atoms = rows.denial, rows.atoms
        if some(small):
            denial = np.where(small, np.uint8(Reason.DENIED_NOTIONAL), denial)
        if some(denial):
            atoms = np.where(denial == 0, atoms, 0)
        return replace(rows, atoms=atoms, denial=denial)
    return _cut(rows, venues, buying_power)


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


def refused(rows: Sized) -> Bools:
    """Rows that a person is told about: denied, or sent with less than was wished."""
    told: Bools = (rows.denial != 0) & (rows.denial != _DROPPED)
    return told
