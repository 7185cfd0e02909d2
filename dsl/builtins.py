"""The functions of the language, in one table: signature, result, node operation, warm-up, and a line for people.

In: nothing. Out: `BUILTINS` for checks, lowering, completion and docs, `STATEFUL` warm-ups by node operation, and the
series and regime outputs that every expression may name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log
from typing import Final, Literal

from .types import NUM, PRICE, PROB, QTY, Type

#: what an argument may be: value = any number or price; same = value, all of one type; plain = without dimension;
#: condition; bars = constant number of bars, 1 or more
Argument = Literal["value", "same", "plain", "condition", "bars"]
#: type of the result: that of the first value, or a fixed one, or the square root of the first value's
Result = Literal["same", "num", "prob", "ratio", "price", "root"]


#: where a result lies: the smallest and the largest value (None: no limit), or how it follows from the arguments: same = among
#: its values, last_two = among the last two, and one rule each for those that have their own
Range = tuple[int | None, int | None] | Literal["same", "last_two", "sum", "min", "max", "abs", "change", "deviation"]
_ANYWHERE: Final = (None, None)


@dataclass(frozen=True, slots=True)
class Builtin:
    """`args` by name and kind; `reads` are bar fields that the function takes from the symbol by itself; `more` says that
    the last argument may be repeated; `across` that it looks across the universe; `doc` and `example` are for people;
    `range` is where the result lies whatever the market does, or where that follows from the arguments."""

    name: str
    args: tuple[tuple[str, Argument], ...]
    result: Result
    op: str
    doc: str
    example: str
    reads: tuple[str, ...] = ()
    more: bool = False
    across: bool = False
    range: Range = _ANYWHERE

    @property
    def signature(self) -> str:
        """As people write it: `sma(x, n)`."""
        return f"{self.name}({', '.join(name for name, _ in self.args)}{', ...' if self.more else ''})"


_X: Final[tuple[str, Argument]] = ("x", "value")
_N: Final[tuple[str, Argument]] = ("n", "bars")
_WINDOW: Final = (_X, _N)
_BAR: Final = ("high", "low", "close")

_TABLE: Final = (
    Builtin("sma", _WINDOW, "same", "sma", "Mean of the last n values.", "sma(close, 20)", range="same"),
    Builtin("ema", _WINDOW, "same", "ema",
            "Exponential mean, alpha = 2 / (n + 1), missing until n values were seen.", "ema(close, 12)@60m", range="same"),
    Builtin("wilder", _WINDOW, "same", "wilder",
            "Wilder's mean, alpha = 1 / n, started by the mean of the first n values.", "wilder(true_range(), 14)", range="same"),
    Builtin("stdev", _WINDOW, "same", "stdev",
            "Sample standard deviation of the last n values.", "stdev(roc(close, 1), 20)", range=(0, None)),
    Builtin("zscore", _WINDOW, "num", "zscore",
            "Distance from the mean of the last n values in standard deviations.", "zscore(close, 50)@60m", range="deviation"),
    Builtin("sum", _WINDOW, "same", "sum", "Sum of the last n values.", "sum(volume, 26)", range="sum"),
    Builtin("highest", _WINDOW, "same", "highest",
            "Largest of the last n values, the current one included.", "highest(high, 20)[1]", range="same"),
    Builtin("lowest", _WINDOW, "same", "lowest",
            "Smallest of the last n values, the current one included.", "lowest(low, 20)[1]", range="same"),
    Builtin("slope", _WINDOW, "same", "slope",
            "Slope per bar of the straight line through the last n values.", "slope(close, 40) / close"),
    Builtin("percentile", _WINDOW, "num", "percentile",
            "Rank of the current value among the last n, 1 / n to 1; equal values share their mean rank.", "percentile(vix.close, 252)@1d", range=(0, 1)),
    Builtin("roc", _WINDOW, "ratio", "roc", "Rate of change over n bars: x / x[n] - 1.", "roc(close, 10)", range="change"),
    Builtin("rsi", _WINDOW, "num", "rsi",
            "Wilder's relative strength index, 0 to 100; missing where nothing ever moved.", "rsi(close, 14)", range=(0, 100)),
    Builtin("atr", (_N,), "price", "atr",
            "Wilder's average true range of the symbol's bars.", "atr(14) / close", reads=_BAR, range=(0, None)),
    Builtin("true_range", (), "price", "true_range",
            "True range of the symbol's bar.", "true_range() / close", reads=_BAR, range=(0, None)),
    Builtin("abs", (_X,), "same", "abs", "Value without its sign.", "abs(close - open)", range="abs"),
    Builtin("min", (("a", "same"), ("b", "same")), "same", "min2",
            "Smallest of the values.", "min(open, close)", more=True, range="min"),
    Builtin("max", (("a", "same"), ("b", "same")), "same", "max2",
            "Largest of the values.", "max(high - low, abs(close - close[1]))", more=True, range="max"),
    Builtin("clip", (("x", "same"), ("low", "same"), ("high", "same")), "same", "clip",
            "x, but not below low nor above high.", "clip(1% / (atr(14) / close), 10%, 100%)", range="last_two"),
    Builtin("log", (_X,), "num", "log", "Natural logarithm; missing for 0 and below.", "log(close / close[1])"),
    Builtin("exp", (("x", "plain"),), "num", "exp", "e to the power of x.", "exp(-abs(zscore(close, 20)))", range=(0, None)),
    Builtin("sqrt", (_X,), "root", "sqrt", "Square root; missing below 0.", "sqrt(volume / sma(volume, 20))", range=(0, None)),
    Builtin("tanh", (("x", "plain"),), "num", "tanh", "Hyperbolic tangent: -1 to 1.", "tanh(zscore(close, 20))", range=(-1, 1)),
    Builtin("sigmoid", (("x", "plain"),), "prob", "sigmoid",
            "1 / (1 + exp(-x)): a probability.", "sigmoid(2 * zscore(close, 20))", range=(0, 1)),
    Builtin("sign", (_X,), "num", "sign", "-1, 0 or 1.", "sign(close - open)", range=(-1, 1)),
    Builtin("choose", (("when", "condition"), ("a", "same"), ("b", "same")), "same", "choose",
            "a where the condition is true, b where it is false.", "choose(close > open, high, low)", range="last_two"),
    Builtin("ratchet", (("x", "same"), ("low", "same"), ("high", "same")), "same", "ratchet",
            "A trailing line: follows low upwards while x is above it, high downwards while below; crossing it changes sides.",
            "ratchet(close, ema(close, 20) - 3 * atr(10), ema(close, 20) + 3 * atr(10))", range="last_two"),
    Builtin("count", (("when", "condition"),), "num", "count",
            "How many symbols of the universe definitely fulfil a condition.", "count(close > sma(close, 20))", across=True, range=(0, None)),
    Builtin("breadth", (("when", "condition"),), "prob", "breadth",
            "Share of the symbols for which the condition is known that fulfil it.", "breadth(close > sma(close, 20))", across=True, range=(0, 1)),
    Builtin("xmean", (_X,), "same", "xmean", "Mean over the symbols that have a value.", "xmean(roc(close, 26))", across=True, range="same"),
    Builtin("xrank", (_X,), "num", "xrank",
            "Rank among the symbols that have a value: 1 is the largest, never 0; equal values share their mean rank.",
            "xrank(roc(close, 26))", across=True, range=(0, 1)),
)  # fmt: skip

BUILTINS: Final = {builtin.name: builtin for builtin in _TABLE}

#: fields of the symbol's own bars, and series of the whole market (known daily)
FIELDS: Final = {"open": PRICE, "high": PRICE, "low": PRICE, "close": PRICE, "volume": QTY}
MARKET: Final = {f"vix.{field}": PRICE for field in ("open", "high", "low", "close")}
REGIME: Final = ("p_trend_up", "p_trend_down", "p_chop", "p_high_vol", "regime_confidence")
RESULTS: Final[dict[Result, Type]] = {"num": NUM, "prob": PROB, "ratio": Type("ratio"), "price": PRICE}
#: features that the chart fit reads, whatever the strategies are
FIT: Final = ("trend15", "trend60", "mom15", "mom60", "vol_score", "overext")

#: bars until a value of this share of the start's weight no longer matters (0.1 %)
_FORGOTTEN: Final = 0.001
#: a ratchet has no fading start: it is taken as settled after this many bars
_RATCHET: Final = 100


def _fading(keep: float) -> int:
    return ceil(log(_FORGOTTEN) / log(keep)) if keep > 0 else 0


def _ema(n: int) -> int:
    return max(n - 1, _fading(1 - 2 / (n + 1)))


def _wilder(n: int) -> int:
    return n - 1 + _fading(1 - 1 / n)


#: bars an operation needs beyond the first of its argument, by its length n; operations without state need none
STATEFUL: Final[dict[str, Callable[[int], int]]] = {
    **dict.fromkeys(
        ("sma", "stdev", "zscore", "sum", "highest", "lowest", "slope", "percentile", "for_bars"), lambda n: n - 1
    ),
    **dict.fromkeys(("lag", "roc"), lambda n: n),
    **dict.fromkeys(("crosses_above", "crosses_below", "true_range"), lambda _n: 1),
    "ema": _ema,
    "wilder": _wilder,
    "rsi": lambda n: 1 + _wilder(n),
    "atr": lambda n: 1 + _wilder(n),
    "ratchet": lambda _n: _RATCHET,
}

#: operations across the universe read their argument for every symbol; the first three give one value for all
ACROSS: Final = frozenset({"count", "breadth", "xmean", "xrank"})
TO_MARKET: Final = frozenset({"count", "breadth", "xmean"})
