"""Ways to break a text, as people and editors do: each mutant knows where it was broken, if anybody can know.

In: a text, its words, a random generator. Out: a `Mutant`. The same seed gives the same mutants.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from .words import Word

STRAY = ["§", "\t", "'", '"', "{", "}", "[", "]", ":", "#", "&a ", "*a", "!", "|", ">", "%", "@", "`", ",", "-", "- ", "? ", "~", "😀", "한", "\u200b", "\ufeff", "\u2028", "\x07", "\x00", "\r", "ﬁ", "é", "??", "==", "<<: ", "0x", "1e999", "not ", "and ", " for 3 bars", "[1]", "@60m"]  # fmt: skip
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken text. `blamed` are the ranges of the text of which an error must mark one exactly, none when nobody can say;
    `role` is what the broken word is."""

    file: str
    text: str
    how: str
    blamed: tuple[tuple[int, int], ...] = ()
    role: str = ""


def mutant(rng: Random, file: str, text: str, words: list[Word], known: frozenset[str]) -> Mutant:
    """One mutant of a file; three of five break a word whose place is known."""
    if words and rng.random() < 0.6:
        word = rng.choice(words)
        if word.role == "unit":
            return _unit(rng, text, word)
        if word.role == "key" and rng.random() < 0.2:
            doubled = _doubled(text, word)
            if doubled is not None:
                return doubled
        return _misspelt(rng, text, word, known)
    name, how = rng.choice(list(_WAYS.items()))
    return Mutant(file, how(rng, text), name)


def _misspelt(rng: Random, text: str, word: Word, known: frozenset[str]) -> Mutant:
    old = text[word.start : word.end]
    new = old
    while new in known or not new or new.casefold() == old.casefold():
        new = _slip(rng, old)
    broken = text[: word.start] + new + text[word.end :]
    return Mutant(word.file, broken, f"misspelt {word.role}", ((word.start, word.start + len(new)),), word.role)


def _slip(rng: Random, word: str) -> str:
    """A slip of the keyboard inside a word; the result is still one word."""
    at = rng.randrange(len(word))
    letter = rng.choice(LETTERS)
    slips = [word[:at] + letter + word[at:], word[: at + 1] + letter + word[at + 1 :]]
    if word[at].isalnum() and at:
        slips.append(word[:at] + letter + word[at + 1 :])
    if at and at + 1 < len(word) and word[at : at + 2].isalpha():
        slips.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    if len(word) > 3 and at and word[at].isalpha() and word[at - 1].isalpha():
        slips.append(word[:at] + word[at + 1 :])
    slips.append(f"{word}_{letter}")
    return rng.choice(slips)


def _unit(rng: Random, text: str, word: Word) -> Mutant:
    new = rng.choice(["", "x", "pct", "$"]) if rng.random() < 0.8 else rng.choice(["k", "sec", "percent"])
    start, end = word.blamed
    broken = text[: word.start] + new + text[word.end :]
    whole = (start, end + len(new) - (word.end - word.start))
    # in blocks a number and an unknown unit are two words: the second is what does not belong there
    suffix = ((word.start, word.start + len(new)),) if new and word.file.endswith(".qmtl") else ()
    return Mutant(word.file, broken, "wrong unit", (whole, *suffix), "unit")


def _doubled(text: str, word: Word) -> Mutant | None:
    """The line of a key, twice; only where the line is nothing but this key with a value on it, in block style."""
    begin = text.rfind("\n", 0, word.start) + 1
    end = text.find("\n", word.end)
    line = text[begin : end if end >= 0 else len(text)]
    if not re.fullmatch(r" *[a-z_0-9]+: [^\[{|>&*#]+", line) or "}" in line or word.file.endswith(".qmtl"):
        return None
    broken = text[:begin] + line + "\n" + text[begin:]
    at = word.start + len(line) + 1
    return Mutant(word.file, broken, "duplicate key", ((at, at + word.end - word.start),), "key")


# ---- where only the file is known


def _char(rng: Random, text: str) -> str:
    places = [m.start() for m in re.finditer(r"[:'\"\[\]{}(),=<>@]", text)]
    if not places:
        return text[1:]
    at = rng.choice(places)
    return text[:at] + text[at + 1 :]


def _indent(rng: Random, text: str) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    lines[at] = rng.choice([" " + lines[at], "   " + lines[at], lines[at][1:], lines[at].lstrip(), "\t" + lines[at]])
    return "\n".join(lines)


def _swap_values(rng: Random, text: str) -> str:
    values = [m.span(1) for m in re.finditer(r"[:=,\[(] *([^\s,:\[\]{}()=#]+)", text)]
    if len(values) < 2:
        return text[::-1]
    (a, b), (c, d) = sorted(rng.sample(values, 2))
    return text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:] if b <= c else text


def _insert(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(STRAY) + text[at:]


def _drop_line(rng: Random, text: str) -> str:
    lines = text.split("\n")
    del lines[rng.randrange(len(lines))]
    return "\n".join(lines)


def _double_line(rng: Random, text: str) -> str:
    lines = text.split("\n")
    at = rng.randrange(len(lines))
    lines.insert(rng.randrange(len(lines)), lines[at])
    return "\n".join(lines)


def _swap_lines(rng: Random, text: str) -> str:
    lines = text.split("\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return "\n".join(lines)


def _truncate(rng: Random, text: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _join(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[at:] + rng.choice(["\n", "", "---\n", "\n...\n"]) + text[:at]


def _cut(rng: Random, text: str) -> str:
    a, b = sorted((rng.randrange(len(text) + 1), rng.randrange(len(text) + 1)))
    return text[:a] + text[min(b, a + rng.randint(1, 200)) :]


def _bytes(rng: Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return (
        text[:at]
        + chr(rng.choice([rng.randrange(1, 256), rng.randrange(0x250, 0xD7FF), rng.randrange(0x10000, 0x10FFFF)]))
        + text[at:]
    )


def _ends(rng: Random, text: str) -> str:
    return rng.choice(
        [
            text.replace("\n", "\r\n"),
            "\ufeff" + text,
            text.replace("\n", "\r"),
            text.replace("  ", "\t"),
            text.rstrip("\n"),
        ]
    )


def _number(rng: Random, text: str) -> str:
    numbers = [m.span() for m in re.finditer(r"[0-9][0-9_.]*", text)]
    if not numbers:
        return text + "0"
    a, b = rng.choice(numbers)
    return (
        text[:a]
        + rng.choice(
            ["0", "-1", "1e30", "99999999999999999999", "1.5", ".5", "1_0", "0b1", "1e-400", "NaN", ".inf", "00"]
        )
        + text[b:]
    )


_WAYS: dict[str, Callable[[Random, str], str]] = {
    "a sign deleted": _char,
    "indentation": _indent,
    "values swapped": _swap_values,
    "something inserted": _insert,
    "a line deleted": _drop_line,
    "a line doubled": _double_line,
    "lines swapped": _swap_lines,
    "cut off": _truncate,
    "turned around": _join,
    "a piece cut out": _cut,
    "a character inserted": _bytes,
    "line ends": _ends,
    "another number": _number,
}
