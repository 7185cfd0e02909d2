"""How wide text is on a terminal.

In: text of users. Out: the same text made harmless for a terminal (no escape sequences, no direction overrides, tabs as
spaces) and its width in cells, so that carets stand under the right letters beside Hangul and emoji.

Terminals disagree about how wide joined emoji are (a family, a heart with a variation selector, a hand with a skin tone):
some draw one sign, some draw the parts. What joins them is therefore not printed, and the parts are equally wide everywhere.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_TAB: Final = "    "
#: where names and paths are broken rather than elsewhere
_JOINTS: Final = "/._:-"
#: zero width joiner, variation selectors, skin tones
_JOINING: Final = frozenset("\u200d\ufe0e\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
_NO_JOINER: Final = "\u200c"
#: vowels and final consonants of Hangul that combine with the letter before
_COMBINING_JAMO: Final = (range(0x1160, 0x1200), range(0xD7B0, 0xD800))


def _shown(char: str) -> str:
    if char == "\t":
        return _TAB
    if char in _JOINING:
        return ""
    category = unicodedata.category(char)
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and char != _NO_JOINER):
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
    if char in _JOINING or char == _NO_JOINER or unicodedata.category(char) in ("Mn", "Me"):
        return 0
    if any(ord(char) in block for block in _COMBINING_JAMO):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def wrapped(text: str, most: int) -> list[str]:
    """Lines of at most so many cells, broken after blanks; a word that is wider is broken inside, behind a joint when it has one. One empty line for ""."""
    most = max(most, 2)
    lines, line = [], ""
    for rest in text.split(" "):
        word = rest
        joined = f"{line} {word}" if line else word
        if width(joined) <= most:
            line = joined
            continue
        if line:
            lines.append(line)
        while width(word) > most:
            piece = fitting(word, most)
            piece = piece[: max(map(piece.rfind, _JOINTS)) + 1] or piece
            lines.append(piece)
            word = word[len(piece) :]
        line = word
    return [*lines, line] if line or not lines else lines


def fitting(text: str, most: int) -> str:
    """As many of its first characters as fit into so many cells; at least one."""
    taken = total = 0
    for char in text:
        total += width(char)
        if total > most and taken:
            break
        taken += 1
    return text[:taken]
