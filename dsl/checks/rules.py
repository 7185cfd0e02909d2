"""Q0622: a rule of a strategy that no market fulfils, whatever its parameters are set to.

In: a definition without mistakes. Out: warnings at its rules. Parameters may be anything in their declared range; what a name
stands for is written out first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Final

from ..diagnostics import Diagnostic, problem
from ..syntax import Definition, Expr, Param, Rule
from .formula import All, Formula, formula
from .inlined import inlined
from .linear import Row, row
from .ranges import ANYWHERE, Interval, exact
from .samples import variables, why
from .search import impossible

#: what a rule that never holds does not do
_NEVER: Final = {
    "long": "the strategy never goes long",
    "short": "the strategy never goes short",
    "exit long": "it never leaves the long side",
    "exit short": "it never leaves the short side",
}
_BY_TYPE: Final[Mapping[str, Interval]] = {
    "prob": (Fraction(0), Fraction(1)),
    "bars": (Fraction(1), None),
}
_ONE: Final = Fraction(1)


def dead_rules(definition: Definition) -> Iterator[Diagnostic]:
    """Entries and exits of a strategy that never happen."""
    if definition.kind != "strategy":
        return
    written = inlined(definition)
    declared = tuple(one for param in definition.params for one in _declared(param))
    for index, rule in enumerate(definition.rules):
        if rule.kind in _NEVER and index in written:
            yield from _dead(rule, written[index], declared)


def declared_range(param: Param) -> Interval:
    """The values that a parameter may have."""
    if param.low is not None and param.high is not None:
        return exact(param.low), exact(param.high)
    return _BY_TYPE.get(param.type.name, ANYWHERE)


def _declared(param: Param) -> Iterator[Row]:
    low, high = declared_range(param)
    name = param.name.name
    if low is not None:
        yield row({name: _ONE}, -low, strict=False)
    if high is not None:
        yield row({name: -_ONE}, high, strict=False)


def _dead(rule: Rule, expr: Expr, declared: tuple[Row, ...]) -> Iterator[Diagnostic]:
    asked = formula(expr, guard=True)
    read = variables(asked)
    whole: Formula = All((asked, *(one for one in declared if one.coefficients[0][0] in read)))
    # not tried first: rules have variables of their own, and a table of points for each costs more than solving a few rows
    if not impossible(whole):
        return
    message = f"`{rule.kind} when` can never be true: {_NEVER[rule.kind]}"
    known = why(whole)
    help_text = f"{known}: change the rule" if known else "change the thresholds, or join with `or`"
    yield problem("Q0622", message, rule.value.span, label="no market fulfils this", help=help_text)
