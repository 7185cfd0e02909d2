"""Differences as people and programs read them.

In: `Difference`s, the warnings that are new, how wide the terminal is. Out: text (a line per change: `-` gone, `+` new,
`~` other, with the places of both sides) or JSON. Lines that several worlds share, because they come from the same places,
are printed once with the names of all these worlds. What comes from files is made harmless for a terminal first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Final

from ..cells import harmless, width, wrapped
from ..diagnostics import Diagnostic
from ..report.json import as_records
from .change import Change, Consequence, Difference, Effect
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


def describe(differences: Iterable[Difference], *, color: bool = False, columns: int | None = None) -> str:
    """All differences as text; the one line `no change in meaning` when there are none. `columns` is the width of a
    terminal: places that do not fit beside their change stand below it."""
    blocks = ["\n".join(_block(one, color, columns)) for one in _shared(tuple(differences))]
    return ("\n\n".join(blocks) if blocks else NO_CHANGE) + "\n"


def as_json(differences: Iterable[Difference], warnings: Iterable[Diagnostic] = ()) -> str:
    """A JSON object: `changed`, one object per document with its changes, effects and consequences, and the new warnings."""
    listed = [_record(one) for one in differences]
    whole = {"changed": bool(listed), "documents": listed, "warnings": as_records(warnings)}
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _record(one: Difference) -> dict[str, object]:
    record = asdict(one)
    del record["everyone"]
    return record


@dataclass(frozen=True, slots=True)
class _Block:
    """What one or several documents share: their heading, changes, and what happens to positions."""

    heading: str
    changes: tuple[Change, ...]
    held: tuple[str, ...]
    after: tuple[str, ...]


def _shared(differences: tuple[Difference, ...]) -> Iterator[_Block]:
    """Worlds by the lines they share, in the order in which the lines are met; every other document by itself."""
    worlds = [one for one in differences if one.kind == "world"]
    changes: dict[Change, list[str]] = {}
    held: dict[str, list[str]] = {}
    for one in worlds:
        for change in one.changes:
            changes.setdefault(change, []).append(one.name)
        for text in _held(one):
            held.setdefault(text, []).append(one.name)
    groups = dict.fromkeys(
        tuple(names)
        for one in worlds
        for names in (
            *(changes[change] for change in one.changes),
            *(held[text] for text in _held(one)),
        )
    )
    for group in groups:
        noun = "world" if len(group) == 1 else "worlds"
        own = tuple(change for change, names in changes.items() if tuple(names) == group)
        texts = tuple(text for text, names in held.items() if tuple(names) == group)
        yield _Block(f"{noun} {', '.join(group)}", own, texts, tuple(_start("world", group[0], own)))
    for one in differences:
        if one.kind != "world":
            yield _Block(f"{one.kind} {one.name}", one.changes, (), tuple(_start(one.kind, one.name, one.changes)))


def _held(one: Difference) -> Iterator[str]:
    yield from (_effect(effect, one.everyone) for effect in one.effects)
    yield from (_consequence(consequence) for consequence in one.consequences)


def _block(block: _Block, color: bool, columns: int | None) -> Iterator[str]:
    heading = harmless(block.heading)
    yield f"{_COLOURS['!']}{heading}{_OFF}" if color else heading
    rows = [(_SIGNS[change.sign], harmless(_line(change)), _places(change)) for change in block.changes]
    column = max((width(text) for _, text, places in rows if _beside(text, places, columns)), default=0)
    for sign, text, places in rows:
        first, *more = _row(text, places, column, columns)
        lines = (f"  {sign} {first}", *(f"      {line}" for line in more))
        yield from (f"{_COLOURS[sign]}{line}{_OFF}" if color else line for line in lines)
    yield from block.after
    if block.held:
        yield "  positions held meanwhile"
        for text in block.held:
            first, *more = wrapped(harmless(text), columns - 6) if columns else (harmless(text),)
            yield from (f"    {first}", *(f"      {line}" for line in more))


def _beside(text: str, places: tuple[str, ...], columns: int | None) -> bool:
    """Whether the places fit beside a change, which then takes part in their column."""
    return width(text) <= _WIDEST and (columns is None or width(f"  ~ {text}  {' -> '.join(places)}") <= columns)


def _row(text: str, places: tuple[str, ...], column: int, columns: int | None) -> tuple[str, ...]:
    """The lines of a change, the first beside its sign."""
    joined = " -> ".join(places)
    line = f"{text}{' ' * max(column - width(text), 0)}  {joined}"
    if columns is None or width(line) + 4 <= columns:
        return (line,)
    lines = wrapped(text, columns - 6)
    if width(joined) + 6 <= columns:
        return (*lines, joined)
    return (*lines, *(place if index == 0 else f"-> {place}" for index, place in enumerate(places)))


def _start(kind: str, name: str, changes: tuple[Change, ...]) -> Iterator[str]:
    """What no run takes while it goes on."""
    if kind == "deployment":
        yield "  a run that goes on takes this at its next start"
    elif changes and changes[0].path == f"world.{name}":
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
    if rest.startswith("overrides.by_"):
        return f"chain {steps[1]}, {_overridden(rest, change.sign)}{space}{more}"
    listed = " strategies" if change.sign == "changed" else " strategy"
    words = {"": "", "when": "", "stay": ", to stay", "strategies": listed}
    return f"{noun} {steps[1]}{words.get(rest, f' {rest}')}{space}{more}"


def _overridden(path: str, sign: str) -> str:
    """`overrides.by_symbol.GLD.exposure` as `exposure of GLD`; an override as a whole is called so."""
    kind, _, name = path.removeprefix("overrides.by_").partition(".")
    words = {"strategies": "strategies" if sign == "changed" else "strategy", "exposure": "exposure"}
    for field, word in words.items():
        if field in name.split(".")[1:]:
            owner = name.partition(f".{field}")[0]
            return f"{word} of {'sector ' if kind == 'sector' else ''}{owner}"
    return f"override of {'sector ' if kind == 'sector' else ''}{name}"


def _places(change: Change) -> tuple[str, ...]:
    return tuple(harmless(place) for place in (change.before_at, change.after_at) if place)


def _consequence(consequence: Consequence) -> str:
    path = consequence.path.split(".")
    about = f"guard {path[1]}" if path[0] == "entry_guards" else consequence.path
    return f"{about}: {consequence.text}"


def _effect(effect: Effect, everyone: int) -> str:
    names = names_of(effect.symbols, everyone)
    if effect.label == REFUSED:
        return f"{names}: the edit is refused while a position is held ({effect.because})"
    owner = f" of {effect.owner}" if effect.owner else ""
    when = f" {effect.when}" if effect.when else ""
    label = "is exit only" if effect.label == EXIT_ONLY else f"becomes {effect.label}"
    return f"{names}: a held position{owner} {label}{when} ({effect.because}: {_MEANS[effect.label]})"
