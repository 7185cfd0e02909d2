"""Entries of a list that ran into the one before them, because their `- ` is missing.

In: the keys of a map that stands in a list, some of them twice. Out: the entries that were meant, and what is wrong. YAML
sees one map with duplicate keys; to keep one of each, as for true duplicates, would delete an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .diagnostics import Diagnostic, Label, problem
from .tree import Entry

_SHOWN: Final = 60


def without_dashes(entries: Sequence[Entry], repeated: Sequence[Entry]) -> list[list[Entry]]:
    """The entries that were meant, the map's own first; [] when keys only stand there twice.

    `repeated` begins with the first key that stood before. Several keys that come again in their order, or behind the key
    that every entry begins with, are another entry."""
    first = repeated[0].key
    parts = [list(entries)]
    for entry in repeated:
        if entry.key == first:
            parts.append([])
        parts[-1].append(entry)
    known = [entry.key for entry in entries]
    again = [entry.key for entry in parts[1] if entry.key in known]
    places = [known.index(key) for key in again]
    return parts if len(set(again)) > 1 and (places == sorted(places) or first == known[0]) else []


def lost_dash(opening: Entry, before: Entry, entry: Entry) -> Diagnostic:
    """What is wrong before the first key of such an entry; `opening` is the first key behind the last `- `."""
    text = entry.key_span.source.text
    line = text[entry.key_span.start :].partition("\n")[0].rstrip()
    head = text[text.rfind("\n", 0, opening.key_span.start) + 1 : opening.key_span.start]
    indent = " " * max(head.find("-"), 0)
    return problem(
        "Q0106",
        f"a `- ` is missing before `{entry.key}`",
        entry.key_span,
        label="the next entry of the list begins here",
        labels=(Label(before.key_span, "that of the entry above"),),
        help=f"write `{indent}- {line[:_SHOWN]}`",
    )
