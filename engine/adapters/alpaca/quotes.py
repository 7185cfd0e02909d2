"""The newest quotes of the universe, in as few requests as its symbols fit into (`ports.QuoteFeed`).

In: symbols. Out: the middle of bid and ask with the quote's own time, where both sides are there and do not cross.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ...ports import QuoteRow
from .feeds import Feed, Source, chunks
from .parse import moment, number, table
from .transport import Line

#: seconds that all quotes of one tick may take
PATIENCE = 10.0
_ZERO = Decimal(0)


class AlpacaQuotes:
    """Implements `ports.QuoteFeed`."""

    def __init__(self, line: Line, symbols: Sequence[str], *, feed: Feed = "iex") -> None:
        """`symbols` are the columns of the bar feed."""
        self._symbols = tuple(symbols)
        self._columns = {symbol: i for i, symbol in enumerate(self._symbols)}
        self._source = Source(line, feed)

    @property
    def label(self) -> str:
        """What is really used."""
        return self._source.label

    def take_remarks(self) -> tuple[str, ...]:
        """What a person should hear of, each once."""
        return self._source.remarks.take()

    def quotes(self, now: int) -> QuoteRow:  # noqa: ARG002 - the newest there are; their own times say when they were made
        """The newest quotes; SilentFeedError when any request fails."""
        row = QuoteRow(np.full(len(self._symbols), np.nan), np.zeros(len(self._symbols), dtype=np.int64))
        until = self._source.clock() + PATIENCE
        for part in chunks(self._symbols):
            found = self._source.ask("/stocks/quotes/latest", {"symbols": ",".join(part)}, _middles, until)
            for symbol, (price, at) in found.items():
                column = self._columns.get(symbol)
                if column is not None:
                    row.prices[column], row.at[column] = price, at
        return row


def _middles(body: Any) -> dict[str, tuple[float, int]]:
    """Price and time by symbol, of the quotes that have both sides."""
    found = {}
    for symbol, value in table(table(body).get("quotes")).items():
        quote: Mapping[str, Any] = table(value)
        bid, ask, at = number(quote, "bp") or _ZERO, number(quote, "ap") or _ZERO, moment(quote, "t")
        if 0 < bid <= ask and at > 0:
            found[symbol] = (float((bid + ask) / 2), at)
    return found
