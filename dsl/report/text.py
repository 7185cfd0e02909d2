"""Diagnostics as people read them.

In: sorted diagnostics. Out: text with the lines of the file and carets under the exact letters. Every character that
came from a file is made harmless first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..cells import harmless, width
from ..diagnostics import Diagnostic
from ..source import Source, Span

#: lines wider than this are shown as a window around the place
_WIDEST: Final = 160
_BEFORE: Final = 60
#: codes named in the last line
_CODES: Final = 5
_COLOURS: Final = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "blue": "\x1b[1;34m", "": ""}
_OFF: Final = "\x1b[0m"


def render_text(diagnostics: Iterable[Diagnostic], *, color: bool = False, most: int | None = None) -> str:
    """All diagnostics (or the first `most`), a blank line between them, the summary, and where to read on; "" when there
    are none."""
    listed = tuple(diagnostics)
    if not listed:
        return ""
    shown = listed[:most]
    left = len(listed) - len(shown)
    total = f"... and {left:,} more: {summary(listed)}" if left else summary(listed)
    return "\n\n".join((*(_one(d, color) for d in shown), f"{total}\n{read_on(shown)}")) + "\n"


def read_on(diagnostics: Iterable[Diagnostic]) -> str:
    """`for more: qmtl explain Q0201 Q0501`: the codes met, each once; of many the first few."""
    codes = tuple(dict.fromkeys(d.code for d in diagnostics))
    named = " ".join(codes[:_CODES])
    return f"for more: qmtl explain {named}{' (and so on)' if len(codes) > _CODES else ''}"


def summary(diagnostics: Iterable[Diagnostic]) -> str:
    """`2 errors, 1 warning`; "no errors" when there is nothing."""
    listed = tuple(diagnostics)
    counts = ((sum(d.severity == kind for d in listed), kind) for kind in ("error", "warning"))
    return ", ".join(f"{n} {kind}{'s' * (n > 1)}" for n, kind in counts if n) or "no errors"


def _paint(text: str, colour: str, on: bool) -> str:
    return f"{_COLOURS[colour]}{text}{_OFF}" if on and text else text


def _one(d: Diagnostic, color: bool) -> str:
    head = f"{_paint(f'{d.severity}[{d.code}]', d.severity, color)}{_paint(': ' + harmless(d.message), 'bold', color)}"
    if d.span is None:
        lines = [head, *([f"  --> {harmless(d.file)}"] if d.file else []), *_help(d.help, "  ", color)]
        return "\n".join(lines)
    marks = [_Mark(d.span, d.label, True), *(_Mark(label.span, label.text, False) for label in d.labels)]
    gutter = " " * max(len(str(m.line)) for m in marks)
    bar = _paint("|", "blue", color)
    lines = [head]
    for source in dict.fromkeys(m.span.source for m in marks):
        here = [m for m in marks if m.span.source == source]
        arrow = _paint("-->" if source == d.span.source else ":::", "blue", color)
        lines.append(f"{gutter[1:]} {arrow} {harmless(str(here[0].span))}")
        lines.append(f"{gutter} {bar}")
        lines.extend(_excerpt(source, here, (gutter, color), d.severity))
    if d.help:
        lines += [f"{gutter} {bar}", *_help(d.help, gutter, color)]
    return "\n".join(lines)


def _help(text: str, gutter: str, color: bool) -> list[str]:
    return [f"{gutter} {_paint('=', 'blue', color)} help: {harmless(line)}" for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place to underline on its first line: `^` for the mistake itself, `-` for the others."""

    span: Span
    text: str
    main: bool

    @property
    def line(self) -> int:
        return self.span.source.position(self.span.start)[0]


def _excerpt(source: Source, marks: list[_Mark], style: tuple[str, bool], severity: str) -> list[str]:
    gutter, color = style
    bar = _paint("|", "blue", color)
    out: list[str] = []
    previous = 0
    for number in sorted({m.line for m in marks}):
        if previous and number > previous + 2:
            out.append("...")
        elif previous and number == previous + 2:
            out.append(_source_line(source, previous + 1, (len(gutter), bar), 0))
        previous = number
        here = [m for m in marks if m.line == number]
        skip = _window(source, number, here)
        out.append(_source_line(source, number, (len(gutter), bar), skip))
        out.extend(
            f"{gutter} {bar} {_paint(row, severity, color)}".rstrip() for row in _rows(source.line(number), here, skip)
        )
    return out


def _source_line(source: Source, number: int, style: tuple[int, str], skip: int) -> str:
    digits, bar = style
    text = source.line(number)[skip:]
    shown = harmless(text if len(text) <= _WIDEST else text[:_WIDEST])
    cut = "…" if len(text) > _WIDEST else ""
    return f"{number:>{digits}} {bar} {'…' if skip else ''}{shown}{cut}".rstrip()


def _window(source: Source, number: int, marks: list[_Mark]) -> int:
    """Characters to leave out at the left of a very long line."""
    if len(source.line(number)) <= _WIDEST:
        return 0
    return max(0, min(source.position(m.span.start)[1] - 1 for m in marks) - _BEFORE)


def _cells(text: str, mark: _Mark, skip: int) -> tuple[int, int]:
    """[first, last) cell of a mark on the printed line; at least one cell."""
    start = mark.span.source.position(mark.span.start)[1] - 1
    stop = min(start + max(mark.span.end - mark.span.start, 1), max(len(text), start + 1), skip + _WIDEST)
    first = width(text[skip:start]) + (1 if skip else 0)
    return first, first + max(width(text[start:stop]), 1)


def _rows(text: str, marks: list[_Mark], skip: int) -> list[str]:
    """The row of carets, ending with the rightmost label, and a row for each label left of it."""
    placed = sorted(((*_cells(text, m, skip), m) for m in marks), key=lambda p: (p[0], not p[2].main))
    row: dict[int, str] = {}
    for main in (False, True):
        for first, last, mark in placed:
            if mark.main is main:
                row.update(dict.fromkeys(range(first, last), "^" if main else "-"))
    drawn = "".join(row.get(i, " ") for i in range(max(row) + 1))
    labelled = [(first, m) for first, _, m in placed if m.text]
    if not labelled:
        return [drawn]
    rows = []
    if labelled[-1][1] is placed[-1][2]:
        drawn += " " + harmless(labelled[-1][1].text)
        labelled = labelled[:-1]
    rows.append(drawn)
    for index in range(len(labelled) - 1, -1, -1):
        bars = {first: "|" for first, _ in labelled[:index]}
        lead = "".join(bars.get(i, " ") for i in range(labelled[index][0]))
        rows.append(lead + harmless(labelled[index][1].text))
    return rows
