"""Expressions -> graph nodes.

In: checked expressions and an `Env` that says what names stand for. Out: indexes of drafts. Expects what `check.py` let
pass: it reports nothing and looks nothing up that could be missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .builtins import ACROSS, BUILTINS, FIELDS, MARKET, STATEFUL
from .graph import Graph
from .syntax import AtRate, Binary, Call, Definition, Expr, ForBars, History, Name, Number, Text, Unary

_OPS: Final = {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "at most": "min2", "and": "and", "or": "or",
    ">": "gt", ">=": "ge", "<": "lt", "<=": "le", "==": "eq", "!=": "ne",
    "crosses above": "crosses_above", "crosses below": "crosses_below",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Env:
    """`names`: params and lets, as draft indexes; `outer` gives the draft of a feature or of a regime output."""

    graph: Graph
    names: Mapping[str, int]
    outer: Callable[[str], int]
    rate: str = "15m"


def lower(env: Env, expr: Expr) -> int:
    """The draft that computes an expression."""
    return _LOWERED[type(expr)](env, expr)


def lower_lets(env: Env, definition: Definition) -> Env:
    """The environment in which the rules of a definition stand."""
    names = dict(env.names)
    for let in definition.lets:
        inner = replace(env, names=names, rate=let.rate or env.rate)
        names[let.name.name] = lower(inner, let.value)
    return replace(env, names=names)


def parameters(graph: Graph, values: Mapping[str, float]) -> dict[str, int]:
    """Parameters as constants."""
    return {name: graph.const(value) for name, value in values.items()}


def _name(env: Env, name: str) -> int:
    if name in {"true", "false"}:
        return env.graph.truth(name == "true")
    if name in env.names:
        return env.names[name]
    if name in FIELDS:
        return env.graph.series(name, env.rate)
    if name in MARKET:
        return env.graph.series(name, "1d")
    return env.outer(name)


def _text(_env: Env, _expr: Text) -> int:
    raise TypeError("a text passed the checks")


def _history(env: Env, expr: History) -> int:
    return env.graph.add("lag", (lower(env, expr.operand),), expr.back, rate=env.rate)


def _unary(env: Env, expr: Unary) -> int:
    return env.graph.add("not" if expr.op == "not" else "neg", (lower(env, expr.operand),))


def _for_bars(env: Env, expr: ForBars) -> int:
    return env.graph.add("for_bars", (lower(env, expr.operand),), _bars(env, expr.bars), rate=env.rate)


def _binary(env: Env, expr: Binary) -> int:
    args = (lower(env, expr.left), lower(env, expr.right))
    if expr.op == "??":
        truth = env.graph.drafts[args[0]].kind == "truth"
        return env.graph.add("coalesce_truth" if truth else "coalesce", args)
    return env.graph.add(_OPS[expr.op], args, rate=env.rate if expr.op.startswith("crosses") else "")


def _call(env: Env, expr: Call) -> int:
    builtin = BUILTINS[expr.function.name]
    args = [env.graph.series(field, env.rate) for field in builtin.reads]
    params: list[int] = []
    for index, arg in enumerate(expr.args):
        wanted = builtin.args[min(index, len(builtin.args) - 1)][1]
        if wanted == "bars":
            params.append(_bars(env, arg))
        else:
            args.append(lower(env, arg))
    rate = env.rate if builtin.op in STATEFUL or builtin.op in ACROSS else ""
    if not builtin.more:
        return env.graph.add(builtin.op, args, *params, rate=rate)
    result = args[0]
    for other in args[1:]:
        result = env.graph.add(builtin.op, (result, other))
    return result


def _bars(env: Env, expr: Expr) -> int:
    value = env.graph.value(lower(env, expr))
    assert value is not None
    return int(value)


_LOWERED: Final[dict[type, Callable[[Env, Any], int]]] = {
    Number: lambda env, expr: env.graph.const(expr.value),
    Name: lambda env, expr: _name(env, expr.name),
    Call: _call,
    History: _history,
    AtRate: lambda env, expr: lower(replace(env, rate=expr.rate), expr.operand),
    Unary: _unary,
    Binary: _binary,
    ForBars: _for_bars,
    Text: _text,
}
