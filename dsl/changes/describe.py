"""Differences as people and programs read them.

In: `Difference`s. Out: text (a line per change: `-` gone, `+` new, `~` other, with the places of both sides) or JSON. What
comes from files is made harmless for a terminal first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Final

from ..cells import harmless, width
from .change import Change, Difference, Effect
from .positions import EXIT_ONLY, MISMATCH, PRE_CUTOVER, REFUSED, UNWIND
from .worlds import names_of

NO_CHANGE: Final = "no change in meaning"
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS: Final = {"+": "\x1b[32m", "-": "\x1b[31m", "~": "\x1b[33m", "!": "\x1b[1m"}
_OFF: Final = "\x1b[0m"
#: what a label means for the position, in words
_MEANS: Final = {
    UNWIND: "it is closed",
    PRE_CUTOVER: "kept, may shrink, never grows",
    MISMATCH: "kept while both agree, may shrink, never grows",
    EXIT_ONLY: "may shrink, never grows",
}
#: places further right than this do not push the others
_WIDEST: Final = 78


def describe(differences: Iterable[Difference], *, color: bool = False) -> str:
    """All differences as text; the one line `no change in meaning` when there are none."""
    blocks = ["\n".join(_block(one, color)) for one in differences]
    return ("\n\n".join(blocks) if blocks else NO_CHANGE) + "\n"


def as_json(differences: Iterable[Difference]) -> str:
    """A JSON object: `changed`, and one object per document with its changes and effects."""
    listed = [_record(one) for one in differences]
    return json.dumps({"changed": bool(listed), "documents": listed}, indent=2, ensure_ascii=False) + "\n"


def _record(one: Difference) -> dict[str, object]:
    record = asdict(one)
    del record["everyone"]
    return record


def _block(one: Difference, color: bool) -> Iterator[str]:
    yield f"{_COLOURS['!']}{one.kind} {harmless(one.name)}{_OFF}" if color else f"{one.kind} {harmless(one.name)}"
    rows = [(_SIGNS[change.sign], harmless(_line(change)), harmless(_places(change))) for change in one.changes]
    column = max((width(text) for _, text, _ in rows if width(text) <= _WIDEST), default=0)
    for sign, text, places in rows:
        gap = " " * max(column - width(text), 0)
        line = f"  {sign} {text}{gap}  {places}".rstrip()
        yield f"{_COLOURS[sign]}{line}{_OFF}" if color else line
    yield from _start(one)
    if one.effects:
        yield "  positions held meanwhile"
        yield from (f"    {harmless(_effect(effect, one.everyone))}" for effect in one.effects)


def _start(one: Difference) -> Iterator[str]:
    """What no run takes while it goes on."""
    if one.kind == "deployment":
        yield "  a run that goes on takes this at its next start"
    elif one.changes[0].path == f"world.{one.name}":
        yield "  worlds cannot be added or taken away while it runs: stop and start again"


def _line(change: Change) -> str:
    what = _words(change)
    if change.sign == "changed":
        return f"{what}: {change.before} -> {change.after}"
    return f"{what}: {change.before or change.after}"


def _words(change: Change) -> str:
    """Paths of chains and guards in the words of the domain; everything else by its path."""
    path, space, more = change.what.partition(" ")
    steps = path.split(".")
    noun = {"chains": "chain", "entry_guards": "guard"}.get(steps[0])
    if noun is None:
        return change.what
    if len(steps) == 1:
        return f"{noun}s{space}{more}"
    rest = ".".join(steps[2:])
    listed = " strategies" if change.sign == "changed" else " strategy"
    words = {"": "", "when": "", "stay": ", to stay", "strategies": listed}
    return f"{noun} {steps[1]}{words.get(rest, f' {rest}')}{space}{more}"


def _places(change: Change) -> str:
    before, after = change.before_at, change.after_at
    return f"{before} -> {after}" if before and after else before or after


def _effect(effect: Effect, everyone: int) -> str:
    names = names_of(effect.symbols, everyone)
    if effect.label == REFUSED:
        return f"{names}: the edit is refused while a position is held ({effect.because})"
    owner = f" of {effect.owner}" if effect.owner else ""
    when = f" {effect.when}" if effect.when else ""
    label = "is exit only" if effect.label == EXIT_ONLY else f"becomes {effect.label}"
    return f"{names}: a held position{owner} {label}{when} ({effect.because}: {_MEANS[effect.label]})"
