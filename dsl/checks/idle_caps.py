"""Q0614: caps of `risk` that can never bind, because another one is always reached first.

Only caps that the text sets: a default that another cap makes superfluous is nobody's mistake.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..units import spell_ratio
from .nothing_trades import switched_off
from .subject import Stage, Subject

#: caps that differ by less are the same cap in another spelling
_SAME: Final = 1e-9


def idle_caps(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Caps that another cap, or the size of the universe, makes superfluous; and a stop without any room."""
    del stages
    settings = subject.world.settings
    risk = settings.risk
    if switched_off(subject.world):
        return
    everything_in_sectors = len(settings.sectors) == len(settings.universe)
    if everything_in_sectors and risk.max_symbol > risk.max_sector + _SAME:
        yield from _beaten(subject, "max_symbol", "max_sector")
    elif risk.max_symbol > risk.max_total + _SAME:
        yield from _beaten(subject, "max_symbol", "max_total")
    if settings.sectors and risk.max_sector > risk.max_total + _SAME:
        yield from _beaten(subject, "max_sector", "max_total")
    else:
        yield from _room(subject)
    place = subject.place("risk.position_stop")
    if risk.position_stop <= 0 and place:
        message = "`position_stop` of 0% closes every position at once: any price that is not better than the average reaches it"
        yield problem("Q0614", message, place, help="write the loss at which a position is closed, such as `5%`")


def _beaten(subject: Subject, idle: str, other: str) -> Iterator[Diagnostic]:
    place = subject.place(f"risk.{idle}")
    if place is None:
        return
    risk = subject.world.settings.risk
    size, limit = spell_ratio(getattr(risk, idle)), spell_ratio(getattr(risk, other))
    said = subject.place(f"risk.{other}")
    labels = (Label(said, "reached first"),) if said else ()
    by_default = "" if said else " (the default)"
    message = f"`{idle}` of {size} can never be reached: `{other}` of {limit}{by_default} is always reached before"
    yield problem("Q0614", message, place, labels=labels, help=f"lower `{idle}` to {limit} or less, or raise `{other}`")


def _room(subject: Subject) -> Iterator[Diagnostic]:
    """`max_total` against what all symbols can hold together under the other caps."""
    place = subject.place("risk.max_total")
    settings = subject.world.settings
    risk, count = settings.risk, len(settings.universe)
    sectors = Counter(sector for _, sector in settings.sectors)
    most = sum(min(risk.max_sector, risk.max_symbol * size) for size in sectors.values())
    most += risk.max_symbol * (count - sum(sectors.values()))
    if place is None or risk.max_total <= most + _SAME:
        return
    size = spell_ratio(risk.max_total)
    symbols = "1 symbol" if count == 1 else f"{count} symbols"
    message = (
        f"`max_total` of {size} can never be reached: {symbols} hold at most {spell_ratio(round(most, 9))} together"
    )
    named = [path for path in ("risk.max_symbol", "risk.max_sector") if path != "risk.max_sector" or sectors]
    labels = [Label(subject.origins[path], "with this") for path in named if path in subject.origins]
    labels.append(Label(subject.key("universe"), symbols))
    yield problem("Q0614", message, place, labels=tuple(labels), help="lower `max_total`, or raise the other caps")
