"""Conditions that YAML cuts at a comma: `{when: sma(close, 20) > close}` without quotes.

In: a plain value of a flow map that leaves a parenthesis open. Out: the whole text that was meant, and what is wrong. YAML
itself sees no mistake there (`20) > close` becomes a key), so everything said later would be about the wrong thing.
"""

from __future__ import annotations

from typing import Final

from .diagnostics import Diagnostic, problem
from .source import Span
from .tree import Scalar

#: characters looked at for the closing parenthesis
_FARTHEST: Final = 500


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
