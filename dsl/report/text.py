"""Diagnostics as people read them.

In: sorted diagnostics. Out: text with the lines of the file and carets under the exact letters. Every character that
came from a file is made harmless first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..cells import fitting, harmless, width
from ..diagnostics import Diagnostic
from ..source import Source, Span

#: lines wider than this are shown as a window around the place, where no terminal is narrower
_WIDEST: Final = 160
#: the part of the window that stands before the place
_BEFORE: Final = 3 / 8
#: a window is never narrower than this, however narrow the terminal
_NARROWEST: Final = 20
#: codes named in the last line
_CODES: Final = 5
_COLOURS: Final = {"error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "blue": "\x1b[1;34m", "": ""}
_OFF: Final = "\x1b[0m"


def render_text(
    diagnostics: Iterable[Diagnostic], *, color: bool = False, most: int | None = None, columns: int | None = None
) -> str:
    """All diagnostics (or the first `most`), a blank line between them, the summary, and where to read on; "" when there
    are none. `columns` is the width of the terminal: source lines and carets never wrap in it."""
    listed = tuple(diagnostics)
    if not listed:
        return ""
    shown = listed[:most]
    left = len(listed) - len(shown)
    total = f"... and {left:,} more: {summary(listed)}" if left else summary(listed)
    return "\n\n".join((*(_one(d, color, columns) for d in shown), f"{total}\n{read_on(shown)}")) + "\n"


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


def _one(d: Diagnostic, color: bool, columns: int | None) -> str:
    head = f"{_paint(f'{d.severity}[{d.code}]', d.severity, color)}{_paint(': ' + harmless(d.message), 'bold', color)}"
    if d.span is None:
        lines = [head, *([f"  --> {harmless(d.file)}"] if d.file else []), *_help(d.help, "  ", color)]
        return "\n".join(lines)
    marks = [_Mark(d.span, d.label, True), *(_Mark(label.span, label.text, False) for label in d.labels)]
    gutter = " " * max(len(str(m.line)) for m in marks)
    bar = _paint("|", "blue", color)
    # a gutter, ` | `, and a sign for what is left out at either end
    room = _WIDEST if columns is None else max(columns - len(gutter) - 5, _NARROWEST)
    lines = [head]
    for source in dict.fromkeys(m.span.source for m in marks):
        here = [m for m in marks if m.span.source == source]
        arrow = _paint("-->" if source == d.span.source else ":::", "blue", color)
        lines.append(f"{gutter[1:]} {arrow} {harmless(str(here[0].span))}")
        lines.append(f"{gutter} {bar}")
        lines.extend(_excerpt(source, here, _Style(gutter, color, d.severity, room)))
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

    @property
    def start(self) -> int:
        """Characters before it on its line."""
        return self.span.source.position(self.span.start)[1] - 1


@dataclass(frozen=True, slots=True)
class _Style:
    """The gutter as blanks, whether to paint, the severity, and the cells of a source line that are shown."""

    gutter: str
    color: bool
    severity: str
    room: int

    @property
    def bar(self) -> str:
        return _paint("|", "blue", self.color)


def _excerpt(source: Source, marks: list[_Mark], style: _Style) -> list[str]:
    out: list[str] = []
    previous = 0
    for number in sorted({m.line for m in marks}):
        if previous and number > previous + 2:
            out.append("...")
        elif previous and number == previous + 2:
            out.append(_source_line(source, previous + 1, style, _window(source.line(previous + 1), [], style.room)))
        previous = number
        here = [m for m in marks if m.line == number]
        window = _window(source.line(number), here, style.room)
        out.append(_source_line(source, number, style, window))
        out.extend(
            f"{style.gutter} {style.bar} {_paint(row, style.severity, style.color)}".rstrip()
            for row in _rows(source.line(number), here, window)
        )
    return out


def _source_line(source: Source, number: int, style: _Style, window: _Window) -> str:
    text = source.line(number)
    cut = "…" if window.stop < len(text) else ""
    shown = harmless(text[window.skip : window.stop])
    return f"{number:>{len(style.gutter)}} {style.bar} {'…' if window.skip else ''}{shown}{cut}".rstrip()


@dataclass(frozen=True, slots=True)
class _Window:
    """The characters of a line that are shown: from `skip` on, before `stop`."""

    skip: int
    stop: int

    def cell(self, text: str, at: int) -> int:
        """Where a character stands on the printed line; at an end of the window when it is not shown."""
        if at < self.skip:
            return 0
        return width(text[self.skip : min(at, self.stop)]) + (1 if self.skip else 0)


def _window(text: str, marks: list[_Mark], room: int) -> _Window:
    """All of a line that fits, else what is around its places: the mistake itself is always seen."""
    if width(text) <= room:
        return _Window(0, len(text))
    starts = {m.main: m.start for m in sorted(marks, key=lambda m: -m.start)}
    first = min(starts.values(), default=0)
    skip = _back(text, first, int(room * _BEFORE))
    main = starts.get(True, first)
    if width(text[skip:main]) > room * (1 - _BEFORE / 2):
        skip = _back(text, main, int(room * _BEFORE))
    return _Window(skip, skip + len(fitting(text[skip:], room)))


def _back(text: str, at: int, cells: int) -> int:
    """The place so many cells before another one."""
    return at - len(fitting(text[:at][::-1], cells)) if at and cells else at


def _cells(text: str, mark: _Mark, window: _Window) -> tuple[int, int]:
    """[first, last) cell of a mark on the printed line; at least one cell."""
    stop = min(mark.start + max(mark.span.end - mark.span.start, 1), max(len(text), mark.start + 1))
    first = window.cell(text, mark.start)
    return first, max(window.cell(text, stop), first + 1)


def _rows(text: str, marks: list[_Mark], window: _Window) -> list[str]:
    """The row of carets, ending with the rightmost label, and a row for each label left of it."""
    placed = sorted(((*_cells(text, m, window), m) for m in marks), key=lambda p: (p[0], not p[2].main))
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
