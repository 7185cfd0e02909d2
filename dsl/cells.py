"""How wide text is on a terminal.

In: text of users. Out: the same text made harmless for a terminal (no escape sequences, no direction overrides, tabs as
spaces) and its width in cells, so that carets stand under the right letters beside Hangul and emoji.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_TAB: Final = "    "
_JOINERS: Final = "\u200c\u200d"


def _shown(char: str) -> str:
    if char == "\t":
        return _TAB
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and char not in _JOINERS):
        return "\ufffd"
    return char


def harmless(text: str) -> str:
    """The text as it may be printed: one line, nothing that a terminal would obey."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def width(text: str) -> int:
    """Terminal cells that the printed text takes: wide characters two, combining marks none, a tab four."""
    if text.isascii() and text.isprintable():
        return len(text)
    return sum(_cells(char) for char in text)


def _cells(char: str) -> int:
    if char == "\t":
        return len(_TAB)
    if char in _JOINERS or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
