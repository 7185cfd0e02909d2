"""The tree of an exchange document -> `ExchangePolicy`.

In: a document that fits its schema. Out: the policy, with the defaults of the model for what is absent, and what in it
contradicts itself. Places are noted below `exchange.`; a mistake of a symbol stands at that symbol's own key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from .diagnostics import Diagnostic, Label, problem
from .documents import Document
from .exchange import ANY, ExchangePolicy, FinerTick, SymbolRules, instrument, precision, rules_for
from .section import Convert, Findings, Section, decimal, flag, word
from .similar import nearest
from .source import Span
from .tree import Map, Seq
from .units import ratio

_RULES: Final[Mapping[str, Convert]] = {
    "lot_size": decimal, "fractional": flag, "fractional_shorts": flag, "tick_size": decimal, "min_quantity": decimal,
    "max_quantity": decimal, "min_notional": decimal, "fractional_min_notional": decimal, "max_notional": decimal,
    "market_lot_size": decimal, "market_min_quantity": decimal, "market_max_quantity": decimal, "shorting": flag,
    "closing": word,
}  # fmt: skip
_EXCHANGE: Final[Mapping[str, Convert]] = {
    **_RULES, "reduce_only": flag, "reduce_only_ioc": flag, "time_in_force": word, "exit_time_in_force": word,
    "limit_time_in_force": word, "order_type": word, "exit_order_type": word, "collar": ratio,
}  # fmt: skip
_LISTS: Final = ("allowed_time_in_force", "fractional_time_in_force", "allowed_order_types")
_CODE: Final = "Q0626"
_ATOMS: Final = 10**12


def read_exchange(document: Document, found: Findings) -> ExchangePolicy:
    """The order rules of a venue; sizes and prices as decimals. Mistakes are told once, however many worlds name it."""
    root = Section(document.tree, "exchange", found)
    policy = root.fill(ExchangePolicy(document.name), _EXCHANGE)
    lists = {name: tuple(sorted({str(item.value) for item in root.words(name)})) for name in _LISTS}
    policy = replace(
        policy,
        **lists,  # type: ignore[arg-type]
        finer_ticks=_finer(root) or (),
        symbols=tuple(sorted(_symbols(root), key=lambda rules: precision(rules.name))),
        aliases=tuple(sorted(_aliases(root))),
    )
    found.problems.extend(_contradictions(root, policy))
    return policy


def misspelt_rules(document: Document, traded: Collection[str]) -> Iterator[Diagnostic]:
    """Rules for a symbol that is nearly one that a world trades here, and that has no rules of its own. A policy may well
    know more symbols than anybody trades; `traded` are all that worlds on this exchange have."""
    root = Section(document.tree, "exchange", Findings())
    policy = replace(ExchangePolicy(document.name), aliases=tuple(_aliases(root)))
    called = {*traded, *(instrument(policy, symbol) for symbol in traded)}
    entries = root.section("symbols").node.entries
    own = {entry.key for entry in entries}
    for entry in entries:
        if ANY in entry.key or entry.key in called:
            continue
        near = nearest(entry.key, sorted(called - own), most=1)
        if near:
            message = f"no world on this exchange trades `{entry.key}`"
            yield problem("Q0627", message, entry.key_span, help=f"did you mean `{near}`?")


# ---- reading


def _finer(section: Section) -> tuple[FinerTick, ...] | None:
    """The finer price steps by rising price, None where the text says nothing."""
    if not isinstance(section.node.get("finer_ticks"), Seq):
        return None
    steps: list[FinerTick] = []
    for item in section.sections("finer_ticks"):
        below, tick = item.value("below", decimal, None), item.value("tick_size", decimal, None)
        if below is not None and tick is not None:
            steps.append(FinerTick(below, tick))
    section.scalars("finer_ticks")  # notes the place
    return tuple(sorted(steps, key=lambda step: step.below))


def _symbols(root: Section) -> Iterator[SymbolRules]:
    outer = root.section("symbols")
    for entry in outer.node:
        if isinstance(entry.value, Map):
            own = outer.child(entry)
            root.found.origins[own.path] = entry.key_span
            yield replace(own.fill(SymbolRules(entry.key), _RULES), finer_ticks=_finer(own))


def _aliases(root: Section) -> Iterator[tuple[str, str]]:
    outer = root.section("aliases")
    for entry in outer.node:
        name = outer.value(entry.key, word, "")
        if name:
            yield entry.key, name


# ---- contradictions


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the rules of one symbol are said: its own map first, then the policy's."""

    sections: tuple[Section, ...]
    about: str = ""

    def of(self, *names: str) -> Span | None:
        """The first place that says one of these; of two it is the more precise one."""
        for section in self.sections:
            for name in names:
                entry = section.node.entry(name)
                if entry is not None:
                    return entry.value.span
        return None

    def own(self, *names: str) -> bool:
        """Whether the innermost map says one of these: what is wrong outside is told there."""
        return any(self.sections[0].node.entry(name) for name in names)


def _contradictions(root: Section, policy: ExchangePolicy) -> Iterator[Diagnostic]:
    yield from _of_one(policy, _Place((root,)))
    yield from _of_orders(root, policy)
    outer = root.section("symbols")
    for entry in outer.node:
        if isinstance(entry.value, Map):
            own = Section(entry.value, outer.at(entry.key), Findings())
            rules = rules_for(replace(policy, aliases=()), entry.key)
            yield from _of_one(rules, _Place((own, root), f" for `{entry.key}`"))
    yield from _of_aliases(root, policy)


def _pairs(policy: ExchangePolicy) -> Iterator[tuple[str, str, str]]:
    """(name of the smaller one, of the larger one, what is wrong) of numbers that stand the wrong way round."""
    market = policy.market_max_quantity or policy.max_quantity
    least = policy.min_quantity if policy.market_min_quantity is None else policy.market_min_quantity
    sizes = (
        ("min_quantity", policy.min_quantity, "max_quantity", policy.max_quantity),
        ("market_min_quantity", least, "market_max_quantity", market),
        ("min_notional", policy.min_notional, "max_notional", policy.max_notional),
        ("fractional_min_notional", policy.fractional_min_notional, "max_notional", policy.max_notional),
        ("lot_size", policy.lot_size, "max_quantity", policy.max_quantity),
        ("market_lot_size", policy.market_lot_size or policy.lot_size, "market_max_quantity", market),
    )
    for low, size, high, most in sizes:
        if most is not None and size > most:
            yield low, high, f"`{low}` of {size:f} is above `{high}` of {most:f}"


def _of_one(policy: ExchangePolicy, place: _Place) -> Iterator[Diagnostic]:
    """What contradicts itself in the sizes of one symbol."""
    told: set[str] = set()
    for low, high, message in _pairs(policy):
        if not place.own(low, high) or high in told:
            continue
        told |= {high, "market_max_quantity"} if high == "max_quantity" else {high}
        at, other = place.of(low), place.of(high)
        labels = (Label(other, "the largest one"),) if at and other else ()
        yield problem(_CODE, f"{message}{place.about}: no order fits", at or other, labels=labels)
    for names, message, help_text in _kinds(policy):
        if place.own(*names):
            yield problem(_CODE, message + place.about, place.of(*names), help=help_text)
    if place.own("lot_size", "fractional"):
        yield from _parts(policy, place)


def _parts(policy: ExchangePolicy, place: _Place) -> Iterator[Diagnostic]:
    """Lots and `fractional` that do not fit each other: whole shares are traded, whatever one of the two says."""
    lot = policy.lot_size
    if policy.fractional and lot >= 1:
        message = f"`fractional: true`, and the smallest part is {lot:f}{place.about}: only whole shares are traded"
        way_out = "say the smallest part, such as `lot_size: 0.001`"
        yield problem("Q0629", message, place.of("fractional", "lot_size"), help=way_out)
    if not policy.fractional and lot % 1:
        message = f"a `lot_size` of {lot:f} without `fractional: true`{place.about}"
        way_out = "without parts a lot is at least one share" if lot < 1 else "without parts a lot is of whole shares"
        yield problem("Q0629", message, place.of("lot_size", "fractional"), help=way_out)


def _kinds(policy: ExchangePolicy) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """(names, what is wrong, way out) of settings that cannot stand together."""
    lot, market = policy.lot_size, policy.market_lot_size
    if market is not None and market % lot:
        yield ("market_lot_size", "lot_size"), f"`market_lot_size` of {market:f} is no multiple of {lot:f}", ""
    for name in ("lot_size", "market_lot_size"):
        size = getattr(policy, name)
        if size is not None and size * _ATOMS < 1:
            yield (name,), f"`{name}` is finer than a millionth of a millionth", ""
    for step in policy.finer_ticks:
        if step.tick_size > policy.tick_size:
            way_out = "cheaper instruments have smaller steps"
            message = (
                f"the step under {step.below:f} is {step.tick_size:f}, and `tick_size` is only {policy.tick_size:f}"
            )
            yield ("finer_ticks",), message, way_out
            break
    twice = {step.below for step in policy.finer_ticks}
    if len(twice) < len(policy.finer_ticks):
        yield ("finer_ticks",), "two steps say `below` the same price", ""


def _of_orders(root: Section, policy: ExchangePolicy) -> Iterator[Diagnostic]:
    """Kinds of orders and how long they live."""
    place = _Place((root,))
    limits = [name for name in ("order_type", "exit_order_type") if getattr(policy, name) == "limit"]
    if limits and policy.collar is None and not root.node.entry("collar"):
        way_out = "say how far the price may be from the mark, such as `collar: 0.5%`"
        yield problem(_CODE, f"`{limits[0]}: limit` needs a `collar`", place.of(*limits), help=way_out)
    if policy.collar is not None and not limits:
        yield problem(_CODE, "`collar` without a limit order", place.of("collar"), help="say `order_type: limit`")
    for name in ("order_type", "exit_order_type"):
        kind = getattr(policy, name)
        if policy.allowed_order_types and kind not in policy.allowed_order_types:
            yield _not_allowed((name, kind), "allowed_order_types", place)
            break
    for name, word_ in _lives(policy):
        if policy.allowed_time_in_force and word_ not in policy.allowed_time_in_force:
            yield _not_allowed((name, word_), "allowed_time_in_force", place)
            break
    yield from _of_fractions(policy, place)
    if policy.reduce_only_ioc and not policy.reduce_only:
        yield problem(_CODE, "`reduce_only_ioc` without `reduce_only: true`", place.of("reduce_only_ioc"))


def _lives(policy: ExchangePolicy) -> Iterator[tuple[str, str]]:
    """(name, time in force) of all that orders of a tick may be given."""
    yield "time_in_force", policy.time_in_force
    for name in ("exit_time_in_force", "limit_time_in_force"):
        said = getattr(policy, name)
        if said is not None:
            yield name, said
    if policy.reduce_only_ioc:
        yield "reduce_only_ioc", "ioc"


def _of_fractions(policy: ExchangePolicy, place: _Place) -> Iterator[Diagnostic]:
    allowed, general = policy.fractional_time_in_force, policy.allowed_time_in_force
    if not allowed:
        return
    beyond = [name for name in allowed if general and name not in general]
    if beyond:
        yield _not_allowed(("fractional_time_in_force", beyond[0]), "allowed_time_in_force", place)
    for name, word_ in _lives(policy):
        if word_ not in allowed and not beyond and any(_fractional(policy)):
            yield _not_allowed((name, word_), "fractional_time_in_force", place)
            return


def _fractional(policy: ExchangePolicy) -> Iterator[bool]:
    yield policy.fractional
    yield from (bool(rules.fractional) for rules in policy.symbols)


def _not_allowed(said: tuple[str, str], name: str, place: _Place) -> Diagnostic:
    """A kind of order, or how long it lives, that the venue does not take."""
    at, other = place.of(said[0]), place.of(name)
    labels = (Label(other, "what it takes"),) if at and other and at != other else ()
    message = f"`{said[0]}` is `{said[1]}`, and `{name}` does not have it"
    return problem(_CODE, message, at or other, labels=labels)


def _of_aliases(root: Section, policy: ExchangePolicy) -> Iterator[Diagnostic]:
    """An alias of an alias, or of itself."""
    known: dict[str, Any] = dict(policy.aliases)
    for entry in root.section("aliases").node:
        target = known.get(entry.key)
        if target is not None and target in known:
            message = f"`{entry.key}` stands for `{target}`, which stands for `{known[target]}`"
            yield problem(_CODE, message, entry.value.span, help="name the venue's own symbol")
