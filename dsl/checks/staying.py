"""Q0613: the condition for staying in a chain does not go together with the one for entering it.

Two ways: `stay_when` fails where `when` holds, so that the chain has no hysteresis there (it is held by `when` alone); or
the loosened condition can never be false, so that a symbol leaves the chain only for one above it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..exprtext import spell
from ..source import Span
from ..syntax import Expr
from .samples import tried
from .search import Way, spelled, ways
from .subject import Stage, Subject


def staying(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains whose two conditions cross."""
    for stage in stages:
        chain = stage.chain
        if stage.fate or chain.when is None or chain.stay is None or chain.stay is chain.when:
            continue
        found = _crossing(subject, stage, (chain.when, chain.stay))
        if found:
            yield found


def _crossing(subject: Subject, stage: Stage, conditions: tuple[Expr, Expr]) -> Diagnostic | None:
    when, expr = conditions
    unstay = tried(expr, value=False)
    if unstay.never:
        # where `when` is never false either, hysteresis changes nothing
        return None if tried(when, value=False).never else _never_left(subject, stage, expr)
    if subject.place(f"chains.{stage.chain.name}.stay_when") is None:
        return None  # a condition that was derived by loosening covers the one it was derived from
    way = ways((tried(when).formula, unstay.formula))
    return _uncovered(stage, expr, way) if isinstance(way, Way) else None


def _never_left(subject: Subject, stage: Stage, stay: Expr) -> Diagnostic:
    name = stage.chain.name
    message = f"the chain `{name}` is never left: the condition for staying in it is always true"
    written = subject.place(f"chains.{name}.stay_when")
    if written is not None:
        labels = (Label(stage.place, "entered on this"),)
        help_text = "a symbol leaves it only for a chain above: make `stay_when` fail somewhere"
        return problem("Q0613", message, written, label="true in every market", labels=labels, help=help_text)
    place = _hysteresis(subject)
    loosened = (Label(place, "loosened by this"),) if place else ()
    help_text = f"hysteresis makes `{spell(stay)}` of it: lower `hysteresis` for this chain, or say `stay_when`"
    return problem("Q0613", message, stage.place, label="entered on this", labels=loosened, help=help_text)


def _hysteresis(subject: Subject) -> Span | None:
    entry = subject.tree.entry("hysteresis")
    return entry.value.span if entry else None


def _uncovered(stage: Stage, stay: Expr, way: Way) -> Diagnostic:
    message = f"`stay_when` of the chain `{stage.chain.name}` is false where `when` is true: there it has no hysteresis"
    labels = (Label(stage.place, "true there"),)
    at = spelled(way)
    where = f"for example at {at}; " if at else ""
    help_text = f"{where}let `stay_when` hold wherever `when` does, with looser thresholds"
    return problem("Q0613", message, stay.span, label="false there", labels=labels, help=help_text)
