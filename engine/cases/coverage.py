"""Which rules of a world its cases exercised: chains, entry guards, policies, churn rules, caps.

In: played ticks. Out: `Coverage` of a world. Only what can happen in this world counts: a world without sectors has no
sector cap to test. A rule was exercised when it did something in some tick, expected or not.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..frame import Frame
from ..reasons import Reason
from ..tick import PolicyLabel, Tick
from ..tickview import chain_names, policy_labels, reason_codes
from .run import Played

FALSE: Final = 0
_FOREVER: Final = dt.date.max.toordinal()
_SIDES: Final = {"long_entries": 1, "short_entries": -1, "entries": 0}


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One thing that a case can exercise: its kind ("chain", "guard", ...) and name."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """The rules of a world in the order of a tick, and those that some case exercised."""

    world: str
    rules: tuple[Rule, ...]
    seen: frozenset[Rule]

    @property
    def share(self) -> float:
        """Exercised rules, from 0 to 1."""
        return len(self.seen) / len(self.rules) if self.rules else 1.0

    @property
    def missed(self) -> tuple[Rule, ...]:
        """Rules that no case exercised."""
        return tuple(rule for rule in self.rules if rule not in self.seen)


def coverage(world: str, frame: Frame, played: Iterable[Played]) -> Coverage:
    """What these ticks exercised of a world."""
    rules = rules_of(frame)
    seen = {rule for one in played for rule in exercised(one.tick)}
    return Coverage(world, rules, frozenset(seen & set(rules)))


def rules_of(frame: Frame) -> tuple[Rule, ...]:
    """Everything that can happen in a world."""
    guards = [guard.settings.name for guard in frame.program.guards]
    unwinds = frame.program.settings.position_policy.external == "unwind_only"
    labels = [PolicyLabel.NORMAL, PolicyLabel.UNWOUND if unwinds else PolicyLabel.EXTERNAL, PolicyLabel.PRE_CUTOVER]
    # a symbol that some row without an end enables is never disabled
    lasting = frame.allowed & (frame.until == _FOREVER) & frame.used
    if not lasting.any(axis=0).all():
        labels.append(PolicyLabel.DISABLED)
    if frame.program.settings.select.method == "single_best":
        labels.append(PolicyLabel.OWNER_MISMATCH)
    churn = set(frame.program.settings.churn_guard.enabled)
    rules = frame.program.settings.churn_guard
    if "side_cooldown" in churn and rules.min_hold <= rules.side_cooldown:
        churn -= {"min_hold"}  # what it would hold back the rule before it has held back
    return (
        *(Rule("chain", name) for name in frame.names.chains),
        *(Rule("guard", f"{name} {what}") for name in guards for what in ("blocks", "lets pass")),
        *(Rule("cap", reason.code) for reason in _binding_caps(frame)),
        *(Rule("churn guard", f"churn.{name}") for name in sorted(churn)),
        *(Rule("position policy", label.text) for label in labels),
    )


def _binding_caps(frame: Frame) -> list[Reason]:
    """Caps that enough symbols at their largest can reach."""
    risk, guard = frame.program.settings.risk, frame.program.settings.churn_guard
    sectors = np.bincount(frame.sector, minlength=frame.sectors + 1)[: frame.sectors]
    crowd = int(sectors.max(initial=0))
    caps = [Reason.CAP_SYMBOL] if risk.max_symbol < 1 else []
    caps += [Reason.CAP_SECTOR] if crowd * risk.max_symbol > risk.max_sector else []
    caps += [Reason.CAP_TOTAL] if frame.symbols * risk.max_symbol > risk.max_total else []
    exposures = frame.exposure if frame.overridden is None else frame.overridden.exposure
    exposures = exposures[exposures > 0]
    need = guard.min_target / float(exposures.min()) if exposures.size else 0.0
    crowded = frame.symbols * need > risk.max_total or crowd * need > risk.max_sector
    return [*caps, *([Reason.CAP_BREADTH] if crowded and "min_target" in frame.churn else [])]


def exercised(tick: Tick) -> set[Rule]:
    """The rules that did something in a tick."""
    present = np.isfinite(tick.market.mark)
    found = {Rule("position policy", name) for name, has in zip(policy_labels(tick), present, strict=True) if has}
    if not tick.market.decision:
        return found
    found |= {Rule("chain", name) for name, has in zip(chain_names(tick), present, strict=True) if has and name}
    sized = set(reason_codes(tick.target.reason))
    found |= {Rule("cap", code) for code in sized}
    # the target step drops what is too small by itself before the churn guard would
    found |= {Rule("churn guard", code) for code in sized | set(reason_codes(tick.churn.reason))}
    return found | _guards(tick)


def _guards(tick: Tick) -> set[Rule]:
    found = set()
    blocked = (tick.target.reason == Reason.GUARD) | (tick.target.reason == Reason.GUARD_HOLD)
    for row, guard in enumerate(tick.frame.program.guards):
        truth, side = tick.market.guards[row], _SIDES[guard.settings.block]
        wished = tick.target.target * side > 0 if side else tick.target.target != 0
        if np.any(blocked & (truth != FALSE)):
            found.add(Rule("guard", f"{guard.settings.name} blocks"))
        if np.any(wished & (truth == FALSE)):
            found.add(Rule("guard", f"{guard.settings.name} lets pass"))
    return found
