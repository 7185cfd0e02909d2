"""What the parser refused, in plain words.

In: `Failure`s of `recovery.py` and characters that are no tokens. Out: diagnostics that say what was found, what was
expected, and, where a usual slip explains it, what to write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from lark import Token

from .diagnostics import Diagnostic, Label, problem
from .lexing import DEFINITIONS, DOCUMENTS, HEADS, RESERVED
from .recovery import Failure
from .similar import nearest
from .slips import QUOTES, side_by_side, usual_slip
from .source import Span

Place = Callable[[int, int], Span]

_WORDS: Final[tuple[tuple[str, str], ...]] = (
    ("EQUALS", "`=`"), ("COLON", "`:`"), ("LBRACE", "`{`"), ("RPAR", "`)`"), ("RSQB", "`]`"), ("WHEN", "`when`"),
    ("COMMA", "`,`"), ("DOTS", "`..`"), ("IN", "`in`"), ("BARS", "`bars`"), ("RBRACE", "`}`"),
)  # fmt: skip
_NOT_EXPECTED_FIRST: Final = frozenset({"RBRACE"})
_HELP: Final = {
    "&": "write `and`", "|": "write `or`", "!": "write `not` (or `!=`)", "'": 'texts stand in double quotes: "text"',
    "^": "there is no power; write `x * x`, `sqrt(x)` or `exp(x)`", "%": "a percent sign follows its number: `2%`",
    "$": "money is written `100 USD`", ".": "a number starts with a digit: `0.5`", "`": "names stand without quotes",
    "\t": "use spaces",
}  # fmt: skip
_RULES: Final = frozenset({"LONG", "SHORT", "EXIT", "SIZE", "STOP", "TAKE", "SCORE", "HIGH_VOL", "CONFIDENCE", "VALUE"})
_OPERATORS: Final = frozenset({"PLUS", "STAR", "COMPARE", "AND"})
_GLUED: Final = re.compile(r"[^\s,;{}\[\]\"#]+")
_DIGITS_DOT_LETTERS: Final = re.compile(r"[0-9][0-9A-Za-z-]*(\.[0-9A-Za-z-]*[A-Za-z][0-9A-Za-z-]*)+")


def bad_characters(tokens: Iterable[Token], place: Place) -> list[Diagnostic]:
    """One diagnostic for each run of characters that the language does not have, and for each text in other quotes."""
    problems: list[Diagnostic] = []
    end = -1
    tokens = tuple(tokens)
    for index, token in enumerate(tokens):
        start, end_before, end = token.start_pos or 0, end, max(end, token.end_pos or 0)
        if start <= end_before:
            continue
        span = place(start, end)
        closing = _closing(tokens, index, span) if str(token) in QUOTES else None
        if closing is not None:
            end = closing.end_pos or 0
            inner = span.source.text[span.start + 1 : place(start, end).end - 1]
            problems.append(
                problem("Q0302", "texts stand in plain double quotes", place(start, end), help=f'write "{inner}"')
            )
        elif token.type == "UNCLOSED":
            problems.append(
                problem("Q0302", "this text is not closed", span, help='add the second `"` on the same line')
            )
        else:
            shown = str(token) if token.isprintable() else f"U+{ord(token):04X}"
            message = f"`{shown}` is not part of the language"
            way_out = _symbol_in_quotes(span) if str(token) == "." else ""
            problems.append(problem("Q0302", message, span, help=way_out or _HELP.get(str(token), "")))
    return problems


def _closing(tokens: tuple[Token, ...], index: int, span: Span) -> Token | None:
    """The quote that closes a text in quotes that the language does not have, on the same line."""
    line_end = span.source.text.find("\n", span.start)
    for token in tokens[index + 1 :]:
        if 0 <= line_end <= span.start + (token.start_pos or 0) - (tokens[index].start_pos or 0):
            return None
        if str(token) in QUOTES:
            return token
    return None


def _symbol_in_quotes(dot: Span) -> str:
    """Symbols such as 8306.T begin with a number, which a dot and a letter never follow."""
    text = dot.source.text
    line = text.rfind("\n", 0, dot.start) + 1
    whole = next((m[0] for m in _GLUED.finditer(text, line) if m.start() <= dot.start < m.end()), "").rstrip(":")
    return f'put it in quotes: "{whole}"' if _DIGITS_DOT_LETTERS.fullmatch(whole) else ""


def complain(failure: Failure, place: Place) -> Diagnostic:
    """The diagnostic of one broken statement."""
    token = failure.tokens[failure.at]
    span = place(token.start_pos or 0, token.end_pos or 0)
    special = (
        usual_slip(failure, place)
        or _brace(failure, token, place)
        or _reserved(failure, token, span)
        or _head(failure, token, place)
    )
    if special is not None:
        return special
    expected, found = _expected(failure), _found(token, span)
    message = f"expected {expected}, found {found}" if expected else f"{found} does not belong here"
    labels = tuple(_opened(failure, token, place))
    return problem("Q0301", message, span, labels=labels, help=_help(failure, token, span))


def _brace(failure: Failure, token: Token, place: Place) -> Diagnostic | None:
    """Braces that do not pair up."""
    if failure.opened is not None:
        where = place(failure.opened.start_pos or 0, failure.opened.end_pos or 0)
        if failure.inside == "end":
            return problem("Q0301", "this `{` is never closed", where, help="add a `}` where the block ends")
        span = place(token.start_pos or 0, token.end_pos or 0)
        message = f"expected `}}` before the next {token}"
        return problem("Q0301", message, span, labels=(Label(where, "this block is still open"),))
    if token.type == "RBRACE" and failure.inside in {"file", "predicate"}:
        return problem("Q0301", "this `}` closes nothing", place(token.start_pos or 0, token.end_pos or 0))
    return None


def _reserved(failure: Failure, token: Token, span: Span) -> Diagnostic | None:
    """A reserved word where a name is due."""
    named = failure.at == 0 and len(failure.tokens) > 1 and failure.tokens[1].type == "EQUALS"
    after_keyword = failure.at == 1 and failure.accepts == {"NAME"}
    if str(token) in RESERVED and (named or after_keyword):
        return problem("Q0305", f"`{token}` is a reserved word and cannot be a name", span, help="choose another name")
    return None


def _head(failure: Failure, token: Token, place: Place) -> Diagnostic | None:
    """A word that starts no statement of its block."""
    first, inside = failure.tokens[0], failure.inside
    span = place(first.start_pos or 0, first.end_pos or 0)
    if inside in {"strategy", "regime", "feature", "on"} and token.type == "LBRACE" and first.type == "NAME":
        return problem("Q0306", f"a `{first}` block does not belong into {_kind(inside)}", span)
    if inside not in HEADS or inside == "block" or failure.at > 1:
        return None
    if failure.at == 0:
        if token.type == "NAME" or not _is_word(token):
            return None
        return problem("Q0304", f"`{token}` does not belong into {_kind(inside)}", span)
    if first.type != "NAME" or failure.accepts != {"EQUALS"}:
        return None
    known = tuple(HEADS[inside])
    near = nearest(str(first), known)
    listed = ", ".join(f"`{word}`" for word in known)
    way_out = f"did you mean `{near}`?" if near else f"it has {listed + ' and ' if listed else ''}`name = value`"
    return problem("Q0301", f"`{first}` does not start a statement of {_kind(inside)}", span, help=way_out)


def _kind(inside: str) -> str:
    return "an `on` block" if inside == "on" else f"a {inside} block"


def _is_word(token: Token) -> bool:
    return str(token).isidentifier()


def _expected(failure: Failure) -> str:
    accepts, parts = failure.accepts, []
    if {"NAME", "LPAR"} <= accepts:
        condition = failure.at > 0 and failure.tokens[failure.at - 1].type in {"WHEN", "AND", "OR", "NOT"}
        parts.append("a condition" if condition else "a value")
    elif failure.at == 0 and failure.inside == "file":
        return "`strategy NAME {`, `regime NAME {`, `feature NAME {` or a document such as `world NAME {`"
    elif {"NAME", "NUMBER"} <= accepts:
        parts.append("a value")
    else:
        singles = {"NAME": "a name", "NUMBER": "a number", "STRING": 'a text in double quotes ("...")'}
        parts.extend(words for kind, words in singles.items() if kind in accepts)
    if _OPERATORS & accepts:
        parts.append("an operator")
    if failure.at > 0:
        parts.extend(words for kind, words in _WORDS if kind in accepts and kind not in _NOT_EXPECTED_FIRST)
    if "_SEP" in accepts:
        parts.append("the end of the line")
    return " or ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


def _found(token: Token, span: Span) -> str:
    if token.type not in {"_SEP", "$END"}:
        return f"`{token}`"
    rest = span.source.text[span.start : span.start + 1]
    return f"`{rest}`" if rest in {";", "}"} else "the end of the line" if rest else "the end of the text"


def _opened(failure: Failure, token: Token, place: Place) -> Iterable[Label]:
    """The bracket that waits for its end."""
    if token.type != "_SEP" or not failure.accepts & {"RPAR", "RSQB"}:
        return
    waiting: list[Token] = []
    for before in failure.tokens[: failure.at]:
        if before.type in {"LPAR", "LSQB"}:
            waiting.append(before)
        elif before.type in {"RPAR", "RSQB"} and waiting:
            waiting.pop()
    if waiting:
        yield Label(place(waiting[-1].start_pos or 0, waiting[-1].end_pos or 0), "opened here")


def _help(failure: Failure, token: Token, span: Span) -> str:
    if failure.accepts == {"_SEP"} and token.type not in {"RBRACE", "_SEP"}:
        return "a new line or `;` goes between two statements"
    if token.type == "EQUALS" and _OPERATORS & failure.accepts:
        return "write `==` to compare"
    before = failure.tokens[failure.at - 1] if failure.at else token
    if before.type == "LSQB" and token.type == "MINUS":
        return "history is counted backwards without a sign: `close[1]` is the bar before"
    if failure.inside in {"block", "file"} and not _looks_computed(failure):
        return _quotes(failure, span) or (side_by_side(failure) if failure.inside == "block" else "")
    if failure.tokens[0].type in _RULES | {"NAME"} and token.type in {"NUMBER", "NAME"} and "_SEP" in failure.accepts:
        return "values never stand side by side; one statement per line"
    return ""


def _looks_computed(failure: Failure) -> bool:
    return any(t.type == "WHEN" for t in failure.tokens[: failure.at])


def _quotes(failure: Failure, span: Span) -> str:
    """Symbols such as BRK.B, dates, times and paths need quotes in a block."""
    text = span.source.text
    line = text.rfind("\n", 0, span.start) + 1
    for found in _GLUED.finditer(text, line, len(text)):
        if found.start() > span.start:
            break
        whole = found[0].rstrip(":")
        begins = found.start() < span.start or text[span.start] in "./"
        if found.end() > span.start and begins and len(whole) > 1 and not whole.isidentifier():
            return f'put it in quotes: "{whole}"'
    near = nearest(str(failure.tokens[0]), (*DEFINITIONS, *DOCUMENTS)) if failure.inside == "file" else None
    return f"did you mean `{near}`?" if near else ""
