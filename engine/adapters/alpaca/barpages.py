"""Pages of /v2/stocks/bars as blocks of columns.

In: symbols, the first second of the first bar and the last one of the last. Out: values by start. `limit` counts bars of all symbols together, so the
range is given by `start` and `end` (both included) and pages are read to the last; feed and adjustment are always said. The word
for the rate is alpaca-py's own: `TimeFrame(60, Minute)` is one that it refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from ...bars import FIELDS, Floats
from ...errors import SilentFeedError
from .feeds import Source, chunks
from .parse import NANO, ShapeError, nanoseconds, number, second, table, text

RATE = str(TimeFrame(15, TimeFrameUnit("Min")).value)
#: bars in one page, of all symbols together
PAGE = 10_000
#: pages of one chunk of symbols
MOST_PAGES = 400
_KEYS = ("o", "h", "l", "c", "v")


def read_bars(
    source: Source, symbols: Sequence[str], span: tuple[int, int], adjustment: str, *, until: float
) -> dict[int, Floats]:
    """Values [5, S] of every start between the two of `span` (epoch seconds, both included) that a symbol has a bar at; NaN where a
    symbol has none. SilentFeedError when any page fails or does not make sense."""
    columns = {symbol: i for i, symbol in enumerate(symbols)}
    blocks: dict[int, Floats] = {}
    used = ""
    for part in chunks(symbols):
        query = {
            "symbols": ",".join(part),
            "timeframe": RATE,
            "start": second(span[0] * NANO),
            "end": second(span[1] * NANO),
            "adjustment": adjustment,
            "limit": str(PAGE),
            "sort": "asc",
        }
        for page in _pages(source, query, until):
            if source.used != (used := used or source.used):
                raise SilentFeedError(
                    "the feed changed between two pages of bars", "the next tick asks anew, of one feed"
                )
            for symbol, bars in page.items():
                if symbol in columns:
                    for start in _put(blocks, (columns[symbol], len(columns)), bars, span):
                        source.remarks.add(f"{symbol} has an impossible bar at {second(start * NANO)}; it is left out")
    return blocks


def _pages(source: Source, query: dict[str, str], until: float) -> Iterator[Mapping[str, Any]]:
    tokens = {""}
    for _ in range(MOST_PAGES):
        page, token = source.ask("/stocks/bars", query, _page, until)
        yield page
        if not token:
            return
        if token in tokens:
            raise SilentFeedError("pages of bars turn in a circle")
        tokens.add(token)
        query = {**query, "page_token": token}
    raise SilentFeedError(f"bars have no end after {MOST_PAGES} pages")


def _page(body: Any) -> tuple[Mapping[str, Any], str]:
    """Bars by symbol, as they were read, and the token of the next page."""
    found = table(body)
    bars = {} if found.get("bars") is None and "bars" in found else table(found.get("bars"))
    for name, rows in bars.items():
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ShapeError(f"bars of {name} are no list")
        for row in rows:
            row["t"] = nanoseconds(row.get("t"))
            row["values"] = _values(row)
    return bars, text(found, "next_page_token")


def _values(row: Mapping[str, Any]) -> tuple[float, ...]:
    """Open, high, low, close and volume; () for a bar that cannot be, such as a high below the low."""
    found = []
    for key in _KEYS:
        value = number(row, key)
        if value is None:
            raise ShapeError(f"a bar without {key}")
        found.append(float(value))
    opened, high, low, close, volume = found
    possible = 0 < low <= min(opened, close) <= max(opened, close) <= high and volume >= 0
    return tuple(found) if possible else ()


def _put(
    blocks: dict[int, Floats], place: tuple[int, int], bars: Sequence[Mapping[str, Any]], span: tuple[int, int]
) -> list[int]:
    """Put bars of one symbol into its column (`place`: column and how many there are); starts of impossible ones."""
    impossible = []
    for bar in bars:
        start, rest = divmod(bar["t"], NANO)
        if rest or not span[0] <= start <= span[1]:
            continue  # nothing that was asked for
        if not bar["values"]:
            impossible.append(start)
            continue
        block = blocks.get(start)
        if block is None:
            block = blocks[start] = np.full((len(FIELDS), place[1]), np.nan)
        block[:, place[0]] = bar["values"]
    return impossible
