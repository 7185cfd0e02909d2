"""What the commands for operating a run have in common: where it is, whether it is alive, how it is told something.

In: the deployment's file, or the run's folder. Out: the folder, its journal read-only, commands left there. Nothing here compiles a
world: a half-edited text must not keep anybody from stopping a run.
"""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from qmtl.engine.errors import DataError, JournalError

if TYPE_CHECKING:
    from qmtl.dsl.model import Deployment
    from qmtl.engine.journal.reader import JournalReader
    from qmtl.engine.ports import Command
    from qmtl.engine.standing import Standing

F = TypeVar("F", bound=Callable[..., Any])
USUAL: Final = "prod.yaml"
JOURNAL: Final = "journal.db"


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
    from qmtl.engine.lock import runner_of

    return runner_of(folder / f"{JOURNAL}.lock")


@contextmanager
def journal_of(folder: Path) -> Iterator[JournalReader]:
    """The journal of a run, read-only. JournalError when there is none."""
    from qmtl.engine.journal.reader import JournalReader

    if not (folder / JOURNAL).is_file():
        raise JournalError(f"there is no journal {folder / JOURNAL}", "name the run's folder with --out")
    with JournalReader(folder / JOURNAL) as reader:
        yield reader


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


def obeyed(folder: Path, command: Command, seconds: float) -> bool:
    """Wait until the run has journaled the command; False when it has not within that time."""
    until = time.monotonic() + seconds
    while True:
        with journal_of(folder) as journal:
            if journal.find("command", command.name) is not None:
                return True
        if time.monotonic() >= until or not runner(folder):
            return False
        time.sleep(0.2)


def user() -> str:
    """Who types, as the machine knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"
