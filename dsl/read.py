"""The tree of a world -> its meaning, with every default filled in, every unit gone and every name known.

In: a world document and its context. Out: a `World`, where each value came from, and what is wrong. The world is a best
effort even when something is wrong (broken parts left out), so that the conditions are still type-checked in the same run;
nobody runs a world that has errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from .context import Context
from .diagnostics import Diagnostic, in_order, problem
from .documents import Document, folder_of
from .model import (
    ChurnGuard,
    ExchangePolicy,
    Freshness,
    OrderRules,
    PositionPolicy,
    Rate,
    RiskLimits,
    Settings,
    World,
)
from .readallowlist import read_world_allowlist
from .readchains import note_sectors, read_chains, read_guards
from .readexchange import read_exchange
from .readparameters import read_parameters
from .readregime import read_regime
from .readsectors import read_sector_file
from .readselect import read_select
from .section import Convert, Findings, Section, flag, number, whole, word
from .similar import did_you_mean
from .source import Span
from .tree import Map, Node, Scalar, Seq
from .units import duration, money, ratio

NO_SECTOR: Final = "none"

_FRESHNESS: Final[Mapping[str, Convert]] = {
    "stale_15m_bars": whole,
    "stale_60m_bars": whole,
    "regular_hours_only": flag,
    "max_gap": ratio,
}
_CHURN: Final[Mapping[str, Convert]] = {
    "min_target": ratio,
    "deadband": ratio,
    "side_cooldown": duration,
    "min_hold": duration,
}
_POLICY: Final[Mapping[str, Convert]] = {"flat": ratio, "cutover": word, "external": word}
_RISK: Final[Mapping[str, Convert]] = {
    "daily_loss": ratio, "weekly_loss": ratio, "max_symbol": ratio, "max_sector": ratio, "max_total": ratio, "cap_tolerance": number,
    "position_stop": ratio, "max_consecutive_failures": whole, "max_failures": whole, "failure_window": duration,
    "trading": word, "on_kill": word,
}  # fmt: skip
_ORDERS: Final[Mapping[str, Convert]] = {
    "min_delta": ratio, "open_delay": duration, "close_buffer": duration, "cancel_after": whole, "reject_cooldown": whole,
    "collar": ratio, "max_notional": money, "max_volume": ratio, "max_per_tick": whole, "max_per_day": whole,
    "max_turnover": ratio,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class WorldRead:
    """A world, the place of each value that the text set (dotted path -> span), its mistakes, and other files it needed."""

    world: World
    origins: Mapping[str, Span]
    diagnostics: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


def read_world(document: Document, context: Context) -> WorldRead:
    """The meaning of a world document."""
    found = Findings()
    root = Section(document.tree, "", found)
    universe = tuple(dict.fromkeys(str(item.value) for item in root.words("universe")))
    chains = read_chains(root, context)
    strategies = tuple(dict.fromkeys(name for chain in chains for name in chain.used))
    allowlist = read_world_allowlist(root, universe, context)
    world = World(
        settings=replace(
            _settings(root, document.name, universe, context), select=read_select(root, strategies, context)
        ),
        chains=chains,
        allowlist=allowlist,
        parameters=read_parameters(root, strategies, universe, context),
        entry_guards=read_guards(root, context),
        description=root.value("description", word, ""),
    )
    note_sectors(root, chains, (sector for _, sector in world.settings.sectors))
    _strategy_files(root, context)
    known = {"strategy": context.names("strategy"), "symbol": list(universe)}
    every = found.unknown_names(known, context.nowhere)
    unknown = (d for d in every if d.code != "Q0505" or _complete(document.tree.get("universe")))
    problems = in_order((*found.problems, *unknown))
    return WorldRead(world, found.origins, problems, tuple(found.files))


def _complete(universe: Node | None) -> bool:
    """False when the universe is missing or broken (which the schema says): then nobody can tell which symbols are unknown."""
    return isinstance(universe, Seq) and all(isinstance(i, Scalar) and isinstance(i.value, str) for i in universe.items)


def _strategy_files(root: Section, context: Context) -> None:
    """A file or folder of definitions that is not there is a mistake, not an empty library."""
    for item in root.words("strategy_files"):
        if not (folder_of(item.span, context.folder) / str(item.value)).exists():
            root.found.problems.append(
                problem("Q0101", f"`{item.value}` does not exist", item.span, help="paths are relative to this file")
            )


def _settings(root: Section, name: str, universe: tuple[str, ...], context: Context) -> Settings:
    return Settings(
        world=name,
        calendar=root.value("calendar", word, "XNYS"),
        universe=universe,
        bars=_bars(root),
        exchange=_exchange(root, context),
        sectors=_sectors(root, universe, context),
        freshness=root.section("freshness").fill(Freshness(), _FRESHNESS),
        regime=read_regime(root, context),
        churn_guard=_churn(root),
        position_policy=root.section("position_policy").fill(PositionPolicy(), _POLICY),
        risk=root.section("risk").fill(RiskLimits(), _RISK),
        orders=root.section("orders").fill(OrderRules(), _ORDERS),
        capital=root.value("capital", ratio, 1.0),
        allow_live=root.value("allow_live", flag, False),
    )


def _bars(root: Section) -> tuple[Rate, ...]:
    listed = {item.value for item in root.words("bars")}
    rates: tuple[Rate, ...] = ("15m", "60m")
    return tuple(rate for rate in rates if rate in listed) or rates


def _churn(root: Section) -> ChurnGuard:
    section = root.section("churn_guard")
    guard = section.fill(ChurnGuard(), _CHURN)
    if not section.node.entry("enabled"):
        return guard
    listed = {str(item.value) for item in section.words("enabled")}
    enabled = tuple(rule for rule in ChurnGuard().enabled if rule in listed)
    return ChurnGuard(guard.min_target, guard.deadband, guard.side_cooldown, guard.min_hold, enabled)


def _exchange(root: Section, context: Context) -> ExchangePolicy:
    scalar = root.scalar("exchange")
    if scalar is None or not isinstance(scalar.value, str):
        return ExchangePolicy("default")
    document = context.documents.get(("exchange", scalar.value))
    if document is None:
        broken = context.broken_document("exchange", scalar.value)
        if broken:
            root.found.problems.extend(broken)
            return ExchangePolicy(scalar.value)
        help_text = (
            did_you_mean(scalar.value, context.document_names("exchange"))
            or "it is the name of an exchange document below this file's folder"
        )
        root.found.problems.append(problem("Q0506", f"unknown exchange `{scalar.value}`", scalar.span, help=help_text))
        return ExchangePolicy(scalar.value)
    return read_exchange(document, root.found)


def _sectors(root: Section, universe: tuple[str, ...], context: Context) -> tuple[tuple[str, str], ...]:
    """Pairs (symbol, sector) in the order of the universe; `none` is no sector."""
    node = root.node.get("sectors")
    known = set(universe)
    sectors: dict[str, str] = {}
    if isinstance(node, Map):
        for entry in node:
            if entry.key not in known:
                root.found.unknown("Q0505", "symbol", entry.key, entry.key_span)
            elif isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
                root.found.origins[f"sectors.{entry.key}"] = entry.value.span
                sectors[entry.key] = entry.value.value
    elif isinstance(node, Scalar) and isinstance(node.value, str):
        sectors = _sector_file(root, node, context)
    return tuple((s, sectors[s]) for s in universe if sectors.get(s, NO_SECTOR).casefold() != NO_SECTOR)


def _sector_file(root: Section, node: Scalar, context: Context) -> dict[str, str]:
    path = folder_of(node.span, context.folder) / str(node.value)
    root.found.origins["sectors"] = node.span
    root.found.files.append(path)
    sectors, problems = read_sector_file(path)
    if sectors is None:
        root.found.problems.append(problem("Q0101", f"`{node.value}`: {problems[0].message}", node.span))
        return {}
    root.found.problems.extend(problems)
    return sectors
