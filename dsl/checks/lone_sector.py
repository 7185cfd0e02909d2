"""Q0624: a sector of one symbol that is called nearly like another: a slip that takes the symbol out of the other's cap."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from ..diagnostics import Diagnostic, Label, problem
from ..similar import nearest
from .subject import Stage, Subject

#: shorter names are near each other by chance
_SHORT: Final = 4
#: `group_a` and `group_b`, `tier1` and `tier2` are told apart on purpose
_MARK: Final = re.compile(r"([_\- ]?[0-9]+|[_\- ].{1,2})$")


def lone_sector(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Sectors with one member beside larger ones of nearly the same name."""
    del stages
    pairs = subject.world.settings.sectors
    sizes = Counter(sector for _, sector in pairs)
    larger = [sector for sector, size in sizes.items() if size > 1 and len(sector) >= _SHORT]
    for symbol, sector in pairs:
        if sizes[sector] > 1 or len(sector) < _SHORT:
            continue
        near = nearest(sector, larger)
        place = subject.place(f"sectors.{symbol}", "sectors")
        if near is None or place is None or _told_apart(sector, near):
            continue
        message = f"`{symbol}` is the only symbol of the sector `{sector}`, beside {sizes[near]} of `{near}`: they do not share a cap"
        other = next(name for name, of in pairs if of == near)
        said = subject.place(f"sectors.{other}")
        labels = (Label(said, "the other sector"),) if said else ()
        yield problem("Q0624", message, place, labels=labels, help=f"did you mean `{near}`?")


def _told_apart(one: str, other: str) -> bool:
    """Whether two names are one name with different marks behind it."""
    return _MARK.sub("", one) == _MARK.sub("", other) and bool(_MARK.search(one) and _MARK.search(other))
