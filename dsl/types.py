"""Types of values: what may be added, compared and read as what.

In: the types of operands. Out: the type of the result, or a `Misfit` that `check.py` puts into words. A value has a base
type and, for prices, quantities and money, its powers of money and shares, so that price times quantity is money and
price over price is a plain number without a rule for each pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Base = Literal["bool", "num", "ratio", "prob", "bars", "duration", "text", "dim", "poison"]

#: (powers of money, powers of shares) of the named dimensions
_DIMENSIONS: Final = {"price": (1, -1), "money": (1, 0), "qty": (0, 1)}
_NAMES: Final = {powers: name for name, powers in _DIMENSIONS.items()}
_ARTICLES: Final = {
    "bool": "a condition", "num": "a number", "ratio": "a ratio", "prob": "a probability", "bars": "a number of bars",
    "duration": "a duration", "text": "a text", "price": "a price", "money": "an amount of money", "qty": "a quantity",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """`literal`: a number without a unit as written in the text, which takes the type of what it meets; `constant`: known
    when compiled; `rate`: "" for constants; `market`: one value for all symbols."""

    base: Base
    powers: tuple[int, int] = (0, 0)
    rate: str = ""
    market: bool = True
    literal: bool = False
    constant: bool = False
    value: float | None = None

    @property
    def name(self) -> str:
        """The word for people: price, ratio, ..."""
        if self.base != "dim":
            return {"bool": "condition", "num": "number", "prob": "probability"}.get(self.base, self.base)
        return _NAMES.get(self.powers, f"money^{self.powers[0]} * shares^{self.powers[1]}")

    @property
    def phrase(self) -> str:
        """The word with its article."""
        key = self.base if self.base != "dim" else _NAMES.get(self.powers, "")
        return _ARTICLES.get(key, f"a value in {self.name}")

    @property
    def numeric(self) -> bool:
        return self.base in {"num", "ratio", "prob", "bars", "dim"}

    @property
    def plain(self) -> bool:
        """Without dimension."""
        return self.base in {"num", "ratio", "prob", "bars"}

    @property
    def zero(self) -> bool:
        return self.literal and self.value == 0


POISON: Final = Type("poison")
BOOL: Final = Type("bool")
NUM: Final = Type("num")
RATIO: Final = Type("ratio")
PROB: Final = Type("prob")
BARS: Final = Type("bars")
DURATION: Final = Type("duration")
TEXT: Final = Type("text")
PRICE: Final = Type("dim", (1, -1))
MONEY: Final = Type("dim", (1, 0))
QTY: Final = Type("dim", (0, 1))

NAMED: Final = {"num": NUM, "ratio": RATIO, "prob": PROB, "bars": BARS, "price": PRICE, "qty": QTY, "money": MONEY}


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why two types do not go together: `kind` types, no_unit (a bare number against a ratio), probability (a literal
    outside [0, 1])."""

    kind: Literal["types", "no_unit", "probability"]


def plainly(kind: Type) -> Type:
    """A type without what is only true of one value: rate, scope, literal."""
    return Type(kind.base, kind.powers)


def together(a: Type, b: Type) -> Type | Misfit:
    """The common type of two values that are added, compared or chosen between.

    A bare literal takes the other type, except that a ratio wants its sign (`2%`); zero takes any; computed plain numbers,
    ratios and probabilities mix."""
    if "poison" in {a.base, b.base}:
        return POISON
    if a.literal or b.literal:
        if a.literal and b.literal:
            return Type("num", literal=True)
        other, literal = (b, a) if a.literal else (a, b)
        return _with_literal(other, literal)
    if a.base == b.base and a.powers == b.powers:
        return plainly(a)
    if a.plain and b.plain:
        return _probability(a, b) or NUM
    return Misfit("types")


def _with_literal(other: Type, literal: Type) -> Type | Misfit:
    if literal.zero and other.base in {"num", "ratio", "prob", "bars", "dim", "duration"}:
        return plainly(other)
    if other.base == "ratio":
        return Misfit("no_unit")
    if other.base == "prob":
        return _probability(other, literal) or PROB
    return plainly(other) if other.numeric else Misfit("types")


def _probability(a: Type, b: Type) -> Misfit | None:
    """A constant beside a probability lies between 0 and 1."""
    for one, two in ((a, b), (b, a)):
        if one.base == "prob" and two.value is not None and not 0 <= two.value <= 1:
            return Misfit("probability")
    return None


def product(a: Type, b: Type) -> Type | Misfit:
    """The type of a product: dimensions add up, a plain number times X is X, a ratio stays one beside plain numbers."""
    if not (a.numeric and b.numeric):
        return Misfit("types")
    if a.literal and b.literal:
        return Type("num", literal=True)
    if a.plain and b.plain:
        return _scaled(a, b)
    return _dimension(a.powers[0] + b.powers[0], a.powers[1] + b.powers[1])


def quotient(a: Type, b: Type) -> Type | Misfit:
    """The type of a quotient: dimensions subtract, X over X is a plain number, X over a plain number is X."""
    if not (a.numeric and b.numeric):
        return Misfit("types")
    if a.literal and b.literal:
        return Type("num", literal=True)
    if a.plain and b.plain:
        return NUM if a.base == b.base or a.base not in {"ratio", "prob"} else _scaled(a, b)
    return _dimension(a.powers[0] - b.powers[0], a.powers[1] - b.powers[1])


def _scaled(a: Type, b: Type) -> Type:
    if a.base in {"num", "bars"}:
        return plainly(b) if b.base == "ratio" else NUM
    if b.base in {"num", "bars"}:
        return plainly(a) if a.base == "ratio" else NUM
    return PROB if a.base == b.base == "prob" else NUM


def _dimension(money: int, shares: int) -> Type:
    return NUM if (money, shares) == (0, 0) else Type("dim", (money, shares))


def root(kind: Type) -> Type | Misfit:
    """The type of a square root: dimensions halve."""
    if not kind.numeric or kind.powers[0] % 2 or kind.powers[1] % 2:
        return Misfit("types")
    return NUM if kind.plain else _dimension(kind.powers[0] // 2, kind.powers[1] // 2)


def at(kind: Type, rate: str, *, market: bool) -> Type:
    """The type with the rate and scope of a series."""
    return Type(kind.base, kind.powers, rate, market, kind.literal, kind.constant, kind.value)
