"""The strategies, regimes and features that worlds may name.

In: folders and files, the weakest first (the built-in folder, then the project's). Out: a `Library`: definitions by
name, where a later folder replaces a definition of an earlier one, and the syntax errors of all files. What definitions
mean is checked where a world uses them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from .builtins import FIT
from .diagnostics import Diagnostic, Label, in_order, problem
from .parser import parse_file
from .syntax import Definition
from .textfiles import read_source
from .uses import free_names

_NOTHING: Final[Mapping[str, Definition]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Library:
    """Definitions by name (one name means one thing, whatever its kind), mistakes, and the files that were read."""

    definitions: Mapping[str, Definition] = field(default_factory=lambda: _NOTHING)
    diagnostics: tuple[Diagnostic, ...] = ()
    files: tuple[Path, ...] = ()

    def get(self, kind: str, name: str) -> Definition | None:
        """The strategy, regime or feature of a name, or None."""
        found = self.definitions.get(name)
        return found if found is not None and found.kind == kind else None

    def names(self, kind: str) -> tuple[str, ...]:
        """Names of all definitions of a kind, sorted."""
        return tuple(sorted(n for n, d in self.definitions.items() if d.kind == kind))


def load_library(paths: Iterable[Path]) -> Library:
    """Reads `.qmtl` files and folders (not below them); a file that was read already adds nothing. A copy with the same text
    is a file of its own: what it defines replaces, or collides, like any other definition.

    The names in messages are relative to the working directory where possible."""
    definitions: dict[str, Definition] = {}
    problems: list[Diagnostic] = []
    read: dict[Path, None] = {}
    for path in paths:
        layer: dict[str, Definition] = {}
        for file in _files(path):
            real = Path(os.path.realpath(file))  # unlike `resolve` it does not raise for links in a circle
            if real in read:
                continue
            read[real] = None
            source, trouble = read_source(file)
            problems.extend(trouble)
            if source is None:
                continue
            found, _, mistakes = parse_file(source)
            problems.extend(mistakes)
            _add(layer, found, problems)
        problems.extend(_reaching(layer, definitions))
        definitions |= layer
    return Library(MappingProxyType(definitions), in_order(problems), tuple(read))


def _reaching(layer: Mapping[str, Definition], before: Mapping[str, Definition]) -> Iterator[Diagnostic]:
    """Features of a layer that replace one which definitions of the layers before still read."""
    for name, new in layer.items():
        old = before.get(name)
        if old is None or not new.kind == old.kind == "feature" or new.span.text == old.span.text:
            continue
        reader = next((d for n, d in before.items() if n not in layer and name in free_names(d)), None)
        if reader is None and name not in FIT:
            continue
        who = f"the {reader.kind} `{reader.name.name}` reads" if reader else "the chart fit of every strategy reads"
        message = f"this `{name}` replaces the one that {who}"
        read = (Label(reader.name.span, "reads the new one now"),) if reader else ()
        labels = (Label(old.name.span, "replaced"), *read)
        help_text = "give it a name of its own; if that is meant, say so in an `allow` comment"
        yield problem("Q0625", message, new.name.span, labels=labels, help=help_text)


def library_of(definitions: Iterable[Definition], diagnostics: Iterable[Diagnostic] = ()) -> Library:
    """A library of definitions that were parsed elsewhere."""
    layer: dict[str, Definition] = {}
    problems = list(diagnostics)
    _add(layer, definitions, problems)
    return Library(MappingProxyType(layer), in_order(problems))


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(p for p in path.iterdir() if p.suffix == ".qmtl" and p.is_file())
    else:
        yield path


def _add(layer: dict[str, Definition], found: Iterable[Definition], problems: list[Diagnostic]) -> None:
    for definition in found:
        name = definition.name
        first = layer.get(name.name)
        if first is not None:
            labels = (Label(first.name.span, "first here"),)
            problems.append(problem("Q0507", f"`{name.name}` is defined twice", name.span, labels=labels))
        else:
            layer[name.name] = definition
