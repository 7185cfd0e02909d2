"""11. orders: gates of the clock, open-order filter, exits that are not entries, reversals, caps after everything."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import ChurnGuard, OrderRules, RiskLimits
from qmtl.engine.decide import decide
from qmtl.engine.market import WorkingOrder
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial
from qmtl.engine.tick import CLOSE_LEG, OPEN_LEG


def working(qty: object, since: int, leg: str = "open", symbol: str = "S000") -> WorkingOrder:
    return WorkingOrder("q1-w", symbol, Decimal(str(qty)), leg, since, 1)


@pytest.mark.parametrize(
    ("clock", "sent", "why"),
    [
        ("09:44", False, Reason.OPEN_DELAY),
        ("09:45", True, Reason.ENTRY),
        ("15:45", True, Reason.ENTRY),
        ("15:54", True, Reason.ENTRY),
        ("15:55", False, Reason.CLOSE_BUFFER),
        ("16:00", False, Reason.OUTSIDE_RTH),
        ("20:00", False, Reason.OUTSIDE_RTH),
    ],
)
def test_r34_entries_keep_clear_of_open_and_close(lab: Any, clock: str, sent: bool, why: Reason) -> None:
    tick = lab.decide(lab.frame(1), lab.at(clock), signal=1, decision=True)
    assert tick.orders.leg.any() == sent
    assert lab.why(tick) is why


@pytest.mark.parametrize(("clock", "sent"), [("09:31", True), ("15:58", True), ("16:00", False), ("09:00", False)])
def test_exits_only_need_regular_hours(lab: Any, clock: str, sent: bool) -> None:
    of = lab.frame(1)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46", -1))
    tick = lab.decide(of, lab.at(clock), state, holds, signal=0)
    assert tick.orders.leg.any() == sent
    assert lab.why(tick, 0, "orders") is (Reason.OWNER_EXIT if sent else Reason.MARKET_CLOSED)
    assert tick.after.owner.tolist() == [0]


def test_small_changes_are_not_sent(lab: Any) -> None:
    from qmtl.dsl.model import ChurnGuard

    of = lab.frame(1, ("alpha",), churn_guard=ChurnGuard(enabled=()))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    for size, sent in ((0.104, False), (0.105, True), (0.096, False), (0.095, True)):
        tick = lab.decide(of, lab.at("10:00"), state, holds, signal=1, size=size)
        assert tick.orders.leg.any() == sent


def test_r09_a_working_order_blocks_entries(lab: Any) -> None:
    of = lab.frame(1)
    holds = lab.account(of, working=(working(50, lab.at("10:00")),))
    tick = lab.decide(of, lab.at("10:00") + 60, None, holds, signal=1, decision=True)
    assert (tick.orders.leg.any(), tick.orders.cancel.any()) == (False, False)
    assert lab.why(tick, 0, "orders") is Reason.WORKING


def test_r09_a_working_entry_is_cancelled_after_two_ticks(lab: Any) -> None:
    of = lab.frame(1)
    holds = lab.account(of, working=(working(50, lab.at("10:00")),))
    assert not lab.decide(of, lab.at("10:01"), None, holds).orders.cancel.any()
    assert Reason(int(lab.decide(of, lab.at("10:02"), None, holds).orders.cancel[0])) is Reason.CANCEL_AGE


@pytest.mark.parametrize(
    ("qty", "leg", "age", "cancelled"),
    [
        (-100, "close", 60, False),  # enough and young: left alone
        (-100, "close", 120, True),  # too old
        (-40, "close", 60, True),  # not enough
        (50, "open", 0, True),  # an entry stands in the way
    ],
)
def test_r09_protective_exits_cancel_confirm_and_replace(
    lab: Any, qty: int, leg: str, age: int, cancelled: bool
) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    now = lab.at("10:15")
    holds = lab.account(of, qty={"S000": 100}, working=(working(qty, now - age, leg),))
    tick = lab.decide(of, now, state, holds, signal=0)
    assert bool(tick.orders.cancel.any()) == cancelled
    assert not tick.orders.leg.any()  # one live order per symbol: the exit follows once the cancel is confirmed
    after = lab.decide(of, now + 60, state, lab.account(of, qty={"S000": 100}), signal=0)
    assert after.orders.closing[0]


def test_nothing_rests_over_a_close(lab: Any) -> None:
    of = lab.frame(1)
    holds = lab.account(of, working=(working(50, lab.at("15:59")),))
    tick = lab.decide(of, lab.at("16:00"), None, holds)
    assert Reason(int(tick.orders.cancel[0])) is Reason.CANCEL_CLOSED


def test_a_reversal_flattens_now_and_enters_after_the_flat_is_confirmed(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    broker = lab.Broker(of)
    legs = []
    for clock, signal in (("09:45", 1), ("09:46", 1), ("11:00", -1), ("11:01", -1), ("11:02", -1), ("11:15", -1)):
        netted = broker.step(lab.at(clock), signal=signal)[1]
        legs.append([(order.leg, order.side, int(order.qty)) for order in netted.orders])
    assert legs == [[("open", "buy", 150)], [], [("close", "sell", 150)], [("open", "sell", 150)], [], []]


def test_the_second_leg_waits_for_the_last_share(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    broker = lab.Broker(of)
    for clock in ("09:45", "09:46"):
        broker.step(lab.at(clock), signal=1)
    broker.step(lab.at("11:00"), signal=-1)
    tick, netted = broker.step(lab.at("11:01"), share=0.5, signal=-1)
    assert not netted.orders
    assert tick.orders.pending[0] < 0
    _, netted = broker.step(lab.at("11:02"), signal=-1)
    assert [order.leg for order in netted.orders] == ["open"]


def test_the_second_leg_is_forgotten_at_the_next_decision(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state = replace(
        initial(of),
        chain=np.zeros(1, dtype=np.int16),
        pending=np.array([-0.1]),
        pending_strategy=np.array([0], dtype=np.int16),
    )
    assert lab.decide(of, lab.at("11:01"), lab.locked(state)).orders.leg.tolist() == [OPEN_LEG]
    tick = lab.decide(of, lab.at("11:15"), lab.locked(state), signal=0)
    assert not tick.orders.leg.any()
    assert not tick.after.pending.any()


@pytest.mark.parametrize("spoil", [{"behind_15m": 9}, {"p": np.nan}])
def test_the_second_leg_passes_the_entry_gates_again(lab: Any, spoil: dict[str, Any]) -> None:
    of = lab.frame(1, ("alpha",))
    state = lab.locked(
        replace(
            initial(of),
            chain=np.zeros(1, dtype=np.int16),
            pending=np.array([-0.1]),
            pending_strategy=np.array([0], dtype=np.int16),
        )
    )
    assert not lab.decide(of, lab.at("11:01"), state, **spoil).orders.leg.any()


def test_follow_up_ticks_compute_no_new_entry(lab: Any) -> None:
    tick = lab.decide(lab.frame(1), lab.at("10:01"), signal=1)
    assert not tick.orders.leg.any()
    assert lab.why(tick) is Reason.FOLLOW_UP


def test_an_excess_is_trimmed_only_beyond_the_tolerance_and_past_the_churn_guard(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    for part, target in ((0.157, 0.157), (0.158, 0.15)):
        state, holds = lab.book(of, {"S000": part}, lab.at("09:46"))
        tick = lab.decide(of, lab.at("10:01"), state, holds, signal=1)
        assert tick.orders.target[0] == pytest.approx(target)
        assert (lab.why(tick, 0, "orders") is Reason.TRIM) == (target == 0.15)


def test_a_total_excess_is_trimmed_by_scale(lab: Any) -> None:
    of = lab.frame(5, ("alpha",), risk=RiskLimits(max_total=0.5))
    state, holds = lab.book(of, {f"S{i:03d}": 0.11 for i in range(5)}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:01"), state, holds, signal=1)
    assert np.allclose(tick.orders.target, 0.1)
    assert (tick.orders.leg == CLOSE_LEG).all()


def test_room_counts_stale_legacy_external_and_resting(lab: Any) -> None:
    of = lab.frame(4, ("alpha",))
    state, _ = lab.book(of, {"S000": 0.15}, lab.at("09:46"))
    holds = lab.account(
        of,
        qty={"S000": 150, "S001": 150},
        external=np.array([False, True, False, False]),
        working=(working(150, lab.at("10:14"), "open", "S002"),),
        equity=115_000.0,
    )
    tick = lab.decide(of, lab.at("10:15"), state, holds, signal=1, behind_15m=np.array([9, 0, 0, 0]))
    assert tick.load.capital == 100_000.0
    assert tick.orders.target[3] == pytest.approx(0.15)
    full = lab.frame(4, ("alpha",), risk=RiskLimits(max_total=0.50))
    tick = lab.decide(full, lab.at("10:15"), state, holds, signal=1, behind_15m=np.array([9, 0, 0, 0]))
    assert tick.orders.target[3] == pytest.approx(0.05)
    assert lab.why(tick, 3, "orders") is Reason.ENTRY


def test_a_crumb_of_room_is_not_worth_a_position(lab: Any) -> None:
    of = lab.frame(5, ("alpha",))
    state, holds = lab.book(of, {f"S{i:03d}": 0.145 for i in range(4)}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:00"), state, holds, signal=1)
    assert tick.orders.target[4] == 0.0
    assert lab.why(tick, 4, "orders") is Reason.CAPPED


def test_a_position_without_any_price_can_still_be_closed(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    holds = lab.account(of, qty={"S000": 100}, average_price=np.nan)
    tick = lab.decide(of, lab.at("10:00"), state, holds, signal=0, mark=np.nan)
    assert tick.orders.closing[0]


def test_columns_are_stable_and_complete(lab: Any) -> None:
    from qmtl.engine.tick import RECORDS, columns

    of = lab.frame(2)
    rows, follow = columns(lab.decide(of, lab.at("10:00"))), columns(lab.decide(of, lab.at("10:01")))
    assert [name for name, _ in rows] == [name for name, _ in follow]
    assert list(dict.fromkeys(name.split(".")[0] for name, _ in rows)) == list(RECORDS)
    assert all(array.dtype != object for _, array in rows)
    reasons = [array for name, array in rows if name.endswith(".reason")]
    assert len(reasons) == 13
    assert all(array.dtype == np.uint8 and array.shape == (2,) for array in reasons)


def test_an_unknown_account_sends_nothing_and_keeps_everything(lab: Any) -> None:
    of = lab.frame(1)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    blind = lab.account(of, readable=False)
    after, tick = decide(of, state, lab.market(of, lab.at("10:00"), signal=0), blind, lab.at("10:00"))
    assert not tick.orders.leg.any()
    assert after.owner.tolist() == [0]


def test_a_book_without_equity_is_not_sold_by_a_broken_number(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    holds = lab.account(of, qty={"S000": 100}, equity=0.0)
    after, _ = decide(of, state, lab.market(of, lab.at("10:00"), signal=1), holds, lab.at("10:00"))
    _, tick = decide(of, lab.locked(after), lab.market(of, lab.at("10:15"), signal=1), holds, lab.at("10:15"))
    assert (tick.load.trusted, tick.load.solvent) == (True, False)
    assert not tick.orders.leg.any()
    _, tick = decide(of, lab.locked(after), lab.market(of, lab.at("10:15"), signal=0), holds, lab.at("10:15"))
    assert tick.orders.closing[0]  # an exit of the whole position needs no capital


@pytest.mark.parametrize(("min_delta", "wished"), [(0.02, 0.148), (0.005, 0.146)])
def test_an_excess_is_trimmed_although_the_wish_is_too_near_to_be_sent(
    lab: Any, min_delta: float, wished: float
) -> None:
    """16.5 % held of a cap of 15 %: a trim past the tolerance bypasses min_delta also when the target is just below the cap."""
    of = lab.frame(1, ("alpha",), orders=OrderRules(min_delta=min_delta), churn_guard=ChurnGuard(enabled=()))
    state, holds = lab.book(of, {"S000": 0.165}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, size=wished)
    assert tick.orders.leg.tolist() == [CLOSE_LEG]
    assert tick.load.current[0] + tick.orders.delta[0] <= 0.15 + 1e-9


def test_an_excess_of_a_sector_is_trimmed_although_every_single_change_is_small(lab: Any) -> None:
    """Six of one sector at 3.5 %, 21.2 % of a cap of 20 %, wishes of 3.2 %: no change reaches min_delta, and all are sent."""
    names = tuple(f"S{i:03d}" for i in range(6))
    of = lab.frame(6, ("alpha",), sectors=tuple((name, "tech") for name in names), churn_guard=ChurnGuard(enabled=()))
    state, holds = lab.book(of, dict.fromkeys(names, 0.0354), lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=1, size=0.032)
    assert tick.orders.leg.tolist() == [CLOSE_LEG] * 6
    assert float(np.abs(tick.load.current + tick.orders.delta).sum()) <= 0.20 + 1e-9
