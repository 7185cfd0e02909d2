"""Q0615: rows of an allowlist that do nothing.

A row of the world's own list for a strategy that no chain uses, or that no chain gives its symbol; a row whose last day is
over. Rows of an allowlist document may serve another world, so there only the last day counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..model import AllowRow, Chain
from ..source import Span
from ..tree import Map
from .subject import Stage, Subject

_FEW: Final = 5
_MOST_PLACES: Final = 3


def dead_rows(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Rows of a world's allowlist, or of the document it names, that change nothing."""
    del stages
    rows = subject.world.allowlist or ()
    if not isinstance(subject.tree.get("allowlist"), Map):
        yield from ended_rows(rows, subject.origins, subject.today)
        return
    used = {name for chain in subject.world.chains for name in chain.used}
    given = {pair for chain in subject.world.chains for pair in _pairs(subject, chain)}
    dead: dict[str, list[AllowRow]] = {}
    for row in rows:
        if (row.symbol, row.strategy) not in given:
            dead.setdefault(row.strategy, []).append(row)
    for strategy, idle in dead.items():
        yield _unused(subject, strategy, idle) if strategy not in used else _replaced(subject, strategy, idle)


def _pairs(subject: Subject, chain: Chain) -> Iterator[tuple[str, str]]:
    """(symbol, strategy) for everything that a chain gives a symbol."""
    return ((symbol, name) for symbol, names in subject.strategies(chain).items() for name in names)


def _unused(subject: Subject, strategy: str, idle: list[AllowRow]) -> Diagnostic:
    message = f"no chain uses `{strategy}`, so allowing it does nothing"
    help_text = "add it to the `strategies` of a chain, or drop it here"
    return _dead(subject, idle, message, Label(subject.key("chains"), "in none of these"), help_text)


def _replaced(subject: Subject, strategy: str, idle: list[AllowRow]) -> Diagnostic:
    """Chains use the strategy, but give these symbols others."""
    names = ", ".join(f"`{row.symbol}`" for row in idle[:_FEW])
    more = f" and {len(idle) - _FEW} more" if len(idle) > _FEW else ""
    message = f"no chain gives {names}{more} the strategy `{strategy}`, so allowing it does nothing"
    help_text = "the `overrides` of a chain replace its strategies: add it there, or drop it here"
    return _dead(subject, idle, message, _elsewhere(subject, idle[0]), help_text)


def _elsewhere(subject: Subject, row: AllowRow) -> Label:
    """The override that gives the symbol other strategies; the chains where there is none."""
    sector = dict(subject.world.settings.sectors).get(row.symbol, "")
    for chain in subject.world.chains:
        for override in reversed(chain.overrides):
            path = f"chains.{chain.name}.overrides.by_{override.kind}.{override.name}"
            concerned = override.name == (row.symbol if override.kind == "symbol" else sector)
            if concerned and override.strategies is not None and path in subject.origins:
                return Label(subject.origins[path], f"`{override.name}` has other strategies here")
    return Label(subject.key("chains"), f"none of these gives it to `{row.symbol}`")


def _dead(subject: Subject, idle: list[AllowRow], message: str, why: Label, help_text: str) -> Diagnostic:
    places = [subject.origins.get(f"allowlist.{row.symbol}.{row.strategy}") for row in idle]
    first, *more = [place for place in places if place is not None] or [subject.key("allowlist")]
    labels = (why, *(Label(place, "also here") for place in more[:_MOST_PLACES]))
    return problem("Q0615", message, first, labels=labels, help=help_text)


def ended_rows(rows: Iterable[AllowRow], origins: Mapping[str, Span], today: str) -> Iterator[Diagnostic]:
    """Rows whose last day is over, at that day."""
    for row in rows:
        path = f"allowlist.{row.symbol}.{row.strategy}"
        if row.enabled and row.until and row.until < today:
            message = (
                f"`{row.symbol}` with `{row.strategy}` was allowed until {row.until}: the row does nothing any more"
            )
            place = origins.get(f"{path}.until") or origins.get(path)
            labels = (Label(origins[path], "this row"),) if path in origins and place is not origins[path] else ()
            yield problem("Q0615", message, place, label="over", labels=labels, help="set another day, or drop the row")
