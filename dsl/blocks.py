"""A document in block syntax -> the same tree of values that its YAML twin gives.

In: a `Block` of a `.qmtl` file and the JSON Schema of its kind, whose `x-qmtl` entries say which repeated blocks make a
list (`chain` -> `chains`) and which words stand for other keys (`use` -> `strategies`). Out: a `tree.Map`. Unknown keys
are left in the tree: the schema check reports them, as it does for YAML.

`x-qmtl` at an object of the schema:

    blocks   word -> {list: key of the list, name: key for the block's name, head: {when: key}, set: {key: value}}
    words    word -> key, or {map: key}: `allow SPY: a, b` sets `allowlist.SPY`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .diagnostics import Diagnostic, Label, problem
from .similar import did_you_mean
from .source import Span
from .syntax import Block, Setting, Text
from .tree import Entry, Map, Node, Scalar, Seq

_Schema = Mapping[str, Any]


@dataclass(slots=True)
class _Growing:
    """A list or map that several statements add to."""

    span: Span
    items: list[Node] = field(default_factory=list)
    inner: _Object | None = None


@dataclass(slots=True)
class _Object:
    """A map under construction: keys in the order of their first statement; values of `growing` keys come at the end."""

    schema: _Schema
    entries: dict[str, Entry] = field(default_factory=dict)
    growing: dict[str, _Growing] = field(default_factory=dict)

    def grow(self, key: Text, span: Span) -> _Growing:
        """The value of a key that each statement adds to."""
        if key.value not in self.growing:
            self.growing[key.value] = _Growing(span)
            self.entries[key.value] = Entry(key.value, key.span, Scalar(None, span))
        found = self.growing[key.value]
        found.span = found.span.to(span)
        return found


@dataclass(slots=True)
class _Reading:
    root: _Schema
    problems: list[Diagnostic] = field(default_factory=list)

    def resolved(self, schema: Any) -> _Schema:
        """The schema itself, with its references followed; an empty one for anything else."""
        while isinstance(schema, Mapping) and "$ref" in schema:
            found: Any = self.root
            for step in str(schema["$ref"]).removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema if isinstance(schema, Mapping) else {}

    def below(self, schema: _Schema, key: str) -> _Schema:
        """The schema of one key of an object."""
        properties = schema.get("properties", {})
        return self.resolved(properties.get(key, schema.get("additionalProperties")))


def block_to_tree(block: Block, schema: Mapping[str, Any]) -> tuple[str, Map, tuple[Diagnostic, ...]]:
    """Kind, tree and mistakes of one document block; `version: 1` is filled in where the block leaves it out."""
    reading = _Reading(schema)
    top = _Object(reading.resolved(schema))
    kind = block.key.value
    name = block.name or Text("", block.key.span)
    if block.name is None:
        message = f"expected a name: `{kind} NAME {{`"
        reading.problems.append(problem("Q0301", message, block.key.span))
    if block.when is not None:
        message = f"a {kind} block has no condition"
        reading.problems.append(problem("Q0304", message, block.when.span))
    top.entries[kind] = Entry(kind, block.key.span, _scalar(name))
    _fill(reading, top, block)
    if "version" in top.schema.get("properties", {}) and "version" not in top.entries:
        top.entries["version"] = Entry("version", block.key.span, Scalar(1, block.key.span))
    return kind, _map(top, block.span), tuple(reading.problems)


def _fill(reading: _Reading, into: _Object, block: Block) -> None:
    for item in block.body:
        if isinstance(item, Setting):
            _setting(reading, into, item)
        else:
            _nested(reading, into, item)


def _setting(reading: _Reading, into: _Object, item: Setting) -> None:
    word = into.schema.get("x-qmtl", {}).get("words", {}).get(item.key.value, item.key.value)
    target = word.get("map") if isinstance(word, Mapping) else None
    if target is not None:
        _mapped(reading, into, item, str(target))
    elif item.label is not None:
        _labelled(reading, into, item)
    else:
        key = str(word)
        _put(reading, into, Entry(key, item.key.span, _value(reading.below(into.schema, key), item)))


def _mapped(reading: _Reading, into: _Object, item: Setting, target: str) -> None:
    """`allow SPY: a, b`: an entry of the map that `allow` stands for."""
    if item.label is None:
        message = f"expected `{item.key.value} NAME: value`"
        reading.problems.append(problem("Q0301", message, item.span))
        return
    schema = reading.below(into.schema, target)
    free = reading.resolved(_alternative(reading, schema).get("additionalProperties"))
    if _fixed(reading, into, Text(target, item.key.span)):
        return
    growing = into.grow(Text(target, item.key.span), item.span)
    growing.inner = growing.inner or _Object({"additionalProperties": free})
    _put(reading, growing.inner, Entry(item.label.value, item.label.span, _value(free, item)))


def _labelled(reading: _Reading, into: _Object, item: Setting) -> None:
    assert item.label is not None
    words = into.schema.get("x-qmtl", {}).get("words", {})
    known = [word for word, meaning in words.items() if isinstance(meaning, Mapping)]
    message = f"`{item.key.value} {item.label.value}: ...` does not belong here"
    way_out = did_you_mean(item.key.value, known) or f"write `{item.key.value} value, value` or a block"
    reading.problems.append(problem("Q0304", message, item.key.span.to(item.label.span), help=way_out))


def _alternative(reading: _Reading, schema: _Schema) -> _Schema:
    """The object among the alternatives of a schema (`allowlist` may be a map or a word)."""
    for options in (schema.get("anyOf"), schema.get("oneOf")):
        for option in options or ():
            resolved = reading.resolved(option)
            if resolved.get("type") == "object":
                return resolved
    return schema


def _value(schema: _Schema, item: Setting) -> Node:
    """One value as a scalar, several (or any for a key of type array) as a list."""
    many = "array" in _types(schema)
    if len(item.values) == 1 and (not many or isinstance(item.values[0], Seq)):
        return item.values[0]
    if not item.values:
        return Seq((), item.span)
    return Seq(item.values, _span(item.values[0]).to(_span(item.values[-1])))


def _types(schema: _Schema) -> tuple[str, ...]:
    kind = schema.get("type", "array" if "items" in schema else ())
    return (kind,) if isinstance(kind, str) else tuple(kind)


def _nested(reading: _Reading, into: _Object, block: Block) -> None:
    word = block.key.value
    rules = into.schema.get("x-qmtl", {}).get("blocks", {})
    schema = reading.below(into.schema, word)
    if word in rules:
        _listed(reading, into, block, rules[word])
    elif "array" in _types(schema):
        _listed(reading, into, block, {"list": word, "name": "name"})
    elif block.when is not None:
        properties = into.schema.get("properties", {})
        message = f"a `{word}` block with a condition does not belong here"
        way_out = did_you_mean(word, (*rules, *properties))
        reading.problems.append(problem("Q0306", message, block.key.span, help=way_out))
    else:
        _object(reading, into, block, _alternative(reading, schema))


def _object(reading: _Reading, into: _Object, block: Block, schema: _Schema) -> None:
    """`key { ... }` sets a map, `key NAME { ... }` one entry of a map of maps."""
    if block.name is None:
        _refuse_twice(reading, into, block.key)
        inner = _Object(schema)
        _fill(reading, inner, block)
        into.entries[block.key.value] = Entry(block.key.value, block.key.span, _map(inner, block.span))
        return
    if _fixed(reading, into, block.key):
        return
    growing = into.grow(block.key, block.span)
    growing.inner = growing.inner or _Object(schema)
    inner = _Object(_alternative(reading, reading.below(schema, block.name.value)))
    _fill(reading, inner, block)
    _put(reading, growing.inner, Entry(block.name.value, block.name.span, _map(inner, block.span)))


def _listed(reading: _Reading, into: _Object, block: Block, rule: Mapping[str, Any]) -> None:
    """A repeated block: one more map in a list."""
    target = str(rule["list"])
    item = _Object(reading.resolved(reading.below(into.schema, target).get("items")))
    if block.name is not None:
        key = str(rule.get("name", "name"))
        item.entries[key] = Entry(key, block.name.span, _scalar(block.name))
    if block.when is not None:
        key = str(rule.get("head", {}).get("when", "when"))
        item.entries[key] = Entry(key, block.when.span, block.when)
    for key, value in rule.get("set", {}).items():
        item.entries[key] = Entry(key, block.key.span, Scalar(value, block.key.span))
    _fill(reading, item, block)
    if not _fixed(reading, into, Text(target, block.key.span)):
        into.grow(Text(target, block.key.span), block.span).items.append(_map(item, block.span))


def _fixed(reading: _Reading, into: _Object, key: Text) -> bool:
    """Whether a key that would grow was given a value of its own before, which is reported."""
    if key.value in into.entries and key.value not in into.growing:
        _refuse_twice(reading, into, key)
        return True
    return False


def _put(reading: _Reading, into: _Object, entry: Entry) -> None:
    _refuse_twice(reading, into, Text(entry.key, entry.key_span))
    into.entries[entry.key] = entry


def _refuse_twice(reading: _Reading, into: _Object, key: Text) -> None:
    before = into.entries.get(key.value)
    if before is not None:
        labels = (Label(before.key_span, "first here"),)
        reading.problems.append(problem("Q0106", f"`{key.value}` stands twice", key.span, labels=labels))


def _map(built: _Object, span: Span) -> Map:
    for key, growing in built.growing.items():
        inner = growing.inner
        value: Node = Seq(tuple(growing.items), growing.span) if inner is None else _map(inner, growing.span)
        built.entries[key] = Entry(key, built.entries[key].key_span, value)
    return Map(tuple(built.entries.values()), span)


def _scalar(text: Text) -> Scalar:
    quoted = text.span.text.startswith('"')
    first = text.span.start + quoted
    return Scalar(text.value, text.span, tuple(range(first, first + len(text.value) + 1)))


def _span(node: Node) -> Span:
    return node.span
