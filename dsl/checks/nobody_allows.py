"""Q0611 and Q0616: chains, and strategies in chains, that no symbol of the universe may trade.

One file, because a chain of which nothing is allowed is one mistake and not one per strategy.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..tree import Scalar
from .subject import Stage, Subject


def nobody_allows(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains without an allowed strategy, then strategies that are allowed nowhere."""
    rows = subject.world.allowlist
    if not rows:  # `allowlist: all`; and with no row at all nothing trades, which Q0609 says
        return
    allowed = {row.strategy for row in rows if row.enabled}  # of those that ended, Q0615 speaks
    said: set[str] = set()
    for stage in stages:
        listed = tuple(stage.strategies())
        if listed and not any(item.value in allowed for item in listed):
            said.update(str(item.value) for item in listed)
            yield _chain(subject, stage, listed)
    for stage in stages:
        for item in stage.strategies():
            if item.value not in allowed and item.value not in said:
                said.add(str(item.value))
                yield _strategy(subject, item)


def _chain(subject: Subject, stage: Stage, listed: tuple[Scalar, ...]) -> Diagnostic:
    name = stage.chain.name
    message = f"no symbol allows any strategy of the chain `{name}`: nothing trades in it"
    names = frozenset(str(item.value) for item in listed)
    own = [item for item in listed if item.value in stage.chain.strategies][: len(stage.chain.strategies)]
    place = own[0].span.to(own[-1].span)
    return problem("Q0611", message, place, labels=_why(subject, names), help="allow one of them for a symbol")


def _strategy(subject: Subject, item: Scalar) -> Diagnostic:
    message = f"no symbol allows `{item.value}`, so no chain can use it"
    labels = _why(subject, frozenset({str(item.value)}))
    return problem(
        "Q0616", message, item.span, labels=labels, help="allow it for a symbol, or take it out of the chain"
    )


def _why(subject: Subject, strategies: frozenset[str]) -> tuple[Label, ...]:
    """The rows that were taken back, or else the allowlist."""
    for row in subject.world.allowlist or ():
        path = f"allowlist.{row.symbol}.{row.strategy}"
        if row.strategy in strategies and path in subject.origins:
            return (Label(subject.origins[path], "this row is not enabled"),)
    return (Label(subject.key("allowlist"), "no row for it"),)
