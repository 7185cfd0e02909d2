"""Where each character of a decoded YAML scalar stands in the file, and what plain scalars mean in YAML 1.2 core.

In: the text of a file, the range of one scalar in it, its style. Out: the offset of every decoded character, through
escapes, folded lines and indentation, so that an expression inside a `>-` block can be blamed to the letter. PyYAML
gives only the range, so the folding rules of its scanner are retraced here; `offsets` compares the result with the
value that PyYAML decoded and gives up (no offsets) rather than point to a wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

_NULL: Final = {"", "~", "null", "Null", "NULL"}
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCT: Final = re.compile(r"0o[0-7]+", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_INT: Final = 18
_ESCAPES: Final = {
    "0": "\0", "a": "\x07", "b": "\x08", "t": "\t", "\t": "\t", "n": "\n", "v": "\x0b", "f": "\x0c", "r": "\r", "e": "\x1b",
    " ": " ", '"': '"', "/": "/", "\\": "\\", "N": "\x85", "_": "\xa0", "L": "\u2028", "P": "\u2029",
}  # fmt: skip
_HEX_ESCAPES: Final = {"x": 2, "u": 4, "U": 8}
#: how a plain scalar begins that may be no text; "" is the empty one
_STARTS: Final = frozenset("0123456789+-.~nNtTfF") | {""}
_BREAKS: Final = "\r\n"
_BLANKS: Final = " \t"


def resolve(text: str) -> str | int | float | bool | None:
    """Meaning of a plain scalar by the YAML 1.2 core schema. ValueError for numbers that are not finite or too long."""
    if text[:1] not in _STARTS:
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("not a finite number")
    for pattern, base in ((_INT, 10), (_OCT, 8), (_HEX, 16)):
        if pattern.fullmatch(text):
            return _integer(text, base)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    return text


def _integer(text: str, base: int) -> int:
    if len(text.lstrip("+-0ox")) > _LONGEST_INT:
        raise ValueError(f"an integer of more than {_LONGEST_INT} digits")
    return int(text, base)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("not a finite number")
    return number


@dataclass(slots=True)
class _Decoded:
    """Characters decoded so far, each with its offset in the file."""

    chars: list[str] = field(default_factory=list)
    places: list[int] = field(default_factory=list)

    def add(self, char: str, place: int) -> None:
        self.chars.append(char)
        self.places.append(place)


def offsets(text: str, start: int, end: int, style: str, value: str, parent_column: int) -> Sequence[int]:
    """Offsets of every character of `value`, plus one for its end; () when they cannot be told.

    `style` is "" (plain), "'", '"', "|" or ">"; [start, end) is the scalar with its quotes or block indicator;
    `parent_column` is the column of the enclosing block collection, -1 at the top."""
    if not style and end - start == len(value) and text.startswith(value, start):
        return range(start, end + 1)
    out = _Decoded()
    if style in ("|", ">"):
        _block(text, start, end, parent_column, out)
    elif style:
        _flow(text, start + 1, end - 1, style, out)
    else:
        _flow(text, start, end, "", out)
    if "".join(out.chars) != value:
        return ()
    last = out.places[-1] + 1 if out.places else start
    closing = end - 1 if style in ("'", '"') else last
    return (*out.places, closing)


def _break_after(text: str, at: int) -> int:
    """Offset behind the line break at `at` (CRLF is one break)."""
    return at + 2 if text.startswith("\r\n", at) else at + 1


def _flow(text: str, at: int, end: int, quote: str, out: _Decoded) -> None:
    """Plain and quoted scalars: escapes, and line folding."""
    while at < end:
        char = text[at]
        if char in _BLANKS or char in _BREAKS:
            at = _white(text, at, end, out)
        elif quote == "'" and char == "'":
            out.add("'", at)
            at += 2
        elif quote == '"' and char == "\\":
            at = _escape(text, at, end, out)
        else:
            out.add(char, at)
            at += 1


def _white(text: str, at: int, end: int, out: _Decoded) -> int:
    """Blanks between words, or the fold of one or more line breaks."""
    begin = at
    while at < end and text[at] in _BLANKS:
        at += 1
    if at == end or text[at] not in _BREAKS:
        for place in range(begin, at):
            out.add(text[place], place)
        return at
    breaks, at = _break_run(text, at, end)
    if len(breaks) == 1:
        out.add(" ", breaks[0])
    for place in breaks[1:]:
        out.add("\n", place)
    return at


def _break_run(text: str, at: int, end: int) -> tuple[list[int], int]:
    """Offsets of the line breaks from here to the next word, and the offset of that word."""
    breaks = []
    while at < end and text[at] in _BLANKS + _BREAKS:
        if text[at] in _BREAKS:
            breaks.append(at)
            at = _break_after(text, at)
        else:
            at += 1
    return breaks, at


def _escape(text: str, at: int, end: int, out: _Decoded) -> int:
    code = text[at + 1]
    if code in _BREAKS:
        breaks, after = _break_run(text, _break_after(text, at + 1), end)
        for place in breaks:
            out.add("\n", place)
        return after
    if code in _HEX_ESCAPES:
        width = _HEX_ESCAPES[code]
        out.add(chr(int(text[at + 2 : at + 2 + width], 16)), at)
        return at + 2 + width
    out.add(_ESCAPES.get(code, code), at)
    return at + 2


@dataclass(frozen=True, slots=True)
class _Line:
    """One physical line: [start, end) without its break; `brk` is the offset of the break, or -1 at the end of file."""

    start: int
    end: int
    brk: int


def _lines(text: str, at: int, end: int) -> list[_Line]:
    lines = []
    while at < end:
        stop = at
        while stop < end and text[stop] not in _BREAKS:
            stop += 1
        lines.append(_Line(at, stop, stop if stop < end else -1))
        at = _break_after(text, stop) if stop < end else end
    return lines


def _spaces(text: str, line: _Line) -> int:
    at = line.start
    while at < line.end and text[at] == " ":
        at += 1
    return at - line.start


def _indent_of(text: str, lines: list[_Line], parent_column: int) -> int:
    """Indentation detected as YAML does: the deepest of the leading empty lines and of the first that holds text."""
    deepest = 0
    for line in lines:
        spaces = _spaces(text, line)
        deepest = max(deepest, spaces)
        if line.start + spaces < line.end:
            break
    return max(deepest, parent_column + 1, 1)


def _block(text: str, start: int, end: int, parent_column: int, out: _Decoded) -> None:
    """Literal and folded blocks."""
    header_end = start
    while header_end < len(text) and text[header_end] not in _BREAKS:
        header_end += 1
    header = text[start:header_end].partition("#")[0].strip()
    chomp = "+" if "+" in header else "-" if "-" in header else ""
    digit = next((int(c) for c in header if c.isdigit()), 0)
    begin = _break_after(text, header_end) if header_end < len(text) else header_end
    lines = _lines(text, begin, max(end, begin))
    indent = max(parent_column, 0) + digit if digit else _indent_of(text, lines, parent_column)
    _block_lines(text, lines, indent, (header[0] == "|", chomp), out)


def _block_lines(text: str, lines: list[_Line], indent: int, how: tuple[bool, str], out: _Decoded) -> None:
    """`how` is (literal, chomping). Retraces libyaml's scan_block_scalar: pending breaks are written before the next line."""
    literal, chomp = how
    pending: list[int] = []  # the break of the last line with text, then those of the empty lines behind it
    ended = False  # a line with text came before
    indented = False  # that line began with a blank: no folding beside it
    for line in lines:
        if _spaces(text, line) < indent:
            if line.start + _spaces(text, line) < line.end:
                break
            if line.brk >= 0:
                pending.append(line.brk)
            continue
        body = line.start + indent
        blank = body < line.end and text[body] in _BLANKS
        if body == line.end:
            pending.extend([line.brk] * (line.brk >= 0))
            continue
        _fold(pending, ended and not literal and not indented and not blank, out)
        for place in range(body, line.end):
            out.add(text[place], place)
        pending = [line.brk] if line.brk >= 0 else []
        ended, indented = True, blank
    keep = pending if chomp == "+" else pending[:1] if not chomp and ended else []
    for place in keep:
        out.add("\n", place)


def _fold(pending: list[int], fold: bool, out: _Decoded) -> None:
    if fold and len(pending) == 1:
        out.add(" ", pending[0])
        return
    for place in pending[1:] if fold else pending:
        out.add("\n", place)
