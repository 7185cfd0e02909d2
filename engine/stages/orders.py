"""11. orders: what is sent now. Loss limits and kill state first, then caps after everything, then wishes.

In: target of the policy, account, gate. Out: `tick.gate` and `Orders`. A wish is a leg (open or close), a signed fraction
and a reason; `net` makes quantities of it. An order never crosses zero: a reversal flattens now and leaves the other side
`pending` until the flat is confirmed by the broker's quantity, at the latest until the next decision tick.

Entries need: regular hours, a readable account, an open gate, an account and a symbol that the broker lets be traded,
`open_delay` and `close_buffer`, no reject cooldown, an allowed symbol, no working order. Protective exits (stop, take, owner's
signal 0, unwind_only, trim above tolerance) need regular hours, a readable account and the broker's quantity, nothing else: a
working exit of ours with enough quantity (or as large as the venue takes) and younger than `cancel_after` ticks is left alone,
any other working order is cancelled, and the exit follows on the next tick, once the cancel is confirmed. When halted (killed,
or declared), only protective exits are sent; a kill with
`on_kill: flatten` makes a protective exit of every position of ours, each sent once nothing works in its symbol (R43). What others
hold of a position delays no exit and is not touched by one: they are sized on our part of it.

Where the specification is silent:
- A reduction frees room under a cap only when it was filled, so a rotation takes two decision ticks.
- An entry on a flat symbol that the last clip leaves below min_target is not sent at all.
- Trims look at what is ours of a position; what others hold takes room, but nothing of ours is sold for it.
- Closing orders that are not protective are cancelled at the same age as entries. The tick of a kill cancels everything,
  exits included; later ticks cancel opening orders only.
- Halted, beyond the collar, or where it is less than `min_delta` away, an excess over a cap is trimmed to the cap, whatever
  smaller target was wished: that would be no protective exit, and wait.
- Declared `trading: reducing` or `halted` cancels open entries at once; closing orders that are on their way reduce and stay.
- A pending second leg passes all entry gates and the caps again on the tick it is sent.
- A fresh quote beyond the collar refuses entries and ordinary closing orders after everything else; exits carry a note.
- An opening order that the broker does not seem to have blocks entries and delays no exit; there is nothing to cancel.
- Outside regular hours working orders are cancelled (nothing rests over a close); nothing is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..bars import Bools, Codes, Floats, Small
from ..caps import clipped, trimmed
from ..collar import off_collar
from ..frame import EPS, Frame, fixed, places
from ..killswitch import judge
from ..ours import unwound
from ..reasons import Reason
from ..sizing import full_exit, venue_at
from ..state import NOBODY
from ..tick import CLOSE_LEG, LOST_LEG, NO_LEG, OPEN_LEG, Notes, Orders, Tick, no_reasons, put, some
from ..trading import TradingState


def run(frame: Frame, tick: Tick) -> Tick:
    """Fill in `tick.gate` and `tick.orders`."""
    tick.gate = judge(frame, tick)
    if _at_rest(frame, tick):
        tick.orders = _nothing(frame, tick)
        return tick
    notes = Notes(frame)
    entering, why = _entry_gates(frame, tick)
    target, strategy, second = _wished(frame, tick, entering)
    far = off_collar(frame, tick)
    target, protective, trim = _capped(frame, tick, target, far, notes)
    turning = tick.load.held & (target * tick.load.current < 0)
    leg, delta = _legs(frame, tick, target, turning)
    if why is not None:
        stopped = (leg == OPEN_LEG) & ~entering & (why != 0)
        if some(stopped):
            np.copyto(notes.own(), why, where=stopped)
    leg = _filtered(frame, tick, leg, _Wish(target, delta, protective, entering, second, turning), notes)
    leg, note = _collared(frame, leg, far, protective, notes)
    cancel, leg = _cancels(frame, tick, leg, delta, protective, notes)
    tick.orders = _orders(
        frame, tick, _Plan(target, leg, delta, cancel, strategy, trim, second, protective, turning, notes, note)
    )
    return tick


def _at_rest(frame: Frame, tick: Tick) -> bool:
    """A tick without a new bar that has nothing to send: nothing leaves, waits, works, or is above a cap. Most follow-ups are."""
    load, target = tick.load, tick.policy
    return (
        not tick.market.decision
        and target.target is load.current
        and target.protective is frame.nowhere
        and load.working is frame.silent
        and tick.ahead.current
        and not tick.gate.kill
        and not some(tick.before.pending)
        and (not load.solvent or trimmed(frame, load.current, load.held) is None)
    )


def _nothing(frame: Frame, tick: Tick) -> Orders:
    load, before = tick.load, tick.before
    return Orders(
        target=load.current,
        leg=frame.silent,
        delta=frame.nothing,
        closing=frame.nowhere,
        cancel=frame.silent,
        strategy=load.owner,
        pending=before.pending,
        pending_strategy=before.pending_strategy,
        entry_strategy=before.entry_strategy,
        entry_stop=before.entry_stop,
        entry_take=before.entry_take,
        entry_stop_level=before.entry_stop_level,
        entry_take_level=before.entry_take_level,
        note=frame.silent,
        reason=frame.silent,
    )


def _entry_gates(frame: Frame, tick: Tick) -> tuple[Bools, Codes | None]:
    """[S] may an opening order be sent now, and why not where this stage says so (None: it says nothing)."""
    rules, session, now = frame.program.settings.orders, tick.market.session, tick.now
    blocked = 0
    if tick.freshness.outside:
        blocked = int(Reason.MARKET_CLOSED)
    elif not tick.account.readable:
        blocked = int(Reason.UNREADABLE)
    elif not tick.gate.entries:
        blocked = tick.gate.why
    elif tick.account.blocked:
        blocked = tick.account.blocked
    elif now < session.open_at + rules.open_delay:
        blocked = int(Reason.OPEN_DELAY)
    elif now >= session.close_at - rules.close_buffer:
        blocked = int(Reason.CLOSE_BUFFER)
    if blocked:
        return frame.nowhere, np.full(frame.symbols, blocked, dtype=np.uint8)
    entering = tick.target.may_enter & (tick.market.mark > 0)
    cooling, barred = now < tick.before.reject_until, tick.account.barred
    if not some(cooling) and barred is None:
        return entering, None
    why = no_reasons(frame)
    put(why, cooling, Reason.REJECT_COOLDOWN)
    if barred is not None:
        np.copyto(why, barred, where=barred != 0)
    return entering & (why == 0), why


def _wished(frame: Frame, tick: Tick, entering: Bools) -> tuple[Floats, Small, Bools]:
    """(target, strategy of an opening leg, second legs). Without a new bar: the policy's target, plus second legs."""
    target = np.where(tick.load.held, 0.0, tick.policy.target) if _flattens(frame, tick) else tick.policy.target
    if tick.market.decision:
        return target, tick.select.selected, frame.nowhere
    before, load = tick.before, tick.load
    second = (before.pending != 0) & (tick.account.qty == 0) & (load.working == NO_LEG) & ~load.external & entering
    return np.where(second, before.pending, target), before.pending_strategy, second


def _flattens(frame: Frame, tick: Tick) -> bool:
    """Whether everything of ours is to be closed; external positions are nobody's business here."""
    return bool(tick.gate.kill) and bool(tick.gate.flatten or frame.program.settings.risk.on_kill == "flatten")


def _capped(frame: Frame, tick: Tick, target: Floats, far: Bools | None, notes: Notes) -> tuple[Floats, Bools, Bools]:
    """(target, protective, trims) after the last clip; `far` [S] is beyond the collar."""
    load, guard = tick.load, frame.program.settings.churn_guard
    taken = load.resting if load.outside is frame.nothing else np.abs(load.resting) + np.abs(load.outside)
    after = clipped(frame, target, load.current, taken)
    if after is not target:
        notes.put(after != target, Reason.CAPPED)
        if "min_target" in frame.churn:
            crumb = (after != target) & ~load.held & (np.abs(after) < guard.min_target - EPS)
            after = np.where(crumb, 0.0, after)
    protective = tick.policy.protective | load.held if _flattens(frame, tick) else tick.policy.protective
    most = trimmed(frame, load.current, load.held)
    if most is None or not load.solvent:
        return after, protective, frame.nowhere
    trim = load.held & (np.abs(load.current) > most + EPS)
    trim &= load.gap_at == 0  # a price that nobody believes trims nothing
    above = (np.abs(after) > most + EPS) & (after * load.current > 0)
    above |= np.abs(after - load.current) < frame.program.settings.orders.min_delta - EPS  # else it would not be sent
    if tick.gate.trading == TradingState.HALTED:  # a wish for less than the cap is no protective exit, the excess is
        above = frame.everywhere
    elif far is not None:
        above |= far
    trim &= above & ~protective
    if some(trim):
        after = np.where(trim, np.sign(load.current) * most, after)
        protective = protective | trim
        notes.put(trim, Reason.TRIM)
    return after, protective, trim


def _legs(frame: Frame, tick: Tick, target: Floats, turning: Bools) -> tuple[Codes, Floats]:
    """(leg, signed fraction) that leads from the current fraction to the target, stopping at zero where it is turning to
    the other side."""
    current, held = tick.load.current, _closable(tick)
    goal = np.where(turning, 0.0, target) if some(turning) else target
    delta = goal - current
    if some(tick.load.external):
        delta[tick.load.external & ~held] = 0.0
        delta = np.where(unwound(tick), delta - tick.load.outside, delta)
    wanted = delta != 0
    wanted |= held & (goal == 0)  # a position without any price has fraction 0 and can still be closed
    if not some(wanted):
        return frame.silent, delta
    leg: Codes = np.uint8(CLOSE_LEG) - (np.abs(goal) > np.abs(current))  # OPEN_LEG where it grows
    leg *= wanted
    return leg, delta


def _closable(tick: Tick) -> Bools:
    """[S] positions that may be closed: ours, and external ones that the text says to unwind."""
    return tick.load.held | unwound(tick) if some(tick.load.external) else tick.load.held


@dataclass(frozen=True, slots=True, eq=False)
class _Wish:
    target: Floats
    delta: Floats
    protective: Bools
    entering: Bools
    second: Bools
    turning: Bools


def _filtered(frame: Frame, tick: Tick, leg: Codes, wish: _Wish, notes: Notes) -> Codes:
    """Legs that may be sent as far as clock, gate, size and side go; the open-order filter comes next."""
    if leg is frame.silent:
        return leg
    load = tick.load
    if tick.freshness.outside or not tick.account.readable:
        notes.put(leg != NO_LEG, Reason.MARKET_CLOSED if tick.account.readable else Reason.UNREADABLE)
        return frame.silent
    step = np.abs(wish.target - load.current)
    tiny = step < frame.program.settings.orders.min_delta - EPS
    tiny &= leg != NO_LEG
    usual = ~tiny if tick.market.decision else wish.second & ~tiny
    if not load.solvent:
        usual &= False
    sent = (leg == OPEN_LEG) & wish.entering & usual
    if tick.account.unborrowed is not None:
        short = (leg == OPEN_LEG) & (wish.delta < 0) & tick.account.unborrowed
        notes.put(sent & short, Reason.NOT_SHORTABLE)
        sent &= ~short
    willing = wish.protective if tick.gate.trading == TradingState.HALTED else wish.protective | usual
    sent |= (leg == CLOSE_LEG) & _closable(tick) & willing
    if some(tiny):
        notes.put(tiny & ~wish.protective & (notes.column == 0), Reason.MIN_DELTA)
    left: Codes = leg * sent
    return left


def _collared(frame: Frame, leg: Codes, far: Bools | None, protective: Bools, notes: Notes) -> tuple[Codes, Codes]:
    """(legs that are left, their notes) where fresh quotes contradict the marks: protective exits are sent, with a note."""
    if far is None or not some(far & (leg != NO_LEG)):
        return leg, frame.silent
    note = no_reasons(frame)
    put(note, far & protective & (leg == CLOSE_LEG), Reason.OFF_COLLAR)
    refused = far & (leg != NO_LEG) & (note == 0)
    notes.put(refused, Reason.DENIED_COLLAR)
    left: Codes = leg * ~refused
    return left, note


def _cancels(
    frame: Frame, tick: Tick, leg: Codes, delta: Floats, protective: Bools, notes: Notes
) -> tuple[Codes, Codes]:
    """(reason to cancel the working order, legs left). One live order per symbol: a leg waits for what is working."""
    load = tick.load
    if load.working is frame.silent:
        return frame.silent, leg
    cancel = no_reasons(frame)
    lost = load.working == LOST_LEG  # what the broker does not have cannot be cancelled, and holds up no exit
    working = (load.working != NO_LEG) & ~lost
    old = working & (tick.now - load.working_since >= frame.program.settings.orders.cancel_after * frame.interval)
    put(cancel, old, Reason.CANCEL_AGE)
    exits = working & protective & (leg == CLOSE_LEG)
    needed = np.abs(delta) * load.capital
    enough = (load.working == CLOSE_LEG) & (np.abs(load.working_qty) * load.mark >= needed * (1 - 1e-9)) & ~old
    if venue_at(frame).exact:
        for column in (exits & (load.working == CLOSE_LEG) & ~old & ~enough).nonzero()[0].tolist():
            enough[column] = full_exit(frame, column, float(load.working_qty[column]), float(load.mark[column]))
    put(cancel, exits & ~enough, Reason.CANCEL_EXIT)
    if tick.gate.kill:
        put(cancel, working if tick.gate.fired else working & (load.working == OPEN_LEG), Reason.CANCEL_KILL)
    elif frame.program.settings.risk.trading != "active":
        put(cancel, working & (load.working == OPEN_LEG), Reason.CANCEL_TRADING)
    if tick.freshness.outside:
        put(cancel, working, Reason.CANCEL_CLOSED)
    if not tick.account.readable:
        cancel[:] = 0
    waiting = working | (lost & ~(protective & (leg == CLOSE_LEG)))
    notes.put(waiting & (leg != NO_LEG), Reason.WORKING)
    return cancel, leg * ~waiting


@dataclass(frozen=True, slots=True, eq=False)
class _Plan:
    target: Floats
    leg: Codes
    delta: Floats
    cancel: Codes
    strategy: Small
    trim: Bools
    second: Bools
    protective: Bools
    turning: Bools
    notes: Notes
    note: Codes


def _orders(frame: Frame, tick: Tick, plan: _Plan) -> Orders:
    load, before = tick.load, tick.before
    opens, closes, closing, sends = frame.nowhere, frame.nowhere, frame.nowhere, some(plan.leg)
    if sends:
        opens, closes = plan.leg == OPEN_LEG, plan.leg == CLOSE_LEG
        crossing = closes & plan.turning
        closing = closes & (plan.turning | (plan.target == 0))
        _explain(tick, plan, (opens, closes), crossing, closing)
    pending, pending_strategy = _pending(frame, tick, plan, opens)
    entry = _Entry(
        before.entry_strategy, before.entry_stop, before.entry_take, before.entry_stop_level, before.entry_take_level
    )
    first = opens & ~load.held if sends else opens
    if some(first):
        entry = _entered(frame, tick, plan.strategy, first, entry)
    return Orders(
        target=plan.target,
        leg=plan.leg if sends else frame.silent,
        delta=np.where(plan.leg != NO_LEG, plan.delta, 0.0) if sends else frame.nothing,
        closing=closing,
        cancel=plan.cancel,
        strategy=np.where(opens, plan.strategy, load.owner) if sends else load.owner,
        pending=pending,
        pending_strategy=pending_strategy,
        entry_strategy=entry.strategy,
        entry_stop=entry.stop,
        entry_take=entry.take,
        entry_stop_level=entry.stop_level,
        entry_take_level=entry.take_level,
        note=plan.note if plan.note is frame.silent else plan.note * (plan.leg != NO_LEG),
        reason=plan.notes.column,
    )


def nobody_at(frame: Frame) -> Small:
    return fixed(np.full(frame.symbols, NOBODY, dtype=np.int16))


def _known(column: Floats) -> bool:
    return bool(np.count_nonzero(np.isnan(column)) < len(column))


def _pending(frame: Frame, tick: Tick, plan: _Plan, opens: Bools) -> tuple[Floats, Small]:
    """(fraction to enter once flat, its strategy). A reversal is remembered even while its first leg waits for a working
    order; a new decision replaces it."""
    if tick.market.decision:
        if tick.gate.trading == TradingState.HALTED or not some(plan.turning):
            return frame.nothing, frame.recent.of(nobody_at, frame)
        pending = np.where(plan.turning, plan.target, 0.0)
        return pending, np.where(plan.turning, tick.select.selected, np.int16(NOBODY))
    spent = opens | plan.protective
    before = tick.before
    return np.where(spent, 0.0, before.pending), np.where(spent, np.int16(NOBODY), before.pending_strategy)


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """What is remembered of each symbol's last opening order: whose, and its stop and take as distances or as levels."""

    strategy: Small
    stop: Floats
    take: Floats
    stop_level: Floats
    take_level: Floats


def _entered(frame: Frame, tick: Tick, strategy: Small, first: Bools, former: _Entry) -> _Entry:
    """The memory with the orders that open from flat, as their levels are known at the decision."""
    at, known = places(frame, strategy), first & (strategy >= 0)

    def split(rows: Floats, is_level: Bools, distance: Floats, level: Floats) -> tuple[Floats, Floats]:
        value = np.where(known, rows.take(at, mode="clip"), np.nan)
        if not frame.lines:
            level = np.where(first, np.nan, level) if frame.recent.of(_known, level) else level
            return np.where(first, value, distance), level
        line = is_level.take(at, mode="clip")
        distance = np.where(first, np.where(line, np.nan, value), distance)
        return distance, np.where(first, np.where(line, value, np.nan), level)

    stop, stop_level = split(tick.market.stop, frame.stop_is_level, former.stop, former.stop_level)
    take, take_level = split(tick.market.take, frame.take_is_level, former.take, former.take_level)
    return _Entry(np.where(first, strategy, former.strategy), stop, take, stop_level, take_level)


def _explain(tick: Tick, plan: _Plan, legs: tuple[Bools, Bools], crossing: Bools, closing: Bools) -> None:
    """The reason of what is sent, in place."""
    load, notes, (opens, closes) = tick.load, plan.notes, legs
    if some(opens):
        notes.put(opens, Reason.ENTRY)
        notes.put(opens & load.held, Reason.ADD)
        notes.put(opens & plan.second, Reason.SECOND_LEG)
    if not some(closes):
        return
    notes.put(closes, Reason.REDUCE)
    notes.put(closing, Reason.CLOSE)
    notes.put(crossing, Reason.REVERSE)
    notes.put(closes & plan.trim, Reason.TRIM)
    exits = closes & plan.protective & ~plan.trim
    if not some(exits):
        return
    notes.put(exits & ~tick.policy.protective, Reason.FLATTEN)  # nothing else asks for these exits
    notes.put(exits & (tick.policy.reason == Reason.UNWIND), Reason.UNWIND)
    for code in (Reason.OWNER_EXIT, Reason.UNOWNED_EXIT):
        notes.put(exits & (tick.target.reason == code), code)
    stops = exits & (tick.target.stopping != 0)
    np.copyto(notes.own(), tick.target.stopping, where=stops)
    notes.put(exits & unwound(tick), Reason.UNWIND_EXTERNAL)
