"""Synthetic bars and VIX: the feed of a fresh installation, because recorded data may not be shipped.

In: a seed, the universe, the exchange's sessions, the first session's date. Out: 15m bars through `ports.BarFeed` and a
daily VIX-like series through `ports.MacroFeed`, the same for the same (seed, symbol, session) whatever else is in the
universe. Sessions are simulated when first asked for, all symbols at once, and a window of them is kept; asking for an
older one simulates again from the start, which costs time and changes nothing.

A symbol's return per bar = beta x market + its sector's + its own, with a volatility of its own that wanders from session
to session. Nights have gaps, some of them large (news). One symbol in eight is illiquid and lacks about a tenth of its
bars. What a bar shows between open and close is drawn from the extremes of a Brownian bridge.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from ..bars import BarRow, Bools, Floats, Ints, MacroRow, OpenRow
from ..errors import DataError
from .sessions import BAR, Sessions, session_starts
from .synthetic_market import NIGHT, YEAR, MarketPath, MarketSession, stream
from .vixfile import SERIES, known_after

#: sessions of VIX before the first bar, so that daily indicators are warm
HISTORY = YEAR
_KEPT = 64
_ZONE = ZoneInfo("America/New_York")
_NORMALS = 4


@dataclass(frozen=True, slots=True)
class _Traits:
    """What is drawn once per symbol; float64 [S] each."""

    first: Floats
    beta: Floats
    noise: Floats
    volume: Floats
    illiquid: Bools
    sector: Ints


@dataclass(frozen=True, slots=True)
class _Session:
    starts: Ints
    ends: Ints
    values: Floats
    present: Bools


class SyntheticMarket:
    """Implements `ports.BarFeed`; `vix` is its `ports.MacroFeed`."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        sessions: Sessions,
        *,
        seed: int = 7,
        start: str = "2026-01-02",
        delay: int = 0,
        count: int | None = None,
        sectors: Mapping[str, str] | None = None,
        drift: float = 1.0,
    ) -> None:
        """`count` sessions from the first one at or after `start` (None: to the end of the calendar). `sectors` maps
        symbols to names that share a factor (else by hash of the symbol); `drift` scales the drifts of the regimes."""
        if not symbols:
            raise DataError("the universe is empty", "name at least one symbol")
        self._symbols, self._seed, self._delay = symbols, seed, delay
        self._start = start
        first = _first_session(sessions, start)
        stop = len(sessions.opens) if count is None else min(first + count, len(sessions.opens))
        self._sessions = sessions
        self._opens: Ints = sessions.opens[first:stop]
        self._closes: Ints = sessions.closes[first:stop]
        self._first = first
        sector_of = sectors or {}
        self._sector_names = tuple(sorted({_sector(symbol, sector_of) for symbol in symbols}))
        self._traits = self._draw_traits(sector_of)
        self._cache: OrderedDict[int, _Session] = OrderedDict()
        self._market: list[MarketSession] = []
        self._path = MarketPath(seed, drift)
        # the whole history is simulated even where the calendar begins later, so that the market does not depend on it
        history = [self._path.step(26).vix for _ in range(HISTORY)]
        self._vix = history[max(0, HISTORY - first) :]
        self._restart()

    @property
    def symbols(self) -> tuple[str, ...]:
        """The universe, in column order."""
        return self._symbols

    @property
    def source(self) -> str:
        """`synthetic:`, the seed and the first session: what makes two of them the same market."""
        return f"synthetic:{self._seed}:{self._start}"

    @property
    def vix(self) -> SyntheticVix:
        """The VIX-like series of the same market."""
        return SyntheticVix(self)

    def span(self) -> tuple[int, int]:
        """Start of the first bar and end of the last session simulated or to be simulated."""
        return int(self._opens[0]), int(self._closes[-1])

    def regime(self, session: int) -> str:
        """The market's true regime in the session of that number, for tests and documentation."""
        return self._market_session(session).regime.name

    def rows(self, after: int, until: int) -> Iterator[BarRow]:
        """Rows with after < known_at <= until; arrays are read-only views."""
        low, high = after - self._delay, until - self._delay
        first = int(np.searchsorted(self._closes, low, side="right"))
        stop = int(np.searchsorted(self._opens, high, side="left"))
        for number in range(first, stop):
            session = self._session(number)
            a, b = np.searchsorted(session.ends, (low, high), side="right")
            for k in range(int(a), int(b)):
                end = int(session.ends[k])
                yield BarRow(int(session.starts[k]), end, end + self._delay, session.values[k], session.present[k])

    def opens(self, after: int, until: int) -> Iterator[OpenRow]:
        """Opening prices of bars with after < start <= until."""
        first = int(np.searchsorted(self._closes, after, side="right"))
        stop = int(np.searchsorted(self._opens, until, side="right"))
        for number in range(first, stop):
            session = self._session(number)
            a, b = np.searchsorted(session.starts, (after, until), side="right")
            for k in range(int(a), int(b)):
                yield OpenRow(int(session.starts[k]), session.values[k, 0])

    def vix_day(self, index: int) -> tuple[float, float, float, float]:
        """VIX-like open, high, low, close; index 0 is the first day of the history before the bars."""
        history = len(self._vix)
        return self._vix[index] if index < history else self._market_session(index - history).vix

    def vix_sessions(self) -> Ints:
        """Opens of the sessions that have a VIX-like value: the history, then those of the bars."""
        history = len(self._vix)
        return np.concatenate((self._sessions.opens[self._first - history : self._first], self._opens))

    def _draw_traits(self, sectors: Mapping[str, str]) -> _Traits:
        z = np.stack([stream(self._seed, f"traits:{symbol}").standard_normal(5) for symbol in self._symbols])
        names = [_sector(symbol, sectors) for symbol in self._symbols]
        return _Traits(
            first=np.exp(4.4 + 0.6 * z[:, 0]),
            beta=np.clip(1.0 + 0.3 * z[:, 1], 0.4, 1.8),
            noise=0.006 * np.exp(0.35 * z[:, 2]),
            volume=np.exp(12.0 + 1.2 * z[:, 3]),
            illiquid=z[:, 4] > 1.15,
            sector=np.array([self._sector_names.index(name) for name in names], np.int64),
        )

    def _restart(self) -> None:
        """Back to the first session; the market's own path is kept, it does not depend on the symbols."""
        self._next = 0
        self._symbol_streams = [stream(self._seed, f"symbol:{symbol}") for symbol in self._symbols]
        self._sector_streams = [stream(self._seed, f"sector:{name}") for name in self._sector_names]
        self._log_price = np.log(self._traits.first)
        self._wander = np.zeros(len(self._symbols))

    def _market_session(self, number: int) -> MarketSession:
        while len(self._market) <= number:
            bars = len(session_starts(self._sessions, self._first + len(self._market)))
            self._market.append(self._path.step(bars))
        return self._market[number]

    def _session(self, number: int) -> _Session:
        found = self._cache.get(number)
        if found is not None:
            return found
        if number < self._next:
            self._restart()
        while self._next <= number:
            self._cache[self._next] = self._simulate(self._next)
            self._next += 1
            if len(self._cache) > _KEPT:
                self._cache.popitem(last=False)
        return self._cache[number]

    def _simulate(self, number: int) -> _Session:
        market = self._market_session(number)
        starts = session_starts(self._sessions, self._first + number)
        bars = len(starts)
        z, exponential = self._draw(bars)
        log_open, log_close, sigma = self._walk(market, z)
        high, low = _extremes(log_open, log_close, sigma, exponential)
        values = np.empty((bars, 5, len(self._symbols)))
        for i, column in enumerate((log_open, high, low, log_close)):
            values[:, i] = _prices(column)
        values[:, 4] = self._volume(market, z[:, 3 + 2 * bars : 3 + 3 * bars].T)
        present = ~(self._traits.illiquid & (z[:, 3 + 3 * bars :].T > 1.28))
        np.copyto(values, np.nan, where=~present[:, None, :])
        ends = np.minimum(starts + BAR, self._closes[number])
        values.flags.writeable = present.flags.writeable = False
        return _Session(starts, ends, values, present)

    def _draw(self, bars: int) -> tuple[Floats, Floats]:
        """Normals [S, 3 + 4 bars] and exponentials [S, 2 bars] of one session, each symbol from its own stream."""
        normals = np.empty((len(self._symbols), 3 + _NORMALS * bars))
        exponential = np.empty((len(self._symbols), 2 * bars))
        for i, rng in enumerate(self._symbol_streams):
            rng.standard_normal(out=normals[i])
            rng.standard_exponential(out=exponential[i])
        return normals, exponential

    def _walk(self, market: MarketSession, z: Floats) -> tuple[Floats, Floats, Floats]:
        """Log opens and closes [bars, S] and the log volatility within each bar [bars, S]; moves the price on."""
        bars, traits = len(market.shape), self._traits
        self._wander = 0.9 * self._wander + 0.15 * z[:, 0]
        scale = traits.noise * np.exp(self._wander) * market.regime.noise
        own = np.empty((bars + 1, len(self._symbols)))
        news = np.where(np.abs(z[:, 2]) > 2.5, 4.0, 1.0)
        own[0] = scale * np.sqrt(NIGHT) * news
        own[1:] = scale * np.sqrt((1.0 - NIGHT) / bars) * market.shape[:, None]
        kick = np.vstack((z[:, 1], z[:, 3 : 3 + bars].T))
        sector = self._sector_moves(market, bars)[:, traits.sector]
        # both drags make prices martingales when the regimes have no drift, whatever the beta
        drag = 0.5 * (traits.beta - traits.beta**2) * market.sigma[:, None] ** 2
        common = traits.beta * market.returns[:, None] + drag
        step = common + sector + own * kick - 0.5 * own**2
        path = self._log_price + np.cumsum(step, axis=0)
        self._log_price = path[-1]
        bar_sigma = np.sqrt(own[1:] ** 2 + (traits.beta * market.sigma[1:, None]) ** 2)
        log_open = path[:-1] + 0.05 * bar_sigma * z[:, 3 + bars : 3 + 2 * bars].T
        return log_open, path[1:], bar_sigma

    def _sector_moves(self, market: MarketSession, bars: int) -> Floats:
        moves = np.empty((bars + 1, len(self._sector_names)))
        sigma = np.append(np.sqrt(NIGHT), np.sqrt((1.0 - NIGHT) / bars) * market.shape) * 0.004 * market.regime.noise
        for i, rng in enumerate(self._sector_streams):
            moves[:, i] = sigma * rng.standard_normal(bars + 1) - 0.5 * sigma**2
        return moves

    def _volume(self, market: MarketSession, z: Floats) -> Floats:
        busy = self._traits.volume * market.shape[:, None] ** 1.5 * np.sqrt(market.regime.noise)
        thin = np.where(self._traits.illiquid, 0.02, 1.0)
        return np.asarray(np.floor(busy * thin * np.exp(0.4 * z)) + 1.0)


class SyntheticVix:
    """Implements `ports.MacroFeed`: each day's value is known from the midnight, New York, that ends the day."""

    def __init__(self, feed: SyntheticMarket) -> None:
        self._feed = feed
        self._days = [
            datetime.fromtimestamp(int(opened), UTC).astimezone(_ZONE).date() for opened in feed.vix_sessions()
        ]
        self._known: Ints = np.array([known_after(day) for day in self._days], np.int64)

    def rows(self, after: int, until: int) -> Iterator[MacroRow]:
        """Rows with after < known_at <= until."""
        first, stop = np.searchsorted(self._known, (after, until), side="right")
        for i in range(int(first), int(stop)):
            values = np.array((*self._feed.vix_day(i), np.nan))
            values.flags.writeable = False
            yield MacroRow(SERIES, self._days[i].isoformat(), int(self._known[i]), values)


def _first_session(sessions: Sessions, start: str) -> int:
    try:
        day = date.fromisoformat(start)
    except ValueError as error:
        raise DataError(f"synthetic feed: start '{start}' is not a date", "write it as 2026-01-02") from error
    moment = datetime(day.year, day.month, day.day, tzinfo=_ZONE).timestamp()
    first = int(np.searchsorted(sessions.opens, moment, side="left"))
    if first >= len(sessions.opens):
        raise DataError(f"synthetic feed: the calendar has no session from {start} on", "choose an earlier start")
    return first


def _sector(symbol: str, sectors: Mapping[str, str]) -> str:
    return sectors.get(symbol) or f"group {int(stream(0, f'sector:{symbol}').integers(8))}"


def _extremes(log_open: Floats, log_close: Floats, sigma: Floats, exponential: Floats) -> tuple[Floats, Floats]:
    """Log high and low of a Brownian bridge from open to close: (a + sqrt(a^2 + 2 sigma^2 E)) / 2 above the open."""
    bars = len(log_open)
    move = log_close - log_open
    up = 0.5 * (move + np.sqrt(move**2 + 2.0 * sigma**2 * exponential[:, :bars].T))
    down = 0.5 * (move - np.sqrt(move**2 + 2.0 * sigma**2 * exponential[:, bars:].T))
    return log_open + up, log_open + down


def _prices(log_price: Floats) -> Floats:
    """Prices in cents, below a dollar in hundredths of a cent, never 0."""
    price = np.exp(log_price)
    rounded = np.where(price >= 1.0, np.round(price, 2), np.round(price, 4))
    return np.asarray(np.maximum(rounded, 0.0001))
