"""8. target: caps, breadth, exposure, guards, stops."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard, RiskLimits
from qmtl.engine.caps import surviving
from qmtl.engine.decide import decide
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial


def targets(tick: Any) -> list[float]:
    return [round(float(value), 6) for value in tick.target.target]


def test_caps_in_order_symbol_sector_total(lab: Any) -> None:
    of = lab.frame(3, sectors=(("S000", "tech"), ("S001", "tech")))
    tick = lab.decide(of, lab.at("10:00"), signal=1)
    assert targets(tick) == [0.1, 0.1, 0.15]
    assert [lab.why(tick, i, "target") for i in range(3)] == [Reason.CAP_SECTOR, Reason.CAP_SECTOR, Reason.CAP_SYMBOL]
    tick = lab.decide(lab.frame(8), lab.at("10:00"), signal=1)
    assert targets(tick) == [0.075] * 8


@pytest.mark.parametrize("exposure", [0.9, 0.65, 0.4])
def test_exposure_acts_last_and_gross_is_proportional_to_it(lab: Any, exposure: float) -> None:
    tick = lab.decide(lab.frame(60, chains=(("main", (0,), exposure),)), lab.at("10:00"), signal=1)
    gross = float(np.abs(tick.target.target).sum())
    assert gross == pytest.approx(0.6 * exposure)
    assert (np.abs(tick.target.target[tick.target.target != 0]) >= 0.03 - 1e-9).all()


@pytest.mark.parametrize("names", [19, 20, 21, 25, 60, 200])
def test_one_more_signal_never_empties_the_book(lab: Any, names: int) -> None:
    tick = lab.decide(lab.frame(names), lab.at("10:00"), signal=1)
    kept = tick.orders.target[tick.orders.target != 0]
    assert len(kept) == min(names, 20)
    assert kept.sum() == pytest.approx(0.6)


def test_the_seventh_of_a_sector_drops_one_not_all(lab: Any) -> None:
    of = lab.frame(8, sectors=tuple((f"S{i:03d}", "tech") for i in range(7)))
    fit = np.full((6, 8), 0.1)
    fit[1] = np.array([0.001, 0.002, 0.003, 0.0005, 0.004, 0.005, 0.006, 0.0001])
    tick = lab.decide(of, lab.at("10:00"), signal=1, fit=fit)
    assert [lab.why(tick, i, "target") for i in range(8)].count(Reason.CAP_BREADTH) == 1
    assert lab.why(tick, 3, "target") is Reason.CAP_BREADTH
    assert targets(tick)[7] == 0.15


def test_a_held_symbol_is_dropped_later(lab: Any) -> None:
    of = lab.frame(21)
    state, holds = lab.book(of, {"S020": 0.03}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:00"), state, holds, signal=1)
    assert lab.why(tick, 20, "target") is not Reason.CAP_BREADTH
    assert lab.why(tick, 19, "target") is Reason.CAP_BREADTH


def test_a_member_that_is_too_small_by_itself_drops_nobody_else(lab: Any) -> None:
    of = lab.frame(3, ("alpha",))
    tick = lab.decide(of, lab.at("10:00"), signal=1, size=np.array([[0.02, 0.5, 0.5]]))
    assert targets(tick) == [0.0, 0.15, 0.15]
    assert lab.why(tick, 0, "target") is Reason.MIN_TARGET


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_the_breadth_pass_equals_dropping_one_by_one(lab: Any, data: Any) -> None:
    width = data.draw(st.integers(1, 14))
    sectors = tuple((f"S{i:03d}", data.draw(st.sampled_from(["a", "b", "none"]))) for i in range(width))
    of = lab.frame(width, sectors=sectors, risk=RiskLimits(max_total=data.draw(st.sampled_from([0.2, 0.4, 0.6]))))
    sizes = np.array(data.draw(st.lists(st.floats(0.03, 0.15), min_size=width, max_size=width)))
    ranks = np.array(data.draw(st.lists(st.integers(0, 9), min_size=width, max_size=width))) / 10
    need = np.full(width, 0.03)
    kept = surviving(of, sizes, ranks, need)
    assert kept.tolist() == one_by_one(of, sizes, ranks, need)
    assert kept.any()


def one_by_one(of: Any, sizes: Any, ranks: Any, need: Any) -> list[bool]:
    """The rule as written: drop the lowest of those that are too small; in its sector first, then over all."""
    alive = sizes > 0
    order = sorted(range(len(sizes)), key=lambda i: (-ranks[i], i))

    def capped(total: bool) -> Any:
        value = np.where(alive, sizes, 0.0)
        for sector in range(of.sectors):
            gross = value[of.sector == sector].sum()
            if gross > 0.2:
                value[of.sector == sector] *= 0.2 / gross
        limit = of.program.settings.risk.max_total
        return value * (limit / value.sum()) if total and value.sum() > limit else value

    for sector in range(of.sectors):
        while (small := (capped(False) < need - 1e-9) & alive & (of.sector == sector)).any():
            alive[[i for i in order if small[i]][-1]] = False
    while (small := (capped(True) < need - 1e-9) & alive).any():
        alive[[i for i in order if small[i]][-1]] = False
    return alive.tolist()


# guards
@pytest.mark.parametrize(
    ("on_missing", "value", "truth", "entered"),
    [
        ("block", False, 0, True),
        ("block", False, 2, False),
        ("block", False, 1, False),
        ("value", False, 1, True),
        ("value", True, 1, False),
        ("hold", False, 1, False),
    ],
)
def test_r29_entry_guards(lab: Any, on_missing: str, value: bool, truth: int, entered: bool) -> None:
    of = lab.frame(2, ("alpha",), guards=(lab.guard("long_entries", on_missing, value=value),))
    tick = lab.decide(of, lab.at("10:00"), signal=np.array([[1, -1]]), guards=truth)
    assert tick.orders.leg.tolist() == [1 if entered else 0, 1]


def test_a_guard_blocks_entries_not_positions_and_turns_a_reversal_into_a_flatten(lab: Any) -> None:
    of = lab.frame(2, ("alpha",), guards=(lab.guard(),))
    state, holds = lab.book(of, {"S000": 0.10, "S001": -0.10}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, guards=2)
    assert targets(tick) == [0.15, 0.0]
    assert not tick.orders.pending.any()
    assert tick.orders.closing.tolist() == [False, True]


def test_a_guard_that_holds_changes_nothing(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), guards=(lab.guard(on_missing="hold"),))
    state, holds = lab.book(of, {"S000": 0.10}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, guards=1)
    assert targets(tick) == [0.1]


# stops
def stopped(lab: Any, mark: float, side: int = 1, **more: Any) -> Any:
    """A position of 10 % at 100 with a stop 2 and a take 3 away, looked at one bar later."""
    of = lab.frame(1, ("alpha",), stop=more.pop("stop_kind", "distance"), take="distance")
    broker = lab.Broker(of)
    for clock in ("09:45", "09:46"):
        broker.step(lab.at(clock), signal=side, size=0.1, stop=more.get("level", 2.0), take=3.0)
    return broker, broker.step(
        lab.at("10:00"), signal=side, size=0.1, mark=mark, stop=more.get("level", 9.0), take=9.0
    )[0]


@pytest.mark.parametrize(
    ("mark", "side", "why"),
    [
        (98.1, 1, Reason.NONE),
        (98.0, 1, Reason.STOP),
        (103.0, 1, Reason.TAKE),
        (102.0, -1, Reason.STOP),
        (97.0, -1, Reason.TAKE),
        (101.9, -1, Reason.NONE),
    ],
)
def test_levels_belong_to_the_position_as_they_were_at_entry(lab: Any, mark: float, side: int, why: Reason) -> None:
    _, tick = stopped(lab, mark, side)
    assert Reason(int(tick.target.stopping[0])) is why
    assert tick.orders.closing[0] == (why is not Reason.NONE)
    assert tick.after.latch.tolist() == [[side if why is not Reason.NONE else 0]]


def test_after_a_stop_the_same_side_waits_until_the_signal_left(lab: Any) -> None:
    broker, _ = stopped(lab, 98.0)
    entered = []
    for clock, signal in (("10:01", 1), ("10:15", 1), ("10:30", 1), ("10:45", 0), ("11:00", 1)):
        entered.append(bool(broker.step(lab.at(clock), signal=signal, mark=98.0, stop=2.0, take=3.0)[1].orders))
    assert entered == [False, False, False, False, True]


def test_a_stop_given_as_a_level_follows_the_line_and_survives_its_absence(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), stop="level")
    broker = lab.Broker(of)
    for clock, line in (("09:45", 95.0), ("09:46", 95.0), ("10:00", 97.0)):
        tick, _ = broker.step(lab.at(clock), signal=1, size=0.1, stop=line)
    assert tick.target.stop_level.tolist() == [97.0]
    tick, _ = broker.step(lab.at("10:15"), signal=1, size=0.1, stop=math.nan, mark=98.0)
    assert tick.target.stop_level.tolist() == [97.0]
    tick, _ = broker.step(lab.at("10:30"), signal=1, size=0.1, stop=math.nan, mark=96.9)
    assert lab.why(tick, 0, "orders") is Reason.STOP


def test_position_stop_of_five_percent(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    assert not lab.decide(of, lab.at("10:00"), state, holds, signal=1, size=0.1, mark=95.01).target.protective[0]
    tick = lab.decide(of, lab.at("10:00"), state, holds, signal=1, size=0.1, mark=95.0)
    assert lab.why(tick, 0, "orders") is Reason.POSITION_STOP


def test_a_bar_that_ended_before_the_entry_stops_nothing(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("10:00"))
    tick = lab.decide(of, lab.at("10:01"), state, holds, signal=1, mark=50.0)
    assert not tick.target.stopping.any()


def test_a_stop_stays_in_force_until_flat(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    after, _ = decide(of, state, lab.market(of, lab.at("10:00"), signal=1, mark=90.0), holds, lab.at("10:00"))
    _, tick = decide(
        of, lab.locked(after), lab.market(of, lab.at("10:15"), signal=1, mark=99.0), holds, lab.at("10:15")
    )
    assert lab.why(tick, 0, "orders") is Reason.POSITION_STOP


def test_r47_a_stop_without_a_fresh_price_is_raised_not_forgotten(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("12:00"), state, holds, signal=1, behind_15m=9, mark=70.0)
    assert lab.why(tick, 0, "target") is Reason.STOP_BLIND


def test_stops_work_on_follow_up_ticks(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:03"), state, holds, signal=1, mark=90.0)
    assert tick.orders.closing[0]


def test_unknown_targets_hold(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, size=math.nan)
    assert lab.why(tick, 0, "target") is Reason.UNKNOWN_HOLD
    assert tick.orders.target[0] == tick.load.current[0]


def test_without_min_target_nothing_is_dropped(lab: Any) -> None:
    of = lab.frame(60, churn_guard=ChurnGuard(enabled=()))
    tick = lab.decide(of, lab.at("10:00"), signal=1)
    assert targets(tick) == [0.01] * 60


def test_a_gone_owner_with_a_stop_latches_every_strategy_of_that_side(lab: Any) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"), "former")
    tick = lab.decide(
        of, lab.at("10:00"), replace(state, chain=initial(of).chain), holds, signal=np.array([[1], [-1]]), mark=90.0
    )
    assert tick.after.latch.tolist() == [[1], [0]]
