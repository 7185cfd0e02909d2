"""What changed settings of a world do to all that it holds: capital, shorting, guards, caps, loss limits, the position stop, what
may be traded at all, what a kill does, a regime that is only recorded.

In: the two meanings of a world. Out: a `Consequence` (one sentence) each, in the words of the engine's rules
(engine/stages/target.py, orders.py, load.py, engine/net.py, engine/killswitch.py). No price and no position is needed for
them; who may go on holding what stands in `positions.py`. Tests ask `decide` itself whether each sentence is true.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..model import EntryGuard, RiskLimits, Settings, World
from ..units import spell_ratio
from .change import Consequence
from .predicates import sense

_NEXT: Final = "at the next tick in regular hours"
#: cap -> (what is above it, what is trimmed)
_CAPS: Final = {
    "max_symbol": ("a held position", "is trimmed"),
    "max_sector": ("held positions of one sector together", "are trimmed"),
    "max_total": ("held positions together", "are trimmed"),
}
_SIDES: Final = {
    "long_entries": ("long entries", "a turn from short to long ends flat", "a long position"),
    "short_entries": ("short entries", "a turn from long to short ends flat", "a short position"),
    "entries": ("entries", "a turn to the other side ends flat", "a position"),
}


def consequences(worlds: tuple[World, World]) -> tuple[Consequence, ...]:
    """Everything that a change of settings does at once or at the next decision."""
    before, after = (world.settings for world in worlds)
    return tuple(
        Consequence(path, text)
        for path, text in (
            *_capital(before, after),
            *_shorting(before, after),
            *_guards(worlds),
            *_caps(before, after),
            *_losses(before.risk, after.risk),
            *_stop(before.risk, after.risk),
            *_trading(before.risk, after.risk),
            *_on_kill(before.risk, after.risk),
            *_shadow(before, after),
        )
    )


def _capital(before: Settings, after: Settings) -> Iterator[tuple[str, str]]:
    old, new = before.capital, after.capital
    if old == new or not old or not new:
        return
    factor = _times(new / old)
    yield "capital", f"all targets scale by {factor}: held positions are resized at the next decision"
    yield "capital", f"what was won or lost counts {_times(old / new)} times as much against the loss limits"
    if new < old:
        trimmed = "; ".join(_trimmed(after, cap) for cap in _CAPS if _applies(after, cap))
        yield "capital", f"held positions become larger fractions of it: {trimmed}, {_NEXT}"


def _times(factor: float) -> str:
    return f"{factor:.4g}"


def _shorting(before: Settings, after: Settings) -> Iterator[tuple[str, str]]:
    if before.exchange.shorting and not after.exchange.shorting:
        yield (
            "exchange.shorting",
            "a short position can be closed, but none is opened or added to; a turn from long to short ends flat",
        )


def _guards(worlds: tuple[World, World]) -> Iterator[tuple[str, str]]:
    before, after = ({guard.settings.name: guard for guard in world.entry_guards} for world in worlds)
    meant = tuple({_meaning(guard) for guard in side.values()} for side in (before, after))
    stays = f"positions of {spell_ratio(worlds[1].settings.position_policy.flat)} and more"
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        path = f"entry_guards.{name}"
        if old and new:
            if _meaning(old) != _meaning(new):
                yield path, f"judged by its new text from the next decision on: {_stopped(new, stays)}"
        elif old and _meaning(old) not in meant[1]:
            side = _SIDES[old.settings.block][0]
            yield path, f"it no longer stops {side} from the next decision on; what is held is not touched"
        elif new and _meaning(new) not in meant[0]:
            yield path, f"from the next decision on: {_stopped(new, stays)}"


def _meaning(guard: EntryGuard) -> tuple[str, str, bool, str]:
    """All but the name."""
    said = guard.settings
    return said.block, said.on_missing, said.value, sense(guard.when)


def _stopped(guard: EntryGuard, stays: str) -> str:
    side, turn, held = _SIDES[guard.settings.block]
    missing = guard.settings.on_missing
    strict = missing == "block" or (missing == "value" and guard.settings.value)
    holds = "while it holds or cannot be judged" if strict else "while it holds"
    frozen = f"; while it cannot be judged, {held} keeps its size until it is to be closed" if missing == "hold" else ""
    return f"{holds} it stops {side}; {stays} stay and may grow, {turn}{frozen}"


def _caps(before: Settings, after: Settings) -> Iterator[tuple[str, str]]:
    if after.capital < before.capital:
        return  # said of all caps already
    for cap in _CAPS:
        pairs = [(getattr(side.risk, cap), _limit(side.risk, cap)) for side in (before, after)]
        if _applies(after, cap) and (pairs[1][0] < pairs[0][0] or pairs[1][1] < pairs[0][1]):
            yield f"risk.{cap}", f"{_trimmed(after, cap)} {_NEXT}"


def _applies(settings: Settings, cap: str) -> bool:
    return cap != "max_sector" or bool(settings.sectors)


def _limit(risk: RiskLimits, cap: str) -> float:
    """What has to be exceeded before anything is trimmed."""
    return round(float(getattr(risk, cap)) * risk.cap_tolerance, 10)


def _trimmed(settings: Settings, cap: str) -> str:
    risk = settings.risk
    whole, verb = _CAPS[cap]
    most, least = spell_ratio(_limit(risk, cap)), spell_ratio(getattr(risk, cap))
    return f"{whole} above {most} (cap x {risk.cap_tolerance:g}) {verb} to {least}"


def _losses(before: RiskLimits, after: RiskLimits) -> Iterator[tuple[str, str]]:
    for name in ("daily_loss", "weekly_loss"):
        old, new = getattr(before, name), getattr(after, name)
        counted = "counted from the same level as before"
        if new > old:
            beyond = f"a world at {spell_ratio(new)} or below already enters nothing from the next reading in regular hours on"
            yield f"risk.{name}", f"{counted}; {beyond} and is killed at the one a tick later"
        elif new < old:
            yield f"risk.{name}", f"{counted}; a world that was killed already stays killed until `qmtl resume`"


def _stop(before: RiskLimits, after: RiskLimits) -> Iterator[tuple[str, str]]:
    old, new = before.position_stop, after.position_stop
    if new < old:
        lost = f"a held position that lost {spell_ratio(new)} or more of its average price"
        yield "risk.position_stop", f"{lost} is closed {_NEXT}, once a bar has closed since it was opened"
    elif new > old:
        yield "risk.position_stop", "a position whose stop was reached already is still closed"


#: `risk.trading` -> what holds from the next tick on
_STATES: Final = {
    "active": "entries are possible again from the next decision on; what was wished meanwhile is not made up for",
    "reducing": "nothing is opened or added to from the next tick on, and open entries are cancelled; reductions and exits go on",
    "halted": "only protective exits are sent from the next tick on, and open entries are cancelled; what is held keeps its size "
    "until one of them asks",
}


def _trading(before: RiskLimits, after: RiskLimits) -> Iterator[tuple[str, str]]:
    if before.trading != after.trading:
        yield "risk.trading", _STATES[after.trading]


def _on_kill(before: RiskLimits, after: RiskLimits) -> Iterator[tuple[str, str]]:
    if before.on_kill == after.on_kill:
        return
    if after.on_kill == "flatten":
        yield "risk.on_kill", f"a world that is killed already closes everything of its own {_NEXT}"
    else:
        yield "risk.on_kill", "a world that is killed already closes no more than its exits ask for"


def _shadow(before: Settings, after: Settings) -> Iterator[tuple[str, str]]:
    if before.regime.shadow != after.regime.shadow:
        yield "regime.shadow", "it decides nothing: no target and no position changes; its counts start anew"
