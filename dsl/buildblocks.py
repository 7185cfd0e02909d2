"""Parse tree of a `.qmtl` file -> definitions and document blocks.

In: the Lark tree of one file. Out: the classes of `syntax.py`. The values of a block's statements are read as YAML would
read them; what only an expression can be is kept as text, because the schema alone knows which key takes a condition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from lark import Token, Tree

from .build import Builder, decoded, definition, listed, range_of, text_of, token_at
from .diagnostics import Diagnostic, Label, problem
from .lexing import DEFINITIONS, DOCUMENTS
from .recovery import PLACEHOLDER
from .similar import did_you_mean
from .source import Span
from .syntax import Block, Definition, Given, Setting
from .tree import Entry, Map, Node, Scalar, Seq

_WORDS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_LONGEST_INTEGER: Final = 18
#: a text, or the blanks, line breaks and comments between two tokens of a condition
_GAPS: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?P<gap>(?:[ \t\r\f\n]+|#[^\n]*)+)')
_Branch = Tree[Token]


def build_file(builder: Builder, tree: _Branch) -> tuple[tuple[Definition, ...], tuple[Block, ...]]:
    """Definitions and document blocks in the order of the file; those whose head could not be read are left out."""
    definitions: list[Definition] = []
    blocks: list[Block] = []
    for item in listed(tree.children[0]):
        if item.data == "block":
            block = _block(builder, item)
            if block.key.value in DOCUMENTS:
                blocks.append(block)
            elif block.key.value != PLACEHOLDER:
                way_out = did_you_mean(block.key.value, (*DEFINITIONS, *DOCUMENTS))
                builder.report("Q0306", f"there is no block `{block.key.value}`", block.key.span, way_out=way_out)
        else:
            made = definition(builder, item)
            if made.name.name != PLACEHOLDER:
                definitions.append(made)
    return tuple(definitions), tuple(blocks)


def _block(builder: Builder, tree: _Branch) -> Block:
    head, body = tree.children[0], tree.children[2]
    assert isinstance(head, Tree)
    words = [text_of(builder, c) for c in head.children if isinstance(c, Token) and c.type in {"NAME", "STRING"}]
    conditions = [c for c in head.children if isinstance(c, Tree)]
    return Block(
        key=words[0],
        name=words[1] if len(words) > 1 else None,
        when=_condition(builder, conditions[0]) if conditions else None,
        body=tuple(_block(builder, i) if i.data == "block" else _setting(builder, i) for i in listed(body)),
        span=builder.span(tree),
    )


def _setting(builder: Builder, tree: _Branch) -> Setting:
    words = [c for c in tree.children if isinstance(c, Token) and c.type != "COLON"]
    value = tree.children[-1]
    assert isinstance(value, Tree)
    label = text_of(builder, words[1]) if tree.data == "named_setting" else None
    given = [value] if tree.data == "condition" else [c for c in value.children if isinstance(c, Tree)]
    return Setting(text_of(builder, words[0]), label, tuple(_given(builder, c) for c in given), builder.span(tree))


def _given(builder: Builder, tree: _Branch) -> Given:
    node = _VALUES[tree.data](builder, tree) if tree.data in _VALUES else None
    return Given(node, _condition(builder, tree))


def _condition(builder: Builder, tree: _Branch | Token) -> Scalar:
    """The text of a condition, or what a text in quotes holds; it is parsed where the meaning is read, by the same grammar."""
    if isinstance(tree, Tree) and tree.data == "string":
        return _string(builder, tree)
    start, end = range_of(tree)
    text, offsets = one_line(builder.text[start:end])
    return Scalar(text, builder.place(start, end), tuple(start + offset for offset in offsets))


def one_line(text: str) -> tuple[str, tuple[int, ...]]:
    """A condition with one space for each run of blanks, line breaks and comments outside its texts, and the offset of
    each of its characters (and of its end)."""
    characters: list[str] = []
    offsets: list[int] = []
    last = 0
    for found in _GAPS.finditer(text):
        if found["gap"] is None:
            continue
        characters.append(text[last : found.start()] + " ")
        offsets.extend(range(last, found.start() + 1))
        last = found.end()
    characters.append(text[last:])
    return "".join(characters), (*offsets, *range(last, len(text) + 1))


def _string(builder: Builder, tree: _Branch) -> Scalar:
    text, offsets = decoded(builder, token_at(tree, 0))
    return Scalar(text, builder.span(tree), offsets)


def _word(builder: Builder, tree: _Branch) -> Node | None:
    """A word, `true`, `false` or `null`; None for a dotted name, which only an expression can be."""
    text, (start, end) = str(tree.children[0]), range_of(tree)
    if text in _WORDS:
        return Scalar(_WORDS[text], builder.span(tree))
    return None if "." in text else Scalar(text, builder.span(tree), tuple(range(start, end + 1)))


def _amount(builder: Builder, tree: _Branch) -> Node | None:
    """A number as YAML would read it; units and `_` make it text."""
    start, end = range_of(tree)
    text, span = ("-" if len(tree.children) > 1 else "") + str(tree.children[-1]), builder.span(tree)
    if not set(text) <= set("0123456789.e+-"):
        return Scalar(text, span, tuple(range(start, end + 1)) if end - start == len(text) else ())
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        builder.report("Q0205", f"`{text[:40]}` is not a finite number", span)
        return Scalar(0, span)
    if set(text) & set(".e"):
        return Scalar(number, span)
    if len(text.lstrip("-")) > _LONGEST_INTEGER:
        builder.report("Q0205", f"`{text[:40]}` is an integer of more than {_LONGEST_INTEGER} digits", span)
        return Scalar(0, span)
    return Scalar(int(text), span)


def _minus(builder: Builder, tree: _Branch) -> Node | None:
    """`-2%` is read as an expression; any other operand of a minus is one."""
    sign, operand = tree.children
    if str(sign) != "-" or not isinstance(operand, Tree) or operand.data != "number":
        return None
    return _amount(builder, Tree("negative", [sign, operand.children[0]], tree.meta))


def _list(builder: Builder, tree: _Branch) -> Node:
    return Seq(tuple(_item(builder, c) for c in tree.children if isinstance(c, Tree)), builder.span(tree))


def _inline_map(builder: Builder, tree: _Branch) -> Node:
    entries: dict[str, Entry] = {}
    for pair in tree.children:
        if isinstance(pair, Tree):
            key, value = text_of(builder, pair.children[0]), pair.children[2]
            assert isinstance(value, Tree)
            before = entries.get(key.value)
            if before is not None:
                labels = (Label(before.key_span, "first here"),)
                builder.report("Q0106", f"`{key.value}` stands twice", key.span, labels=labels)
            entries[key.value] = Entry(key.value, key.span, _item(builder, value))
    return Map(tuple(entries.values()), builder.span(tree))


def _item(builder: Builder, tree: _Branch) -> Node:
    node = _VALUES[tree.data](builder, tree)
    if node is not None:
        return node
    span = builder.span(tree)
    builder.problems.append(needs_quotes(span))
    return Scalar(span.text, span)


def needs_quotes(span: Span) -> Diagnostic:
    """What looks like an expression where a value is due: a date, a path, a symbol with a dot."""
    shown = span.text.replace("\\", "\\\\").replace('"', '\\"')
    return problem("Q0301", f"`{span.text}` needs quotes here", span, help=f'write "{shown}"')


_VALUES: Final[dict[str, Callable[[Builder, _Branch], Node | None]]] = {
    "name": _word,
    "string": _string,
    "number": _amount,
    "negative": _amount,
    "unary": _minus,
    "null": lambda builder, tree: Scalar(None, builder.span(tree)),
    "list": _list,
    "map": _inline_map,
}
