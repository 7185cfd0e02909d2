"""`qmtl journal`: read a journal while a run writes it or afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import click

from qmtl.engine.errors import QmtlError

from .exits import leave


@click.group()
def journal() -> None:
    """Read a journal: its digest."""


@journal.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def digest(path: Path, as_json: bool) -> None:
    """SHA-256 over everything in a journal but wall-clock facts and snapshots; equal runs have equal digests."""
    from qmtl.engine.journal.digest import summary

    try:
        found = summary(path / "journal.db" if path.is_dir() else path)
    except QmtlError as error:
        leave(error)
    if as_json:
        streams = {s.stream: {"entries": s.entries, "digest": s.sha256} for s in found.streams}
        click.echo(json.dumps({"digest": found.sha256, "streams": streams}))
        return
    for stream in found.streams:
        click.echo(f"{stream.sha256}  {stream.entries:>8}  {stream.stream}")
    click.echo(f"{found.sha256}  journal")
