"""`qmtl kill`: stop trading now. It works while the run is alive, while it hangs, and while it does not run.

The command is a file in the run's folder. An alive run sees it before its next order leaves, cancels everything that works at its
next tick, and only exits from then on, until `qmtl resume`; with --flatten it closes everything that is its own. It ends with 0 only
when the run has said that it did: whoever stops a run in a hurry must not take a stored command for a carried out one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from qmtl.engine.errors import QmtlError

from .exits import EXIT_DATA, leave
from .operate import Outcome, Wish, check_run, folder_of, leave_command, outcome, place_options, shown, user


@click.command()
@place_options
@click.option("--flatten", is_flag=True, help="Also close every position that is the run's own.")
@click.option("--who", default="", help="Your name, for the journal.  [default: the user of this machine]")
@click.option("--why", default="", help="The reason, for the journal.")
@click.option(
    "--wait", "wait", type=click.FloatRange(min=0), default=90.0, show_default=True, help="Seconds to wait for the run."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def kill(config: Path | None, out: str, flatten: bool, who: str, why: str, wait: float, as_json: bool) -> None:
    """Stop trading: cancel what works, open nothing, and with --flatten close everything."""
    try:
        folder = folder_of(config, out)
        check_run(folder)
        command = leave_command(folder, Wish("kill", who or user(), why, flatten))
    except QmtlError as error:
        leave(error)
    came = outcome(folder, command, wait)
    if as_json:
        told = {"command": command.name, "runner": shown(came.holder), "obeyed": came.obeyed, "flatten": flatten}
        click.echo(json.dumps({"version": 1, "stored": True, **told, "unread": came.unread}, ensure_ascii=False))
    else:
        click.echo(_told(came, flatten=flatten, wait=wait))
    if not came.obeyed:
        sys.exit(EXIT_DATA)


def _told(came: Outcome, *, flatten: bool, wait: float) -> str:
    does = "closes everything of its own" if flatten else "only exits"
    alive = came.holder
    if came.obeyed and alive is None:
        return f"killed: the run heard it and has ended since; look at the broker. Started again, it {does} until `qmtl resume`"
    if came.obeyed:
        return (
            f"killed: the run ({alive}) cancels what works and {does} until `qmtl resume`; watch it with `qmtl status`"
        )
    if alive is not None and came.unread:
        return (
            f"the kill is stored and no new order leaves, but it is not confirmed that the run ({alive}) carried it out, because its "
            f"journal cannot be read: {came.unread}\n"
            "See the broker whether it did; if not, stop the process and act there; its next start kills first."
        )
    if alive is not None:
        return (
            f"the kill is stored and no new order leaves, but the run ({alive}) did not carry it out within {wait:g} s.\n"
            "If it hangs, stop the process and act at the broker; its next start kills first."
        )
    return (
        "the kill is stored. No run is alive here, so nothing is cancelled or closed now: act at the broker if that is urgent.\n"
        f"The next start of the run kills first and {does}."
    )
