"""The one tree of values with spans that both surfaces (YAML and `.qmtl` blocks) are read into.

In: nothing but what the readers build. Out: `Scalar`, `Seq`, `Map`. From here on schema, checks and meaning are shared
by both surfaces; there is no second implementation of anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from .source import Span

Value = str | int | float | bool | None

#: length of the escapes of double-quoted YAML that are longer than two characters
_ESCAPED: Final = {"x": 4, "u": 6, "U": 10}


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `span` covers it in the file, quotes included; `offsets` maps each character of a *string* value
    (plus one entry for its end) to its offset in the file, through escapes, folds and indentation."""

    value: Value
    span: Span
    offsets: Sequence[int] = ()

    def place(self, start: int, end: int) -> Span:
        """File span of the characters [start, end) of the decoded string value."""
        if not self.offsets:
            return self.span
        last = len(self.offsets) - 1
        first = self.offsets[min(start, last)]
        # the end of a range is one past its last character, which may stand on another line than the next one
        stop = self._behind(min(end, last) - 1) if end > start else first
        return Span(self.span.source, first, max(stop, first))

    def _behind(self, index: int) -> int:
        """Offset behind a character of the value, which the file may write with several (`\\x2e`, `''`)."""
        at = self.offsets[index]
        if self.offsets[index + 1] == at + 1:
            return at + 1
        text = self.span.source.text
        if text[at] == "\\" and text[self.span.start] == '"':
            return at + _ESCAPED.get(text[at + 1], 2)
        return at + 1 + (text[at] == "'" and text[self.span.start] == "'")


@dataclass(frozen=True, slots=True)
class Seq:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a map; `key_span` covers the key in the file."""

    key: str
    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Map:
    entries: tuple[Entry, ...]
    span: Span

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        entry = self.entry(key)
        return entry.value if entry else None

    def entry(self, key: str) -> Entry | None:
        """The entry of a key, or None."""
        for entry in self.entries:
            if entry.key == key:
                return entry
        return None

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)


Node = Scalar | Seq | Map


def plain(node: Node) -> object:
    """The tree as plain Python values (dict, list, scalar), as jsonschema wants it."""
    if isinstance(node, Map):
        return {e.key: plain(e.value) for e in node.entries}
    if isinstance(node, Seq):
        return [plain(n) for n in node.items]
    return node.value


def at(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node that a jsonschema path (`error.absolute_path`) points to."""
    for step in path:
        if isinstance(node, Map) and isinstance(step, str):
            found = node.get(step)
            if found is None:
                raise KeyError(step)
            node = found
        elif isinstance(node, Seq) and isinstance(step, int):
            node = node.items[step]
        else:
            raise KeyError(step)
    return node
