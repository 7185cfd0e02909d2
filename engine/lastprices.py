"""The newest quotes, and whether they contradict an order that is about to leave (R36).

In: a feed of quotes, or none; an order and the time. Out: a row of quotes for `decide`, and "" or why an order must wait. Sending
takes time: a broker that answers slowly, or an order that is sent again a tick later, may find another market than the one it was
decided in. So prices that are older than a few seconds are read once more before an entry leaves.

A feed that fails says nothing, and stops nothing: the same rule as in the collar of the decision.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from .collar import far_from, fresh
from .errors import DataError
from .orders import Order
from .ports import QuoteFeed, QuoteRow


class LastPrices:
    """Reads quotes and remembers when it did."""

    def __init__(self, symbols: Sequence[str], interval: int, look_again: float) -> None:
        """`symbols` are the feed's columns, `interval` seconds between ticks; quotes count `look_again` seconds as just read."""
        self._interval, self._look_again = interval, look_again
        self._columns = {symbol: i for i, symbol in enumerate(symbols)}
        self._row: QuoteRow | None = None
        self._read_at = float("-inf")

    def read(self, feed: QuoteFeed | None, now: int) -> QuoteRow | None:
        """The newest quotes at `now`; None when nobody knows them."""
        if feed is None:
            return None
        try:
            self._row = feed.quotes(now)
        except DataError:
            self._row = None
        self._read_at = time.monotonic()
        return self._row

    def contradict(self, feed: QuoteFeed | None, order: Order, collar: float, now: int) -> str:
        """Why an order must not leave at this price, "" when it may; `collar` a fraction of the price it was sized with."""
        if feed is None or order.symbol not in self._columns:
            return ""
        if time.monotonic() - self._read_at > self._look_again:
            self.read(feed, now)
        if self._row is None:
            return ""
        at = [self._columns[order.symbol]]
        quote, quoted_at, mark = self._row.prices[at], self._row.at[at], np.array([float(order.mark)])
        if fresh(quote, quoted_at, mark, now, self._interval)[0] and far_from(quote, mark, collar)[0]:
            return f"the price is {quote[0]:g}, and {order.mark} when it was decided"
        return ""
