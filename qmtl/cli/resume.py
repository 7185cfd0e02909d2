"""`qmtl resume`: lift the kill of a run's worlds; who did it and why stands in the journal for ever.

Loss, authentication and other kills that a person has to look at do not end by themselves. The run carries the command out at its next
tick, or at its next start: the limit that killed then counts from the first reading of equity, so it fires again after a further loss
of its size or at the next anchor. With `--symbol` it is the pause of a symbol whose price moved too far that ends: the run
believes the price it finds, and leaves a kill as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qmtl.engine.errors import QmtlError

from .exits import leave
from .operate import Wish, folder_of, journal_of, leave_command, obeyed, place_options, runner

if TYPE_CHECKING:
    from qmtl.engine.journal.reader import JournalReader
    from qmtl.engine.ports import Command
    from qmtl.engine.record import LastTick


@click.command()
@place_options
@click.option("--who", required=True, help="Your name, for the journal.")
@click.option("--why", required=True, help="The reason, for the journal.")
@click.option("--world", default="", help="Only this world.")
@click.option("--symbol", default="", help="Not the kill: the pause of this symbol after a gap of its price.")
@click.option(
    "--wait", "wait", type=click.FloatRange(min=0), default=90.0, show_default=True, help="Seconds to wait for the run."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def resume(config: Path | None, out: str, wait: float, as_json: bool, **said: str) -> None:
    """Lift the kill of a run, or the pause of one symbol."""
    wish = Wish("resume", said["who"], said["why"], False, said["world"], said["symbol"])
    try:
        folder = folder_of(config, out)
        with journal_of(folder) as journal:
            found = list(_held(journal, wish))
            waits = tuple(c for c in _waiting(folder) if c.kind == "resume" and _same(c, wish))
        command = leave_command(folder, wish) if (found or _kill_waits(folder, wish)) and not waits else None
        alive = runner(folder)
        done = command is not None and bool(alive) and obeyed(folder, command, wait)
    except QmtlError as error:
        leave(error)
    if as_json:
        click.echo(json.dumps({"lifted": found, "stored": command is not None, "runner": alive, "obeyed": done}))
        return
    click.echo("\n".join(_told(found, wish, alive, (command, done))))


def _told(found: list[str], wish: Wish, alive: str, how: tuple[Command | None, bool]) -> Iterator[str]:
    command, done = how
    if command is None and not found:
        yield f"{wish.symbol} is paused in no world" if wish.symbol else "no world is killed"
        return
    how_said = "is lifted already" if command is None else f"lifted by {wish.who}"
    yield from (f"{line} {how_said}; {_when(wish, alive, done=done)}" for line in found or ["a kill that waits"])


def _when(wish: Wish, alive: str, *, done: bool) -> str:
    """When it counts, and for the pause of a symbol what it means."""
    does = "believes its price" if wish.symbol else "applies it"
    if done:
        return f"the run {does}" if wish.symbol else "done"
    return f"the run {does} from its next tick on" if alive else f"the next start {does}"


def _held(journal: JournalReader, wish: Wish) -> Iterator[str]:
    """What the command would lift, one line for each world."""
    from qmtl.engine.reasons import Reason
    from qmtl.engine.record import last_programs, last_tick

    from .wiring import stored_program

    for name, program in sorted(last_programs(journal, stored_program).items()):
        last = last_tick(journal, name)
        if last is None or wish.world not in ("", name):
            continue
        universe = program.settings.universe
        if wish.symbol:
            if wish.symbol in universe and _paused(last, universe.index(wish.symbol)):
                yield f"{name}: the pause of {wish.symbol}"
        elif int(last.state.kill):
            yield f"{name}: {Reason(int(last.state.kill)).code}"


def _paused(last: LastTick, column: int) -> bool:
    """By a gap, or while it settles after a split."""
    return bool(last.state.gap_at[column] or last.state.settling[column])


def _waiting(folder: Path) -> tuple[Command, ...]:
    from qmtl.engine.adapters.commands import CommandFiles

    return CommandFiles(folder).take()


def _same(command: Command, wish: Wish) -> bool:
    return (command.world, command.symbol) == (wish.world, wish.symbol)


def _kill_waits(folder: Path, wish: Wish) -> bool:
    """A kill that no run has carried out yet is lifted too."""
    return not wish.symbol and any(c.kind == "kill" for c in _waiting(folder))
