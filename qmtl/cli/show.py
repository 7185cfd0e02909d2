"""`qmtl show`: what a world really uses, and where each value was said.

In: a world file. Out: aligned text or JSON: settings, chains with the thresholds that hysteresis derives, guards,
parameters per symbol and strategy, the allowlist. A world with errors is answered with its diagnostics.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .validate import EXIT_ERRORS, FORMATS, report

if TYPE_CHECKING:
    from qmtl.dsl.compile import Compiled
    from qmtl.dsl.effective import AllowedRow, ChainRow, Effective, OverrideRow, ParameterRow

_FEW = 6


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
        report(compiled.diagnostics)
        sys.exit(EXIT_ERRORS)
    _known(compiled, symbol, strategy)
    found = effective(compiled, symbol, strategy)
    if form == "json":
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
        return
    click.echo("\n".join(_lines(found, len(compiled.world.settings.universe))))


def _known(compiled: Compiled, symbol: str | None, strategy: str | None) -> None:
    """A usage error for names that this world does not use."""
    from qmtl.dsl.similar import did_you_mean

    assert compiled.world is not None
    used = dict.fromkeys(name for chain in compiled.world.chains for name in chain.used)
    for noun, name, names in (("symbol", symbol, compiled.world.settings.universe), ("strategy", strategy, used)):
        if name is not None and name not in names:
            raise click.UsageError(f"world {compiled.name} has no {noun} {name}. {did_you_mean(name, names)}".strip())


def _lines(found: Effective, everyone: int) -> Iterator[str]:
    yield f"world {found.world}  {found.file}"
    yield from ("", "settings", *_table((v.path, v.text, v.origin) for v in found.settings))
    yield from ("", "chains (the first that holds wins)")
    for chain in found.chains:
        yield from _chain_lines(chain)
    if found.guards:
        yield from ("", "entry guards", *_table((v.path, v.text, v.origin) for v in found.guards))
    if found.parameters:
        yield from ("", "parameters", *_table(_parameter(row, everyone) for row in found.parameters))
    yield from ("", "allowlist", *_table(_allowed(found.allowed)))


def _chain_lines(chain: ChainRow) -> Iterator[str]:
    yield f"  {chain.name}  {chain.origin}"
    rows = [("strategies", ", ".join(chain.strategies), ""), ("exposure", chain.exposure.text, chain.exposure.origin)]
    if chain.when:
        rows += [("when", chain.when, ""), ("stay", chain.stay, chain.stay_origin)]
    else:
        rows += [("when", "otherwise", "")]
    rows += [(f"{row.kind} {row.name}", _override(row), row.origin) for row in chain.overrides]
    yield from (f"  {line}" for line in _table(rows))


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
        yield (row.symbol, ", ".join(row.strategies or ()) or "nothing")


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Left-aligned columns, two spaces apart; very wide cells do not push the others out."""
    from qmtl.dsl.cells import harmless, width

    listed = [tuple(harmless(cell) for cell in row) for row in rows]
    columns = max((len(row) for row in listed), default=0)
    widths = [
        max((width(row[i]) for row in listed if i < len(row) and width(row[i]) <= 72), default=0)
        for i in range(columns)
    ]
    return [
        ("  " + "  ".join(cell + " " * max(widths[i] - width(cell), 0) for i, cell in enumerate(row))).rstrip()
        for row in listed
    ]
