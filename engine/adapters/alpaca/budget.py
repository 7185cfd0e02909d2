"""How many requests may leave, and when: a bucket of tokens, and what the broker itself says about its limit (R38).

In: how long a call can wait, and the headers of every answer. Out: leave to send, after a wait where that
helps, or the reason why not. A token that was taken comes back a minute later, so no minute sees more than `limit`. Some
tokens are for orders and cancels only: reading must not be what keeps an exit from leaving. The account's limit is shared
with every other program on it, so the lower of our own count and the broker's `X-RateLimit-Remaining` holds.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

WINDOW = 60.0
#: without a word from the broker about when to come back
BLIND = 15.0
#: nobody is believed who sends us away for longer
LONGEST = 3600.0
TOO_MANY = 429


class Budget:
    """Requests of one address in the last minute, by the seconds of `clock`. Safe between threads."""

    def __init__(
        self,
        limit: int = 200,
        *,
        reserve: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`limit` requests a minute, of which `reserve` (a fifth) are for orders and cancels; as large a part of a lower limit."""
        self._limit, self._most = limit, limit
        self._kept = 0.2 if reserve is None else reserve / limit
        self._clock, self._sleep = clock, sleep
        self._taken: deque[float] = deque()
        self._closed_until = 0.0
        self._left, self._left_until = limit, 0.0
        self._lock = threading.Lock()

    def take(self, patience: float, *, urgent: bool) -> str:
        """Take a token, waiting for one where it comes within `patience` seconds; "" or the reason why there is none."""
        for _ in range(3):  # somebody else may take what was waited for; then it is waited for once more
            with self._lock:
                now = self._clock()
                free, reason = self._free_at(now, urgent=urgent)
                if free <= now:
                    self._taken.append(now)
                    self._left -= 1
                    return ""
            if free - now > patience:
                return f"{reason}; the next request may leave in {free - now:.0f} s, which is too late for this one"
            patience -= free - now
            self._sleep(free - now)
        return "others took the requests that this one waited for"

    def heed(self, status: int, headers: Mapping[str, str]) -> None:
        """Take in what an answer says: limit, what is left of it until when, and on 429 when to come back."""
        with self._lock:
            now, server = self._clock(), _date(headers.get("date"))
            limit, left = _count(headers.get("x-ratelimit-limit")), _count(headers.get("x-ratelimit-remaining"))
            reset = _wait(headers.get("x-ratelimit-reset"), server)
            if limit:
                self._limit = min(self._most, limit)
            if left is not None and reset is not None:
                self._left, self._left_until = left, now + reset
            if status == TOO_MANY:
                waits = [w for w in (reset, _wait(headers.get("retry-after"), server)) if w is not None]
                self._closed_until = max(self._closed_until, now + max(waits, default=BLIND))

    def _free_at(self, now: float, *, urgent: bool) -> tuple[float, str]:
        """When the next token is there, and why not now."""
        while self._taken and self._taken[0] <= now - WINDOW:
            self._taken.popleft()
        kept = 0 if urgent else int(self._limit * self._kept)
        free, reason = now, ""
        over = len(self._taken) - (self._limit - kept)
        if over >= 0:
            free, reason = self._taken[over] + WINDOW, f"{len(self._taken)} of {self._limit} requests a minute are used"
        if now < self._left_until and self._left <= kept and self._left_until > free:
            free, reason = self._left_until, f"the broker has {max(self._left, 0)} requests left for this account"
        if self._closed_until > max(now, free):
            free, reason = self._closed_until, "the broker refuses requests for now (429)"
        return free, reason


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _wait(text: str | None, server: float | None) -> float | None:
    """Seconds to wait, from a number of seconds, from the epoch second when it ends by the broker's clock (`server`, else
    ours), or from an HTTP date."""
    if text is None:
        return None
    base = time.time() if server is None else server
    if text.isascii() and text.isdigit() and len(text) < 12:
        wait = float(text) - base if len(text) > 9 else float(text)
    else:
        moment = _date(text)
        if moment is None:
            return None
        wait = moment - base
    return min(max(wait, 0.0), LONGEST)


def _date(text: str | None) -> float | None:
    """Epoch seconds of an HTTP date."""
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    return None if moment.tzinfo is None else moment.timestamp()
