"""`select:` of a world: how strategies are chosen, and what the router adds to their scores.

In: the tree of a world, the strategies of its chains, the definitions. Out: `Select`. Alphas of 0 mean nothing and are left out, so
that writing them changes no program.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from .context import Context
from .diagnostics import problem
from .model import RouterAlphas, Select
from .readchains import PROBABILITIES
from .section import Convert, Section, flag, number, word
from .tree import Map
from .units import duration

_KEYS: Final[Mapping[str, Convert]] = {
    "method": word, "switch_edge": number, "cooldown": duration, "only_when_flat": flag, "temperature": number, "cap": number,
}  # fmt: skip
_ALPHAS: Final[Mapping[str, Convert]] = dict.fromkeys(PROBABILITIES, number)


def read_select(root: Section, strategies: tuple[str, ...], context: Context) -> Select:
    """The selection of a world."""
    section = root.section("select")
    alphas = tuple(sorted(_alphas(section, strategies, context), key=lambda one: one.strategy))
    return replace(section.fill(Select(), _KEYS), alphas=alphas)


def _alphas(section: Section, strategies: tuple[str, ...], context: Context) -> Iterator[RouterAlphas]:
    listed = section.section("alphas")
    said = section.node.entry("alphas")
    if said is not None:
        section.found.origins[listed.path] = said.key_span
    for entry in listed.node:
        if not context.knows("strategy", entry.key):
            section.found.unknown("Q0503", "strategy", entry.key, entry.key_span)
        elif entry.key not in strategies:
            message = f"no chain uses `{entry.key}`, so its alphas do nothing"
            section.found.problems.append(problem("Q0609", message, entry.key_span))
        elif isinstance(entry.value, Map):
            section.found.origins[listed.at(entry.key)] = entry.key_span
            blank = RouterAlphas(entry.key)
            alphas = listed.child(entry).fill(blank, _ALPHAS)
            if alphas != blank:
                yield alphas
