"""Q0610: a chain that never gets its turn, because those above it hold whenever it does."""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from .subject import Stage, Subject


def shadowed(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Chains that no symbol can enter; the chains above that take everything are shown."""
    del subject
    for stage in stages:
        if stage.fate != "shadowed":
            continue
        names = " or ".join(f"`{chain.name}`" for chain in stage.shadows)
        places = [(chain, chain.when.span) for chain in stage.shadows if chain.when is not None]
        labels = tuple(Label(place, f"`{chain.name}` takes them") for chain, place in places)
        name = stage.chain.name
        if stage.when is None:
            message = f"the chain `{name}` is never entered: one of {names} always holds"
            help_text = "make the last of these conditions `otherwise: true`, or narrow one of them"
        else:
            message = f"the chain `{name}` is never entered: whenever it holds, {names} holds too"
            help_text = "the first chain that holds wins: move this one up, or narrow the chains above it"
        yield problem("Q0610", message, stage.place, labels=labels, help=help_text)
