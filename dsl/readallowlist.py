"""Allowlists: which strategy may trade which symbol.

In: `allowlist:` of a world (a map, `all`, or the name of a document) or an allowlist document (rows, or a CSV file).
Out: rows. A strategy that nobody knows is an error in every form; so is a symbol outside the universe in a world's own map.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .context import Context
from .csvrows import Cell, Row, read_rows
from .diagnostics import Label, problem
from .documents import Document
from .model import AllowRow
from .section import Findings, Section, flag, word
from .similar import did_you_mean
from .source import Span
from .textfiles import MEGABYTE, read_source
from .tree import Entry, Map, Scalar, Seq
from .units import complaint, day

ALL: Final = "all"
_COLUMNS: Final = {name: (name,) for name in ("symbol", "strategy", "enabled", "reason", "until")}
_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False, "": True}
_LARGEST_CSV: Final = 16 * MEGABYTE
_FEW: Final = 5


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
        help_text = (
            did_you_mean(name, [*context.document_names("allowlist"), ALL])
            or "it is the name of an allowlist document below this file's folder, or `all`"
        )
        world.found.problems.append(problem("Q0506", f"unknown allowlist `{name}`", node.span, help=help_text))
        return ()
    rows = [row for row in read_rows_of(document, world.found, context) if row.symbol in known]
    _note_unlisted(world, universe, [row.symbol for row in rows])
    return tuple(rows)


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


def _note_unlisted(world: Section, universe: tuple[str, ...], listed: Iterable[str]) -> None:
    """Symbols without a row never trade: said once, and `SYMBOL: []` says that it is meant."""
    entry = world.node.entry("allowlist")
    known = set(listed)
    absent = [symbol for symbol in universe if symbol not in known]
    if not absent or entry is None:
        return
    more = f" and {len(absent) - _FEW} more" if len(absent) > _FEW else ""
    names = ", ".join(f"`{symbol}`" for symbol in absent[:_FEW])
    message = f"the allowlist has no row for {names}{more}: nothing trades {'it' if len(absent) == 1 else 'them'}"
    world.found.problems.append(
        problem("Q0609", message, entry.key_span, help=f"if that is meant, say `{absent[0]}: []`")
    )


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
