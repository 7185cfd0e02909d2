"""The type of every expression: names known, units that fit, rates that can be known, conditions where they are due.

In: an expression and a `Scope` (what names mean here, at which rate series are read). Out: its `Type`; mistakes are
collected in the scope. After a mistake the value has the poison type, about which nothing more is said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from .builtins import ACROSS, BUILTINS, FIELDS, MARKET, REGIME, RESULTS, STATEFUL, Builtin
from .diagnostics import Diagnostic, Label, problem
from .recovery import PLACEHOLDER
from .similar import did_you_mean
from .source import Span
from .syntax import AtRate, Binary, Call, Expr, ForBars, History, Name, Number, Text, Unary
from .types import (
    BOOL,
    DURATION,
    MONEY,
    NUM,
    POISON,
    PROB,
    RATIO,
    Misfit,
    Type,
    at,
    plainly,
    product,
    quotient,
    root,
    together,
)
from .units import complaint

#: from "" (constants) to the finest
RATES: Final = ("", "1d", "60m", "15m")
#: bars that a window or a look back may span: more than a year of 15m bars
MOST_BARS: Final = 10_000
COMPARISONS: Final = frozenset({">", ">=", "<", "<=", "==", "!="})
_CROSSES: Final = frozenset({"crosses above", "crosses below"})
#: `atr14`, `sma_20`: a function with its length glued to it
_GLUED: Final = re.compile(r"([a-z_]+?)_?([0-9]+)")
_SPREADING: Final = frozenset({"sum", "slope", "stdev"})


@dataclass(frozen=True, slots=True)
class Scope:
    """What names mean. `names` are params and lets; `feature` gives the type of a feature or None; `regime` says whether
    the regime's outputs may be read; `later` are lets that stand further down."""

    names: Mapping[str, Type]
    feature: Callable[[str], Type | None]
    features: Iterable[str]
    regime: bool
    rate: str = "15m"
    later: AbstractSet[str] = frozenset()
    problems: list[Diagnostic] = field(default_factory=list)

    def report(self, code: str, message: str, span: Span, *, labels: tuple[Label, ...] = (), way_out: str = "") -> Type:
        """Notes a mistake; gives the poison type."""
        self.problems.append(problem(code, message, span, labels=labels, help=way_out))
        return POISON


def finest(rates: Iterable[str]) -> str:
    """The finest of some rates, "" when there is none."""
    return max(rates, key=RATES.index, default="")


def infer(scope: Scope, expr: Expr) -> Type:
    """The type of an expression; poison after a mistake."""
    match expr:
        case Number():
            return _number(scope, expr)
        case Text():
            return scope.report("Q0401", "a text has no place in an expression", expr.span)
        case Name():
            return _name(scope, expr)
        case Call():
            return _call(scope, expr)
        case History():
            return _history(scope, expr)
        case AtRate():
            return _at_rate(scope, expr)
        case Unary():
            return _unary(scope, expr)
        case Binary():
            return _binary(scope, expr)
        case ForBars():
            kind = condition(scope, expr.operand)
            bars(scope, expr.bars)
            return kind


def _at_rate(scope: Scope, expr: AtRate) -> Type:
    """A value at another rate, which cannot be finer than that of what reads it."""
    inner = infer(replace(scope, rate=expr.rate), expr.operand)
    if inner.base == "poison" or RATES.index(expr.rate) <= RATES.index(scope.rate):
        return inner
    if RATES.index(inner.rate) <= RATES.index(scope.rate):
        return inner
    message = f"{expr.rate} bars cannot be read at {scope.rate}"
    way_out = f"take `@{expr.rate}` out, or move the line out of the `on {scope.rate}` block"
    place = expr.rate_span
    sign = place.source.text.rfind("@", expr.span.start, place.start)
    return scope.report(
        "Q0405", message, Span(place.source, sign if sign >= 0 else place.start, place.end), way_out=way_out
    )


def condition(scope: Scope, expr: Expr) -> Type:
    """The type of an expression that must be a condition."""
    kind = infer(scope, expr)
    if kind.base in {"bool", "poison"}:
        return kind
    way_out = "compare it with something: `... > 0`" if kind.numeric else ""
    return scope.report("Q0406", f"a condition is needed here, this is {kind.phrase}", expr.span, way_out=way_out)


def bars(scope: Scope, expr: Expr) -> None:
    """Checks that an expression is a constant number of bars, 1 or more."""
    kind = infer(scope, expr)
    if kind.base == "poison":
        return
    way_out = "write a whole number or a parameter of type `bars`"
    if not kind.constant:
        scope.report("Q0404", "the number of bars must be constant", expr.span, way_out=way_out)
    elif kind.base == "duration":
        scope.report("Q0401", "this is a duration, a number of bars is needed", expr.span, way_out=way_out)
    elif kind.base != "bars" and (
        kind.base != "num" or kind.value is None or kind.value != int(kind.value) or kind.value < 1
    ):
        scope.report("Q0404", "the number of bars must be a whole number, 1 or more", expr.span, way_out=way_out)
    elif kind.value is not None and kind.value > MOST_BARS:
        _too_far(scope, expr.span)


def _too_far(scope: Scope, span: Span) -> Type:
    """Windows are kept in memory for every symbol, and no feed has that much history."""
    return scope.report("Q0205", f"at most {MOST_BARS:,} bars back", span)


_UNIT_TYPES: Final = {"": NUM, "%": RATIO, "bps": RATIO, "USD": MONEY}


def _number(scope: Scope, expr: Number) -> Type:
    known = _UNIT_TYPES.get(expr.unit, DURATION)
    del scope
    return Type(known.base, known.powers, literal=not expr.unit, constant=True, value=expr.value)


# ---- names


def _name(scope: Scope, expr: Name) -> Type:
    name = expr.name
    if name == PLACEHOLDER:
        return POISON
    if name in {"true", "false"}:
        return replace(BOOL, constant=True)
    if name in scope.names:
        return _readable(scope, expr, scope.names[name])
    if name in FIELDS:
        return _field(scope, expr.span, FIELDS[name])
    if name in MARKET:
        return at(MARKET[name], "1d", market=True)
    if name in REGIME and scope.regime:
        return _readable(scope, expr, at(PROB, "15m", market=False))
    feature = scope.feature(name)
    return _unknown(scope, expr) if feature is None else _readable(scope, expr, feature)


def _field(scope: Scope, span: Span, kind: Type) -> Type:
    if scope.rate == "1d":
        message = "bars of symbols are read at 15m or 60m, not at 1d"
        if any(told.message == message for told in scope.problems):
            return POISON  # one wrong rate makes all lines below it wrong
        way_out = f"write `60m` instead of `1d`, which is for series of the market such as {_series_names()}"
        return scope.report("Q0405", message, span, way_out=way_out)
    return at(kind, scope.rate, market=False)


def _readable(scope: Scope, expr: Name, kind: Type) -> Type:
    """A finer value cannot be read at a coarser rate."""
    if kind.base != "poison" and RATES.index(kind.rate) > RATES.index(scope.rate):
        message = f"`{expr.name}` is a {kind.rate} value and cannot be read at {scope.rate}"
        return scope.report(
            "Q0405", message, expr.span, way_out=f"compute it from {scope.rate} bars, or use both outside"
        )
    return kind


def _unknown(scope: Scope, expr: Name) -> Type:
    name = expr.name
    if name in BUILTINS:
        signature = BUILTINS[name].signature
        return scope.report("Q0501", f"`{name}` is a function", expr.span, way_out=f"write `{signature}`")
    glued = _GLUED.fullmatch(name)
    if glued and glued[1] in BUILTINS:
        way_out = f"write `{BUILTINS[glued[1]].signature.replace('n)', f'{glued[2]})')}`"
        return scope.report("Q0501", f"unknown name `{name}`", expr.span, way_out=way_out)
    if name in REGIME:
        message = f"`{name}` cannot be read here: the regime is computed from features"
        return scope.report("Q0501", message, expr.span, way_out="only strategies and worlds read it")
    if name in scope.later:
        return scope.report(
            "Q0501", f"`{name}` is defined further down", expr.span, way_out="move its line above this one"
        )
    known = (*scope.names, *FIELDS, *MARKET, *scope.features, *(REGIME if scope.regime else ()))
    return scope.report("Q0501", f"unknown name `{name}`", expr.span, way_out=_meant(name, known))


def _meant(name: str, known: Iterable[str]) -> str:
    """The name that was meant: a near one, or what belongs to a dotted name of which one half is right."""
    head, _, field_name = name.partition(".")
    if field_name in FIELDS and head.casefold() not in {series.partition(".")[0] for series in MARKET}:
        return f"prices are those of the symbol itself: write `{field_name}`; of the market there is {_series_names()}"
    if f"{name.casefold()}.close" in MARKET:
        return f"did you mean `{name.casefold()}.close`?"
    return did_you_mean(name, known)


def _series_names() -> str:
    return ", ".join(f"`{series}`" for series in MARKET)


# ---- operators


def _history(scope: Scope, expr: History) -> Type:
    kind = infer(scope, expr.operand)
    if kind.base == "poison":
        return POISON
    if expr.back < 1:
        return scope.report("Q0404", "history starts at 1: the bar before", expr.span)
    if expr.back > MOST_BARS:
        return _too_far(scope, expr.span)
    if not kind.numeric or kind.constant:
        what = "a constant" if kind.constant else kind.phrase
        return scope.report("Q0401", f"{what} has no history", expr.operand.span)
    return kind


def _unary(scope: Scope, expr: Unary) -> Type:
    if expr.op == "not":
        return condition(scope, expr.operand)
    kind = _numeric(scope, expr.operand, "`-`")
    if kind.base == "poison":
        return POISON
    base = NUM if kind.base in {"prob", "bars"} else plainly(kind)
    return replace(kind, base=base.base, value=None if kind.value is None else -kind.value)


def _numeric(scope: Scope, expr: Expr, what: str) -> Type:
    kind = infer(scope, expr)
    if kind.numeric or kind.base == "poison":
        return kind
    way_out = "`choose(condition, 1, 0)` makes a number of it" if kind.base == "bool" else ""
    return scope.report("Q0401", f"{what} takes numbers, this is {kind.phrase}", expr.span, way_out=way_out)


def _binary(scope: Scope, expr: Binary) -> Type:
    if expr.op in {"and", "or"}:
        left, right = condition(scope, expr.left), condition(scope, expr.right)
        return POISON if POISON in {left, right} else _joined(BOOL, (left, right))
    left, right = infer(scope, expr.left), infer(scope, expr.right)
    if POISON in {left, right}:
        return POISON
    if expr.op == "??" and left.base == right.base == "bool":
        return _joined(BOOL, (left, right))
    compares = expr.op in COMPARISONS or expr.op in _CROSSES
    if "bool" in {left.base, right.base}:
        return _refused_condition(scope, expr, left)
    result = _result(expr.op, left, right)
    if isinstance(result, Misfit):
        return _misfit(scope, expr, (left, right), result)
    if expr.op in _CROSSES and left.constant and right.constant:
        return scope.report("Q0401", "two constants never cross", expr.span)
    return _joined(BOOL if compares else result, (left, right))


def _result(op: str, left: Type, right: Type) -> Type | Misfit:
    if op == "*":
        return product(left, right)
    if op == "/":
        return quotient(left, right)
    common = together(left, right)
    if isinstance(common, Misfit):
        return common
    if op in {"+", "-"} and left.base == right.base == "prob":
        return NUM
    return NUM if op in {"+", "-"} and common.base == "bars" else common


def _joined(kind: Type, parts: Iterable[Type]) -> Type:
    """The result of an operation: as fine as its finest part, one for all only if every part is."""
    parts = tuple(parts)
    rate = finest([p.rate for p in parts])
    market, constant = all([p.market for p in parts]), all([p.constant for p in parts])  # noqa: C419 - called for every operation
    return Type(kind.base, kind.powers, rate, market, kind.literal, constant, kind.value)


def _refused_condition(scope: Scope, expr: Binary, left: Type) -> Type:
    wrong = expr.left if left.base == "bool" else expr.right
    way_out = "combine conditions with `and`, `or`, `not`" if expr.op in COMPARISONS else ""
    if expr.op == "??":
        way_out = "`??` binds tighter than comparisons: put the condition in brackets"
    return scope.report("Q0401", f"`{expr.op}` takes numbers, this is a condition", wrong.span, way_out=way_out)


def _misfit(scope: Scope, expr: Binary, kinds: tuple[Type, Type], misfit: Misfit) -> Type:
    left, right = kinds
    if misfit.kind != "types":
        bare = left.literal if misfit.kind == "no_unit" else left.value is not None and left.base != "prob"
        wrong, other = (expr.left, expr.right) if bare else (expr.right, expr.left)
        return _literal_misfit(scope, wrong, other, misfit)
    labels = (Label(expr.left.span, f"this is {left.phrase}"), Label(expr.right.span, f"this is {right.phrase}"))
    way_out = next((_number_help(e) for e, k in ((expr.left, left), (expr.right, right)) if k.base == "duration"), "")
    if expr.op in COMPARISONS or expr.op in _CROSSES:
        message = f"cannot compare {left.name} with {right.name}"
        return scope.report("Q0410", message, expr.op_span, labels=labels, way_out=way_out)
    words = {"+": "add {} and {}", "-": "subtract {1} from {0}", "*": "multiply {} by {}", "/": "divide {} by {}"}
    message = "cannot " + words.get(expr.op, "combine {} with {}").format(left.name, right.name)
    return scope.report("Q0401", message, expr.op_span, labels=labels, way_out=way_out)


def _number_help(expr: Expr) -> str:
    if not isinstance(expr, Number):
        return ""
    return f"did you mean the number `{expr.text.rstrip('smhd ')}`?"


def _literal_misfit(scope: Scope, wrong: Expr, other: Expr, misfit: Misfit) -> Type:
    value = _constant(wrong)
    if misfit.kind == "no_unit":
        labels = (Label(other.span, "this is a ratio"),)
        return scope.report(
            "Q0402", "a ratio needs its unit", wrong.span, labels=labels, way_out=complaint("ratio", value)[1]
        )
    labels = (Label(other.span, "this is a probability"),)
    way_out = f"did you mean `{value:g}%`?" if value is not None and 1 < value <= 100 else ""
    return scope.report("Q0205", "a probability lies between 0 and 1", wrong.span, labels=labels, way_out=way_out)


def _constant(expr: Expr) -> float | None:
    if isinstance(expr, Number):
        return expr.value
    inner = _constant(expr.operand) if isinstance(expr, Unary) else None
    return None if inner is None else -inner


# ---- functions


def _call(scope: Scope, expr: Call) -> Type:
    builtin = BUILTINS.get(expr.function.name)
    if builtin is None:
        for arg in expr.args:
            infer(scope, arg)
        name = expr.function.name
        return scope.report(
            "Q0502", f"unknown function `{name}`", expr.function.span, way_out=did_you_mean(name, BUILTINS)
        )
    given, wanted = len(expr.args), len(builtin.args)
    if given < wanted or (given > wanted and not builtin.more):
        count = f"{wanted} argument{'s' * (wanted != 1)}" if wanted else "no arguments"
        message = f"`{builtin.name}` takes {count}, {given} given"
        return scope.report("Q0403", message, expr.span, way_out=f"write `{builtin.signature}`")
    return _applied(scope, expr, builtin)


def _applied(scope: Scope, expr: Call, builtin: Builtin) -> Type:
    kinds: list[Type] = []
    for index, arg in enumerate(expr.args):
        name, wanted = builtin.args[min(index, len(builtin.args) - 1)]
        del name
        if wanted == "bars":
            bars(scope, arg)
        else:
            kinds.append(condition(scope, arg) if wanted == "condition" else _argument(scope, builtin, arg, wanted))
    if POISON in kinds:
        return POISON
    for field_name in builtin.reads:
        kinds.append(_field(scope, expr.span, FIELDS[field_name]))
        if kinds[-1] == POISON:
            return POISON
    misfit = _series(scope, expr, builtin, kinds)
    if misfit is not None:
        return misfit
    result = _typed(scope, expr, builtin, kinds)
    joined = result if result == POISON else _joined(result, kinds)
    return replace(joined, market=True) if builtin.across and builtin.op != "xrank" and joined != POISON else joined


def _argument(scope: Scope, builtin: Builtin, arg: Expr, wanted: str) -> Type:
    kind = _numeric(scope, arg, f"`{builtin.name}`")
    if wanted == "plain" and kind.base == "dim":
        message = f"`{builtin.name}` takes a plain number, this is {kind.phrase}"
        return scope.report("Q0401", message, arg.span, way_out="divide it by something of its kind: `x / close`")
    return kind


def _series(scope: Scope, expr: Call, builtin: Builtin, kinds: list[Type]) -> Type | None:
    """Windows need a series, functions across the universe one value per symbol."""
    if builtin.op in STATEFUL and kinds and all(k.constant for k in kinds):
        return scope.report("Q0401", f"`{builtin.name}` needs a series, this is constant", expr.args[0].span)
    if builtin.op in ACROSS and kinds[0].market:
        message = f"`{builtin.name}` needs one value per symbol, this is one for all"
        return scope.report("Q0401", message, expr.args[0].span)
    return None


def _typed(scope: Scope, expr: Call, builtin: Builtin, kinds: list[Type]) -> Type:
    if builtin.result == "root":
        result = root(kinds[0])
        if isinstance(result, Misfit):
            return scope.report("Q0401", f"there is no square root of {kinds[0].phrase}", expr.args[0].span)
        return result
    if any(wanted == "same" for _, wanted in builtin.args):
        common = _common(scope, expr, builtin, kinds)
        if common == POISON:
            return POISON
        return common
    if builtin.result != "same":
        return RESULTS[builtin.result]
    kind = plainly(kinds[0])
    return NUM if kind.base == "bars" or (kind.base == "prob" and builtin.name in _SPREADING) else kind


def _common(scope: Scope, expr: Call, builtin: Builtin, kinds: list[Type]) -> Type:
    """The common type of the arguments that must be alike."""
    pairs = [
        (arg, kind)
        for index, (arg, kind) in enumerate(zip(expr.args, kinds, strict=False))
        if builtin.args[min(index, len(builtin.args) - 1)][1] == "same"
    ]
    known = next(((a, k) for a, k in pairs if not k.literal), pairs[0])
    result: Type = known[1]
    for arg, kind in pairs:
        joint = together(result, kind)
        if isinstance(joint, Misfit) and joint.kind == "types":
            labels = (Label(known[0].span, f"this is {known[1].phrase}"), Label(arg.span, f"this is {kind.phrase}"))
            message = f"the values of `{builtin.name}` must be of one type"
            return scope.report("Q0401", message, arg.span, labels=labels)
        if isinstance(joint, Misfit):
            return _literal_misfit(scope, arg, known[0], joint)
        result = joint if not (result.literal and kind.literal) else result
    return plainly(result) if not result.literal else replace(NUM, literal=True)
