"""Commands of people to a run: one small file each in the folder `commands` of its out folder (`ports.Commands`).

In: a command, from any process, whether the run is alive or not. Out: the same command, once, to the run. A file appears whole or
not at all, and goes away only after the journal has what it said. A kill is seen before the next order leaves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final, Literal

from .. import wire
from ..errors import JournalError, StateError
from ..ports import Command
from ..wholefile import replace_whole

FOLDER: Final = "commands"
_KILL: Final = "-kill.json"


class CommandFiles:
    """The folder of one run."""

    def __init__(self, out: Path) -> None:
        """The folder is made when the first command comes."""
        self._folder = out / FOLDER

    def give(self, command: Command) -> None:
        """Leave a command, durably. JournalError when it cannot be written: then nobody will hear it."""
        text = json.dumps(asdict(command), indent=1, ensure_ascii=False) + "\n"
        with _translated(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            replace_whole(self._folder / f"{command.name}.json", text)

    def take(self) -> tuple[Command, ...]:
        """Commands that wait, oldest first. JournalError when the folder cannot be read."""
        read = [self._read(path) for path in self._files()]
        return tuple(command for command in read if command is not None)

    def unreadable(self) -> tuple[str, ...]:
        """Files that wait here and are no commands: nobody carries them out, and they stay where they are."""
        return tuple(str(path) for path in self._files() if self._read(path) is None)

    def done(self, commands: Sequence[Command]) -> None:
        """Take the files away."""
        with _translated(self._folder):
            for command in commands:
                (self._folder / f"{command.name}.json").unlink(missing_ok=True)

    def killing(self) -> bool:
        """Whether a kill waits. The folder is empty or missing at nearly all times, so this is one question to the kernel. A
        folder that cannot be read may hold one."""
        try:
            with os.scandir(self._folder) as entries:
                return any(entry.name.endswith(_KILL) for entry in entries)
        except FileNotFoundError:
            return False
        except OSError:
            return True

    def _files(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                return sorted(Path(entry) for entry in entries if entry.name.endswith(".json"))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"{self._folder} cannot be read: {error.strerror}", "check its owner") from error

    def _read(self, path: Path) -> Command | None:
        try:
            return wire.loads(Command, path.read_bytes())
        except (OSError, StateError):
            return None


def named(kind: Literal["kill", "resume"], nanoseconds: int) -> str:
    """The name of a command given at a moment (nanoseconds since 1970): names rise with time."""
    return f"{nanoseconds:020d}-{kind}"


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise JournalError(
            f"commands in {folder}: {error.strerror or error}",
            "check that the folder may be written and the disk has space; a signal (Ctrl-C, kill PID) stops the run without a file",
        ) from error
