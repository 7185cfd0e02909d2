"""Two sides -> everything that means something else, document by document.

In: two `Side`s without errors, the day (for last days of allowlist rows). Out: `Difference`s: worlds first, each with what
the edit does to positions, then deployments, then plans, models and cases. Nothing comes out exactly when nothing changed
in meaning: for worlds, when the program ids are equal.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..compileworld import Compiled
from ..documents import Document
from .change import Change, Difference, Effect
from .consequences import consequences
from .documents import THROUGH_WORLDS, document_changes
from .positions import REFUSED, position_effects
from .side import Side
from .worlds import Pair, world_changes


def differences(before: Side, after: Side, day: str) -> tuple[Difference, ...]:
    """All documents that differ."""
    assert not before.broken
    assert not after.broken
    return tuple(d for d in (*_worlds(before, after, day), *_others(before, after)) if d.changes)


def _worlds(before: Side, after: Side, day: str) -> Iterator[Difference]:
    for name in dict.fromkeys((*before.worlds, *after.worlds)):
        old, new = before.worlds.get(name), after.worlds.get(name)
        if old and new:
            pair = Pair(old, new, (before.origin.place, after.origin.place))
            everyone = len(pair.worlds[1].settings.universe)
            effects = position_effects(pair, day)
            yield Difference("world", name, world_changes(pair), effects, everyone, consequences(pair.worlds))
        elif old:
            place = before.origin.place(before.documents["world", name].place)
            change = Change(f"world.{name}", "removed", f"world {name}", _size(old), "", place)
            yield Difference("world", name, (change,), _gone(old))
        elif new:
            place = after.origin.place(after.documents["world", name].place)
            change = Change(f"world.{name}", "added", f"world {name}", "", _size(new), "", place)
            yield Difference("world", name, (change,))


def _size(compiled: Compiled) -> str:
    assert compiled.world is not None
    world = compiled.world
    return f"{len(world.settings.universe)} symbols, {len(world.chains)} chains"


def _gone(compiled: Compiled) -> tuple[Effect, ...]:
    """A world that is taken away takes its whole universe with it."""
    assert compiled.world is not None
    return (Effect(compiled.world.settings.universe, "", REFUSED, "the world is gone"),)


def _others(before: Side, after: Side) -> Iterator[Difference]:
    keys = dict.fromkeys((*before.documents, *after.documents))
    for kind, name in sorted(
        (key for key in keys if key[0] not in THROUGH_WORLDS), key=lambda key: key[0] != "deployment"
    ):
        yield Difference(kind, name, _document((kind, name), before, after))


def _document(key: tuple[str, str], before: Side, after: Side) -> tuple[Change, ...]:
    old, new = before.documents.get(key), after.documents.get(key)
    if old and new:
        return document_changes(old, new, (before.origin.place, after.origin.place))
    path, what = ".".join(key), " ".join(key)
    if old:
        return (Change(path, "removed", what, _about(old), "", before.origin.place(old.place)),)
    assert new is not None
    return (Change(path, "added", what, "", _about(new), "", after.origin.place(new.place)),)


def _about(document: Document) -> str:
    return f"{len(document.tree.entries)} keys"
