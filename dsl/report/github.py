"""Diagnostics as workflow commands of GitHub Actions: lines that become annotations in a pull request.

In: sorted diagnostics. Out: a `::error ...::message` or `::warning ...::message` line for each; nothing when there are
none. An annotation has one message, so the labels and the help are folded into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..cells import harmless
from ..diagnostics import Diagnostic
from .places import region


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """One command per line, in order."""
    return "".join(_command(d) + "\n" for d in diagnostics)


def _command(d: Diagnostic) -> str:
    properties = ",".join(f"{key}={_property(value)}" for key, value in _properties(d))
    told = (d.message, d.label, *(f"{label.span}: {label.text}" for label in d.labels))
    lines = (*(part for part in told if part), *(f"help: {line}" for line in d.help.splitlines()))
    text = _data("\n".join(harmless(line) for line in lines))
    return f"::{d.severity} {properties}::{text}"


def _properties(d: Diagnostic) -> Iterator[tuple[str, str]]:
    if d.span is None:
        if d.file:
            yield "file", d.file
    else:
        at = region(d.span)
        yield "file", d.span.source.name
        yield "line", str(at.line)
        # columns are only taken when the place is in one line, and `endColumn` is the last one that belongs to it
        if at.end_line == at.line:
            yield "col", str(at.column)
        yield "endLine", str(at.end_line)
        if at.end_line == at.line:
            yield "endColumn", str(max(at.column, at.end_column - 1))
    yield "title", d.code


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
