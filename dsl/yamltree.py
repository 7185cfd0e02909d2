"""YAML text -> the tree of values with spans, by the rules of YAML 1.2 core.

In: a `Source`. Out: the tree (None when there is nothing to read) and what is wrong with the text as YAML. Reads PyYAML's
*events* (C parser where it exists), so nesting is measured before anything recurses, every mistake is collected in one
pass, and none of PyYAML's 1.1 meanings (`ON` a boolean, `16:00` a number, the last duplicate wins) can slip in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import yaml

from .diagnostics import Diagnostic, Label, problem
from .flowtext import cut_off, rejoined
from .source import Source, Span
from .tree import Entry, Map, Node, Scalar, Seq
from .yamlscalars import offsets, resolve

NESTING: Final = 64
#: `{when: close[1] ...`: YAML takes the bracket for a list
_BRACKET_IN_MAP: Final = re.compile(r"\{.*\w\[[^\]]*\][ \t]*$")
#: what YAML allows, less the line ends that editors and YAML 1.2 do not count as such (NEL, LS, PS, a lone CR)
_STRANGE_ASCII: Final = re.compile("[^\t\n\r\x20-\x7e]|\r(?!\n)")
_STRANGE: Final = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"


class _Stop(Exception):  # noqa: N818 - ends the reading of one file, never leaves this module
    """The rest of the file cannot be read; the reason stands in the diagnostics."""


@dataclass(slots=True)
class _Reading:
    """State of one pass over the events of one file."""

    source: Source
    next: Callable[[], Any]
    problems: list[Diagnostic] = field(default_factory=list)

    def span(self, start: int, end: int) -> Span:
        size = len(self.source.text)
        return Span(self.source, min(start, size), min(max(end, start), size))

    def of(self, event: Any) -> Span:
        return self.span(event.start_mark.index, event.end_mark.index)


def read_yaml(source: Source, loader: Callable[[str], Any] | None = None) -> tuple[Node | None, tuple[Diagnostic, ...]]:
    """The tree of the only document in a file, and its mistakes. Never raises for what stands in the text.

    `loader` makes a PyYAML parser with `get_event`; the C parser by default."""
    strange = (_STRANGE_ASCII if source.text.isascii() else _strange()).search(source.text)
    if strange:
        return None, (_strange_character(Span(source, strange.start(), strange.end())),)
    parser = (loader or _parser)(source.text)
    reading = _Reading(source, parser.get_event)
    try:
        root = _document(reading)
    except _Stop:
        return None, tuple(reading.problems)
    except yaml.MarkedYAMLError as error:
        reading.problems.append(_syntax(source, error))
        return None, tuple(reading.problems)
    except yaml.YAMLError as error:
        reading.problems.append(problem("Q0105", f"not valid YAML: {error}", Span(source, 0, 0)))
        return None, tuple(reading.problems)
    return root, tuple(reading.problems)


@lru_cache
def _strange() -> re.Pattern[str]:
    """Made when the first text asks for it: so large a set takes as long to compile as a small document to check."""
    return re.compile(_STRANGE)


def _parser(text: str) -> Any:
    if hasattr(yaml, "CLoader"):
        return yaml.CLoader(text)
    return yaml.Loader(text)  # only its events are read, no object is ever constructed


def _strange_character(span: Span) -> Diagnostic:
    name = f"U+{ord(span.text):04X}"
    if span.text == "\r":
        return problem(
            "Q0105",
            "not valid YAML: a line ends with a lone carriage return",
            span,
            help="save the file with LF line ends",
        )
    return problem("Q0105", f"not valid YAML: the invisible character {name} is not allowed", span, label=name)


def _syntax(source: Source, error: yaml.MarkedYAMLError) -> Diagnostic:
    mark, context = error.problem_mark, error.context_mark
    size = len(source.text)
    at = min(mark.index, size) if mark else 0
    span = Span(source, at, min(at + 1, size))
    labels: tuple[Label, ...] = ()
    if context and error.context and context.index < size and context.index != at:
        labels = (Label(Span(source, context.index, context.index + 1), str(error.context)),)
    line_start = source.text.rfind("\n", 0, at) + 1
    help_text = ""
    if "\t" in source.text[line_start : at + 1]:
        help_text = "YAML is indented with spaces: replace the tab"
    elif _BRACKET_IN_MAP.search(source.text[line_start:at]):
        help_text = "inside `{ }` a condition with brackets, such as `close[1] > close`, needs quotes"
    elif at < size and source.text[at] in "%@`":
        help_text = f"a value that starts with `{source.text[at]}` needs quotes"
    return problem("Q0105", f"not valid YAML: {error.problem or error.context}", span, labels=labels, help=help_text)


def _document(reading: _Reading) -> Node | None:
    reading.next()  # stream start
    event = reading.next()
    if isinstance(event, yaml.StreamEndEvent):
        reading.problems.append(problem("Q0103", "the file is empty", reading.span(0, 0)))
        return None
    root = _node(reading, reading.next(), -1, 0)
    reading.next()  # document end
    after = reading.next()
    if isinstance(after, yaml.DocumentStartEvent):
        reading.problems.append(
            problem(
                "Q0108",
                "more than one document in a file",
                reading.of(after),
                help="move the part behind `---` to a file of its own",
            )
        )
    if isinstance(root, Scalar) and root.value is None and not reading.problems:
        reading.problems.append(problem("Q0103", "the file is empty", reading.span(0, 0)))
        return None
    return root


def _node(reading: _Reading, event: Any, parent_column: int, depth: int) -> Node:
    """One value. `parent_column` is the column of the enclosing block collection; depth is bounded by NESTING."""
    kind = type(event)
    if kind is yaml.AliasEvent:
        _refuse(reading, event, "the alias")
        return Scalar(None, reading.of(event))
    if event.anchor is not None:
        _refuse(reading, event, "the anchor")
    elif event.tag is not None:
        _refuse(reading, event, "the tag")
    if kind is yaml.ScalarEvent:
        return _scalar(reading, event, parent_column)
    if depth == NESTING:
        span = reading.span(event.start_mark.index, event.start_mark.index + 1)
        reading.problems.append(problem("Q0104", f"nested deeper than {NESTING} levels", span))
        raise _Stop
    column = parent_column if event.flow_style else event.start_mark.column
    if kind is yaml.SequenceStartEvent:
        return _sequence(reading, event, column, depth + 1)
    return _mapping(reading, event, column, depth + 1)


def _refuse(reading: _Reading, event: Any, what: str) -> None:
    start = event.start_mark.index
    end = start
    while end < len(reading.source.text) and reading.source.text[end] not in " \t\r\n,]}:":
        end += 1
    span = reading.span(start, end)
    message = f"{what} `{span.text}` is not part of this language"
    reading.problems.append(problem("Q0107", message, span, help="write the value out, or quote it if it is text"))


def _scalar(reading: _Reading, event: Any, parent_column: int) -> Scalar:
    source, value = reading.source, event.value
    start, end = event.start_mark.index, event.end_mark.index
    if event.style or (event.tag and event.tag != "!"):
        return _styled(reading, event, parent_column)
    span = Span(source, start, end) if end <= len(source.text) else reading.span(start, end)
    try:
        meant = resolve(value)
    except ValueError as error:
        reading.problems.append(problem("Q0205", f"`{value[:40]}` is {error}", span))
        return Scalar(None, span)
    if meant.__class__ is not str:
        return Scalar(meant, span)
    # nearly every text stands in the file as it is
    if end - start == len(value) and source.text.startswith(value, start):
        return Scalar(value, span, range(start, end + 1))
    return Scalar(value, span, offsets(source.text, start, end, "", value, parent_column))


def _styled(reading: _Reading, event: Any, parent_column: int) -> Scalar:
    """Quoted and block scalars, which are text."""
    text, style = reading.source.text, event.style or ""
    start, end = event.start_mark.index, event.end_mark.index
    span = reading.span(start, end)
    if style in ("|", ">"):
        span = reading.span(start, start + len(text[span.start : span.end].rstrip()))
    return Scalar(event.value, span, offsets(text, start, end, style, event.value, parent_column))


def _sequence(reading: _Reading, start: Any, column: int, depth: int) -> Seq:
    items: list[Node] = []
    while type(event := reading.next()) is not yaml.SequenceEndEvent:
        items.append(_node(reading, event, column, depth))
    return Seq(tuple(items), _extent(reading, start, event, items[-1].span.end if items else None))


def _mapping(reading: _Reading, start: Any, column: int, depth: int) -> Map:
    entries: dict[str, Entry] = {}
    last = None
    while type(event := reading.next()) is not yaml.MappingEndEvent:
        key = _node(reading, event, column, depth)
        value = _node(reading, reading.next(), column, depth)
        if key.span.start < (last or 0):
            continue  # a piece of the value before it, which has been put together
        if start.flow_style and value.__class__ is Scalar and cut_off(value.value):
            value = _put_together(reading, value)
        last = value.span.end
        name = _key(reading, event, key)
        if name is None:
            continue
        if name in entries:
            reading.problems.append(_duplicate(name, entries[name].key_span, key.span))
        else:
            entries[name] = Entry(name, key.span, value)
    return Map(tuple(entries.values()), _extent(reading, start, event, last))


def _put_together(reading: _Reading, value: Scalar) -> Scalar:
    """A condition with commas that nobody quoted, as it was meant."""
    whole = rejoined(value) if value.span.text == value.value else None
    if whole is None:
        return value
    reading.problems.append(whole[1])
    return whole[0]


def _extent(reading: _Reading, start: Any, end: Any, last: int | None) -> Span:
    """A flow collection ends with its bracket; a block collection with its last value, not with the blank lines behind it."""
    stop = end.end_mark.index if start.flow_style or last is None else last
    return reading.span(start.start_mark.index, stop)


def _key(reading: _Reading, event: Any, key: Node) -> str | None:
    if key.__class__ is Scalar and key.value.__class__ is str and key.value != "<<":
        return key.value
    if not isinstance(key, Scalar):
        reading.problems.append(problem("Q0110", "a key must be a plain string, not a list or a map", key.span))
        return None
    if key.value == "<<" and not event.style:
        _refuse(reading, event, "the merge key")
        return None
    if isinstance(event, yaml.ScalarEvent) and not isinstance(key.value, str):
        shown = event.value[:40]
        help_text = f'write it in quotes: `"{shown}"`' if shown else ""
        message = f"`{shown}` is not a string, so it cannot be a key" if shown else "a key is missing"
        reading.problems.append(problem("Q0110", message, key.span, help=help_text))
        return None
    return key.value if isinstance(key.value, str) else None


def _duplicate(name: str, first: Span, second: Span) -> Diagnostic:
    return problem(
        "Q0106",
        f"duplicate key `{name}`",
        second,
        label="again",
        labels=(Label(first, "first here"),),
        help="keep one of the two",
    )
