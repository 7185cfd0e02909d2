"""Diagnostics as programs read them: JSON whose shape is published as schemas/diagnostics.v1.json.

In: sorted diagnostics. Out: one JSON text. Fields are only ever added; anything else would be version 2.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from ..diagnostics import Diagnostic
from ..source import Span
from .places import region

VERSION: Final = 1


def as_records(diagnostics: Iterable[Diagnostic]) -> list[dict[str, object]]:
    """One JSON-ready object per diagnostic; lines and columns are 1-based, columns count characters, the end is exclusive."""
    return [
        {
            **_place(d.span, d.file),
            "code": d.code,
            "severity": d.severity,
            "message": d.message,
            "label": d.label,
            "help": d.help,
            "labels": [{**_place(label.span, ""), "text": label.text} for label in d.labels],
        }
        for d in diagnostics
    ]


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """A JSON object: the version of the format, how many errors and warnings, and the diagnostics in order."""
    listed = tuple(diagnostics)
    counts = {f"{kind}s": sum(d.severity == kind for d in listed) for kind in ("error", "warning")}
    whole = {"version": VERSION, "summary": counts, "diagnostics": as_records(listed)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _place(span: Span | None, file: str) -> dict[str, object]:
    if span is None:
        return {"file": file, "line": None, "column": None, "end_line": None, "end_column": None}
    at = region(span)
    return {
        "file": span.source.name,
        "line": at.line,
        "column": at.column,
        "end_line": at.end_line,
        "end_column": at.end_column,
    }
