"""Q0628: limits of orders under which nothing can be opened, or that never count."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..units import spell_ratio
from .subject import Stage, Subject


def order_limits(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """An order limit below the venue's smallest order, a turnover below the smallest position, a tick above its day."""
    del stages
    settings = subject.world.settings
    rules, venue, guard = settings.orders, settings.exchange, settings.churn_guard
    most, place = rules.max_notional, subject.place("orders.max_notional")
    if most is not None and most < venue.min_notional and place is not None:
        other = subject.place("exchange.min_notional")
        labels = (Label(other, f"the venue takes {venue.min_notional:f} and more"),) if other else ()
        message = (
            f"`max_notional` is below the smallest order of the venue, {venue.min_notional:f}: nothing can be opened"
        )
        yield problem("Q0628", message, place, labels=labels)
    least = guard.min_target if "min_target" in guard.enabled else 0.0
    place = subject.place("orders.max_turnover")
    if rules.max_turnover is not None and rules.max_turnover < least and place is not None:
        small = f"no position is smaller than `min_target` of {spell_ratio(least)}"
        message = f"`max_turnover` of {spell_ratio(rules.max_turnover)} lets nothing be opened: {small}"
        yield problem("Q0628", message, place, help="it is what all orders of a day may be worth, such as `300%`")
    place = subject.place("orders.max_per_tick")
    if rules.max_per_tick and rules.max_per_day and rules.max_per_tick > rules.max_per_day and place is not None:
        other = subject.place("orders.max_per_day")
        labels = (Label(other, "reached first"),) if other else ()
        message = f"`max_per_tick` of {rules.max_per_tick} is more than a whole day may have"
        yield problem("Q0628", message, place, labels=labels)
