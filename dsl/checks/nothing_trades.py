"""Q0619 and Q0620: settings under which no order for an entry is ever sent.

An error where numbers defeat each other (a deadband wider than the largest target, a limit of 0% that every reading of equity
breaks); a warning where a share is written as 0%, which may be meant for a while.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..model import World
from ..units import spell_duration, spell_ratio
from .subject import Stage, Subject

#: seconds of the longest session by calendar
_SESSION: Final = {"XNYS": 23_400}
_ROUNDING: Final = 1e-9
_SHARES: Final = ("max_symbol", "max_sector", "max_total")


def nothing_trades(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Zeros first; then what is compared with the largest target, the session and the smallest loss."""
    del stages
    zeros = tuple(_zeros(subject))
    yield from zeros
    if not zeros:
        yield from _too_small(subject)
    yield from _session(subject)
    yield from _losses(subject)


def switched_off(world: World) -> bool:
    """Whether a share of 0% keeps a world from every position: other checks then have nothing to say about sizes."""
    settings = world.settings
    risk = settings.risk
    sector = bool(settings.sectors) and len(settings.sectors) == len(settings.universe) and risk.max_sector <= 0
    zero = settings.capital <= 0 or risk.max_symbol <= 0 or risk.max_total <= 0 or sector
    return zero or all(chain.widest <= 0 for chain in world.chains)


def largest_target(world: World) -> float:
    """The largest share of the world's capital that any symbol can get."""
    settings = world.settings
    risk = settings.risk
    free = len(settings.sectors) < len(settings.universe)
    most = min(risk.max_symbol, risk.max_total, 1.0, *(() if free else (risk.max_sector,)))
    return most * max(chain.widest for chain in world.chains)


def _zeros(subject: Subject) -> Iterator[Diagnostic]:
    settings = subject.world.settings
    if not switched_off(subject.world):
        return
    shares = [("capital", settings.capital), *((f"risk.{name}", getattr(settings.risk, name)) for name in _SHARES)]
    for path, size in shares:
        place = subject.place(path)
        if size <= 0 and place is not None:
            name = path.rpartition(".")[2]
            message = f"`{name}` of 0%: this world never opens a position"
            help_text = (
                "if that is meant for a while, say so in an `allow` comment; else write its share, such as `15%`"
            )
            yield problem("Q0620", message, place, help=help_text)
            return
    first = subject.world.chains[0]
    place = subject.place(f"chains.{first.name}.exposure") or subject.key("chains")
    message = "the `exposure` of every chain is 0%: this world never opens a position"
    yield problem("Q0620", message, place, help="give one of the chains an exposure")


def _too_small(subject: Subject) -> Iterator[Diagnostic]:
    """What the largest target cannot reach."""
    settings = subject.world.settings
    guard, most = settings.churn_guard, largest_target(subject.world)
    asked = (
        ("churn_guard.min_target", guard.min_target, "min_target" in guard.enabled, "a smaller target becomes 0"),
        ("churn_guard.deadband", guard.deadband, "deadband" in guard.enabled, "a smaller change is left out"),
        ("orders.min_delta", settings.orders.min_delta, True, "a smaller order is not sent"),
    )
    for path, size, on, why in asked:
        if not on or most >= size - _ROUNDING:
            continue
        name, limit = path.rpartition(".")[2], spell_ratio(round(most, 9))
        message = f"`{name}` of {spell_ratio(size)} is above the largest target of any symbol, {limit}: {why}, so nothing is ever traded"
        labels = _makers(subject)
        own = subject.place(path)
        place = own or (labels[0].span if labels else subject.document.place)
        shown = tuple(label for label in labels if label.span is not place)
        yield problem(
            "Q0619", message, place, labels=shown, help=f"lower `{name}`, or raise the caps of `risk` and the exposures"
        )
        return


def _makers(subject: Subject) -> tuple[Label, ...]:
    """What makes the largest target as small as it is, as far as the text says it."""
    settings = subject.world.settings
    risk = settings.risk
    names = [name for name in _SHARES if name != "max_sector" or len(settings.sectors) == len(settings.universe)]
    least = min(names, key=lambda name: getattr(risk, name))
    widest = max(subject.world.chains, key=lambda chain: chain.widest)
    cap, exposure = subject.place(f"risk.{least}"), subject.place(f"chains.{widest.name}.exposure")
    labels = [Label(cap, "the smallest cap")] if cap else []
    return (*labels, Label(exposure, "the largest exposure")) if exposure else tuple(labels)


def _session(subject: Subject) -> Iterator[Diagnostic]:
    settings = subject.world.settings
    rules, length = settings.orders, _SESSION.get(settings.calendar)
    if length is None or rules.open_delay + rules.close_buffer < length:
        return
    places = [(name, subject.place(f"orders.{name}")) for name in ("open_delay", "close_buffer")]
    said = sorted(((getattr(rules, name), name, place) for name, place in places if place), key=lambda one: -one[0])
    if not said:
        return
    _, name, place = said[0]
    message = (
        f"`open_delay` of {spell_duration(rules.open_delay)} and `close_buffer` of {spell_duration(rules.close_buffer)} leave "
        f"nothing of a session of {spell_duration(length)}: no position is ever opened"
    )
    labels = tuple(Label(other, "and this") for _, _, other in said[1:])
    yield problem("Q0619", message, place, labels=labels, help=f"lower `{name}`: 15m and 5m are usual")


def _losses(subject: Subject) -> Iterator[Diagnostic]:
    for name in ("daily_loss", "weekly_loss"):
        place = subject.place(f"risk.{name}")
        if place is not None and getattr(subject.world.settings.risk, name) >= 0:
            message = f"`{name}` of 0% is reached without any loss: the world closes everything at once and waits for `qmtl resume`"
            yield problem("Q0619", message, place, help="write the loss at which the world stops, such as `-2%`")
