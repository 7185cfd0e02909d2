"""The way of a number through the steps: from a raw target to what is left of it, and why another strategy speaks.

In: a decided tick. Out: short lines for the report of a case that failed: `raw 50% -> cap.symbol 15% -> exposure (90%) 13.5%`.
Everything comes from the records of the tick and from the stages' own functions, so that it cannot tell another story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ..frame import EPS, strategy_label
from ..reasons import Reason
from ..stages.target import held_back, sized, without_entries
from ..tick import Notes, Tick
from ..tickview import chain_names, policy_labels

_SIDES: Final = {1: "long", -1: "short", 0: "flat"}


def percent(value: float) -> str:
    """A fraction as people write it, to a hundredth of a percentage point."""
    return f"{value * 100:.2f}".rstrip("0").rstrip(".") + "%" if abs(value) > 5e-5 else "0%"


@dataclass(slots=True)
class _Way:
    """Stations so far and the number after the last one."""

    stations: list[str]
    value: float

    def to(self, value: float, name: str, limit: float | None = None) -> None:
        """The next station, when it changed the number."""
        if abs(value - self.value) <= EPS:
            return
        shown = percent(value)
        same = limit is None or percent(limit) == percent(abs(value))
        self.stations.append(f"{name} {shown}" if same else f"{name} ({percent(limit or 0.0)}) {shown}")
        self.value = value


def way_of_target(tick: Tick, symbol: str) -> str:
    """Every step that changed the target of a symbol, with its setting and what was left."""
    column = tick.frame.index[symbol]
    way = _decided(tick, column) if tick.market.decision else _held(tick, column)
    target = tick.target
    if target.protective[column]:
        way.to(0.0, Reason(int(target.reason[column])).code)
    _settled(tick, column, way)
    return " -> ".join(way.stations)


def _held(tick: Tick, column: int) -> _Way:
    current = float(tick.load.current[column])
    return _Way([f"held {percent(current)} (no new bar)"], current)


def _decided(tick: Tick, column: int) -> _Way:
    """Raw target, caps, exposure, what earlier steps block, entry guards."""
    frame, may_enter, notes = tick.frame, tick.target.may_enter, Notes(tick.frame)
    sizing = sized(frame, tick, may_enter, notes)
    raw = float(tick.select.raw[column])
    if np.isnan(raw):
        current = float(tick.load.current[column])
        way = _Way([f"raw unknown -> held {percent(current)}"], current)
    else:
        way = _Way([f"raw {percent(raw)}"], raw)
        if not (tick.load.held[column] or may_enter[column]):
            way.to(0.0, "no entry")
        _capped(tick, column, way, Reason(int(notes.column[column])))
        way.to(float(sizing.target[column]), "exposure", float(tick.chain.exposure[column]))
    target = without_entries(frame, tick, sizing.target, may_enter, notes)
    way.to(float(target[column]), Reason.NO_ENTRY.code)
    for row, guard in enumerate(frame.program.guards):
        blocked, frozen = held_back(frame, tick, target, row)
        target = np.where(blocked, 0.0, np.where(frozen, tick.load.current, target))
        way.to(float(target[column]), f"guard {guard.settings.name}")
    if tick.load.gap_at[column] or tick.load.settling[column]:
        way.to(float(tick.load.current[column]), Reason(int(tick.freshness.reason[column])).code)
    return way


def _capped(tick: Tick, column: int, way: _Way, dropped: Reason) -> None:
    """The four caps in their order. The breadth rule and a target that is too small by itself leave nothing."""
    frame = tick.frame
    settings = frame.program.settings
    sizing = sized(frame, tick, tick.target.may_enter, Notes(frame))
    limit = settings.risk.max_symbol
    way.to(max(min(way.value, limit), -limit), Reason.CAP_SYMBOL.code, limit)
    if dropped in (Reason.MIN_TARGET, Reason.CAP_BREADTH) and sizing.capped[column] == 0:
        way.to(0.0, dropped.code, settings.churn_guard.min_target)
    if sizing.by_sector is not None:
        way.to(way.value * float(sizing.by_sector[column]), Reason.CAP_SECTOR.code, settings.risk.max_sector)
    way.to(way.value * sizing.by_total, Reason.CAP_TOTAL.code, settings.risk.max_total)


def _settled(tick: Tick, column: int, way: _Way) -> None:
    """Churn guard, position policy, and the last clip of the orders."""
    guard = tick.frame.program.settings.churn_guard
    limits = {Reason.MIN_TARGET: guard.min_target, Reason.DEADBAND: guard.deadband}
    churn = Reason(int(tick.churn.reason[column]))
    way.to(float(tick.churn.target[column]), churn.code, limits.get(churn))
    way.to(float(tick.policy.target[column]), policy_labels(tick)[column])
    orders = Reason(int(tick.orders.reason[column]))
    name = orders.code if orders in (Reason.CAPPED, Reason.TRIM) else "last clip"
    way.to(float(tick.orders.target[column]), name)


def scores_of(tick: Tick, symbol: str) -> tuple[str, ...]:
    """Adjusted score of each strategy of the symbol's chain, and why others cannot be chosen."""
    frame, column = tick.frame, tick.frame.index[symbol]
    if not len(tick.select.score):
        return ("no new bar: the selection stays as it was",)
    named = _in_chain(tick, column)
    lines = [f"{name}: {_standing(tick, row, column)}" for row, name in enumerate(frame.names.strategies) if named[row]]
    others = [name for row, name in enumerate(frame.names.strategies) if not named[row]]
    if others:
        lines.append(f"not in chain {chain_names(tick)[column] or '(none)'}: {', '.join(others)}")
    current = int(tick.before.selected[column])
    if current >= 0:
        rule = f"another one must lead by {frame.program.settings.select.switch_edge:g} (switch_edge)"
        lines.append(f"selected before: {strategy_label(frame, current)}; {rule}")
    return tuple(lines)


def _in_chain(tick: Tick, column: int) -> list[bool]:
    """By strategy: does the chain of the symbol name it?"""
    frame, chain = tick.frame, int(tick.chain.chain[column])
    if chain < 0:
        return [False] * len(frame.names.strategies)
    own = frame.overridden
    uses = frame.uses[:, chain] if own is None else own.uses[:, chain * frame.symbols + column]
    return [bool(used) for used in uses]


def _standing(tick: Tick, row: int, column: int) -> str:
    """The score of a strategy that can be chosen, or why it cannot."""
    if tick.signals.eligible[row, column]:
        score = float(tick.select.score[row, column])
        shown = "unknown" if np.isnan(score) else f"{score:.3f}"
        return f"score {shown}, eligible, signal {_SIDES[int(tick.signals.signal[row, column])]}"
    if not tick.allowlist.candidates[row, column]:
        return "not eligible: the allowlist does not enable it"
    if not tick.market.signal_known[row, column]:
        return f"not eligible: its signal is unknown ({Reason(int(tick.market.signal_reason[row, column])).text})"
    return "not eligible: its size or stop is unknown"
