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

from .diagnostics import Diagnostic, Label, in_order, problem
from .parser import parse_file
from .syntax import Definition
from .textfiles import read_source

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
    """Reads `.qmtl` files and folders (not below them); a file that was read already adds nothing.

    The names in messages are relative to the working directory where possible."""
    definitions: dict[str, Definition] = {}
    problems: list[Diagnostic] = []
    read: dict[Path, str] = {}
    texts: set[str] = set()
    for path in paths:
        layer: dict[str, Definition] = {}
        for file in _files(path):
            source, trouble = read_source(file)
            problems.extend(trouble)
            text = source.text if source is not None else ""
            real = Path(os.path.realpath(file))  # unlike `resolve` it does not raise for links in a circle
            seen = real in read or text in texts
            read[real] = text
            texts.add(text)
            if source is None or seen:
                continue
            found, _, mistakes = parse_file(source)
            problems.extend(mistakes)
            _add(layer, found, problems)
        definitions |= layer
    return Library(MappingProxyType(definitions), in_order(problems), tuple(read))


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
