"""CSV text -> rows of cells that know their place, so that a wrong cell is blamed like a wrong YAML value.

In: a `Source` with a header line; lines that begin with `#` are comments. Out: rows as maps from column to `Cell`. Quoted cells may hold commas and doubled
quotes, but no line breaks: these are small tables that people edit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .diagnostics import Diagnostic, problem
from .source import Source, Span

_CELL: Final = re.compile(r'[ \t]*("(?:[^"]|"")*"|[^,]*)[ \t]*(,|$)')


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
    lines = _lines(source)
    header = next(lines, ())
    spellings = {spelling: name for name, listed in columns.items() for spelling in listed}
    order = [spellings.get(cell.text.casefold()) for cell in header]
    missing = [name for name in needed if name not in order]
    if missing:
        where = Span(source, 0, len(source.line(1)))
        return (), tuple(problem("Q0202", f"the column `{name}` is missing", where) for name in missing)
    rows: list[Row] = []
    problems: list[Diagnostic] = []
    for number, cells in enumerate(lines):
        if number == _MOST_ROWS or len(problems) == _MOST_ERRORS:
            problems.append(_given_up(cells[0].span, number))
            break
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


def _given_up(span: Span, number: int) -> Diagnostic:
    if number == _MOST_ROWS:
        return problem("Q0104", f"a table has at most {_MOST_ROWS:,} rows", span)
    return problem("Q0104", f"more than {_MOST_ERRORS:,} rows are wrong: the rest is not read", span)


def _lines(source: Source) -> Iterator[tuple[Cell, ...]]:
    at = 0
    for line in source.text.splitlines(keepends=True):
        body = line.rstrip("\r\n")
        if body.strip() and not body.lstrip().startswith("#"):
            yield _cells(source, at, at + len(body))
        at += len(line)


def _cells(source: Source, start: int, end: int) -> tuple[Cell, ...]:
    cells = []
    at = start
    while at <= end:
        found = _CELL.match(source.text, at, end)
        assert found is not None, "the second branch matches anything"
        raw = found[1]
        text = raw[1:-1].replace('""', '"') if raw.startswith('"') else raw.strip()
        cells.append(Cell(text, Span(source, found.start(1), found.start(1) + len(raw.rstrip()))))
        if not found[2]:
            break
        at = found.end()
    return tuple(cells)
