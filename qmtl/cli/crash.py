"""What a run says when a bug in qmtl ends it: where it was, what is left alone now, what to do.

In: the exception that nobody expected, and what the run was at. Out: sentences; the exception goes on its way to the last hook of the
process, which ends with 70. Nothing is caught here: a run that went on after a bug would trade on what the bug left behind.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from qmtl.engine.errors import QmtlError
from qmtl.engine.frame import Frame

from .live import Display, stamp


class LastWords:
    """Use as a context; `now` is the tick that is being made, 0 before the first."""

    def __init__(self, shown: Display, journal: Path, mode: str) -> None:
        self.shown, self.journal, self.mode, self.now = shown, journal, mode, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, QmtlError):
            self.shown.say("\n".join(self._told(error, trace)))

    def _told(self, error: Exception, trace: TracebackType | None) -> Iterator[str]:
        tick = f"in the tick of {stamp(self.now)}" if self.now else "before its first tick"
        yield f"THE RUN HAS CRASHED {tick}{_where(trace)}: {type(error).__name__}: {error}"
        yield "what is held stays as it is, and NOBODY WATCHES ITS STOPS while no run is alive"
        yield f"  journal {self.journal}: it is whole; orders whose answers are not known are looked up at the next start"
        yield (
            "  = help: start again, it goes on there. If it crashes at the same tick again, undo the last edit of the texts, or go "
            "back to the version before"
        )
        if self.mode != "dry":
            yield (
                "  = help: `qmtl kill --flatten` is heard at the next start and needs a tick that ends; while none does, close "
                "positions at the broker itself, then start again: the journal notices it"
            )


def _where(trace: TracebackType | None) -> str:
    """The world that was being decided and the line that failed, as far as the frames tell."""
    world, line = "", ""
    for frame, number in traceback.walk_tb(trace):
        if isinstance(found := frame.f_locals.get("frame"), Frame):
            world = f", world {found.program.settings.world}"
        line = f", {Path(frame.f_code.co_filename).name} line {number}"
    return world + line
