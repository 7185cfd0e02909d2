"""Routes of the market data API for stocks: bars, latest bars, quotes and trades.

In: the venue and a request. Out: a reply; `Refused` for the rest. Only bars that have ended are served (with the fault
`forming_bar` the one in progress too). Rows come by symbol, then by time; `limit` is shared by all symbols. The free plan
has no SIP data of the last 15 minutes. Coarser bars are made of the folder's; finer ones than the folder's do not exist.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .amounts import NANO, NEW_YORK, day_of, moment, utc
from .bars import Bar
from .messages import Reply, Request
from .refusals import Refused

if TYPE_CHECKING:
    from .venue import Venue

DELAY = 900
DAY = 86_400
FEEDS = frozenset({"iex", "sip", "otc", "boats"})
LATEST = FEEDS | {"delayed_sip", "overnight"}
ADJUSTMENTS = frozenset({"raw", "split", "dividend", "spin-off", "all"})
_TIMEFRAME = re.compile(r"(\d+)(Min|T|Hour|H|Day|D|Week|W|Month|M)")
_SYMBOL = re.compile(r"[A-Z0-9./]{1,12}")
_SECONDS = {"Min": 60, "T": 60, "Hour": 3600, "H": 3600}
_MOST = {"Min": 59, "T": 59, "Hour": 23, "H": 23, "Day": 1, "D": 1, "Week": 1, "W": 1, "Month": 12, "M": 12}
DATE = 10


class Asked(NamedTuple):
    """What a request for bars asks for; times in epoch seconds, both inclusive. `latest`: until when data may be seen."""

    symbols: tuple[str, ...]
    frame: str
    start: float
    end: float
    limit: int
    adjust: bool
    newest_first: bool
    after: tuple[str, int]
    latest: float


def get_bars(venue: Venue, request: Request) -> Reply:
    """Bars of many symbols, a page of them."""
    rows, token = _page(venue, request, _symbols(request))
    out: dict[str, list[dict[str, Any]]] = {}
    for symbol, row in rows:
        out.setdefault(symbol, []).append(row)
    return Reply(body={"bars": out, "next_page_token": token})


def get_symbol_bars(venue: Venue, request: Request, symbol: str) -> Reply:
    """Bars of one symbol, a page of them."""
    rows, token = _page(venue, request, (_checked(symbol),))
    return Reply(body={"bars": [row for _, row in rows], "symbol": symbol, "next_page_token": token})


def _page(
    venue: Venue, request: Request, symbols: tuple[str, ...]
) -> tuple[list[tuple[str, dict[str, Any]]], str | None]:
    asked = _asked(venue, request, _left(request, symbols))
    limit = asked.limit
    if request.fault is not None and request.faulty("short_pages"):
        limit = min(limit, request.fault.args.get("rows", 1))
    page: list[tuple[str, dict[str, Any]]] = []
    last = ("", 0)
    for symbol, start, row in _rows(venue, asked):
        if len(page) == limit:
            return page, _token(asked.frame, *last)
        page.append((symbol, row))
        last = (symbol, start)
    return page, None


def _rows(venue: Venue, asked: Asked) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """All rows that are asked for, from where the page before ended."""
    token_symbol, token_start = asked.after
    for symbol in sorted(asked.symbols):
        if symbol < token_symbol:
            continue
        bars = list(_frames(venue, symbol, asked))
        for bar in reversed(bars) if asked.newest_first else bars:
            if symbol == token_symbol and (
                bar.start >= token_start if asked.newest_first else bar.start <= token_start
            ):
                continue
            yield symbol, bar.start, shown(bar)


def _frames(venue: Venue, symbol: str, asked: Asked) -> Iterator[Bar]:
    """Bars of the timeframe that start in the asked time and have ended."""
    until = min(reached(venue, symbol), asked.latest)
    series = venue.market.series(symbol)
    length = _length(asked.frame)
    if series is None or length < venue.market.step:
        return
    forming = venue.faults.state("forming_bar", symbol) is not None
    group: list[Bar] = []
    for row in series.beginning_in(asked.start - length, min(asked.end + length, until)):
        bar = _adjusted(venue, symbol, series.bar(row), adjust=asked.adjust)
        if bar.end > until:
            if not forming:
                break
            bar = _just_open(bar)
        if group and bucket(bar, asked.frame) != bucket(group[0], asked.frame):
            yield from _merged(group, asked)
            group = []
        group.append(bar)
    if group and (forming or _over(venue, group, asked.frame, until)):
        yield from _merged(group, asked)


def _just_open(bar: Bar) -> Bar:
    return Bar(bar.start, bar.begin, bar.end, bar.open, bar.open, bar.open, bar.open, max(bar.volume // 100, 1))


def _over(venue: Venue, group: list[Bar], frame: str, until: float) -> bool:
    """Whether nothing can be added to a group of bars any more: its time is over, or its session."""
    day = venue.hours.overlapping(group[0].begin, group[0].end)
    end = bucket(group[0], frame) + _length(frame)
    return until >= (min(end, day.close) if day is not None else end)


def _merged(group: list[Bar], asked: Asked) -> Iterator[Bar]:
    start = bucket(group[0], asked.frame)
    if asked.start <= start <= asked.end:
        high, low = max(bar.high for bar in group), min(bar.low for bar in group)
        volume = sum(bar.volume for bar in group)
        yield Bar(start, group[0].begin, group[-1].end, group[0].open, high, low, group[-1].close, volume)


def bucket(bar: Bar, frame: str) -> int:
    """Start of the bar of a timeframe that a bar belongs to: on the clock's grid, days from midnight in New York."""
    length = _length(frame)
    if length < DAY:
        return bar.start // length * length
    date = datetime.fromtimestamp(bar.begin, NEW_YORK)
    return int(date.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


@lru_cache(maxsize=64)
def _length(frame: str) -> int:
    found = _TIMEFRAME.fullmatch(frame)
    if found is None or not 1 <= int(found[1]) <= _MOST[found[2]] or found[2] in {"Week", "W", "Month", "M"}:
        raise Refused("data_param", name="timeframe", value=frame)
    return int(found[1]) * _SECONDS.get(found[2], DAY)


def _adjusted(venue: Venue, symbol: str, bar: Bar, *, adjust: bool) -> Bar:
    """A bar in the shares of its own time, or, adjusted, in those of now."""
    at = venue.now if adjust else bar.begin
    factor = venue.market.factor(symbol, at)
    if factor == 1:
        return bar
    prices = (venue.market.traded(symbol, price, at) for price in (bar.open, bar.high, bar.low, bar.close))
    return Bar(bar.start, bar.begin, bar.end, *prices, int(bar.volume * factor))


def shown(bar: Bar) -> dict[str, Any]:
    """A bar as the API shows it. Count and average price are made up of the others: the files do not have them."""
    middle = (bar.open + bar.high + bar.low + bar.close) / 4
    return {
        "t": utc(bar.start),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": bar.volume,
        "n": max(bar.volume // 100, 1),
        "vw": float(middle.quantize(Decimal("0.000001"))),
    }


def reached(venue: Venue, symbol: str) -> float:
    """Until when market data of a symbol is there: now, or when it froze."""
    frozen = venue.faults.state("frozen_bars", symbol)
    return venue.now if frozen is None else min(venue.now, frozen["at"])


# requests
def _symbols(request: Request) -> tuple[str, ...]:
    names = [name for name in request.query.get("symbols", "").split(",") if name]
    if not names:
        raise Refused("data_param", name="symbols", value="none given")
    return tuple(_checked(name) for name in names)


def _checked(symbol: str) -> str:
    if not _SYMBOL.fullmatch(symbol):
        raise Refused("data_param", name="symbol", value=symbol)
    return symbol


def _left(request: Request, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """The symbols without those that a fault hides, by default the first."""
    if request.fault is None or not request.faulty("missing_symbols"):
        return symbols
    hidden = request.fault.args.get("symbols", symbols[:1])
    return tuple(symbol for symbol in symbols if symbol not in hidden)


def _asked(venue: Venue, request: Request, symbols: tuple[str, ...]) -> Asked:
    query = request.query
    feed = query.get("feed", "sip")
    if feed not in FEEDS:
        raise Refused("data_param", name="feed", value=feed)
    adjustment = set(query.get("adjustment", "raw").split(","))
    if not adjustment <= ADJUSTMENTS:
        raise Refused("data_param", name="adjustment", value=query["adjustment"])
    if query.get("sort", "asc") not in {"asc", "desc"}:
        raise Refused("data_param", name="sort", value=query["sort"])
    latest = venue.now - DELAY if feed == "sip" and venue.settings.plan == "free" else venue.now
    start, end = _span(venue, request, latest)
    _length(query.get("timeframe", ""))
    return Asked(
        symbols,
        query["timeframe"],
        start,
        end,
        _limit(query),
        bool(adjustment & {"split", "all"}),
        query.get("sort") == "desc",
        _from_token(query.get("page_token", "")),
        latest,
    )


def _span(venue: Venue, request: Request, latest: float) -> tuple[float, float]:
    """Start and end, from the beginning of the day to now where none are given; a date as end is its whole day."""
    query, now = request.query, venue.now
    poor = latest < now
    start = _moment(query, "start", moment(day_of(now)) / NANO)
    end = _moment(query, "end", latest)
    if len(query.get("end", "")) == DATE:
        end += DAY - 1
        end = min(end, latest) if poor else end
    if end < start and "end" in query:
        raise Refused("data_order")
    if request.faulty("entitlement_403") or (poor and end > latest):
        raise Refused("entitlement")
    return start, end


def _moment(query: dict[str, str], name: str, default: float) -> float:
    if not query.get(name):
        return default
    try:
        return moment(query[name].replace(" ", "+")) / NANO
    except ValueError:
        raise Refused("data_param", name=name, value=query[name]) from None


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit") or "1000"
    if not text.isdigit() or not 1 <= int(text) <= 10_000:
        raise Refused("data_param", name="limit", value=text)
    return int(text)


def _token(frame: str, symbol: str, start: int) -> str:
    letter = frame.lstrip("0123456789")[0]
    return base64.b64encode(f"{symbol}|{letter}|{utc(start)[:-1]}.000000000Z".encode()).decode()


def _from_token(token: str) -> tuple[str, int]:
    if not token:
        return "", 0
    try:
        symbol, _, text = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, moment(text) // NANO
    except ValueError:
        raise Refused("data_param", name="page_token", value=token) from None


# the latest
def _latest(venue: Venue, request: Request, symbols: tuple[str, ...]) -> tuple[str, ...]:
    feed = request.query.get("feed", "iex" if venue.settings.plan == "free" else "sip")
    if feed not in LATEST:
        raise Refused("data_param", name="feed", value=feed)
    if request.faulty("entitlement_403") or (feed == "sip" and venue.settings.plan == "free"):
        raise Refused("entitlement")
    symbols = _left(request, symbols)
    return tuple(symbol for symbol in symbols if venue.market.price(symbol, reached(venue, symbol)))


def latest_bar(venue: Venue, symbol: str) -> dict[str, Any] | None:
    """The last bar of the folder's step that has ended."""
    series = venue.market.series(symbol)
    row = series.ended(reached(venue, symbol)) - 1 if series is not None else -1
    return None if series is None or row < 0 else shown(_adjusted(venue, symbol, series.bar(row), adjust=False))


def _moment_of(venue: Venue, symbol: str) -> float:
    """When the latest price was: now while a bar is in progress, else the end of the last one."""
    series, until = venue.market.series(symbol), reached(venue, symbol)
    assert series is not None
    return min(until, float(series.ends[series.begun(until)]))


def latest_quote(venue: Venue, symbol: str) -> dict[str, Any]:
    """Bid and ask around the open of the bar in progress, else around the last close."""
    bid, ask = venue.quote(symbol, reached(venue, symbol))
    prices = {"ap": float(ask), "as": 100, "ax": "V", "bp": float(bid), "bs": 100, "bx": "V"}
    return {"t": utc(_moment_of(venue, symbol)), **prices, "c": ["R"], "z": "C"}


def latest_trade(venue: Venue, symbol: str) -> dict[str, Any]:
    at = _moment_of(venue, symbol)
    price = float(venue.market.price(symbol, reached(venue, symbol)))
    return {"t": utc(at), "x": "V", "p": price, "s": 100, "c": ["@"], "i": int(at), "z": "C"}


_LATEST_OF = {"bars": latest_bar, "quotes": latest_quote, "trades": latest_trade}


def get_latest(venue: Venue, request: Request, what: str) -> Reply:
    """The latest of many symbols; a symbol without any is left out."""
    rows = {symbol: _LATEST_OF[what](venue, symbol) for symbol in _latest(venue, request, _symbols(request))}
    return Reply(body={what: {symbol: row for symbol, row in rows.items() if row is not None}})


def get_symbol_latest(venue: Venue, request: Request, symbol: str, what: str) -> Reply:
    """The latest of one symbol."""
    if not _latest(venue, request, (_checked(symbol),)):
        raise Refused("data_param", name="symbol", value=symbol)
    return Reply(body={what.removesuffix("s"): _LATEST_OF[what](venue, symbol), "symbol": symbol})
