"""What positions earn: the real observer over simulated sessions, its signals filled by a rule.

In: a program, a simulation, a way to know and to fill (`Way`). Out: gross P&L per session, strategy and market.

A position is signal x size, decided at a bar's close, filled at the next bar's open and held until the next decision; its
P&L from open to open is position x (later / earlier - 1), in units of the symbol's long-run yearly volatility, averaged over
a market's symbols. So full size held for a year on a martingale earns 0 with a standard deviation of about 1.

Leaks are planted here, outside of the engine: rows are handed to the observer before they may be known, columns are asked for
before their time, or fills are made at prices of the past. The engine itself refuses the first two when the times are not
falsified (`test_noise_refused`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from qmtl.dsl.program import Program
from qmtl.engine.adapters.vixfile import SERIES, known_after
from qmtl.engine.bars import Bools, Floats, MacroRow
from qmtl.engine.blockobserver import BlockObserver
from qmtl.engine.blocks import BarRows, Block
from qmtl.engine.calendar import SessionCalendar
from qmtl.engine.market import Market
from qmtl.engine.observe import Observer

from .martingale import WARM, Session, Simulation
from .programs import hourly


class Way(StrEnum):
    """How positions are known and filled: the honest way, and the planted leaks that need no other signals."""

    HONEST = "honest"
    #: the hour's close is known at the hour's first bar, as when start-labelled 60m bars are filled forward; only strategies
    #: that read nothing but 60m bars take part, so that nothing else leaks with it
    START_LABELLED = "start-labelled 60m"
    #: half way through a bar its close is known; filled at the price of that moment
    FORMING = "forming bar"
    #: filled at the open of the bar that was decided on
    EARLY_FILL = "one-bar-early fill"


@dataclass(frozen=True, slots=True, eq=False)
class Earned:
    """Gross P&L in units of yearly volatility: float64 [sessions, strategies, markets] of the sessions after the warm-up;
    `held` [strategies] the mean |position| in them."""

    strategies: tuple[str, ...]
    pnl: Floats
    held: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Watched:
    """A session and the positions decided at its bars' closes, float64 [bars, strategies, C]."""

    session: Session
    positions: Floats


def earned(
    program: Program,
    simulation: Simulation,
    calendar: SessionCalendar,
    ways: tuple[Way, ...] = (Way.HONEST,),
    *,
    same_day_vix: bool = False,
) -> dict[Way, Earned]:
    """Gross P&L by way of filling; `same_day_vix` plants that leak in what the observer is fed."""
    scale = 1 / simulation.volatility
    shape = simulation.shape
    kept: dict[Way, list[Floats]] = {way: [] for way in ways}
    takes_part = {way: _partakers(program, way) for way in ways}
    held = []
    watched = _watched(program, simulation, calendar, same_day_vix=same_day_vix)
    before = next(watched)
    for number, now in enumerate(watched, start=1):
        if number > WARM:
            for way in ways:
                pnl = np.einsum("bnc,bc->nc", _placed(before.positions, way), _returns(before, now, way) * scale)
                pnl *= takes_part[way][:, None]
                kept[way].append(pnl.reshape(len(pnl), shape.markets, shape.symbols).mean(axis=2))
            held.append(np.abs(before.positions).mean(axis=(0, 2)))
        before = now
    names = tuple(plan.name for plan in program.strategies)
    return {way: Earned(names, np.array(parts), np.mean(held, axis=0)) for way, parts in kept.items()}


def _watched(
    program: Program, simulation: Simulation, calendar: SessionCalendar, *, same_day_vix: bool
) -> Iterator[_Watched]:
    observer = Observer(program, calendar, 0)
    blocks = BlockObserver(observer)
    for day, vix in zip(simulation.past.days, simulation.past.vix, strict=True):
        observer.feed_macro(macro_row(day, vix, known_after_day(day)))
    for session in simulation.sessions():
        if same_day_vix:  # the leak: the close of the day, said to be known at its open
            observer.feed_macro(macro_row(session.day, session.vix, int(session.starts[0])))
        yield _Watched(session, np.concatenate([positions_of(block) for block in blocks.feed(bar_rows(session))]))
        if not same_day_vix:
            observer.feed_macro(macro_row(session.day, session.vix, known_after_day(session.day)))


def bar_rows(session: Session) -> BarRows:
    """The session's bars, each known at its end."""
    everybody = np.ones((len(session.ends), session.values.shape[2]), dtype=np.bool_)
    return BarRows(session.starts, session.ends, session.ends, session.values, everybody)


def positions_of(seen: Block | Market) -> Floats:
    """Signal x size; what is not known is not held."""
    return np.where(seen.signal_known, seen.signal * np.nan_to_num(seen.size), 0.0)


def _partakers(program: Program, way: Way) -> Bools:
    return np.array([way is not Way.START_LABELLED or hourly(program, plan.name) for plan in program.strategies])


def _placed(positions: Floats, way: Way) -> Floats:
    """The position that each bar's decision comes to."""
    if way is not Way.START_LABELLED:
        return positions
    bars = np.arange(len(positions))
    return positions[np.minimum(bars // 4 * 4 + 3, len(positions) - 1)]


def _returns(before: _Watched, now: _Watched, way: Way) -> Floats:
    """What 1 held earns from the fill of each bar's decision to that of the next, [bars, C]."""
    first, later = before.session, now.session
    if way is Way.FORMING:
        prices = np.concatenate((first.middle, later.middle[:1]))
    elif way is Way.EARLY_FILL:
        prices = np.concatenate((first.values[:, 0], later.values[:1, 0]))
    else:
        prices = np.concatenate((first.values[1:, 0], later.values[:2, 0]))
    return np.asarray(prices[1:] / prices[:-1] - 1)


def macro_row(day: str, vix: Floats, known_at: int) -> MacroRow:
    """The VIX-like row of a day; of several markets the mean."""
    close = float(vix.mean())
    return MacroRow(SERIES, day, known_at, np.array([close, close, close, close, np.nan]))


def known_after_day(day: str) -> int:
    """Epoch seconds of the midnight, New York, that ends an ISO day."""
    return known_after(np.datetime64(day).item())
