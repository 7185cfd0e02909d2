"""Braces of a strategy, regime or feature that do not pair up: one slip, one message.

In: the raw tokens of a `.qmtl` file. Out: the tokens with the forgotten `}` in its place, or without the one too many, and
where that was. Told from the words that follow: `long when ...` stands in a strategy and never in its `on` block. Texts
whose braces pair up are left as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lark import Token

from .diagnostics import Diagnostic, Label, problem
from .lexing import DEFINITIONS, HEADS
from .source import Span

_NOISE: Final = frozenset({"NEWLINE", "COMMENT"})
_BEFORE_STATEMENT: Final = frozenset({"NEWLINE", "SEMICOLON", "LBRACE", "RBRACE"})
_END: Final = Token("EOF", "")


@dataclass(frozen=True, slots=True)
class Astray:
    """A brace too many, or, with `opened`, the word before which one is missing."""

    token: Token
    opened: Token | None = None


@dataclass(slots=True)
class _Pairing:
    tokens: list[Token]
    missing: int
    kinds: list[str] = field(default_factory=list)
    opened: list[Token] = field(default_factory=list)
    head: str = ""
    found: list[Astray] = field(default_factory=list)


def paired(raw: Iterable[Token]) -> tuple[list[Token], tuple[Astray, ...]]:
    """The tokens with their braces paired up as far as the words tell how, and what was wrong."""
    tokens = list(raw)
    missing = sum((t.type == "LBRACE") - (t.type == "RBRACE") for t in tokens)
    if missing == 0:
        return tokens, ()
    state = _Pairing(tokens, missing)
    out = [kept for index in range(len(tokens)) for kept in _step(state, index)]
    return out, tuple(state.found)


def unpaired(astray: Iterable[Astray], place: Callable[[int, int], Span]) -> Iterator[Diagnostic]:
    """What to say about them."""
    for one in astray:
        span = place(one.token.start_pos or 0, one.token.end_pos or 0)
        if one.opened is None:
            yield problem("Q0301", "this `}` closes nothing", span, help="remove it")
        else:
            still = place(one.opened.start_pos or 0, one.opened.end_pos or 0)
            message = f"expected `}}` before `{one.token}`"
            yield problem("Q0301", message, span, labels=(Label(still, "this block is still open"),))


def _step(state: _Pairing, index: int) -> Iterator[Token]:
    token = state.tokens[index]
    before = state.tokens[index - 1].type if index else "NEWLINE"
    if token.type == "NAME" and before in _BEFORE_STATEMENT:
        state.head = str(token)
        if _belongs_outside(state, index):
            state.missing -= 1
            state.found.append(Astray(token, state.opened.pop()))
            state.kinds.pop()
            yield Token.new_borrow_pos("RBRACE", "}", token)
            yield Token.new_borrow_pos("NEWLINE", "\n", token)
    elif token.type == "LBRACE":
        state.kinds.append(state.head if state.head in DEFINITIONS or state.head == "on" else "block")
        state.opened.append(token)
    elif token.type == "RBRACE":
        if _closes_early(state, index):
            state.missing += 1
            state.found.append(Astray(token))
            return
        if state.kinds:
            state.kinds.pop()
            state.opened.pop()
    yield token


def _belongs_outside(state: _Pairing, index: int) -> bool:
    """Whether a statement inside an `on` block is one of the definition around it."""
    if state.missing <= 0 or len(state.kinds) < 2 or state.kinds[-1] != "on":
        return False
    return state.head in HEADS.get(state.kinds[-2], {}) and not _assigns(state, index)


def _assigns(state: _Pairing, index: int) -> bool:
    return index + 1 < len(state.tokens) and state.tokens[index + 1].type == "EQUALS"


def _closes_early(state: _Pairing, index: int) -> bool:
    """Whether the definition that a `}` would close goes on behind it."""
    if state.missing >= 0 or len(state.kinds) != 1 or state.kinds[0] not in DEFINITIONS:
        return False
    following = (t for t in state.tokens[index + 1 :] if t.type not in _NOISE)
    word, after = next(following, _END), next(following, _END)
    return word.type == "NAME" and (str(word) in HEADS[state.kinds[0]] or after.type == "EQUALS")
