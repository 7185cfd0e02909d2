"""Q0612: a strategy whose style says the opposite of what its chain waits for.

Told from the conditions, never from names: a chain that holds only while chop is the likeliest is no place for a trend
strategy, and one that holds only while a trend is as likely as not is none for a strategy that fades moves.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from .formula import DOWN, UP, Any, Formula
from .linear import row
from .samples import Tried, points
from .search import impossible
from .subject import Stage, Subject

_TWO: Final = Fraction(2)
_ONE: Final = Fraction(1)
#: with p_chop = 1 - p_trend_up - p_trend_down
_TREND_LEADS: Final = Any(
    (
        row({UP: _TWO, DOWN: _ONE}, -_ONE, strict=True),
        row({UP: _ONE, DOWN: _TWO}, -_ONE, strict=True),
    )
)
_CHOP_LEADS: Final = row({UP: -_TWO, DOWN: -_ONE}, _ONE, strict=True), row({UP: -_ONE, DOWN: -_TWO}, _ONE, strict=True)
_UP_BELOW_HALF: Final = row({UP: -_TWO}, _ONE, strict=True)
_DOWN_BELOW_HALF: Final = row({DOWN: -_TWO}, _ONE, strict=True)


def style(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Trend strategies in chop chains and the other way round."""
    for stage in stages:
        if stage.fate or stage.when is None:
            continue
        for item in stage.strategies():
            definition = subject.library.get("strategy", str(item.value))
            if definition is None or definition.style is None or not _wrong(definition.style.name, stage.when):
                continue
            waits = (
                "chop is the likeliest"
                if definition.style.name == "trend"
                else "a trend has half the probability or more"
            )
            message = f"`{item.value}` is a {definition.style.name} strategy, but the chain `{stage.chain.name}` holds only while {waits}"
            labels = (Label(stage.place, "holds only then"), Label(definition.style.span, "its style"))
            help_text = "move it to a chain that suits it, or change its style"
            yield problem("Q0612", message, item.span, labels=labels, help=help_text)


def _wrong(of: str, when: Tried) -> bool:
    if of == "trend":
        return _implies_not(when, (_TREND_LEADS,)) and not impossible(when.formula, *_CHOP_LEADS)
    return of == "chop" and _implies_not(when, (_UP_BELOW_HALF, _DOWN_BELOW_HALF))


def _implies_not(when: Tried, formulas: tuple[Formula, ...]) -> bool:
    """True when a condition rules out that all formulas hold."""
    bits = when.points
    for formula in formulas:
        bits &= points(formula)
    return not bits and impossible(when.formula, *formulas)
