"""Which moments belong to regular sessions: the little that adapters need of an exchange's calendar.

In: arrays of session opens and closes (`SessionCalendar` has them). Out: session numbers of moments, and the starts of
15m bars in a session. Sessions are half-open: open <= moment < close.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..bars import Bools, Ints

BAR = 900


class Sessions(Protocol):
    """Sessions of one exchange, ascending: epoch seconds UTC, arrays of the same length."""

    @property
    def opens(self) -> Ints: ...

    @property
    def closes(self) -> Ints: ...


def locate(sessions: Sessions, moments: Ints) -> tuple[Ints, Bools]:
    """Number of the last session that began at or before each moment, and whether the moment lies inside it."""
    number = np.searchsorted(sessions.opens, moments, side="right") - 1
    inside = (number >= 0) & (moments < sessions.closes[np.maximum(number, 0)])
    return number.astype(np.int64), inside


def bar_ends(sessions: Sessions, starts: Ints) -> Ints:
    """End of the 15m bar that starts at each start: 15 minutes later, or the close where the last bar is short."""
    number, _ = locate(sessions, starts)
    return np.minimum(starts + BAR, sessions.closes[number])


def session_starts(sessions: Sessions, number: int) -> Ints:
    """Starts of the 15m bars of one session."""
    return np.arange(sessions.opens[number], sessions.closes[number], BAR, dtype=np.int64)
