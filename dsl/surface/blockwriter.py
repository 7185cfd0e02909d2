"""A tree and its comments -> a document block, as people write it.

In: the tree of a document, the schema of its kind, the comments by path. Out: the text of one block. The inverse of
`dsl/blocks.py`, by the same `x-qmtl` entries: a list of maps becomes repeated blocks, `allowlist` becomes `allow` lines,
conditions stand without quotes. What has no such form is written as YAML has it on one line, behind a colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..buildblocks import one_line
from ..exprtext import in_quotes
from ..parser import parse_predicate
from ..schemashape import alternative, below, is_condition, is_list, resolved
from ..syntax import Text
from ..tree import Entry, Map, Node, Scalar, Seq
from .attach import BLANK, Attached, Notes, Path
from .comments import allows
from .words import WIDTH, WIDTH_OF_CONDITION, block_head, block_key, block_word

_STEP: Final = 2
#: a block on one line has at most so many statements and characters
_MOST_STATEMENTS: Final = 6
_SHORT: Final = 100

_Schema = Mapping[str, Any]
_Where = tuple[Path, _Schema]


@dataclass(slots=True)
class _Writing:
    schema: _Schema
    attached: Attached
    lines: list[str] = field(default_factory=list)

    def having(self, notes: Mapping[Path, Notes]) -> _Writing:
        """The same writing, with other notes at some places."""
        return _Writing(self.schema, Attached({**self.attached.notes, **notes}), self.lines)

    def notes(self, lines: Sequence[str], indent: int) -> None:
        """Comments on lines of their own; no blank line opens a file or a block."""
        for line in lines:
            if line != BLANK:
                self.lines.append(" " * indent + line)
            elif self.lines and self.lines[-1] and not self.lines[-1].partition("  #")[0].endswith("{"):
                self.lines.append("")

    def line(self, indent: int, text: str, behind: str = "") -> None:
        self.lines.append(" " * indent + text + (f"  {behind}" if behind else ""))


def to_block(tree: Map, kind: str, schema: _Schema, attached: Attached) -> str:
    """The text of a `.qmtl` file with this one document."""
    name = tree.get(kind)
    assert isinstance(name, Scalar)
    top, moved = _with_head(tree, kind, attached)
    writing = _Writing(schema, moved)
    writing.notes(top, 0)
    writing.line(0, f"{kind} {block_key(str(name.value))} {{", moved.of((kind,)).behind)
    rest = Map(tuple(e for e in tree.entries if e.key != kind), tree.span)
    _body(writing, rest, ((), alternative(schema, resolved(schema, schema), "object")), _STEP)
    writing.line(0, "}")
    return "\n".join(writing.lines).strip("\n") + "\n"


def _with_head(tree: Map, kind: str, attached: Attached) -> tuple[list[str], Attached]:
    """The lines above the block, and the notes with the kind's own moved: its key heads the block, wherever it stood."""
    notes = dict(attached.notes)
    first = (tree.entries[0].key,)
    top = attached.of(first)
    notes[first] = Notes([], top.behind, top.end)
    if first == (kind,):
        return top.above, Attached(notes)
    own = attached.of((kind,))
    notes[(kind,)] = Notes()
    keys = [e.key for e in tree.entries]
    after = keys[keys.index(kind) + 1 :]
    carried = [*own.above, *([own.behind] if own.behind else [])]
    if after:
        following = attached.of((after[0],))
        notes[(after[0],)] = Notes([*carried, *following.above], following.behind, following.end)
    else:
        notes[()] = Notes(end=[*carried, *attached.of(()).end])
    return top.above, Attached(notes)


def _body(writing: _Writing, node: Map, where: _Where, indent: int) -> None:
    for entry in node.entries:
        _entry(writing, entry, where, indent)
    writing.notes(writing.attached.of(where[0]).end, indent)


def _entry(writing: _Writing, entry: Entry, where: _Where, indent: int) -> None:
    """One key of a map, in the best form that says it."""
    path, value = (*where[0], entry.key), entry.value
    schema = below(writing.schema, where[1], entry.key)
    writing.notes(writing.attached.of(path).above, indent)
    rules = _item_rules(writing, value, where[1], (entry.key, schema))
    if rules:
        assert isinstance(value, Seq)
        _items(writing, value, rules, ((path, schema), indent))
    elif isinstance(value, Map) and not is_list(writing.schema, schema):
        word = _map_word(writing, entry, where[1])
        if word:
            _labelled(writing, value, word, ((path, schema), indent))
        else:
            inner = alternative(writing.schema, schema, "object")
            _block(writing, block_key(entry.key), value, ((path, inner), indent))
    else:
        _setting(writing, _word(where[1], entry.key), value, ((path, schema), indent))


# ---- how a place of the schema is said in blocks


def _said(schema: _Schema, what: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = schema.get("x-qmtl", {}).get(what, {})
    return found


def _word(schema: _Schema, key: str) -> str:
    """The word of a key: `use` for `strategies`."""
    return next((word for word, meaning in _said(schema, "words").items() if meaning == key), block_key(key))


def _map_word(writing: _Writing, entry: Entry, schema: _Schema) -> str:
    """`allow` for `allowlist`, when each of its values can stand on a line."""
    words = _said(schema, "words").items()
    word = next((w for w, meaning in words if isinstance(meaning, Mapping) and meaning.get("map") == entry.key), "")
    node = entry.value
    assert isinstance(node, Map)
    simple = node.entries and all(_is_simple(inner.value) for inner in node)
    notes = writing.attached.of((entry.key,))
    together = notes.end or any(allows(line) for line in (*notes.above, notes.behind))  # needs a line for the whole map
    return word if word and simple and not together else ""


_Rule = tuple[str, Mapping[str, Any]]


def _item_rules(writing: _Writing, value: Node, schema: _Schema, at: tuple[str, _Schema]) -> list[_Rule]:
    """For each item of a list of maps the block that says it; none at all where one item has no such block."""
    key, own = at
    if not isinstance(value, Seq):
        return []
    items = [item for item in value.items if isinstance(item, Map)]
    if len(items) < len(value.items):
        return []
    words = _said(schema, "blocks")
    default = (block_head(key), {"name": "name"}) if is_list(writing.schema, own) and key not in words else None
    found = [_rule(words, key, item) or default for item in items]
    return [rule for rule in found if rule] if all(found) else []


def _rule(words: Mapping[str, Any], key: str, item: Map) -> _Rule | None:
    """Of the blocks that make items of this list the one that sets most of what the item has."""
    fitting = [
        (word, rule)
        for word, rule in words.items()
        if rule["list"] == key and all(_equals(item.get(k), v) for k, v in rule.get("set", {}).items())
    ]
    return max(fitting, key=lambda found: len(found[1].get("set", {})), default=None)


def _equals(node: Node | None, value: object) -> bool:
    return isinstance(node, Scalar) and type(node.value) is type(value) and node.value == value


# ---- statements


_At = tuple[_Where, int]


def _items(writing: _Writing, node: Seq, rules: Sequence[_Rule], at: _At) -> None:
    (path, schema), indent = at
    notes = writing.attached.of(path)
    writing.notes([notes.behind] if notes.behind else [], indent)
    listed = alternative(writing.schema, schema, "array")
    inner = alternative(writing.schema, resolved(writing.schema, listed.get("items")), "object")
    for index, (item, rule) in enumerate(zip(node.items, rules, strict=True)):
        assert isinstance(item, Map)
        writing.notes(writing.attached.of((*path, index)).above, indent)
        _item(writing, item, rule, (((*path, index), inner), indent))
    writing.notes(notes.end, indent)


def _item(writing: _Writing, item: Map, rule: _Rule, at: _At) -> None:
    """`chain trend when ... {`: name and condition in the head, unless comments stand in the way."""
    (path, schema), indent = at
    word, meaning = rule
    taken = set(meaning.get("set", {}))
    writing = _hoisted(writing, item, taken, (path, indent))
    head, behind, gone = [word], "", set(taken)
    for key, text in _head(writing, item, meaning, (path, schema)):
        notes = writing.attached.of((*path, key))
        # what silences warnings of a later line would silence those of the whole block
        narrow = allows(notes.behind) and item.entries[0].key != key
        if notes.above or behind or narrow:
            break
        gone.add(key)
        head.append(text)
        behind = notes.behind
    own = writing.attached.of(path)
    if behind:
        writing.notes([own.behind] if own.behind else [], indent)
        writing = writing.having({path: Notes([], behind, own.end)})
    body = Map(tuple(e for e in item.entries if e.key not in gone), item.span)
    first, rest = _broken_head(" ".join(head), indent)
    writing.lines.extend(first)
    _block(writing, rest, body, at, whole=not first)


def _hoisted(writing: _Writing, item: Map, taken: set[str], at: tuple[Path, int]) -> _Writing:
    """Comments on a key that the block's word says stand above the block, after those that come before them."""
    path, indent = at
    keys = [entry.key for entry in item.entries]
    noted = [index for index, key in enumerate(keys) if key in taken and _all_lines(writing.attached, (*path, key))]
    if not noted:
        return writing
    before = set(keys[: noted[-1] + 1])
    size = len(path)
    moved = [p for p in writing.attached.notes if p[:size] == path and len(p) > size and p[size] in before]
    moved.sort(key=lambda p: keys.index(str(p[size])))
    writing.notes([line for p in moved for line in _all_lines(writing.attached, p) if line != BLANK], indent)
    return writing.having(dict.fromkeys(moved, Notes()))


def _head(writing: _Writing, item: Map, meaning: Mapping[str, Any], where: _Where) -> Iterator[tuple[str, str]]:
    """Key and text of what stands in the head: the name, then the condition."""
    name, when = meaning.get("name", "name"), meaning.get("head", {}).get("when", "")
    keys = [e.key for e in item.entries if e.key not in meaning.get("set", {})]
    quiet = not writing.attached.below(where[0])
    node = item.get(name)
    if isinstance(node, Scalar) and isinstance(node.value, str) and (quiet or keys[0] == name):
        yield name, block_key(node.value)
        keys.remove(name)
    node = item.get(when)
    condition = _condition(writing, node, below(writing.schema, where[1], when)) if node else ""
    if condition and (quiet or keys[0] == when):
        yield when, f"when {condition}"


def _broken_head(head: str, indent: int) -> tuple[list[str], str]:
    """A head too long for a line goes on below, before its `when`, `and` and `or`."""
    if indent + len(head) + 2 <= WIDTH_OF_CONDITION or " when " not in head:
        return [], head
    name, _, condition = head.partition(" when ")
    first, *rest = _clauses(condition, WIDTH_OF_CONDITION - indent - 12)
    lines = [" " * indent + name, " " * (indent + 4) + f"when {first}", *(" " * (indent + 4) + r for r in rest)]
    return lines[:-1], lines[-1][indent:]


def _all_lines(attached: Attached, path: Path) -> list[str]:
    notes = attached.of(path)
    return [*notes.above, *([notes.behind] if notes.behind else []), *notes.end]


def _block(writing: _Writing, head: str, node: Map, at: _At, *, whole: bool = True) -> None:
    """`head { ... }`, on one line when it is small and its head is `whole`."""
    where, indent = at
    notes = writing.attached.of(where[0])
    if not node.entries and not notes.end:
        writing.line(indent, f"{head} {{}}", notes.behind)
        return
    one_line = _one_line_block(writing, head, node, at) if whole else ""
    if one_line:
        writing.line(indent, one_line, notes.behind)
        return
    writing.line(indent, f"{head} {{", notes.behind)
    _body(writing, node, where, indent + _STEP)
    writing.line(indent, "}")


def _one_line_block(writing: _Writing, head: str, node: Map, at: _At) -> str:
    where, indent = at
    if writing.attached.below(where[0]) or len(node.entries) > _MOST_STATEMENTS:
        return ""
    apart = _Writing(writing.schema, Attached({}))
    _body(apart, node, where, 0)
    deep = any(isinstance(entry.value, Map) for entry in node.entries)
    text = f"{head} {{ {'; '.join(apart.lines)} }}"
    fits = indent + len(text) <= (_SHORT // 2 if deep else _SHORT)
    whole = all(not line.startswith(" ") and not line.endswith(("{", "[")) for line in apart.lines)
    return text if fits and whole else ""


def _labelled(writing: _Writing, node: Map, word: str, at: _At) -> None:
    """`allow SPY: a, b`, one line for each entry."""
    (path, schema), indent = at
    notes = writing.attached.of(path)
    writing.notes([notes.behind] if notes.behind else [], indent)
    inner = alternative(writing.schema, schema, "object")
    for entry in node.entries:
        own = (*path, entry.key)
        writing.notes(writing.attached.of(own).above, indent)
        free = resolved(writing.schema, inner.get("additionalProperties"))
        _setting(writing, f"{word} {block_key(entry.key)}:", entry.value, ((own, free), indent))


def _setting(writing: _Writing, word: str, value: Node, at: _At) -> None:
    (path, schema), indent = at
    notes = writing.attached.of(path)
    condition = _condition(writing, value, schema)
    if condition:
        name = str(path[-1]) if word == in_quotes(str(path[-1])) and path[-1] == "when" else word
        _lines(
            writing,
            f"{name} ",
            _clauses(condition, WIDTH_OF_CONDITION - indent - len(name) - 1),
            (indent, notes.behind),
        )
    elif isinstance(value, Scalar):
        colon = ":" if word == in_quotes("when") else ""
        writing.line(indent, f"{word}{colon} {block_word(value)}", notes.behind)
    elif isinstance(value, Seq) and _is_simple(value) and not writing.attached.below(path):
        if len(value.items) == 1 and is_list(writing.schema, schema) and not isinstance(value.items[0], Seq):
            pieces = [_inline(value.items[0])]
        elif len(value.items) > 1:
            pieces = [_inline(item) for item in value.items]
        else:
            pieces = [_inline(value)]
        _listed(writing, f"{word} ", pieces, (indent, notes.behind))
    else:
        _in_brackets(writing, word.removesuffix(":"), value, at)


def _lines(writing: _Writing, lead: str, lines: Sequence[str], how: tuple[int, str]) -> None:
    """Further lines stand below the first value."""
    indent, behind = how
    if len(lines) > 1 and allows(behind):  # of all these lines, not of the last one
        writing.notes([behind], indent)
        behind = ""
    for index, line in enumerate(lines):
        text = (lead if index == 0 else " " * len(lead)) + line
        writing.line(indent, text, behind if index == len(lines) - 1 else "")


def _listed(writing: _Writing, lead: str, pieces: Sequence[str], how: tuple[int, str]) -> None:
    lines, line = [], ""
    for index, piece in enumerate(pieces):
        whole = piece + ("," if index < len(pieces) - 1 else "")
        if line and how[0] + len(lead) + len(line) + 1 + len(whole) > WIDTH:
            lines.append(line)
            line = ""
        line += (" " if line else "") + whole
    _lines(writing, lead, [*lines, line], how)


def _in_brackets(writing: _Writing, word: str, value: Node, at: _At) -> None:
    """A list with comments on its items, or a value that only the one-line form can say. Comments deeper inside stand
    above it."""
    (path, _), indent = at
    notes = writing.attached.of(path)
    flat = isinstance(value, Seq) and all(not writing.attached.below((*path, i)) for i in range(len(value.items)))
    if not isinstance(value, Seq) or not flat or not (value.items and writing.attached.below(path)):
        inside = [p for p in writing.attached.notes if p[: len(path)] == path and len(p) > len(path)]
        behind = [notes.behind] if notes.behind and (inside or notes.end) else []
        writing.notes(behind, indent)
        writing.notes([x for p in inside for x in _all_lines(writing.attached, p) if x], indent)
        writing.notes(notes.end, indent)
        writing.line(indent, f"{word}: {_inline(value)}", "" if behind else notes.behind)
        return
    writing.line(indent, f"{word}: [", notes.behind)
    for index, item in enumerate(value.items):
        own = writing.attached.of((*path, index))
        writing.notes(own.above, indent + _STEP)
        writing.line(indent + _STEP, _inline(item) + ("," if index < len(value.items) - 1 else ""), own.behind)
    writing.notes(notes.end, indent + _STEP)
    writing.line(indent, "]")


# ---- values


def _condition(writing: _Writing, value: Node, schema: _Schema) -> str:
    """A condition without quotes, or nothing where it needs them: it is no expression, or one text alone."""
    if not isinstance(value, Scalar) or not isinstance(value.value, str) or not is_condition(writing.schema, schema):
        return ""
    text = one_line(value.value)[0].strip()
    expr, _ = parse_predicate(Scalar(text, value.span))
    return "" if expr is None or isinstance(expr, Text) or "#" in text else text


def _clauses(text: str, room: int) -> list[str]:
    """A condition over several lines, broken before `or` and `and`, never inside a text."""
    if len(text) <= room or '"' in text:
        return [text]
    lines: list[str] = []
    for clause in re.split(r" (?=or )", text):
        lines.extend([clause] if len(clause) <= room else re.split(r" (?=and )", clause))
    return lines


def _is_simple(node: Node) -> bool:
    """Whether a value needs no braces."""
    return isinstance(node, Scalar) or (isinstance(node, Seq) and all(_is_simple(item) for item in node.items))


def _inline(node: Node) -> str:
    if isinstance(node, Scalar):
        return block_word(node)
    if isinstance(node, Seq):
        return f"[{', '.join(_inline(item) for item in node.items)}]"
    return "{" + ", ".join(f"{block_key(e.key)}: {_inline(e.value)}" for e in node.entries) + "}"
