"""docs/reference/functions.md: everything that can be written in an expression or a `.qmtl` definition.

In: the table of builtins, and the table of forms below. Out: Markdown. Each example is compiled by a test, and the type
beside it is the one that the checks infer, so neither can be wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .builtins import BUILTINS, FIELDS, MARKET, REGIME, STATEFUL, Argument, Builtin, Result
from .lexing import RESERVED
from .types import NAMED

_ARGUMENTS: Final[dict[Argument, str]] = {
    "value": "any number, ratio, price, quantity",
    "same": "a number of any type, all of one type",
    "plain": "a number without dimension",
    "condition": "a condition",
    "bars": "a constant number of bars, 1 or more",
}
_RESULTS: Final[dict[Result, str]] = {
    "same": "that of its values",
    "num": "number",
    "prob": "probability",
    "ratio": "ratio",
    "price": "price",
    "root": "square root of the value's type",
}
#: lengths for which a warm-up without a simple formula is told
_LENGTHS: Final = (14, 20)


@dataclass(frozen=True, slots=True)
class Form:
    """One way to write something. `binds`: level of an operator, tightest first; `example` is an expression."""

    written: str
    meaning: str
    example: str
    binds: int = 0


#: operators from the tightest to the loosest; those of one level are read from left to right
OPERATORS: Final = (
    Form("x[n]", "The value n closed bars ago, at the rate of x. n is a whole number, 1 or more.", "close / close[1]", 1),
    Form("x@60m, x@1d", "x computed from closed bars of that rate. Symbols have 15m and 60m bars, the market 1d.",
         "close@60m > sma(close, 20)@60m", 1),
    Form("x ?? y", "x where it is known, else y. The only way out of a missing value.", "zscore(close, 50) ?? 0", 2),
    Form("-x", "The opposite number.", "-roc(close, 10)", 3),
    Form("x * y, x / y", "Units follow: price / price is a number, price * quantity is money.", "close * volume / 1_000_000", 4),
    Form("x + y, x - y", "Both of one type; a distance of prices is a price.", "close - 2 * atr(14)", 5),
    Form("x > y, >=, <, <=, ==, !=", "Comparison of two values of one type. `a < b < c` is refused: write `and`.",
         "close > sma(close, 50)", 6),
    Form("x crosses above y, x crosses below y",
         "True on the bar on which x comes to be above (below) y; on the bar before it was not.",
         "ema(close, 12) crosses above ema(close, 26)", 6),
    Form("c for N bars", "True when the condition was true on each of the last N bars, this one included. N is a number or a "
         "parameter.", "close > sma(close, 50) for 3 bars", 7),
    Form("not c", "Unknown stays unknown.", "not close > sma(close, 50)", 8),
    Form("c and d", "False as soon as one is false, also beside an unknown.", "close > open and volume > sma(volume, 20)", 9),
    Form("c or d", "True as soon as one is true, also beside an unknown.", "p_chop > 0.5 or vix.close > 30", 10),
    Form("x at most y", "The smaller of two values: a cap that reads as a sentence.", "abs(zscore(close, 50)) / 3 at most 1", 11),
)  # fmt: skip

LITERALS: Final = (
    Form(
        "12, 0.5, 1_000, 2e6", "A number. It takes the type of what it meets, except beside a ratio.", "volume > 1_000"
    ),
    Form("2%, 25bps", "A ratio: 0.02 and 0.0025. A bare number beside a ratio is refused.", "roc(close, 10) > 2%"),
    Form("1_000 USD", "An amount of money.", "close * volume > 1_000_000 USD"),
    Form("true, false", "A constant condition.", "true"),
)

STATEMENTS: Final = {
    "strategy": (
        ('doc "text"', "What the strategy does, for people.", "at most once"),
        ("style trend", "`trend`, `chop` or `defensive`: in which kind of chain it belongs.", "once"),
        ("param fast: bars = 10 in 3..60", ("A parameter with type, default and allowed range. Worlds change it in "
         "`parameters`."), "any number"),
        ("on 60m { ... }", "Names defined inside are computed from bars of that rate (15m, 60m, 1d).", "any number"),
        ("name = EXPR", "A name for a value. It may be read below its line.", "any number"),
        ("long when CONDITION", ("Entry into the long side. With an exit rule the signal stays until the exit or the opposite "
         "entry; without one it lasts while its condition is not false."), "long, short or both"),
        ("short when CONDITION", "Likewise for the short side.", "long, short or both"),
        ("exit long when CONDITION", "Leaves the long side; comes before entries.", "at most once"),
        ("exit short when CONDITION", "Leaves the short side.", "at most once"),
        ("size EXPR", "How much of the possible position is wanted: a plain number, cut to 0 % to 100 %.", "once"),
        ("stop EXPR, stop at EXPR", "A distance from the average price, or a price level behind `at`.", "at most once"),
        ("take EXPR, take at EXPR", "Likewise for taking profit.", "at most once"),
    ),
    "regime": (
        ('doc "text", param, on, name = EXPR', "As in a strategy.", ""),
        ("score trend_up EXPR", ("How much speaks for it, a plain number. `trend_up`, `trend_down` and `chop` have one each; "
         "their softmax is p_trend_up, p_trend_down and p_chop, which sum to 1."), "once each"),
        ("high_vol EXPR", "A probability: p_high_vol.", "once"),
        ("confidence EXPR", "A probability: regime_confidence. Without it: the largest of the three.", "at most once"),
    ),
    "feature": (
        ('doc "text", on, name = EXPR', "As in a strategy.", ""),
        ("value EXPR", "The value that others read by the feature's name.", "once"),
    ),
}  # fmt: skip


def function_reference(typed: Callable[[str], str]) -> str:
    """The page; `typed` says the type of an expression in words."""
    parts = (
        (
            "# Functions and operators\n\n"
            "Generated by `python -m qmtl.dsl.reference docs/reference` from the tables of the compiler. Every example is compiled "
            "by a test.\n"
        ),
        *_operators(typed),
        *_values(typed),
        *_definitions(),
        (
            "## Functions\n\n"
            "Warm-up is the number of bars, at the rate at which the function is used, until its first value can be trusted. "
            "Warm-ups add up along nested calls; `qmtl validate` prints what a world needs. A length `n` is a whole number or a "
            "parameter of type `bars`.\n"
        ),
        *(_function(builtin, typed(builtin.example)) for builtin in BUILTINS.values()),
    )
    return "\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside cells are made harmless."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _operators(typed: Callable[[str], str]) -> Iterable[str]:
    yield (
        "## Operators\n\nFrom the tightest to the loosest; round brackets group. Operators of one line of precedence are read "
        "from left to right.\n"
    )
    rows = [
        [str(form.binds), _code(form.written), form.meaning, f"`{form.example}`", typed(form.example)]
        for form in OPERATORS
    ]
    yield table(("binds", "written", "meaning", "example", "type"), rows)
    yield (
        "**Missing.** A value that cannot be known (no bar, warm-up, division by zero) is missing, and what is computed from it "
        "is missing too. Conditions are true, false or unknown; a rule acts only on definite true.\n\n"
        "**Rates.** A 60m value in 15m code is the one of the last *closed* 60m bar, a daily market value that of the last day "
        "whose close was known. A finer value cannot be read at a coarser rate. There is no future: history counts backwards "
        "only.\n"
    )


def _values(typed: Callable[[str], str]) -> Iterable[str]:
    yield "## Literals and names\n"
    rows = [[_code(form.written), form.meaning, f"`{form.example}`"] for form in LITERALS]
    yield table(("written", "meaning", "example"), rows)
    names = (
        (FIELDS, "Field of the symbol's own bar"),
        (MARKET, "Daily series of the whole market, known after its day has closed"),
        (REGIME, "Output of the world's regime; readable in strategies and worlds, not in features or regimes"),
    )
    yield table(("name", "type", "what it is"), [[f"`{n}`", typed(n), text] for group, text in names for n in group])
    yield (
        "Besides: parameters, names defined above, and features of `.qmtl` files.\n\n"
        f"Types of parameters: {', '.join(f'`{name}`' for name in NAMED)}.\n\n"
        f"Words that cannot be names: {', '.join(f'`{word}`' for word in sorted(RESERVED))}, and the fields and regime outputs "
        "above.\n"
    )


def _definitions() -> Iterable[str]:
    yield "## Definitions\n\nThey stand in `.qmtl` files of a `strategies` folder. A newline or `;` ends a statement.\n"
    for kind, statements in STATEMENTS.items():
        yield f"### {kind} NAME {{ ... }}\n"
        yield table(("statement", "meaning", "how often"), [[_code(w), m, often] for w, m, often in statements])


def _function(builtin: Builtin, kind: str) -> str:
    arguments = "; ".join(f"`{name}`: {_ARGUMENTS[wanted]}" for name, wanted in builtin.args)
    lines = [f"### {builtin.name}\n", f"`{builtin.signature}`\n", f"{builtin.doc}\n"]
    if arguments:
        lines.append(f"- arguments: {arguments}{'; the last may be repeated' if builtin.more else ''}")
    lines.append(f"- result: {_RESULTS[builtin.result]}{_scope(builtin)}")
    if builtin.reads:
        lines.append(f"- reads by itself: {', '.join(f'`{name}`' for name in builtin.reads)}")
    lines.append(f"- warm-up: {warm_up(builtin.op)}")
    lines.append(f"- example: `{builtin.example}` (a {kind})\n")
    return "\n".join(lines)


def _scope(builtin: Builtin) -> str:
    if not builtin.across:
        return ""
    return ", one per symbol, computed across the universe" if builtin.op == "xrank" else ", one for all symbols"


def warm_up(op: str) -> str:
    """Bars until an operation on a plain series has a value to trust: a formula of n where there is one, else examples."""
    own = STATEFUL.get(op)
    if own is None:
        return "none"
    lengths = range(2, 60)
    for formula, more in (("n", -1), ("n + 1", 0)):
        if all(own(n) == n + more for n in lengths):
            return f"{formula} bars"
    if len({own(n) for n in lengths}) == 1:
        return f"{own(2) + 1} bars"
    return ", ".join(f"{own(n) + 1} bars for n = {n}" for n in _LENGTHS)


def _code(text: str) -> str:
    return ", ".join(f"`{part}`" for part in text.split(", "))
