"""How a command ends when the engine says no: the message, the way out, and a documented exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from qmtl.engine.errors import JournalError, LockedError, QmtlError

EXIT_DATA, EXIT_STORAGE, EXIT_LOCKED = 1, 74, 75


def leave(error: QmtlError) -> NoReturn:
    """Print the error with its hint and exit: 75 locked, 74 storage, 1 anything else."""
    click.echo(f"error: {error}", err=True)
    if error.hint:
        click.echo(f"  = help: {error.hint}", err=True)
    if isinstance(error, LockedError):
        sys.exit(EXIT_LOCKED)
    sys.exit(EXIT_STORAGE if isinstance(error, JournalError) else EXIT_DATA)
