"""The simulated market behind the synthetic feed: one session at a time, whole columns, no clock and no files.

In: a seed and the number of bars of each session. Out: returns of the market and of sectors per bar, and the VIX-like
value of each day, computed from the same returns. Symbols (`synthetic.py`) add their own noise to it.

Regimes switch as a semi-Markov chain: each deck of the five regimes is shuffled by the market's stream and every regime
stays for two to four sessions, so that any twenty sessions or so show all of them; a plain Markov chain with the same
mean durations leaves one out in a third of all months. Streams are keyed by (seed, name): the market, each sector and
each symbol draw from their own PCG64, always the same number of values a session, so that a symbol more or less changes
no other. Nothing but prices rounded to cents leaves this simulation, which hides differences in the last bit between
mathematical libraries.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ..bars import Floats

#: sessions in a year, for annualising
YEAR = 252
#: share of a day's variance that falls on the night
NIGHT = 0.25


@dataclass(frozen=True, slots=True)
class RegimeShape:
    """Of the market as a whole: drift and volatility (log) per session; pull back toward the regime's first level per
    bar; how much the symbols' own noise is scaled."""

    name: str
    drift: float
    volatility: float
    pull: float
    noise: float


REGIMES = (
    RegimeShape("trend_up", 0.0090, 0.0060, 0.0, 0.7),
    RegimeShape("trend_down", -0.0100, 0.0100, 0.0, 0.9),
    RegimeShape("chop", 0.0000, 0.0070, 0.12, 1.0),
    RegimeShape("high_vol", -0.0020, 0.0230, 0.0, 1.8),
    RegimeShape("calm", 0.0020, 0.0065, 0.0, 0.8),
)


@dataclass(frozen=True, slots=True)
class MarketSession:
    """One session of the market: log returns and their volatility [bars + 1], the night's first; `shape` [bars] is the
    intraday profile of volatility (mean square 1); `vix` is open, high, low, close of the day."""

    regime: RegimeShape
    returns: Floats
    sigma: Floats
    shape: Floats
    vix: tuple[float, float, float, float]


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream of a name: PCG64 seeded by (seed, hash of the name)."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=16).digest(), "little")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key])))


def profile(bars: int) -> Floats:
    """U-shaped intraday volatility over the bars of a session, mean square 1: the open is the wildest, noon the calmest."""
    x = (np.arange(bars) + 0.5) / bars
    shape = 0.65 + 1.3 * (1.0 - x) ** 6 + 0.45 * x**8
    return np.asarray(shape / np.sqrt(np.mean(shape**2)))


class MarketPath:
    """The market's own path, session after session; `drift` 0 makes prices martingales (for tests on noise)."""

    def __init__(self, seed: int, drift: float = 1.0) -> None:
        self._rng = stream(seed, "market")
        self._drift = drift
        self._deck: list[int] = []
        self._left = 0
        self._now = REGIMES[-1]
        self._level = 0.0
        self._anchor = 0.0
        self._variance = REGIMES[-1].volatility ** 2
        self._vix = 100.0 * float(np.sqrt(YEAR * self._variance)) * 1.2

    def step(self, bars: int) -> MarketSession:
        """Simulate the next session of that many bars."""
        self._turn()
        z = self._rng.standard_normal(bars + 3)
        regime, shape = self._now, profile(bars)
        sigma = np.empty(bars + 1)
        sigma[0] = regime.volatility * np.sqrt(NIGHT)
        sigma[1:] = regime.volatility * np.sqrt((1.0 - NIGHT) / bars) * shape
        share = np.full(bars + 1, (1.0 - NIGHT) / bars)
        share[0] = NIGHT
        drift = regime.drift * self._drift * share
        returns = drift + sigma * z[: bars + 1] - 0.5 * sigma**2
        if regime.pull and self._drift:
            self._pull_back(returns, regime.pull)
        self._level += float(returns.sum())
        return MarketSession(regime, returns, sigma, shape, self._fear(returns, z[bars + 1 :]))

    def _turn(self) -> None:
        if self._left == 0:
            if not self._deck:
                self._deck = self._shuffled()
            self._now = REGIMES[self._deck.pop()]
            self._left = int(self._rng.integers(2, 5))
            self._anchor = self._level
        self._left -= 1

    def _shuffled(self) -> list[int]:
        deck = [int(i) for i in self._rng.permutation(len(REGIMES))]
        if REGIMES[deck[-1]] is self._now:
            deck.reverse()
        return deck

    def _pull_back(self, returns: Floats, pull: float) -> None:
        level = self._level
        for k in range(len(returns)):
            returns[k] -= pull * (level - self._anchor)
            level += returns[k]

    def _fear(self, returns: Floats, z: Floats) -> tuple[float, float, float, float]:
        """The day's VIX-like values: smoothed realised volatility, a premium, and more of it after a fall."""
        day = float(returns.sum())
        self._variance = 0.7 * self._variance + 0.3 * float(np.sum(returns**2))
        fair = 100.0 * float(np.sqrt(YEAR * self._variance)) * 1.2 * float(np.exp(-2.0 * day))
        before = self._vix
        self._vix = round(max(8.0, fair), 2)
        opened = max(8.0, before * float(np.exp(-3.0 * returns[0] + 0.01 * z[0])))
        spread = 0.02 + 0.02 * abs(float(z[1]))
        high = max(opened, self._vix) * (1.0 + spread)
        low = min(opened, self._vix) * (1.0 - spread)
        return round(opened, 2), round(high, 2), round(low, 2), self._vix
