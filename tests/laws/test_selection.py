"""Selection: water-filling of `weighted`, the three conditions of `single_best`, and a current strategy that loses its
allowlist row. "Nothing matched means nothing traded" (R48).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard, Select
from qmtl.engine.decide import decide
from qmtl.engine.stages.select import water_fill
from qmtl.engine.state import initial
from qmtl.engine.tickview import policy_labels

from .exchange import Fate
from .inputs import NAMES, RULES, Link, Rule, World, account_of, at, frame_of, locked, market_of
from .law import law
from .oracle import Candidate, Standing, adjusted_score, single_best
from .walk import Run, Seen, Walk, row_of, walks

positive = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=7)


@law(200)
@given(positive, st.sampled_from([0.1, 0.2, 0.45, 0.75, 1.0]))
def test_r48_water_filling_sum_is_min_of_1_and_n_caps_none_above_the_cap_order_kept(
    raw: list[float], cap: float
) -> None:
    weights = np.array(raw) / sum(raw)
    filled = water_fill(weights[:, None], cap)[:, 0]
    assert filled.max() <= cap
    assert abs(filled.sum() - min(1.0, len(raw) * cap)) < 1e-9
    order = np.argsort(weights, kind="stable")
    assert (np.diff(filled[order]) >= -1e-12).all()
    loose = filled < cap - 1e-9
    scale = filled[loose] / weights[loose]  # w_i = min(cap, lambda e_i): one lambda for all that are not at the cap
    assert scale.size == 0 or np.ptp(scale) <= 1e-6 * scale.max()
    assert scale.size == 0 or (weights[~loose] * scale.max() >= cap - 1e-9).all()


def test_water_filling_of_the_example() -> None:
    assert water_fill(np.array([[0.798], [0.108], [0.094]]), 0.45)[:, 0].round(3).tolist() == [0.45, 0.294, 0.256]


@law(40)
@given(walks(method="weighted"))
def test_r48_weights_are_the_water_filled_softmax_of_the_eligible_and_the_rest_is_cash(walk: Walk) -> None:
    for seen in walk.ticks():
        tick = seen.tick
        if not (seen.market.decision and seen.world.select.method == "weighted"):
            continue
        for i in range(seen.frame.symbols):
            values = [one.score if one.eligible else math.nan for one in candidates(seen, i)]
            known = [value for value in values if not math.isnan(value)]
            raised = [0.0 if math.isnan(v) else math.exp((v - max(known)) / 0.75) for v in values]
            weights = tick.select.weights[:, i]
            assert weights.max(initial=0) <= 0.45
            assert abs(weights.sum() - min(1.0, len(known) * 0.45)) < 1e-9
            expected = np.minimum(0.45, np.array(raised) * filling(raised))
            assert np.allclose(weights, expected)


def filling(raised: list[float]) -> float:
    """The lambda of the text, by halving: sum of min(cap, lambda e) is min(1, n cap)."""
    count = sum(1 for e in raised if e)
    low, high, total = 0.0, 1e6, min(1.0, count * 0.45)
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(min(0.45, middle * e) for e in raised) < total else (low, middle)
    return high


def candidates(seen: Seen, i: int) -> list[Candidate]:
    """Every strategy of the world for one symbol, from the row and the text alone (and the latches)."""
    world, market, symbol, today = seen.world, seen.market, seen.world.symbols[i], seen.market.session.day
    link = world.chains[int(seen.tick.chain.chain[i])]
    uses = next((uses for name, uses, _ in link.own if name == symbol), link.uses)
    found = []
    for row, rule in enumerate(world.active):
        signal = int(market.signal[row, i])
        known = bool(market.signal_known[row, i]) and (signal == 0 or math.isfinite(market.size[row, i]))
        guarded = not rule.stop or signal == 0 or math.isfinite(market.stop[row, i])
        eligible = rule.name in uses and world.allows(symbol, rule.name, today) and known and guarded
        told = 0 if int(seen.tick.signals.latch[row, i]) == signal else signal
        fit, p = market.fit[:, i].tolist(), market.p[:, i].tolist()
        found.append(Candidate(eligible, told if known else None, adjusted_score(rule.style, told, fit, p)))
    return found


@law(80)
@given(walks(method="single_best"))
def test_single_best_switches_only_with_edge_cooldown_and_flat_all_three_or_at_once_when_not_eligible(
    walk: Walk,
) -> None:
    for seen in walk.ticks():
        if not (seen.market.decision and seen.world.select.method == "single_best"):
            continue
        before, tick = seen.before, seen.tick
        for i in range(seen.frame.symbols):
            busy = any(one.symbol == seen.world.symbols[i] for one in seen.account.working)
            standing = Standing(
                current=int(before.selected[i]),
                switched_at=int(before.switched_at[i]),
                now=seen.now,
                held=bool(tick.load.held[i]),
                flat=abs(float(tick.load.current[i])) < 0.003 and not busy,
            )
            expected = single_best(seen.world.select, candidates(seen, i), standing)
            selected = int(tick.select.selected[i])
            if expected is not None:
                assert selected == expected, seen.world.symbols[i]
            elif tick.load.held[i] and tick.load.owner[i] >= 0:
                assert selected == tick.load.owner[i], "nobody eligible: selected = owner"
            if selected != standing.current and standing.current >= 0:
                assert int(tick.select.switched_at[i]) == seen.now
            else:
                assert int(tick.select.switched_at[i]) == standing.switched_at


@law(50)
@given(walks())
def test_r48_nothing_matched_nothing_traded(walk: Walk) -> None:
    """No eligible strategy with a signal: no opening order in that symbol at a decision tick."""
    for seen in walk.ticks():
        if not seen.market.decision:
            continue
        opened = {order.symbol for order in seen.netted.orders if order.leg == "open"}
        for i, symbol in enumerate(seen.world.symbols):
            if not any(one.eligible and one.signal for one in candidates(seen, i)):
                assert symbol not in opened


@pytest.mark.parametrize("method", ["single_best", "weighted"])
def test_r48_no_strategy_at_all_trades_nothing(method: Any) -> None:
    world = World(chains=(Link("one", ()), Link("two", ("alpha", "beta"))), select=Select(method=method))
    frame = frame_of(world)
    market = market_of(frame, at("10:00"), signal=1, when=np.array([[2], [2]]))
    _, tick = decide(frame, locked(initial(frame)), market, account_of(frame), at("10:00"))
    assert not tick.orders.leg.any()
    assert not tick.orders.target.any()


sides = st.sampled_from([-1, 0, 1])


@law(100)
@given(
    side=st.sampled_from([-1, 1]), owner=sides, other=sides, sizes=st.tuples(st.floats(0.04, 0.2), st.floats(0.04, 0.2))
)
def test_a_current_strategy_that_loses_its_row_is_replaced_at_once_and_the_smaller_target_counts(
    side: int, owner: int, other: int, sizes: tuple[float, float]
) -> None:
    """The position is held by legacy rules: min(|owner's|, |selected's|) on its own side, 0 if either is flat or opposite,
    never more than is held; whoever is selected opens nothing in it."""
    pair = ("alpha", "beta")
    world = World(
        symbols=("AA",), rules=tuple(map(Rule, pair)), chains=(Link("one", pair),), banned=frozenset({("AA", "beta")}),
        churn=ChurnGuard(enabled=()),
    )  # fmt: skip
    run = Run(world, now=at("10:00"), row=row_of(world, 1, whole=True))
    shape = (len(RULES), len(NAMES))
    run.row |= {"signal": np.full(shape, side), "size": np.full(shape, 0.10)}
    for minute in (0, 1):
        run.now = at("10:00") + 60 * minute
        run.tick(Fate(), decision=minute == 0)
    held = float(run.exchange.ours["AA"]) * 100 / run.exchange.equity(run.marks)
    run.edit(world.changed(banned=frozenset({("AA", "alpha")})))
    run.row["signal"] = np.array([[owner]] * 1 + [[other]] * 3) * np.ones((1, len(NAMES)), dtype=int)
    run.row["size"] = np.array([[sizes[0]]] * 1 + [[sizes[1]]] * 3) * np.ones((1, len(NAMES)))
    run.now = at("12:15")
    seen = run.tick(Fate())
    selected = seen.world.active[int(seen.tick.select.selected[0])].name
    assert selected == "beta"
    assert policy_labels(seen.tick)[0].startswith("legacy_hold/")
    agree = owner == other == side
    wanted = side * min(*sizes, abs(held)) if agree else 0.0
    if abs(wanted - held) < seen.world.orders.min_delta:
        wanted = held
    assert seen.tick.orders.target[0] == pytest.approx(wanted, abs=1e-9) or not seen.netted.orders
    sold = sum(float(order.signed) for order in seen.netted.orders) * 100 / run.exchange.equity(run.marks)
    assert abs(held + sold - wanted) <= 0.0011  # a share of 100 of 100,000
    assert all(order.leg == "close" for order in seen.netted.orders)
