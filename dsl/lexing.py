"""The filter between lexer and parser: statement ends, line breaks that are none, and keywords by position.

In: the raw tokens of a text. Out: tokens as `grammar.lark` wants them, where each statement ends with one `_SEP`, and
what is wrong with single characters. A word such as `size` is a keyword only where it heads a statement of a strategy;
everywhere else it is a plain name, so that few words are reserved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from lark import Token

#: words with a meaning inside expressions: no name may be one of them
RESERVED: Final = frozenset({"and", "or", "not", "for", "when", "crosses", "true", "false"})

HEADS: Final[dict[str, dict[str, str]]] = {
    "strategy": {
        "doc": "DOC", "style": "STYLE", "param": "PARAM", "on": "ON", "long": "LONG", "short": "SHORT", "exit": "EXIT",
        "size": "SIZE", "stop": "STOP", "take": "TAKE",
    },
    "regime": {
        "doc": "DOC", "param": "PARAM", "on": "ON", "score": "SCORE", "high_vol": "HIGH_VOL", "confidence": "CONFIDENCE",
    },
    "feature": {"doc": "DOC", "on": "ON", "value": "VALUE"},
    "on": {},
    "block": {},
}  # fmt: skip
DEFINITIONS: Final = {"strategy": "STRATEGY", "regime": "REGIME", "feature": "FEATURE"}
#: blocks that are documents; the schema of each says what stands inside
DOCUMENTS: Final = ("world", "exchange", "allowlist", "deployment", "plan", "model", "case")
_OPENED_BY: Final = {token: kind for kind, token in DEFINITIONS.items()} | {"ON": "on"}

#: a newline after one of these, or before one of those, only breaks the line
_GOES_ON_AFTER: Final = frozenset(
    {
        "AND", "OR", "NOT", "FOR", "WHEN", "AT_MOST", "CROSSES", "COMPARE", "COALESCE", "EQUALS", "PLUS", "MINUS", "STAR",
        "SLASH", "COLON", "COMMA", "AT_SIGN", "DOTS", "IN",
    }
)  # fmt: skip
_GOES_ON_BEFORE: Final = frozenset({"AND", "OR", "COALESCE", "LBRACE"})
_NOISE: Final = frozenset({"NEWLINE", "COMMENT"})
_OPEN: Final = {"LPAR": "RPAR", "LSQB": "RSQB", "LMAP": "RMAP"}
#: a `{` behind one of these opens a map on one line instead of a block
_BEFORE_MAP: Final = frozenset({"COLON", "LSQB", "COMMA"})
_ENDS: Final = frozenset({"SEMICOLON", "RBRACE", "EOF"})


class Postlex:
    """What Lark asks of a filter: the terminals that the grammar itself never mentions are kept for `arrange`."""

    always_accept = ("NEWLINE", "SEMICOLON", "COMMENT", "UNCLOSED", "BAD")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens as they are: `arrange` filters them, it needs to look ahead."""
        return stream


@dataclass(slots=True)
class Arranged:
    """Tokens for the parser; `bad` are characters and unclosed strings that are no tokens; `deep` is the bracket or brace
    that opens one level too many, if any."""

    tokens: list[Token] = field(default_factory=list)
    bad: list[Token] = field(default_factory=list)
    deep: Token | None = None


@dataclass(slots=True)
class _State:
    raw: list[Token]
    out: Arranged
    most: int
    blocks: list[str] = field(default_factory=list)
    brackets: list[str] = field(default_factory=list)
    head: int = 0

    @property
    def inside(self) -> str:
        return self.blocks[-1] if self.blocks else "file"

    def emit(self, token: Token, kind: str | None = None) -> None:
        if kind:
            token = Token.new_borrow_pos(kind, str(token), token)
        self.out.tokens.append(token)

    def end_statement(self, at: Token) -> None:
        self.brackets.clear()
        if len(self.out.tokens) > self.head:
            separator = Token("_SEP", "", start_pos=at.start_pos, end_pos=at.start_pos)
            self.out.tokens.append(separator)
        self.head = len(self.out.tokens)


def arrange(raw: Iterable[Token], end: int, deepest: int) -> Arranged:
    """The tokens of a file; `end` is the length of its text, `deepest` how many brackets or braces may be open."""
    state = _State([], Arranged(), deepest)
    for token in raw:
        if token.type in {"BAD", "UNCLOSED"}:
            state.out.bad.append(token)
        elif token.type != "COMMENT":
            state.raw.append(token)
    stop = Token("EOF", "", start_pos=end, end_pos=end)
    state.raw.append(stop)
    for index, token in enumerate(state.raw[:-1]):
        _step(state, index, token)
        if state.out.deep is not None:
            break
    state.end_statement(stop)
    return state.out


def arrange_predicate(raw: Iterable[Token], end: int, deepest: int) -> Arranged:
    """The tokens of a predicate: every newline only breaks the line."""
    out = Arranged()
    depth = 0
    for token in raw:
        if token.type in {"BAD", "UNCLOSED"}:
            out.bad.append(token)
        elif token.type not in _NOISE:
            depth += (token.type in _OPEN) - (token.type in _OPEN.values())
            if depth > deepest and out.deep is None:
                out.deep = token
            out.tokens.append(_bars(out.tokens, token))
    out.tokens.append(Token("_SEP", "", start_pos=end, end_pos=end))
    return out


def _step(state: _State, index: int, token: Token) -> None:
    match token.type:
        case "NEWLINE":
            if _is_end(state, index):
                state.end_statement(token)
        case "SEMICOLON":
            state.end_statement(token)
        case "LBRACE" if _opens_map(state):
            _inner(state, index, Token.new_borrow_pos("LMAP", "{", token))
        case "LBRACE":
            _open_block(state, token)
        case "RBRACE" if state.brackets and state.brackets[-1] == "RMAP":
            _inner(state, index, Token.new_borrow_pos("RMAP", "}", token))
        case "RBRACE":
            state.end_statement(token)
            if state.blocks:
                state.blocks.pop()
            state.emit(token)
        case _:
            _inner(state, index, token)


def _opens_map(state: _State) -> bool:
    tokens = state.out.tokens
    before = tokens[-1].type if len(tokens) > state.head else ""
    return state.inside == "block" and before in _BEFORE_MAP and (before == "COLON" or bool(state.brackets))


def _open_block(state: _State, token: Token) -> None:
    state.brackets.clear()
    first = state.out.tokens[state.head].type if len(state.out.tokens) > state.head else ""
    state.blocks.append(_OPENED_BY.get(first, "block"))
    if len(state.blocks) > state.most:
        state.out.deep = token
    state.emit(token)
    state.head = len(state.out.tokens)


def _inner(state: _State, index: int, token: Token) -> None:
    if token.type in _OPEN:
        state.brackets.append(_OPEN[token.type])
        if len(state.brackets) > state.most:
            state.out.deep = token
    elif state.brackets and token.type == state.brackets[-1]:
        state.brackets.pop()
    if token.type == "NAME":
        state.emit(token, _keyword(state, index, token))
    else:
        state.emit(token)


def _keyword(state: _State, index: int, token: Token) -> str | None:
    tokens, word = state.out.tokens, str(token)
    after = state.raw[index + 1].type
    if len(tokens) == state.head:
        if word in DEFINITIONS and (state.inside == "file" or _opens_definition(state, index)):
            return DEFINITIONS[word]
        return None if after == "EQUALS" else HEADS.get(state.inside, {}).get(word)
    first, last = tokens[state.head].type, tokens[-1].type
    if word == "at" and last in {"STOP", "TAKE"} and len(tokens) == state.head + 1:
        return "AT"
    if word == "in" and first == "PARAM":
        return "IN"
    if first == "EXIT" and last == "EXIT" and word in {"long", "short"}:
        return word.upper()
    return str(_bars(tokens, token).type)


def _bars(tokens: list[Token], token: Token) -> Token:
    """`bars` (or `bar`) is a keyword only in `for N bars`."""
    if token in {"bars", "bar"} and len(tokens) > 1 and tokens[-2].type == "FOR":
        return Token.new_borrow_pos("BARS", str(token), token)
    return token


def _opens_definition(state: _State, index: int) -> bool:
    return state.raw[index + 1].type == "NAME" and state.raw[index + 2].type == "LBRACE"


def _is_end(state: _State, index: int) -> bool:
    """Whether a newline ends the statement."""
    tokens = state.out.tokens
    if len(tokens) == state.head:
        return False
    following = _following(state, index)
    if tokens[state.head].type == "SLASH":
        return True  # a comment of another language
    if state.brackets:
        return _looks_like_statement(state, following)
    after = state.raw[following].type
    if tokens[-1].type == "COMMA" and state.inside == "block" and _begins_a_statement(state, following):
        return True
    if tokens[-1].type in _GOES_ON_AFTER or after in _GOES_ON_BEFORE:
        return _assigns(state, following)
    if after == "WHEN":
        return state.inside == "block" and not _heads_a_block(state, following)
    return True


def _following(state: _State, index: int) -> int:
    while state.raw[index].type in _NOISE:
        index += 1
    return index


def _assigns(state: _State, index: int) -> bool:
    """`name =` begins a line: the line before broke off, whatever it ended with."""
    return [token.type for token in state.raw[index : index + 2]] == ["NAME", "EQUALS"]


def _begins_a_statement(state: _State, index: int) -> bool:
    """Whether a line behind a comma is no further value: in a list of values no two stand side by side."""
    after = state.raw[min(index + 1, len(state.raw) - 1)].type
    return state.raw[index].type in {"NAME", "STRING"} and after in {
        "NAME",
        "NUMBER",
        "STRING",
        "LBRACE",
        "COLON",
        "TILDE",
        "WHEN",
    }


def _looks_like_statement(state: _State, index: int) -> bool:
    """An open bracket swallows the rest of a file unless a line that cannot stand inside brackets ends it."""
    word, after = state.raw[index], state.raw[min(index + 1, len(state.raw) - 1)]
    in_map = state.brackets[-1] == "RMAP"
    if word.type != "NAME":
        return word.type in _ENDS and not (in_map and word.type == "RBRACE")
    if state.inside == "block" and state.brackets[-1] in {"RSQB", "RMAP"}:
        # in a list or map no two values stand side by side, in a statement they do
        return after.type in {"NAME", "NUMBER", "STRING", "LBRACE", "LSQB", "TILDE"}
    known = str(word) in HEADS.get(state.inside, {}) or str(word) in DEFINITIONS
    return after.type == "EQUALS" or (known and after.type in {"NAME", "NUMBER", "STRING", "WHEN"})


def _heads_a_block(state: _State, index: int) -> bool:
    """Whether the condition that starts at `index` is followed by `{` before its statement ends."""
    depth, before = 0, "WHEN"
    for place in range(index + 1, len(state.raw)):
        kind = state.raw[place].type
        if kind == "LBRACE" or kind in _ENDS:
            return kind == "LBRACE"
        if kind != "NEWLINE":
            depth += (kind in _OPEN) - (kind in _OPEN.values())
            before = kind
        elif (
            depth <= 0
            and before not in _GOES_ON_AFTER
            and state.raw[_following(state, place)].type not in _GOES_ON_BEFORE
        ):
            return False
    return False
