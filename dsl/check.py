"""Checks what strategies, regimes, features and conditions mean: names, types, units, rates, and that nothing is missing.

In: a `Library` and the expressions of a world. Out: diagnostics; each definition is checked once, features in the order
in which they are read. What passes here can be lowered without further questions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Final

from .builtins import FIELDS, REGIME
from .checks import check_definition
from .diagnostics import Diagnostic, Label, in_order, problem
from .infer import MOST_BARS, Scope, condition, infer
from .lexing import RESERVED
from .library import Library
from .recovery import PLACEHOLDER
from .shape import Shape, shape
from .similar import did_you_mean
from .syntax import Definition, Expr, Name, Number, Param, Rule
from .types import NAMED, POISON, Type
from .uses import free_names, in_reading_order, names_in

#: features of a circle that are named
_MOST_SHOWN: Final = 20
#: what expressions read under these names, whatever is defined
_TAKEN: Final = frozenset((*FIELDS, *REGIME))
STYLES: Final = ("trend", "chop", "defensive")
SCORES: Final = ("trend_up", "trend_down", "chop")
_CONDITIONS: Final = frozenset({"long", "short", "exit long", "exit short"})
_NEEDED: Final = {
    "strategy": ("size",),
    "regime": (*(f"score {name}" for name in SCORES), "high_vol"),
    "feature": ("value",),
}


@dataclass(slots=True)
class Checks:
    """The checks of one library: what was found in each definition, and the types of features seen so far. Definitions and
    conditions are checked once, however many worlds use them."""

    library: Library
    #: where the mistakes of what is being checked are noted
    problems: list[Diagnostic] = field(default_factory=list)
    _features: dict[str, Type] = field(default_factory=dict)
    _found: dict[str, list[Diagnostic]] = field(default_factory=dict)
    _names: tuple[str, ...] | None = None
    _reads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _whole: dict[str, bool] = field(default_factory=dict)
    #: conditions without a mistake of their own, and the features that conditions read
    _well: set[Shape] = field(default_factory=set)
    _asked: dict[Shape, tuple[str, ...]] = field(default_factory=dict)

    def feature(self, name: str) -> Type | None:
        """The type of a feature; None when there is none of that name."""
        if name not in self._features:
            features, circles = in_reading_order((name,), self._unseen)
            for circle in circles:
                self._circle(circle)
            for definition in features:
                # those it reads come first, so this never goes deeper than one feature
                if definition.name.name not in self._features:
                    self._features[definition.name.name] = self._checked(definition)
        return self._features.get(name)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of all features, sorted."""
        if self._names is None:
            self._names = self.library.names("feature")
        return self._names

    def _unseen(self, name: str) -> Definition | None:
        return None if name in self._features or name in _TAKEN else self.library.get("feature", name)

    def _circle(self, circle: tuple[str, ...]) -> None:
        first = self.library.get("feature", circle[0])
        assert first is not None
        shown = (
            circle if len(circle) <= _MOST_SHOWN else (*circle[: _MOST_SHOWN // 2], "...", *circle[-_MOST_SHOWN // 2 :])
        )
        message = f"features read each other in a circle: {' -> '.join(shown)}"
        for name in circle:
            self._features[name] = POISON
            self._found.setdefault(name, []).append(problem("Q0508", message, first.name.span))

    def _checked(self, definition: Definition) -> Type:
        """Checks a definition with a list of its own for the mistakes: a feature is met in the middle of another."""
        outer, self.problems = self.problems, []
        kind = _check(self, definition)
        if not self.problems and not _holed(definition):
            self.problems.extend(check_definition(definition))
        self._found[definition.name.name] = self.problems
        self.problems = outer
        return kind

    def definition(self, definition: Definition) -> None:
        """Checks one definition, once."""
        if definition.kind == "feature" and definition.name.name not in _TAKEN:
            self.feature(definition.name.name)
        elif definition.name.name not in self._found:
            self._checked(definition)

    def of(self, names: Iterable[str]) -> tuple[Diagnostic, ...]:
        """Mistakes of some definitions and of the features behind them, in order."""
        found = [d for name in self.behind(names) for d in self._found.get(name, ())]
        return in_order(found) if found else ()

    def behind(self, names: Iterable[str]) -> Iterable[str]:
        """Definitions, and all features that they read, however far behind."""
        seen = dict.fromkeys(name for name in names if name in self.library.definitions)
        waiting = list(seen)
        while waiting:
            for inner in self._read_by(waiting.pop()):
                if inner not in seen:
                    seen[inner] = None
                    waiting.append(inner)
        return seen

    def _read_by(self, name: str) -> tuple[str, ...]:
        """The features that a definition reads itself."""
        if name not in self._reads:
            free = free_names(self.library.definitions[name])
            self._reads[name] = tuple(n for n in free if n not in _TAKEN and self.library.get("feature", n))
        return self._reads[name]

    def readable(self, names: Iterable[str]) -> bool:
        """Whether neither definitions nor features behind them had a syntax error (which the library has reported)."""
        for name in self.behind(names):
            if name not in self._whole:
                self._whole[name] = not _holed(self.library.definitions[name])
            if not self._whole[name]:
                return False
        return True

    def condition(self, expr: Expr) -> None:
        """Checks a condition of a world."""
        condition(_scope(self, {}, regime=True), expr)

    def wrong_in(self, expr: Expr) -> tuple[Diagnostic, ...]:
        """Mistakes of one condition of a world, and of the features that it reads."""
        said = shape(expr)
        if said not in self._well:
            outer, self.problems = self.problems, []
            self.condition(expr)
            own, self.problems = self.problems, outer
            if own:
                return (*own, *self.of(self.features_in(expr)))
            self._well.add(said)
        return self.of(self.features_in(expr))

    def features_in(self, expr: Expr) -> tuple[str, ...]:
        """The features that a condition reads itself."""
        said = shape(expr)
        if said not in self._asked:
            self._asked[said] = tuple(name for name in names_in((expr,)) if self.library.get("feature", name))
        return self._asked[said]

    @property
    def found(self) -> tuple[Diagnostic, ...]:
        """All mistakes so far, in order."""
        return in_order((*self.problems, *(d for own in self._found.values() for d in own)))


def _holed(definition: Definition) -> bool:
    """Whether a placeholder stands where something could not be read."""
    exprs = (*(t.value for t in definition.lets), *(r.value for r in definition.rules))
    kinds = {p.type.name for p in definition.params} | {r.kind.removeprefix("score ") for r in definition.rules}
    return PLACEHOLDER in kinds or PLACEHOLDER in names_in(exprs)


def check_library(library: Library) -> tuple[Diagnostic, ...]:
    """Mistakes of all definitions of a library (syntax errors are in `library.diagnostics`)."""
    checks = Checks(library)
    for definition in library.definitions.values():
        checks.definition(definition)
    return checks.found


def _scope(checks: Checks, names: dict[str, Type], *, regime: bool, later: AbstractSet[str] = frozenset()) -> Scope:
    return Scope(names, checks.feature, checks.feature_names, regime, later=later, problems=checks.problems)


def _check(checks: Checks, definition: Definition) -> Type:
    """Checks a definition; gives the type of a feature's value."""
    names = {param.name.name: _param(checks, param) for param in definition.params}
    # a name that cannot be one has been told: what is read through it is no second mistake
    names |= dict.fromkeys(_names(checks, definition), POISON)
    regime = definition.kind == "strategy"
    waiting = {let.name.name for let in definition.lets}
    for let in definition.lets:
        waiting.discard(let.name.name)
        scope = replace(_scope(checks, names, regime=regime, later=waiting), rate=let.rate or "15m")
        kind = infer(scope, let.value)
        if names.get(let.name.name) != POISON:
            names[let.name.name] = replace(kind, literal=False)
    scope = _scope(checks, names, regime=regime)
    _complete(checks, definition)
    result = POISON
    for rule in definition.rules:
        result = _rule(scope, rule)
    return result


def _names(checks: Checks, definition: Definition) -> tuple[str, ...]:
    """Names of the definition, its params and lets: none with a meaning of its own, inner ones each once. Gives those that
    cannot be names."""
    _usable(checks, definition.name)
    first: dict[str, Name] = {}
    wrong: list[str] = []
    for name in (*(p.name for p in definition.params), *(t.name for t in definition.lets)):
        taken = first.setdefault(name.name, name)
        if not _usable(checks, name):
            wrong.append(name.name)
        elif taken is not name:
            labels = (Label(taken.span, "first here"),)
            checks.problems.append(problem("Q0507", f"`{name.name}` is defined twice", name.span, labels=labels))
    return tuple(wrong)


def _usable(checks: Checks, name: Name) -> bool:
    """Whether a word may be a name; if not, that is noted."""
    if name.name in RESERVED:
        what = "is a reserved word"
    elif "." in name.name:
        what = "holds a dot"
    elif name.name in _TAKEN:
        what = "already has a meaning"
    else:
        return True
    message = f"`{name.name}` {what} and cannot be a name"
    way_out = f"call it `my_{name.name.replace('.', '_')}` or, better, after what it is for"
    checks.problems.append(problem("Q0305", message, name.span, help=way_out))
    return False


# ---- parameters


def _param(checks: Checks, param: Param) -> Type:
    kind = NAMED.get(param.type.name)
    if kind is None:
        if param.type.name != PLACEHOLDER:
            message = f"`{param.type.name}` is not a type of a parameter"
            way_out = did_you_mean(param.type.name, NAMED) or "the types are " + ", ".join(f"`{n}`" for n in NAMED)
            checks.problems.append(problem("Q0401", message, param.type.span, help=way_out))
        return POISON
    numbers = [n for n in (param.default, param.low, param.high) if n is not None]
    mistakes = [m for n in numbers if (m := _fits(n, kind)) is not None]
    checks.problems.extend(mistakes)
    if not mistakes:
        _range(checks, param)
    return replace(kind, constant=True)


def _fits(number: Number, kind: Type) -> Diagnostic | None:
    """Whether a number may be the value of a parameter."""
    if kind.base == "ratio" and not number.unit and number.value:
        way_out = (
            f"did you mean `{number.text}%`?" if abs(number.value) >= 1 else f"did you mean `{number.value * 100:g}%`?"
        )
        return problem("Q0402", "a ratio needs its unit", number.span, help=way_out)
    wanted = {"ratio": ("", "%", "bps"), "prob": ("", "%"), "dim": ("", "USD")}.get(kind.base, ("",))
    if number.unit not in wanted:
        return problem("Q0401", f"this is not {kind.phrase}", number.span)
    if kind.base == "prob" and not 0 <= number.value <= 1:
        return problem("Q0205", "a probability lies between 0 and 1", number.span)
    if kind.base == "bars" and (number.value != int(number.value) or number.value < 1):
        return problem("Q0404", "a number of bars is a whole number, 1 or more", number.span)
    if kind.base == "bars" and number.value > MOST_BARS:
        return problem("Q0205", f"at most {MOST_BARS:,} bars back", number.span)
    return None


def _range(checks: Checks, param: Param) -> None:
    low, high, default = param.low, param.high, param.default
    if low is None or high is None:
        return
    if low.value > high.value:
        checks.problems.append(
            problem("Q0411", "the range is empty", low.span.to(high.span), help="write the smaller number first")
        )
    elif not low.value <= default.value <= high.value:
        message = f"the default of `{param.name.name}` must be between {low.text} and {high.text}"
        checks.problems.append(problem("Q0411", message, default.span))


# ---- rules


def _complete(checks: Checks, definition: Definition) -> None:
    """Every statement that a definition cannot do without."""
    given = Counter(rule.kind for rule in definition.rules)
    missing = [kind for kind in _NEEDED[definition.kind] if not given[kind]]
    if definition.kind == "strategy":
        if not given["long"] and not given["short"]:
            missing.append("long when ...` or `short when ...")
        if definition.style is None:
            missing.append("style")
        _style(checks, definition)
        _exits(checks, definition, given)
    for kind in missing:
        message = f"{definition.kind} `{definition.name.name}` has no `{kind}`"
        checks.problems.append(problem("Q0202", message, definition.name.span))


def _style(checks: Checks, definition: Definition) -> None:
    style = definition.style
    if style is not None and style.name not in {*STYLES, PLACEHOLDER}:
        way_out = did_you_mean(style.name, STYLES) or "the styles are " + ", ".join(f"`{s}`" for s in STYLES)
        checks.problems.append(problem("Q0204", f"`{style.name}` is not a style", style.span, help=way_out))


def _exits(checks: Checks, definition: Definition, given: Counter[str]) -> None:
    for rule in definition.rules:
        side = rule.kind.removeprefix("exit ")
        if side != rule.kind and not given[side]:
            message = f"`{rule.kind}` without `{side} when ...` never does anything"
            checks.problems.append(problem("Q0304", message, rule.keyword_span))


def _rule(scope: Scope, rule: Rule) -> Type:
    if rule.kind in _CONDITIONS:
        return condition(scope, rule.value)
    if rule.kind.startswith("score ") and rule.kind.removeprefix("score ") not in {*SCORES, PLACEHOLDER}:
        word = rule.kind.removeprefix("score ")
        way_out = did_you_mean(word, SCORES) or "the scores are " + ", ".join(f"`{s}`" for s in SCORES)
        scope.report("Q0204", f"there is no score `{word}`", rule.keyword_span, way_out=way_out)
    kind = infer(scope, rule.value)
    if kind.base == "poison":
        return kind
    return _refused(scope, rule, kind) or kind


def _refused(scope: Scope, rule: Rule, kind: Type) -> Type | None:
    """Whether a value has the type that its statement wants."""
    span = rule.value.span
    if rule.kind == "value":
        return (
            scope.report("Q0401", f"a feature is a series, this is {kind.phrase}", span)
            if kind.constant or kind.base == "duration"
            else None
        )
    if rule.kind.partition(" ")[0] in {"stop", "take"}:
        return _level(scope, rule, kind)
    if rule.kind in {"high_vol", "confidence"}:
        if kind.base == "prob" or (kind.value is not None and kind.plain and 0 <= kind.value <= 1):
            return None
        return scope.report(
            "Q0401",
            f"`{rule.kind}` is a probability, this is {kind.phrase}",
            span,
            way_out="`sigmoid(x)` makes one of any number",
        )
    if not kind.plain:
        way_out = "divide it by something of its kind" if kind.base == "dim" else ""
        return scope.report("Q0401", f"`{rule.kind}` is a plain number, this is {kind.phrase}", span, way_out=way_out)
    return None


def _level(scope: Scope, rule: Rule, kind: Type) -> Type | None:
    """Stops and takes are prices: a distance, or a level behind `at`."""
    span = rule.value.span
    if kind.literal:
        return scope.report(
            "Q0402",
            f"`{rule.kind}` is a price",
            span,
            way_out="write it in terms of prices: `2 * atr(14)` or `2% * close`",
        )
    if kind.base == "dim" and kind.powers == (1, -1):
        return None
    way_out = "write `... * close`" if kind.plain else ""
    return scope.report("Q0401", f"`{rule.kind}` is a price, this is {kind.phrase}", span, way_out=way_out)
