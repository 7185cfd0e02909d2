"""Text -> syntax: `.qmtl` files and one-line predicates, through the one grammar in `grammar.lark`.

In: a `Source`, or the `Scalar` of a predicate. Out: definitions, document blocks and expressions with spans, and every
syntax error of the text, one per statement: the statement with an error is skipped (or completed with placeholders, so
that the names it defines stay known) and the rest is still read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from lark import Lark, Token, Tree

from .build import Builder, build_file, build_predicate
from .complaints import bad_characters, complain
from .diagnostics import Diagnostic, in_order, problem
from .lexing import Arranged, Postlex, arrange, arrange_predicate
from .recovery import read
from .source import Source, Span
from .syntax import Block, Definition, Expr
from .tree import Scalar

#: characters of a file, of a predicate, and how many brackets, braces or nested expressions
LARGEST_FILE: Final = 1_000_000
LARGEST_PREDICATE: Final = 10_000
DEEPEST: Final = 100

_OPEN_COMMENT: Final = re.compile(r"#[^\n]*\Z")


@lru_cache
def language(*, strict: bool = False) -> Lark:
    """The built grammar; `strict` also refuses every hidden conflict, for tests."""
    text = files("qmtl.dsl").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        text,
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

    A block with a syntax error inside is left out; a definition with one stays, with placeholders (names `?`)."""

    def place(start: int, end: int) -> Span:
        return Span(source, start, end)

    if len(source.text) > LARGEST_FILE:
        return (), (), (_too_large(place(0, 0), "a .qmtl file", LARGEST_FILE),)
    arranged = arrange(_lexed(source.text), len(source.text), DEEPEST)
    tree, problems = _tree(arranged, place, "file")
    if tree is None:
        return (), (), in_order(problems)
    builder = Builder(source.text, place, DEEPEST)
    definitions, blocks = build_file(builder, tree)
    problems += builder.problems
    places = [p.span for p in problems if p.span is not None]
    whole = tuple(b for b in blocks if not any(b.span.start <= s.start <= b.span.end for s in places))
    return definitions, whole, in_order(problems)


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
    tree, problems = _tree(arrange_predicate(_lexed(text), len(text), DEEPEST), scalar.place, "predicate")
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
) -> tuple[Tree[Token] | None, list[Diagnostic]]:
    problems = bad_characters(arranged.bad, place)
    if arranged.deep is not None:
        token = arranged.deep
        span = place(token.start_pos or 0, token.end_pos or 0)
        return None, [problem("Q0104", f"more than {DEEPEST} open brackets", span)]
    bad = [token.start_pos or 0 for token in arranged.bad]
    tree, failures = read(language(), arranged.tokens, start)
    for failure in failures:
        low, high = failure.tokens[0].start_pos or 0, failure.tokens[-1].end_pos or 0
        # a character that is no token has been reported: what the parser says about its statement follows from it
        if not any(low <= at <= high for at in bad):
            problems.append(complain(failure, place))
    return tree, problems


def _too_large(span: Span, what: str, limit: int) -> Diagnostic:
    return problem("Q0104", f"{what} has at most {limit:,} characters", span)
