"""Documents that are no worlds: deployments setting by setting, plans, models and cases key by key.

In: two documents of the same kind and name, or one that the other side lacks. Out: `Change`s. Exchange policies and
allowlists mean something only through the worlds that name them, so they are compared there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..documents import Document
from ..readdeployment import read_deployment
from ..schema import load_schema
from ..tree import Entry, Map, Node, Scalar, Seq, plain
from ..units import measure
from .change import Change
from .side import Spell
from .values import Walk, below, compare, text_of

#: kinds whose meaning shows in the worlds that name them
THROUGH_WORLDS: Final = frozenset({"world", "exchange", "allowlist"})
#: keys that mean nothing
_SILENT: Final = frozenset({"version", "description"})
#: of a value that is new or gone as a whole, so much is shown
_LONGEST: Final = 100


def document_changes(before: Document, after: Document, spell: tuple[Spell, Spell]) -> tuple[Change, ...]:
    """All that changed in a document."""
    where = _where(before, spell[0]), _where(after, spell[1])
    walk = Walk(*where, load_schema(after.kind))
    if after.kind == "deployment":
        old, new = (read_deployment(document, {})[0] for document in (before, after))
        return tuple(compare("", old, new, walk))
    return tuple(_maps("", before.tree, after.tree, walk))


def _where(document: Document, spell: Spell) -> Callable[[str], str]:
    """Places of dotted paths in a document; `default` where it says nothing."""

    def place(path: str) -> str:
        node: Node = document.tree
        rest = path
        while rest:
            shown = _named(node) or node
            listed = shown.entries if isinstance(shown, Map) else ()
            entry = next((e for e in listed if rest == e.key or rest.startswith(f"{e.key}.")), None)
            if entry is None:
                break
            node, rest = entry.value, rest[len(entry.key) + 1 :]
        return "default" if node is document.tree else spell(node.span)

    return place


def _maps(path: str, before: Map, after: Map, walk: Walk) -> Iterator[Change]:
    sides = {e.key: e for e in before}, {e.key: e for e in after}
    for key in dict.fromkeys((*sides[0], *sides[1])):
        if key not in _SILENT:
            inner = f"{path}.{key}" if path else key
            yield from _entries(inner, (sides[0].get(key), sides[1].get(key)), walk.inside(key))


def _entries(path: str, both: tuple[Entry | None, Entry | None], walk: Walk) -> Iterator[Change]:
    old, new = both
    if old and new:
        yield from _nodes(path, (old.value, new.value), walk)
    elif old and not _is_default(old.value, walk.schema):
        yield Change(path, "removed", path, _text(old.value), "", walk.before(path))
    elif new and not _is_default(new.value, walk.schema):
        yield Change(path, "added", path, "", _text(new.value), "", walk.after(path))


def _nodes(path: str, both: tuple[Node, Node], walk: Walk) -> Iterator[Change]:
    old, new = both
    if isinstance(old, Map) and isinstance(new, Map):
        yield from _maps(path, old, new, walk)
    elif (named := (_named(old), _named(new))) and named[0] and named[1]:
        yield from _maps(path, named[0], named[1], walk)
    elif _sense(old, walk.schema) != _sense(new, walk.schema):
        yield Change(path, "changed", path, _text(old), _text(new), walk.before(path), walk.after(path))


def _named(node: Node) -> Map | None:
    """A list of maps that all have a name of their own, as a map from name to map; None for any other node."""
    maps = [item for item in node.items if isinstance(item, Map)] if isinstance(node, Seq) else []
    names = [_name(item) for item in maps]
    if (
        not isinstance(node, Seq)
        or not names
        or len(maps) < len(node.items)
        or "" in names
        or len(set(names)) < len(names)
    ):
        return None
    return Map(tuple(Entry(name, item.span, item) for name, item in zip(names, maps, strict=True)), node.span)


def _name(item: Map) -> str:
    name = item.get("name")
    return str(name.value) if isinstance(name, Scalar) else ""


def _is_default(node: Node, schema: Mapping[str, Any]) -> bool:
    """Whether writing it down says nothing new."""
    if "default" not in schema or not isinstance(node, Scalar):
        return False
    return _size(node.value, schema) == _size(schema["default"], schema)


def _sense(node: Node, schema: Mapping[str, Any]) -> object:
    """The plain value, without the unit it happens to be written in and without the order of keys."""
    if isinstance(node, Map):
        return {entry.key: _sense(entry.value, below(schema, entry.key)) for entry in node}
    if isinstance(node, Seq):
        return [_sense(item, below(schema, "")) for item in node.items]
    return _size(node.value, schema)


def _size(value: object, schema: Mapping[str, Any]) -> object:
    unit = schema.get("x-unit")
    size = measure(unit, value) if unit else None
    return value if size is None else size


def _text(node: Node) -> str:
    if isinstance(node, Scalar):
        return text_of(node.value, {})
    if isinstance(node, Seq):
        text = ", ".join(_text(item) for item in node.items) or "none"
    else:
        text = "; ".join(f"{key} {value}" for key, value in _flat(plain(node))) or "none"
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _flat(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
