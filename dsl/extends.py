"""`extends`: a world that says only what is different from another one.

In: the tree of a world and the worlds near it. Out: one tree, as if the world had been written out in full. Maps merge key
by key, lists and single values replace, a written `~` deletes. It stands before the schema check, so that everything after
it sees a whole world; every node keeps its own place, so messages point into the file that said it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Final

from .deletions import EXTENDS, KEPT, deletes, without_deletions
from .diagnostics import Diagnostic, Label, has_errors, problem
from .documents import ENDINGS, Document, folder_of, without_cascades
from .narrowing import narrowed
from .nearby import WorldsNear
from .neighbours import Files, load_once
from .schema import check
from .similar import did_you_mean
from .strategyfiles import nearest_folder
from .tree import Entry, Map, Node, Scalar, Seq

#: worlds that may stand on each other
DEEPEST: Final = 32
#: what the schema says of a world whose base is not known: that something is not there may be the base's business
_MAYBE_INHERITED: Final = frozenset({"Q0202", "Q0208"})


@dataclass(frozen=True, slots=True)
class Extended:
    """A world with what it inherits; its `bases`, nearest first, are in the document. `whole` is False when a base is
    missing, and then the tree is not worth reading."""

    document: Document
    problems: tuple[Diagnostic, ...] = ()
    whole: bool = True


def extended(document: Document, files: Files) -> Extended:
    """The world with its bases merged in; itself when it extends none."""
    if _base_name(document) is None:
        return Extended(document)
    line, problems = _lineage(document, files)
    loads = [load_once(base.source.path, files) for base in line[1:] if base.source.path]
    problems += tuple(d for loaded in loads for d in loaded.diagnostics)
    if _base_name(line[-1]) is not None:
        own = [d for d in check(without_deletions(document.tree), "world") if d.code not in _MAYBE_INHERITED]
        own = list(without_cascades(problems, own))
        return Extended(replace(document, bases=tuple(line[1:])), (*problems, *own), whole=False)
    tree = line[-1].tree
    for child, base in zip(reversed(line[:-1]), reversed(line[1:]), strict=True):
        found: list[Diagnostic] = []
        tree = _stacked(tree, child.tree, found, f"world `{base.name}`")
        problems += tuple(found)
    tree = Map(tuple(entry for entry in tree if entry.key != EXTENDS), tree.span)
    return Extended(replace(document, tree=tree, bases=tuple(line[1:])), problems)


def named_files(document: Document) -> tuple[str, ...]:
    """Files and folders of definitions that a world names, the `strategies` folders of its bases among them. What a base in
    another folder says is relative to that folder."""
    own = nearest_folder(document.folder)
    near = (nearest_folder(base.folder) for base in reversed(document.bases))
    named = [str(folder.absolute()) for folder in near if folder is not None and folder != own]
    listed = document.tree.get("strategy_files")
    for item in listed.items if isinstance(listed, Seq) else ():
        if isinstance(item, Scalar) and isinstance(item.value, str):
            folder = folder_of(item.span, document.folder)
            named.append(item.value if folder == document.folder else str(folder.absolute() / item.value))
    return tuple(named)


def _base_name(document: Document) -> Scalar | None:
    node = document.tree.get(EXTENDS)
    return node if isinstance(node, Scalar) and isinstance(node.value, str) else None


def _lineage(document: Document, files: Files) -> tuple[list[Document], tuple[Diagnostic, ...]]:
    """The world, the one it extends, and so on. The last still extends something when the rest is missing or a circle."""
    line = [document]
    found: tuple[Diagnostic, ...] = ()
    seen = {_identity(document, files): 0}
    while (said := _base_name(line[-1])) is not None:
        near = WorldsNear(line[-1].folder, files)
        base = near.find(str(said.value))
        if base is None:
            unreadable = near.broken(str(said.value))
            return line, unreadable if has_errors(unreadable) else (_unknown(said, near),)
        key = _identity(base, files)
        if key in seen:
            return line, (_circle(line[seen[key] :]),)
        if len(line) > DEEPEST:
            message = f"more than {DEEPEST} worlds extend each other in a row"
            return line, (problem("Q0104", message, said.span, help="extend a world that is written out in full"),)
        seen[key] = len(line)
        line.append(base)
        found += near.doubtful(base.name, said.span)
    return line, found


def _identity(document: Document, files: Files) -> tuple[str, str]:
    path = document.source.path
    return (files.key(path) if path else document.source.name, document.name)


def _unknown(said: Scalar, near: WorldsNear) -> Diagnostic:
    name = str(said.value)
    file = PurePosixPath(name)
    if file.suffix in ENDINGS:
        help_text = f"`extends` takes the name of a world, not of its file: {_called(near, file.stem)}"
        return problem("Q0506", f"`{name}` is no name of a world", said.span, help=help_text)
    return problem("Q0506", f"unknown world `{name}`", said.span, help=near.help(name))


def _called(near: WorldsNear, name: str) -> str:
    return f"write `{name}`" if near.find(name) else "it stands behind `world:` in it"


def _circle(line: Sequence[Document]) -> Diagnostic:
    """Every world of a circle tells it in the same words, so that it is one mistake."""
    first = min(range(len(line)), key=lambda i: (line[i].source.name, line[i].place.start))
    turned = [*line[first:], *line[:first]]
    spans = [said.span for world in turned if (said := _base_name(world)) is not None]
    way = " -> ".join(f"`{world.name}`" for world in (*turned, turned[0]))
    message = (
        f"worlds extend each other in a circle: {way}" if len(turned) > 1 else f"{way.split(' ')[0]} extends itself"
    )
    labels = tuple(Label(span, f"`{world.name}` here") for span, world in zip(spans[1:], turned[1:], strict=True))
    return problem("Q0508", message, spans[0], labels=labels, help="one of them must be written out in full")


# ---- merging


def _stacked(base: Map, child: Map, found: list[Diagnostic], where: str) -> Map:
    """A whole world on its base; the name, and what it extends, are always its own."""
    own = {entry.key: entry for entry in child if entry.key in KEPT}
    rest = Map(tuple(entry for entry in child if entry.key not in own), child.span)
    merged = _merged(base, rest, found, where)
    inherited = tuple(own.pop(entry.key, entry) for entry in merged)
    return narrowed(Map((*inherited, *own.values()), child.span), base, child)


def _merged(base: Map, child: Map, found: list[Diagnostic], where: str) -> Map:
    """The base with what the child says: nested maps merge, other values replace, `~` deletes."""
    entries = {entry.key: entry for entry in base}
    for entry in child:
        before = entries.get(entry.key)
        if not deletes(entry.value):
            entries[entry.key] = Entry(entry.key, entry.key_span, _value(before, entry, found, where))
        elif before is not None:
            del entries[entry.key]
        else:
            help_text = did_you_mean(entry.key, entries) or "leave the line out"
            message = f"`~` deletes nothing: {where} has no `{entry.key}` here"
            found.append(problem("Q0509", message, entry.value.span, help=help_text))
    return Map(tuple(entries.values()), child.span)


def _value(before: Entry | None, entry: Entry, found: list[Diagnostic], where: str) -> Node:
    if not isinstance(entry.value, Map):
        return entry.value
    old = before.value if before is not None and isinstance(before.value, Map) else Map((), entry.value.span)
    return _merged(old, entry.value, found, where)
