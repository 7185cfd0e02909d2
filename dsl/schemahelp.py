"""Ways out of values and keys that a schema refuses.

In: a node, and the schema that refused it. Out: help lines that mend the text when they are followed to the letter, or "".
Asked only when something is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from .diagnostics import Diagnostic, problem
from .schemashape import alternatives, below, resolved
from .source import Span
from .tree import Entry, Map, Node, Scalar, Seq
from .units import duration, measure

_Schema = Mapping[str, Any]
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_]+")


def sign_help(value: object, schema: _Schema) -> str:
    """The value with the other sign, where only that lies in the range."""
    if not isinstance(value, str):
        return ""
    turned = value[1:] if value.startswith("-") else f"-{value.removeprefix('+')}"
    unit = schema["x-unit"]
    size, (low, high) = measure(unit, turned), (measure(unit, edge) for edge in schema["x-range"])
    fits = size is not None and low is not None and high is not None and low <= size <= high
    return f"write `{turned}`" if fits else ""


def same_duration(value: object, words: Iterable[str]) -> str:
    """The word that means as long a time: `60m` for `1h`."""
    seconds = duration(value)
    same = next((word for word in words if seconds is not None and duration(word) == seconds), None)
    return f"write `{same}`" if same else ""


def pattern_help(value: object, schema: _Schema) -> str:
    """A name that a text could be, or which letters a name has."""
    if not isinstance(value, str) or not value or "name" not in schema.get("x-expects", ""):
        return ""
    offered = _NOT_IN_NAMES.sub("_", value).strip("_") if value.isascii() else ""
    if offered and re.search(schema["pattern"], offered):
        return f"write `{offered}`"
    example = next(iter(schema.get("examples", ())), "my_name")
    return "" if value.isascii() else f"the letters are a-z and A-Z without accents, as in `{example}`"


def list_help(node: Map, schema: _Schema, root: _Schema) -> str:
    """How a map is written as the list that is wanted."""
    inner = resolved(root, schema.get("items"))
    known = inner.get("properties", {})
    if not known or not node.entries:
        return "" if known else "write a list: `[...]`"
    first = node.entries[0]
    if first.key in known:
        return f"every entry of a list begins with `- `: put it before `{first.key}`"
    named = f"name: {first.key}" if "name" in known and isinstance(first.value, Map) else f"{next(iter(known))}: ..."
    return f"a list has no keys: write `- {named}` instead of `{first.key}:`"


def belongs(above: Entry | None, key: str, at: tuple[Span, _Schema, _Schema]) -> str:
    """Whether a key that is unknown here is one of the entry above it, and only its indentation is wrong; `at` is the place
    of the key, the schema of the map it stands in, and the whole schema."""
    span, schema, root = at
    if above is None:
        return ""
    inner = below(root, schema, above.key)
    node = above.value
    if isinstance(node, Seq) and node.items:
        inner, node = resolved(root, inner.get("items")), node.items[-1]
    if not any(key in option.get("properties", {}) for option in alternatives(root, inner)):
        return ""
    column = _column(span)
    target = _column(node.entries[0].key_span) if isinstance(node, Map) and node.entries else column + 2
    if target <= column or _line(span) == _line(above.key_span):
        return f"`{key}` belongs into `{above.key}`"
    return f"`{key}` belongs into `{above.key}`: write {target} blanks before it instead of {column or 'none'}"


def slipped(tree: Map, root: _Schema, path: Sequence[str | int]) -> tuple[int, Diagnostic] | None:
    """How much of a path leads to a key that belongs into the entry above it (`by_symbol` beside the strategy whose it is),
    with the diagnostic; None when no key of the path does."""
    node: Node = tree
    schema = root
    for depth, step in enumerate(path):
        if isinstance(step, int):
            if not isinstance(node, Seq):
                return None
            node, schema = node.items[step], resolved(root, schema.get("items"))
            continue
        entry = node.entry(step) if isinstance(node, Map) else None
        if entry is None or not isinstance(node, Map):
            return None
        schema = next((o for o in alternatives(root, schema) if below(root, o, step)), schema)
        inner = below(root, schema, step)
        if step not in schema.get("properties", {}) and step in inner.get("properties", {}):
            above = _above(node, entry)
            return (depth + 1, _slip(entry, above)) if above else None
        node, schema = entry.value, inner
    return None


def above_of(tree: Map, key: str) -> Entry | None:
    """The entry before that of a key."""
    entry = tree.entry(key)
    return _above(tree, entry) if entry else None


def _above(node: Map, entry: Entry) -> Entry | None:
    place = node.entries.index(entry)
    return node.entries[place - 1] if place else None


def _slip(entry: Entry, above: Entry) -> Diagnostic:
    column, value = _column(entry.key_span), above.value
    inner = value.entries[0].key_span if isinstance(value, Map) and value.entries else None
    target = _column(inner) if inner and _line(inner) != _line(above.key_span) else column + 2
    message = f"`{entry.key}` belongs into `{above.key}`: it stands too far left"
    return problem("Q0201", message, entry.key_span, help=_indented(entry, column, target))


def _indented(entry: Entry, column: int, target: int) -> str:
    first = entry.value.entries[0].key_span if isinstance(entry.value, Map) and entry.value.entries else None
    beside = first is None or _line(first) == _line(entry.key_span) or _column(first) > target
    rest = "" if beside else f", and {target - column} more before the lines below it"
    return f"write {target} blanks before it{rest}"


def _column(span: Span) -> int:
    return span.source.position(span.start)[1] - 1


def _line(span: Span) -> int:
    return span.source.position(span.start)[0]


def empty_above(node: Node) -> bool:
    """Whether a value is empty because what belongs into it slipped out."""
    return isinstance(node, Scalar) and node.value is None
