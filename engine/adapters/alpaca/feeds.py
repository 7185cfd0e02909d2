"""What bars and quotes of stocks have in common: which feed they come from, and how many symbols fit into one request.

In: symbols and the declared feed. Out: chunks of symbols, and the feed that is really used: a subscription that does not cover
recent SIP data is no failure of authentication; the feed goes down to IEX, with a label, and says so once (R25).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

from ...errors import DataError, SilentFeedError
from .parse import refusal
from .reading import Reader, Remarks
from .refusals import ENTITLEMENT
from .transport import Line

T = TypeVar("T")
Feed = Literal["iex", "sip"]
#: symbols in one address: well below what servers and proxies take
_MOST_LETTERS, _MOST_SYMBOLS = 1800, 400


class Source:
    """Questions to the market data of one feed, `iex` or `sip`."""

    def __init__(self, line: Line, feed: Feed) -> None:
        if feed not in ("iex", "sip"):
            raise DataError(f"there is no feed {feed!r} of stocks", "`iex` is free, `sip` is all exchanges")
        self.declared, self.used = feed, feed
        self.remarks = Remarks()
        self._line, self._reader = line, Reader(line, SilentFeedError, self.remarks)

    @property
    def label(self) -> str:
        """What is really used."""
        return self.declared if self.used == self.declared else f"{self.used} instead of {self.declared}"

    @property
    def clock(self) -> Callable[[], float]:
        """The clock that deadlines are told by."""
        return self._line.clock

    def ask(self, path: str, query: Mapping[str, str], shape: Callable[[Any], T], until: float) -> T:
        """One question; where SIP is not covered, it is asked once more at IEX, now and from here on."""
        answer = self._line.get(path, {**query, "feed": self.used}, until=until)
        if self.used == "sip" and answer.status >= 400 and refusal(answer).verdict.kind == ENTITLEMENT:
            self.used = "iex"
            self.remarks.add(f"the subscription does not cover recent SIP data; {path} uses iex from here on")
            answer = self._line.get(path, {**query, "feed": self.used}, until=until)
        return self._reader.read(path, answer, shape)


def chunks(symbols: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Symbols in their order, as many at once as fit into an address."""
    part: list[str] = []
    letters = 0
    for symbol in symbols:
        if part and (letters + len(symbol) + 3 > _MOST_LETTERS or len(part) == _MOST_SYMBOLS):
            yield tuple(part)
            part, letters = [], 0
        part.append(symbol)
        letters += len(symbol) + 3  # a comma is three letters in an address
    if part:
        yield tuple(part)
