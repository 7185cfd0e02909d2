"""9. churn guard: the four rules, and their laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard
from qmtl.engine.stages.churn import SideClock, guard
from qmtl.engine.tickview import reason_codes

RULES = ("min_target", "deadband", "side_cooldown", "min_hold")
fractions = st.one_of(st.just(0.0), st.floats(-0.2, 0.2).map(lambda x: round(x, 4)))


def clock(side: int = 0, opened_at: int = 0, last_side: int = 0, last_opened_at: int = 0) -> SideClock:
    return SideClock(np.array([side]), np.array([opened_at]), np.array([last_side]), np.array([last_opened_at]))


def run(
    lab: Any, target: float, current: float, of_clock: SideClock | None = None, now: int = 10_000, **more: Any
) -> tuple[float, str]:
    of = lab.frame(1, **more)
    after, reason = guard(of, np.array([target]), np.array([current]), of_clock or clock(), now)
    return float(after[0]), reason_codes(reason)[0]


@pytest.mark.parametrize(
    ("target", "current", "after", "why"),
    [
        (0.029, 0.0, 0.0, "churn.min_target"),
        (0.03, 0.0, 0.03, "ok"),
        (-0.02, 0.0, 0.0, "churn.min_target"),
        (0.012, 0.05, 0.012, "ok"),  # held: kept from min_target - deadband on
        (0.009, 0.05, 0.0, "churn.min_target"),
        (-0.012, 0.05, 0.0, "churn.min_target"),  # the other side has no band
        (0.10, 0.09, 0.09, "churn.deadband"),
        (0.11, 0.09, 0.11, "ok"),  # exactly the deadband moves
        (0.0, 0.05, 0.0, "ok"),
        (0.0, 0.015, 0.015, "churn.deadband"),
    ],
)
def test_min_target_and_deadband(lab: Any, target: float, current: float, after: float, why: str) -> None:
    assert run(lab, target, current) == (after, why)


def test_the_opposite_side_waits_for_the_first_opening_fill_of_the_side(lab: Any) -> None:
    held = clock(side=1, opened_at=10_000, last_side=1, last_opened_at=10_000)
    only = ChurnGuard(enabled=("side_cooldown",))
    assert run(lab, -0.1, 0.1, held, now=13_599, churn_guard=only) == (0.1, "churn.side_cooldown")
    assert run(lab, -0.1, 0.1, held, now=13_600, churn_guard=only) == (-0.1, "ok")
    assert run(lab, 0.0, 0.1, held, now=10_001, churn_guard=only) == (0.0, "ok")
    assert run(lab, 0.02, 0.1, held, now=10_001, churn_guard=only) == (0.02, "ok")


def test_when_flat_the_last_side_counts(lab: Any) -> None:
    flat = clock(last_side=1, last_opened_at=10_000)
    assert run(lab, -0.1, 0.0, flat, now=13_599) == (0.0, "churn.side_cooldown")
    assert run(lab, 0.1, 0.0, flat, now=13_599) == (0.1, "ok")
    assert run(lab, -0.1, 0.0, flat, now=13_600) == (-0.1, "ok")


def test_min_hold_is_of_held_positions_only(lab: Any) -> None:
    only = ChurnGuard(enabled=("min_hold",))
    assert run(lab, -0.1, 0.1, clock(1, 10_000, 1, 10_000), now=13_599, churn_guard=only) == (0.1, "churn.min_hold")
    assert run(lab, -0.1, 0.0, clock(0, 0, 1, 10_000), now=13_599, churn_guard=only) == (-0.1, "ok")


@given(
    target=fractions,
    current=fractions,
    age=st.integers(0, 7200),
    enabled=st.sets(st.sampled_from(RULES)),
    last=st.sampled_from([-1, 0, 1]),
)
@settings(max_examples=400, deadline=None)
def test_laws_rules_2_to_4_never_enlarge_delta_rule_1_only_zeroes_all_idempotent(
    lab: Any, target: float, current: float, age: int, enabled: set[str], last: int
) -> None:
    side = int(np.sign(current))
    times = clock(side, 10_000 - age if side else 0, side or last, 10_000 - age)
    rules = ChurnGuard(enabled=tuple(enabled))
    after, why = run(lab, target, current, times, churn_guard=rules)
    if why == "churn.min_target":
        assert after == 0
    assert after in (0.0, target, current)
    assert abs(after - current) <= abs(target - current) or (after == 0 and "min_target" in enabled)
    again, _ = run(lab, after, current, times, churn_guard=rules)
    assert again == after
    if target * current >= 0 and abs(target) < abs(current) - 0.02:  # a reduction beyond the deadband
        assert abs(after) <= abs(target)


def test_protective_exits_pass(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.01}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:15"), state, holds, signal=0)
    assert tick.target.protective[0]
    assert tick.churn.target[0] == 0.0
    assert tick.orders.closing[0]
