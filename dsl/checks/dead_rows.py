"""Q0615: rows of an allowlist that do nothing.

A row of the world's own list for a strategy that no chain uses; a row whose last day is over. Rows of an allowlist document
may serve another world, so there only the last day counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ..diagnostics import Diagnostic, Label, problem
from ..model import AllowRow
from ..source import Span
from ..tree import Map
from .subject import Stage, Subject


def dead_rows(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Rows of a world's allowlist, or of the document it names, that change nothing."""
    del stages
    rows = subject.world.allowlist or ()
    if not isinstance(subject.tree.get("allowlist"), Map):
        yield from ended_rows(rows, subject.origins, subject.today)
        return
    used = {name for chain in subject.world.chains for name in chain.used}
    for strategy in dict.fromkeys(row.strategy for row in rows if row.strategy not in used):
        places = [subject.origins.get(f"allowlist.{row.symbol}.{strategy}") for row in rows if row.strategy == strategy]
        first, *more = [place for place in places if place is not None] or [subject.key("allowlist")]
        message = f"no chain uses `{strategy}`, so allowing it does nothing"
        labels = (Label(subject.key("chains"), "in none of these"), *(Label(place, "also here") for place in more[:3]))
        help_text = "add it to the `strategies` of a chain, or drop it here"
        yield problem("Q0615", message, first, labels=labels, help=help_text)


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
