"""The document around a report: head, policy, header, contents, sections, footer.

In: a title and sections. Out: one HTML text that needs nothing else. The policy allows this very style sheet and this very
script, by their hashes: whatever a symbol's name might smuggle in would not run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .markup import NOTHING, Child, Html, tag
from .plot import Chart
from .script import SCRIPT
from .style import STYLE
from .timeaxis import TimeAxis

_THEMES: Final = (("auto", "Auto"), ("light", "Light"), ("dark", "Dark"))


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with its heading; `note` stands below it."""

    id: str
    title: str
    body: Html
    note: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """`title` is that of the window; `kicker` is the small line above the title, `dateline` the one below it, `first` what stands before the contents."""

    title: str
    kicker: str
    headline: Child
    dateline: Child
    first: Html
    sections: tuple[Section, ...]
    readouts: Html = NOTHING


def document(of: Document) -> str:
    """The page."""
    main = tag(
        "main", of.first, _contents(of.sections), *(_section(section) for section in of.sections), id="main"
    )  # fmt: skip
    foot = tag("footer", tag("p", "Past results of a simulation. Times are UTC; money is in the account's currency."))
    body = tag(
        "body", tag("a", "Skip to the report", href="#main", class_="skip"), _HATCH,
        tag("div", _header(of), main, foot, class_="sheet"), of.readouts,
    )  # fmt: skip
    return "<!DOCTYPE html>\n" + tag("html", _head(of), body, lang="en").text + "\n"


def readouts(axis: TimeAxis, charts: Sequence[Chart]) -> Html:
    """What the crosshair tells, as data that no browser runs."""
    data = {
        "x": [round(v, 2) for v in axis.x(axis.probes).tolist()],
        "moments": axis.moments,
        "charts": {c.id: [[r.name, r.unit, _short(r.values.tolist(), r.unit)] for r in c.readouts] for c in charts},
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":  # nothing in it can end the element
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="readouts">{text}</script>')


def _short(values: list[float], unit: str) -> list[float | None]:
    places = 2 if unit in {"money", "index", "count"} else 5
    return [round(v, places) if math.isfinite(v) else None for v in values]


def _head(of: Document) -> Html:
    policy = (
        f"default-src 'none'; style-src {_digest(STYLE)}; script-src {_digest(SCRIPT)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", of.title),
        tag("link", rel="icon", href="data:,"),
        Html(f"<style>{STYLE}</style><script>{SCRIPT}</script>"),
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _header(of: Document) -> Html:
    buttons = (tag("button", label, type="button", data_set_theme=key, aria_pressed="false") for key, label in _THEMES)
    switch = tag("div", *buttons, class_="theme", role="group", aria_label="Theme", hidden="")
    strip = tag("div", tag("p", of.kicker, class_="kicker"), switch, class_="strip")
    return tag("header", strip, tag("h1", of.headline), tag("p", of.dateline, class_="dateline"), class_="top")


def _contents(sections: tuple[Section, ...]) -> Html:
    links = (tag("li", tag("a", section.title, href=f"#{section.id}")) for section in sections)
    return tag("nav", tag("ul", *links), class_="contents", aria_label="Contents")


def _section(section: Section) -> Html:
    head = tag("h2", section.title, id=f"{section.id}-title")
    note = tag("p", section.note, class_="sub") if section.note else NOTHING
    return tag("section", head, note, section.body, id=section.id, aria_labelledby=f"{section.id}-title")


_HATCH: Final = tag(
    "svg",
    tag(
        "defs",
        tag("pattern", tag("line", x1=0, x2=0, y1=0, y2=6), id="hatch", width=6, height=6,
            patternUnits="userSpaceOnUse", patternTransform="rotate(45)"),
    ),
    width=0, height=0, aria_hidden="true", class_="defs",
)  # fmt: skip
