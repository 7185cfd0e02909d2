"""The ledger: what of the account is ours, per world and symbol, in shares and in money. Pure.

In: fills of our orders with their attribution, corrections, what shorts paid for a night. Out: the next holdings. What the
broker holds beyond their sum is external, so ledger + external = broker after every event. A closing order takes from the
ledger first and never turns it around: what it closes beyond that was external.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..orders import Attribution

_NOTHING = Decimal(0)
#: what a position cost is kept to a billionth of its currency
_PLACES = Decimal("0.000000001")


@dataclass(frozen=True, slots=True)
class Holding:
    """What a world has of a symbol: signed shares, the money that flowed in since the journal began, fees taken off, and what the
    shares that are left were bought for (negative for a short), fees left out; a split leaves that as it is."""

    world: str
    symbol: str
    qty: Decimal
    cash: Decimal
    cost: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class Traded:
    """A part of a fill of ours that belongs to one world: signed shares, price, and its part of the fee."""

    world: str
    symbol: str
    qty: Decimal
    price: Decimal
    fee: Decimal
    leg: str


@dataclass(frozen=True, slots=True)
class Borrowed:
    """What a short of a symbol paid for a night."""

    symbol: str
    cost: Decimal


@dataclass(frozen=True, slots=True)
class Correction:
    """Our quantity of a symbol changed from `before` to `after` without a fill of ours, after the event `seq`.

    why     "split" (`shares` of now for one of before) or "closed_elsewhere" (`money` is what it is taken to have brought)
    """

    symbol: str
    why: str
    shares: float
    before: Decimal
    after: Decimal
    money: Decimal
    seq: int


Change = Traded | Borrowed | Correction


def after(holdings: Sequence[Holding], changes: Iterable[Change]) -> tuple[Holding, ...]:
    """The holdings after these changes, in the order they happened; sorted by symbol and world."""
    held = {(h.symbol, h.world): h for h in holdings}
    for change in changes:
        if isinstance(change, Traded):
            key = (change.symbol, change.world)
            before = held.get(key) or Holding(change.world, change.symbol, _NOTHING, _NOTHING)
            held[key] = _traded(before, change)
            continue
        own = [h for (symbol, _), h in held.items() if symbol == change.symbol]
        if isinstance(change, Borrowed):
            moved = _shared([h for h in own if h.qty < 0] or own, -change.cost)
        else:
            moved = _corrected(own, change)
        held |= {(h.symbol, h.world): h for h in moved}
    return tuple(held[key] for key in sorted(held))


def quantities(holdings: Iterable[Holding]) -> tuple[tuple[str, Decimal], ...]:
    """(symbol, signed shares of all worlds), without zeros, sorted."""
    return _summed((h.symbol, h.qty) for h in holdings if h.qty)


def averages(holdings: Iterable[Holding]) -> Mapping[str, Decimal]:
    """Symbol -> average price of our own shares, where they were bought by fills that the journal knows."""
    qty: dict[str, Decimal] = {}
    cost: dict[str, Decimal] = {}
    for h in holdings:
        qty[h.symbol] = qty.get(h.symbol, _NOTHING) + h.qty
        cost[h.symbol] = cost.get(h.symbol, _NOTHING) + h.cost
    return {symbol: cost[symbol] / shares for symbol, shares in qty.items() if shares * cost[symbol] > 0}


def own_part(held: Decimal, ledger: Decimal) -> Decimal:
    """How much of the broker's position is ours: as much as both agree on, nothing where they stand on opposite sides."""
    if held * ledger <= 0:
        return _NOTHING
    return held if abs(held) <= abs(ledger) else ledger


def monies(holdings: Iterable[Holding]) -> tuple[tuple[str, Decimal], ...]:
    """(symbol, money of all worlds) of every symbol that was ever traded, sorted."""
    return _summed(((h.symbol, h.cash) for h in holdings), zeros=True)


def split_fee(fee: Decimal, parts: Sequence[Decimal]) -> list[Decimal]:
    """The fee of a fill by its parts, to the last digit: what rounding leaves goes to the first."""
    total = sum(parts, _NOTHING)
    if len(parts) == 1 or not total:
        return [fee, *([_NOTHING] * (len(parts) - 1))]
    shares = [(fee * part / total).quantize(Decimal("0.000001")) for part in parts]
    return [shares[0] + fee - sum(shares, _NOTHING), *shares[1:]]


def traded(
    symbol: str,
    leg: str,
    attribution: Sequence[Attribution],
    moved: Sequence[Decimal],
    deal: tuple[Decimal, Decimal, int],
) -> list[Traded]:
    """The parts of one fill: `moved` unsigned shares of each entry; `deal` is (price, fee, sign)."""
    price, fee, sign = deal
    fees = split_fee(fee, moved)
    return [
        Traded(part.world, symbol, sign * qty, price, its_fee, leg)
        for part, qty, its_fee in zip(attribution, moved, fees, strict=True)
        if qty or its_fee
    ]


def _summed(pairs: Iterable[tuple[str, Decimal]], *, zeros: bool = False) -> tuple[tuple[str, Decimal], ...]:
    total: dict[str, Decimal] = {}
    for symbol, value in pairs:
        total[symbol] = total[symbol] + value if symbol in total else value
    return tuple(sorted((symbol, value) for symbol, value in total.items() if value or zeros))


def _traded(held: Holding, change: Traded) -> Holding:
    qty = _ours(change.qty, held.qty) if change.leg == "close" else change.qty
    cash = held.cash - qty * change.price - change.fee
    return Holding(held.world, held.symbol, held.qty + qty, cash, _cost(held, qty, change.price))


def _cost(held: Holding, qty: Decimal, price: Decimal) -> Decimal:
    """What the shares that are left after a fill cost: what is sold takes its part of it, at the average price."""
    after = held.qty + qty
    if held.qty * after <= 0:
        return after * price
    return held.cost + qty * price if qty * held.qty > 0 else (held.cost * after / held.qty).quantize(_PLACES)


def _ours(qty: Decimal, held: Decimal) -> Decimal:
    """How much of a closing fill takes from what is ours: never more than there is."""
    if qty * held >= 0:
        return _NOTHING
    return qty if abs(qty) <= abs(held) else -held


def _shared(own: Sequence[Holding], money: Decimal) -> list[Holding]:
    """Money by shares held; to the first where nothing is held."""
    paid = split_fee(money, [abs(h.qty) for h in own]) if own else []
    return [Holding(h.world, h.symbol, h.qty, h.cash + part, h.cost) for h, part in zip(own, paid, strict=True)]


def _corrected(own: Sequence[Holding], change: Correction) -> list[Holding]:
    """Each world's part in the same proportion; what rounding leaves goes to the largest."""
    if not own:
        return [Holding("", change.symbol, change.after, change.money)]
    paid = [h.cash for h in _shared(own, change.money)]
    if change.before:
        parts = [(h.qty * change.after / change.before).quantize(Decimal("0.000000001")).normalize() for h in own]
    else:
        parts = [h.qty for h in own]
    largest = max(range(len(own)), key=lambda i: abs(parts[i]))
    parts[largest] += change.after - sum(parts, _NOTHING)
    return [
        Holding(h.world, h.symbol, qty + 0, cash, h.cost if qty else _NOTHING)
        for h, qty, cash in zip(own, parts, paid, strict=True)
    ]


def of_world(holdings: Iterable[Holding], world: str) -> Mapping[str, Decimal]:
    """Symbol -> signed shares of one world."""
    return {h.symbol: h.qty for h in holdings if h.world == world and h.qty}
