"""Q0611 and Q0616: chains, and strategies in chains, that no symbol of the universe may trade.

What counts is what a chain gives each symbol, overrides and all: a symbol may allow a strategy that this chain keeps for
others. One file, because a chain of which nothing is allowed is one mistake and not one per strategy.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..model import Chain
from ..tree import Scalar
from .subject import Stage, Subject


def nobody_allows(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains without an allowed strategy, then strategies that are allowed nowhere."""
    rows = subject.world.allowlist
    if not rows:  # `allowlist: all`; and with no row at all nothing trades, which Q0609 says
        return
    allowed = {(row.symbol, row.strategy) for row in rows if row.enabled}  # of those that ended, Q0615 speaks
    anywhere = {strategy for _, strategy in allowed}
    said: set[str] = set()
    for stage in stages:
        listed = tuple(stage.strategies())
        if listed and nothing_allowed(subject, stage.chain):
            said.update(str(item.value) for item in listed if item.value not in anywhere)
            yield _chain(subject, stage, listed)
    for stage in stages:
        if nothing_allowed(subject, stage.chain):
            continue
        only_elsewhere = _only_elsewhere(subject, stage.chain, allowed)
        for item in stage.strategies():
            name = str(item.value)
            if name not in anywhere and name not in said:
                said.add(name)
                yield _strategy(subject, item)
            elif name in anywhere and name in only_elsewhere:
                only_elsewhere.remove(name)
                yield _elsewhere(subject, stage, item)


def nothing_allowed(subject: Subject, chain: Chain) -> bool:
    """Whether no symbol allows any strategy that a chain gives it; False for `allowlist: all`."""
    allowed = {(row.symbol, row.strategy) for row in subject.world.allowlist or () if row.enabled}
    given = subject.strategies(chain)
    return bool(subject.world.allowlist) and not any(
        (s, name) in allowed for s, names in given.items() for name in names
    )


def _only_elsewhere(subject: Subject, chain: Chain, allowed: set[tuple[str, str]]) -> set[str]:
    """Strategies of a chain and its sectors that none of the symbols allows which have them here. Of those that one symbol
    has by itself, Q0609 speaks."""
    users: dict[str, list[str]] = {}
    for symbol, names in subject.strategies(chain).items():
        for name in names:
            users.setdefault(name, []).append(symbol)
    shared = {*chain.strategies, *(n for o in chain.overrides if o.kind == "sector" for n in o.strategies or ())}
    return {name for name in shared & users.keys() if not any((symbol, name) in allowed for symbol in users[name])}


def _chain(subject: Subject, stage: Stage, listed: tuple[Scalar, ...]) -> Diagnostic:
    name = stage.chain.name
    message = f"no symbol allows any strategy of the chain `{name}`: nothing trades in it"
    help_text = "allow one of them for a symbol"
    if any(override.strategies is not None for override in stage.chain.overrides):
        message = f"no symbol allows any strategy that the chain `{name}` gives it: nothing trades in it"
        help_text = "allow one of them for a symbol that has it here: `overrides` replace the strategies of the chain"
    names = frozenset(str(item.value) for item in listed)
    own = [item for item in listed if item.value in stage.chain.strategies][: len(stage.chain.strategies)]
    place = own[0].span.to(own[-1].span)
    return problem("Q0611", message, place, labels=_why(subject, names), help=help_text)


def _strategy(subject: Subject, item: Scalar) -> Diagnostic:
    message = f"no symbol allows `{item.value}`, so no chain can use it"
    labels = _why(subject, frozenset({str(item.value)}))
    return problem(
        "Q0616", message, item.span, labels=labels, help="allow it for a symbol, or take it out of the chain"
    )


def _elsewhere(subject: Subject, stage: Stage, item: Scalar) -> Diagnostic:
    """Only symbols allow it that this chain gives other strategies."""
    message = f"no symbol that has `{item.value}` in the chain `{stage.chain.name}` allows it"
    labels = (Label(subject.key("allowlist"), "rows for it are of symbols with other strategies in this chain"),)
    help_text = (
        "allow it for a symbol that has it here, or take it out: `overrides` replace the strategies of the chain"
    )
    return problem("Q0616", message, item.span, labels=labels, help=help_text)


def _why(subject: Subject, strategies: frozenset[str]) -> tuple[Label, ...]:
    """The rows that were taken back, or else the allowlist."""
    rows = [row for row in subject.world.allowlist or () if row.strategy in strategies]
    for row in rows:
        path = f"allowlist.{row.symbol}.{row.strategy}"
        if not row.enabled and path in subject.origins:
            return (Label(subject.origins[path], "this row is not enabled"),)
    if any(row.enabled for row in rows):
        return (Label(subject.key("allowlist"), "rows for them are of symbols with other strategies in this chain"),)
    return (Label(subject.key("allowlist"), "no row for it"),)
