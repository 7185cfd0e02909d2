"""What a backtest writes down while it runs, and the `Result` made of it.

In: one note per decision tick and per order leg, as references to arrays that are never written again. Out: the columns of
`result.Result`. It stands apart from the loop so that the loop does nothing but step: numbers per row are worked out here,
for all rows at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..bars import Bools, Codes, Floats, Ints, Small
from ..calendar import SessionCalendar
from ..frame import Frame
from ..reasons import Reason
from ..state import MIX
from ..tick import Tick
from .floor import Fills
from .purse import MILLION
from .result import OrderRows, Shorts, Steps, WorldSteps

#: rows that wait before they are turned into numbers
_WAITING: Final = 128


@dataclass(slots=True, eq=False)
class WorldTape:
    """One world's arrays, one entry per decision tick."""

    frame: Frame
    capital: list[float] = field(default_factory=list)
    pnl: list[float] = field(default_factory=list)
    kill: list[int] = field(default_factory=list)
    names: list[int] = field(default_factory=list)
    in_chain: list[Ints] = field(default_factory=list)
    mean: list[Floats] = field(default_factory=list)
    current: list[Floats] = field(default_factory=list)
    _chain: Small | None = None
    _gross: list[Floats] = field(default_factory=list)
    _net: list[Floats] = field(default_factory=list)

    def note(self, tick: Tick, pnl: float) -> None:
        """A decision tick."""
        self.add(tick.load.capital, pnl, (tick.load.current, tick.load.held, tick.chain.chain, _mean(tick.market.p)))
        self.kill[-1] = tick.gate.kill

    def add(self, capital: float, pnl: float, rows: tuple[Floats, Bools, Small, Floats]) -> None:
        """A decision tick without a kill: capital, profit so far, and fractions, positions, chains [S] and means of the
        probabilities [4]."""
        current, held, chain, mean = rows
        self.capital.append(capital)
        self.pnl.append(pnl)
        self.kill.append(0)
        self.names.append(int(np.count_nonzero(held)))
        if chain is not self._chain:
            self._chain, width = chain, len(self.frame.names.chains)
            self.in_chain.append(np.bincount(chain + 1, minlength=width + 1)[1:])
        else:
            self.in_chain.append(self.in_chain[-1])
        self.mean.append(mean)
        self.current.append(current)
        if len(self.current) >= _WAITING:
            self._fold()

    def _fold(self) -> None:
        """Turn the waiting rows into numbers, so that memory does not grow with symbols x ticks."""
        if not self.current:
            return
        current = _stacked(self.current)
        self._net.append(current.sum(axis=1))
        self._gross.append(np.abs(current, out=current).sum(axis=1))
        self.current.clear()

    def steps(self) -> WorldSteps:
        """The world's part of the result."""
        self._fold()
        names, width = self.frame.names, len(self.frame.names.chains)
        return WorldSteps(
            world=self.frame.program.settings.world,
            chains=names.chains,
            strategies=names.strategies,
            universe=names.symbols,
            capital=np.array(self.capital),
            pnl=np.array(self.pnl),
            gross=_rows(self._gross, np.zeros(0)),
            net=_rows(self._net, np.zeros(0)),
            names=np.array(self.names, dtype=np.int16),
            kill=np.array(self.kill, dtype=np.uint8),
            in_chain=np.array(self.in_chain, dtype=np.int16).reshape(-1, width),
            p=np.array(self.mean).reshape(-1, 4),
        )


def _mean(p: Floats) -> Floats:
    """[4] mean of each probability over the symbols of which it is known, NaN where of none; p [4, S]."""
    total: Floats = np.add.reduce(p, axis=1)
    if math.isfinite(np.add.reduce(total)):
        total /= p.shape[1]
        return total
    known = np.isfinite(p)
    number = known.sum(axis=1)
    return np.where(number > 0, np.where(known, p, 0.0).sum(axis=1) / np.maximum(number, 1), np.nan)


def _held(marks: Floats, base: Floats) -> Floats:
    """Value of one in each symbol, 1 where it has no price yet."""
    known = (marks > 0) & (base > 0)
    return np.divide(marks, base, out=np.ones_like(marks), where=known)


def _stacked(rows: Sequence[Floats]) -> Floats:
    """Rows one below the other; much faster than `np.stack`."""
    return np.concatenate(rows).reshape(len(rows), -1)


def _rows(parts: Sequence[NDArray[Any]], empty: Floats) -> NDArray[Any]:
    return np.concatenate(parts) if parts else empty


@dataclass(slots=True, eq=False)
class StepTape:
    """The account's numbers, one entry per decision tick; costs add up between two of them."""

    at: list[int] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    market: list[Floats] = field(default_factory=list)
    marks: list[Floats] = field(default_factory=list)
    base: Floats | None = None
    fees: list[int] = field(default_factory=list)
    borrow: list[int] = field(default_factory=list)
    open_fees: int = 0
    open_borrow: int = 0

    def note(self, at: int, equity: float, cash: float, marks: Floats) -> None:
        """A decision tick; `marks` [S] of all symbols, 0 unknown."""
        self.at.append(at)
        self.equity.append(equity)
        self.cash.append(cash)
        self.marks.append(marks)
        if len(self.marks) >= _WAITING:
            self._fold()
        self.fees.append(self.open_fees)
        self.borrow.append(self.open_borrow)
        self.open_fees = self.open_borrow = 0

    def _fold(self) -> None:
        """The equally weighted index of all symbols, each held from its first price on and in cash before."""
        if not self.marks:
            return
        marks = _stacked(self.marks)
        base = marks[0] if self.base is None else self.base
        if not base.all():  # somebody has no price yet
            first = (marks > 0).argmax(axis=0)
            base = np.where(base > 0, base, marks[first, np.arange(marks.shape[1])])
        self.base = base
        ratios = marks / base if base.all() and marks.all() else _held(marks, base)
        self.market.append(ratios.mean(axis=1))
        self.marks.clear()

    def steps(self, calendar: SessionCalendar) -> Steps:
        """The account's part of the result. A bar known at or after a session's close belongs to that session."""
        self._fold()
        at = np.array(self.at, dtype=np.int64)
        number = calendar.opens.searchsorted(at, side="left") - 1
        used, session = np.unique(number, return_inverse=True)
        return Steps(
            at=at,
            session=session.astype(np.int64),
            days=tuple(calendar.days[i] for i in used.tolist()),
            equity=np.array(self.equity),
            cash=np.array(self.cash),
            fees=np.array(self.fees, dtype=np.int64) / MILLION,
            borrow=np.array(self.borrow, dtype=np.int64) / MILLION,
            market=_rows(self.market, np.zeros(0)),
        )


@dataclass(slots=True, eq=False)
class Sent:
    """The orders of one tick, columns over its legs; `column` counts among the feed's symbols, `strategy` and `chain` among
    those of the leg's world."""

    at: int
    world: Ints
    column: Ints
    atoms: Ints
    close: Bools
    mark: Floats
    reason: Codes
    strategy: Small
    chain: Small


@dataclass(slots=True, eq=False)
class OrderTape:
    """Every order, tick by tick, and their fills."""

    sent: list[Sent] = field(default_factory=list)
    fills: list[tuple[int, Ints, Ints, Ints]] = field(default_factory=list)
    rows: int = 0

    def note(self, sent: Sent) -> None:
        """The orders of a tick, in the order they were sent."""
        self.sent.append(sent)
        self.rows += len(sent.column)

    def filled(self, part: Fills) -> None:
        """Fills of some of them: when, rows, prices and fees in millionths."""
        self.fills.append((part.at, part.legs.row, part.did.price, part.did.fee))

    def orders(self, frames: Sequence[Frame], symbols: tuple[str, ...], per: int) -> OrderRows:
        """All orders as columns; a share has `per` atoms."""
        strategies = tuple(dict.fromkeys(name for frame in frames for name in (*frame.names.strategies, "@mix")))
        chains = tuple(dict.fromkeys(name for frame in frames for name in frame.names.chains))
        counts = np.array([len(part.column) for part in self.sent], dtype=np.int64)
        world = _rows([part.world for part in self.sent], np.zeros(0)).astype(np.int64)
        reasons = _rows([part.reason for part in self.sent], np.zeros(0)).astype(np.int64)
        codes = np.unique(reasons)
        filled, price, fee = (np.zeros(self.rows) for _ in range(3))
        if self.fills:
            rows, prices, fees = (
                np.concatenate(parts) for parts in zip(*(part[1:] for part in self.fills), strict=True)
            )
            filled[rows] = np.repeat([part[0] for part in self.fills], [len(part[1]) for part in self.fills])
            price[rows], fee[rows] = prices / MILLION, fees / MILLION
        return OrderRows(
            worlds=tuple(frame.program.settings.world for frame in frames),
            symbols=symbols,
            strategies=strategies,
            chains=chains,
            reasons=tuple(Reason(int(code)).code for code in codes.tolist()),
            sent=np.repeat(np.array([part.at for part in self.sent], dtype=np.int64), counts),
            filled=filled.astype(np.int64),
            world=world.astype(np.int16),
            symbol=_rows([part.column for part in self.sent], np.zeros(0)).astype(np.int64),
            strategy=_renamed(world, [part.strategy for part in self.sent], _strategy_maps(frames, strategies)),
            chain=_renamed(world, [part.chain for part in self.sent], _chain_maps(frames, chains)),
            reason=np.searchsorted(codes, reasons).astype(np.int16),
            qty=_rows([part.atoms for part in self.sent], np.zeros(0)) / per,
            price=price,
            fee=fee,
            mark=_rows([part.mark for part in self.sent], np.zeros(0)),
            closing=_rows([part.close for part in self.sent], np.zeros(0)).astype(np.bool_),
        )


def _strategy_maps(frames: Sequence[Frame], names: tuple[str, ...]) -> list[Shorts]:
    """Per world: index of a strategy in `names`; the last two answer the indexes -2 (@mix) and -1 (nobody)."""
    assert MIX == -2
    return [
        np.array([*(names.index(name) for name in frame.names.strategies), names.index("@mix"), -1], dtype=np.int16)
        for frame in frames
    ]


def _chain_maps(frames: Sequence[Frame], names: tuple[str, ...]) -> list[Shorts]:
    return [np.array([*(names.index(n) for n in frame.names.chains), -1], dtype=np.int16) for frame in frames]


def _renamed(world: Ints, parts: Sequence[Small], maps: Sequence[Shorts]) -> Shorts:
    """Indexes of worlds as indexes of all of them together."""
    own = _rows(parts, np.zeros(0)).astype(np.int64)
    named = np.full(len(own), -1, dtype=np.int16)
    for number, names in enumerate(maps):
        mine = world == number
        named[mine] = names.take(own[mine], mode="wrap")
    return named
