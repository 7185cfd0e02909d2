"""`memory:` of a case: what the world remembers of ticks before the first one.

In: the map. Out: `Memory`. Times are said as "ago", so that they stay true when the case moves to another day.
"""

from __future__ import annotations

from decimal import Decimal

from ..section import Section, whole, word
from ..tree import Map, Node, Scalar
from ..units import duration, money, ratio
from .model import Kill, LastSide, Memory, Pending
from .names import Names, by_symbol
from .situation import SIDES


def read_memory(section: Section, names: Names) -> Memory:
    """The memory of a case; nothing is remembered unless said."""
    memory = section.section("memory")
    node = memory.node
    return Memory(
        chain=_chains(node.get("chain"), names),
        selected=_named(node.get("selected"), names),
        switched=_agos(node.get("switched"), names),
        regime_missing=memory.value("regime_missing", whole, 0),
        last_side=_last_sides(memory, names),
        latched=_latched(node.get("latched"), names),
        pending=_pending(memory, names),
        entry_refused=_agos(node.get("entry_refused"), names),
        exit_refused=_counts(node.get("exit_refused"), names),
        equity=_amount(memory, "equity"),
        day_start=_amount(memory, "day_start"),
        week_start=_amount(memory, "week_start"),
        day_breached=memory.value("day_breached", duration, 0),
        week_breached=memory.value("week_breached", duration, 0),
        failures=memory.value("failures", whole, 0),
        kill=_kill(memory),
    )


def _amount(section: Section, key: str) -> float | None:
    amount: Decimal | None = section.value(key, money, None)
    return None if amount is None else float(amount)


def _chains(node: Node | None, names: Names) -> tuple[tuple[str, str], ...]:
    if isinstance(node, Scalar):
        known = names.chain(str(node.value), node.span)
        return tuple((symbol, str(node.value)) for symbol in names.universe) if known else ()
    return tuple(
        (symbol, str(entry.value.value))
        for symbol, entry in by_symbol(node, names)
        if isinstance(entry.value, Scalar) and names.chain(str(entry.value.value), entry.value.span)
    )


def _named(node: Node | None, names: Names) -> tuple[tuple[str, str], ...]:
    return tuple(
        (symbol, str(entry.value.value))
        for symbol, entry in by_symbol(node, names)
        if isinstance(entry.value, Scalar) and names.strategy(str(entry.value.value), entry.value.span)
    )


def _agos(node: Node | None, names: Names) -> tuple[tuple[str, int], ...]:
    return tuple(
        (symbol, duration(entry.value.value) or 0)
        for symbol, entry in by_symbol(node, names)
        if isinstance(entry.value, Scalar)
    )


def _counts(node: Node | None, names: Names) -> tuple[tuple[str, int], ...]:
    return tuple(
        (symbol, whole(entry.value.value) or 0)
        for symbol, entry in by_symbol(node, names)
        if isinstance(entry.value, Scalar)
    )


def _last_sides(memory: Section, names: Names) -> tuple[LastSide, ...]:
    sides = []
    for symbol, entry in by_symbol(memory.node.get("last_side"), names):
        if isinstance(entry.value, Map):
            inner = Section(entry.value, entry.key, memory.found)
            side, opened = SIDES.get(inner.value("side", word, "long")), inner.value("opened", duration, 86_400)
            sides.append(LastSide(symbol, side or 1, opened))
    return tuple(sides)


def _latched(node: Node | None, names: Names) -> tuple[tuple[str, str, int], ...]:
    return tuple(
        (symbol, inner.key, SIDES.get(str(inner.value.value)) or 1)
        for symbol, entry in by_symbol(node, names)
        if isinstance(entry.value, Map)
        for inner in entry.value
        if isinstance(inner.value, Scalar) and names.strategy(inner.key, inner.key_span)
    )


def _pending(memory: Section, names: Names) -> tuple[Pending, ...]:
    legs = []
    for symbol, entry in by_symbol(memory.node.get("pending"), names):
        if isinstance(entry.value, Map):
            inner = Section(entry.value, entry.key, memory.found)
            strategy = inner.scalar("strategy")
            if strategy is not None and names.strategy(str(strategy.value), strategy.span):
                legs.append(Pending(symbol, inner.value("size", ratio, 0.0), str(strategy.value)))
    return tuple(legs)


def _kill(memory: Section) -> Kill | None:
    if memory.node.entry("kill") is None:
        return None
    kill = memory.section("kill")
    return Kill(kill.value("reason", word, ""), kill.value("since", duration, 600), kill.value("recovers", duration, 0))
