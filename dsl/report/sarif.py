"""Diagnostics as SARIF 2.1.0, the format that code hosts and editors import.

In: sorted diagnostics. Out: one SARIF log with one run. Rules are the codes met, each with its page as help; there is no
`helpUri`, because the pages ship with the program and stand at no address of their own.

Two rules of the standard are easy to miss: `{` and `}` of a message are doubled (section 3.11.5), and text that looks
like `[a](b)` is a link unless its bracket is escaped (section 3.11.6).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import quote

from qmtl import __version__

from ..diagnostics import CODES, Diagnostic, Label
from ..source import Span
from .pages import page
from .places import region

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LINK: Final = re.compile(r"\[(?=[^\]]*\]\()")


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF log; its columns count Unicode code points, as everywhere here."""
    listed = tuple(diagnostics)
    codes = sorted({d.code for d in listed})
    driver = {"name": "qmtl", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(d, codes.index(d.code)) for d in listed],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(code: str) -> dict[str, object]:
    severity, title = CODES[code]
    text = page(code)
    return {
        "id": code,
        "shortDescription": {"text": title},
        "help": {"text": text, "markdown": text},
        "defaultConfiguration": {"level": severity},
    }


def _result(d: Diagnostic, rule: int) -> dict[str, object]:
    told = "\n".join((d.message, *(f"help: {line}" for line in d.help.splitlines())))
    result: dict[str, object] = {"ruleId": d.code, "ruleIndex": rule, "level": d.severity, "message": _message(told)}
    if d.span is not None:
        result["locations"] = [_location(d.span, d.label)]
    elif d.file:
        result["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": _uri(d.file)}}}]
    if d.labels:
        result["relatedLocations"] = [_related(label, number) for number, label in enumerate(d.labels, start=1)]
    return result


def _related(label: Label, number: int) -> dict[str, object]:
    return {"id": number, **_location(label.span, label.text)}


def _location(span: Span, text: str) -> dict[str, object]:
    at = region(span)
    place = {
        "artifactLocation": {"uri": _uri(span.source.name)},
        "region": {
            "startLine": at.line,
            "startColumn": at.column,
            "endLine": at.end_line,
            "endColumn": at.end_column,
        },
    }
    return {"physicalLocation": place, **({"message": _message(text)} if text else {})}


def _message(text: str) -> dict[str, Any]:
    return {"text": _LINK.sub(r"\\[", text).replace("{", "{{").replace("}", "}}")}


def _uri(name: str) -> str:
    """A path as the user typed it, as a URI reference: relative paths stay relative to the working directory."""
    return PurePath(name).as_uri() if PurePath(name).is_absolute() else quote(name)
