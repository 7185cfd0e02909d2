"""The frozen syntax tree of expressions, of strategy, regime and feature blocks, and of documents in block syntax.

Every node has its span.

In: what `parser.py` builds from text. Out: what `check.py` types and `lower.py` turns into graph nodes. Nothing here
knows about types or data.
"""

from __future__ import annotations

from dataclasses import dataclass

from .source import Span
from .tree import Node, Scalar


@dataclass(frozen=True, slots=True)
class Number:
    """A literal. `unit` is one of "", "%", "bps", "s", "m", "h", "d", "USD"; `value` is in base units:
    ratios as fractions (2 % is 0.02), durations in seconds, money in the currency. `text` is as written."""

    value: float
    unit: str
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A plain or dotted name: `close`, `vix.close`, `p_trend_up`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: Name
    args: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class History:
    """`x[3]`: the value three closed bars ago at the rate of x."""

    operand: Expr
    back: int
    span: Span


@dataclass(frozen=True, slots=True)
class AtRate:
    """`expr@60m`: evaluated at that rate; elsewhere its last closed value is read."""

    operand: Expr
    rate: str
    rate_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    """`op` is "-" or "not"."""

    op: str
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    """`op` is one of + - * / ?? and or, > >= < <= == !=, "crosses above", "crosses below", "at most"."""

    op: str
    left: Expr
    right: Expr
    op_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class ForBars:
    """`condition for N bars`."""

    operand: Expr
    bars: Expr
    span: Span


Expr = Number | Text | Name | Call | History | AtRate | Unary | Binary | ForBars


@dataclass(frozen=True, slots=True)
class Param:
    """`param fast: bars = 10 in 3..60`."""

    name: Name
    type: Name
    default: Number
    low: Number | None
    high: Number | None
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    """`name = expr`; `rate` is the rate of the `on` block it stands in, or None."""

    name: Name
    value: Expr
    rate: str | None
    span: Span


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement of a block with a meaning of its own.

    `kind` is one of: long, short, exit long, exit short, size, stop, stop at, take, take at (strategies);
    score trend_up, score trend_down, score chop, high_vol, confidence (regimes); value (features)."""

    kind: str
    value: Expr
    keyword_span: Span
    span: Span


@dataclass(frozen=True, slots=True)
class Definition:
    """A strategy, regime or feature block; `kind` says which. `style` is "trend", "chop" or "defensive"."""

    kind: str
    name: Name
    doc: str
    style: Name | None
    params: tuple[Param, ...]
    lets: tuple[Let, ...]
    rules: tuple[Rule, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Given:
    """One value of a setting. `node` is None for what only an expression can be; `text` is its text as a condition, on
    one line. The schema says which of the two is meant."""

    node: Node | None
    text: Scalar


@dataclass(frozen=True, slots=True)
class Setting:
    """A statement of a document block: `key value, value`, `key: value`, `word label: value`."""

    key: Text
    label: Text | None
    values: tuple[Given, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """`key NAME when EXPR { ... }`: a whole document, or a part of one; `when` is the text of the condition. `broken` are
    the places of its statements that could not be read and are left out."""

    key: Text
    name: Text | None
    when: Scalar | None
    body: tuple[Setting | Block, ...]
    span: Span
    broken: tuple[Span, ...] = ()
