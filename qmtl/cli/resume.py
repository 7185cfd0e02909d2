"""`qmtl resume`: lift the kill of a stopped run's worlds; who did it and why stands in the journal for ever.

Loss and authentication kills do not recover by themselves. The next start applies it: limits then count from the first
reading of equity, so the same limit fires again after a further loss of its size.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from qmtl.dsl.compile import compile_deployment
from qmtl.dsl.report.text import render_text
from qmtl.engine.errors import JournalError, QmtlError
from qmtl.engine.journal.sqlite import SqliteJournal
from qmtl.engine.reasons import Reason
from qmtl.engine.record import last_programs, last_tick, resume_entry, resumed_since

from .exits import leave
from .wiring import JOURNAL, effective, given, stored_program


@click.command()
@click.option(
    "--config", "config", type=click.Path(path_type=Path), required=True, help="Deployment file of the stopped run."
)
@click.option("--who", required=True, help="Your name, for the journal.")
@click.option("--why", required=True, help="The reason, for the journal.")
@click.option("--world", default="", help="Only this world.")
@click.option("--out", default="", help="Folder of the journal, when the run had one of its own.")
def resume(config: Path, who: str, why: str, world: str, out: str) -> None:
    """Lift the kill of a stopped run."""
    compiled = compile_deployment(config, given("", "", out))
    if compiled.deployment is None:
        click.echo(render_text(compiled.diagnostics), err=True)
        sys.exit(1)
    try:
        folder = Path(effective(compiled.deployment, config.absolute().parent).out)
        if not (folder / JOURNAL).is_file():
            raise JournalError(f"there is no journal {folder / JOURNAL}", "name the run's folder with --out")
        lifted = _lift(SqliteJournal(folder / JOURNAL), world, who, why)
    except QmtlError as error:
        leave(error)
    click.echo("\n".join(lifted) or "no world is killed")


def _lift(journal: SqliteJournal, only: str, who: str, why: str) -> list[str]:
    try:
        said = []
        for name in sorted(last_programs(journal, stored_program)):
            last = last_tick(journal, name)
            if last is None or not int(last.state.kill) or (only and name != only):
                continue
            if name in resumed_since(journal, last.header.now):
                said.append(f"{name}: lifted already; the next start applies it")
                continue
            journal.append([resume_entry(name, last.header.now, who, why)])
            said.append(f"{name}: {Reason(int(last.state.kill)).code} lifted by {who}; the next start applies it")
        return said
    finally:
        journal.close()
