"""`qmtl journal`: read, check and copy a journal while a run writes it or afterwards."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from qmtl.engine.errors import QmtlError

from .exits import EXIT_STORAGE, leave

JOURNAL = "journal.db"


@click.group()
def journal() -> None:
    """Read a journal: its digest, whether it is sound, a copy of it."""


def _file(path: Path) -> Path:
    """The journal of a folder, or the file itself."""
    return path / JOURNAL if path.is_dir() else path


@journal.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def digest(path: Path, as_json: bool) -> None:
    """SHA-256 over everything in a journal but wall-clock facts and snapshots; equal runs have equal digests."""
    from qmtl.engine.journal.digest import summary

    try:
        found = summary(_file(path))
    except QmtlError as error:
        leave(error)
    if as_json:
        streams = {s.stream: {"entries": s.entries, "digest": s.sha256} for s in found.streams}
        click.echo(json.dumps({"digest": found.sha256, "streams": streams}))
        return
    for stream in found.streams:
        click.echo(f"{stream.sha256}  {stream.entries:>8}  {stream.stream}")
    click.echo(f"{found.sha256}  journal")


@journal.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(path: Path, as_json: bool) -> None:
    """Look at every page, entry and snapshot of a journal; ends with 74 when something is damaged."""
    from qmtl.engine.journal.check import soundness

    try:
        found = soundness(_file(path))
    except QmtlError as error:
        leave(error)
    if as_json:
        click.echo(json.dumps({**asdict(found), "sound": not found.wrong}))
    else:
        for sentence in found.wrong:
            click.echo(f"damaged: {sentence}")
        of_before = f", {found.unmarked:,} of them older than checksums" if found.unmarked else ""
        click.echo(
            f"{'damaged' if found.wrong else 'sound'}: {found.entries:,} entries{of_before}, "
            f"{found.snapshots} snapshots, last entry {found.last:,}"
        )
    if found.wrong:
        sys.exit(EXIT_STORAGE)


@journal.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.argument("to", type=click.Path(path_type=Path))
def copy(path: Path, to: Path) -> None:
    """Copy a journal as of this moment, also while a run writes it, and check the copy; TO must not be there."""
    from qmtl.engine.journal.check import copy as copied
    from qmtl.engine.journal.check import soundness

    target = to / JOURNAL if to.is_dir() else to
    try:
        copied(_file(path), target)
        found = soundness(target)
    except QmtlError as error:
        leave(error)
    for sentence in found.wrong:
        click.echo(f"damaged: {sentence}", err=True)
    click.echo(f"{target}: {found.entries:,} entries, last entry {found.last:,}")
    if found.wrong:
        sys.exit(EXIT_STORAGE)
