"""Q0810: signals of a case that its world can never use.

In: the cases of a document and the world under test. Out: a warning per pair that no chain gives, or that the allowlist does
not enable on any day. Only the certain is said: which chain a symbol is in at the tick, only a run knows. Silent where a
symbol has another signal that can be used, or where some case of the document expects to hear that nothing is enabled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from ..diagnostics import Diagnostic, problem
from ..model import AllowRow, World
from ..section import Section
from ..source import Span
from ..tree import Entry, Map, Node, Scalar, Seq

#: what steps and policy say of a pair that is not there: a case that expects it is about just that
_KNOWN: Final = {"allowlist.disabled", "chain.empty", "policy.unwind_only", "unwind_only/disabled_symbol"}


def dead_signals(cases: Iterable[Section], world: World) -> Iterator[Diagnostic]:
    """Every signal that nothing can use; one that cases share is named once."""
    steps = [step for case in cases for step in (case, *case.sections("steps"))]
    expected = {symbol for step in steps for symbol in _about_pairs(step.node.get("expect"))}
    said: set[Span] = set()
    for step in steps:
        for symbol, signals in _by_symbol(step.node.get("signals"), world):
            unusable = [(entry, *_unusable(world, symbol, entry.key)) for entry in signals]
            if symbol in expected or not all(why for _, why, _ in unusable):
                continue
            for entry, why, way_out in unusable:
                if entry.key_span not in said:
                    said.add(entry.key_span)
                    message = f"`{entry.key}` can never speak for {symbol}: {why}"
                    yield problem("Q0810", message, entry.key_span, help=way_out)


def _by_symbol(signals: Node | None, world: World) -> Iterator[tuple[str, list[Entry]]]:
    """(symbol, signals of known strategies); unknown names have their own messages."""
    known = {name for chain in world.chains for name in chain.used}
    for entry in signals.entries if isinstance(signals, Map) else ():
        if isinstance(entry.value, Map) and entry.key in world.settings.universe:
            yield entry.key, [inner for inner in entry.value if inner.key in known]


def _about_pairs(expect: Node | None) -> Iterator[str]:
    """Symbols of which a step expects to hear that nothing is enabled."""
    for key in ("because", "position_policy"):
        part = expect.get(key) if isinstance(expect, Map) else None
        for entry in part.entries if isinstance(part, Map) else ():
            items = entry.value.items if isinstance(entry.value, Seq) else (entry.value,)
            if any(isinstance(item, Scalar) and item.value in _KNOWN for item in items):
                yield entry.key


def _unusable(world: World, symbol: str, strategy: str) -> tuple[str, str]:
    """(why the pair can never trade, way out); ("", "") when it can."""
    sector = dict(world.settings.sectors).get(symbol, "")
    given = [chain.given(symbol, sector)[0] for chain in world.chains]
    here = dict.fromkeys(name for strategies in given for name in strategies)
    if strategy not in here:
        return f"no chain of {symbol} names it", _others([name for name in here if _enabled(world, symbol, name)])
    if not _enabled(world, symbol, strategy):
        return "the allowlist does not enable it", _others([name for name in here if _enabled(world, symbol, name)])
    return "", ""


def _others(usable: list[str]) -> str:
    if not usable:
        return "nothing may trade it: expect `because: allowlist.disabled`, or enable it in the world"
    return f"name one that may: {', '.join(f'`{name}`' for name in usable)}; or enable it in the world"


def _enabled(world: World, symbol: str, strategy: str) -> bool:
    return world.allowlist is None or (symbol, strategy) in _pairs(world.allowlist)


@lru_cache(maxsize=8)
def _pairs(rows: tuple[AllowRow, ...]) -> frozenset[tuple[str, str]]:
    return frozenset((row.symbol, row.strategy) for row in rows if row.enabled)
