"""Q0609 for `hysteresis`: an entry that loosens nothing.

Hysteresis loosens the comparisons of probabilities in the `when` of a chain. The last chain has none, a chain with `stay_when`
says itself when it is left, and a probability that is not read has no threshold.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..diagnostics import Diagnostic, Label, problem
from ..tree import Entry, Map
from ..uses import names_in
from .subject import Stage, Subject

_WAY_OUT = "drop it here"


def idle_hysteresis(subject: Subject, stages: tuple[Stage, ...]) -> Iterator[Diagnostic]:
    """Entries of a map `hysteresis` that change no condition."""
    node = subject.tree.get("hysteresis")
    if not isinstance(node, Map):
        return
    by_name = {stage.chain.name: stage for stage in stages}
    for entry in node:
        # what a world inherits may serve its other heirs
        if entry.key in by_name and entry.key_span.source.name == subject.document.source.name:
            yield from _entry(subject, by_name[entry.key], entry)


def _entry(subject: Subject, stage: Stage, entry: Entry) -> Iterator[Diagnostic]:
    name = stage.chain.name
    stay = subject.place(f"chains.{name}.stay_when")
    if stage.chain.when is None:
        message = f"the chain `{name}` has no condition, so there is nothing to loosen"
        yield problem("Q0609", message, entry.key_span, labels=(Label(stage.place, "the last chain"),), help=_WAY_OUT)
    elif stay is not None:
        message = f"the chain `{name}` has `stay_when`, so its hysteresis does nothing"
        help_text = "drop it here, or drop `stay_when`"
        yield problem("Q0609", message, entry.key_span, labels=(Label(stay, "counts instead"),), help=help_text)
    elif isinstance(entry.value, Map):
        read = names_in((stage.chain.when,))
        for part in entry.value:
            if part.key not in read:
                message = f"the chain `{name}` does not read `{part.key}`, so there is nothing to loosen"
                labels = (Label(stage.place, "not in here"),)
                yield problem("Q0609", message, part.key_span, labels=labels, help=_WAY_OUT)
