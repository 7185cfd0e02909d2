"""Q0621: loss limits that slipped, or that stand the wrong way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..units import spell_ratio
from .subject import Stage, Subject

#: a limit closer to 0 is within what costs and one bar take from a world that trades as it should
_NOISE: Final = 0.001
_SLIP: Final = 100


def loss_limits(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """A limit within the noise of a usual day; a loss of a day that is larger than that of its week."""
    del stages
    risk = subject.world.settings.risk
    small = [name for name in ("daily_loss", "weekly_loss") if -_NOISE < getattr(risk, name) < 0]
    for name in small:
        place = subject.place(f"risk.{name}")
        if place is not None:
            size = getattr(risk, name)
            message = (
                f"`{name}` of {spell_ratio(size)} is within what one bar moves: the world stops on nearly every day"
            )
            help_text = f"did you mean `{spell_ratio(round(size * _SLIP, 9))}`?"
            yield problem("Q0621", message, place, help=help_text)
    if not small and risk.daily_loss < risk.weekly_loss < 0:
        yield from _turned(subject)


def _turned(subject: Subject) -> Iterator[Diagnostic]:
    risk = subject.world.settings.risk
    day, week = subject.place("risk.daily_loss"), subject.place("risk.weekly_loss")
    place = day or week
    if place is None:
        return
    sizes = [
        f"`{name}` of {spell_ratio(size)}{'' if said else ' (the default)'}"
        for name, size, said in (("daily_loss", risk.daily_loss, day), ("weekly_loss", risk.weekly_loss, week))
    ]
    message = f"{sizes[0]} is larger than {sizes[1]}: a bad day may break the limit of the week before its own"
    labels = (Label(week, "reached first"),) if day and week else ()
    yield problem(
        "Q0621", message, place, labels=labels, help="a day may lose less than a week, such as `-2%` and `-5%`"
    )
