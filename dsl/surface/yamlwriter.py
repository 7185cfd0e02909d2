"""A tree and its comments -> YAML that people like to read.

In: the tree of a document, the schema of its kind, the comments by path. Out: the text of a file: block style for what is
large, one line for small lists and maps, folded blocks for long conditions. Reading it gives the same tree and comments.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..exprtext import in_quotes
from ..schemashape import alternative, below, is_condition, resolved
from ..tree import Entry, Map, Node, Scalar, Seq
from .attach import BLANK, Attached, Notes, Path
from .comments import allows
from .words import WIDTH, WIDTH_OF_CONDITION, yaml_text, yaml_word

_STEP: Final = 2
#: a map on one line has at most so many keys, and one with lists or maps inside at most so many characters
_MOST_KEYS: Final = 5
_MOST_KEYS_OF_ITEM: Final = 6
_SHORT: Final = 64
_FOLDS: Final = re.compile(r"\S+(?: \S+)*")
_LITERAL: Final = re.compile(r"(?:[!-~\xa1-\u1fff\u3000-\ud7ff][ -~\xa1-\u1fff\u3000-\ud7ff]*)?")


@dataclass(slots=True)
class _Writing:
    schema: Mapping[str, Any]
    attached: Attached
    lines: list[str] = field(default_factory=list)

    def notes(self, lines: Sequence[str], indent: int) -> None:
        """Comments on lines of their own; no blank line opens a file or a map."""
        for line in lines:
            if line == BLANK:
                if self.lines and self.lines[-1] and not self.lines[-1].endswith(":"):
                    self.lines.append("")
            else:
                self.lines.append(" " * indent + line)

    def line(self, text: str, behind: str) -> None:
        self.lines.append(f"{text}  {behind}" if behind else text)


def to_yaml(tree: Map, schema: Mapping[str, Any], attached: Attached) -> str:
    """The text of a YAML file."""
    writing = _Writing(schema, attached)
    _map(writing, tree, ((), resolved(schema, schema)), 0)
    writing.notes(attached.of(()).end, 0)
    return "\n".join(writing.lines).strip("\n") + "\n"


_Where = tuple[Path, Mapping[str, Any]]


def _map(writing: _Writing, node: Map, where: _Where, indent: int) -> None:
    for entry in node.entries:
        inner = _below(writing, where, entry.key)
        writing.notes(writing.attached.of(inner[0]).above, indent)
        _entry(writing, entry, inner, (indent, " " * indent))


def _below(writing: _Writing, where: _Where, key: str) -> _Where:
    path, schema = where
    return (*path, key), below(writing.schema, alternative(writing.schema, schema, "object"), key)


def _entry(writing: _Writing, entry: Entry, where: _Where, at: tuple[int, str]) -> None:
    """`at` is the indentation of the entries, and what stands on the line before the key (`  - `)."""
    path, schema = where
    indent, lead = at
    prefix = f"{lead}{yaml_text(entry.key, flow=False)}:"
    notes, value = writing.attached.of(path), entry.value
    if isinstance(value, Scalar):
        condition = is_condition(writing.schema, schema)
        _scalar(writing, value, (prefix, notes.behind), (indent + _STEP, condition))
    elif not _children(value):
        writing.notes(notes.end, indent)
        writing.line(f"{prefix} {'{}' if isinstance(value, Map) else '[]'}", notes.behind)
    elif (text := _on_one_line(writing, value, path, prefix)) is not None:
        writing.line(f"{prefix} {text}", notes.behind)
    elif (wrapped := _wrapped(writing, value, path, prefix)) is not None:
        # what silences warnings of all lines stands above them
        above = len(wrapped) > 1 and allows(notes.behind)
        writing.notes([notes.behind] if above else [], indent)
        writing.lines.extend(wrapped[:-1])
        writing.line(wrapped[-1], "" if above else notes.behind)
    else:
        writing = _first_comment_above(writing, value, path, indent)
        writing.line(prefix, notes.behind)
        _collection(writing, value, where, indent + _STEP)


def _first_comment_above(writing: _Writing, value: Node, path: Path, indent: int) -> _Writing:
    """What stood behind the first of several blocks stands above them all, where there is no such line in YAML, unless it
    silences warnings: those of the first block alone."""
    first = (*path, 0)
    own = writing.attached.of(first)
    if not own.behind or not isinstance(value, Seq) or not isinstance(value.items[0], Map):
        return writing
    if any(allows(line) for line in (*own.above, own.behind)):
        return writing
    if all(_item_on_one_line(writing, item, (*path, i), indent + _STEP) for i, item in enumerate(value.items)):
        return writing
    writing.notes([*own.above, own.behind], indent)
    notes = {**writing.attached.notes, first: Notes([], "", own.end)}
    return _Writing(writing.schema, Attached(notes), writing.lines)


def _collection(writing: _Writing, value: Map | Seq, where: _Where, indent: int) -> None:
    if isinstance(value, Map):
        _map(writing, value, where, indent)
    else:
        _items(writing, value, where, indent)
    writing.notes(writing.attached.of(where[0]).end, indent)


def _items(writing: _Writing, node: Seq, where: _Where, indent: int) -> None:
    path, schema = where
    listed = alternative(writing.schema, schema, "array")
    inner = resolved(writing.schema, listed.get("items"))
    one_line = all(_item_on_one_line(writing, item, (*path, i), indent) for i, item in enumerate(node.items))
    for index, item in enumerate(node.items):
        _item(writing, item, ((*path, index), inner), (indent, one_line))


def _item_on_one_line(writing: _Writing, item: Node, path: Path, indent: int) -> bool:
    if isinstance(item, Map) and (len(item.entries) > _MOST_KEYS_OF_ITEM or any(_nested(e.value) for e in item)):
        return False
    if isinstance(item, Scalar) or not _children(item):
        return True
    text = None if writing.attached.below(path) else _flow(item)
    return text is not None and indent + _STEP + len(text) <= WIDTH and not _loses(item)


def _item(writing: _Writing, item: Node, where: _Where, how: tuple[int, bool]) -> None:
    path = where[0]
    indent, one_line = how
    notes = writing.attached.of(path)
    writing.notes(notes.above, indent)
    lead = " " * indent + "-"
    if isinstance(item, Scalar):
        _scalar(writing, item, (lead, notes.behind), (indent + _STEP, False))
    elif one_line or not _children(item):
        writing.line(f"{lead} {_flow(item)}", notes.behind)
    elif isinstance(item, Map):
        _map_item(writing, item, where, indent)
    else:
        writing.line(lead, notes.behind)
        _collection(writing, item, where, indent + _STEP)


def _map_item(writing: _Writing, item: Map, where: _Where, indent: int) -> None:
    """`- key: value` and the other keys below it; what stood beside the dash goes above it."""
    path = where[0]
    first, *rest = item.entries
    inner = _below(writing, where, first.key)
    behind = writing.attached.of(path).behind
    writing.notes([*([behind] if behind else []), *writing.attached.of(inner[0]).above], indent)
    _entry(writing, first, inner, (indent + _STEP, " " * indent + "- "))
    _map(writing, Map(tuple(rest), item.span), where, indent + _STEP)
    writing.notes(writing.attached.of(path).end, indent + _STEP)


def _children(node: Node) -> tuple[object, ...]:
    return node.entries if isinstance(node, Map) else node.items if isinstance(node, Seq) else ()


# ---- lists and maps on one line


def _on_one_line(writing: _Writing, node: Map | Seq, path: Path, prefix: str) -> str | None:
    """The value in flow style when it is small, and nothing in it has a comment."""
    if writing.attached.below(path) or _loses(node):
        return None
    if isinstance(node, Seq) and any(isinstance(item, Map) for item in node.items):
        return None
    text = _flow(node)
    if len(prefix) + len(text) + 1 > WIDTH:
        return None
    if isinstance(node, Map):
        deep = any(not isinstance(entry.value, Scalar) for entry in node)
        if len(node.entries) > _MOST_KEYS or (deep and len(text) > _SHORT):
            return None
    return text


def _wrapped(writing: _Writing, node: Node, path: Path, prefix: str) -> list[str] | None:
    """A long list of single values over several lines."""
    if not isinstance(node, Seq) or writing.attached.below(path) or _loses(node):
        return None
    if not all(isinstance(item, Scalar) for item in node.items):
        return None
    lead = f"{prefix} ["
    return _filled([_flow(item) for item in node.items], lead, "]")


def _filled(words: Sequence[str], lead: str, close: str) -> list[str]:
    lines, line = [], lead
    for index, word in enumerate(words):
        last = index == len(words) - 1
        piece = word + (close if last else ",")
        glue = "" if line.endswith(("[", "(")) or not line.strip() else " "
        if len(line) + len(glue) + len(piece) > WIDTH and line.strip() != lead.strip():
            lines.append(line)
            line, glue = " " * len(lead), ""
        line += glue + piece
    return [*lines, line]


def _flow_item(node: Node) -> str:
    """An item of a list on one line. Words side by side would be read as items whose comma is missing."""
    if isinstance(node, Scalar) and isinstance(node.value, str) and " " in node.value:
        return in_quotes(node.value)
    return _flow(node)


def _flow(node: Node) -> str:
    if isinstance(node, Scalar):
        return yaml_word(node, flow=True)
    if isinstance(node, Seq):
        return f"[{', '.join(_flow_item(item) for item in node.items)}]"
    return "{" + ", ".join(f"{yaml_text(e.key, flow=True)}: {_flow(e.value)}" for e in node.entries) + "}"


def _loses(node: Node) -> bool:
    """Whether a text that needs no quotes in block style would need them on one line."""
    return any(yaml_word(scalar, flow=True) != yaml_word(scalar, flow=False) for scalar in _scalars(node))


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Seq):
        for item in node.items:
            yield from _scalars(item)
    else:
        for entry in node.entries:
            yield from _scalars(entry.value)


def _nested(node: Node) -> bool:
    return isinstance(node, Map) or (isinstance(node, Seq) and any(not isinstance(i, Scalar) for i in node.items))


# ---- texts


def _scalar(writing: _Writing, value: Scalar, around: tuple[str, str], how: tuple[int, bool]) -> None:
    """`around` is what stands before and behind; `how` the indentation of further lines and whether it is a condition."""
    prefix, behind = around
    indent, condition = how
    text = yaml_word(value, flow=False)
    if isinstance(value.value, str):
        room = WIDTH_OF_CONDITION if condition else WIDTH
        header, lines = _in_block(value.value, len(prefix) + len(text) + 1 > room, indent, condition=condition)
        if header:
            writing.line(f"{prefix} {header}", behind)
            writing.lines.extend(" " * indent + line if line else "" for line in lines)
            return
    writing.line(f"{prefix} {text}", behind)


def _in_block(text: str, long: bool, indent: int, *, condition: bool) -> tuple[str, list[str]]:
    """Header and lines of a text that reads better as a block; no header when it does not, or cannot stand in one."""
    if "\n" in text:
        lines = text.removesuffix("\n").split("\n")
        if not lines[0] or not all(_LITERAL.fullmatch(line) and line == line.rstrip() for line in lines):
            return "", []
        return ("", []) if not lines[-1] else ("|" if text.endswith("\n") else "|-", lines)
    if not long or not _FOLDS.fullmatch(text) or not _LITERAL.fullmatch(text):
        return "", []
    room = max(WIDTH - indent, 40)
    if condition:
        return ">-", _clauses(text, WIDTH_OF_CONDITION - indent)
    return ">-", textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _clauses(text: str, room: int) -> list[str]:
    """A condition over several lines, broken before `or` and `and`."""
    lines: list[str] = []
    for clause in re.split(r" (?=(?:or) )", text):
        parts = [clause] if len(clause) <= room else re.split(r" (?=(?:and) )", clause)
        lines.extend(parts)
    return lines
