"""decide as a whole: its steps, what a tick says of itself, a reload that means nothing. Its laws stand in `tests/laws`."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import RiskLimits, Select
from qmtl.engine.decide import STAGES
from qmtl.engine.state import remap
from qmtl.engine.tick import columns
from qmtl.engine.tickview import counters, policy_labels, reasons_of

WIDTH = 6


def test_thirteen_steps_in_the_order_of_the_specification() -> None:
    assert [name for name, _ in STAGES] == [
        "load", "freshness", "regime", "chain", "allowlist", "signals", "select", "target", "churn", "policy", "orders", "risk",
        "persist",
    ]  # fmt: skip


def test_a_tick_explains_itself(lab: Any) -> None:
    of = lab.frame(2, ("alpha",))
    tick = lab.decide(of, lab.at("10:00"), signal=np.array([[1, 0]]))
    assert reasons_of(tick, "S000") == (
        ("select", "select.selected"),
        ("target", "cap.symbol"),
        ("orders", "order.entry"),
    )
    assert policy_labels(tick) == ("normal", "normal")
    assert counters(tick).orders == 1
    assert len(columns(tick)) > 80


def test_a_world_of_loose_limits_is_not_capped(lab: Any) -> None:
    of = lab.frame(5, ("alpha",), risk=RiskLimits(max_symbol=1.0, max_sector=5.0, max_total=5.0))
    assert lab.decide(of, lab.at("10:00"), signal=1, size=0.5).orders.target.tolist() == [0.5] * 5


@given(st.integers(0, 2**32 - 1), st.sampled_from(["single_best", "weighted"]))
@settings(max_examples=10, deadline=None)
def test_law_a_reload_of_the_same_world_in_another_order_changes_no_decision(lab: Any, seed: int, method: str) -> None:
    """Memory follows names: strategies in another row order, same meaning, same orders."""
    of = lab.frame(
        WIDTH,
        ("alpha", "beta"),
        styles=("trend", "chop"),
        chains=(("main", (0, 1), 1.0),),
        select=Select(method=method),
    )
    generations = of.program.generations
    turned = lab.frame(
        WIDTH,
        ("beta", "alpha"),
        styles=("chop", "trend"),
        chains=(("main", (1, 0), 1.0),),
        select=Select(method=method),
        generations=(generations[1], generations[0]),
    )
    rng = np.random.default_rng(seed)
    one, other = lab.Broker(of), lab.Broker(turned)
    first = {"signal": rng.choice([-1, 0, 1], (2, WIDTH)), "size": rng.random((2, WIDTH))}
    for clock in ("09:45", "09:46"):
        one.step(lab.at(clock), **first)
    other.qty, other.average, other.cash, other.open = one.qty.copy(), one.average.copy(), one.cash, list(one.open)
    other.state = lab.locked(remap(one.state, of, turned))
    second = {"signal": rng.choice([-1, 0, 1], (2, WIDTH)), "size": rng.random((2, WIDTH))}
    backward = {name: array[::-1] for name, array in second.items()}
    for clock in ("11:00", "11:01", "13:15", "13:16"):
        _, here = one.step(lab.at(clock), **second)
        _, there = other.step(lab.at(clock), **backward)
        assert here == there
