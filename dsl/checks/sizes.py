"""Q0623: sizes, stops and thresholds of the wrong sign or kind.

A size is a share of what is possible, a stop a distance without sign, a stop `at` a level that goes along with the price, and a
volume a number of shares. What is of another kind has the right type all the same, so only its range and what it follows
tell. In: a definition without mistakes. Out: warnings where nothing else can be meant.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from ..builtins import FIELDS
from ..diagnostics import Diagnostic, problem
from ..syntax import AtRate, Binary, Call, Definition, Expr, History, Name, Number, Rule, Unary
from ..uses import walk
from .inlined import inlined
from .ranges import KNOWN, Interval, exact, interval
from .rules import declared_range

_ZERO: Final = Fraction(0)
_ONE: Final = Fraction(1)
_WHOLE: Final = 100
#: shares below which nobody sets a threshold
_FEW_SHARES: Final = 10
_PRICES: Final = frozenset(FIELDS) - {"volume"}
#: functions whose value moves with the price as their first argument does, and as nothing at all
_ALONG: Final = frozenset({"sma", "ema", "wilder", "highest", "lowest"})
_APART: Final = frozenset({"atr", "true_range", "stdev", "slope"})
_ALL_ALIKE: Final = {"min": 0, "max": 0, "clip": 0, "choose": 1, "ratchet": 0}
_COMPARISONS: Final = frozenset({">", ">=", "<", "<="})


def slipped(definition: Definition) -> Iterator[Diagnostic]:
    """Rules whose value is of another kind than their statement takes."""
    if definition.kind == "strategy":
        names = dict(KNOWN) | {param.name.name: declared_range(param) for param in definition.params}
        written = inlined(definition)
        for index, rule in enumerate(definition.rules):
            if index in written:
                yield from _rule(rule, written[index], names)
    for expr in (*(let.value for let in definition.lets), *(rule.value for rule in definition.rules)):
        yield from _few_shares(expr)


def _rule(rule: Rule, expr: Expr, names: Mapping[str, Interval]) -> Iterator[Diagnostic]:
    low, high = interval(expr, names)
    place = rule.value.span
    word = rule.kind.removesuffix(" at")
    if rule.kind == "size" and low is not None and low > _ONE:
        least = f"{float(low):g}"
        message = f"a size is cut to 100%, and this is never below {least}: it always means 100%"
        meant = isinstance(rule.value, Number) and not rule.value.unit and low <= _WHOLE
        yield problem(
            "Q0623", message, place, help=f"did you mean `{least}%`?" if meant else "a size lies between 0% and 100%"
        )
    elif rule.kind == "size" and high is not None and high <= _ZERO:
        yield problem("Q0623", "this size is never above 0: the strategy never wants a position", place)
    elif rule.kind in ("stop", "take") and high is not None and high <= _ZERO:
        message = f"`{word}` is a distance without a sign, and this is never above 0"
        yield problem(
            "Q0623", message, place, help="leave the minus out: the side of the position says which way it lies"
        )
    elif rule.kind in ("stop", "take") and _follows(expr) == _ONE:
        message = f"`{word}` is a distance from the average price, and this moves along with the price as a level does"
        yield problem("Q0623", message, place, help=f"write `{word} at ...` for a level, or take the price out")
    elif rule.kind in ("stop at", "take at") and _follows(expr) == _ZERO:
        message = f"`{rule.kind}` is a price level, and this is a distance: it does not move along with the price"
        yield problem("Q0623", message, place, help=f"write `{word} ...` without `at`, or measure it from a price")


def _follows(expr: Expr) -> Fraction | None:
    """By how much a price changes when all prices are 1 higher: 1 for a level, 0 for a distance; None where that depends."""
    match expr:
        case Number():
            return _ZERO
        case Name():
            return _ONE if expr.name in _PRICES else None
        case History() | AtRate():
            return _follows(expr.operand)
        case Unary(op="-"):
            inner = _follows(expr.operand)
            return None if inner is None else -inner
        case Binary(op="+" | "-"):
            left, right = _follows(expr.left), _follows(expr.right)
            return None if left is None or right is None else left + (right if expr.op == "+" else -right)
        case Binary(op="*" | "/"):
            return _scaled(expr)
        case Call():
            return _called(expr)
        case _:
            return None


def _scaled(expr: Binary) -> Fraction | None:
    left, right = _follows(expr.left), _follows(expr.right)
    if expr.op == "/":
        return (
            left / exact(expr.right)
            if left is not None and isinstance(expr.right, Number) and expr.right.value
            else None
        )
    for one, other, follows in ((expr.left, expr.right, right), (expr.right, expr.left, left)):
        if follows is not None and isinstance(one, Number):
            return follows * exact(one)
        if follows == _ZERO and isinstance(other, Call | AtRate | History) and isinstance(one, Name):
            return _ZERO  # a parameter times a distance
    return None


def _called(expr: Call) -> Fraction | None:
    name = expr.function.name
    if name in _APART:
        return _ZERO
    if name in _ALONG:
        return _follows(expr.args[0])
    if name in _ALL_ALIKE:
        every = {_follows(arg) for arg in expr.args[_ALL_ALIKE[name] :]}
        return every.pop() if len(every) == 1 else None
    return None


def _few_shares(expr: Expr) -> Iterator[Diagnostic]:
    for part in walk(expr):
        if not isinstance(part, Binary) or part.op not in _COMPARISONS:
            continue
        for one, other in ((part.left, part.right), (part.right, part.left)):
            bare = isinstance(one, Name) and one.name == "volume" and isinstance(other, Number)
            if bare and isinstance(other, Number) and 0 < other.value < _FEW_SHARES:
                message = f"`volume` is a number of shares: {other.text} of them is no threshold"
                help_text = f"compare it with its own mean: `volume > {other.text} * sma(volume, 20)`"
                yield problem("Q0623", message, part.span, help=help_text)
