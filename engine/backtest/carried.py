"""What the shortcut carries from tick to tick instead of a `DecideState`, and how it becomes one again.

In: a state in which nothing is going on, fills, wishes. Out: the arrays that fills and orders change, kept up to date, and in
the end the state that `decide` would have left. It stands apart from the shortcut, which decides: here things are remembered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from ..bars import Bools, Floats, Ints, Small
from ..blocks import Block
from ..frame import EPS, Frame, generation_hashes
from ..killswitch import REMEMBERED, gate_of
from ..market import SessionTimes
from ..sizing import Wishes
from ..stages.orders import nobody_at
from ..state import NOBODY, DecideState
from ..tick import Gate
from .calmrows import CalmRows, Slow
from .floor import Fills
from .purse import MILLION, Purse
from .view import filled_at

#: arrays of the state that must say nothing at all
_EMPTY = (
    "regime_missing", "stopping", "latch", "pending", "exit_rejects", "gap_at", "settling", "stale_at",
)  # fmt: skip
#: arrays that fills and orders change
_OWN = (
    "owner", "generation", "side", "side_opened_at", "last_side", "last_opened_at", "stop_distance", "take_distance",
    "entry_strategy", "entry_stop", "entry_take", "entry_stop_level", "entry_take_level",
)  # fmt: skip
#: ticks whose fills wait to be counted
_WAITING: Final = 64
#: of them, what is unknown where no strategy ever named a stop or a take
_LEVELS: Final = ("stop_distance", "take_distance", "entry_stop", "entry_take", "entry_stop_level", "entry_take_level")


@dataclass(slots=True, eq=False)
class Carried:
    """Between two ticks: the arrays of `_OWN`, its own copies; the gate and the session it is of; shares, marks and equity of
    the last tick; the account, for average prices.

    held, signs   [S] who has a position, and its side as a float
    flat          [S] who wanted nothing at the last decision
    low, high     [S] a mark at or beyond them is at a stop or a take, or next to one; NaN none
    lowest        equity at or below it is at a loss limit, or next to one
    shorts        somebody is short or was so last;  levels  somebody has a stop or a take of its own
    wished, fills what is not yet counted in `own` and `signs`: legs with who had a position then, and fills (`write` does)
    """

    slow: Slow
    purse: Purse
    gate: Gate
    session: SessionTimes | None
    lowest: float
    limit: float
    own: dict[str, Any]
    qty: Floats
    mark: Floats
    held: Bools
    signs: Floats
    flat: Bools
    low: Floats
    high: Floats
    equity: float
    now: int
    shorts: bool
    levels: bool
    block: Block | None = None
    index: int = 0
    wished: list[tuple[Ints, Bools, Bools]] = field(default_factory=list)
    fills: list[Fills] = field(default_factory=list)

    def follows(self, window: CalmRows, index: int) -> bool:
        """The last decision was at the row before, which the window has seen as well."""
        return self.block is window.block and self.index == index - 1 >= window.low

    def near_exit(self, mark: Floats) -> bool:
        """Somebody may be at a stop or a take; nobody is where this says no."""
        if np.count_nonzero(mark <= self.low):
            return True
        return (self.shorts or self.levels) and bool(np.count_nonzero(mark >= self.high))

    def at_exit(self, frame: Frame, mark: Floats) -> bool:
        """Somebody is at a stop or a take, by the rule itself."""
        self.write(frame)
        own, signs, average = self.own, self.signs, self.purse.price
        self.bound()
        lost = mark / average
        lost -= 1.0
        lost *= signs
        if np.count_nonzero(lost <= EPS - self.limit):
            return True
        stop, take = (average - signs * own["stop_distance"]), (average + signs * own["take_distance"])
        return bool(np.count_nonzero(signs * (mark - stop) <= 0) or np.count_nonzero(signs * (mark - take) >= 0))

    def bound(self) -> None:
        """Write `low` and `high` from positions and their distances. They err on the side of an exit by 2 EPS."""
        signs, average, share = self.signs, self.purse.price, self.limit - 2 * EPS
        if not (self.shorts or self.levels):
            self.low = average * (1.0 - share)
            return
        worst = average * (1.0 - signs * share)
        stop, take = (average - signs * self.own["stop_distance"]), (average + signs * self.own["take_distance"])
        longs = signs > 0
        self.low = np.where(longs, np.fmax(worst, stop), take)
        self.high = np.where(longs, take, np.fmin(worst, stop))

    def exits_after(self, parts: Sequence[Fills], *, short: bool) -> bool:
        """Somebody may be at a stop or a take once these fills of the last decision are counted; nobody is where this says no.
        `short`: somebody is short after them."""
        if self.levels or self.shorts or short:
            return any(self._reaches(part) for part in parts)
        share = 1.0 - (self.limit - 2 * EPS)
        for part in parts:
            # an average price is not above the highest that was paid; who sold keeps a bound that is too high
            column = part.legs.column
            self.low[column] = np.fmax(self.low[column], part.did.price * (share / MILLION))
        return self.near_exit(self.mark)

    def _reaches(self, part: Fills) -> bool:
        column, after, opened = part.legs.column, part.did.after, part.did.before == 0
        mark, paid, signs, own = self.mark[column], self.purse.price[column], np.sign(after), self.own
        lost = mark / paid
        lost -= 1.0
        lost *= signs
        if np.count_nonzero(lost <= 2 * EPS - self.limit):
            return True
        stop = np.where(opened, own["entry_stop"][column], own["stop_distance"][column])
        take = np.where(opened, own["entry_take"][column], own["take_distance"][column])
        gain, near = signs * (mark - paid), EPS * mark
        return bool(np.count_nonzero(gain <= near - stop) or np.count_nonzero(gain >= take - near))

    def entered(self, window: CalmRows, index: int, wishes: Wishes) -> None:
        """Remember the orders that open from flat."""
        named = self.levels or window.named
        if named:
            self._openings()  # of ticks before, whose levels were not known
        self.wished.append((wishes.column, wishes.close, self.held))
        if named:
            at = self._openings()
            own, selected = self.own, self.slow.selected[at]
            own["entry_stop"][at] = window.block.stop[index][selected, at]
            own["entry_take"][at] = window.block.take[index][selected, at]
            own["entry_stop_level"][at] = own["entry_take_level"][at] = np.nan
            self.levels = True

    def _openings(self) -> Ints:
        """Write down who was to be opened, and say for which symbols."""
        parts = [column[~(close | held[column])] for column, close, held in self.wished]
        self.wished.clear()
        at = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        self.own["entry_strategy"][at] = self.slow.selected[at]
        return at

    def filled(self, frame: Frame, parts: Sequence[Fills], position: tuple[Floats, Bools]) -> None:
        """Positions after fills of what was decided last, which never cross zero; `position`: shares and who has one."""
        self.qty, self.held = position
        self.fills.extend(parts)
        if self.shorts or self.levels:
            self.write(frame)
            self.bound()
        elif len(self.fills) >= _WAITING:
            self.write(frame)

    def write(self, frame: Frame) -> None:
        """Count what is waiting: nobody reads it in most ticks, and many together take little longer than one."""
        self._openings()
        if not self.fills:
            return
        column = np.concatenate([part.legs.column for part in self.fills])
        before, after = (
            np.concatenate([getattr(part.did, name) for part in self.fills]) for name in ("before", "after")
        )
        at = np.repeat([filled_at(frame, part) for part in self.fills], [len(part.legs) for part in self.fills])
        owner = np.concatenate([part.legs.owner for part in self.fills])
        self.fills.clear()
        opened = before == 0
        self._opened(frame, column[opened], (owner[opened], np.sign(after[opened]), at[opened]))
        gone = column[after == 0]
        self._gone(gone[self.qty[gone] == 0])  # who was opened again since is not gone

    def _opened(self, frame: Frame, column: Ints, of: tuple[Small, Ints, Ints]) -> None:
        """Positions from flat: owners, sides, times; of a symbol that comes twice the later one stays."""
        own, (owner, side, at) = self.own, of
        own["owner"][column], own["generation"][column] = owner, generation_hashes(frame, owner, column)
        own["side"][column] = own["last_side"][column] = self.signs[column] = side
        own["side_opened_at"][column] = own["last_opened_at"][column] = at
        if self.levels:
            own["stop_distance"][column] = own["entry_stop"][column]
            own["take_distance"][column] = own["entry_take"][column]

    def _gone(self, column: Ints) -> None:
        own = self.own
        own["owner"][column] = NOBODY
        own["generation"][column] = own["side"][column] = own["side_opened_at"][column] = self.signs[column] = 0
        if self.levels:
            own["stop_distance"][column] = own["take_distance"][column] = np.nan


def carried(frame: Frame, state: DecideState, slow: Slow, purse: Purse) -> Carried | None:
    """What the shortcut has to remember of a state; None where something is going on in it."""
    if any(np.count_nonzero(getattr(state, name)) for name in _EMPTY) or np.count_nonzero(state.mark_scale != 1.0):
        return None
    gate = gate_of(frame, state)
    if gate.kill or gate.day_breach_at or gate.week_breach_at or np.isfinite(state.suspect) or np.isnan(state.equity):
        return None
    if _lines(state.stop_level, state.stop_distance) or _lines(state.take_level, state.take_distance):
        return None
    if not _managed(frame, state):
        return None
    own = {name: getattr(state, name).copy() for name in _OWN}
    memory = Carried(
        slow=slow,
        purse=purse,
        gate=gate,
        session=None,
        lowest=np.inf,
        limit=frame.program.settings.risk.position_stop,
        own=own,
        qty=state.qty,
        mark=state.mark,
        held=state.qty != 0,
        signs=own["side"].astype(np.float64),
        flat=frame.nowhere,
        low=frame.unknown,
        high=frame.unknown,
        equity=state.equity.item(),
        now=state.now.item(),
        shorts=bool(np.count_nonzero(own["last_side"] < 0)),  # whoever is short was so last
        levels=any(not np.isnan(own[name]).all() for name in _LEVELS),
    )
    memory.bound()
    return memory


def _managed(frame: Frame, state: DecideState) -> bool:
    """Every position is that of the selected strategy as it is today, without a line as stop or take, and every side what is
    held."""
    held = state.qty != 0
    if frame.lines:  # also one that is not known yet: it would be followed from the bar on that knows it
        at = np.maximum(state.owner, 0), frame.columns
        if np.count_nonzero(held & (frame.stop_is_level[at] | frame.take_is_level[at])):
            return False
    if np.count_nonzero(held & (state.owner != state.selected)) or np.count_nonzero(np.sign(state.qty) != state.side):
        return False
    today = generation_hashes(frame, state.owner, frame.columns)
    return not np.count_nonzero(held & ((state.owner < 0) | (today != state.generation)))


def _lines(level: Floats, distance: Floats) -> bool:
    """Some position follows a line, or keeps its last level."""
    return bool(np.count_nonzero(np.isfinite(level) & np.isnan(distance)))


def state_of(frame: Frame, state: DecideState, memory: Carried) -> DecideState:
    """The state that `decide` would have left, from the one that was there when the shortcut opened."""
    memory.write(frame)
    gate, own = memory.gate, memory.own
    paid = memory.purse.price_before
    average = np.where(memory.held, paid, np.nan)
    numbers = {name: np.array(getattr(gate, name), getattr(state, name).dtype) for name in REMEMBERED}
    return replace(
        state,
        **own,
        **numbers,
        qty=memory.qty,
        average=paid,
        mark=memory.mark,
        stop_level=average - memory.signs * own["stop_distance"] if memory.levels else frame.unknown,
        take_level=average + memory.signs * own["take_distance"] if memory.levels else frame.unknown,
        pending=frame.nothing,
        pending_strategy=frame.recent.of(nobody_at, frame),
        now=np.array(memory.now, dtype=np.int64),
        equity=np.array(memory.equity),
        close_equity=np.array(gate.close_equity),
        ring_at=gate.ring_at,
        ring_orders=gate.ring_orders,
        ring_failures=gate.ring_failures,
    )
