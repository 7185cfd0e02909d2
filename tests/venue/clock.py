"""The venue's clock: virtual, moved only from outside, or the wall clock."""

from __future__ import annotations

import time


class Clock:
    """Epoch seconds. A virtual clock stands still between two moves and never goes back."""

    def __init__(self, now: float | None) -> None:
        self._now = now

    @property
    def virtual(self) -> bool:
        return self._now is not None

    @property
    def now(self) -> float:
        return time.time() if self._now is None else self._now

    def move(self, to: float) -> None:
        """Raises ValueError when it would go back; a wall clock moves by itself."""
        if self._now is not None and to < self._now:
            raise ValueError(f"the clock stands at {self._now} and never goes back to {to}")
        self._now = None if self._now is None else to
