"""Allowlist documents as wholes: their own text, and whether any world that names them has their symbols (Q0615).

In: documents and what was read and compiled so far in this run. Out: mistakes. It stands beside `plans.py`: a row of such a
document may serve any world that names it, so no world by itself can tell that a symbol is misspelt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from .checks.dead_rows import ended_rows
from .compileworld import Run, context_of, library_of, world_of
from .diagnostics import Diagnostic, Label, has_errors, problem
from .documents import Document
from .extends import extended
from .nearby import named_near, worlds_below
from .neighbours import Files, Neighbours
from .readallowlist import ALL, read_rows_of
from .section import Findings
from .similar import did_you_mean
from .source import Span
from .tree import Scalar, Seq

#: a document, told by its file and where it begins there
_Key = tuple[str, int]
#: symbol -> the places of its rows
_Rows = Mapping[str, list[Span]]
_MOST_PLACES: Final = 3


@dataclass(frozen=True, slots=True)
class _User:
    """A world that names an allowlist, and its symbols."""

    world: Document
    universe: frozenset[str]
    place: Span


@dataclass(slots=True)
class _Named:
    """An allowlist, the rows of its symbols, and the worlds known to name it."""

    document: Document
    rows: _Rows
    users: dict[_Key, _User] = field(default_factory=dict)

    def strange(self) -> list[str]:
        """Symbols that no world has."""
        known = frozenset().union(*(user.universe for user in self.users.values()))
        return [symbol for symbol in self.rows if symbol not in known]


def allowlist_problems(document: Document, run: Run) -> tuple[Diagnostic, ...]:
    """Mistakes of an allowlist by itself."""
    library = library_of(document, run)
    context = context_of(document, library, Neighbours({}))
    found = Findings()
    rows = read_rows_of(document, found, context)
    found.problems.extend(ended_rows(rows, found.origins, run.today))
    unknown = found.unknown_names({"strategy": context.names("strategy")}, context.nowhere)
    return (*library.diagnostics, *found.problems, *unknown)


def strange_symbols(documents: Iterable[Document], run: Run) -> Iterator[Diagnostic]:
    """Rows of allowlists, checked here or named by worlds that are, whose symbol no world has that names the allowlist."""
    lists: dict[_Key, _Named] = {}
    for document in documents:
        if document.kind == "world":
            _note_world(document, lists, run)
        elif document.kind == "allowlist":
            lists.setdefault(_key(document, run.files), _Named(document, _rows_of(document, run)))
    for named in lists.values():
        if named.strange() and _all_users(named, run.files) and named.users:
            for symbol in named.strange():
                yield _strange(symbol, named)


def _note_world(document: Document, lists: dict[_Key, _Named], run: Run) -> None:
    """The rows of the list that a world names were read with the world: their places are among its own."""
    user, named = _user(document, run.files)
    if named is None or user is None:
        return
    key = _key(named, run.files)
    if key not in lists:
        lists[key] = _Named(named, _rows_at(world_of(document, run).origins))
    lists[key].users[_key(document, run.files)] = user


def _all_users(named: _Named, files: Files) -> bool:
    """Adds the worlds near by that name the list too; False when one cannot be read, so that nobody knows its symbols."""
    folders = {files.key(d.folder): d.folder for d in (named.document, *(u.world for u in named.users.values()))}
    for folder in folders.values():
        for near in worlds_below(folder, files):
            if near.faulty:
                return False
            for world in near.documents.values():
                user, other = _user(world, files)
                if other is None or _key(other, files) != _key(named.document, files):
                    continue
                if user is None:
                    return False
                named.users[_key(world, files)] = user
    return True


def _user(document: Document, files: Files) -> tuple[_User | None, Document | None]:
    """The world as a user, None when its symbols are not known; the allowlist document that it names."""
    line = extended(document, files)
    world = line.document
    said = world.tree.get("allowlist")
    if not isinstance(said, Scalar) or said.value == ALL:
        return None, None
    named = named_near(world, files).documents.get(("allowlist", str(said.value)))
    universe = world.tree.entry("universe")
    if has_errors(line.problems) or universe is None or not isinstance(universe.value, Seq):
        return None, named
    symbols = frozenset(str(item.value) for item in universe.value.items if isinstance(item, Scalar))
    return _User(world, symbols, universe.key_span), named


def _key(document: Document, files: Files) -> _Key:
    path = document.source.path
    return (files.key(path) if path else document.source.name, document.place.start)


def _rows_of(document: Document, run: Run) -> _Rows:
    found = Findings()
    read_rows_of(document, found, context_of(document, library_of(document, run), Neighbours({})))
    return _rows_at(found.origins)


def _rows_at(origins: Mapping[str, Span]) -> _Rows:
    """The places of rows, from the paths `allowlist.SYMBOL.strategy` (a symbol may hold dots, a strategy none)."""
    rows: dict[str, list[Span]] = {}
    for path, span in origins.items():
        head, _, rest = path.partition(".")
        symbol, _, last = rest.rpartition(".")
        if head == "allowlist" and symbol and last != "until":
            rows.setdefault(symbol, []).append(span)
    return rows


def _strange(symbol: str, named: _Named) -> Diagnostic:
    first, *more = sorted(named.rows[symbol], key=lambda span: (span.source.name, span.start))
    users = list(named.users.values())
    known = frozenset().union(*(user.universe for user in users))
    labels = (
        *(Label(place, "also here") for place in more[:_MOST_PLACES]),
        *(Label(user.place, f"the symbols of `{user.world.name}`") for user in users[:_MOST_PLACES]),
    )
    message = f"no world that names the allowlist `{named.document.name}` has the symbol `{symbol}`"
    help_text = did_you_mean(symbol, known) or "add it to the `universe` of a world, or drop the row"
    return problem("Q0615", message, first, labels=labels, help=help_text)
