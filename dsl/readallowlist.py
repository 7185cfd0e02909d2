"""Allowlists: which strategy may trade which symbol.

In: `allowlist:` of a world (a map, `all`, or the name of a document) or an allowlist document (rows, or a CSV file).
Out: rows. A strategy that nobody knows is an error in every form; so is a symbol outside the universe in a world's own map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from .context import Context
from .csvrows import Cell, Row, read_rows
from .diagnostics import Label, problem
from .documents import Document
from .model import AllowRow
from .section import Findings, Section, flag, word
from .similar import did_you_mean, nearest
from .source import Span
from .textfiles import MEGABYTE, read_source
from .tree import Entry, Map, Scalar, Seq
from .units import complaint, day

ALL: Final = "all"
_COLUMNS: Final = {name: (name,) for name in ("symbol", "strategy", "enabled", "reason", "until")}
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": True}
_LARGEST_CSV: Final = 16 * MEGABYTE
_FEW: Final = 5
#: symbols of so few letters that one other letter makes another symbol
_SHORT: Final = 4


def read_world_allowlist(world: Section, universe: tuple[str, ...], context: Context) -> tuple[AllowRow, ...] | None:
    """Rows for the symbols of the universe; None means that everything is allowed."""
    node = world.node.get("allowlist")
    known = frozenset(universe)
    if isinstance(node, Map):
        world.found.origins["allowlist"] = node.span
        rows = [row for entry in node for row in _entry_rows(entry, world.found, (known, context))]
        _note_unlisted(world, universe, [entry.key for entry in node])
        return tuple(rows)
    name = world.value("allowlist", word, ALL)
    if name == ALL:
        return None
    document = context.documents.get(("allowlist", name))
    if document is None:
        assert isinstance(node, Scalar)
        broken = context.broken_document("allowlist", name)
        if broken:
            world.found.problems.extend(broken)
            return ()
        help_text = (
            did_you_mean(name, [*context.document_names("allowlist"), ALL])
            or "it is the name of an allowlist document below this file's folder, or `all`"
        )
        world.found.problems.append(problem("Q0506", f"unknown allowlist `{name}`", node.span, help=help_text))
        return ()
    every = read_rows_of(document, world.found, context)
    rows = [row for row in every if row.symbol in known]
    if len(rows) < len(every):
        rows += _other_case(world, [row for row in every if row.symbol not in known], universe)
    absent = _absent(universe, [row.symbol for row in rows])
    if absent:
        strangers = dict.fromkeys(row.symbol for row in every if row.symbol not in known)
        _note_rows(world, absent, {name: _row_place(world, every, name) for name in strangers})
    return tuple(rows)


def _other_case(world: Section, strangers: Iterable[AllowRow], universe: tuple[str, ...]) -> list[AllowRow]:
    """Rows whose symbol differs only by capital letters from one of the universe: noted, and read as that."""
    proper = {symbol.casefold(): symbol for symbol in universe}
    meant = []
    for row in strangers:
        symbol = proper.get(row.symbol.casefold())
        place = world.found.origins.get(f"allowlist.{row.symbol}.{row.strategy}")
        if symbol is not None and place is not None:
            world.found.problems.append(
                problem("Q0505", f"unknown symbol `{row.symbol}`", place, help=f"write `{symbol}`")
            )
            meant.append(replace(row, symbol=symbol))
    return meant


def _row_place(world: Section, rows: Iterable[AllowRow], symbol: str) -> Span | None:
    row = next(row for row in rows if row.symbol == symbol)
    return world.found.origins.get(f"allowlist.{symbol}.{row.strategy}")


def _note_rows(world: Section, absent: list[str], strangers: Mapping[str, Span | None]) -> None:
    """Symbols without a row in an allowlist document. A row of a name beside that of one of them may be its row: other
    worlds may read the same document, so that is no error."""
    entry = world.node.entry("allowlist")
    if entry is None:
        return
    left = []
    for symbol in absent:
        near = nearest(symbol, strangers) if strangers else None
        place = strangers[near] if near else None
        if place is None or not _slip(symbol, str(near)):
            left.append(symbol)
            continue
        labels = (Label(entry.key_span, f"has no row for `{symbol}`"),)
        help_text = f"write `{symbol}` here if that is meant, or add a row for `{symbol}`"
        message = f"`{near}` is no symbol of this world, and `{symbol}` has no row: nothing trades it"
        world.found.problems.append(problem("Q0609", message, place, labels=labels, help=help_text))
    if left:
        help_text = f"if that is meant, give `{left[0]}` a row with a strategy and `enabled` false"
        _say_unlisted(world, left, entry, help_text)


def _slip(symbol: str, written: str) -> bool:
    """Whether a name is the symbol with a letter too many, one too few, or two turned around: names of other letters are
    mostly other symbols (`XLB` and `XLK`)."""
    return len(symbol) != len(written) or sorted(symbol) == sorted(written) or len(symbol) > _SHORT


def _entry_rows(entry: Entry, found: Findings, about: tuple[frozenset[str], Context]) -> Iterable[AllowRow]:
    known, context = about
    if entry.key not in known:
        found.unknown("Q0505", "symbol", entry.key, entry.key_span)
        return
    for item in entry.value.items if isinstance(entry.value, Seq) else ():
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            continue
        found.origins[f"allowlist.{entry.key}.{item.value}"] = item.span
        if not context.knows("strategy", item.value):
            found.unknown("Q0503", "strategy", item.value, item.span)
        else:
            yield AllowRow(entry.key, item.value)


def _absent(universe: tuple[str, ...], listed: Iterable[str]) -> list[str]:
    known = set(listed)
    return [symbol for symbol in universe if symbol not in known]


def _note_unlisted(world: Section, universe: tuple[str, ...], listed: Iterable[str]) -> None:
    """Symbols without an entry never trade: said once, and `SYMBOL: []` says that it is meant."""
    entry = world.node.entry("allowlist")
    absent = _absent(universe, listed)
    if absent and entry is not None:
        _say_unlisted(world, absent, entry, f"if that is meant, say `{_nothing_for(absent[0], entry)}`")


def _nothing_for(symbol: str, entry: Entry) -> str:
    """An empty entry, as the text writes entries: `allow SYMBOL: a` of a block has another form than the map it stands for."""
    if entry.key_span.text == "allow":
        return f"allow {symbol}: []"
    return f"{symbol} []" if entry.key_span.source.name.endswith(".qmtl") else f"{symbol}: []"


def _say_unlisted(world: Section, absent: list[str], entry: Entry, help_text: str) -> None:
    more = f" and {len(absent) - _FEW} more" if len(absent) > _FEW else ""
    names = ", ".join(f"`{symbol}`" for symbol in absent[:_FEW])
    message = f"the allowlist has no row for {names}{more}: nothing trades {'it' if len(absent) == 1 else 'them'}"
    world.found.problems.append(problem("Q0609", message, entry.key_span, help=help_text))


def read_rows_of(document: Document, found: Findings, context: Context) -> tuple[AllowRow, ...]:
    """Rows of an allowlist document and of the CSV file it names; every (symbol, strategy) once."""
    section = Section(document.tree, "", Findings())
    rows: list[tuple[AllowRow, Span]] = []
    for item in section.sections("rows"):
        rows.extend(_document_row(item, found, context))
    csv = section.scalar("csv")
    if csv and isinstance(csv.value, str):
        rows.extend(_csv_rows(csv, document, (found, context)))
    first: dict[tuple[str, str], Span] = {}
    for row, place in rows:
        if (row.symbol, row.strategy) in first:
            labels = (Label(first[row.symbol, row.strategy], "first here"),)
            found.problems.append(
                problem(
                    "Q0606",
                    f"`{row.symbol}` with `{row.strategy}` is listed twice",
                    place,
                    label="again",
                    labels=labels,
                )
            )
        first.setdefault((row.symbol, row.strategy), place)
    for row, place in reversed(rows):
        found.origins[f"allowlist.{row.symbol}.{row.strategy}"] = place
    return tuple(row for row, _ in rows)


def _document_row(item: Section, found: Findings, context: Context) -> Iterable[tuple[AllowRow, Span]]:
    symbol, strategy = item.scalar("symbol"), item.scalar("strategy")
    if not symbol or not strategy or not isinstance(symbol.value, str) or not isinstance(strategy.value, str):
        return
    if not context.knows("strategy", strategy.value):
        found.unknown("Q0503", "strategy", strategy.value, strategy.span)
        return
    enabled = item.value("enabled", flag, True)
    until = item.scalar("until")
    if until is not None:
        found.origins[f"allowlist.{symbol.value}.{strategy.value}.until"] = until.span
    yield (
        AllowRow(symbol.value, strategy.value, enabled, item.value("reason", word, ""), item.value("until", day, "")),
        symbol.span,
    )


def _csv_rows(csv: Scalar, document: Document, about: tuple[Findings, Context]) -> Iterable[tuple[AllowRow, Span]]:
    found, context = about
    path = document.folder / str(csv.value)
    source, problems = read_source(path, most=_LARGEST_CSV)
    found.files.append(path)
    if source is None:
        found.problems.append(problem("Q0101", f"`{csv.value}`: {problems[0].message}", csv.span))
        return
    table, wrong = read_rows(source, _COLUMNS, ("symbol", "strategy"))
    found.problems.extend(wrong)
    for row in table:
        yield from _csv_row(row, found, context)


def _csv_row(row: Row, found: Findings, context: Context) -> Iterable[tuple[AllowRow, Span]]:
    symbol, strategy = row["symbol"], row["strategy"]
    if not context.knows("strategy", strategy.text):
        found.unknown("Q0503", "strategy", strategy.text, strategy.span)
        return
    nothing = Cell("", symbol.span)
    enabled = row.get("enabled", nothing)
    until = row.get("until", nothing)
    if enabled.text.casefold() not in _FLAGS:
        found.problems.append(problem("Q0203", "`enabled` must be `true` or `false`", enabled.span))
        return
    if until.text and day(until.text) is None:
        noun, help_text = complaint("date", until.text)
        found.problems.append(problem("Q0206", f"`until` must be {noun}", until.span, help=help_text))
        return
    if until.text:
        found.origins[f"allowlist.{symbol.text}.{strategy.text}.until"] = until.span
    reason = row.get("reason", nothing).text
    yield AllowRow(symbol.text, strategy.text, _FLAGS[enabled.text.casefold()], reason, until.text), symbol.span
