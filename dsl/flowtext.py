"""What YAML cuts, or leaves together, where nobody meant it: in `{ }` and `[ ]` without quotes.

In: plain values: `{when: sma(close, 20) > close}`, `{cash: 100,000 USD}`, `{fast:15}`, `[SPY QQQ]`. Out: what was meant, and what is
wrong. YAML itself sees no mistake there (`20) > close` becomes a key), so everything said later would be about the wrong
thing.
"""

from __future__ import annotations

import re
from typing import Final

from .diagnostics import Diagnostic, problem
from .source import Span
from .tree import Scalar, Seq
from .units import duration, money, without_commas
from .yamlscalars import resolve

#: characters looked at for the closing parenthesis
_FARTHEST: Final = 500
#: a number that goes on behind a comma, up to where YAML would end the value
_NUMBER: Final = re.compile(
    r"[-+]?[0-9]{1,18}(?:,[0-9]{1,18}){1,6}(?:\.[0-9]{1,18})?[ ]?[A-Za-z%]{0,4}(?=\s*[,}\n])", re.ASCII
)
_GLUED: Final = re.compile(r"([A-Za-z_][\w.-]*):(\s*)(\S.*)")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9./_-]*", re.ASCII)
#: lists of paths, which may hold blanks
_PATHS: Final = frozenset({"worlds", "strategy_files"})


def cut_off(value: object) -> bool:
    """Whether a value may have been cut inside parentheses."""
    return value.__class__ is str and str(value).count("(") > str(value).count(")")


def rejoined(scalar: Scalar) -> tuple[Scalar, Diagnostic] | None:
    """The scalar up to where its parentheses close, and the mistake; None when they never do on its line."""
    source, start = scalar.span.source, scalar.span.start
    text = source.text[start : start + _FARTHEST]
    depth, comma = 0, -1
    for at, char in enumerate(text):
        depth += (char in "([") - (char in ")]")
        if char == "," and comma < 0:
            comma = at
        if char in "{}\n" or (char == "," and depth <= 0):
            text = text[:at].rstrip()
            break
    if comma < 0 or comma >= len(text) or cut_off(text):
        return None
    whole = Span(source, start, start + len(text))
    found = problem(
        "Q0301",
        "this comma ends the value: inside `{ }` a text with a comma needs quotes",
        Span(source, start + comma, start + comma + 1),
        help=f'write `"{text}"`',
    )
    return Scalar(text, whole, range(start, whole.end + 1)), found


def whole_number(scalar: Scalar) -> tuple[Scalar, Diagnostic] | None:
    """The number that goes on behind the comma, with what is wrong; None when another key follows, as it should."""
    source, start, end = scalar.span.source, scalar.span.start, scalar.span.end
    if not source.text[end : end + 2].startswith(",") or not source.text[end + 1 : end + 2].isdigit():
        return None
    found = _NUMBER.match(source.text, start, start + _FARTHEST)
    written = without_commas(found[0]) if found else None
    if found is None or written is None:
        return None
    span = Span(source, start, found.end())
    wrong = problem(
        "Q0301",
        "this comma ends the value: numbers stand without commas",
        Span(source, end, end + 1),
        help=f"write `{written}`",
    )
    return Scalar(resolve(written), span), wrong


def glued(key: Scalar) -> tuple[Scalar, Scalar, Diagnostic] | None:
    """The key and the value of `{key:value}`, which is one word for YAML, with what is wrong."""
    found = _GLUED.fullmatch(key.value) if isinstance(key.value, str) and key.value == key.span.text else None
    if found is None:
        return None
    source, start = key.span.source, key.span.start
    name = Scalar(found[1], Span(source, start, start + found.end(1)))
    try:
        value = resolve(found[3])
    except ValueError:
        return None
    at = start + found.start(3)
    offsets = range(at, key.span.end + 1) if isinstance(value, str) else ()
    if found[2]:
        from .yamlerrors import strange_blank

        wrong = strange_blank(Span(source, start + found.start(2), start + found.end(2)))
    else:
        message = "not valid YAML: a blank is missing behind this `:`"
        wrong = problem("Q0105", message, key.span, help=f"write `{found[1]}: {found[3]}`")
    return name, Scalar(value, Span(source, at, key.span.end), offsets), wrong


def parted_words(name: str, value: Seq) -> tuple[Seq, list[Diagnostic]]:
    """A flow list with its items parted at blanks, and what is wrong: all lists of this language hold single words, but for
    those of paths."""
    source, items, problems = value.span.source, [], []
    if name in _PATHS or not source.text.startswith("[", value.span.start):
        return value, []
    for item in value.items:
        words = list(_WORD.finditer(item.span.text)) if isinstance(item, Scalar) and isinstance(item.value, str) else []
        text = item.span.text
        if len(words) < 2 or text.split() != [word[0] for word in words] or money(text) or duration(text):
            items.append(item)
            continue
        start = item.span.start
        meant = ", ".join(word[0] for word in words)
        between = Span(source, start + words[0].start(), start + words[1].end())
        message = f"a comma is missing between `{words[0][0]}` and `{words[1][0]}`"
        problems.append(problem("Q0301", message, between, help=f"write `{meant}`"))
        for word in words:
            span = Span(source, start + word.start(), start + word.end())
            items.append(Scalar(resolve(word[0]), span, range(span.start, span.end + 1)))
    return Seq(tuple(items), value.span), problems
