"""Series notation: many values in a few characters, for the bars and probabilities of cases.

In: a scalar such as `500+0.5x200 _x3 601`. Out: `Series`, or what is wrong at its exact place inside the text.

    500        one value. Alone it is a constant: the same value for as many bars as the case has
    500x20     500 twenty times: N is the number of values (promtool counts one more)
    500+0.5x4  500 500.5 501 501.5, `-` falls
    70%x20     a percentage
    _  _x3     missing: no bar, nothing known

Parts stand one after the other, apart by blanks; the last value is the newest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from typing import Final

from ..diagnostics import Diagnostic, problem
from ..tree import Scalar
from .model import Series

#: a series is written for people: longer ones are recorded bars, which `qmtl run` replays
MOST: Final = 20_000
_NUMBER: Final = r"[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?%?"
_PART: Final = re.compile(
    rf"(?:(?P<missing>_)|(?P<first>[-+]?{_NUMBER})(?:(?P<sign>[-+])(?P<step>{_NUMBER}))?)(?:x(?P<count>[0-9]+))?",
    re.ASCII,
)
_WORD: Final = re.compile(r"\S+")
_LOOKS: Final = "`500x20` is 500 twenty times, `500+0.5x20` rises by 0.5, `_x3` is missing three times"


@dataclass(frozen=True, slots=True)
class Limit:
    """What the values of a series must be: a test, and the words for a message."""

    holds: Callable[[float], bool]
    words: str


PRICE: Final = Limit(lambda value: value > 0, "a price is more than 0")
VOLUME: Final = Limit(lambda value: value >= 0, "a volume is not negative")
PROBABILITY: Final = Limit(lambda value: 0 <= value <= 1, "a probability lies between 0 and 1")
VALUE: Final = Limit(lambda _value: True, "")


def read_series(scalar: Scalar, limit: Limit) -> tuple[Series | None, tuple[Diagnostic, ...]]:
    """The values of a scalar, each of which keeps to the limit."""
    value = scalar.value
    if isinstance(value, bool) or value is None:
        return None, (_wrong(scalar, (0, 0), "a series is a number or text", _LOOKS),)
    if not isinstance(value, str):
        series = Series((float(value),), constant=True)
        return (series, ()) if limit.holds(value) else (None, (_wrong(scalar, (0, 0), limit.words),))
    return _parts(scalar, value, limit)


def _parts(scalar: Scalar, text: str, limit: Limit) -> tuple[Series | None, tuple[Diagnostic, ...]]:
    values: list[float] = []
    words = list(_WORD.finditer(text))
    for word in words:
        part = _PART.fullmatch(word.group())
        if part is None:
            return None, (_unread(scalar, word),)
        if part["step"] and not part["count"]:
            return None, (
                _wrong(scalar, word.span(), f"`{word.group()}` does not say how many", "add `xN`: " + _LOOKS),
            )
        count = int(part["count"] or 1) if len(part["count"] or "") < 9 else MOST + 1
        if not 0 < count <= MOST - len(values):
            return None, (_wrong(scalar, word.span(), f"a series has 1 to {MOST:,} values"),)
        new = _values(part, count)
        # a straight line keeps to its limits when both of its ends do
        if not all(limit.holds(edge) for edge in (new[0], new[-1]) if isfinite(edge)):
            return None, (_wrong(scalar, word.span(), limit.words),)
        values += new
    if not values:
        return None, (_wrong(scalar, (0, len(text)), "the series is empty", _LOOKS),)
    alone = len(words) == 1 and "x" not in words[0].group() and values[0] == values[0]
    return Series(tuple(values), constant=alone), ()


def _values(part: re.Match[str], count: int) -> list[float]:
    if part["missing"]:
        return [nan] * count
    step = (-1 if part["sign"] == "-" else 1) * _number(part["step"]) if part["step"] else 0.0
    first = _number(part["first"])
    # rounded, so that 500 + 3 x 0.1 is what a person would write
    return [round(first + step * i, 10) for i in range(count)]


def _number(text: str) -> float:
    scale = 100 if text.endswith("%") else 1
    return float(text.removesuffix("%").replace("_", "")) / scale


def _unread(scalar: Scalar, word: re.Match[str]) -> Diagnostic:
    """Points to the first character that no series could have there."""
    text, good = word.group(), 0
    for end in range(len(text), 0, -1):
        if _PART.fullmatch(text[:end]):
            good = end
            break
    at = word.start() + good
    return _wrong(scalar, (at, word.end()), f"`{text}` is no part of a series", _LOOKS)


def _wrong(scalar: Scalar, where: tuple[int, int], message: str, way_out: str = "") -> Diagnostic:
    span = scalar.place(*where) if where[1] > where[0] else scalar.span
    return problem("Q0806", message, span, help=way_out)
