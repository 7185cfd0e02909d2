"""Points at which conditions are tried before anything is proven.

In: formulas. Out: the points at which they hold, one bit each. One bit in common settles "can both hold?" with yes, which
is the answer for nearly every condition that people write; only without one the exact search has to be asked. A try is a
look into a sorted table, so it costs about a microsecond.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import gcd
from operator import or_
from typing import Final
from zlib import crc32

from ..builtins import REGIME
from ..syntax import Expr
from .formula import DOWN, SHARES, SURE, UP, All, Any, Claim, Formula, Unless, formula, key
from .known import limits, relations, told
from .linear import Coefficients, Row
from .search import by_itself, impossible

_STEPS: Final = 16
#: every sixteenth of the simplex, each three times (with different shares and series)
_TRENDS: Final = tuple((u / _STEPS, d / _STEPS) for u in range(_STEPS + 1) for d in range(_STEPS + 1 - u)) * 3
COUNT: Final = len(_TRENDS)
FULL: Final = (1 << COUNT) - 1
#: values of the shares, and of series nobody knows the size of
_SHARES: Final = tuple(n / 16 for n in range(17))
_SERIES: Final = (-1024, -64, -4, -1, -1 / 64, 0, 1 / 1024, 1 / 64, 1 / 16, 1 / 2, 1, 4, 12, 16, 22, 28, 34, 45, 72, 128, 1024, 65536)  # fmt: skip
_TABLES: Final = 512


@dataclass(frozen=True, slots=True)
class Tried:
    """A formula, and the points at which it holds."""

    formula: Formula
    points: int

    @property
    def never(self) -> bool:
        """True when it certainly never holds."""
        return not self.points and impossible(self.formula)


#: conditions that were met before, most of them in another world
_TRIED: Final[dict[tuple[str, bool, bool], Tried]] = {}
_MOST_KEPT: Final = 4096


def tried(expr: Expr, *, value: bool = True, guard: bool = False) -> Tried:
    """Where a condition is true (or, with `value` False, where it is false), as a formula that has been tried."""
    at = (key(expr), value, guard)
    found = _TRIED.get(at)
    if found is None:
        if len(_TRIED) >= _MOST_KEPT:
            _TRIED.clear()
        whole = formula(expr, value=value, guard=guard)
        found = _TRIED[at] = Tried(whole, possible(whole))
    return found


def possible(whole: Formula) -> int:
    """The points of a formula that a market could have: those that keep to what is known about its variables."""
    bits = points(whole)
    names = variables(whole) if bits else frozenset()
    for one in (*limits(names), *relations(names)) if names else ():
        bits &= _row(one)
    return bits


def variables(whole: Formula) -> frozenset[str]:
    """The variables of a formula, less those whose points keep to what is known about them."""
    match whole:
        case All() | Any():
            return frozenset().union(*(variables(part) for part in whole.parts))
        case Row():
            return frozenset(name for name, _ in whole.coefficients) - SURE
        case Unless():
            return variables(whole.of)
        case _:
            return frozenset()


def why(whole: Formula) -> str:
    """What a person has to know about the values in a formula that never holds; "" where it contradicts itself."""
    return "" if by_itself(whole) else told(sorted(variables(whole) - frozenset(REGIME)))


def points(whole: Formula) -> int:
    """The points at which a formula holds. Everything is known at every point."""
    match whole:
        case All():
            bits = FULL
            for part in whole.parts:
                bits &= points(part)
            return bits
        case Any():
            bits = 0
            for part in whole.parts:
                bits |= points(part)
            return bits
        case Row():
            return _row(whole)
        case Claim():
            return _pattern(whole.text) if whole.value else FULL ^ _pattern(whole.text)
        case Unless():
            return FULL ^ points(whole.of)


def _row(one: Row) -> int:
    if not one.coefficients:
        return 0 if one.broken else FULL
    common = gcd(*(size for _, size in one.coefficients))
    values, above = _table(tuple((name, size // common) for name, size in one.coefficients))
    return above[(bisect_right if one.strict else bisect_left)(values, -one.bound / common)]


@lru_cache(maxsize=_TABLES)
def _table(coefficients: Coefficients) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Sorted sums of the points, and the points from each one on."""
    columns = [(size, _values(name)) for name, size in coefficients]
    sums = [sum(size * column[i] for size, column in columns) for i in range(COUNT)]
    order = sorted(range(COUNT), key=sums.__getitem__)
    above = tuple(accumulate((1 << i for i in reversed(order)), or_, initial=0))
    return tuple(sums[i] for i in order), above[::-1]


@lru_cache(maxsize=_TABLES)
def _values(name: str) -> tuple[float, ...]:
    if name in {UP, DOWN}:
        return tuple(trend[name == DOWN] for trend in _TRENDS)
    listed = _SHARES if name in SHARES else _SERIES
    seed = crc32(name.encode())
    # a walk through the list with a step of its own, so that no two variables go side by side
    return tuple(listed[(seed + i * (7 + seed % 5) + i // len(listed)) % len(listed)] for i in range(COUNT))


@lru_cache(maxsize=_TABLES)
def _pattern(text: str) -> int:
    """Half of the points, by the text."""
    bits = 0
    for start in range(0, COUNT, 32):
        bits |= crc32(f"{start}{text}".encode()) << start
    return bits & FULL
