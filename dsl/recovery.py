"""Runs the parser over the tokens and goes on after a syntax error.

In: tokens whose statements all end with `_SEP`. Out: the parse tree and one `Failure` for each broken statement. A
broken statement is put back and replaced by the shortest statement that defines the same names, or by nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from lark import Lark, Token, Tree, UnexpectedToken

#: stands where a name or value could not be read; checks take it as already reported
PLACEHOLDER: Final = "?"
MOST_FAILURES: Final = 50

_DEFINITIONS: Final = {"STRATEGY": "strategy", "REGIME": "regime", "FEATURE": "feature"}
#: blocks that have `on 60m { ... }`: whatever else stands before a duration and a brace was meant as that
_HAS_ON: Final = {"strategy", "regime", "feature"}
_VALUE: Final = {"SIZE", "STOP", "TAKE", "HIGH_VOL", "CONFIDENCE", "VALUE"}


@dataclass(frozen=True, slots=True)
class Failure:
    """One broken statement: its tokens, which of them was refused, what was accepted there, and the kind of block it
    stands in (file, strategy, regime, feature, on, block, predicate)."""

    tokens: tuple[Token, ...]
    at: int
    accepts: frozenset[str]
    inside: str
    opened: Token | None = None


@dataclass(slots=True)
class _Run:
    parser: Any
    tokens: list[Token]
    kinds: list[str]
    braces: list[Token] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    saved: Any = None
    start: int = 0

    def feed(self, token: Token) -> None:
        self.parser.feed_token(token)
        if token.type == "LBRACE":
            self.kinds.append(self._opened())
            self.braces.append(token)
        elif token.type == "RBRACE":
            self.kinds.pop()
            self.braces.pop()

    def _opened(self) -> str:
        head = self.tokens[self.start].type if self.start < len(self.tokens) else ""
        return _DEFINITIONS.get(head, "on" if head == "ON" else "block")

    def save(self, start: int) -> None:
        self.saved, self.start = self.parser.copy(deepcopy_values=False), start

    def restore(self) -> None:
        self.parser = self.saved.copy(deepcopy_values=False)


def read(language: Lark, tokens: list[Token], start: str) -> tuple[Tree[Token] | None, tuple[Failure, ...]]:
    """The parse tree (None when nothing could be saved) and the broken statements in the order of the text."""
    run = _Run(language.parse_interactive(start=start), tokens, [start])
    run.save(0)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        try:
            run.feed(token)
        except UnexpectedToken:
            if start == "predicate" or len(run.failures) >= MOST_FAILURES:
                run.failures.append(_failure(run, index, len(tokens)))
                return None, tuple(run.failures)
            index = _recover(run, index)
        else:
            index += 1
            if token.type in {"_SEP", "LBRACE", "RBRACE"}:
                run.save(index)
    return _finish(run), tuple(run.failures)


def _finish(run: _Run) -> Tree[Token] | None:
    if run.braces:
        run.failures.append(Failure((run.braces[-1],), 0, frozenset({"RBRACE"}), "end", run.braces[-1]))
        _close(run)
    try:
        tree: Tree[Token] = run.parser.feed_token(Token("$END", ""))
    except UnexpectedToken:
        run.failures.append(_failure(run, len(run.tokens) - 1, len(run.tokens)))
        return None
    return tree


def _close(run: _Run) -> None:
    while run.braces:
        at = run.tokens[-1]
        run.feed(Token.new_borrow_pos("RBRACE", "}", at))
        run.feed(Token.new_borrow_pos("_SEP", "", at))


def _recover(run: _Run, index: int) -> int:
    """Notes the failure and brings the parser to a statement start; returns the index to go on from."""
    token = run.tokens[index]
    if token.type in _DEFINITIONS and index == run.start and run.braces:
        run.failures.append(Failure((token,), 0, frozenset({"RBRACE"}), run.kinds[-1], run.braces[-1]))
        run.restore()
        _close(run)
        run.save(index)
        return index
    end = _end(run.tokens, run.start)
    brace = next((i for i in range(run.start, end) if run.tokens[i].type == "LBRACE"), None)
    run.failures.append(_failure(run, index, max(brace if brace is not None else end, index + 1)))
    run.restore()
    after_block = run.start > 0 and run.tokens[run.start - 1].type == "RBRACE"
    if brace is not None and index <= brace and not after_block and _opens(run, brace):
        run.save(brace + 1)
        return brace + 1
    if after_block:
        run.feed(Token.new_borrow_pos("_SEP", "", token))
    else:
        for made in _instead(run.tokens[run.start : end], run.kinds[-1]):
            run.feed(made)
    stop = min(end + 1, len(run.tokens))
    run.save(stop)
    return stop


def _opens(run: _Run, brace: int) -> bool:
    """Opens the block of a broken head, if such a block may stand here."""
    try:
        for made in _head(run.tokens[run.start : brace], run.kinds[-1]):
            run.feed(made)
        run.feed(run.tokens[brace])
    except UnexpectedToken:
        run.restore()
        return False
    return True


def _end(tokens: list[Token], start: int) -> int:
    """Index of the `_SEP` that ends the statement, over the blocks inside it."""
    depth = 0
    for index in range(start, len(tokens)):
        kind = tokens[index].type
        depth += (kind == "LBRACE") - (kind == "RBRACE")
        if kind == "_SEP" and depth <= 0:
            return index
    return len(tokens)


def _failure(run: _Run, index: int, end: int) -> Failure:
    run.restore()
    for token in run.tokens[run.start : index]:
        run.parser.feed_token(token)
    accepts = frozenset(run.parser.accepts())
    return Failure(tuple(run.tokens[run.start : max(end, index + 1)]), index - run.start, accepts, run.kinds[-1])


def _head(tokens: list[Token], inside: str) -> Iterator[Token]:
    """A head that opens the same kind of block."""
    first = tokens[0] if tokens else Token("NAME", PLACEHOLDER, start_pos=0, end_pos=0)
    second = tokens[1] if len(tokens) > 1 else first
    if first.type in _DEFINITIONS:
        yield first
        yield second if second.type == "NAME" else _like(first, "NAME", PLACEHOLDER)
    elif first.type == "ON" or (inside in _HAS_ON and second.type == "NUMBER"):
        yield _like(first, "ON", "on")
        yield second if second.type == "NUMBER" else _like(first, "NUMBER", "60m")
    else:
        yield first if first.type in {"NAME", "STRING"} else _like(first, "NAME", PLACEHOLDER)


def _instead(tokens: list[Token], inside: str) -> Iterator[Token]:
    """The shortest statement that defines what the broken one would have defined."""
    if not tokens or inside in {"block", "file"}:
        return
    made = list(_statement(tokens))
    if made:
        yield from made
        yield _like(tokens[-1], "_SEP", "")


def _statement(tokens: list[Token]) -> Iterator[Token]:
    first, second = tokens[0], tokens[1] if len(tokens) > 1 else tokens[0]
    hole = _like(tokens[-1], "NAME", PLACEHOLDER)
    if first.type == "NAME" and second.type == "EQUALS":
        yield from (first, second, hole)
    elif first.type == "NAME" and second.type == "COLON":
        yield from (first, _like(second, "EQUALS", "="), hole)
    elif first.type in {"LONG", "SHORT"}:
        yield from (first, _like(first, "WHEN", "when"), hole)
    elif first.type == "EXIT" and second.type in {"LONG", "SHORT"}:
        yield from (first, second, _like(first, "WHEN", "when"), hole)
    elif first.type in _VALUE:
        yield from (first, hole)
    elif first.type == "SCORE" and second.type == "NAME":
        yield from (first, second, hole)
    elif first.type == "STYLE":
        yield from (first, hole)
    elif first.type == "PARAM" and second.type == "NAME":
        yield from (first, second, _like(first, "COLON", ":"), hole)
        yield from (_like(first, "EQUALS", "="), _like(first, "NUMBER", "0"))


def _like(place: Token, kind: str, text: str) -> Token:
    return Token.new_borrow_pos(kind, text, place)
