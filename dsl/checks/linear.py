"""Systems of linear inequalities over a few numbers, solved exactly.

In: `Row`s with whole coefficients, each saying `sum of coefficient x variable + bound >= 0` (or `> 0`). Out: a point that
fulfils them all, or the certainty that there is none, by Fourier-Motzkin elimination. Whole numbers of any size, so
nothing is rounded: what is called impossible here is impossible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import Final, Literal

Coefficients = tuple[tuple[str, int], ...]
Point = Mapping[str, Fraction]
#: a system that is too large to be solved: nobody knows
TOO_LARGE: Final = "too large"
_ZERO: Final = Fraction(0)
_MOST_ROWS: Final = 150
_MOST_VARIABLES: Final = 8


@dataclass(frozen=True, slots=True)
class Row:
    """`coefficients` by variable, sorted, none of them 0, and with `bound` without a common divisor. `reads` names the
    variables of the text that may be missing, even where they cancel out."""

    coefficients: Coefficients
    bound: int
    strict: bool = False
    reads: frozenset[str] = frozenset()

    @property
    def opposite(self) -> Row:
        """The row that holds exactly where this one does not."""
        turned = tuple((name, -size) for name, size in self.coefficients)
        return Row(turned, -self.bound, not self.strict, self.reads)

    @property
    def broken(self) -> bool:
        """True when there is no variable in it and it is false."""
        return not self.coefficients and (self.bound < 0 or (self.strict and self.bound == 0))


def row(parts: Mapping[str, Fraction], bound: Fraction, *, strict: bool, reads: frozenset[str] = frozenset()) -> Row:
    """The row of some fractions: `parts + bound >= 0`."""
    sizes = {name: size for name, size in parts.items() if size}
    scale = lcm(bound.denominator, *(size.denominator for size in sizes.values()))
    whole = {name: int(size * scale) for name, size in sizes.items()}
    return _plain(whole, int(bound * scale), strict=strict, reads=reads)


def _plain(sizes: Mapping[str, int], bound: int, *, strict: bool, reads: frozenset[str] = frozenset()) -> Row:
    common = gcd(bound, *sizes.values()) or 1
    listed = tuple(sorted((name, size // common) for name, size in sizes.items() if size))
    return Row(listed, bound // common, strict, reads)


def solve(rows: Iterable[Row]) -> Point | Literal["too large"] | None:
    """A point inside all rows, with short decimals where there are any; None when there is none."""
    system = _tightest(rows)
    stages: list[tuple[str, tuple[Row, ...]]] = []
    while system is not None:
        name = _next(system)
        if name is None:
            return _point(stages)
        stages.append((name, tuple(r for r in system if name in dict(r.coefficients))))
        if len(stages) > _MOST_VARIABLES:
            return TOO_LARGE
        system = _without(name, system)
        if system is not None and len(system) > _MOST_ROWS:
            return TOO_LARGE
    return None


def _tightest(rows: Iterable[Row]) -> tuple[Row, ...] | None:
    """Of parallel rows the one that says most; None when one of them cannot hold."""
    best: dict[Coefficients, tuple[Fraction, bool, Row]] = {}
    for candidate in rows:
        if not candidate.coefficients:
            if candidate.broken:
                return None
            continue
        # parallel rows may differ by a factor: compare them in the scale of the first coefficient
        size = abs(candidate.coefficients[0][1])
        common = gcd(*(c for _, c in candidate.coefficients))
        key = tuple((name, c // common) for name, c in candidate.coefficients)
        said = (Fraction(-candidate.bound, size), candidate.strict)
        known = best.get(key)
        if known is None or said > known[:2]:
            best[key] = (*said, candidate)
    return tuple(found for *_, found in best.values())


def _next(rows: tuple[Row, ...]) -> str | None:
    """The variable whose elimination makes the fewest new rows."""
    low: dict[str, int] = {}
    high: dict[str, int] = {}
    for one in rows:
        for name, size in one.coefficients:
            side = low if size > 0 else high
            side[name] = side.get(name, 0) + 1
    return min(sorted(low | high), key=lambda name: low.get(name, 0) * high.get(name, 0), default=None)


def _without(name: str, rows: tuple[Row, ...]) -> tuple[Row, ...] | None:
    """What the rows say about all other variables; None when they contradict each other already."""
    low: list[tuple[Row, int]] = []
    high: list[tuple[Row, int]] = []
    rest: list[tuple[Row, int]] = []
    for one in rows:
        size = next((c for n, c in one.coefficients if n == name), 0)
        (rest if size == 0 else low if size > 0 else high).append((one, abs(size)))
    joined = [_added(a, b, name) for a in low for b in high]
    return _tightest([*(one for one, _ in rest), *joined])


def _added(a: tuple[Row, int], b: tuple[Row, int], name: str) -> Row:
    """The sum of two rows in which a variable cancels out."""
    (first, by_first), (second, by_second) = a, b
    sizes: dict[str, int] = {}
    for one, factor in ((first, by_second), (second, by_first)):
        for of, size in one.coefficients:
            if of != name:
                sizes[of] = sizes.get(of, 0) + size * factor
    bound = first.bound * by_second + second.bound * by_first
    return _plain(sizes, bound, strict=first.strict or second.strict)


def _point(stages: list[tuple[str, tuple[Row, ...]]]) -> Point:
    """Values from the variable that was eliminated last to the first one."""
    point: dict[str, Fraction] = {}
    for name, rows in reversed(stages):
        low: tuple[Fraction, bool] | None = None
        high: tuple[Fraction, bool] | None = None
        for one in rows:
            sizes = dict(one.coefficients)
            # a variable that stood only beside one without a limit on that side left with it: any value will do
            rest = one.bound + sum(size * point.setdefault(of, _ZERO) for of, size in sizes.items() if of != name)
            limit = Fraction(-rest) / sizes[name]
            if sizes[name] > 0 and (low is None or (limit, one.strict) > low):
                low = (limit, one.strict)
            elif sizes[name] < 0 and (high is None or (limit, not one.strict) < (high[0], not high[1])):
                high = (limit, one.strict)
        point[name] = _between(low, high)
    return point


def _between(low: tuple[Fraction, bool] | None, high: tuple[Fraction, bool] | None) -> Fraction:
    """A number between two limits (and whether each is excluded), with as few decimals as fit."""
    if low is None or high is None:
        edge, step = (low, 1) if low else (high, -1)
        if edge is None:
            return Fraction(0)
        return edge[0] if not edge[1] else edge[0] + step
    middle = (low[0] + high[0]) / 2
    for digits in (0, 1, 2, 3, 4):
        short = round(middle, digits)
        if (short > low[0] or (short == low[0] and not low[1])) and (
            short < high[0] or (short == high[0] and not high[1])
        ):
            return Fraction(short)
    return middle
