"""Prices that nobody can earn on: martingales with everything else that real bars have.

In: a shape, a seed, a calendar. Out: one `Session` after another: 15m bars on the exchange's grid, the price in the middle
of each bar, and the VIX-like values of the day, for several independent markets side by side.

E[P(t) | everything before] = P(t-1): each step multiplies the price by exp(s z - s^2 / 2), where s is known before the step.
A log random walk, exp(s z), would rise by s^2 / 2 a step, and every strategy that is long would be paid for it.

* A symbol's step = beta x its market's + its own. Both volatilities move by GARCH from day to day, the market's more after
  falls; within the day they follow a U, and a quarter of a day's variance falls on the night.
* A bar is made of finer steps of the same martingale: high and low are reached, not drawn, and the open is a small step
  away from the close before, so that a fill at the next open is fair.
* Volume follows the volatility and the bar's own move. The VIX-like value follows realised variance and jumps when the
  market falls; it is made of the returns and so knows the day that it closes. Breadth is not made at all: it is counted.
* `momentum` plants what a martingale must not have: a slow drift of each symbol, in standard deviations of a bar.

It stands in the tests because nothing that is shipped trades on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qmtl.engine.bars import Floats, Ints
from qmtl.engine.calendar import SessionCalendar

#: days of VIX before the first bar; sessions until every indicator is warm; sessions that count
HISTORY, WARM, YEAR = 100, 40, 252
#: shares of a day's variance on the night, and of a bar's variance between the close before and its open
NIGHT, GAP = 0.25, 0.03
STEPS = 4
#: per-bar memory of the planted drift: it halves in about three sessions
SLOW = 0.991
#: first day of the calendar; the first session with bars comes HISTORY sessions later
FIRST, LAST = "2023-05-01", "2025-01-31"


@dataclass(frozen=True, slots=True)
class Shape:
    """How much to simulate: independent markets, symbols in each, sessions (the last one only serves to fill)."""

    markets: int = 1
    symbols: int = 8
    sessions: int = WARM + YEAR + 1
    momentum: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """One session of C = markets x symbols columns, those of a market side by side.

    values  float64 [bars, 5, C] in the order of `FIELDS`;  middle [bars, C] price half way through each bar
    vix     [markets] the day's close, made of the day itself
    """

    day: str
    starts: Ints
    ends: Ints
    values: Floats
    middle: Floats
    vix: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """VIX-like closes of the days before the first bar: ISO days, float64 [days, markets]."""

    days: tuple[str, ...]
    vix: Floats


@dataclass(frozen=True, slots=True)
class Garch:
    """variance' = (1 - persistence) x long-run + arch x r^2 + lever x r^2 (after falls) + garch x variance."""

    arch: float
    lever: float
    garch: float

    def after(self, variance: Floats, target: Floats, moved: Floats) -> Floats:
        """Tomorrow's variance, from today's and from today's log return."""
        rest = 1.0 - self.arch - self.lever / 2 - self.garch
        fallen = np.where(moved < 0, self.lever, 0.0)
        return np.asarray(rest * target + (self.arch + fallen) * moved**2 + self.garch * variance)


MARKET, OWN = Garch(0.04, 0.12, 0.87), Garch(0.08, 0.0, 0.88)
#: how often a symbol has news over night, and how much more variance such a night has
NEWS, SURPRISE = 0.02, 16.0
#: yearly volatility of a market, and the middle of the symbols' own
MARKET_VOLATILITY, OWN_VOLATILITY = 0.14, 0.20


def calendar() -> SessionCalendar:
    """The sessions on which everything here is simulated."""
    return SessionCalendar("XNYS", FIRST, LAST)


class Simulation:
    """A seeded market path: `past` first, then `sessions()` once.

    volatility  [C] yearly long-run volatility of each column, known from the start: the unit in which P&L is counted
    """

    def __init__(self, shape: Shape, seed: tuple[int, ...], sessions: SessionCalendar) -> None:
        self.shape = shape
        self._calendar = sessions
        self._rng = np.random.default_rng(seed)
        columns = shape.markets * shape.symbols
        self._beta = np.clip(self._rng.normal(1.0, 0.25, columns), 0.4, 1.8)
        own = OWN_VOLATILITY * np.exp(0.3 * self._rng.standard_normal(columns))
        self._log = np.log(self._rng.uniform(20, 300, columns))
        self._busy = np.exp(self._rng.normal(11, 1, columns))
        self._targets = np.full(shape.markets, MARKET_VOLATILITY**2 / YEAR), own**2 / YEAR
        self._variances = self._targets
        self._realised = self._targets[0].copy()
        self._drift = np.zeros(columns)
        self.volatility = np.sqrt(own**2 + (self._beta * MARKET_VOLATILITY) ** 2)
        self.past = self._history()

    def sessions(self) -> Iterator[Session]:
        """The sessions with bars, in order."""
        grid = self._calendar.grid("15m")
        for number in range(HISTORY, HISTORY + self.shape.sessions):
            low, high = np.searchsorted(grid.session, (number, number + 1))
            yield self._session(self._calendar.days[number], grid.starts[low:high], grid.ends[low:high])

    def _history(self) -> Past:
        vix = np.empty((HISTORY, self.shape.markets))
        for day in range(HISTORY):
            market = self._step(self._variances[0])
            own = self._step(self._variances[1])
            vix[day] = self._close_day(market, own, market**2)
        return Past(tuple(self._calendar.days[:HISTORY]), vix)

    def _session(self, day: str, starts: Ints, ends: Ints) -> Session:
        bars = len(starts)
        share = _shares(bars)
        market = self._step(self._variances[0] * share[:, None])
        spread = np.repeat(self._variances[0], self.shape.symbols) * self._beta**2
        own = self._step(self._own_variances(share))
        common = np.repeat(market + self._variances[0] * share[:, None] / 2, self.shape.symbols, axis=1)
        steps = self._beta * common - spread * share[:, None] / 2 + own
        if self.shape.momentum:
            steps += self._planted(bars, share, spread + self._variances[1])
        path = self._log + np.cumsum(steps, axis=0)
        values, middle = _bars(path.reshape(bars, STEPS + 1, -1))
        values[:, 4] = self._volume(values, share, spread + self._variances[1])
        self._log = path[-1]
        by_bar = market.reshape(bars, STEPS + 1, -1).sum(axis=1)
        vix = self._close_day(market.sum(axis=0), own.sum(axis=0), (by_bar**2).sum(axis=0))
        return Session(day, starts, ends, values, middle, vix)

    def _step(self, variance: Floats) -> Floats:
        """Log steps of a martingale with these variances, all known before."""
        return np.asarray(np.sqrt(variance) * self._rng.standard_normal(variance.shape) - variance / 2)

    def _own_variances(self, share: Floats) -> Floats:
        """[steps, C]; news come unannounced, which leaves a martingale a martingale: they are drawn beside the step."""
        variances = self._variances[1] * share[:, None]
        variances[0] *= np.where(self._rng.random(len(self._drift)) < NEWS, SURPRISE, 1.0)
        return np.asarray(variances)

    def _planted(self, bars: int, share: Floats, variance: Floats) -> Floats:
        """A drift per column that lasts for days, spread over the fine steps of each bar; [steps, C]."""
        drift = np.empty((bars, len(self._drift)))
        for bar in range(bars):
            fresh = np.sqrt(1 - SLOW**2) * self._rng.standard_normal(len(self._drift))
            drift[bar] = self._drift = SLOW * self._drift + fresh
        scale = np.sqrt(variance / bars) * self.shape.momentum / (STEPS + 1)
        return np.repeat(drift * scale, STEPS + 1, axis=0)

    def _volume(self, values: Floats, share: Floats, variance: Floats) -> Floats:
        bars = len(values)
        expected = np.sqrt(share.reshape(bars, STEPS + 1)[:, 1:].sum(axis=1))[:, None] * np.sqrt(variance)
        moved = np.abs(np.log(values[:, 3] / values[:, 0])) / expected
        unrest = np.sqrt(variance / (self.volatility**2 / YEAR))
        noise = np.exp(0.4 * self._rng.standard_normal((bars, len(variance))))
        profile = (expected / expected.mean(axis=0)) ** 1.5
        return np.asarray(np.floor(self._busy * profile * unrest * (0.5 + moved) * noise) + 1)

    def _close_day(self, market: Floats, own: Floats, realised: Floats) -> Floats:
        """Move the volatilities on; the VIX-like value: smoothed realised variance, a premium, and more of it after a fall."""
        self._variances = (
            MARKET.after(self._variances[0], self._targets[0], market),
            OWN.after(self._variances[1], self._targets[1], own),
        )
        self._realised = 0.9 * self._realised + 0.1 * realised
        return np.maximum(8.0, 100 * np.sqrt(YEAR * self._realised) * 1.3 * np.exp(-4 * market))


def _shares(bars: int) -> Floats:
    """Share of a full day's variance for each fine step of a session, [bars x (1 + STEPS)]: the step to the open, then
    those inside the bar. The first open comes after the night."""
    x = (np.arange(bars) + 0.5) / bars
    profile = (0.65 + 1.3 * (1 - x) ** 6 + 0.45 * x**8) ** 2
    bar = (1 - NIGHT) * profile / profile.sum()
    shares = np.empty((bars, STEPS + 1))
    shares[:, 0] = GAP * bar
    shares[:, 1:] = ((1 - GAP) * bar / STEPS)[:, None]
    shares[0, 0] = NIGHT
    return shares.reshape(-1)


def _bars(path: Floats) -> tuple[Floats, Floats]:
    """Bars [bars, 5, C] without volume and prices half way [bars, C], of log prices [bars, 1 + STEPS, C]."""
    values = np.empty((len(path), 5, path.shape[2]))
    np.exp(path[:, 0], out=values[:, 0])
    np.exp(path.max(axis=1), out=values[:, 1])
    np.exp(path.min(axis=1), out=values[:, 2])
    np.exp(path[:, -1], out=values[:, 3])
    return values, np.exp(path[:, STEPS // 2])
