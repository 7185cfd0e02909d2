"""What is certain about the values in conditions: the limits of each, and which of two is the larger.

In: variables of rows, by name. Out: rows that hold in every market in which the variables are known: an RSI lies between 0 and 100, a
close between the low and the high of its bar, and no high above the highest of the last 20. The search joins them to what
a condition says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from ..syntax import AtRate, Call, Expr, History, Name
from ..units import spell_ratio
from .formula import CHOP, DOWN, SHARES, UP, linear
from .linear import Row, row
from .ranges import behind, interval

_ONE: Final = Fraction(1)
_ZERO: Final = Fraction(0)
#: the three trends are shares of 1; chop is what is left of it
_SIMPLEX: Final = (
    row({UP: _ONE}, _ZERO, strict=False),
    row({DOWN: _ONE}, _ZERO, strict=False),
    row({UP: -_ONE, DOWN: -_ONE}, _ONE, strict=False),
)
_REGIME: Final = frozenset({UP, DOWN, CHOP})
#: what is never above what, within one bar
_ORDER: Final = (("low", "open"), ("low", "close"), ("low", "high"), ("open", "high"), ("close", "high"))
_MOST_TOLD: Final = 2
_EXTREMES: Final[Mapping[str, int]] = MappingProxyType({"highest": 1, "max": 1, "lowest": -1, "min": -1})


def limits(names: Iterable[str]) -> tuple[Row, ...]:
    """The limits of some variables, each by itself; the trends add up to 1."""
    asked = frozenset(names)
    found = [one for name in sorted(asked - _REGIME) for one in _limits(name)]
    return (*found, *_SIMPLEX) if asked & _REGIME else tuple(found)


def relations(names: Iterable[str]) -> tuple[Row, ...]:
    """What is certain between the variables, and those that they lead to, with all limits; empty where nothing is."""
    every = dict.fromkeys(sorted(names))
    extremes = [one for name in tuple(every) for one in _extremes(name)]
    every |= dict.fromkeys(name for one in extremes for name, _ in one.coefficients)
    found = (*extremes, *_bars(every))
    return (*found, *limits(every)) if found else ()


@lru_cache(maxsize=4096)
def _limits(name: str) -> tuple[Row, ...]:
    if name in SHARES:
        low, high = _ZERO, _ONE
    else:
        expr = behind(name)
        if expr is None:
            return ()
        low, high = interval(expr)  # type: ignore[assignment]
    found = []
    if low is not None:
        found.append(row({name: _ONE}, -low, strict=False))
    if high is not None:
        found.append(row({name: -_ONE}, high, strict=False))
    return tuple(found)


@lru_cache(maxsize=4096)
def _extremes(name: str) -> tuple[Row, ...]:
    """The largest and the smallest of some values, beside the values."""
    expr = behind(name)
    call = expr.operand if isinstance(expr, AtRate) else expr
    way = _EXTREMES.get(call.function.name) if isinstance(call, Call) else None
    if way is None or not isinstance(call, Call):
        return ()
    args = call.args if call.function.name in ("min", "max") else call.args[:1]
    own = linear(expr, guard=True) if expr is not None else linear(call, guard=True)
    found = []
    for arg in args:
        if isinstance(expr, AtRate) and not isinstance(arg, AtRate):
            continue  # the argument is read at another rate than its name says here
        gap = own.less(linear(arg, guard=True)).times(Fraction(way))
        found.append(row(gap.parts, gap.constant, strict=False))
    return tuple(found)


def told(names: Iterable[str]) -> str:
    """What a person has to know about variables whose values cannot be what a condition asks for; "" for nothing."""
    listed = tuple(dict.fromkeys(names))
    if any(name.startswith(("highest(", "lowest(")) for name in listed):
        return "`highest` and `lowest` hold the current bar: `[1]` behind them leaves it out"
    if any(_extremes(name) for name in listed):
        return "`max` is never below one of its values, `min` never above"
    if any(True for _ in _bars(listed)):
        return "open and close lie between the low and the high of their bar"
    said = (_said(name) for name in listed)
    return " and ".join([text for text in said if text][:_MOST_TOLD])


def _said(name: str) -> str:
    expr = behind(name)
    low, high = interval(expr) if expr is not None else (None, None)
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"`{name}` is never {'above' if low is None else 'below'} {_size(name, high if low is None else low)}"
    return f"`{name}` lies between {_size(name, low)} and {_size(name, high)}"


def _size(name: str, value: Fraction | None) -> str:
    assert value is not None
    return spell_ratio(float(value)) if name.startswith("roc(") else f"{float(value):g}"


def _bars(names: Iterable[str]) -> Iterator[Row]:
    """Open and close lie between the low and the high of the same bar."""
    groups: dict[str, dict[str, str]] = {}
    for name in names:
        place = _field(behind(name))
        if place is not None:
            groups.setdefault(place[0], {})[place[1]] = name
    for fields in groups.values():
        for small, large in _ORDER:
            if small in fields and large in fields:
                yield row({fields[large]: _ONE, fields[small]: -_ONE}, _ZERO, strict=False)


def _field(expr: Expr | None) -> tuple[str, str] | None:
    """(which bar, which of its prices) of a variable that is one."""
    match expr:
        case Name(name="open" | "high" | "low" | "close"):
            return "", expr.name
        case Name() if expr.name.startswith("vix."):
            return "vix", expr.name.removeprefix("vix.")
        case History() | AtRate():
            inner = _field(expr.operand)
            mark = f"[{expr.back}]" if isinstance(expr, History) else f"@{expr.rate}"
            return None if inner is None else (f"{inner[0]}{mark}", inner[1])
        case _:
            return None
