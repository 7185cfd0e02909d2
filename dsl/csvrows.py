"""CSV text -> rows of cells that know their place, so that a wrong cell is blamed like a wrong YAML value.

In: a `Source` with a header line; lines that begin with `#` are comments. Out: rows as maps from column to `Cell`. Quoted cells may hold commas and doubled
quotes, but no line breaks: these are small tables that people edit, and a cell that goes on below is answered as one mistake.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from .diagnostics import Diagnostic, problem
from .similar import nearest
from .source import Source, Span

_CELL: Final = re.compile(r'[ \t]*("(?:[^"]|"")*"|[^,]*)[ \t]*(,|$)')
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
#: a quoted cell that goes on below, and ends as a cell ends
_OVER_LINES: Final = re.compile(r'"(?:[^"]|"")*"[ \t]*(?=[,\r\n]|\Z)')
#: characters of a cell, where one over several lines is looked for
_LONGEST_CELL: Final = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """Text of one cell, trimmed and unquoted."""

    text: str
    span: Span


Row = Mapping[str, Cell]
#: rows of a table, and how many of them may be wrong before it counts as no table at all
_MOST_ROWS: Final = 250_000
_MOST_ERRORS: Final = 1_000


def read_rows(
    source: Source, columns: Mapping[str, tuple[str, ...]], needed: tuple[str, ...]
) -> tuple[tuple[Row, ...], tuple[Diagnostic, ...]]:
    """Rows of a CSV file by our column names. `columns` gives the header spellings (lower case) of each; others are ignored."""
    return _kept(source, tuple(columns.items()), needed)


@lru_cache(maxsize=1)
def _kept(
    source: Source, columns: tuple[tuple[str, tuple[str, ...]], ...], needed: tuple[str, ...]
) -> tuple[tuple[Row, ...], tuple[Diagnostic, ...]]:
    """The table that was read last: a check reads the same file by itself and for the world that names it."""
    lines = _lines(source)
    header = next(lines, ())
    if isinstance(header, Diagnostic):
        return (), (header,)
    spellings = {spelling: name for name, listed in columns for spelling in listed}
    order = [spellings.get(cell.text.casefold()) for cell in header]
    missing = [name for name in needed if name not in order]
    if missing:
        return (), _wrong_header(header, missing, Span(source, 0, len(source.line(1))))
    rows: list[Row] = []
    problems: list[Diagnostic] = []
    for number, cells in enumerate(lines):
        if number == _MOST_ROWS or len(problems) == _MOST_ERRORS:
            place = cells.span if isinstance(cells, Diagnostic) else cells[0].span
            problems.append(_given_up(place or Span(source, 0, 0), number))
            break
        if isinstance(cells, Diagnostic):
            problems.append(cells)
            continue
        row = {name: cell for name, cell in zip(order, cells, strict=False) if name}
        if any(name not in row or not row[name].text for name in needed):
            problems.append(
                problem(
                    "Q0202", f"a row needs {' and '.join(f'`{n}`' for n in needed)}", cells[0].span.to(cells[-1].span)
                )
            )
        else:
            rows.append(row)
    return tuple(rows), tuple(problems)


def _wrong_header(header: tuple[Cell, ...], missing: list[str], first_line: Span) -> tuple[Diagnostic, ...]:
    """Why columns are missing: another separator, names that are misspelt, or no header."""
    where = header[0].span.to(header[-1].span) if header else first_line
    separator = next((s for s in (";", "\t", "|") if len(header) == 1 and s in header[0].span.text), "")
    if separator:
        at = where.start + where.text.index(separator)
        name = "tabs" if separator == "\t" else f"`{separator}`"
        message = f"the columns are parted by {name}, not by commas"
        shown = "every tab" if separator == "\t" else f"every {name}"
        help_text = f"write `,` instead of {shown}, or save the file as CSV with commas"
        return (problem("Q0202", message, Span(where.source, at, at + 1), help=help_text),)
    found = []
    for name in missing:
        near = nearest(name, [cell.text.casefold() for cell in header])
        cell = next((cell for cell in header if cell.text.casefold() == near), None)
        found.append(
            problem(
                "Q0202",
                f"the column `{name}` is missing",
                cell.span if cell else where,
                help=f"write `{name}`" if cell else "",
            )
        )
    if len(missing) > 1 and not any(d.help for d in found):
        names = " and ".join(f"`{name}`" for name in missing)
        help_text = f"the first line names the columns: write `{','.join(missing)}` above the rows"
        return (problem("Q0202", f"the columns {names} are missing", where, help=help_text),)
    return tuple(found)


def _given_up(span: Span, number: int) -> Diagnostic:
    if number == _MOST_ROWS:
        return problem("Q0104", f"a table has at most {_MOST_ROWS:,} rows", span)
    return problem("Q0104", f"more than {_MOST_ERRORS:,} rows are wrong: the rest is not read", span)


def _lines(source: Source) -> Iterator[tuple[Cell, ...] | Diagnostic]:
    """The cells of each line, or what is wrong with its quotes; the lines that a cell goes on over belong to its mistake."""
    at = behind = 0
    for line in source.text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        if at >= behind and body.strip() and not body.lstrip().startswith("#"):
            cells = _cells(source, at, at + len(body))
            if isinstance(cells, Diagnostic):
                over = _over_lines(source, cells)
                behind = over.end if over else behind
                cells = _broken_line(over) if over else cells
            yield cells
        at += len(line)


def _cells(source: Source, start: int, end: int) -> tuple[Cell, ...] | Diagnostic:
    cells = []
    at = start
    while at <= end:
        found = _CELL.match(source.text, at, end)
        assert found is not None, "the second branch matches anything"
        raw = found[1]
        span = Span(source, found.start(1), found.start(1) + len(raw.rstrip()))
        if raw.startswith('"') and not _QUOTED.fullmatch(raw):
            return _broken_quotes(span)
        text = raw[1:-1].replace('""', '"') if raw.startswith('"') else raw.strip()
        cells.append(Cell(text, span))
        if not found[2]:
            break
        at = found.end()
    return tuple(cells)


def _broken_quotes(span: Span) -> Diagnostic:
    help_text = 'a cell in quotes begins and ends with `"`; a quote inside it is doubled: `""`'
    return problem("Q0302", "the quotes of this cell are not closed where it ends", span, help=help_text)


def _over_lines(source: Source, broken: Diagnostic) -> Span | None:
    """The whole cell, when what looks broken on its line is closed on a later one."""
    assert broken.span is not None
    start = broken.span.start
    found = _OVER_LINES.match(source.text, start, start + _LONGEST_CELL)
    return Span(source, start, start + len(found[0].rstrip())) if found else None


def _broken_line(span: Span) -> Diagnostic:
    message = "a cell of these tables cannot hold a line break"
    first = Span(span.source, span.start, span.start + len(span.text.splitlines()[0].rstrip()))
    return problem("Q0302", message, first, help="write the row on one line")
