"""HTML that cannot be broken by its contents.

In: tag names, attributes and children. Out: `Html`, text that is safe to put into a page. It stands here because symbol
names, notices and program ids come from files: whatever is not `Html` already is escaped, so forgetting it is impossible.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final

#: control characters and lone surrogates have no place in a page; the latter cannot even be written as UTF-8
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_VOID: Final = frozenset({"br", "input", "link", "meta"})


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is markup already."""

    text: str


Child = Html | str
Attribute = str | int | float | None

NOTHING: Final = Html("")


def safe(text: str) -> str:
    """Text as it stands between tags or in a quoted attribute."""
    return escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Html:
    """An element. `class_` and `for_` lose their last underscore, other underscores become hyphens; None leaves an attribute
    out; numbers are written with at most two decimals."""
    head = name + "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Html(f"<{head}>")
    return Html(f"<{head}>{join(children).text}</{name}>")


def join(parts: Iterable[Child]) -> Html:
    """Parts one after another."""
    return Html("".join(part.text if isinstance(part, Html) else safe(part) for part in parts))


def name(text: str) -> Html:
    """A name that somebody else chose; its own writing direction cannot spill over to what stands beside it."""
    return tag("bdi", text)


def number(value: float) -> str:
    """A coordinate: at most two decimals, no trailing zeros."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def _attribute(key: str, value: Attribute) -> str:
    label = key.rstrip("_").replace("_", "-")
    return f' {label}="{safe(value if isinstance(value, str) else number(value or 0))}"'
