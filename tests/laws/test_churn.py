"""Churn guard: "rules 2-4 never enlarge |delta|; rule 1 only moves a target to 0; idempotent" - "0 and reductions are never
held back" - "side_opened_at = first opening fill from flat; adds, partial fills and reductions do not refresh it".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard
from qmtl.engine.reasons import Reason
from qmtl.engine.stages import churn
from qmtl.engine.tick import changed

from .exchange import Fate
from .inputs import NAMES, RULES, Link, Rule, World, at, frame_of
from .law import law
from .walk import Run, Walk, row_of, walks

ONE = World(symbols=("AA",), rules=(Rule("alpha"),), chains=(Link("one", ("alpha",)),))
RULE_OF = {
    int(Reason.MIN_TARGET): "min_target",
    int(Reason.DEADBAND): "deadband",
    int(Reason.SIDE_COOLDOWN): "side_cooldown",
    int(Reason.MIN_HOLD): "min_hold",
}
HOLDS_BACK = {int(Reason.SIDE_COOLDOWN), int(Reason.MIN_HOLD)}


@law(60)
@given(walks())
def test_rules_2_to_4_never_enlarge_delta_and_rule_1_only_zeroes(walk: Walk) -> None:
    for seen in walk.ticks():
        tick = seen.tick
        wished, current, after = tick.target.target, tick.load.current, tick.churn.target
        zeroed = tick.churn.reason == Reason.MIN_TARGET
        assert (after[zeroed] == 0).all()
        assert (np.abs(after - current)[~zeroed] <= np.abs(wished - current)[~zeroed]).all()
        assert ((after == wished) | (after == current) | (after == 0)).all(), "a target nobody asked for"
        acting = {RULE_OF[code] for code in tick.churn.reason.tolist() if code}
        assert acting <= set(seen.world.churn.enabled), "a rule that is switched off"
        again = changed(tick, target=replace(tick.target, target=after))
        assert churn.run(seen.frame, again).churn.target.tolist() == after.tolist(), "not idempotent"


fractions = st.one_of(st.just(0.0), st.floats(-0.2, 0.2).map(lambda x: round(x, 4)))
RULE_NAMES = ("min_target", "deadband", "side_cooldown", "min_hold")


@law(400)
@given(
    target=fractions,
    current=fractions,
    age=st.integers(0, 7200),
    last=st.sampled_from([-1, 0, 1]),
    enabled=st.sets(st.sampled_from(RULE_NAMES)),
)
def test_every_rule_by_itself_and_with_others_keeps_the_laws(
    target: float, current: float, age: int, last: int, enabled: set[str]
) -> None:
    """On the guard alone, where every rule can be switched off: what comes before it hides most of rule 1."""
    frame, side = frame_of(ONE.changed(churn=ChurnGuard(enabled=tuple(enabled)))), int(np.sign(current))
    clock = churn.SideClock(
        np.array([side]), np.array([10_000 - age if side else 0]), np.array([side or last]), np.array([10_000 - age])
    )

    def guarded(wished: float) -> tuple[float, int]:
        after, reason = churn.guard(frame, np.array([wished]), np.array([current]), clock, 10_000)
        return float(after[0]), int(reason[0])

    after, reason = guarded(target)
    assert guarded(after)[0] == after, "idempotent"
    if reason == Reason.MIN_TARGET:
        assert after == 0
        assert abs(target) < 0.03
    else:
        assert abs(after - current) <= abs(target - current) or after == 0 == reason
        assert after in (target, current)
    if not enabled:
        assert after == target
    if enabled <= {"side_cooldown", "min_hold"} and target * (side or last) >= 0:
        assert after == target, "0 and reductions are never held back"


@law(60)
@given(walks())
def test_0_and_reductions_are_never_held_back_by_side_cooldown_and_min_hold(walk: Walk) -> None:
    for seen in walk.ticks():
        tick = seen.tick
        held = np.isin(tick.churn.reason, list(HOLDS_BACK))
        side = np.where(tick.load.side != 0, tick.load.side, tick.load.last_side)
        assert (tick.target.target[held] * side[held] < 0).all(), "only the opposite side waits"
        passed = tick.target.protective
        assert (tick.churn.target[passed] == tick.target.target[passed]).all()


@law(80)
@given(walks())
def test_the_opposite_side_opens_no_earlier_than_the_cooldown_after_the_first_opening_fill(walk: Walk) -> None:
    """Whatever happened since: adds, partial fills, reductions, a flat in between, restarts, nights, edits."""
    run = walk.run()
    for move in walk.moves:
        for seen in run.go(move):
            last = {symbol: (when, side) for when, symbol, side, _ in run.exchange.opened}
            for order in seen.netted.orders:
                when, side = last.get(order.symbol, (0, 0))
                if order.leg != "open" or side * order.signed >= 0 or "side_cooldown" not in seen.world.churn.enabled:
                    continue
                assert seen.now >= when + seen.world.churn.side_cooldown, f"{order.symbol} turned too early"


@law(40)
@given(
    st.lists(st.tuples(st.floats(0.04, 0.15), st.booleans()), min_size=1, max_size=6),
    st.integers(0, 2**20),
    st.sampled_from([1, -1]),
)
def test_the_side_turns_at_the_first_decision_tick_after_the_cooldown(
    sizes: list[tuple[float, bool]], seed: int, side: int
) -> None:
    """Adds, reductions and partial fills in between refresh nothing: the clock is that of the first fill."""
    world = ONE.changed(churn=ChurnGuard(min_target=0.0, deadband=0.0))
    run = Run(world, now=at("10:00"), row=row_of(world, 0, whole=True))
    shape = (len(RULES), len(NAMES))
    run.row["signal"] = np.full(shape, side)
    for size, troubled in sizes:
        run.row["size"] = np.full(shape, size)
        for minute in (0, 1, 2, 3):
            run.now = run.now // 900 * 900 + 60 * minute
            run.tick(Fate(seed, faithful=not troubled or minute == 3))
        run.now = run.now // 900 * 900 + 900
    if not run.exchange.owners:
        return
    since = run.exchange.owners["AA"].since
    run.row["signal"] = np.full(shape, -side)
    for _ in range(6):
        working = bool(run.exchange.live)
        orders = run.tick(Fate()).netted.orders
        assert not orders or run.now >= since + 3600, "turned before the cooldown"
        if run.now >= since + 3600 and not working:
            assert [order.reason for order in orders] == ["order.reverse"]
            return
        run.now += 900
    pytest.fail("never turned")


def test_when_flat_the_opposite_side_may_open_from_exactly_the_cooldown_on() -> None:
    run = Run(ONE, now=at("10:00"), row=row_of(ONE, 0, whole=True))
    sent = {}
    for minute, signal in ((0, 1), (1, 1), (15, 0), (16, 0), (30, -1), (45, -1), (60, -1)):
        run.now = at("10:00") + 60 * minute
        run.row["signal"] = np.full((len(RULES), len(NAMES)), signal)
        run.row["size"] = np.ones((len(RULES), len(NAMES)))
        sent[minute] = [order.reason for order in run.tick(Fate()).netted.orders]
    first = run.exchange.opened[0][0]
    assert first == at("10:01")
    assert sent == {0: ["order.entry"], 1: [], 15: ["signal.owner_exit"], 16: [], 30: [], 45: [], 60: []}
    run.now = at("11:15")
    assert [order.reason for order in run.tick(Fate()).netted.orders] == ["order.entry"]
