"""Parse tree -> frozen syntax with spans.

In: the Lark tree of one text and a function from character ranges to spans (a predicate in YAML stands elsewhere in the
file than in its own text). Out: the classes of `syntax.py`. What the grammar alone cannot refuse is refused here: chained
comparisons, wrong rates, statements that stand twice, expressions nested too deep. Documents: `buildblocks.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from string import hexdigits
from typing import Final

from lark import Token, Tree

from .diagnostics import Diagnostic, Label, problem
from .model import RATE_SECONDS
from .recovery import PLACEHOLDER
from .source import Span
from .syntax import (
    AtRate,
    Binary,
    Call,
    Definition,
    Expr,
    ForBars,
    History,
    Let,
    Name,
    Number,
    Param,
    Rule,
    Text,
    Unary,
)

_UNITS: Final = ("USD", "bps", "%", "s", "m", "h", "d")
#: no price, volume or money is larger; what is beyond has a slipped exponent
LARGEST_NUMBER: Final = 1e18
_SCALE: Final = {
    "": Decimal(1), "USD": Decimal(1), "%": Decimal("0.01"), "bps": Decimal("0.0001"),
    "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400),
}  # fmt: skip
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_HEX_ESCAPES: Final = {"x": 2, "u": 4, "U": 8}
_LARGEST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)
_Branch = Tree[Token]


@dataclass(slots=True)
class Builder:
    """What building needs: the text, the map to file spans, the deepest expression allowed, and the problems found."""

    text: str
    place: Callable[[int, int], Span]
    deepest: int
    problems: list[Diagnostic] = field(default_factory=list)

    def span(self, node: _Branch | Token) -> Span:
        """Where a token or a branch stands in the file."""
        return self.place(*range_of(node))

    def report(self, code: str, message: str, span: Span, *, labels: tuple[Label, ...] = (), way_out: str = "") -> None:
        self.problems.append(problem(code, message, span, labels=labels, help=way_out))


def build_predicate(builder: Builder, tree: _Branch) -> Expr:
    """The expression of a predicate's tree."""
    return _root(builder, tree.children[0])


# ---- strategies, regimes, features


def definition(builder: Builder, tree: _Branch) -> Definition:
    keyword, name, body = tree.children[0], tree.children[1], tree.children[3]
    items = list(listed(body))
    docs = [i for i in items if i.data == "doc"]
    styles = [i for i in items if i.data == "style"]
    rules = [_rule(builder, i) for i in items if i.data not in {"doc", "style", "param", "on", "let"}]
    _once(builder, [("doc", builder.span(token_at(d, 0))) for d in docs])
    _once(builder, [("style", builder.span(token_at(s, 0))) for s in styles])
    _once(builder, [(r.kind.removesuffix(" at"), r.keyword_span) for r in rules])
    return Definition(
        kind=str(keyword),
        name=_name(builder, name),
        doc=text_of(builder, token_at(docs[0], 1)).value if docs else "",
        style=_name(builder, token_at(styles[0], 1)) if styles else None,
        params=tuple(_param(builder, i) for i in items if i.data == "param"),
        lets=tuple(let for i in items for let in _lets(builder, i)),
        rules=tuple(rules),
        span=builder.span(tree),
    )


def _once(builder: Builder, found: list[tuple[str, Span]]) -> None:
    first: dict[str, Span] = {}
    for kind, span in found:
        if kind in first:
            builder.report("Q0304", f"`{kind}` stands twice", span, labels=(Label(first[kind], "first here"),))
        first.setdefault(kind, span)


def _param(builder: Builder, tree: _Branch) -> Param:
    _, name, _, kind, _, *rest = tree.children
    numbers = [_constant(builder, n) for n in rest if isinstance(n, Tree)]
    low, high = (numbers[1], numbers[2]) if len(numbers) == 3 else (None, None)
    return Param(_name(builder, name), _name(builder, kind), numbers[0], low, high, builder.span(tree))


def _constant(builder: Builder, tree: _Branch) -> Number:
    number = _number(builder, token_at(tree, -1))
    if len(tree.children) == 1:
        return number
    return Number(-number.value, number.unit, f"-{number.text}", builder.span(tree))


def _lets(builder: Builder, tree: _Branch) -> Iterator[Let]:
    if tree.data == "let":
        yield _let(builder, tree, None)
    elif tree.data == "on":
        rate = _rate(builder, token_at(tree, 1)) or "15m"
        for let in listed(tree.children[3]):
            yield _let(builder, let, rate)


def _let(builder: Builder, tree: _Branch, rate: str | None) -> Let:
    name, _, value = tree.children
    return Let(_name(builder, name), _root(builder, value), rate, builder.span(tree))


def _rule(builder: Builder, tree: _Branch) -> Rule:
    words = [c for c in tree.children[:-1] if isinstance(c, Token) and c.type != "WHEN"]
    kind = " ".join(str(w) for w in words)
    keyword = builder.place(words[0].start_pos or 0, words[-1].end_pos or 0)
    return Rule(kind, _root(builder, tree.children[-1]), keyword, builder.span(tree))


# ---- expressions


def _root(builder: Builder, tree: _Branch | Token) -> Expr:
    if _depth(tree, builder.deepest) > builder.deepest:
        span = builder.span(tree)
        builder.report("Q0104", "this expression is nested too deep", span, way_out="name parts of it: `name = value`")
        return Name(PLACEHOLDER, span)
    return _expr(builder, tree)


def _depth(tree: _Branch | Token, enough: int) -> int:
    """Levels of a tree, counted without recursion; stops just above `enough`."""
    level: list[_Branch | Token] = [tree]
    depth = 0
    while level and depth <= enough:
        depth += 1
        level = [c for t in level if isinstance(t, Tree) for c in t.children]
    return depth


def _expr(builder: Builder, tree: _Branch | Token) -> Expr:
    assert isinstance(tree, Tree)
    return _EXPRESSIONS[tree.data](builder, tree)


def _binary(builder: Builder, tree: _Branch) -> Expr:
    left, op, right = tree.children
    assert isinstance(op, Token)
    return Binary(_spaced(op), _expr(builder, left), _expr(builder, right), builder.span(op), builder.span(tree))


def _compare(builder: Builder, tree: _Branch) -> Expr:
    left, op = tree.children[0], token_at(tree, 1)
    if not (isinstance(left, Tree) and left.data == "compare"):
        return _binary(builder, tree)
    first = token_at(left, 1)
    builder.report(
        "Q0303",
        "comparisons cannot be chained",
        builder.span(op),
        labels=(Label(builder.span(first), "first comparison"),),
        way_out=f"write `{builder.text[slice(*range_of(left))]} and {builder.text[range_of(left.children[2])[0] : range_of(tree)[1]]}`",
    )
    return _expr(builder, left)


def _unary(builder: Builder, tree: _Branch) -> Expr:
    return Unary(str(tree.children[0]), _expr(builder, tree.children[1]), builder.span(tree))


def _for_bars(builder: Builder, tree: _Branch) -> Expr:
    return ForBars(_expr(builder, tree.children[0]), _expr(builder, tree.children[2]), builder.span(tree))


def _call(builder: Builder, tree: _Branch) -> Expr:
    arguments = next((c for c in tree.children if isinstance(c, Tree)), None)
    args = tuple(_expr(builder, c) for c in arguments.children if isinstance(c, Tree)) if arguments else ()
    return Call(_name(builder, tree.children[0]), args, builder.span(tree))


def _history(builder: Builder, tree: _Branch) -> Expr:
    operand, number = _expr(builder, tree.children[0]), _number(builder, token_at(tree, 2))
    if number.unit or number.value != int(number.value):
        builder.report(
            "Q0404", "history is a whole number of bars", number.span, way_out="`close[1]` is the bar before"
        )
        return operand
    return History(operand, int(number.value), builder.span(tree))


def _at_rate(builder: Builder, tree: _Branch) -> Expr:
    operand, token = _expr(builder, tree.children[0]), token_at(tree, 2)
    rate = _rate(builder, token)
    return AtRate(operand, rate, builder.span(token), builder.span(tree)) if rate else operand


def _paren(builder: Builder, tree: _Branch) -> Expr:
    return _expr(builder, tree.children[1])


_EXPRESSIONS: Final[dict[str, Callable[[Builder, _Branch], Expr]]] = {
    "binary": _binary,
    "compare": _compare,
    "unary": _unary,
    "for_bars": _for_bars,
    "call": _call,
    "history": _history,
    "at_rate": _at_rate,
    "paren": _paren,
    "name": lambda builder, tree: _name(builder, tree.children[0]),
    "number": lambda builder, tree: _number(builder, token_at(tree, 0)),
    "string": lambda builder, tree: text_of(builder, tree.children[0]),
}


# ---- leaves


def _rate(builder: Builder, token: Token) -> str | None:
    """One of the rates, or None after a report."""
    if str(token) in RATE_SECONDS:
        return str(token)
    number = _number(builder, token)
    near = (
        {v: k for k, v in RATE_SECONDS.items()}.get(int(number.value)) if number.unit in {"s", "m", "h", "d"} else None
    )
    way_out = f"write `{near}`" if near else "the rates are " + ", ".join(f"`{r}`" for r in RATE_SECONDS)
    builder.report("Q0405", f"`{token}` is not a rate", number.span, way_out=way_out)
    return None


def _number(builder: Builder, token: Token) -> Number:
    text = str(token)
    unit = next((u for u in _UNITS if text.endswith(u)), "")
    digits = text.removesuffix(unit).strip().replace("_", "")
    # a float knows infinity where a Decimal of an absurd exponent would raise
    value = float(digits)
    if value > LARGEST_NUMBER:
        message = f"a number is at most {LARGEST_NUMBER:g}"
        builder.report("Q0205", message, builder.span(token))
        value = 0.0
    elif value:
        value = float(Decimal(digits) * _SCALE[unit])
    return Number(value, unit, text, builder.span(token))


def _name(builder: Builder, token: _Branch | Token) -> Name:
    return Name(str(token), builder.span(token))


def text_of(builder: Builder, token: _Branch | Token) -> Text:
    assert isinstance(token, Token)
    value = decoded(builder, token)[0] if token.type == "STRING" else str(token)
    return Text(value, builder.span(token))


def decoded(builder: Builder, token: Token) -> tuple[str, tuple[int, ...]]:
    """The text between the quotes, and the offset of each of its characters (and of its end) in the file."""
    raw, start = str(token), token.start_pos or 0
    characters: list[str] = []
    offsets: list[int] = []
    index = 1
    while index < len(raw) - 1:
        offsets.append(start + index)
        if raw[index] == "\\":
            character, index = _escaped(builder, token, index + 1)
            characters.append(character)
        else:
            characters.append(raw[index])
            index += 1
    return "".join(characters), (*offsets, start + len(raw) - 1)


def _escaped(builder: Builder, token: Token, index: int) -> tuple[str, int]:
    """The character that an escape stands for, and the index behind it; `index` is that of the letter."""
    raw, start = str(token), token.start_pos or 0
    letter = raw[index]
    width = _HEX_ESCAPES.get(letter, 0)
    digits = raw[index + 1 : index + 1 + width]
    if letter in _ESCAPES:
        return _ESCAPES[letter], index + 1
    if width and len(digits) == width and all(c in hexdigits for c in digits):
        number = int(digits, 16)
        if number <= _LARGEST_CHARACTER and number not in _SURROGATES:
            return chr(number), index + 1 + width
    span = builder.place(start + index - 1, start + index + 1)
    builder.report("Q0302", f"`{span.text}` is no escape", span, way_out="a backslash is written `\\\\`")
    return letter, index + 1


def _spaced(token: Token) -> str:
    """`crosses   above` is `crosses above`."""
    return " ".join(str(token).split())


def token_at(tree: _Branch, index: int) -> Token:
    token = tree.children[index]
    assert isinstance(token, Token)
    return token


def range_of(node: _Branch | Token) -> tuple[int, int]:
    if isinstance(node, Token):
        return node.start_pos or 0, node.end_pos or 0
    return getattr(node.meta, "start_pos", 0), getattr(node.meta, "end_pos", 0)


def listed(tree: _Branch | Token) -> list[_Branch]:
    """The items of a left-recursive list, in their order."""
    items: list[_Branch] = []
    while isinstance(tree, Tree) and tree.children:
        rest, item = tree.children
        assert isinstance(item, Tree)
        items.append(item)
        tree = rest
    items.reverse()
    return items
