"""Whether formulas can hold at the same time.

In: formulas. Out: one way in which all of them hold (numbers and claims), the certainty that there is none, or nothing
known when the search gets too large: a check that is not certain says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal

from .formula import CHOP, DOWN, SHARES, SURE, UP, All, Any, Claim, Formula, Unless
from .known import limits, relations
from .linear import TOO_LARGE, Point, Row, solve

_MOST_SOLVED: Final = 200
_ZERO: Final = Fraction(0)


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which formulas hold: values of the variables in them, and claims."""

    point: Point
    claims: tuple[Claim, ...]


@dataclass(slots=True)
class _Search:
    solved: int = 0
    bare: bool = False


@dataclass(frozen=True, slots=True)
class _Taken:
    """What has been decided on one branch."""

    rows: tuple[Row, ...] = ()
    claims: frozenset[Claim] = frozenset()
    unless: tuple[Row | Claim, ...] = field(default=())


def ways(formulas: Iterable[Formula]) -> Way | Literal["too large"] | None:
    """One way in which all formulas hold; None when there is certainly none."""
    return _branch(_Search(), list(formulas), _Taken())


def impossible(*formulas: Formula) -> bool:
    """True when the formulas certainly never hold at the same time."""
    return ways(formulas) is None


def by_itself(whole: Formula) -> bool:
    """True when a formula contradicts itself, whatever is known about its values."""
    return _branch(_Search(bare=True), [whole], _Taken()) is None


def _branch(search: _Search, todo: list[Formula], taken: _Taken) -> Way | Literal["too large"] | None:
    choices: list[Any] = []
    while todo:
        formula = todo.pop()
        if isinstance(formula, All):
            todo.extend(formula.parts)
        elif isinstance(formula, Any):
            choices.append(formula)
        else:
            taken = _with(taken, formula)
    found = _solved(search, taken)
    if found is None or found == TOO_LARGE or not choices:
        return found
    choices.sort(key=lambda choice: len(choice.parts))
    first, *rest = choices
    for part in first.parts:
        found = _branch(search, [*rest, part], taken)
        if found is not None:
            return found
    return None


def _with(taken: _Taken, leaf: Row | Claim | Unless) -> _Taken:
    if isinstance(leaf, Row):
        return _Taken((*taken.rows, leaf), taken.claims, taken.unless)
    if isinstance(leaf, Claim):
        return _Taken(taken.rows, taken.claims | {leaf}, taken.unless)
    return _Taken(taken.rows, taken.claims, (*taken.unless, leaf.of))


def _solved(search: _Search, taken: _Taken) -> Way | Literal["too large"] | None:
    claims = taken.claims
    if any(Claim(c.text, not c.value) in claims for c in claims) or any(u in claims for u in taken.unless):
        return None
    search.solved += 1
    if search.solved > _MOST_SOLVED:
        return TOO_LARGE
    known = frozenset(name for one in taken.rows for name in one.reads)
    # where a number may be missing, what must not hold does not
    denied = [u.opposite for u in taken.unless if isinstance(u, Row) and u.reads <= known]
    rows = [*taken.rows, *denied]
    names = {name for one in rows for name, _ in one.coefficients}
    point = solve([*rows, *limits(names & SURE if search.bare else names)])
    if point is None or isinstance(point, str):
        return point
    more = () if search.bare else relations(names)
    closer = solve([*rows, *more]) if more else point
    if closer is None:
        return None
    point = point if isinstance(closer, str) else closer
    return Way(point, tuple(sorted(claims, key=lambda c: c.text)))


def spelled(way: Way) -> str:
    """A way in words: `p_trend_up 0.6, p_trend_down 0.1, p_chop 0.3`."""
    numbers = dict(way.point)
    if UP in numbers or DOWN in numbers:
        up, down = numbers.setdefault(UP, _ZERO), numbers.setdefault(DOWN, _ZERO)
        numbers[CHOP] = 1 - up - down
    order = (UP, DOWN, CHOP, *SHARES, *sorted(numbers))
    said = [f"{name} {_number(numbers[name])}" for name in dict.fromkeys(order) if name in numbers]
    return ", ".join([*said, *(f"`{c.text}` {'true' if c.value else 'false'}" for c in way.claims)])


def _number(value: Fraction) -> str:
    return f"{float(value):.12g}"
