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

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from ..bars import Bools, Floats
from ..blocks import Block
from ..caps import clipped, trimmed
from ..frame import EPS, Frame, generation_hashes
from ..killswitch import REMEMBERED, anchor, count_good, dates_of, gate_of
from ..market import FillColumns, SessionTimes
from ..prices import beyond
from ..reasons import Reason
from ..sizing import Wishes, sending_order
from ..stages.allowlist import allowed_in
from ..stages.chain import given_by
from ..stages.load import JUMP, PENNY
from ..stages.orders import nobody_at
from ..state import NOBODY, DecideState
from ..tick import Gate
from .calmrows import MARGIN, CalmRows, Slow, calm_rows
from .lookout import Seen
from .view import Readings

#: the smallest float: what is not below it is not 0
TINY: Final = 5e-324
#: rows looked at together; after a look in vain so many ticks pass before the next one, doubled up to the last
_ROWS = 48
_PATIENCE = (1, 16)
#: arrays of the state that must say nothing at all
_EMPTY = (
    "regime_missing", "stopping", "latch", "pending", "exit_rejects", "gap_at", "settling", "stale_at",
)  # fmt: skip
#: arrays that fills and orders change
_OWN = (
    "owner", "generation", "side", "side_opened_at", "last_side", "last_opened_at", "stop_distance", "take_distance",
    "entry_strategy", "entry_stop", "entry_take", "entry_stop_level", "entry_take_level",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Carried:
    """What the shortcut remembers between two ticks: the arrays of `_OWN`, its own copies; the gate; prices and readings. `signs` are
    the sides as floats; `flat` [S] who wanted nothing at the last decision; `stops`, `takes`: somebody has a distance."""

    slow: Slow
    gate: Gate
    own: dict[str, Any]
    qty: Floats
    average: Floats
    mark: Floats
    signs: Floats
    flat: Bools
    equity: float
    now: int
    shorts: bool
    stops: bool
    takes: bool
    block: Block | None = None
    index: int = 0

    def looked(self) -> None:
        """After sides or distances changed."""
        self.signs = self.own["side"].astype(np.float64)
        self.shorts = bool(np.minimum.reduce(self.own["last_side"]) < 0)  # whoever is short was so last
        self.stops, self.takes = (_known(self.own[name]) for name in ("stop_distance", "take_distance"))

    def follows(self, window: CalmRows, index: int) -> bool:
        """The last decision was at the row before, which the window has seen as well."""
        return self.block is window.block and self.index == index - 1 >= window.low


def _known(column: Floats) -> bool:
    return bool(np.count_nonzero(np.isnan(column)) < len(column))


@dataclass(slots=True, eq=False)
class Moment:
    """A tick: its time, the session, whether the exchange is open, readings of the account, shares and average prices."""

    now: int
    session: SessionTimes
    regular: bool
    readings: Readings
    qty: Floats
    average: Floats


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
        )

    def leave(self, state: DecideState) -> DecideState:
        """The state as of the last tick; the shortcut is closed."""
        memory, self._memory = self._memory, None
        return state if memory is None else _state(self._frame, state, memory)

    def decision(self, state: DecideState, seen: Seen, moment: Moment) -> Decided | None:
        """A decision tick that nothing happened before: no fills, answers or working orders."""
        memory = self._memory or self._enter(state, seen, moment)
        if memory is None:
            return None
        window = self._at(seen, memory)
        index = seen.places[0][2]
        row, mark = index - window.low, window.block.mark[index]
        gate = self._believed(memory, moment)
        if gate is None or not window.calm[row]:
            return None
        if moment.qty is not memory.qty or moment.average is not memory.average:
            return None
        if not memory.follows(window, index) and self._jumped(memory, mark):
            return None
        if _stopped(memory, self._settings.risk.position_stop, mark, moment.average):
            return None
        capital = self._settings.capital * moment.readings.equity
        current = moment.qty * mark
        current /= capital
        held = moment.qty != 0
        leaves = held & window.flat[row]
        if self._turns(memory, window, row) or not self._within_caps(window, row, current, leaves):
            return None
        wishes = self._wishes(memory, window, index, (current, held, leaves), moment)
        if wishes is not None:
            if self._by_line(memory, wishes, held):
                return None
            _entered(memory, window.block, index, wishes, held)
        memory.mark, memory.flat, memory.gate, memory.now = mark, window.flat[row], gate, moment.now
        memory.block, memory.index = window.block, index
        memory.equity = gate.close_equity = moment.readings.equity
        return Decided(window, row, capital, current, held, wishes)

    def follow_up(self, moment: Moment, fills: FillColumns | tuple[()], good: int) -> bool:
        """A tick without a new bar, at which all that was sent is filled; `good` answers."""
        memory = self._memory
        if memory is None or not _open(moment):
            return False
        gate = self._believed(memory, moment)
        if gate is None:
            return False
        capital = self._settings.capital * moment.readings.equity
        current = moment.qty * memory.mark
        current /= capital
        held = moment.qty != 0
        if np.count_nonzero(held & memory.flat) or not self._keeps_caps(current, held):
            return False
        if _stopped(memory, self._settings.risk.position_stop, memory.mark, moment.average):
            return False
        if isinstance(fills, FillColumns) and not _filled(memory, fills):
            return False
        count_good(self._frame, gate, moment.now, good)
        memory.qty, memory.average, memory.gate, memory.now = moment.qty, moment.average, gate, moment.now
        memory.equity = gate.close_equity = moment.readings.equity
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
            self._wait, self._patience = self._patience, min(2 * self._patience, _PATIENCE[1])
            return None
        self._patience = _PATIENCE[0]
        self._memory = memory
        return memory

    def _calm(self, state: DecideState, moment: Moment) -> Carried | None:
        frame = self._frame
        if state.qty is not moment.qty or state.average is not moment.average:
            return None
        if any(np.count_nonzero(getattr(state, name)) for name in _EMPTY) or np.count_nonzero(state.mark_scale != 1.0):
            return None
        if np.maximum.reduce(state.reject_until) > moment.now:
            return None
        gate = gate_of(frame, state)
        if (
            gate.kill
            or gate.day_breach_at
            or gate.week_breach_at
            or np.isfinite(state.suspect)
            or np.isnan(state.equity)
        ):
            return None
        if _lines(state.stop_level, state.stop_distance) or _lines(state.take_level, state.take_distance):
            return None
        slow = self._slow(state)
        if slow is None or not _managed(frame, state):
            return None
        own = {name: getattr(state, name).copy() for name in _OWN}
        memory = Carried(
            slow=slow,
            gate=gate,
            own=own,
            qty=state.qty,
            average=state.average,
            mark=state.mark,
            signs=frame.nothing,
            flat=frame.nowhere,
            equity=state.equity.item(),
            now=state.now.item(),
            shorts=False,
            stops=False,
            takes=False,
        )
        memory.looked()
        return memory

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
        window = self._window
        if (
            window is None
            or window.block is not block
            or not window.low <= index < window.high
            or window.slow.selected is not memory.slow.selected
            or window.slow.chain is not memory.slow.chain
        ):
            window = self._window = calm_rows(self._frame, place, memory.slow, _ROWS)
        return window

    def _opens(self, moment: Moment) -> bool:
        """Whether opening orders may be sent, as far as the clock goes."""
        rules, session, now = self._settings.orders, moment.session, moment.now
        return session.open_at + rules.open_delay <= now < session.close_at - rules.close_buffer

    def _believed(self, memory: Carried, moment: Moment) -> Gate | None:
        """The gate where the reading of equity is plausible and no loss limit is near."""
        equity, gate, risk, share = moment.readings.equity, memory.gate, self._settings.risk, self._settings.capital
        if not (equity > 0 and abs(equity - memory.equity) <= JUMP * abs(memory.equity) and share * equity > PENNY):
            return None
        dates = self._frame.recent.of(dates_of, moment.session)
        if (gate.day, gate.week) != dates:
            gate = copy(gate)
            anchor(gate, dates, gate.close_equity)
        for level, limit in ((gate.day_level, risk.daily_loss), (gate.week_level, risk.weekly_loss)):
            base = share * level
            if not (base > 0 and (equity - level) / base > limit + EPS):
                return None
        return gate

    def _jumped(self, memory: Carried, mark: Floats) -> bool:
        return bool(np.count_nonzero(beyond(mark, memory.mark, self._settings.freshness.max_gap)))

    def _turns(self, memory: Carried, window: CalmRows, row: int) -> bool:
        """Somebody may turn to the other side."""
        if not (window.short[row] or memory.shorts):
            return False
        target, side, last = window.target[row], memory.own["side"], memory.own["last_side"]
        return bool(np.count_nonzero(target * side < 0) or np.count_nonzero((target * last < 0) & (side == 0)))

    def _keeps_caps(self, current: Floats, held: Bools) -> bool:
        """Nothing is trimmed."""
        risk, size = self._settings.risk, np.abs(current)
        if (
            not self._frame.sectors
            and np.add.reduce(size) <= risk.max_total
            and np.maximum.reduce(size) <= risk.max_symbol
        ):
            return True
        return trimmed(self._frame, current, held) is None

    def _within_caps(self, window: CalmRows, row: int, current: Floats, leaves: Bools) -> bool:
        """Nothing is trimmed and nothing clipped, whatever the deadband holds back."""
        frame, risk, size = self._frame, self._settings.risk, np.abs(current)
        if not frame.sectors:
            gross, peak = float(np.add.reduce(size)) + window.gross[row], float(np.maximum.reduce(size))
            if gross <= risk.max_total * MARGIN and max(peak, window.peak[row]) <= risk.max_symbol:
                return True
        target = self._kept(window.target[row], current, leaves)
        return clipped(frame, target, current, frame.nothing) is target and trimmed(frame, current, size > 0) is None

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
        self, memory: Carried, window: CalmRows, index: int, of: tuple[Floats, Bools, Bools], moment: Moment
    ) -> Wishes | None:
        """The legs from current to target; the deadband holds back all but those that leave."""
        if not _open(moment):
            return None
        (current, held, leaves), target = of, window.target[index - window.low]
        delta = target - current
        size = np.abs(delta)
        far = size >= self._least
        far |= leaves
        at = far.nonzero()[0]
        if not len(at):
            return None
        opens = np.abs(target.take(at)) > np.abs(current.take(at))
        exits, size = leaves.take(at), size.take(at)
        sent = size >= self._smallest
        sent |= exits
        if not self._opens(moment):
            sent &= ~opens
        if np.count_nonzero(sent) < len(at):
            at, opens, exits = at[sent], opens[sent], exits[sent]
            if not len(at):
                return None
        # every symbol with a wish has a strategy
        score = window.ahead.score[index]
        rank = score[0].take(at) if len(score) == 1 else score[memory.slow.selected.take(at), at]
        np.abs(rank, out=rank)
        np.fmax(rank, 0.0, out=rank)
        step = delta.take(at)
        if len(at) > 1:
            order = sending_order(self._frame, at, opens, step, rank)
            at, opens, exits, step, rank = (part.take(order) for part in (at, opens, exits, step, rank))
        closing = target.take(at) == 0  # never of an opening leg
        close = ~opens
        reason = _REASONS.take((close * 2 + np.where(opens, held.take(at), closing)).astype(np.int64))
        reason[exits] = Reason.OWNER_EXIT
        mark, shares = window.block.mark[index].take(at), moment.qty.take(at)
        return Wishes(at, close, closing, step, mark, shares, rank, reason, decision=True)


def _open(moment: Moment) -> bool:
    session = moment.session
    return moment.regular and session.open_at <= moment.now < session.close_at


#: of opening legs on a flat and on a held symbol, of partial and of whole closing ones
_REASONS = np.array([Reason.ENTRY, Reason.ADD, Reason.REDUCE, Reason.CLOSE], dtype=np.uint8)


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


def _stopped(memory: Carried, limit: float, mark: Floats, average: Floats) -> bool:
    """Somebody is at a stop or a take, or may be."""
    lost = mark / average
    lost -= 1.0
    lost *= memory.signs
    if np.count_nonzero(lost <= EPS - limit):
        return True
    own, signs = memory.own, memory.signs
    if memory.stops and np.count_nonzero(signs * (mark - (average - signs * own["stop_distance"])) <= 0):
        return True
    return memory.takes and bool(np.count_nonzero(signs * (mark - (average + signs * own["take_distance"])) >= 0))


def _entered(memory: Carried, block: Block, index: int, wishes: Wishes, held: Bools) -> None:
    """Remember the orders that open from flat."""
    at = wishes.column[~(wishes.close | held.take(wishes.column))]
    if len(at):
        own, selected = memory.own, memory.slow.selected.take(at)
        own["entry_strategy"][at] = selected
        own["entry_stop"][at] = block.stop[index][selected, at]
        own["entry_take"][at] = block.take[index][selected, at]
        own["entry_stop_level"][at] = own["entry_take_level"][at] = np.nan


def _filled(memory: Carried, fills: FillColumns) -> bool:
    """Positions after fills, in place; False, and nothing is changed, where an order is not the one that was decided last."""
    own, opened, gone = memory.own, fills.opened.nonzero()[0], (fills.side == 0).nonzero()[0]
    column, owner, side = fills.column.take(opened), fills.owner.take(opened), fills.side.take(opened)
    if np.count_nonzero(own["entry_strategy"].take(column) != owner):
        return False
    if len(opened):
        at = fills.at.take(opened)
        own["owner"][column], own["generation"][column] = owner, fills.generation.take(opened)
        own["side"][column] = own["last_side"][column] = side
        own["side_opened_at"][column] = own["last_opened_at"][column] = at
        own["stop_distance"][column] = own["entry_stop"].take(column)
        own["take_distance"][column] = own["entry_take"].take(column)
    if len(gone):
        column = fills.column.take(gone)
        own["owner"][column] = NOBODY
        own["generation"][column] = own["side"][column] = own["side_opened_at"][column] = 0
        own["stop_distance"][column] = own["take_distance"][column] = np.nan
    if len(opened) or len(gone):
        memory.looked()
    return True


def _state(frame: Frame, state: DecideState, memory: Carried) -> DecideState:
    """The state that `decide` would have left."""
    gate, own = memory.gate, memory.own
    average = np.where(memory.qty != 0, memory.average, np.nan)
    numbers = {name: np.array(getattr(gate, name), getattr(state, name).dtype) for name in REMEMBERED}
    return replace(
        state,
        **own,
        **numbers,
        qty=memory.qty,
        average=memory.average,
        mark=memory.mark,
        stop_level=average - memory.signs * own["stop_distance"] if memory.stops else frame.unknown,
        take_level=average + memory.signs * own["take_distance"] if memory.takes else frame.unknown,
        pending=frame.nothing,
        pending_strategy=frame.recent.of(nobody_at, frame),
        now=np.array(memory.now, dtype=np.int64),
        equity=np.array(memory.equity),
        close_equity=np.array(gate.close_equity),
        ring_at=gate.ring_at,
        ring_orders=gate.ring_orders,
        ring_failures=gate.ring_failures,
    )
