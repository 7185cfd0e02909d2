"""Chains, hysteresis and entry guards: the parts of a world that hold predicates.

In: the tree of a world. Out: `Chain`s with their conditions parsed and the loosened form derived, `EntryGuard`s, and the
strategies in the order of first use. A chain that is broken is left out, so that the rest is still checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Final

from .context import Context
from .diagnostics import Diagnostic, Label, problem
from .model import Chain, ChainOverride, EntryGuard, EntryGuardSettings
from .section import Findings, Section, number, word
from .similar import did_you_mean
from .source import Span
from .syntax import Expr
from .tree import Map, Node, Scalar
from .units import ratio

HYSTERESIS: Final = 0.07
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FEW: Final = 8
_KEYS: Final = frozenset(field.name for field in fields(Chain)) | {"stay_when", "otherwise"}
_OVERRIDES: Final = (("by_sector", "sector"), ("by_symbol", "symbol"))
PROBABILITIES: Final = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol")


def read_chains(world: Section, context: Context) -> tuple[Chain, ...]:
    """The chains in order; conditions parsed, strategies known, the last one `otherwise`."""
    sections = world.sections("chains")
    _total(sections, world)
    names = [_name(s) for s in sections]
    _no_doubles(sections, names, world)
    _hysteresis_names(world, names)
    chains = [_chain(section, world, context) for section in sections]
    return tuple(chain for chain in chains if chain)


def _name(section: Section) -> str:
    scalar = section.scalar("name")
    return scalar.value if scalar and isinstance(scalar.value, str) else ""


def _chain(section: Section, world: Section, context: Context) -> Chain | None:
    name = _name(section)
    strategies = read_strategies(section.words("strategies"), section.found, context)
    exposure = section.value("exposure", ratio, 1.0)
    overrides = _overrides(section, world, context)
    if _otherwise(section):
        return Chain(name, None, None, strategies, exposure, overrides)
    when = predicate(section, "when", context)
    stay = predicate(section, "stay_when", context)
    if when is None:
        return None
    if stay is None:
        stay = _loosened(when, name, section, (world, context))
    return Chain(name, when, stay, strategies, exposure, overrides)


def _overrides(section: Section, world: Section, context: Context) -> tuple[ChainOverride, ...]:
    """What the chain does otherwise, sectors first, so that a symbol has the last word."""
    if section.node.entry("overrides") is None:
        return ()
    outer = section.section("overrides")
    universe = {str(item.value) for item in world.words("universe")}
    read: list[ChainOverride] = []
    for key, kind in _OVERRIDES:
        listed = outer.section(key)
        for entry in listed.node:
            if kind == "symbol" and entry.key not in universe:
                section.found.unknown("Q0505", "symbol", entry.key, entry.key_span)
            elif isinstance(entry.value, Map):
                section.found.origins[listed.at(entry.key)] = entry.key_span
                read.append(_override(listed.child(entry), (kind, entry.key), context))
    return tuple(read)


def _override(section: Section, about: tuple[str, str], context: Context) -> ChainOverride:
    kind, name = about
    said = section.node.entry("strategies") is not None
    strategies = read_strategies(section.words("strategies"), section.found, context)
    exposure = section.value("exposure", ratio, None)
    return ChainOverride(kind, name, strategies if said else None, exposure)  # type: ignore[arg-type]


def note_sectors(world: Section, chains: tuple[Chain, ...], sectors: Iterable[str]) -> None:
    """An override of a sector that no symbol has would never act. Known only when the sectors have been read."""
    known = sorted(set(sectors))
    if not known and world.node.entry("sectors"):
        return  # a file that could not be read, or a broken map: what is wrong has been said
    for chain in chains:
        for override in chain.overrides:
            place = world.found.origins.get(f"chains.{chain.name}.overrides.by_sector.{override.name}")
            if override.kind == "sector" and override.name not in known and place is not None:
                help_text = did_you_mean(override.name, known) or _known_sectors(known)
                world.found.problems.append(
                    problem("Q0501", f"unknown sector `{override.name}`", place, help=help_text)
                )


def _known_sectors(known: list[str]) -> str:
    if not known:
        return "this world has no `sectors`"
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    return f"the sectors are {', '.join(f'`{name}`' for name in known[:_FEW])}{more}"


def read_strategies(scalars: Iterable[Scalar], found: Findings, context: Context) -> tuple[str, ...]:
    """Names of known strategies, each once; unknown ones are noted."""
    names: dict[str, None] = {}
    for scalar in scalars:
        name = str(scalar.value)
        if not context.knows("strategy", name):
            found.unknown("Q0503", "strategy", name, scalar.span)
        elif name in context.definitions:
            names[name] = None
    return tuple(names)


def predicate(section: Section, key: str, context: Context) -> Expr | None:
    """The parsed condition of a key; None when it is absent or cannot be parsed (which is noted)."""
    scalar = section.scalar(key)
    if scalar is None or not isinstance(scalar.value, str) or not scalar.value:
        return None
    expr, problems = context.parse(scalar)
    section.found.problems.extend(problems)
    return expr


def _otherwise(section: Section) -> bool:
    scalar = section.scalar("otherwise")
    return scalar is not None and scalar.value is True


def _total(sections: tuple[Section, ...], world: Section) -> None:
    """Exactly the last chain is `otherwise`; every other has a condition."""
    for index, section in enumerate(sections):
        last = index == len(sections) - 1
        place = _place(section)
        if any(entry.key not in _KEYS for entry in section.node):
            continue  # an unknown key has been named; it may have been meant for the one that is missing
        if _otherwise(section) and not last:
            message = f"chain `{_name(section)}` holds always, so the chains behind it never do"
            world.found.problems.append(
                problem("Q0601", message, place, help="`otherwise: true` belongs to the last chain")
            )
        elif last and not section.node.entry("otherwise") and not any(_otherwise(s) for s in sections):
            help_text = "add a last chain such as `{name: neutral, otherwise: true, strategies: [...], exposure: 65%}`"
            world.found.problems.append(
                problem("Q0601", "no chain is `otherwise: true`", place, label="the last chain", help=help_text)
            )
        elif not _otherwise(section) and not section.node.entry("when") and not section.node.entry("otherwise"):
            message = f"chain `{_name(section)}` needs a condition: `when` is missing"
            world.found.problems.append(problem("Q0202", message, place))


def _place(section: Section) -> Span:
    entry = section.node.entry("name") or next(iter(section.node), None)
    return entry.value.span if entry else section.node.span


def _no_doubles(sections: tuple[Section, ...], names: list[str], world: Section) -> None:
    first: dict[str, Span] = {}
    for section, name in zip(sections, names, strict=True):
        if not name:
            continue
        place = _place(section)
        if name in first:
            message = f"there are two chains `{name}`"
            world.found.problems.append(
                problem("Q0507", message, place, label="again", labels=(Label(first[name], "first here"),))
            )
        first.setdefault(name, place)


def _hysteresis_names(world: Section, chains: list[str]) -> None:
    node = world.node.get("hysteresis")
    if not isinstance(node, Map):
        return
    misnamed = len(set(chains)) < len(chains) or not all(_NAME.fullmatch(name) for name in chains)
    for entry in node:
        if entry.key not in chains and not misnamed:  # it may be the name that one of them should have
            world.found.problems.append(
                problem("Q0501", f"unknown chain `{entry.key}`", entry.key_span, help=_known_chains(entry.key, chains))
            )
        inner = entry.value
        for part in inner if isinstance(inner, Map) else ():
            if part.key not in PROBABILITIES:
                help_text = did_you_mean(part.key, PROBABILITIES) or f"hysteresis loosens {', '.join(PROBABILITIES)}"
                world.found.problems.append(
                    problem("Q0501", f"unknown probability `{part.key}`", part.key_span, help=help_text)
                )


def _known_chains(name: str, chains: list[str]) -> str:
    known = [chain for chain in chains if chain]
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    listed = f"the chains are {', '.join(f'`{chain}`' for chain in known[:_FEW])}{more}" if known else ""
    return did_you_mean(name, known) or listed


def amounts(world: Section, chain: str) -> dict[str, float]:
    """How much each probability of a chain is loosened."""
    scalar = world.scalar("hysteresis")
    general = HYSTERESIS if scalar is None else number(scalar.value)
    own: Node | None = None
    node = world.node.get("hysteresis")
    if isinstance(node, Map):
        own = node.get(chain)
        world.found.origins["hysteresis"] = node.span
    if isinstance(own, Scalar):
        general = number(own.value)
    every = dict.fromkeys(PROBABILITIES, HYSTERESIS if general is None else general)
    for part in own if isinstance(own, Map) else ():
        size = number(part.value.value) if isinstance(part.value, Scalar) else None
        if size is not None and part.key in every:
            every[part.key] = size
    return every


def _loosened(when: Expr, name: str, section: Section, outer: tuple[Section, Context]) -> Expr:
    world, context = outer
    sizes = amounts(world, name)
    if not any(sizes.values()):
        return when
    loose = context.loosen(when, lambda probability: sizes.get(probability, HYSTERESIS))
    if isinstance(loose, Diagnostic):
        section.found.problems.append(loose)
        return when
    return loose


_BLOCKS: Final = ("long_entries", "short_entries", "entries")


def read_guards(world: Section, context: Context) -> tuple[EntryGuard, ...]:
    """The entry guards; one without a name is called after what it blocks."""
    guards: list[EntryGuard] = []
    first: dict[str, Span] = {}
    for section in world.sections("entry_guards"):
        when = predicate(section, "when", context)
        block = section.value("block", word, "")
        if when is None:
            continue
        if block not in _BLOCKS:  # which has been told; what it asks is still checked
            guards.append(EntryGuard(_guard_settings(section, section.value("name", word, ""), "entries"), when))
            continue
        name = section.value("name", word, "") or _free_name(block, first)
        place = _place(section)
        if name in first:
            message = f"there are two entry guards `{name}`"
            world.found.problems.append(
                problem("Q0507", message, place, label="again", labels=(Label(first[name], "first here"),))
            )
        first.setdefault(name, place)
        guards.append(EntryGuard(_guard_settings(section, name, block), when))
    return tuple(guards)


def _free_name(block: str, taken: Iterable[str]) -> str:
    used = set(taken)
    return next(name for name in (block, *(f"{block}_{n}" for n in range(2, 100))) if name not in used)


def _guard_settings(section: Section, name: str, block: str) -> EntryGuardSettings:
    scalar = section.scalar("on_missing")
    value = scalar.value if scalar else "block"
    kind = "value" if isinstance(value, bool) else "hold" if value == "hold" else "block"
    return EntryGuardSettings(name, block, kind, value is True)  # type: ignore[arg-type]
