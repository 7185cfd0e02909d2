"""Laws of decide as a whole, over generated worlds, books and markets."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard, RiskLimits, Select
from qmtl.engine.decide import STAGES, decide
from qmtl.engine.reasons import Reason
from qmtl.engine.state import decode, encode, remap
from qmtl.engine.tick import CLOSE_LEG, columns, counters, policy_labels, reasons_of

WIDTH, ROWS = 6, 3


@dataclasses.dataclass(frozen=True)
class Case:
    seed: int
    method: str
    exposure: float
    drift: float


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    method=st.sampled_from(["single_best", "weighted"]),
    exposure=st.sampled_from([1.0, 0.65, 0.4]),
    drift=st.sampled_from([0.0, 0.01, 0.05]),
)


def world(lab: Any, case: Case, **more: Any) -> Any:
    return lab.frame(
        WIDTH,
        ("alpha", "beta", "gamma"),
        styles=("trend", "chop", "defensive"),
        chains=(("first", (0, 2), case.exposure), ("rest", (0, 1), 0.9)),
        sectors=(("S000", "a"), ("S001", "a"), ("S002", "a"), ("S003", "b")),
        select=Select(method=case.method),
        allowed=((True,) * WIDTH, (True,) * (WIDTH - 1) + (False,), (True,) * WIDTH),
        **more,
    )


def row(rng: Any, marks: Any) -> dict[str, Any]:
    """One random market: everything may be unknown somewhere."""
    truth = rng.choice([0, 1, 2], (2, WIDTH), p=[0.4, 0.1, 0.5])
    p = rng.dirichlet([1, 1, 1], WIDTH).T
    p = np.vstack([p, rng.random(WIDTH)[None]])
    p[:, rng.random(WIDTH) < 0.05] = np.nan
    return {
        "mark": marks,
        "signal": rng.choice([-1, 0, 1], (ROWS, WIDTH), p=[0.3, 0.2, 0.5]),
        "signal_known": rng.random((ROWS, WIDTH)) > 0.1,
        "size": rng.random((ROWS, WIDTH)),
        "when": truth,
        "stay": np.maximum(truth, rng.choice([0, 2], (2, WIDTH))),
        "p": p,
        "fit": rng.normal(size=(6, WIDTH)) * 0.01,
        "behind_15m": rng.choice([0, 5], WIDTH, p=[0.95, 0.05]),
    }


def walked(lab: Any, case: Case, ticks: int = 14, **more: Any) -> Any:
    """Random markets, partial fills and follow-up ticks through a session; yields (broker, tick, netted, row, now)."""
    rng = np.random.default_rng(case.seed)
    of = world(lab, case, **more)
    broker, marks = lab.Broker(of), np.full(WIDTH, 100.0)
    now = lab.at("09:45")
    for _ in range(ticks):
        columns_now = row(rng, marks)
        for minute in range(3):
            share = float(rng.choice([1.0, 0.5, 0.0], p=[0.7, 0.2, 0.1]))
            yield broker, *broker.step(now + minute * 60, share, **columns_now), columns_now, now + minute * 60
        marks = marks * (1 + rng.normal(size=WIDTH) * case.drift)
        now += 900


@given(cases)
@settings(max_examples=25, deadline=None)
def test_law_caps_hold_after_everything(lab: Any, case: Case) -> None:
    for _, tick, _, _, _ in walked(lab, case):
        current, target = np.abs(tick.load.current), np.abs(tick.orders.target)
        risk, rests = tick.frame.program.settings.risk, np.abs(tick.load.resting)
        base = current + rests
        adds = np.where(target > base, target - base, 0.0)
        raised = adds > 1e-12
        assert (target[raised] <= risk.max_symbol + 1e-9).all()
        for sector in range(tick.frame.sectors):
            member = tick.frame.sector == sector
            assert adds[member].sum() <= max(risk.max_sector - base[member].sum(), 0.0) + 1e-9
        assert adds.sum() <= max(risk.max_total - base.sum(), 0.0) + 1e-9


@given(cases)
@settings(max_examples=25, deadline=None)
def test_law_no_order_without_decision_or_exit_and_none_outside_hours(lab: Any, case: Case) -> None:
    second = int(Reason.SECOND_LEG)
    for _, tick, netted, _, now in walked(lab, case, ticks=30):
        if not lab.OPEN <= now < lab.CLOSE:
            assert not netted.orders
        if now % 900:
            opening = tick.orders.leg == 1
            assert (tick.orders.reason[opening] == second).all()
            closing = tick.orders.leg == CLOSE_LEG
            assert (tick.policy.protective | (tick.orders.reason == Reason.TRIM))[closing].all()


@given(cases)
@settings(max_examples=20, deadline=None)
def test_law_constant_inputs_settle(lab: Any, case: Case) -> None:
    """From every state a walk reaches, constant inputs lead to flat or target == current in a bounded number of ticks."""
    length = 1 + case.seed % 7
    no_kill = RiskLimits(daily_loss=-0.9, weekly_loss=-0.9)
    broker, _, _, columns_now, now = list(walked(lab, case, ticks=length, risk=no_kill))[-1]
    now = now // 900 * 900
    for _ in range(14):  # three and a half hours: cooldowns of 60 and 120 minutes end within
        now += 900
        for minute in range(3):
            moment = now + minute * 60
            inside = {**columns_now, "regular_hours": True, "session": lab.session(lab.at("12:00"))}
            tick, _ = broker.step(moment, **inside)
    settled = tick
    assert not settled.orders.leg.any()
    assert not settled.orders.pending.any()
    tick, netted = broker.step(now + 900, **inside, decision=True)
    difference = np.abs(tick.orders.target - tick.load.current)
    lots = 2 * tick.load.mark / tick.load.capital
    assert (difference <= np.maximum(lots, tick.frame.program.settings.orders.min_delta)).all()
    assert not netted.orders


@given(cases)
@settings(max_examples=10, deadline=None)
def test_law_decide_is_deterministic_and_survives_a_restart_at_every_tick(lab: Any, case: Case) -> None:
    one, two = [], []
    for _, tick, netted, _, _ in walked(lab, case, ticks=5):
        one.append((encode(tick.after, tick.frame), netted))
    walk = walked(lab, case, ticks=5)
    for broker, tick, netted, _, _ in walk:
        data = encode(tick.after, tick.frame)
        two.append((data, netted))
        broker.state = lab.locked(decode(data, tick.frame))
    assert one == two


@given(cases)
@settings(max_examples=15, deadline=None)
def test_r18_state_survives_empty_and_outside_hours_ticks(lab: Any, case: Case) -> None:
    broker, _, _, _, now = list(walked(lab, case, ticks=4))[-1]
    of, before = broker.frame, broker.state
    empty = lab.market(
        of, lab.at("23:07"), mark=np.nan, p=np.nan, fit=np.nan, signal_known=False, behind_15m=-1, decision=False
    )
    held = broker._account(lab.market(of, now), (), now)
    after, tick = decide(of, before, empty, held, lab.at("23:07"))
    for name in (
        "owner",
        "generation",
        "side",
        "side_opened_at",
        "last_side",
        "last_opened_at",
        "latch",
        "chain",
        "selected",
        "switched_at",
        "reject_until",
    ):
        assert getattr(after, name).tolist() == getattr(before, name).tolist(), name
    assert not tick.orders.leg.any()


@given(cases, st.sampled_from([0.001, 0.004, 0.012, 0.1]))
@settings(max_examples=40, deadline=None)
def test_r47_protective_exits_are_never_blocked_by_churn_min_delta_or_deadband(
    lab: Any, case: Case, part: float
) -> None:
    of = world(lab, case, churn_guard=ChurnGuard(min_target=0.05, deadband=0.04))
    rng = np.random.default_rng(case.seed)
    side = int(rng.choice([-1, 1]))
    owner = "@mix" if case.method == "weighted" else "alpha"
    state, holds = lab.book(of, {"S000": side * part}, lab.at("09:46"), owner)
    columns_now = row(rng, 100.0) | {"mark": 94.0 if side > 0 else 106.0, "behind_15m": 0}
    tick = lab.decide(of, lab.at("10:00"), state, holds, **columns_now)
    assert tick.orders.closing[0]
    assert lab.why(tick, 0, "orders") is Reason.POSITION_STOP


@given(cases)
@settings(max_examples=25, deadline=None)
def test_law_gross_follows_exposure(lab: Any, case: Case) -> None:
    rng = np.random.default_rng(case.seed)
    score = rng.normal(size=(6, 40)) * 0.01
    gross = []
    for exposure in (0.9, 0.65, 0.4):
        of = lab.frame(40, ("alpha",), chains=(("main", (0,), exposure),))
        tick = lab.decide(of, lab.at("10:00"), signal=1, fit=score)
        gross.append(float(tick.orders.target.sum()) / exposure)
    assert gross == pytest.approx([0.6] * 3)


@given(st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_law_one_more_signal_never_empties_the_book(lab: Any, names: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sectors = tuple((f"S{i:03d}", str(rng.choice(["a", "b", "c", "none"]))) for i in range(41))
    of = lab.frame(41, ("alpha",), sectors=sectors, chains=(("main", (0,), float(rng.choice([0.9, 0.4]))),))
    fit = rng.normal(size=(6, 41)) * 0.01
    size = rng.uniform(0.2, 1.0, 41)[None]
    gross = []
    for count in (names, names + 1):
        signal = (np.arange(41) < count)[None].astype(int)
        gross.append(
            float(np.abs(lab.decide(of, lab.at("10:00"), signal=signal, fit=fit, size=size).orders.target).sum())
        )
    assert gross[0] > 0
    assert gross[1] >= gross[0] * 0.5


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


@given(cases)
@settings(max_examples=10, deadline=None)
def test_law_a_reload_of_the_same_world_in_another_order_changes_no_decision(lab: Any, case: Case) -> None:
    """Memory follows names: strategies in another row order, same meaning, same orders."""
    of = lab.frame(
        WIDTH,
        ("alpha", "beta"),
        styles=("trend", "chop"),
        chains=(("main", (0, 1), 1.0),),
        select=Select(method=case.method),
    )
    generations = of.program.generations
    turned = lab.frame(
        WIDTH,
        ("beta", "alpha"),
        styles=("chop", "trend"),
        chains=(("main", (1, 0), 1.0),),
        select=Select(method=case.method),
        generations=(generations[1], generations[0]),
    )
    rng = np.random.default_rng(case.seed)
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
