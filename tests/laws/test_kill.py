"""Killed: "cancel our own open orders, confirm, then only verified reduce-only exits" (R42, R43). "Equity of 0, NaN or an
unexplained jump needs a second reading" (R45). "An exception inside the risk gate = no orders this tick" (R44).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.model import RiskLimits
from qmtl.engine.decide import STAGES, decide
from qmtl.engine.market import OrderResult
from qmtl.engine.reasons import Reason
from qmtl.engine.stages import orders as orders_stage
from qmtl.engine.state import encode

from .due import own_of
from .exchange import Fate
from .inputs import BAR, World, is_open, locked
from .law import law
from .walk import Run, Seen, Walk, row_of, walks

KILLS = [reason for reason in Reason if reason.name.startswith("KILL_")]
LOSSES = {int(Reason.KILL_DAY), int(Reason.KILL_WEEK)}
MANUAL = {*LOSSES, int(Reason.KILL_AUTH)}


def next_bar(run: Run) -> Run:
    """The run one decision tick on, inside a session."""
    run.now = run.now // BAR * BAR + BAR
    while not (is_open(run.now) and is_open(run.now + BAR)):
        run.now += BAR
    run.reading = (True, None)
    return run


@law(80)
@given(walks())
def test_r42_killed_no_opening_order_leaves(walk: Walk) -> None:
    for seen in walk.ticks():
        if seen.tick.gate.kill:
            assert all(order.leg == "close" for order in seen.netted.orders)
        if seen.tick.gate.fired and seen.account.readable:
            canceled = {cancel.client_order_id for cancel in seen.netted.cancels}
            assert canceled == {one.client_order_id for one in seen.account.working}, "R43: all of ours, first of all"


@law(60)
@given(walks(), st.sampled_from(KILLS), st.integers(0, 2**20))
def test_r42_from_every_state_a_kill_stops_entries_and_no_exit(walk: Walk, kill: Reason, seed: int) -> None:
    """The same moment, killed and not: the protective exits of both are the same orders, and nothing else is sent killed
    but trims; opening orders that still work are cancelled."""
    run = next_bar(walk.end())
    run.row = row_of(run.world, seed)
    assert run.state is not None
    calm = locked(replace(run.state, kill=np.uint8(0), day_breach_at=np.int64(0), week_breach_at=np.int64(0)))
    dead = locked(replace(calm, kill=np.uint8(kill), killed_at=np.int64(run.now - 60), recover_at=np.int64(0)))
    ticks = []
    for state in (calm, dead):
        other = run.copy()
        other.state = state
        ticks.append(other.tick(Fate()))
    free, killed = ticks
    if free.tick.gate.kill:
        return
    protective = {free.world.symbols[i] for i in np.flatnonzero(free.tick.policy.protective)}
    exits = {order.symbol: order for order in free.netted.orders if order.symbol in protective}
    sent = {order.symbol: order for order in killed.netted.orders}
    assert {symbol: sent.get(symbol) for symbol in exits} == exits
    others = {order.reason for symbol, order in sent.items() if symbol not in exits}
    if run.world.risk.on_kill == "hold":
        assert others <= {"order.trim"}
    else:
        assert set(sent) == {s for s in run.world.symbols if leaves(killed, s)}
    canceled = {cancel.client_order_id for cancel in killed.netted.cancels}
    assert {one.client_order_id for one in killed.account.working if one.leg == "open"} <= canceled


def leaves(seen: Seen, symbol: str) -> bool:
    """`on_kill: flatten` closes what is ours (and what is not, where the text says so), once nothing works in the symbol."""
    i = seen.column(symbol)
    # what is not ours must have been so at the tick before: positions and fills are not heard at once
    known = seen.account.qty[i] == seen.before.qty[i] and all(fill.symbol != symbol for fill in seen.account.fills)
    unwound = seen.world.external == "unwind_only" and bool(known)
    mine = bool(own_of(seen, i)) or (bool(seen.account.exact[i]) and unwound)
    return mine and all(one.symbol != symbol for one in seen.account.working)


@law(40)
@given(walks(), st.integers(0, 2**20))
def test_r43_the_tick_of_a_kill_cancels_everything_of_ours_first(walk: Walk, seed: int) -> None:
    """Exits too: what happens to a position afterwards is decided from the broker's quantity when nothing works any more."""
    run = next_bar(walk.end())
    run.row = row_of(run.world, seed)
    run.tick(Fate(seed, faithful=False, slow=True))
    run.exchange.results.append(OrderResult("elsewhere", run.world.symbols[0], "REJECTED", "auth", "", "open"))
    run.now += 60
    seen = run.tick(Fate(seed + 1, faithful=False, slow=True), decision=False)
    if int(seen.before.kill) in MANUAL:
        return
    assert seen.tick.gate.fired
    canceled = {cancel.client_order_id for cancel in seen.netted.cancels}
    assert canceled == {one.client_order_id for one in seen.account.working}
    sent = {order.symbol for order in seen.netted.orders}
    assert not sent & {one.symbol for one in seen.account.working}


@law(60)
@given(walks(), st.floats(0.03, 0.15), st.integers(0, 2**20))
def test_a_loss_kills_only_at_a_second_reading(walk: Walk, loss: float, seed: int) -> None:
    """Money is gone that no withdrawal explains, beyond the daily limit: entries wait at once, the kill comes a tick later."""
    run = next_bar(walk.end())
    run.edit(run.world.changed(risk=RiskLimits()))
    run.row = row_of(run.world, seed)
    run.tick(Fate())
    assert run.state is not None
    if int(run.state.kill) or run.state.day_breach_at or run.state.week_breach_at or not np.isnan(run.state.suspect):
        return
    level, worth = float(run.state.day_level), run.exchange.equity(run.marks)
    broken = level * (1 - loss * run.world.capital)
    if abs(broken - worth) > 0.19 * worth:
        return
    run.exchange.cash += broken - worth
    kills = []
    for _ in range(2):
        run.now += 60
        seen = run.tick(Fate(), decision=False)
        assert all(order.leg == "close" for order in seen.netted.orders)
        kills.append(int(seen.tick.after.kill))
    assert kills[0] == 0
    assert kills[1] in LOSSES or not seen.tick.load.trusted


@law(60)
@given(walks(), st.sampled_from(["nan", "zero", "negative", "half", "double"]), st.integers(0, 2**20))
def test_r45_a_first_reading_of_nan_zero_or_a_jump_trades_nothing(walk: Walk, kind: str, seed: int) -> None:
    """What is sent on it is what the last believed equity would have sent, without its entries; and it kills nothing."""
    run = next_bar(walk.end())
    run.row = row_of(run.world, seed)
    assert run.state is not None
    believed = float(run.state.equity)
    if not (math.isfinite(believed) and believed > 1000) or run.exchange.flows or not np.isnan(run.state.suspect):
        return
    bad = {"nan": math.nan, "zero": 0.0, "negative": -5.0, "half": believed * 0.5, "double": believed * 2}[kind]
    ticks = []
    for reading in (believed, bad):
        other = run.copy()
        other.reading = (True, reading)
        ticks.append(other.tick(Fate()))
    good, worse = ticks
    assert int(worse.tick.after.kill) not in LOSSES or int(run.state.kill) in LOSSES
    assert all(order.leg == "close" for order in worse.netted.orders)
    if good.tick.gate.kill == worse.tick.gate.kill:
        assert list(worse.netted.orders) == [order for order in good.netted.orders if order.leg == "close"]


@law(30)
@given(walks(), st.sampled_from([name for name, _ in STAGES]))
def test_r44_an_exception_in_any_step_gives_no_order_and_changes_no_state(walk: Walk, name: str) -> None:
    """A tick whose gate fails has no orders to send, and the state it began with decides the next one."""
    run = next_bar(walk.end())
    assert run.state is not None
    before = encode(run.state, run.frame)
    stages = tuple((step, broken if step == name else stage) for step, stage in STAGES)
    other = run.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qmtl.engine.decide.STAGES", stages)
        with pytest.raises(ZeroDivisionError):
            other.tick(Fate())
    assert encode(run.state, run.frame) == before
    assert not other.exchange.used - run.exchange.used, "nothing was submitted"
    assert run.tick(Fate()).now


def test_r44_an_exception_inside_the_risk_gate_is_no_orders_this_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(World(), row=row_of(World(), 1, whole=True))
    next_bar(run)
    seen = run.copy().tick(Fate())
    assert seen.netted.orders
    monkeypatch.setattr(orders_stage, "judge", broken)
    with pytest.raises(ZeroDivisionError):
        decide(seen.frame, seen.before, seen.market, seen.account, seen.now)


def broken(*_: object) -> None:
    """A step that fails."""
    raise ZeroDivisionError
