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
from .flowtext import cut_off, glued, parted_words, rejoined, whole_number
from .lostdashes import lost_dash, without_dashes
from .source import Source, Span
from .tree import Entry, Map, Node, Scalar, Seq
from .yamlscalars import offsets, resolve

NESTING: Final = 64
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
    #: entries of a list that stood in the map before them, because their `- ` was missing
    more: list[Map] = field(default_factory=list)

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
        from .yamlerrors import explained  # most texts are YAML

        reading.problems.append(explained(source, error, (loader or _parser)(source.text)))
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


def _node(reading: _Reading, event: Any, parent_column: int, depth: int, *, item: bool = False) -> Node:
    """One value. `parent_column` is the column of the enclosing block collection; depth is bounded by NESTING; `item` says
    that it stands in a list."""
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
    return _mapping(reading, event, column, depth + 1, item=item)


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
        items.append(_node(reading, event, column, depth, item=True))
        if reading.more:
            items.extend(reading.more)
            reading.more.clear()
    return Seq(tuple(items), _extent(reading, start, event, items[-1].span.end if items else None))


def _mapping(reading: _Reading, start: Any, column: int, depth: int, *, item: bool) -> Map:
    entries: dict[str, Entry] = {}
    repeated: list[Entry] = []  # from the first key on that stood before
    flow, last = start.flow_style, None
    while type(event := reading.next()) is not yaml.MappingEndEvent:
        key = _node(reading, event, column, depth)
        value = _node(reading, reading.next(), column, depth)
        if key.span.start < (last or 0):
            continue  # a piece of the value before it, which has been put together
        if flow and value.__class__ is Scalar:
            key, value = _mended(reading, key, value)
        last = value.span.end
        name = _key(reading, event, key)
        if name is None:
            continue
        if value.__class__ is Seq:
            value = _with_commas(reading, name, value)
        if repeated or name in entries:
            repeated.append(Entry(name, key.span, value))
        else:
            entries[name] = Entry(name, key.span, value)
    extent = _extent(reading, start, event, last)
    return (
        _repeated(reading, entries, repeated, extent, item and not flow)
        if repeated
        else Map(tuple(entries.values()), extent)
    )


def _mended(reading: _Reading, key: Node, value: Scalar) -> tuple[Node, Scalar]:
    """A pair of a flow map as it was meant, where a comma or a missing blank let YAML cut it elsewhere."""
    meant = value.value
    parted: tuple[Node, Scalar, Diagnostic] | None
    if meant is None and key.__class__ is Scalar and value.span.start == value.span.end:
        parted = glued(key)
    elif meant.__class__ is str and cut_off(meant) and value.span.text == meant:
        whole = rejoined(value)
        parted = (key, *whole) if whole else None
    else:
        whole = whole_number(value) if meant.__class__ is int else None
        parted = (key, *whole) if whole else None
    if parted is None:
        return key, value
    reading.problems.append(parted[2])
    return parted[0], parted[1]


def _with_commas(reading: _Reading, name: str, value: Seq) -> Seq:
    """A flow list whose words were not parted by commas, as it was meant."""
    for item in value.items:
        if item.__class__ is Scalar and item.value.__class__ is str and " " in item.value:
            whole, found = parted_words(name, value)
            reading.problems.extend(found)
            return whole
    return value


def _repeated(reading: _Reading, entries: dict[str, Entry], repeated: list[Entry], extent: Span, item: bool) -> Map:
    """The map, less what is no part of it; says why keys stand there twice."""
    items = without_dashes(tuple(entries.values()), repeated) if item else ()
    for first, *others in items or ([*entries.values(), *repeated],):
        seen = {first.key: first}
        for entry in others:
            before = seen.setdefault(entry.key, entry)
            if before is not entry:
                reading.problems.append(_duplicate(entry.key, before.key_span, entry.key_span))
        if items and first.key_span.start == extent.start:
            entries = dict(seen)
        elif items:
            reading.problems.append(lost_dash(next(iter(entries.values())), entries[first.key], first))
            end = list(seen.values())[-1].value.span.end
            reading.more.append(Map(tuple(seen.values()), Span(reading.source, first.key_span.start, end)))
        else:
            entries = seen
    return Map(tuple(entries.values()), extent)


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
