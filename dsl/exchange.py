"""What a venue accepts: the meaning of an exchange document, and what of it counts for one symbol.

In: built by `readexchange.py`. Out: frozen values with every default filled in, for checks, sizing and orders. `rules_for` is
the only place where the layers of a policy are laid over each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, Literal

from .later import AFTER_V1

#: stands for any number of characters in the name of `SymbolRules`, and for any venue or symbol in a `Layer`
ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class FinerTick:
    """Prices under `below` are multiples of `tick_size`."""

    below: Decimal
    tick_size: Decimal


@dataclass(frozen=True, slots=True)
class SymbolRules:
    """What a venue accepts otherwise for one symbol, or for all that a pattern with `*` fits; None keeps what is said more
    generally. The fields are those of `ExchangePolicy`."""

    name: str
    lot_size: Decimal | None = None
    fractional: bool | None = None
    fractional_shorts: bool | None = None
    tick_size: Decimal | None = None
    finer_ticks: tuple[FinerTick, ...] | None = None
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    min_notional: Decimal | None = None
    fractional_min_notional: Decimal | None = None
    max_notional: Decimal | None = None
    market_lot_size: Decimal | None = None
    market_min_quantity: Decimal | None = None
    market_max_quantity: Decimal | None = None
    shorting: bool | None = None
    closing: Literal["exempt", "bound"] | None = None


TimeInForce = Literal["day", "gtc", "ioc", "fok", "opg", "cls"]
#: what a tick's own orders may live for: nothing of ours rests over a close
TickTimeInForce = Literal["day", "ioc"]
OrderType = Literal["market", "limit"]


@dataclass(frozen=True, slots=True)
class ExchangePolicy:
    """What a venue accepts. Quantities in shares (or coins), prices and notionals in the account's currency; None is no such
    limit, or for the last ones "as the general rule".

    finer_ticks    by rising price; the first whose `below` is above the price counts, else `tick_size`
    market_...     of market orders, where a venue has other numbers for them
    closing        `exempt`: the order that closes a whole position may have any size; `bound`: it is an order like others
    time_in_force, order_type   of the orders of a tick; `exit_...` of those that close; `limit_...` of limit orders
    collar         how far from the mark the limit of a limit order lies, as a fraction of the mark
    allowed_...    what the venue takes at all; () is what the orders of a tick have
    reduce_only    the venue has the flag;  reduce_only_ioc  and takes it with `ioc` only
    symbols        by rising precision: a later one wins;  aliases  pairs (our name, the venue's)
    """

    name: str
    lot_size: Decimal = Decimal(1)
    fractional: bool = False
    tick_size: Decimal = Decimal("0.01")
    min_notional: Decimal = Decimal(1)
    shorting: bool = True
    time_in_force: TickTimeInForce = "day"
    order_type: OrderType = "market"
    fractional_shorts: bool = field(default=False, metadata=AFTER_V1)
    finer_ticks: tuple[FinerTick, ...] = field(default=(), metadata=AFTER_V1)
    min_quantity: Decimal = field(default=Decimal(0), metadata=AFTER_V1)
    max_quantity: Decimal | None = field(default=None, metadata=AFTER_V1)
    fractional_min_notional: Decimal = field(default=Decimal(0), metadata=AFTER_V1)
    max_notional: Decimal | None = field(default=None, metadata=AFTER_V1)
    market_lot_size: Decimal | None = field(default=None, metadata=AFTER_V1)
    market_min_quantity: Decimal | None = field(default=None, metadata=AFTER_V1)
    market_max_quantity: Decimal | None = field(default=None, metadata=AFTER_V1)
    closing: Literal["exempt", "bound"] = field(default="exempt", metadata=AFTER_V1)
    exit_order_type: OrderType = field(default="market", metadata=AFTER_V1)
    collar: float | None = field(default=None, metadata=AFTER_V1)
    exit_time_in_force: TickTimeInForce | None = field(default=None, metadata=AFTER_V1)
    limit_time_in_force: TickTimeInForce | None = field(default=None, metadata=AFTER_V1)
    allowed_order_types: tuple[OrderType, ...] = field(default=(), metadata=AFTER_V1)
    allowed_time_in_force: tuple[TimeInForce, ...] = field(default=(), metadata=AFTER_V1)
    fractional_time_in_force: tuple[TimeInForce, ...] = field(default=(), metadata=AFTER_V1)
    reduce_only: bool = field(default=False, metadata=AFTER_V1)
    reduce_only_ioc: bool = field(default=False, metadata=AFTER_V1)
    symbols: tuple[SymbolRules, ...] = field(default=(), metadata=AFTER_V1)
    aliases: tuple[tuple[str, str], ...] = field(default=(), metadata=AFTER_V1)


_OVERRIDDEN: Final = tuple(item.name for item in fields(SymbolRules) if item.name != "name")


@dataclass(frozen=True, slots=True)
class Layer:
    """Rules that count at one venue, or everywhere (`ANY`), for the symbols that their name says."""

    venue: str
    rules: SymbolRules


def instrument(policy: ExchangePolicy, name: str) -> str:
    """The venue's name of a symbol; the name itself where no alias is given."""
    return dict(policy.aliases).get(name, name)


def precision(name: str) -> tuple[bool, int, str]:
    """How precisely a name says which symbols it means, for sorting: a whole name beats every pattern, a pattern with more
    letters one with fewer. Equal ones are put in the order of the alphabet, so that the order of the text means nothing."""
    return ANY not in name, len(name.replace(ANY, "")), name


def fits(name: str, symbol: str) -> bool:
    """Whether the name of symbol rules speaks of a symbol. Only `*` is a wildcard."""
    if ANY not in name:
        return name == symbol
    return fnmatchcase(symbol, name.replace("[", "[[]").replace("?", "[?]"))


def merged(policy: ExchangePolicy, layers: Iterable[Layer], venue: str, symbol: str) -> ExchangePolicy:
    """The policy with the layers laid over it that speak of this venue and symbol: (*, *) first, then (*, symbol), then
    (venue, *), then (venue, symbol); within one of these, patterns by rising precision. What a layer does not say stays."""
    spoken = [layer for layer in layers if layer.venue in (ANY, venue) and fits(layer.rules.name, symbol)]
    spoken.sort(key=lambda layer: (layer.venue != ANY, layer.rules.name != ANY, precision(layer.rules.name)))
    for layer in spoken:
        said = ((name, getattr(layer.rules, name)) for name in _OVERRIDDEN)
        policy = replace(policy, **{name: value for name, value in said if value is not None})
    return policy


def rules_for(policy: ExchangePolicy, symbol: str) -> ExchangePolicy:
    """What a policy says of one symbol, its alias resolved; the result has no rules for symbols any more."""
    if not policy.symbols:
        return policy
    name = instrument(policy, symbol)
    layers = [Layer(policy.name, rules) for rules in policy.symbols if rules.name == name or ANY in rules.name]
    return replace(merged(policy, layers, policy.name, name), symbols=(), aliases=())
