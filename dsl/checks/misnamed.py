"""Q0609: a strategy that no world uses, and whose name is a slip from a built-in one that a world does use.

A project replaces a built-in strategy by defining one of its name. With a typo in that name the built-in one goes on
trading, while everybody believes in the edited text beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

import qmtl.strategies

from ..diagnostics import Diagnostic, problem
from ..library import Library
from ..model import World
from ..similar import nearest
from ..syntax import Definition


class UsesStrategies(Protocol):
    """A compiled world, as far as this check needs one."""

    @property
    def world(self) -> World | None: ...

    @property
    def library(self) -> Library | None: ...


def misnamed(library: Library, worlds: Iterable[UsesStrategies]) -> Iterator[Diagnostic]:
    """Unused strategies of the project beside a built-in one of nearly the same name that is used."""
    known = [one.world for one in worlds if one.library is library and one.world is not None]
    used = {name for world in known for chain in world.chains for name in chain.used}
    replaced = {name for name in used if (found := library.definitions.get(name)) and not _built_in(found)}
    for name, definition in library.definitions.items():
        if definition.kind != "strategy" or name in used or _built_in(definition):
            continue
        guess = nearest(name, used - replaced)
        if guess is not None and not name.startswith(guess):  # `roc_momentum_v2` is another one on purpose
            message = f"no world uses `{name}`; the built-in `{guess}` is used"
            help_text = f"if this is meant to replace it, call it `{guess}`"
            yield problem("Q0609", message, definition.name.span, help=help_text)


def _built_in(definition: Definition) -> bool:
    path = definition.name.span.source.path
    return path is not None and path.resolve().parent == Path(qmtl.strategies.__file__).resolve().parent
