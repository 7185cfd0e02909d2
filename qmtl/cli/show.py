"""`qmtl show`: what a world really uses, and where each value was said.

In: a world file. Out: aligned text or JSON: settings, chains with the thresholds that hysteresis derives, guards,
parameters per symbol and strategy, the allowlist. A world with errors is answered with its diagnostics.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING

import click

from .terminal import columns
from .validate import EXIT_ERRORS, FORMATS, report

if TYPE_CHECKING:
    from qmtl.dsl.compile import Compiled
    from qmtl.dsl.effective import AllowedRow, ChainRow, Effective, OverrideRow, ParameterRow

_FEW = 6
#: a cell that is wider does not take part in the width of its column
_WIDEST = 72
#: no column is made narrower than this
_NARROWEST = 10


@click.command()
@click.argument("path", type=click.Path())
@click.option("--symbol", help="Only this symbol.")
@click.option("--strategy", help="Only this strategy.")
@click.option("--format", "form", type=FORMATS, default="text", show_default=True, help="How to print the values.")
def show(path: str, symbol: str | None, strategy: str | None, form: str) -> None:
    """Print the effective values of a world and where each comes from."""
    from qmtl.dsl.compile import compile_world
    from qmtl.dsl.effective import effective

    compiled = compile_world(path)
    if compiled.world is None:
        report(compiled.diagnostics, form)
        sys.exit(EXIT_ERRORS)
    _known(compiled, symbol, strategy)
    found = effective(compiled, symbol, strategy)
    if form == "json":
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(_lines(found, len(compiled.world.settings.universe), columns())))


def _known(compiled: Compiled, symbol: str | None, strategy: str | None) -> None:
    """A usage error for names that this world does not use."""
    from qmtl.dsl.similar import did_you_mean

    assert compiled.world is not None
    used = dict.fromkeys(name for chain in compiled.world.chains for name in chain.used)
    for noun, name, names in (("symbol", symbol, compiled.world.settings.universe), ("strategy", strategy, used)):
        if name is not None and name not in names:
            raise click.UsageError(f"world {compiled.name} has no {noun} {name}. {did_you_mean(name, names)}".strip())


def _lines(found: Effective, everyone: int, most: int | None) -> Iterator[str]:
    yield f"world {found.world}  {found.file}"
    yield from ("", "settings", *_table(((v.path, v.text, v.origin) for v in found.settings), most))
    yield from ("", "chains (the first that holds wins)")
    for chain in found.chains:
        yield from _chain_lines(chain, most)
    if found.guards:
        yield from ("", "entry guards", *_table(((v.path, v.text, v.origin) for v in found.guards), most))
    if found.parameters:
        yield from ("", "parameters", *_table((_parameter(row, everyone) for row in found.parameters), most))
    yield from ("", "allowlist", *_table(_allowed(found.allowed), most))


def _chain_lines(chain: ChainRow, most: int | None) -> Iterator[str]:
    yield f"  {chain.name}  {chain.origin}"
    rows = [("strategies", ", ".join(chain.strategies), ""), ("exposure", chain.exposure.text, chain.exposure.origin)]
    if chain.when:
        rows += [("when", chain.when, ""), ("stay", chain.stay, chain.stay_origin)]
    else:
        rows += [("when", "otherwise", "")]
    rows += [(f"{row.kind} {row.name}", _override(row), row.origin) for row in chain.overrides]
    yield from (f"  {line}" for line in _table(rows, most and most - 2))


def _override(row: OverrideRow) -> str:
    parts = (", ".join(row.strategies), f"exposure {row.exposure}" if row.exposure else "")
    return "; ".join(part for part in parts if part)


def _parameter(row: ParameterRow, everyone: int) -> tuple[str, ...]:
    return (row.strategy, _symbols(row.symbols, everyone), row.name, row.text, row.origin)


def _symbols(symbols: Sequence[str], everyone: int) -> str:
    if len(symbols) == everyone > 1:
        return "all symbols"
    more = f" and {len(symbols) - _FEW} more" if len(symbols) > _FEW else ""
    return ", ".join(symbols[:_FEW]) + more


def _allowed(rows: Sequence[AllowedRow]) -> Iterator[tuple[str, ...]]:
    if rows and all(row.strategies is None for row in rows):
        yield ("all symbols", "all strategies")
        return
    for row in rows:
        over = (f"{ended.strategy} (over since {ended.since})" for ended in row.over)
        yield (row.symbol, ", ".join((*(row.strategies or ()), *over)) or "nothing")


def _table(rows: Iterable[tuple[str, ...]], most: int | None) -> list[str]:
    """Left-aligned columns, two spaces apart, indented by two. In a file very wide cells do not push the others out; on a
    terminal they are wrapped so that a row keeps within `most` cells."""
    from qmtl.dsl.cells import harmless, width, wrapped

    listed = [tuple(harmless(cell) for cell in row) for row in rows]
    count = max((len(row) for row in listed), default=0)
    cells = [[width(row[i]) for row in listed if i < len(row)] for i in range(count)]
    if most is not None:
        widths = _narrowed([max(column, default=0) for column in cells], most - 2 * count)
        return [
            line
            for row in listed
            for line in _beside([wrapped(c, w) for c, w in zip(row, widths, strict=False)], widths)
        ]
    widths = [max((size for size in column if size <= _WIDEST), default=0) for column in cells]
    return [line for row in listed for line in _beside([[cell] for cell in row], widths)]


def _narrowed(widths: list[int], room: int) -> list[int]:
    """The widest columns made narrower until all fit into the room, none below `_NARROWEST`."""
    while sum(widths) > room and max(widths) > _NARROWEST:
        at = widths.index(max(widths))
        widths = [*widths[:at], widths[at] - 1, *widths[at + 1 :]]
    return widths


def _beside(cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    """The lines of one row, whose cells have a line or more each."""
    from qmtl.dsl.cells import width

    for line in zip_longest(*cells, fillvalue=""):
        texts = (cell + " " * max(widths[i] - width(cell), 0) for i, cell in enumerate(line))
        yield ("  " + "  ".join(texts)).rstrip()
