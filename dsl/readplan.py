"""The tree of a world plan -> `Plan`.

In: a plan document, and which worlds there are with which strategies. Out: the plan, and what is wrong with it. Nothing is
guessed: a world or a strategy that stands only before or only after the shift is a mistake, never a liquidation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from .diagnostics import Label, problem
from .documents import Document
from .model import Overlay, Plan, ScalingBudget, SharedAccount, WorldShift
from .section import Convert, Findings, Section, decimal, flag, word
from .similar import did_you_mean
from .source import Span
from .tree import Entry, Map, Scalar
from .units import money, ratio, spell_ratio

SIDES: Final = ("before", "after")
#: slack of sums of fractions
_EPS: Final = 1e-9
_OVERLAY: Final[Mapping[str, Convert]] = {
    "instrument": word,
    "hedge_ratio": decimal,
    "multiplier": decimal,
    "base_alloc": ratio,
}
_ACCOUNT: Final[Mapping[str, Convert]] = {"max_gross": ratio, "max_net": ratio, "margin_headroom": ratio}
Shares = dict[str, float]


@dataclass(frozen=True, slots=True)
class PlanWorlds:
    """The worlds near a plan that it names: their strategies, or None where the world itself has mistakes; and the way
    out for a name that is none of them ("" when its file cannot be read, which is told elsewhere)."""

    strategies: Mapping[str, tuple[str, ...] | None]
    way_out: Callable[[str], str]


def world_names(document: Document) -> tuple[str, ...]:
    """The worlds of a plan, in the order of the text."""
    return tuple(name for name, _ in world_places(document))


def world_places(document: Document) -> tuple[tuple[str, Span], ...]:
    """The worlds of a plan, each with the first place that names it."""
    root = Section(document.tree, "", Findings())
    first: dict[str, Span] = {}
    for side in SIDES:
        for entry in root.section(side).node:
            first.setdefault(entry.key, entry.key_span)
    return tuple(first.items())


def read_plan(document: Document, worlds: PlanWorlds, found: Findings) -> Plan:
    """The meaning of a plan document."""
    root = Section(document.tree, "", found)
    shares = {side: _shares(root.section(side), f"the shares `{side}`") for side in SIDES}
    named = _worlds(root, worlds)
    inner = _strategies(root, (shares, named), worlds)
    plan = Plan(
        name=document.name,
        method=root.value("method", word, "scaling"),
        worlds=tuple(_shift(name, shares, inner) for name in named),
        overlays=_overlays(root, named),
        budget=_budget(root),
        min_trade_notional=root.value("min_trade_notional", money, Decimal(0)),
        lot_sizes=_lots(root),
        target=root.value("target", flag, False),
        scope=root.value("scope", word, "per_world"),
        shared_account=_account(root),
        submit=root.value("submit", flag, False),
        run_id=root.value("run_id", word, ""),
        description=root.value("description", word, ""),
    )
    _hedged(root, plan)
    _not_yet(root, plan)
    return plan


# ---- shares


def _shares(section: Section, about: str) -> Shares:
    """Fractions by name, each in [0, 1], together at most 1; what is outside is told at its place."""
    shares: Shares = {}
    total = 0.0
    for entry in section.node:
        size = _share(section, entry)
        if size is None:
            continue
        shares[entry.key] = size
        total += size
        if total > 1 + _EPS >= total - size:
            message = f"{about} add up to {spell_ratio(total)} with `{entry.key}`"
            help_text = "they are fractions of total equity, together at most 100%"
            section.found.problems.append(problem("Q0801", message, entry.value.span, help=help_text))
    return shares


def _share(section: Section, entry: Entry) -> float | None:
    scalar = section.scalar(entry.key)
    size = None if scalar is None else ratio(scalar.value)
    if size is None:
        return None
    if not 0 <= size <= 1:
        help_text = "a share is a fraction of total equity, from 0% to 100%"
        message = f"the share of `{entry.key}` is {entry.value.span.text}"
        section.found.problems.append(problem("Q0801", message, entry.value.span, help=help_text))
        return None
    return size


def _shift(name: str, shares: Mapping[str, Shares], inner: Mapping[str, Mapping[str, Shares]]) -> WorldShift:
    own = (tuple(inner[side].get(name, {}).items()) for side in SIDES)
    return WorldShift(name, shares["before"].get(name, 0.0), shares["after"].get(name, 0.0), *own)


# ---- worlds and strategies


def _worlds(root: Section, worlds: PlanWorlds) -> tuple[str, ...]:
    """The worlds on both sides that exist."""
    sections = {side: root.section(side) for side in SIDES}
    places = {side: {entry.key: entry.key_span for entry in sections[side].node} for side in SIDES}
    unknown = [name for side in SIDES for name in places[side] if name not in worlds.strategies]
    for name in dict.fromkeys(unknown):
        spans = [places[side][name] for side in SIDES if name in places[side]]
        help_text = worlds.way_out(name)
        if help_text:
            more = tuple(Label(span, "also here") for span in spans[1:])
            root.found.problems.append(
                problem("Q0802", f"unknown world `{name}`", spans[0], labels=more, help=help_text)
            )
    if not unknown:  # one misspelt name is not also missing on the other side
        _on_both_sides(root, places)
    return tuple(name for name in places["before"] if name in places["after"] and name in worlds.strategies)


def _on_both_sides(root: Section, places: Mapping[str, Mapping[str, Span]]) -> None:
    for side, other in (SIDES, SIDES[::-1]):
        entry = root.node.entry(other)
        for name, place in places[side].items():
            if name not in places[other] and places[other] and entry is not None:
                message = f"`{name}` stands in `{side}`, but not in `{other}`"
                label = Label(entry.key_span, "not here")
                way_out = f"say `{name}: 0%` if that is meant; nothing is closed or opened by leaving it out"
                root.found.problems.append(problem("Q0802", message, place, labels=(label,), help=way_out))


def _strategies(
    root: Section, about: tuple[Mapping[str, Shares], tuple[str, ...]], worlds: PlanWorlds
) -> dict[str, dict[str, Shares]]:
    """Shares by side, world and strategy."""
    shares, named = about
    outer = root.section("strategies")
    inner: dict[str, dict[str, Shares]] = {}
    for side in SIDES:
        inner[side] = {}
        section = outer.section(side)
        for entry, own in _by_world(root, section, named):
            inner[side][entry.key] = _shares(own, f"the strategies of `{entry.key}`")
            known = worlds.strategies[entry.key]
            whole = known is None or _known_strategies(own, (entry, known), side)
            if side == "after" and whole:
                _adds_up(root, entry, (inner[side][entry.key], shares[side]))
    return inner


def _by_world(root: Section, section: Section, named: tuple[str, ...]) -> Iterator[tuple[Entry, Section]]:
    """The maps of a section that stand under the name of a world of the plan; other names are told."""
    for entry in section.node:
        if not isinstance(entry.value, Map):
            continue
        if entry.key in named:
            yield entry, section.child(entry)
        else:
            _no_world_of_this(root, entry, named)


def _no_world_of_this(root: Section, entry: Entry, named: Iterable[str]) -> None:
    both = {e.key for side in SIDES for e in root.section(side).node}
    if entry.key in both:
        return  # what is wrong with it has been told there
    help_text = did_you_mean(entry.key, named) or "the worlds of a plan stand in `before` and `after`"
    message = f"`{entry.key}` is not a world of this plan"
    root.found.problems.append(problem("Q0802", message, entry.key_span, help=help_text))


def _known_strategies(section: Section, about: tuple[Entry, tuple[str, ...]], side: str) -> bool:
    """Whether the strategies are those of the world: none unknown, and after the shift none left out."""
    world, known = about
    unknown = [entry for entry in section.node if entry.key not in known]
    for entry in unknown:
        help_text = did_you_mean(entry.key, known) or f"its strategies are {', '.join(f'`{n}`' for n in known)}"
        message = f"world `{world.key}` has no strategy `{entry.key}`"
        section.found.problems.append(problem("Q0802", message, entry.key_span, help=help_text))
    absent = [name for name in known if section.node.entry(name) is None]
    if side == "after" and absent and not unknown:
        names = ", ".join(f"`{name}`" for name in absent)
        message = f"the shares after the shift leave out {names} of world `{world.key}`"
        help_text = f"say `{absent[0]}: 0%` if its positions are to be closed"
        section.found.problems.append(problem("Q0802", message, world.key_span, help=help_text))
    return not unknown and not absent


def _adds_up(root: Section, world: Entry, about: tuple[Shares, Shares]) -> None:
    inner, shares = about
    assert isinstance(world.value, Map)
    if world.key not in shares or len(inner) != len(world.value.entries):
        return  # a share that could not be read has been told
    total = sum(inner.values())
    if abs(total - shares[world.key]) > _EPS:
        own = root.section("after").node.get(world.key)
        assert isinstance(own, Scalar)
        message = f"the strategies of `{world.key}` add up to {spell_ratio(total)}, its own share is {own.span.text}"
        labels = (Label(own.span, "the share of the world"),)
        root.found.problems.append(
            problem("Q0801", message, world.key_span, labels=labels, help="both are fractions of total equity")
        )


# ---- overlays and the account


def _overlays(root: Section, named: tuple[str, ...]) -> tuple[Overlay, ...]:
    section = root.section("overlay")
    first: dict[str, Span] = {}
    overlays: list[Overlay] = []
    for entry, own in _by_world(root, section, named):
        overlay = own.fill(Overlay(entry.key, ""), _OVERLAY)
        place = own.scalar("instrument")
        if place is None or not overlay.instrument:
            continue
        if overlay.instrument in first:
            message = f"`{overlay.instrument}` hedges two worlds: nobody could tell whose position it is"
            labels = (Label(first[overlay.instrument], "first here"),)
            help_text = "give each world an instrument of its own"
            root.found.problems.append(problem("Q0802", message, place.span, labels=labels, help=help_text))
        first.setdefault(overlay.instrument, place.span)
        overlays.append(overlay)
    return tuple(overlays)


def _hedged(root: Section, plan: Plan) -> None:
    """With overlays, every world whose share changes has its instrument."""
    if plan.method not in ("overlay", "hybrid"):
        return
    given = {entry.key for entry in root.section("overlay").node}
    places = {entry.key: entry.key_span for entry in root.section("after").node}
    for world in plan.worlds:
        if world.world not in given and abs(world.after - world.before) > _EPS:
            message = f"the share of `{world.world}` changes, but it has no overlay instrument"
            help_text = f"add `overlay: {{{world.world}: {{instrument: ...}}}}`, or use `method: scaling`"
            root.found.problems.append(problem("Q0802", message, places[world.world], help=help_text))


def _budget(root: Section) -> ScalingBudget | None:
    if root.node.entry("budget") is None:
        return None
    section = root.section("budget")
    return ScalingBudget(section.value("turnover", ratio, None), section.value("cost", money, None))


def _account(root: Section) -> SharedAccount | None:
    if root.node.entry("shared_account") is None:
        return None
    return root.section("shared_account").fill(SharedAccount(), _ACCOUNT)


def _lots(root: Section) -> tuple[tuple[str, Decimal], ...]:
    section = root.section("lot_sizes")
    sizes = ((entry.key, section.value(entry.key, decimal, Decimal(0))) for entry in section.node)
    return tuple((symbol, size) for symbol, size in sizes if size > 0)


def _not_yet(root: Section, plan: Plan) -> None:
    scalar = root.scalar("submit")
    if plan.submit and scalar is not None:
        message = "a plan cannot be submitted yet: this version checks plans and executes none"
        help_text = "write `submit: false`, or leave it out"
        root.found.problems.append(problem("Q0803", message, scalar.span, help=help_text))
