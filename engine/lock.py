"""One runner per account and mode, one writer per journal: exclusive locks that end with their process (R08).

In: a folder, an account, a mode. Out: a held lock, or LockedError that says who holds it. The lock is the kernel's
(flock), the text in the file (pid, since when, on which host) is for people; a killed process leaves the file behind but
not the lock, so a stale one is taken over without a question. The file is never removed: removing it would let two
processes lock two files of the same name.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from .errors import JournalError, LockedError

_TRIES, _PAUSE = 5, 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, by its own words; `pid` 0 where they cannot be read. `since` is UTC."""

    pid: int = 0
    host: str = ""
    since: str = ""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}" if self.pid else "another process"


class RunLock:
    """A lock that is held until `release` or the end of the process."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    def release(self) -> None:
        """Let go; releasing twice is fine."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def held(self) -> bool:
        """Whether the lock still keeps others away: not released, and its file is the one that they would lock."""
        if self._descriptor < 0:
            return False
        try:
            ours, theirs = os.fstat(self._descriptor), self.path.stat()
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_account(folder: Path, account: str, mode: str) -> RunLock:
    """Hold the lock of (account, mode) in that folder; every runner of the account must use the same folder."""
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda found: f"%{ord(found[0]):02x}", f"{account}-{mode}")
    return hold(folder / f"{name}.lock", f"account '{account}' in mode {mode}")


def hold(path: Path, what: str) -> RunLock:
    """Lock one file, creating it; LockedError says who runs on `what`, JournalError that there can be no lock here."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise JournalError(
            f"the lock {path} cannot be made: {error.strerror}", "check that its folder exists and may be written"
        ) from error
    try:
        _lock(descriptor)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, _owner().encode(), 0)
    except BlockingIOError as error:
        holder = _holder(descriptor)
        os.close(descriptor)
        raise LockedError(f"{what} is in use by {holder}", "stop that process first; only one may run") from error
    except OSError as error:
        os.close(descriptor)
        raise JournalError(f"the lock {path} cannot be held: {error.strerror}", "check the disk") from error
    return RunLock(descriptor, path)


def _lock(descriptor: int) -> None:
    """Lock, or BlockingIOError. Somebody who asks `runner_of` has it for less than a moment, so it is tried more than once."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def runner_of(path: Path) -> str:
    """Who holds the lock of this file as a sentence has it, "" when nobody does."""
    holder = holder_of(path)
    return str(holder) if holder is not None else ""


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock of this file, None when nobody does."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _owner() -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"pid": os.getpid(), "since": since, "host": socket.gethostname()}) + "\n"


def _holder(descriptor: int) -> Holder:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return Holder(int(owner["pid"]), str(owner["host"]), str(owner["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Holder()
