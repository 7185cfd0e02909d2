"""`qmtl gate`: may this go on? The live gate of a run, and the shadow gate of each world that has a shadow regime.

In: the folder of a run, and the folder of a backtest over the same days. It reads the journal (also while the run writes it) and
the latencies in live_log.csv. What was not measured does not pass, so without a backtest the live gate fails.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qmtl.engine.errors import QmtlError

from .exits import EXIT_DATA, leave
from .wiring import JOURNAL

if TYPE_CHECKING:
    from qmtl.engine.backtest.gates import Verdict
    from qmtl.engine.backtest.trackrecord import WorldRecord


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--backtest",
    type=click.Path(path_type=Path),
    help="Folder of a backtest of the same worlds, days, cash and costs: parity and slippage are against it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def gate(folder: Path, backtest: Path | None, as_json: bool) -> None:
    """The gates that a run has to pass before it may go on: live, and shadow where there is one."""
    try:
        records, verdicts = _verdicts(folder, backtest)
    except QmtlError as error:
        leave(error)
    if as_json:
        _as_json(verdicts)
    else:
        _as_text(records, verdicts)
    if not all(verdict.passed for verdict in verdicts.values()):
        sys.exit(EXIT_DATA)


def _verdicts(folder: Path, backtest: Path | None) -> tuple[tuple[WorldRecord, ...], dict[str, Verdict]]:
    """What the ticks say, and "live" or "shadow of WORLD" -> verdict."""
    from qmtl.engine.adapters.results import load
    from qmtl.engine.backtest.gates import live_gate, shadow_gate
    from qmtl.engine.backtest.trackrecord import live_run, shadow_run, world_records
    from qmtl.engine.journal.reader import JournalReader
    from qmtl.engine.projections import tick_seconds

    expected = None if backtest is None else load(backtest).result
    with JournalReader(folder / JOURNAL) as journal:
        records = world_records(journal)
        found = {"live": live_gate(live_run(journal, records, tick_seconds(folder), expected))}
    for record in records:
        shadow = shadow_run(record)
        if shadow is not None:
            found[f"shadow of {record.world}"] = shadow_gate(shadow)
    return records, found


def _as_text(records: tuple[WorldRecord, ...], verdicts: dict[str, Verdict]) -> None:
    from qmtl.engine.backtest.gatetext import verdict_text

    decided = [one for record in records for one in record.decided]
    days = sorted({one.day for one in decided if one.day}) or ["-"]
    what = f"{records[0].mode} run over {records[0].source}"
    click.echo(f"{what}: {len(days)} sessions, {days[0]} to {days[-1]}, {len(decided)} decisions\n")
    for title, verdict in verdicts.items():
        name, _, world = title.partition(" of ")
        click.echo(verdict_text(f"{name} gate of {world}" if world else f"{name} gate", verdict))


def _as_json(verdicts: dict[str, Verdict]) -> None:
    from qmtl.engine.adapters.plainjson import to_plain

    plain = {title: {"passed": found.passed, **to_plain(found)} for title, found in verdicts.items()}
    click.echo(json.dumps(plain, allow_nan=False))
