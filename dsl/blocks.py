"""A document in block syntax -> the same tree of values that its YAML twin gives.

In: a `Block` of a `.qmtl` file and the JSON Schema of its kind, whose `x-qmtl` entries say which repeated blocks make a
list (`chain` -> `chains`) and which words stand for other keys (`use` -> `strategies`). Out: a `tree.Map`. Unknown keys
are left in the tree: the schema check reports them, as it does for YAML.

`x-qmtl` at an object of the schema:

    blocks   word -> {list: key of the list, name: key for the block's name, head: {when: key}, set: {key: value}}
    words    word -> key, or {map: key}: `allow SPY: a, b` sets `allowlist.SPY`

A key of `x-type: predicate` takes an expression, every other one plain values. `surface/blockwriter.py` is the inverse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .buildblocks import needs_quotes
from .deletions import EXTENDS, without_deletions
from .diagnostics import Diagnostic, Label, problem
from .schema import check
from .schemashape import alternative, below, is_condition, is_list, resolved
from .similar import did_you_mean
from .source import Span
from .syntax import Block, Given, Setting, Text
from .tree import Entry, Map, Node, Scalar, Seq

_Schema = Mapping[str, Any]
#: codes that say that something is not there
_MISSING: Final = frozenset({"Q0202", "Q0208"})


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
        return resolved(self.root, schema)

    def below(self, schema: _Schema, key: str) -> _Schema:
        return below(self.root, schema, key)


def block_to_tree(block: Block, schema: Mapping[str, Any]) -> tuple[str, Map, tuple[Diagnostic, ...]]:
    """Kind, tree and mistakes of one document block.

    A block with statements that could not be read is only looked through for more mistakes of the same sort: it has no
    tree (an empty one), because its meaning would be that of another text."""
    reading, tree = _read(block, schema)
    kind = block.key.value
    if block.broken:
        return kind, Map((), block.span), (*reading.problems, *_other_mistakes(reading, block, tree, kind))
    return kind, tree, tuple(reading.problems)


def rest_of(block: Block, schema: Mapping[str, Any]) -> Map:
    """What could be read of a block with broken statements. Its parts can be checked one by one; as a whole it means
    nothing."""
    return _read(block, schema)[1]


def _read(block: Block, schema: Mapping[str, Any]) -> tuple[_Reading, Map]:
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
    return reading, _map(top, block.span)


def _other_mistakes(reading: _Reading, block: Block, tree: Map, kind: str) -> Iterator[Diagnostic]:
    """What the schema says about the rest of a broken block, less what follows from the statements left out."""
    places = (*block.broken, *(p.span for p in reading.problems if p.span is not None))
    incomplete = [_innermost(block, place) for place in places]
    said = without_deletions(tree) if tree.entry(EXTENDS) else tree
    for found in check(said, kind):
        span = found.span
        assert span is not None
        if any(place.start <= span.start and span.end <= place.end for place in places):
            continue
        follows = found.code in _MISSING and any(_innermost(block, span) is part for part in incomplete)
        if not follows:
            yield found


def _innermost(block: Block, place: Span) -> Block:
    """The part of a block that a place stands in."""
    for item in block.body:
        if isinstance(item, Block) and item.span.start <= place.start < item.span.end:
            return _innermost(item, place)
    return block


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
        _put(reading, into, Entry(key, item.key.span, _value(reading, reading.below(into.schema, key), item)))


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
    _put(reading, growing.inner, Entry(item.label.value, item.label.span, _value(reading, free, item)))


def _labelled(reading: _Reading, into: _Object, item: Setting) -> None:
    assert item.label is not None
    words = into.schema.get("x-qmtl", {}).get("words", {})
    known = [word for word, meaning in words.items() if isinstance(meaning, Mapping)]
    message = f"`{item.key.value} {item.label.value}: ...` does not belong here"
    way_out = did_you_mean(item.key.value, known) or f"write `{item.key.value} value, value` or a block"
    reading.problems.append(problem("Q0304", message, item.key.span.to(item.label.span), help=way_out))


def _alternative(reading: _Reading, schema: _Schema) -> _Schema:
    return alternative(reading.root, schema, "object")


def _value(reading: _Reading, schema: _Schema, item: Setting) -> Node:
    """One value as a scalar, several (or any for a key that takes only a list) as a list."""
    values = tuple(_given(reading, schema, given) for given in item.values)
    if len(values) == 1 and (not is_list(reading.root, schema) or isinstance(values[0], Seq) or _is_null(values[0])):
        return values[0]
    return Seq(values, values[0].span.to(values[-1].span))


def _given(reading: _Reading, schema: _Schema, given: Given) -> Node:
    """A value, or the text of a condition where the schema wants one; any other expression lacks its quotes."""
    if is_condition(reading.root, schema) and not (given.node is not None and _is_null(given.node)):
        return given.text
    if given.node is not None:
        return given.node
    reading.problems.append(needs_quotes(given.text.span))
    return given.text


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _nested(reading: _Reading, into: _Object, block: Block) -> None:
    word = block.key.value
    rules = into.schema.get("x-qmtl", {}).get("blocks", {})
    schema = reading.below(into.schema, word)
    if word in rules:
        _listed(reading, into, block, rules[word])
    elif is_list(reading.root, schema):
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
    listed = alternative(reading.root, reading.below(into.schema, target), "array")
    item = _Object(_alternative(reading, reading.resolved(listed.get("items"))))
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
        written = key.span.text if key.span.text.isidentifier() else key.value  # `use`, not `strategies`
        reading.problems.append(problem("Q0106", f"`{written}` stands twice", key.span, labels=labels))


def _map(built: _Object, span: Span) -> Map:
    for key, growing in built.growing.items():
        inner = growing.inner
        value: Node = Seq(tuple(growing.items), growing.span) if inner is None else _map(inner, growing.span)
        built.entries[key] = Entry(key, built.entries[key].key_span, value)
    return Map(tuple(built.entries.values()), span)


def _scalar(text: Text) -> Scalar:
    """A name of a block. One in quotes has no offsets: no expression stands there."""
    plain = text.span.end - text.span.start == len(text.value)
    return Scalar(text.value, text.span, tuple(range(text.span.start, text.span.end + 1)) if plain else ())
