"""`qmtl resume`: lift the kill of a run's worlds; who did it and why stands in the journal for ever.

Loss, authentication and other kills that a person has to look at do not end by themselves. The run carries the command out at its next
tick, or at its next start: the limit that killed then counts from the first reading of equity, so it fires again after a further loss
of its size or at the next anchor. A kill that waits for the run is one of all worlds, and only a resume of all takes it back. With `--symbol` it is the pause of a symbol whose price moved too far that ends: the run
believes the price it finds, and leaves a kill as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qmtl.engine.errors import DataError, QmtlError

from .exits import leave
from .operate import Outcome, Wish, folder_of, holder, journal_of, leave_command, outcome, place_options, shown

if TYPE_CHECKING:
    from qmtl.dsl.program import Program
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
    from qmtl.engine.record import last_programs

    from .wiring import stored_program

    wish = Wish("resume", said["who"], said["why"], False, said["world"], said["symbol"])
    try:
        folder = folder_of(config, out)
        with journal_of(folder) as journal:
            programs = last_programs(journal, stored_program)
            found = list(_held(journal, programs, wish))
            waiting = tuple(c for c in _waiting(folder) if journal.find("command", c.name) is None)
        killing = _kill_waits(waiting)
        _check(wish, sorted(programs), killing=killing)
        wanted = bool(found) or (killing and not wish.symbol)
        command = leave_command(folder, wish) if wanted and not _said_already(waiting, wish) else None
    except QmtlError as error:
        leave(error)
    came = outcome(folder, command, wait) if command is not None else Outcome(obeyed=False, holder=holder(folder))
    if as_json:
        told = {"lifted": found, "stored": command is not None, "runner": shown(came.holder), "obeyed": came.obeyed}
        click.echo(json.dumps({"version": 1, **told, "unread": came.unread}, ensure_ascii=False))
        return
    click.echo("\n".join(_told(found, wish, came, stored=command is not None)))


def _check(wish: Wish, worlds: list[str], *, killing: bool) -> None:
    """DataError for a world that this run does not have, and for a part of the worlds while a kill of all of them waits."""
    if wish.world and wish.world not in worlds:
        known = f"its worlds are {', '.join(worlds)}" if worlds else "it has not ticked yet; leave --world out"
        raise DataError(f"this run has no world {wish.world}", known)
    if wish.world and killing and not wish.symbol:
        raise DataError(
            f"a kill of all worlds waits for the run, and a resume of {wish.world} alone does not take it back",
            "lift it for all worlds with `qmtl resume` without --world, or leave it to the run and lift it in one world after that",
        )


def _told(found: list[str], wish: Wish, came: Outcome, *, stored: bool) -> Iterator[str]:
    if not stored and not found:
        yield _nothing(wish)
        return
    how_said = f"lifted by {wish.who}" if stored else "is lifted already"
    yield from (f"{line} {how_said}; {_when(wish, came)}" for line in found or ["a kill that waits"])


def _nothing(wish: Wish) -> str:
    where = f"in {wish.world}" if wish.world else "in no world"
    if wish.symbol:
        return f"{wish.symbol} is {'not paused' if wish.world else 'paused'} {where}"
    return f"{wish.world} is not killed" if wish.world else "no world is killed"


def _when(wish: Wish, came: Outcome) -> str:
    """When it counts, and for the pause of a symbol what it means."""
    does = "believes its price" if wish.symbol else "applies it"
    if came.obeyed:
        return f"the run {does}" if wish.symbol else "done"
    return f"the run {does} from its next tick on" if came.holder is not None else f"the next start {does}"


def _held(journal: JournalReader, programs: Mapping[str, Program], wish: Wish) -> Iterator[str]:
    """What the command would lift, one line for each world."""
    from qmtl.engine.reasons import Reason
    from qmtl.engine.record import last_tick

    for name, program in sorted(programs.items()):
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


def _said_already(waiting: Sequence[Command], wish: Wish) -> bool:
    """The same resume waits for the run, and no kill was said after it."""
    last = max((c.name for c in waiting if c.kind == "kill"), default="")
    same = (c for c in waiting if c.kind == "resume" and (c.world, c.symbol) == (wish.world, wish.symbol))
    return any(c.name > last or wish.symbol for c in same)


def _kill_waits(waiting: Sequence[Command]) -> bool:
    """A kill that no run has carried out yet, and no resume of all has taken back since: as the run will see it."""
    lifted = max((c.name for c in waiting if c.kind == "resume" and not c.symbol and not c.world), default="")
    return any(c.kind == "kill" and c.name > lifted for c in waiting)
