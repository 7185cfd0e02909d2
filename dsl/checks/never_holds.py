"""Q0608: a chain whose condition no market can fulfil."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, problem
from ..uses import names_in
from .formula import CHOP, DOWN, UP
from .samples import why
from .subject import Stage, Subject


def never_holds(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains that can never hold, however the chains above them decide."""
    del subject
    for stage in stages:
        if stage.fate == "never":
            message = f"the chain `{stage.chain.name}` can never hold"
            yield problem("Q0608", message, stage.place, label="no market fulfils this", help=_help(stage))


def _help(stage: Stage) -> str:
    names = frozenset(names_in([stage.chain.when] if stage.chain.when is not None else []))
    if len(names & {UP, DOWN, CHOP}) > 1:
        return "p_trend_up, p_trend_down and p_chop add up to 1: lower a threshold, or join with `or`"
    if names & {UP, DOWN, CHOP}:
        return "probabilities lie between 0 and 1: change the thresholds, or join with `or`"
    known = why(stage.when.formula) if stage.when is not None else ""
    return f"{known}: change the thresholds" if known else "change the thresholds, or join with `or`"
