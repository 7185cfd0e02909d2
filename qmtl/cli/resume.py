"""`qmtl resume`: lift the kill of a stopped run's worlds; who did it and why stands in the journal for ever.

Loss and authentication kills do not recover by themselves. The next start applies it: the limit that killed then counts from
the first reading of equity, so it fires again after a further loss of its size or at the next anchor. With `--symbol` it is the pause of a symbol
whose price moved too far that ends: the next start believes the price it finds, and leaves a kill as it is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click

from qmtl.dsl.compile import compile_deployment
from qmtl.dsl.report.text import render_text
from qmtl.engine.errors import JournalError, QmtlError
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.reasons import Reason
from qmtl.engine.record import LastTick, last_programs, last_tick, released_since, resume_entry, resumed_since

from .exits import leave
from .wiring import JOURNAL, effective, given, stored_program


@click.command()
@click.option(
    "--config", "config", type=click.Path(path_type=Path), required=True, help="Deployment file of the stopped run."
)
@click.option("--who", required=True, help="Your name, for the journal.")
@click.option("--why", required=True, help="The reason, for the journal.")
@click.option("--world", default="", help="Only this world.")
@click.option("--symbol", default="", help="Not the kill: the pause of this symbol after a gap of its price.")
@click.option("--out", default="", help="Folder of the journal, when the run had one of its own.")
def resume(config: Path, who: str, why: str, **only: str) -> None:
    """Lift the kill of a stopped run, or the pause of one symbol."""
    world, symbol, out = only["world"], only["symbol"], only["out"]
    compiled = compile_deployment(config, given("", "", out))
    if compiled.deployment is None:
        click.echo(render_text(compiled.diagnostics), err=True)
        sys.exit(1)
    try:
        folder = Path(effective(compiled.deployment, config.absolute().parent).out)
        if not (folder / JOURNAL).is_file():
            raise JournalError(f"there is no journal {folder / JOURNAL}", "name the run's folder with --out")
        journal = SqliteJournal(folder / JOURNAL)
        try:
            stopped, by = _stopped(journal, world), (who, why)
            said = list(_release(journal, stopped, symbol, by) if symbol else _lift(journal, stopped, by))
        finally:
            journal.close()
    except QmtlError as error:
        leave(error)
    click.echo("\n".join(said) or (f"{symbol} is paused in no world" if symbol else "no world is killed"))


def _stopped(journal: SqliteJournal, only: str) -> dict[str, tuple[LastTick, tuple[str, ...]]]:
    """World -> its newest tick and the columns of it."""
    programs = last_programs(journal, stored_program)
    ticks = ((name, last_tick(journal, name)) for name in sorted(programs) if only in ("", name))
    return {name: (last, programs[name].settings.universe) for name, last in ticks if last is not None}


def _lift(
    journal: SqliteJournal, stopped: Mapping[str, tuple[LastTick, tuple[str, ...]]], by: tuple[str, str]
) -> Iterator[str]:
    for name, (last, _) in stopped.items():
        if not int(last.state.kill):
            continue
        if name in resumed_since(journal, last.header.now):
            yield f"{name}: lifted already; the next start applies it"
            continue
        journal.append([resume_entry(name, last.header.now, *by)])
        yield f"{name}: {Reason(int(last.state.kill)).code} lifted by {by[0]}; the next start applies it"


def _release(
    journal: SqliteJournal,
    stopped: Mapping[str, tuple[LastTick, tuple[str, ...]]],
    symbol: str,
    by: tuple[str, str],
) -> Iterator[str]:
    for name, (last, universe) in stopped.items():
        if symbol not in universe or not _paused(last, universe.index(symbol)):
            continue
        if (name, symbol) in released_since(journal, last.header.now):
            yield f"{name}: the pause of {symbol} is lifted already; the next start applies it"
            continue
        journal.append([resume_entry(name, last.header.now, *by, symbol=symbol)])
        yield f"{name}: the pause of {symbol} lifted by {by[0]}; the next start believes its price"


def _paused(last: LastTick, column: int) -> bool:
    """By a gap, or while it settles after a split."""
    return bool(last.state.gap_at[column] or last.state.settling[column])
