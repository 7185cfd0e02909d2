"""One side of a comparison: every document below some paths, compiled, and how its places are called.

In: paths; where the side was unpacked and its label when it is a revision. Out: a `Side`. It stands apart because the two
sides are read alike, whether they lie in the working tree, in another folder, or came out of git.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

from ..compile import validate
from ..compileworld import Compiled, Run, world_of
from ..diagnostics import Diagnostic, Label, has_errors
from ..documents import Document, find_files
from ..neighbours import load_once
from ..source import Source, Span
from ..strategyfiles import nearest_folder
from ..textfiles import display, read_source

BUILTIN: Final = Path(str(files("qmtl.strategies")))
#: text of a place
Spell = Callable[[Span], str]
#: what a revision cannot know: recorded data and models that git does not hold
_OUTSIDE_GIT: Final = frozenset({"Q0607", "Q0704", "Q0805"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a side comes from: `label` is the revision, "" for files as they lie; `root` is where it was unpacked; `own`
    is its folder of strategies; `lack` that paths which are not there are no mistake."""

    label: str = ""
    root: Path | None = None
    own: Path | None = None
    lack: bool = False

    def name(self, source: Source) -> str:
        """A file as the user knows it: `HEAD:worlds/us.yaml`, or the path itself."""
        path = self._own(source)
        if path is None:
            return source.name
        if self.root is None:
            return display(path)
        path = path.resolve()
        return (
            f"{self.label}:{path.relative_to(self.root).as_posix()}" if path.is_relative_to(self.root) else source.name
        )

    def _own(self, source: Source) -> Path | None:
        """A built-in file that lies in this side's own folder letter by letter was read once, from the built-in one."""
        twin = self.own / source.path.name if self.own and source.path else None
        if (
            twin is None
            or twin == source.path
            or source.path is None
            or source.path.parent != BUILTIN
            or not twin.is_file()
        ):
            return source.path
        return twin if read_source(twin)[0] == replace(source, name=display(twin), path=twin) else source.path

    def place(self, span: Span) -> str:
        """`file:line` of a span."""
        return f"{self.name(span.source)}:{span.source.position(span.start)[0]}"


@dataclass(frozen=True, slots=True)
class Side:
    """Documents by (kind, name) and the compiled worlds by name; no worlds when there are errors."""

    origin: Origin
    documents: Mapping[tuple[str, str], Document]
    worlds: Mapping[str, Compiled]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def broken(self) -> bool:
        """Whether there are errors, so that nothing can be compared."""
        return has_errors(self.diagnostics)


def read_side(paths: Iterable[Path], origin: Origin | None = None) -> Side:
    """Everything below the paths. A side without any document is well and empty: all of it was added or removed."""
    origin = origin or Origin()
    listed = tuple(path for path in paths if path.exists() or not origin.lack)
    if not listed:
        return Side(origin, {}, {}, ())
    origin = replace(origin, own=nearest_folder(listed[0] if listed[0].is_dir() else listed[0].parent))
    problems = tuple(
        _renamed(d, origin) for d in validate(listed).diagnostics if origin.root is None or d.code not in _OUTSIDE_GIT
    )
    if has_errors(problems):
        return Side(origin, {}, {}, problems)
    run = Run()
    found, _ = find_files(listed)
    documents = {(d.kind, d.name): d for path in found for d in load_once(path, run.files).documents}
    worlds = {name: world_of(document, run) for (kind, name), document in documents.items() if kind == "world"}
    return Side(origin, documents, worlds, problems)


def new_warnings(before: Side, after: Side) -> tuple[Diagnostic, ...]:
    """The warnings that the side after has and the side before has not. Where they stand in the file does not matter, as an
    edit above moves them; of alike ones those on lines that were not there count as new."""
    silent = _OUTSIDE_GIT if before.origin.root else frozenset[str]()
    known = Counter(_told(d) for d in before.diagnostics)
    lines = {(_told(d), _line(d)) for d in before.diagnostics}
    fresh: set[int] = set()
    listed = [d for d in after.diagnostics if d.code not in silent]
    for d in sorted(listed, key=lambda d: (_told(d), _line(d)) not in lines):
        known[_told(d)] -= 1
        if known[_told(d)] < 0:
            fresh.add(id(d))
    return tuple(d for d in listed if id(d) in fresh)


def _told(d: Diagnostic) -> tuple[str, str, str]:
    """What a warning says, of which file."""
    return d.code, d.message, Path(d.span.source.name if d.span else d.file).name


def _line(d: Diagnostic) -> str:
    return d.span.source.line(d.span.source.position(d.span.start)[0]).strip() if d.span else ""


def _renamed(diagnostic: Diagnostic, origin: Origin) -> Diagnostic:
    """The diagnostic with its files called as the user knows them."""
    if origin.root is None:
        return diagnostic
    span = diagnostic.span and _moved(diagnostic.span, origin)
    labels = tuple(Label(_moved(label.span, origin), label.text) for label in diagnostic.labels)
    file = diagnostic.file
    if file and Path(file).is_relative_to(origin.root):
        file = f"{origin.label}:{Path(file).relative_to(origin.root).as_posix()}"
    return replace(diagnostic, span=span, labels=labels, file=file)


def _moved(span: Span, origin: Origin) -> Span:
    return replace(span, source=replace(span.source, name=origin.name(span.source)))
