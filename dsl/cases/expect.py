"""`expect:` of a case: a flat list of things that must come out, each with the place that says so.

In: the map. Out: `Expectation`s, `all` spread over the symbols with bars. Something that is expected about nothing is a
mistake: a test that cannot fail tests nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from ..diagnostics import problem
from ..section import Section, decimal, word
from ..tree import Entry, Map, Node, Scalar, Seq
from ..units import ratio
from .model import About, Expectation, Wanted, WantedOrder, Weight
from .names import Names, by_symbol, place_of

_ABOUT: Final[tuple[About, ...]] = get_args(About)
_WORDS: Final = {"@mix", "none"}


def read_expectations(section: Section, names: Names) -> tuple[Expectation, ...]:
    """What a tick must bring, in the order of `model.About`."""
    entry = section.node.entry("expect")
    if entry is None:
        return ()
    expect = section.section("expect")
    if not expect.node.entries:
        _nothing(expect, entry)
        return ()
    listed: list[Expectation] = []
    for about in _ABOUT:
        part = expect.node.entry(about)
        if part is not None:
            new = list(_part(expect, names, about, part))
            empty = isinstance(part.value, Map) and not part.value.entries
            if empty:
                _nothing(expect, part)
            elif not new and not _unknown_only(part, names):
                _nothing(expect, part, ": no symbol of the case has bars" if names.barless else "")
            listed += new
    return tuple(listed)


def _unknown_only(part: Entry, names: Names) -> bool:
    """Nothing came of it because its names are unknown, which has been said, or cannot be judged."""
    if names.world is None or (isinstance(part.value, Scalar) and not names.barless):
        return True
    return isinstance(part.value, Map) and any(entry.key != "all" or not names.barless for entry in part.value)


def _nothing(section: Section, entry: Entry, why: str = "") -> None:
    message = f"`{entry.key}` expects nothing{why}"
    way_out = "say what must come out, for example `target: {SPY: 20%}` or `orders: []`"
    section.found.problems.append(problem("Q0808", message, entry.key_span, help=way_out))


def _part(expect: Section, names: Names, about: About, part: Entry) -> Iterator[Expectation]:
    path = expect.at(about)
    expect.found.origins[path] = place_of(part)
    if about in {"market_phase", "kill", "trading"}:
        if isinstance(part.value, Scalar):
            yield Expectation(about, "", str(part.value.value), path)
    elif about == "orders":
        if isinstance(part.value, Seq):
            yield Expectation(about, "", _orders(expect, names), path)
    elif isinstance(part.value, Scalar):
        wanted = _READ[about](part.value, names)
        yield from (Expectation(about, symbol, wanted, path) for symbol in names.present if wanted is not None)
    else:
        for symbol, entry in by_symbol(part.value, names):
            wanted = _READ[about](entry.value, names)
            expect.found.origins[f"{path}.{entry.key}"] = place_of(entry)
            if wanted is not None:
                yield Expectation(about, symbol, wanted, f"{path}.{entry.key}")


def _text(node: Node, _names: Names) -> Wanted | None:
    return str(node.value) if isinstance(node, Scalar) else None


def _chain(node: Node, names: Names) -> Wanted | None:
    if not isinstance(node, Scalar) or not names.chain(str(node.value), node.span):
        return None
    return str(node.value)


def _strategy(node: Node, names: Names) -> Wanted | None:
    if not isinstance(node, Scalar):
        return None
    name = str(node.value)
    return name if name in _WORDS or names.strategy(name, node.span) else None


def _fraction(node: Node, _names: Names) -> Wanted | None:
    return ratio(node.value) if isinstance(node, Scalar) else None


def _reasons(node: Node, _names: Names) -> Wanted | None:
    items = node.items if isinstance(node, Seq) else (node,)
    return tuple(str(item.value) for item in items if isinstance(item, Scalar)) or None


def _guards(node: Node, names: Names) -> Wanted | None:
    """Names of guards; `none` and `[]` are no guard."""
    items = [item for item in (node.items if isinstance(node, Seq) else (node,)) if isinstance(item, Scalar)]
    named = [item for item in items if item.value != "none"]
    known = [names.guard(str(item.value), item.span) for item in named]
    return tuple(str(item.value) for item in named) if all(known) else None


def _weights(node: Node, names: Names) -> Wanted | None:
    if not isinstance(node, Map):
        return None
    weights = (
        (entry.key, ratio(entry.value.value))
        for entry in node
        if isinstance(entry.value, Scalar) and names.strategy(entry.key, entry.key_span)
    )
    return tuple(Weight(name, weight) for name, weight in weights if weight is not None) or None


_READ: Final[dict[About, Callable[[Node, Names], Any]]] = {
    "chain": _chain,
    "regime": _text,
    "shadow": _text,
    "freshness": _text,
    "selected": _strategy,
    "weights": _weights,
    "target": _fraction,
    "because": _reasons,
    "guards": _guards,
    "position_policy": _text,
    "denied": _text,
    "canceled": _text,
}


def _orders(expect: Section, names: Names) -> tuple[WantedOrder, ...]:
    wanted = []
    for inner in expect.sections("orders"):
        symbol = inner.scalar("symbol")
        if symbol is not None and names.symbol(str(symbol.value), symbol.span):
            side, leg = inner.value("side", word, ""), inner.value("leg", word, "")
            qty, because = inner.value("qty", decimal, None), inner.value("because", word, "")
            wanted.append(WantedOrder(str(symbol.value), side, leg, qty, because))
    return tuple(wanted)
