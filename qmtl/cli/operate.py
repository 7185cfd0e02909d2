"""What the commands for operating a run have in common: where it is, whether it is alive, how it is told something.

In: the deployment's file, or the run's folder. Out: the folder, its journal read-only, commands left there. Nothing here compiles a
world: a half-edited text must not keep anybody from stopping a run.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from qmtl.engine.errors import DataError, JournalError, QmtlError

if TYPE_CHECKING:
    from qmtl.dsl.model import Deployment
    from qmtl.engine.journal.reader import JournalReader
    from qmtl.engine.lock import Holder
    from qmtl.engine.ports import Command
    from qmtl.engine.standing import Standing

F = TypeVar("F", bound=Callable[..., Any])
USUAL: Final = "prod.yaml"
JOURNAL: Final = "journal.db"
#: files that only a run makes; a journal may be lost while its run goes on
_SIGNS: Final = (JOURNAL, f"{JOURNAL}.lock", "paper.db", "state.json")


def place_options(command: F) -> F:
    """`--config` and `--out`: which run is meant."""
    command = click.option("--out", default="", help="The run's folder, instead of the one that the deployment names.")(
        command
    )
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        default=None,
        help=f"Deployment file of the run.  [default: {USUAL}]",
    )(command)


def folder_of(config: Path | None, out: str) -> Path:
    """The folder of a run. DataError when the deployment cannot be read."""
    if out:
        return Path(out).absolute()
    path = config or Path(USUAL)
    return path.absolute().parent / deployment_of(path).out


def deployment_of(path: Path) -> Deployment:
    """The deployment's own text, whatever is wrong with its worlds. DataError when there is none."""
    from qmtl.dsl.documents import load_file
    from qmtl.dsl.readdeployment import read_deployment

    document = next((d for d in load_file(path).documents if d.kind == "deployment"), None) if path.is_file() else None
    if document is None:
        raise DataError(
            f"{path} is no deployment that can be read", "name it with --config, or the run's folder with --out"
        )
    return read_deployment(document, {})[0]


def runner(folder: Path) -> str:
    """Who runs there, "" when nobody does."""
    found = holder(folder)
    return str(found) if found is not None else ""


def holder(folder: Path) -> Holder | None:
    """The same as data."""
    from qmtl.engine.lock import holder_of

    return holder_of(folder / f"{JOURNAL}.lock")


def check_run(folder: Path) -> None:
    """JournalError when nothing there says that a run was ever started in this folder. A folder that cannot be looked into may be
    one."""
    try:
        there = any((folder / name).exists() for name in _SIGNS)
    except OSError:
        return
    if not there:
        raise _no_journal(folder)


@contextmanager
def journal_of(folder: Path) -> Iterator[JournalReader]:
    """The journal of a run, read-only. JournalError when there is none."""
    from qmtl.engine.journal.reader import JournalReader

    if not (folder / JOURNAL).is_file():
        raise _no_journal(folder)
    with JournalReader(folder / JOURNAL) as reader:
        yield reader


def _no_journal(folder: Path) -> JournalError:
    return JournalError(f"there is no journal {folder / JOURNAL}", "name the run's folder with --out")


def standing_of(folder: Path) -> Standing | None:
    """Where the run stands; None before its first tick."""
    from qmtl.engine.standing import standing

    from .wiring import stored_program

    with journal_of(folder) as journal:
        return standing(journal, stored_program)


@dataclass(frozen=True, slots=True)
class Wish:
    """A command as it was typed; `symbol` and `world` "" = all."""

    kind: Literal["kill", "resume"]
    who: str
    why: str
    flatten: bool = False
    world: str = ""
    symbol: str = ""


def leave_command(folder: Path, wish: Wish) -> Command:
    """Leave a command for the run, durably. JournalError when it cannot be written."""
    from qmtl.engine.adapters.commands import CommandFiles, named
    from qmtl.engine.ports import Command

    now = time.time_ns()
    command = Command(
        named(wish.kind, now),
        wish.kind,
        now // 1_000_000_000,
        wish.who,
        wish.why,
        wish.flatten,
        wish.world,
        wish.symbol,
    )
    CommandFiles(folder).give(command)
    return command


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stored command: whether the run has carried it out, who runs at the end (None = nobody), and why that
    could not be seen in the journal, "" = it could."""

    obeyed: bool
    holder: Holder | None
    unread: str = ""


def outcome(folder: Path, command: Command, seconds: float) -> Outcome:
    """Wait so long until the alive run has journaled the command. A journal that cannot be read takes nothing back: the command
    is stored, and that it was carried out is not known."""
    until = time.monotonic() + seconds
    while True:
        alive = holder(folder)  # asked before the journal is read: a run may end just after it obeyed
        seen, unread = _journaled(folder, command)
        if seen or alive is None or time.monotonic() >= until:
            return Outcome(seen, alive, unread)
        time.sleep(0.2)


def _journaled(folder: Path, command: Command) -> tuple[bool, str]:
    try:
        with journal_of(folder) as journal:
            return journal.find("command", command.name) is not None, ""
    except QmtlError as error:
        return False, str(error)


def shown(holder: Holder | None) -> dict[str, object] | None:
    """Who runs, for programs."""
    return asdict(holder) if holder is not None else None


def user() -> str:
    """Who types, as the machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
