"""Which names an expression or a definition reads, and the order in which features can be worked on.

In: syntax. Out: names, and features ordered so that each comes after those it reads. Nothing here recurses, so a long
chain of features is no deeper than a short one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from .syntax import AtRate, Binary, Call, Definition, Expr, ForBars, History, Name, Unary


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything in it, from left to right."""
    waiting: list[Expr] = [expr]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(reversed(parts(node)))


def parts(expr: Expr) -> tuple[Expr, ...]:
    """The operands of an expression, from left to right."""
    match expr:
        case Binary():
            return (expr.left, expr.right)
        case Call():
            return expr.args
        case History() | AtRate() | Unary():
            return (expr.operand,)
        case ForBars():
            return (expr.operand, expr.bars)
        case _:
            return ()


def names_in(exprs: Iterable[Expr]) -> tuple[str, ...]:
    """All names in the expressions, each once, in the order of the text."""
    return tuple(dict.fromkeys(node.name for expr in exprs for node in walk(expr) if isinstance(node, Name)))


def free_names(definition: Definition) -> tuple[str, ...]:
    """Names that a definition reads from outside."""
    own = {p.name.name for p in definition.params} | {t.name.name for t in definition.lets}
    exprs = (*(t.value for t in definition.lets), *(r.value for r in definition.rules))
    return tuple(name for name in names_in(exprs) if name not in own)


def in_reading_order(
    start: Iterable[str], find: Callable[[str], Definition | None]
) -> tuple[tuple[Definition, ...], tuple[tuple[str, ...], ...]]:
    """Features that are read from some names, each after those it reads itself; and the circles that were found."""
    done: dict[str, Definition] = {}
    circles: list[tuple[str, ...]] = []
    path: dict[str, Iterator[str]] = {}
    top = iter(tuple(start))
    while True:
        names = next(reversed(path.values())) if path else top
        name = next(names, None)
        if name is None:
            if not path:
                return tuple(done.values()), tuple(circles)
            finished, _ = path.popitem()
            definition = find(finished)
            assert definition is not None
            done[finished] = definition
        elif name in path:
            way = tuple(path)
            circles.append((*way[way.index(name) :], name))
        elif name not in done and (definition := find(name)) is not None:
            path[name] = iter(free_names(definition))
