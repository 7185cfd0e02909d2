"""Asking Alpaca: one GET whose answer is what it should be, or an error that says what it was instead.

In: a `Line`, a path, a query. Out: parsed JSON, or the engine's own error; a failed query is never an empty answer. Refusals that
come again and again on one endpoint are remarked once: it may have been retired or changed while nobody looked (R41).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from ...errors import BrokerError, DataError
from .keys import ID, SECRET
from .parse import NANO, Refusal, ShapeError, nanoseconds, parsed, refusal, table
from .refusals import AUTH, ENTITLEMENT, RATE, SERVER
from .transport import REPEATED, Answer, Line

T = TypeVar("T")
#: pages of one question, at most: nothing here asks without an end
MOST_PAGES = 40
_NETWORK: Final = "check the network of this machine, and `url` of the deployment where it gives one"
_WAYS: Final[Mapping[str, str]] = {
    AUTH: f"check {ID} and {SECRET}: both of one key that is still valid, of the kind of account that `mode` is for",
    ENTITLEMENT: "`feed: {feed: iex}` needs no subscription",
    RATE: "see who else uses these keys, or lower `broker: {requests_per_minute: ...}`",
    SERVER: "the trouble is at Alpaca: see its status page, and try again",
}


class Remarks:
    """Sentences for the operator, each said once."""

    def __init__(self) -> None:
        self._new: list[str] = []
        self._said: set[tuple[str, ...]] = set()

    def add(self, sentence: str, *about: str) -> None:
        """Keep it, unless the same was said before. `about` is what makes it the same where the sentence itself differs each time,
        such as by the id of a request."""
        same = about or (sentence,)
        if same not in self._said:
            self._said.add(same)
            self._new.append(sentence)

    def take(self) -> tuple[str, ...]:
        """What is new since the last call."""
        new, self._new = tuple(self._new), []
        return new


class Reader:
    """Questions over one line. `error` is what a failed one raises."""

    def __init__(self, line: Line, error: type[BrokerError | DataError], remarks: Remarks) -> None:
        self.line, self.remarks, self._error = line, remarks, error

    def ask(
        self, path: str, query: Mapping[str, str], shape: Callable[[Any], T], *, until: float | None = None
    ) -> tuple[T, Answer]:
        """The answer in the shape that `shape` gives it (it raises ShapeError where it does not fit), and the answer itself."""
        answer = self.line.get(path, query, until=until)
        return self.read(path, answer, shape), answer

    def read(self, path: str, answer: Answer, shape: Callable[[Any], T]) -> T:
        """An answer that was got already."""
        if not 200 <= answer.status < 300:
            raise self.failed(path, answer)
        try:
            return shape(parsed(answer.body))
        except ShapeError as error:
            raise self._error(self.line.cleaned(f"{path} answered what cannot be read: {error}")) from error

    def failed(self, path: str, answer: Answer) -> BrokerError | DataError:
        """The error that an answer without success is."""
        said = refusal(answer)
        times = self.line.refused_in_a_row(path) if 400 <= answer.status < 500 else 0
        lasting = (
            f"; refused {times} times in a row, see whether this endpoint has changed" if times >= REPEATED else ""
        )
        if lasting:
            self.remarks.add(
                f"{path} is refused again and again: {self.line.cleaned(said.text)}", path, said.verdict.label
            )
        what = "the keys are not accepted: " if said.verdict.kind == AUTH else ""
        return self._error(
            self.line.cleaned(f"{what}{path} failed: {said.text}{lasting}"), _way_out(said, sent=answer.sent)
        )


def _way_out(said: Refusal, *, sent: bool) -> str:
    """What a person can do about it, "" where nothing general can be said."""
    if said.status == 0:
        return _NETWORK if sent else ""
    return _WAYS.get(said.verdict.kind, "")


def skew_of(answer: Answer) -> float:
    """Seconds that our clock is ahead of the broker's by the Date of an answer; NaN without one. The stamp is cut to a second and
    was made somewhere between asking and hearing (on the monotonic clock): of all that this allows, the least."""
    try:
        made = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, IndexError, TypeError, OverflowError):
        return math.nan
    if made.tzinfo is None:
        return math.nan
    return _least(answer.at - answer.elapsed - made.timestamp() - 1.0, answer.at - made.timestamp())


def asked_skew(reader: Reader, until: float) -> float:
    """The same from /v2/clock, for answers without a Date."""
    made, answer = reader.ask("/clock", {}, lambda body: nanoseconds(table(body).get("timestamp")) / NANO, until=until)
    return _least(answer.at - answer.elapsed - made, answer.at - made)


def _least(low: float, high: float) -> float:
    return 0.0 if low <= 0.0 <= high else (low if low > 0.0 else high)
