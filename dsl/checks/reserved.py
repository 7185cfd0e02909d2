"""Q0305 for the names of a world: words with a meaning in expressions name neither worlds nor chains nor guards.

Definitions are checked where they are read. Symbols are free: an exchange may list a NOT, and quotes tell it apart.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, problem
from ..lexing import RESERVED
from .subject import Stage, Subject


def reserved(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Names that block syntax could not say."""
    named = [(subject.world.settings.world, subject.place("world") or subject.document.place)]
    named += [(stage.chain.name, stage.name_place) for stage in stages]
    named += [
        (guard.settings.name, subject.place(f"entry_guards.{guard.settings.name}.name") or guard.when.span)
        for guard in subject.world.entry_guards
    ]
    for name, place in named:
        if name in RESERVED:
            message = f"`{name}` is a reserved word and cannot be a name"
            yield problem("Q0305", message, place, help=f"call it `{name}_` or, better, after what it is for")
