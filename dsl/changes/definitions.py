"""Strategies, the regime and features that two worlds use: which statements mean something else.

In: two compiled worlds. Out: `Change`s. Statements are compared by the hash of what they compute, with parameters and
features standing for themselves, so a renamed `let` or another spelling is no change; each change is said once, where the
text differs, and not again for everything that reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ..builtins import FIT
from ..compileworld import Compiled
from ..exprtext import spell as written
from ..identity import meaning
from ..library import Library
from ..lowerable import conditions, regimes_of
from ..source import Span
from ..syntax import Definition, Param, Rule
from ..uses import free_names, in_reading_order, names_in
from .change import Change
from .predicates import sense
from .side import Spell


@dataclass(frozen=True, slots=True)
class _Statement:
    """A statement in canonical text, the hash of all it computes, and of what it says itself."""

    text: str
    computes: str
    says: str
    span: Span


def definition_changes(before: Compiled, after: Compiled, spell: tuple[Spell, Spell]) -> Iterator[Change]:
    """Changes in everything that both worlds use under the same name, and features that only one of them reads."""
    libraries = before.library, after.library
    assert libraries[0] is not None
    assert libraries[1] is not None
    names = _used(before), _used(after)
    for name in names[1]:
        if name in names[0]:
            old, new = (library.definitions[name] for library in libraries if library)
            yield from _definition(old, new, spell)
    for sign, ours, theirs, library, at in (
        ("removed", names[0], names[1], libraries[0], spell[0]),
        ("added", names[1], names[0], libraries[1], spell[1]),
    ):
        for name in ours:
            definition = library.definitions[name]
            if name not in theirs and definition.kind == "feature":
                yield _feature(definition, sign == "added", at)


def used_features(compiled: Compiled) -> tuple[Definition, ...]:
    """The features that a world reads, each after those it reads itself."""
    assert compiled.world is not None
    assert compiled.library is not None
    library, world = compiled.library, compiled.world
    start = [*FIT, *names_in(conditions(world))]
    for definition in _owners(compiled, library):
        start += free_names(definition)
    return in_reading_order(start, lambda name: library.get("feature", name))[0]


def _owners(compiled: Compiled, library: Library) -> Iterator[Definition]:
    assert compiled.world is not None
    names = dict.fromkeys(name for chain in compiled.world.chains for name in chain.used)
    for name in (*names, *regimes_of(compiled.world)):
        yield library.definitions[name]


def _used(compiled: Compiled) -> dict[str, None]:
    assert compiled.library is not None
    own = (definition.name.name for definition in _owners(compiled, compiled.library))
    return dict.fromkeys((*own, *(feature.name.name for feature in used_features(compiled))))


def _definition(old: Definition, new: Definition, spell: tuple[Spell, Spell]) -> Iterator[Change]:
    path = f"{new.kind}.{new.name.name}"
    what = f"{new.kind} {new.name.name}"
    if old.kind != new.kind:
        yield Change(path, "changed", what, old.kind, new.kind, spell[0](old.span), spell[1](new.span))
        return
    styles = [definition.style for definition in (old, new)]
    if styles[0] and styles[1] and styles[0].name != styles[1].name:
        places = spell[0](styles[0].span), spell[1](styles[1].span)
        yield Change(f"{path}.style", "changed", what, f"style {styles[0].name}", f"style {styles[1].name}", *places)
    yield from _params(path, (old, new), spell)
    before, after = _statements(old), _statements(new)
    known = {s.computes for s in before.values()}, {s.computes for s in after.values()}
    for key in dict.fromkeys((*before, *after)):
        yield from _statement(f"{path}.{key}", (before.get(key), after.get(key)), (what, known), spell)


def _statement(
    path: str,
    pair: tuple[_Statement | None, _Statement | None],
    about: tuple[str, tuple[set[str], set[str]]],
    spell: tuple[Spell, Spell],
) -> Iterator[Change]:
    """One statement; a `let` that is there on one side only is new unless the other side computes the same somewhere."""
    before, after = pair
    what, known = about
    if before and after:
        if before.computes != after.computes and before.says != after.says:
            places = spell[0](before.span), spell[1](after.span)
            yield Change(path, "changed", what, before.text, after.text, *places)
    elif before and (before.computes not in known[1]):
        yield Change(path, "removed", what, before.text, "", spell[0](before.span))
    elif after and after.computes not in known[0]:
        yield Change(path, "added", what, "", after.text, "", spell[1](after.span))


def _statements(definition: Definition) -> dict[str, _Statement]:
    """Rules by their keyword and the lets that rules read by their name, with the parameters standing for themselves."""
    opaque = {param.name.name: f"parameter {param.name.name}" for param in definition.params}
    found: dict[str, _Statement] = {}
    lets = {let.name.name: let for let in definition.lets}
    read = _read(definition)
    for name, let in lets.items():
        if name not in read:
            continue
        rate = f"@{let.rate}" if let.rate else ""
        as_rule = Rule("value", let.value, let.span, let.span)
        computes = _computes(definition, as_rule, opaque, let.rate or "")
        found[f"let {name}"] = _Statement(
            f"{name}{rate} = {written(let.value)}", computes, f"{sense(let.value)}{rate}", let.span
        )
    for rule in definition.rules:
        text = f"{_keyword(rule.kind)} {written(rule.value)}"
        found[rule.kind] = _Statement(text, _computes(definition, rule, opaque, ""), sense(rule.value), rule.span)
    return found


def _read(definition: Definition) -> set[str]:
    """The lets that rules read, directly or through each other."""
    names = set(names_in(rule.value for rule in definition.rules))
    for let in reversed(definition.lets):
        if let.name.name in names:
            names |= set(names_in((let.value,)))
    return names


def _computes(definition: Definition, rule: Rule, opaque: Mapping[str, str], rate: str) -> str:
    """Hash of one statement with the lets it reads written out."""
    one = replace(definition, kind="feature", style=None, rules=(rule,))
    own = rule.kind if rule.kind != "value" else f"value {rate}"
    return f"{own} {meaning(one, {}, opaque)}"


def _keyword(kind: str) -> str:
    return f"{kind} when" if kind.endswith(("long", "short")) else kind


def _params(path: str, both: tuple[Definition, Definition], spell: tuple[Spell, Spell]) -> Iterator[Change]:
    """Parameters that were declared or dropped. Their values stand with the effective parameters of the world, except
    those of a regime, which nobody overrides."""
    before, after = ({p.name.name: p for p in definition.params} for definition in both)
    what = f"{both[1].kind} {both[1].name.name}"
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        place = f"{path}.param {name}"
        if old and not new:
            yield Change(place, "removed", what, _param(old), "", spell[0](old.span))
        elif new and not old:
            yield Change(place, "added", what, "", _param(new), "", spell[1](new.span))
        elif old and new and both[1].kind != "strategy" and old.default.value != new.default.value:
            yield Change(place, "changed", what, _param(old), _param(new), spell[0](old.span), spell[1](new.span))


def _param(param: Param) -> str:
    return f"param {param.name.name} = {param.default.text}"


def _feature(definition: Definition, added: bool, at: Spell) -> Change:
    path, what, place = f"feature.{definition.name.name}", f"feature {definition.name.name}", at(definition.span)
    text = next((written(rule.value) for rule in definition.rules), "")
    return Change(path, "added", what, "", text, "", place) if added else Change(path, "removed", what, text, "", place)
