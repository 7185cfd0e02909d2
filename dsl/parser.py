"""Text -> syntax: `.qmtl` files and one-line predicates, through the one grammar in `grammar.lark`.

In: a `Source`, or the `Scalar` of a predicate. Out: definitions, document blocks and expressions with spans, and every
syntax error of the text, one per statement: the statement with an error is skipped (or completed with placeholders, so
that the names it defines stay known) and the rest is still read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from lark import Lark, Token, Tree

from .braces import paired, unpaired
from .build import Builder, build_predicate
from .buildblocks import build_file
from .diagnostics import Diagnostic, in_order, problem
from .lexing import Arranged, Postlex, arrange, arrange_predicate
from .recovery import Failure, read
from .skeletons import Skeletons
from .source import Source, Span
from .syntax import Block, Definition, Expr
from .tables import load
from .tree import Scalar

#: characters of a file, of a predicate, and how many brackets, braces or nested expressions
LARGEST_FILE: Final = 1_000_000
LARGEST_PREDICATE: Final = 10_000
DEEPEST: Final = 100

#: characters of a file; of larger ones only the last is kept
_LARGEST_KEPT: Final = 50_000
_Parsed = tuple[tuple[Definition, ...], tuple[Block, ...], tuple[Diagnostic, ...]]
_SKELETONS: Final = Skeletons()
_OPEN_COMMENT: Final = re.compile(r"#[^\n]*\Z")


@lru_cache
def language() -> Lark:
    """The parser, from its shipped tables where they are those of the grammar."""
    return load(grammar(), Postlex()) or built()


def grammar() -> str:
    """The text of the grammar."""
    return Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")


def built(*, strict: bool = False) -> Lark:
    """The parser, worked out from the grammar; `strict` also refuses every hidden conflict, for tests."""
    return Lark(
        grammar(),
        start=["file", "predicate"],
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=Postlex(),
        strict=strict,
    )


def parse_file(source: Source) -> tuple[tuple[Definition, ...], tuple[Block, ...], tuple[Diagnostic, ...]]:
    """Definitions and document blocks of a `.qmtl` file in their order, and its syntax errors.

    A definition with a syntax error inside stays, with placeholders (names `?`); a block stays without the broken
    statements and names them in `broken`, unless its braces do not pair up: then nobody knows what belongs to it."""
    if len(source.text) > LARGEST_FILE:
        return (), (), (_too_large(Span(source, 0, 0), "a .qmtl file", LARGEST_FILE),)
    return _kept_large(source) if len(source.text) > _LARGEST_KEPT else _kept(source)


@lru_cache(maxsize=64)
def _kept(source: Source) -> _Parsed:
    """What a file holds; the same file is read as a document and for its definitions, and with every edit beside it."""
    return _file(source)


@lru_cache(maxsize=1)
def _kept_large(source: Source) -> _Parsed:
    return _file(source)


def _file(source: Source) -> _Parsed:
    def place(start: int, end: int) -> Span:
        return Span(source, start, end)

    raw, astray = paired(_lexed(source.text))
    arranged = arrange(raw, len(source.text), DEEPEST)
    tree, problems, loose = _tree(arranged, place, "file")
    problems += unpaired(astray, place)
    if tree is None:
        return (), (), in_order(problems)
    builder = Builder(source.text, place, DEEPEST)
    definitions, blocks = build_file(builder, tree)
    problems += builder.problems
    places = [p.span for p in problems if p.span is not None]
    told = (replace(b, broken=tuple(s for s in places if b.span.start <= s.start <= b.span.end)) for b in blocks)
    return definitions, tuple(b for b in told if not _torn(b, blocks, loose)), in_order(problems)


def _torn(block: Block, blocks: tuple[Block, ...], loose: list[int]) -> bool:
    """Whether a brace is missing in the block, or one too many ends it: the last block before a loose `}`."""
    inside = any(block.span.start <= at < block.span.end for at in loose)
    following = [b.span.start for b in blocks if b.span.start > block.span.start]
    return inside or any(block.span.end <= at < min(following, default=at + 1) for at in loose)


def parse_predicate(scalar: Scalar) -> tuple[Expr | None, tuple[Diagnostic, ...]]:
    """The expression in a string scalar, with spans in the file, or None and why not."""
    text = scalar.value if isinstance(scalar.value, str) else str(scalar.value)
    if len(text) > LARGEST_PREDICATE:
        return None, (_too_large(scalar.span, "a condition", LARGEST_PREDICATE),)
    if not text.strip():
        return None, (problem("Q0301", "a condition is expected here", scalar.span),)
    comment = _OPEN_COMMENT.search(text)
    if comment and '"' not in text:
        span = scalar.place(comment.start(), comment.end())
        message = "a comment inside a condition would hide the rest of it"
        return None, (problem("Q0302", message, span, help="put the comment on the line above, outside the value"),)
    tree, problems, _ = _tree(arrange_predicate(_lexed(text), len(text), DEEPEST), scalar.place, "predicate")
    builder = Builder(text, scalar.place, DEEPEST)
    expr = build_predicate(builder, tree) if tree is not None and not problems else None
    problems += builder.problems
    return (None if problems else expr), in_order(problems)


def _lexed(text: str) -> Iterator[Token]:
    # `Lark.lex` would build its lexer anew for every text
    thread: Any = language().parse_interactive(text, start="file").lexer_thread
    tokens: Iterator[Token] = thread.lex(None)
    return tokens


def _tree(
    arranged: Arranged, place: Callable[[int, int], Span], start: str
) -> tuple[Tree[Token] | None, list[Diagnostic], list[int]]:
    """The tree, the mistakes, and where braces stand that do not pair up."""
    if arranged.deep is not None:
        token = arranged.deep
        span = place(token.start_pos or 0, token.end_pos or 0)
        return None, [problem("Q0104", f"more than {DEEPEST} open brackets", span)], []
    tree, failures = _parsed(arranged.tokens, start)
    if not failures and not arranged.bad:
        return tree, [], []
    return tree, *_complaints(arranged, failures, place)


def _parsed(tokens: list[Token], start: str) -> tuple[Tree[Token] | None, tuple[Failure, ...]]:
    """The tree and the broken statements; that of a predicate is known when one like it was parsed before."""
    known = _SKELETONS.tree(tokens) if start == "predicate" else None
    if known is not None:
        return known, ()
    tree, failures = read(language(), tokens, start)
    if start == "predicate" and tree is not None and not failures:
        _SKELETONS.keep(tokens, tree)
    return tree, failures


def _complaints(
    arranged: Arranged, failures: Iterable[Failure], place: Callable[[int, int], Span]
) -> tuple[list[Diagnostic], list[int]]:
    from .complaints import bad_characters, complain  # most texts give no cause for any

    problems = bad_characters(arranged.bad, place)
    bad = [token.start_pos or 0 for token in arranged.bad]
    loose = []
    for failure in failures:
        low, high = failure.tokens[0].start_pos or 0, failure.tokens[-1].end_pos or 0
        # a character that is no token has been reported: what the parser says about its statement follows from it
        if not any(low <= at <= high for at in bad):
            problems.append(complain(failure, place))
        token = failure.tokens[failure.at]
        if failure.opened is not None or (token.type == "RBRACE" and failure.inside == "file"):
            loose.append((failure.opened or token).start_pos or 0)
    return problems, loose


def _too_large(span: Span, what: str, limit: int) -> Diagnostic:
    return problem("Q0104", f"{what} has at most {limit:,} characters", span)
