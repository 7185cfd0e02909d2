"""Q0609 for pairs of a symbol and a strategy: parameters and overrides for what the allowlist never lets trade.

A pair with a row that is switched off or has ended keeps its numbers for later. Only what the world's own file says: what a world
inherits may serve its other heirs.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..source import Span
from ..tree import Entry, Map, Scalar, Seq
from .nobody_allows import nothing_allowed
from .subject import Stage, Subject


def dead_pairs(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Parameters by symbol, and strategies in overrides by symbol, for a pair without a row."""
    rows = subject.world.allowlist
    if not rows:  # `allowlist: all`; with no row at all Q0609 says that nothing trades
        return
    pairs = frozenset((row.symbol, row.strategy) for row in rows)
    listed = frozenset(strategy for _, strategy in pairs)
    yield from _parameters(subject, pairs, listed)
    for stage in stages:
        if nothing_allowed(subject, stage.chain):
            continue  # Q0611 of the whole chain
        yield from _overrides(subject, stage, (pairs, listed))


def _parameters(subject: Subject, pairs: frozenset[tuple[str, str]], listed: frozenset[str]) -> Iterator[Diagnostic]:
    used = {name for chain in subject.world.chains for name in chain.used}
    for strategy, node in _maps(subject.tree.get("parameters")):
        if strategy.key not in used or strategy.key not in listed:
            continue  # Q0609 or Q0616 of the whole strategy
        for symbol, _ in _maps(node.get("by_symbol")):
            if (symbol.key, strategy.key) not in pairs and _own(subject, symbol.key_span):
                message = (
                    f"the allowlist does not let `{symbol.key}` trade `{strategy.key}`, so these parameters do nothing"
                )
                yield _told(subject, message, (symbol.key_span, symbol.key))


def _overrides(
    subject: Subject, stage: Stage, allowed: tuple[frozenset[tuple[str, str]], frozenset[str]]
) -> Iterator[Diagnostic]:
    pairs, listed = allowed
    overrides = stage.node.get("overrides")
    for symbol, node in _maps(overrides.get("by_symbol") if isinstance(overrides, Map) else None):
        named = node.get("strategies")
        for item in named.items if isinstance(named, Seq) else ():
            if not isinstance(item, Scalar) or item.value not in listed or not _own(subject, item.span):
                continue  # what no symbol allows is Q0616
            if (symbol.key, item.value) not in pairs:
                message = f"the allowlist does not let `{symbol.key}` trade `{item.value}`, so it does nothing here"
                yield _told(subject, message, (item.span, symbol.key))


def _told(subject: Subject, message: str, at: tuple[Span, str]) -> Diagnostic:
    place, symbol = at
    row = next((span for path, span in subject.origins.items() if path.startswith(f"allowlist.{symbol}.")), None)
    labels = (Label(row or subject.key("allowlist"), "what it may trade begins here" if row else "no row for it"),)
    return problem("Q0609", message, place, labels=labels, help="add the pair to the allowlist, or drop it here")


def _maps(node: object) -> Iterator[tuple[Entry, Map]]:
    """The entries of a map that are maps themselves."""
    for entry in node if isinstance(node, Map) else ():
        if isinstance(entry.value, Map):
            yield entry, entry.value


def _own(subject: Subject, place: Span) -> bool:
    return place.source.name == subject.document.source.name
