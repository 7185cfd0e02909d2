"""Why a text is no YAML, found in the text itself.

In: the error of the YAML parser, and the text. Out: one diagnostic at the characters that are wrong. The parser notices a
slip where it can go on no longer, often lines later and in words about its own state; here the usual slips are looked for:
marks of a merge, an open quote or bracket, a blank that is none, `key:value`, a lost `- `, an indentation that fits no
level. Runs only when a text cannot be read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from .diagnostics import Diagnostic, Label, problem
from .source import Source, Span

#: `{when: close[1] ...`: YAML takes the bracket for a list
_BRACKET_IN_MAP: Final = re.compile(r"\{.*\w\[[^\]]*\][ \t]*$")
_CONFLICT: Final = re.compile(r"^(?:<{7}|>{7})(?: [^\n]*)?$", re.MULTILINE)
#: a line that begins an entry: blanks, perhaps `- `, a key
_ENTRY: Final = re.compile(r"(?P<blanks> *)(?P<dash>- +)?(?P<key>[A-Za-z_][\w.-]*):(?=\s|$)")
_GLUED: Final = re.compile(r" *(?:- +)?(?P<all>(?P<key>[A-Za-z_][\w.-]*):(?P<value>[^\s:/#][^\n#]*))")
_NO_COLON: Final = re.compile(r" *(?:- +)?(?P<key>[A-Za-z_][\w.-]*)[ \t]+(?P<value>[^\s:#][^\n#]*)")
_STRANGE: Final = "\xa0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff"
#: a blank that is none where YAML looks for blanks: before a line, behind `-` or behind `key:`
_STRANGE_BLANK: Final = re.compile(rf"(?:[ \t]*(?:- *)?(?:[A-Za-z_][\w.-]*: *)?)(?P<blank>[{_STRANGE}]+)")
_HOLDS_KEYS: Final = re.compile(r"\n *(?:- +)?[A-Za-z_][\w.-]*:\s")
_CLOSES: Final = {"[": "]", "{": "}"}
_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class _Block:
    """A list or map in block style, by where it begins."""

    is_list: bool
    at: int
    column: int


@dataclass(slots=True)
class _Walk:
    """What the parser saw before it gave up: collections that reach the line of the error (None for those in brackets), and
    the ranges of quoted texts."""

    open: list[_Block | None] = field(default_factory=list)
    closed: list[_Block | None] = field(default_factory=list)
    quoted: list[tuple[int, int]] = field(default_factory=list)
    last: int = 0

    def columns(self, before: int, *, of_lists: bool) -> list[int]:
        """Columns of the block lists or maps that began before an offset."""
        found = (block for block in (*self.open, *self.closed) if block is not None)
        return sorted({block.column for block in found if block.is_list == of_lists and block.at < before})


@dataclass(frozen=True, slots=True)
class _Fault:
    """The error, and where it was noticed; `opened` is the place of what was being read then."""

    source: Source
    text: str
    said: str
    at: int
    opened: int | None
    context: str
    walk: _Walk

    def line_of(self, offset: int) -> tuple[int, str]:
        """Start and text of the line of an offset."""
        start = self.text.rfind("\n", 0, offset) + 1
        end = self.text.find("\n", start)
        return start, self.text[start:] if end < 0 else self.text[start:end]

    def lines(self, first: int) -> list[tuple[int, str]]:
        """The lines from that of an offset to that of the error."""
        found = [self.line_of(first)]
        while (after := found[-1][0] + len(found[-1][1]) + 1) <= min(self.at, len(self.text) - 1):
            found.append(self.line_of(after))
        return found

    def wrong(self, message: str, start: int, end: int, way_out: str) -> Diagnostic:
        span = Span(self.source, start, end)
        return problem("Q0105", f"not valid YAML: {message}", span, help=way_out)


def explained(source: Source, error: yaml.MarkedYAMLError, parser: Any) -> Diagnostic:
    """The diagnostic of a YAML error; `parser` is a new one for the same text."""
    mark, context = error.problem_mark, error.context_mark
    size = len(source.text)
    at = min(mark.index, size) if mark else 0
    opened = context.index if context and error.context and context.index < size else None
    start = source.text.rfind("\n", 0, at) + 1
    walk = _walked(parser, start)
    said, during = str(error.problem or error.context), str(error.context or "")
    fault = _Fault(source, source.text, said, at, opened, during, walk)
    for look in _SLIPS:
        found = look(fault)
        if found is not None:
            return found
    return _as_said(fault)


def _walked(parser: Any, line: int) -> _Walk:
    """The events up to the error; collections that end at its line still count as open before it."""
    walk = _Walk()
    try:
        while (event := parser.get_event()) is not None and not isinstance(event, yaml.StreamEndEvent):
            if isinstance(event, yaml.CollectionStartEvent):
                walk.open.append(_block(event))
            elif isinstance(event, yaml.CollectionEndEvent):
                ended = walk.open.pop()
                if _index(event) >= line:
                    walk.closed.append(ended)
            elif isinstance(event, yaml.ScalarEvent):
                walk.last = _index(event)
                if event.style in ("'", '"'):
                    end: Any = event.end_mark
                    walk.quoted.append((walk.last, end.index))
    except yaml.YAMLError:
        pass  # the error that is being explained
    return walk


def _block(event: yaml.CollectionStartEvent) -> _Block | None:
    mark: Any = event.start_mark
    is_list = isinstance(event, yaml.SequenceStartEvent)
    return None if event.flow_style else _Block(is_list, mark.index, mark.column)


def _index(event: yaml.Event) -> int:
    mark: Any = event.start_mark
    index: int = mark.index
    return index


def _as_said(fault: _Fault) -> Diagnostic:
    """What the parser says, where it says it."""
    size, at, text = len(fault.text), fault.at, fault.text
    labels: tuple[Label, ...] = ()
    if fault.opened is not None and fault.opened != at:
        labels = (Label(Span(fault.source, fault.opened, fault.opened + 1), fault.context),)
    line_start = text.rfind("\n", 0, at) + 1
    help_text = ""
    if "\t" in text[line_start : at + 1]:
        help_text = "YAML is indented with spaces: replace the tab"
    elif _BRACKET_IN_MAP.search(text[line_start:at]):
        help_text = "inside `{ }` a condition with brackets, such as `close[1] > close`, needs quotes"
    elif at < size and text[at] in "%@`":
        help_text = f"a value that starts with `{text[at]}` needs quotes"
    span = Span(fault.source, at, min(at + 1, size))
    return problem("Q0105", f"not valid YAML: {fault.said}", span, labels=labels, help=help_text)


# ---- the usual slips, in the order in which they are looked for


def _conflict(fault: _Fault) -> Diagnostic | None:
    mark = _CONFLICT.search(fault.text)
    if mark is None or mark.start() > fault.at:
        return None
    way_out = "keep the lines of one side, and delete the lines `<<<<<<<`, `=======` and `>>>>>>>`"
    return fault.wrong("a merge of two versions left its marks here", mark.start(), mark.end(), way_out)


def _open_quote(fault: _Fault) -> Diagnostic | None:
    """A quote that is never closed, or only by the next one, lines later."""
    opened = next((at for at, end in fault.walk.quoted if _HOLDS_KEYS.search(fault.text[at:end])), None)
    if opened is None and "quoted scalar" in fault.context:
        opened = fault.opened
    if opened is None or fault.text[opened] not in "'\"":
        return None
    quote = fault.text[opened]
    rest = fault.line_of(opened)[1][opened - fault.line_of(opened)[0] + 1 :].split(" #")[0].rstrip()
    way_out = (
        f"write `{quote}{rest}{quote}`" if len(rest) <= _SHOWN else f"add a second `{quote}` at the end of the line"
    )
    return fault.wrong("this quote is never closed", opened, opened + 1, way_out)


def _strange_blank(fault: _Fault) -> Diagnostic | None:
    for start, line in fault.lines(_since(fault)):
        found = _STRANGE_BLANK.match(line)
        if found:
            return strange_blank(Span(fault.source, start + found.start("blank"), start + found.end("blank")))
    return None


def strange_blank(span: Span) -> Diagnostic:
    """What is wrong with characters that look like blanks and are none."""
    char = span.text[0]
    name = unicodedata.name(char, "invisible character").lower()
    message = f"not valid YAML: a {name} (U+{ord(char):04X}) stands where a plain blank is due"
    return problem("Q0105", message, span, help="delete it and type a plain blank")


def _glued(fault: _Fault) -> Diagnostic | None:
    """`key:value` is one word for YAML."""
    for start, line in fault.lines(_since(fault)):
        found = _GLUED.match(line)
        if found:
            value = found["value"].rstrip()
            end = start + found.start("value") + len(value)
            way_out = f"write `{found['key']}: {value[:_SHOWN]}`"
            return fault.wrong("a blank is missing behind this `:`", start + found.start("all"), end, way_out)
    return None


def _no_colon(fault: _Fault) -> Diagnostic | None:
    if "simple key" not in fault.context or fault.opened is None:
        return None
    start, line = fault.line_of(fault.opened)
    found = _NO_COLON.match(line)
    if found:
        key, value = found["key"], found["value"].rstrip()[:_SHOWN]
        place = (start + found.start("key"), start + found.end("key"))
        return fault.wrong(f"a `:` is missing behind `{key}`", *place, f"write `{key}: {value}`")
    word = line.strip()
    place = (fault.opened, fault.opened + max(1, start + len(line.rstrip()) - fault.opened))
    return fault.wrong(f"`{word[:_SHOWN]}` is no `key: value`", *place, "write it as `key: value`, or take it out")


def _lost_dash(fault: _Fault) -> Diagnostic | None:
    """An entry of a list whose `- ` is gone."""
    start, line = fault.line_of(fault.at)
    entry = _ENTRY.match(line)
    column = len(line) - len(line.lstrip(" "))
    lists = fault.walk.columns(start, of_lists=True)
    if entry and not entry["dash"] and column in lists:
        rest = fault.text[start + len(line) :].lstrip("\n")
        following = rest.partition("\n")[0]
        if len(following) - len(following.lstrip(" ")) == column + 2:
            return _dash_before(fault, start + column, line.strip(), column)
    if line.lstrip(" ").startswith("- ") and column not in lists:
        maps = (block for block in fault.walk.closed if block is not None and not block.is_list)
        first = next((block.at for block in maps if block.column == column + 2), None)
        if first is not None and "\n" in fault.text[first:start]:
            return _dash_before(fault, first, fault.line_of(first)[1].strip(), column)
    return None


def _dash_before(fault: _Fault, at: int, line: str, column: int) -> Diagnostic:
    key = line.partition(":")[0]
    way_out = f"write `{' ' * column}- {line[:_SHOWN]}`"
    return fault.wrong(f"a `- ` is missing before `{key}`", at, at + len(key), way_out)


def _open_bracket(fault: _Fault) -> Diagnostic | None:
    if "flow" not in fault.context or fault.opened is None or fault.text[fault.opened] not in _CLOSES:
        return None
    start, line = fault.line_of(fault.at)
    outer = fault.line_of(fault.opened)[1]
    entry = _ENTRY.match(line)
    if start <= fault.opened or entry is None or len(entry["blanks"]) > len(outer) - len(outer.lstrip(" ")):
        return None
    closing = _CLOSES[fault.text[fault.opened]]
    before = [(at, text) for at, text in fault.lines(fault.opened)[:-1] if text.split("#")[0].strip()]
    number = fault.source.position(before[-1][0])[0]
    way_out = f"add `{closing}` where it ends, perhaps at the end of line {number}"
    message = f"this `{fault.text[fault.opened]}` is never closed"
    return fault.wrong(message, fault.opened, fault.opened + 1, way_out)


def _indentation(fault: _Fault) -> Diagnostic | None:
    """A line whose indentation fits no level, or that stands too far left for what follows."""
    start, line = fault.line_of(fault.at)
    entry = _ENTRY.match(line)
    dash = line.lstrip(" ").startswith("- ")
    if entry is None and not dash:
        return None
    levels = fault.walk.columns(start, of_lists=dash)
    column = len(line) - len(line.lstrip(" "))
    too_far_left = None if dash else _too_far_left(fault, start, column)
    if too_far_left is not None:
        start, column, best = too_far_left
        levels = sorted({*levels, best})
        what = "stands too far left"
    elif not levels or column in levels:
        return None
    else:
        best = min(levels, key=lambda level: (abs(level - column), -level))
        what = f"stands behind {_blanks(column)}, which fits no level"
    word = re.split(r"[:\s]", fault.line_of(start)[1].strip(), maxsplit=1)[0]
    place = (start, start + column) if column else (start, start + len(word))
    listed = " and ".join(filter(None, (", ".join(map(str, levels[:-1])), str(levels[-1]))))
    way_out = f"write {_blanks(best)} before it" if best else "take the blanks before it away"
    known = f"{'the level here is' if len(levels) == 1 else 'the levels here are'} {listed}"
    return fault.wrong(f"`{word}` {what}", *place, f"{way_out}; {known}")


def _blanks(count: int) -> str:
    return "no blank" if not count else "1 blank" if count == 1 else f"{count} blanks"


def _too_far_left(fault: _Fault, start: int, column: int) -> tuple[int, int, int] | None:
    """Where a line begins that slipped to the left, its column, and where it belongs: between `key:` without a value and
    a line that is indented."""
    before = [
        (at, text)
        for at, text in fault.lines(fault.walk.last if fault.walk.last < start else 0)[:-1]
        if text.strip() and not text.lstrip().startswith("#")
    ]
    if not before:
        return None
    at, text = before[-1]
    above = fault.text[:at].rstrip("\n").rpartition("\n")[2]
    mine, upper = _ENTRY.match(text), _ENTRY.match(above)
    if mine is None or upper is None or mine["dash"] or above.split("#")[0].rstrip()[-1:] != ":":
        return None
    indent = len(mine["blanks"])
    return (at, indent, column) if len(upper["blanks"]) == indent < column else None


def _since(fault: _Fault) -> int:
    """Where the text begins that the parser had not understood yet."""
    if "simple key" in fault.context and fault.opened is not None:
        return fault.opened
    return min(fault.walk.last, fault.at)


_SLIPS: Final[tuple[Callable[[_Fault], Diagnostic | None], ...]] = (
    _conflict,
    _open_quote,
    _strange_blank,
    _glued,
    _no_colon,
    _lost_dash,
    _open_bracket,
    _indentation,
)
