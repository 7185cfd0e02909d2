"""Slips in `.qmtl` texts and conditions that are known by their look: what other languages write.

In: one `Failure` of the parser. Out: a diagnostic at all characters of the slip, with what to write instead, or None. The
parser itself notices most of them one character late (`=>` at its `=`, a comma too many on the next line).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from lark import Token

from .diagnostics import Diagnostic, problem
from .recovery import Failure
from .source import Span

Place = Callable[[int, int], Span]

#: what stands for quotes in texts from elsewhere
QUOTES: Final = frozenset("'\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\xab\xbb")
#: two signs side by side -> what is meant
_SIGNS: Final = {("=", ">"): ">=", ("=", "<"): "<=", ("<", ">"): "!=", ("==", "="): "==", (":", "="): "="}
_COMMENTS: Final = frozenset({("/", "/"), ("-", "-"), ("/", "*")})
_WORDS: Final = frozenset({"and", "or", "not"})
_INSTEAD_OF_WHEN: Final = frozenset({"if", "where", "while", "on", "IF", "WHEN", "When"})
_ENDS: Final = frozenset({"_SEP", "RPAR", "RSQB", "RMAP", "RBRACE", "$END"})
_TYPES: Final = {
    "%": "ratio",
    "bps": "ratio",
    "USD": "money",
    "s": "duration",
    "m": "duration",
    "h": "duration",
    "d": "duration",
}


def usual_slip(failure: Failure, place: Place) -> Diagnostic | None:
    """The diagnostic of a statement that fails at such a slip."""
    for look in (_signs, _word, _range, _type, _when, _comma):
        found = look(failure)
        if found is not None:
            first, last, message, way_out = found
            span = place(first.start_pos or 0, last.end_pos or 0)
            return problem("Q0301", message, span, help=way_out)
    return None


_Found = tuple[Token, Token, str, str] | None


def _around(failure: Failure, offset: int) -> Token | None:
    index = failure.at + offset
    return failure.tokens[index] if 0 <= index < len(failure.tokens) else None


def _signs(failure: Failure) -> _Found:
    """`=>`, `<>`, `//`: two tokens without a blank between them, one of which is refused."""
    for left, right in ((_around(failure, -1), _around(failure, 0)), (_around(failure, 0), _around(failure, 1))):
        if left is None or right is None or left.end_pos != right.start_pos:
            continue
        pair = (str(left), str(right))
        if pair in _COMMENTS:
            return left, right, f"`{left}{right}` starts no comment here", f"write `#` instead of `{left}{right}`"
        if pair in _SIGNS:
            return left, right, f"there is no `{left}{right}`", f"write `{_SIGNS[pair]}`"
    return None


def _word(failure: Failure) -> _Found:
    """`AND`, `Or`, `NOT`."""
    for token in (_around(failure, 0), _around(failure, -1)):
        word = "" if token is None else str(token)
        if token is not None and token.type == "NAME" and word.lower() in _WORDS and word != word.lower():
            return token, token, f"`{word}` is written in small letters", f"write `{word.lower()}`"
    return None


def _range(failure: Failure) -> _Found:
    """`in 3-60`, `in 3 to 60`, `in [3, 60]`."""
    kinds = [token.type for token in failure.tokens]
    if failure.tokens[0].type != "PARAM" or "IN" not in kinds[: failure.at]:
        return None
    numbers = [
        ("-" if kinds[i - 1] == "MINUS" and i - 1 != failure.at else "") + str(token)
        for i, token in enumerate(failure.tokens)
        if token.type == "NUMBER" and i > kinds.index("IN")
    ]
    token = failure.tokens[failure.at]
    if len(numbers) != 2 or token.type == "_SEP":
        return None
    return token, token, "a range is written with `..`", f"write `in {numbers[0]}..{numbers[1]}`"


def _type(failure: Failure) -> _Found:
    """`param dip = 1%`."""
    tokens = failure.tokens
    if tokens[0].type != "PARAM" or failure.at != 2 or tokens[2].type != "EQUALS":
        return None
    value = next((str(token) for token in tokens[3:] if token.type == "NUMBER"), "")
    unit = value.lstrip("0123456789_.").strip()
    kind = _TYPES.get(unit, "num" if "." in value else "bars")
    way_out = f"write `param {tokens[1]}: {kind} = {value}`"
    if not value or kind == "duration":
        way_out = f"say its type, as in `param {tokens[1]}: bars = 20`"
    return tokens[1], tokens[1], f"the type of `{tokens[1]}` is missing", way_out


def _when(failure: Failure) -> _Found:
    """`long if ...`."""
    token = failure.tokens[failure.at]
    if failure.accepts != {"WHEN"} or str(token) not in _INSTEAD_OF_WHEN:
        return None
    return token, token, f"expected `when`, found `{token}`", "write `when`"


def _comma(failure: Failure) -> _Found:
    """A comma behind the last value, or where the next statement begins."""
    token, before, two = failure.tokens[failure.at], _around(failure, -1), _around(failure, -2)
    if before is not None and before.type == "COMMA" and token.type in _ENDS:
        return before, before, "nothing follows this comma", "take it out"
    if token.type == "COMMA" and (_around(failure, 1) or token).type in {*_ENDS, "COMMA"}:
        return token, token, "nothing follows this comma", "take it out"
    if before is None or two is None or two.type != "COMMA" or before.type != "NAME" or failure.inside != "block":
        return None
    if token.type not in {"NAME", "NUMBER", "STRING", "LBRACE"} or str(before) not in _keys():
        return None
    return (
        two,
        two,
        f"`{before}` begins a new statement, a comma goes on with the one before",
        "write `;` instead of this comma",
    )


def side_by_side(failure: Failure) -> str:
    """The way out for two values, or two statements, that nothing parts."""
    token, before = failure.tokens[failure.at], failure.tokens[failure.at - 1]
    kinds = {"NAME", "NUMBER", "STRING"}
    if token.type not in kinds or before.type not in kinds or failure.at < 2:
        return ""
    if str(token) in _keys():
        return f"a new line or `;` goes between two statements: write `{before}; {token}`"
    return f"a comma goes between two values: write `{before}, {token}`"


@lru_cache
def _keys() -> frozenset[str]:
    """Every key that some document has, and the words that stand for keys in blocks."""
    from .schema import KINDS, load_schema

    return frozenset(word for kind in KINDS for word in _words(load_schema(kind)))


def _words(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, inner in schema.items():
            if key in {"properties", "words", "blocks"} and isinstance(inner, Mapping):
                yield from inner
            yield from _words(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _words(inner)
