"""Where values lie whatever the market does: an RSI between 0 and 100, a price never below 0.

In: an expression. Out: its smallest and its largest possible value, None where there is no limit. Told from the table of builtins
and by interval arithmetic, rounded outwards nowhere: fractions are exact. Names of a definition's own are unknown unless their
ranges are given. Whoever asks must not be told a limit that a market can break: where in doubt, there is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, sqrt
from types import MappingProxyType
from typing import Final

from ..builtins import BUILTINS, FIELDS, MARKET, REGIME
from ..syntax import AtRate, Binary, Call, Expr, History, Name, Number, Unary

#: smallest and largest value
Interval = tuple[Fraction | None, Fraction | None]
ANYWHERE: Final[Interval] = (None, None)
_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)
_SHARE: Final[Interval] = (_ZERO, _ONE)
_POSITIVE: Final[Interval] = (_ZERO, None)
_SCALE: Final = {"": 1, "%": 100, "bps": 10_000, "USD": 1}
#: digits to which an irrational limit is rounded away from 0
_FINE: Final = 10_000
#: names with a meaning of their own
KNOWN: Final[Mapping[str, Interval]] = MappingProxyType(
    {**dict.fromkeys((*FIELDS, *MARKET), _POSITIVE), **dict.fromkeys(REGIME, _SHARE)}
)


#: what a variable of the formulas stands for, by its text; only names with a meaning of their own have ranges here, so that one
#: text says the same wherever it stands
_MEANT: Final[dict[str, Expr]] = {}
_MOST_KEPT: Final = 16_384


def meant(name: str, expr: Expr) -> None:
    """Remembers what a variable stands for."""
    if name not in _MEANT:
        if len(_MEANT) >= _MOST_KEPT:
            _MEANT.clear()  # what is forgotten has no limits any more, which is never wrong
        _MEANT[name] = expr


def behind(name: str) -> Expr | None:
    """What a variable stands for."""
    return _MEANT.get(name)


def exact(number: Number) -> Fraction:
    """The number as it is written: 0.1 is a tenth, which no binary fraction is."""
    return _exact(number.text, number.unit, number.value)


@lru_cache(maxsize=4096)
def _exact(text: str, unit: str, value: float) -> Fraction:
    try:
        return Fraction(text.removesuffix(unit).strip().replace("_", "")) / _SCALE[unit]
    except (KeyError, ValueError):
        return Fraction(value)


def interval(expr: Expr, names: Mapping[str, Interval] = KNOWN) -> Interval:
    """The smallest and the largest value that an expression of numbers can have."""
    match expr:
        case Number():
            value = exact(expr)
            return value, value
        case Name():
            return names.get(expr.name, ANYWHERE)
        case History() | AtRate():
            return interval(expr.operand, names)
        case Unary(op="-"):
            return _turned(interval(expr.operand, names))
        case Binary() if expr.op in _OPERATIONS:
            return _OPERATIONS[expr.op](interval(expr.left, names), interval(expr.right, names))
        case Call():
            return _called(expr, names)
        case _:
            return ANYWHERE


# ---- arithmetic


def _turned(of: Interval) -> Interval:
    low, high = of
    return None if high is None else -high, None if low is None else -low


def _sum(a: Interval, b: Interval) -> Interval:
    low = None if a[0] is None or b[0] is None else a[0] + b[0]
    return low, None if a[1] is None or b[1] is None else a[1] + b[1]


def _product(a: Interval, b: Interval) -> Interval:
    (al, ah), (bl, bh) = a, b
    if al is not None and ah is not None and bl is not None and bh is not None:
        corners = [x * y for x in (al, ah) for y in (bl, bh)]
        return min(corners), max(corners)
    if not (_sign(a) and _sign(b)):
        return ANYWHERE
    (low, high), (other_low, other_high) = _magnitude(a), _magnitude(b)
    assert low is not None
    assert other_low is not None
    size = low * other_low, None if high is None or other_high is None else high * other_high
    return size if _sign(a) == _sign(b) else _turned(size)


def _sign(of: Interval) -> int:
    """1 for what is never negative, -1 for what is never positive, 0 for what may be both."""
    if of[0] is not None and of[0] >= 0:
        return 1
    return -1 if of[1] is not None and of[1] <= 0 else 0


def _quotient(a: Interval, b: Interval) -> Interval:
    low, high = b
    if low is not None and low > 0:
        return _product(a, (_ZERO if high is None else 1 / high, 1 / low))
    sign = _sign(a) * _sign(b)  # division by 0 is missing
    return {1: _POSITIVE, -1: (None, _ZERO), 0: ANYWHERE}[sign]


def _hull(a: Interval, b: Interval) -> Interval:
    return _least((a[0], b[0])), _most((a[1], b[1]))


def _least(values: Sequence[Fraction | None]) -> Fraction | None:
    known = [value for value in values if value is not None]
    return min(known) if len(known) == len(values) else None


def _most(values: Sequence[Fraction | None]) -> Fraction | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def _smaller(parts: Sequence[Interval]) -> Interval:
    """Of the smallest of some values: below each of their largest."""
    return _least([low for low, _ in parts]), min((high for _, high in parts if high is not None), default=None)


def _larger(parts: Sequence[Interval]) -> Interval:
    return max((low for low, _ in parts if low is not None), default=None), _most([high for _, high in parts])


_OPERATIONS: Final[Mapping[str, Callable[[Interval, Interval], Interval]]] = {
    "+": _sum,
    "-": lambda a, b: _sum(a, _turned(b)),
    "*": _product,
    "/": _quotient,
    "??": _hull,
    "at most": lambda a, b: _smaller((a, b)),
}


# ---- functions


def _called(call: Call, names: Mapping[str, Interval]) -> Interval:
    builtin = BUILTINS.get(call.function.name)
    if builtin is None:
        return ANYWHERE
    if isinstance(builtin.range, tuple):
        low, high = builtin.range
        return None if low is None else Fraction(low), None if high is None else Fraction(high)
    if builtin.range == "deviation":
        return _deviation(call)
    if builtin.range in _SEVERAL:
        return _SEVERAL[builtin.range]([interval(arg, names) for arg in call.args])
    return _ALONE[builtin.range](interval(call.args[0], names)) if call.args else ANYWHERE


def _deviation(call: Call) -> Interval:
    """No value is further from the mean of n than (n - 1) / sqrt(n) of their standard deviations."""
    bars = call.args[-1] if call.args else None
    if not isinstance(bars, Number) or bars.value < 1:
        return ANYWHERE
    most = Fraction(ceil((bars.value - 1) / sqrt(bars.value) * _FINE), _FINE)
    return -most, most


def _magnitude(of: Interval) -> Interval:
    low, high = of
    if _sign(of) > 0:
        return of
    if _sign(of) < 0:
        return _turned(of)
    return _ZERO, None if low is None or high is None else max(abs(low), abs(high))


def _total(of: Interval) -> Interval:
    """A sum of one or more values."""
    low, high = of
    return _ZERO if low is not None and low >= 0 else None, _ZERO if high is not None and high <= 0 else None


def _change(of: Interval) -> Interval:
    """x / x[n] - 1 of a value that is never negative."""
    return (-_ONE, None) if of[0] is not None and of[0] >= 0 else ANYWHERE


_ALONE: Final[Mapping[str, Callable[[Interval], Interval]]] = {
    "same": lambda of: of,
    "abs": _magnitude,
    "sum": _total,
    "change": _change,
}
_SEVERAL: Final[Mapping[str, Callable[[Sequence[Interval]], Interval]]] = {
    "min": _smaller,
    "max": _larger,
    "last_two": lambda parts: _hull(parts[-2], parts[-1]),
}
