"""The shortcut: ticks in which nothing happens but numbers, without the thirteen steps.

In: calm rows of a block, readings of the account, fills. Out: the wishes and the state that `decide` would have given, to the bit;
or None where anything else goes on, and then `decide` is asked. Such are many ticks of plain worlds: every symbol has its bar
and its regime, nobody changes chain or strategy, no cap, guard, stop, loss limit or clock says anything. What is left of the
steps then is target against position, the deadband, an owner who leaves, and sizes.

It is no second set of rules but a shortcut through the one there is: a law of the tests runs every scenario with and without it
and holds all that is written down equal. It applies to an account with one world, while no position follows a line as its stop
or take.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np

from ..bars import Bools, Floats
from ..calendar import Hours
from ..caps import clipped, trimmed
from ..frame import EPS, Frame
from ..killswitch import anchor, count_good, dates_of
from ..prices import beyond
from ..reasons import Reason
from ..sizing import Wishes, counted_one_by_one, sending_order
from ..stages.allowlist import allowed_in
from ..stages.chain import given_by
from ..stages.load import JUMP, PENNY
from ..state import DecideState
from ..tick import Gate
from .calmrows import MARGIN, CalmRows, Slow, calm_rows
from .carried import Carried, carried, state_of
from .floor import Fills
from .lookout import Seen
from .purse import Purse
from .view import Readings

#: the smallest float: what is not below it is not 0
TINY: Final = 5e-324
#: rows looked at together; after a look in vain so many ticks pass before the next one, doubled up to the last
_ROWS = 48
_PATIENCE = (0, 16)


@dataclass(slots=True, eq=False)
class Moment:
    """A tick: its time, the exchange's hours, the account and readings of it."""

    now: int
    hours: Hours
    readings: Readings
    purse: Purse

    @property
    def open(self) -> bool:
        """Whether the exchange is."""
        return self.hours.regular and self.hours.session.open_at <= self.now < self.hours.session.close_at


@dataclass(slots=True, eq=False)
class Decided:
    """A decision tick of the shortcut: what the tapes note, and the wishes (None: nothing is sent)."""

    window: CalmRows
    row: int
    capital: float
    current: Floats
    held: Bools
    wishes: Wishes | None


class Shortcut:
    """Use per tick: `decision` or `follow_up`; where they have no answer, `leave` before `decide`."""

    def __init__(self, frame: Frame) -> None:
        settings = frame.program.settings
        self._frame, self._settings = frame, settings
        self._memory: Carried | None = None
        self._window: CalmRows | None = None
        self._wait, self._patience = 0, _PATIENCE[0]
        # a change of nothing is none
        self._smallest = max(settings.orders.min_delta - EPS, TINY)
        self._least = max(settings.churn_guard.deadband - EPS if "deadband" in frame.churn else 0.0, TINY)
        self.possible = (
            settings.select.method == "single_best"
            and not (frame.dated or frame.program.regime.shadow)
            and settings.risk.trading == "active"
            and not settings.regime.confidence_blend
            and bool(frame.enabled.all())
            # and orders are all alike: at the market, in lots of the venue
            and not counted_one_by_one(frame)
            and settings.exchange.order_type == settings.exchange.exit_order_type == "market"
        )

    def leave(self, state: DecideState) -> DecideState:
        """The state as of the last tick; the shortcut is closed."""
        memory, self._memory = self._memory, None
        return state if memory is None else state_of(self._frame, state, memory)

    def decision(self, state: DecideState, seen: Seen, moment: Moment) -> Decided | None:
        """A decision tick that nothing happened before: no fills, answers or working orders."""
        memory = self._memory or self._enter(state, seen, moment)
        if memory is None or moment.purse.qty is not memory.qty:
            return None
        window, index = self._at(seen, memory), seen.places[0][2]
        row, mark, equity = index - window.low, window.block.mark[index], moment.readings.equity
        gate = self._believed(memory, moment) if window.calm[row] else None
        if gate is None or (not memory.follows(window, index) and self._jumped(memory, mark)):
            return None
        if memory.near_exit(mark) and memory.at_exit(self._frame, mark):
            return None
        capital = self._settings.capital * equity
        current = moment.purse.qty * mark
        current /= capital
        held, flat = memory.held, window.flat[row]
        leaves = held & flat
        if self._turns(memory, window, row) or not self._within_caps(window, row, (current, leaves), moment):
            return None
        wishes = self._wishes(memory, window, index, (current, leaves), moment)
        if wishes is not None:
            if self._by_line(memory, wishes, held):
                return None
            memory.entered(window, index, wishes)
        memory.mark, memory.flat, memory.block, memory.index = mark, flat, window.block, index
        self._believe(memory, gate, moment)
        return Decided(window, row, capital, current, held, wishes)

    def follow_up(self, moment: Moment, fills: Sequence[Fills], good: int) -> bool:
        """A tick without a new bar, at which all that was sent is filled; `good` answers. Where it says False, `leave` gives the
        state of the tick before."""
        memory = self._memory
        gate = self._believed(memory, moment) if memory is not None and moment.open else None
        if memory is None or gate is None or not self._keeps_caps(memory, moment):
            return False
        held = moment.purse.qty != 0
        if np.count_nonzero(held & memory.flat):
            return False
        if memory.exits_after(fills, short=moment.purse.shorts > 0):
            return False
        memory.shorts = memory.shorts or moment.purse.shorts > 0
        memory.filled(self._frame, fills, (moment.purse.qty, held))
        count_good(self._frame, gate, moment.now, good)
        self._believe(memory, gate, moment)
        return True

    # -- what has to be so ---------------------------------------------------------------------------------------------

    def _enter(self, state: DecideState, seen: Seen, moment: Moment) -> Carried | None:
        """The memory of a state that is calm."""
        if self._wait:
            self._wait -= 1
            return None
        memory = self._calm(state, moment)
        if (
            memory is None
            or not self._at(seen, memory).calm[0 if self._window is None else seen.places[0][2] - self._window.low]
        ):
            self._wait, self._patience = self._patience, min(max(1, 2 * self._patience), _PATIENCE[1])
            return None
        self._patience = _PATIENCE[0]
        self._memory = memory
        return memory

    def _calm(self, state: DecideState, moment: Moment) -> Carried | None:
        if state.qty is not moment.purse.qty or state.average is not moment.purse.price:
            return None
        if np.maximum.reduce(state.reject_until) > moment.now:
            return None
        slow = self._slow(state)
        return None if slow is None else carried(self._frame, state, slow, moment.purse)

    def _slow(self, state: DecideState) -> Slow | None:
        """Chains and selection, where everybody is in a chain and nobody's strategy was taken away."""
        frame, selected = self._frame, state.selected
        if np.minimum.reduce(state.chain) < 0:
            return None
        allowlist = frame.recent.of(allowed_in, frame, state.chain, "")
        exposure, _ = frame.recent.of(given_by, frame, state.chain)
        chosen = allowlist.candidates[np.maximum(selected, 0), frame.columns]
        if np.count_nonzero(allowlist.disabled) or np.count_nonzero((selected >= 0) & ~chosen):
            return None
        return Slow(state.chain, selected, allowlist.candidates, exposure)

    def _at(self, seen: Seen, memory: Carried) -> CalmRows:
        """The window that holds the row."""
        block, _, index = place = seen.places[0]
        window, slow = self._window, memory.slow
        if (
            window is None
            or window.block is not block
            or not window.low <= index < window.high
            or (window.slow.selected is not slow.selected or window.slow.chain is not slow.chain)
        ):
            window = self._window = calm_rows(self._frame, place, slow, _ROWS)
        return window

    def _opens(self, moment: Moment) -> bool:
        """Whether opening orders may be sent, as far as the clock goes."""
        rules, session, now = self._settings.orders, moment.hours.session, moment.now
        return session.open_at + rules.open_delay <= now < session.close_at - rules.close_buffer

    def _believed(self, memory: Carried, moment: Moment) -> Gate | None:
        """The gate where the reading of equity is plausible and no loss limit is near."""
        equity, gate, lowest = moment.readings.equity, memory.gate, memory.lowest
        if not (abs(equity - memory.equity) <= JUMP * abs(memory.equity) and self._settings.capital * equity > PENNY):
            return None
        if moment.hours.session is not memory.session:
            gate = copy(gate)
            anchor(gate, dates_of(moment.hours.session), gate.close_equity)
            lowest = self._lowest(gate)
        return gate if equity > lowest else None

    def _believe(self, memory: Carried, gate: Gate, moment: Moment) -> None:
        """A tick is over, with the gate that was found for it."""
        if moment.hours.session is not memory.session:
            memory.gate, memory.session, memory.lowest = gate, moment.hours.session, self._lowest(gate)
        memory.now, memory.equity = moment.now, moment.readings.equity
        gate.close_equity = memory.equity

    def _lowest(self, gate: Gate) -> float:
        """Above this equity no loss limit is near, by 2 EPS."""
        risk, share = self._settings.risk, self._settings.capital
        limits = ((gate.day_level, risk.daily_loss), (gate.week_level, risk.weekly_loss))
        return max(level + share * level * (limit + 2 * EPS) if level > 0 else np.inf for level, limit in limits)

    def _jumped(self, memory: Carried, mark: Floats) -> bool:
        return bool(np.count_nonzero(beyond(mark, memory.mark, self._settings.freshness.max_gap)))

    def _turns(self, memory: Carried, window: CalmRows, row: int) -> bool:
        """Somebody may turn to the other side."""
        if not (window.short[row] or memory.shorts):
            return False
        memory.write(self._frame)
        target, side, last = window.target[row], memory.own["side"], memory.own["last_side"]
        return bool(np.count_nonzero(target * side < 0) or np.count_nonzero((target * last < 0) & (side == 0)))

    def _gross(self, moment: Moment) -> float:
        """At least the sum of the positions' magnitudes, in fractions of capital."""
        if moment.purse.shorts:
            return np.inf
        return (moment.readings.equity - moment.readings.cash + 0.01) / (
            self._settings.capital * moment.readings.equity
        )

    def _keeps_caps(self, memory: Carried, moment: Moment) -> bool:
        """Nothing is trimmed."""
        risk = self._settings.risk
        if not self._frame.sectors and self._gross(moment) <= min(risk.max_total * MARGIN, risk.max_symbol):
            return True
        current = moment.purse.qty * memory.mark
        current /= self._settings.capital * moment.readings.equity
        size = np.abs(current)
        if (
            not self._frame.sectors
            and np.add.reduce(size) <= risk.max_total
            and np.maximum.reduce(size) <= risk.max_symbol
        ):
            return True
        return trimmed(self._frame, current, size > 0) is None

    def _within_caps(self, window: CalmRows, row: int, of: tuple[Floats, Bools], moment: Moment) -> bool:
        """Nothing is trimmed and nothing clipped, whatever the deadband holds back; `of`: current, who leaves."""
        (current, leaves), frame, risk = of, self._frame, self._settings.risk
        if not frame.sectors:
            if self._gross(moment) + window.gross[row] <= min(risk.max_total, risk.max_symbol) * MARGIN:
                return True
            size = np.abs(current)
            gross, peak = float(np.add.reduce(size)) + window.gross[row], float(np.maximum.reduce(size))
            if gross <= risk.max_total * MARGIN and max(peak, window.peak[row]) <= risk.max_symbol:
                return True
        target = self._kept(window.target[row], current, leaves)
        held = current != 0
        return clipped(frame, target, current, frame.nothing) is target and trimmed(frame, current, held) is None

    def _kept(self, target: Floats, current: Floats, leaves: Bools) -> Floats:
        """Targets after the deadband."""
        if "deadband" not in self._frame.churn:
            return target
        near = np.abs(target - current) < self._settings.churn_guard.deadband - EPS
        return np.where(near & ~leaves, current, target)

    def _by_line(self, memory: Carried, wishes: Wishes, held: Bools) -> bool:
        """Whether a position would be opened whose stop or take is a line."""
        frame = self._frame
        if not frame.lines:
            return False
        at = wishes.column[~(wishes.close | held.take(wishes.column))]
        selected = memory.slow.selected.take(at)
        return bool(np.count_nonzero(frame.stop_is_level[selected, at] | frame.take_is_level[selected, at]))

    # -- what comes out ------------------------------------------------------------------------------------------------

    def _wishes(
        self, memory: Carried, window: CalmRows, index: int, of: tuple[Floats, Bools], moment: Moment
    ) -> Wishes | None:
        """The legs from current to target; the deadband holds back all but those that leave."""
        if not moment.open:
            return None
        (current, leaves), row = of, index - window.low
        target = window.target[row]
        delta = target - current
        far = np.abs(delta) >= self._least
        far |= leaves
        at = far.nonzero()[0]
        if not len(at):
            return None
        step, longs = delta[at], not (memory.shorts or window.short[row])
        opens = step > 0 if longs else np.abs(target[at]) > np.abs(current[at])
        may_open = self._opens(moment)
        if not may_open or self._smallest > self._least:
            sent = np.abs(step) >= self._smallest
            sent |= leaves[at]
            if not may_open:
                sent &= ~opens
            at, step, opens = at[sent], step[sent], opens[sent]
            if not len(at):
                return None
        rank = window.rank[row]  # every symbol with a wish has a strategy
        if len(at) > 1:
            order = sending_order(self._frame, at, opens, None if longs else step, rank[at])
            at, step, opens = at[order], step[order], opens[order]
        reason = np.where(opens, _OPENING[memory.held[at].view(np.int8)], window.leaving[row][at])
        mark, shares, whole = window.block.mark[index][at], moment.purse.qty[at], window.zero[row][at]
        return Wishes(at, ~opens, whole, step, mark, shares, rank[at], reason, decision=True)


#: of opening legs on a flat and on a held symbol
_OPENING = np.array([Reason.ENTRY, Reason.ADD], dtype=np.uint8)
