"""11 and 12: loss limits, kill switch, recovery, resume, business rejects."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.model import RiskLimits
from qmtl.engine.decide import decide
from qmtl.engine.killswitch import resume
from qmtl.engine.market import OrderResult, WorkingOrder
from qmtl.engine.reasons import Reason
from qmtl.engine.state import decode, encode, initial


class Days:
    """One symbol, one account without a broker: equity and results are given, the state goes on."""

    def __init__(self, lab: Any, **settings: Any) -> None:
        self.lab, self.of = lab, lab.frame(1, ("alpha",), **settings)
        self.state = lab.locked(initial(self.of))
        self.serial = 0

    def tick(self, now: int, equity: float = 100_000.0, **more: Any) -> Any:
        columns = {name: more.pop(name) for name in ("signal", "decision", "mark") if name in more}
        holds = self.lab.account(self.of, equity=equity, **more)
        state, tick = decide(self.of, self.state, self.lab.market(self.of, now, **columns), holds, now)
        self.state = self.lab.locked(decode(encode(state, self.of), self.of))  # every tick survives a restart (R13)
        return tick

    def results(self, count: int, error: str, outcome: str = "REJECTED", leg: str = "open") -> tuple[OrderResult, ...]:
        self.serial += count
        return tuple(OrderResult(f"q1-{self.serial - i}", "S000", outcome, error, "", leg) for i in range(count))


def killed(tick: Any) -> Reason:
    return Reason(int(tick.gate.kill))


def test_a_loss_needs_two_readings_a_tick_apart(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    tick = days.tick(lab.at("10:00"), 98_000.0, signal=1)
    assert (killed(tick), Reason(tick.gate.why)) == (Reason.NONE, Reason.LOSS_PENDING)
    assert not tick.orders.leg.any()
    assert killed(days.tick(lab.at("10:01"), 98_001.0)) is Reason.NONE
    assert killed(days.tick(lab.at("10:15"), 97_999.0)) is Reason.NONE
    assert killed(days.tick(lab.at("10:16"), 98_000.0)) is Reason.KILL_DAY


def test_losses_are_fractions_of_world_capital(lab: Any) -> None:
    days = Days(lab, capital=0.5)
    days.tick(lab.at("09:45"))
    assert days.tick(lab.at("10:00"), 99_000.0).gate.day_loss == pytest.approx(-0.02)


def test_losses_outside_regular_hours_do_not_fire(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("15:45"))
    for clock in ("16:01", "16:30", "17:00"):
        assert killed(days.tick(lab.at(clock), 90_000.0)) is Reason.NONE


def test_r13_anchors_are_the_previous_close_and_survive_restarts(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("15:59"), 101_000.0)
    days.tick(lab.at("16:00"), 101_500.0)
    days.tick(lab.at("18:00"), 95_000.0, decision=False)  # after hours is no close
    tick = days.tick(lab.at("09:45", 1), 100_000.0)
    assert tick.gate.day_anchor == 101_500.0
    assert tick.gate.week_anchor == 100_000.0
    monday = days.tick(lab.at("09:45", 6), 100_000.0)
    assert (monday.gate.day_anchor, monday.gate.week_anchor) == (100_000.0, 100_000.0)


def test_the_week_limit_adds_up_over_days(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    equity = 100_000.0
    for day in range(3):
        equity -= 1_700
        for clock in ("10:00", "10:01", "16:00"):
            tick = days.tick(lab.at(clock, day), equity)
    assert killed(tick) is Reason.KILL_WEEK


def test_flows_are_no_losses(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    days.tick(lab.at("10:00"), 60_000.0, flows=-40_000.0)
    for clock in ("10:01", "10:02"):
        assert killed(days.tick(lab.at(clock), 60_000.0)) is Reason.NONE


def test_equity_of_zero_kills_after_its_readings(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    fired = [killed(days.tick(lab.at(clock), 0.0)) for clock in ("10:00", "10:01", "10:02")]
    assert fired == [Reason.NONE, Reason.NONE, Reason.KILL_WEEK]


def test_r42_r43_killed_cancels_first_then_allows_verified_exits_only(lab: Any) -> None:
    of = lab.frame(2, ("alpha",))
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    state = lab.locked(replace(state, day_breach_at=np.array(lab.at("09:59"))))
    entry = WorkingOrder("q1-w", "S001", Decimal(50), "open", lab.at("09:59"), 1)
    broke = lab.account(of, qty={"S000": 100}, equity=97_000.0, working=(entry,))
    now = lab.at("10:00")
    after, tick = decide(of, state, lab.market(of, now, signal=np.array([[0, 1]])), broke, now)
    assert tick.gate.fired
    assert Reason(int(tick.orders.cancel[1])) is Reason.CANCEL_KILL
    assert tick.orders.closing.tolist() == [True, False]
    calm = lab.account(of, qty={"S000": 100}, equity=97_000.0)
    _, tick = decide(of, lab.locked(after), lab.market(of, now + 900, signal=1, size=0.05), calm, now + 900)
    assert not tick.orders.leg.any()  # neither entries nor mere reductions


def test_loss_kills_wait_for_resume_and_fire_again_after_a_further_loss(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("09:45"))
    for clock in ("10:00", "10:01"):
        days.tick(lab.at(clock), 97_000.0)
    assert killed(days.tick(lab.at("09:45", 1), 97_000.0)) is Reason.KILL_DAY
    days.state = lab.locked(resume(days.state, lab.at("09:46", 1)))
    assert killed(days.tick(lab.at("10:00", 1), 97_000.0)) is Reason.NONE
    for clock in ("10:15", "10:16"):
        assert killed(days.tick(lab.at(clock, 1), 95_100.0)) is Reason.NONE
    days.tick(lab.at("10:30", 1), 95_060.0)
    assert killed(days.tick(lab.at("10:31", 1), 95_060.0)) is Reason.KILL_DAY


@pytest.mark.parametrize(
    ("error", "outcome", "kill"),
    [
        ("server", "REJECTED", True),
        ("unknown", "UNKNOWN", True),
        ("business", "REJECTED", False),
        ("", "DENIED", False),
    ],
)
def test_r39_three_failures_in_a_row(lab: Any, error: str, outcome: str, kill: bool) -> None:
    days = Days(lab)
    tick = days.tick(lab.at("09:45"), results=days.results(3, error, outcome))
    assert killed(tick) is (Reason.KILL_CONSECUTIVE if kill else Reason.NONE)


def test_a_success_ends_the_row_but_not_the_window(lab: Any) -> None:
    days = Days(lab)
    kills = []
    for minute in range(5):
        answers = days.results(1, "server") + days.results(1, "", "ACCEPTED")
        kills.append(killed(days.tick(lab.at("10:00") + minute * 60, results=answers)))
    assert kills == [Reason.NONE] * 4 + [Reason.KILL_FAILURES]


def test_failures_outside_the_window_are_forgotten(lab: Any) -> None:
    days = Days(lab)
    for minute in range(0, 60, 2):
        answers = days.results(1, "server") + days.results(1, "", "ACCEPTED")
        assert killed(days.tick(lab.at("10:00") + minute * 60, results=answers)) is Reason.NONE


def test_the_share_of_failures(lab: Any) -> None:
    days = Days(lab, risk=RiskLimits(max_failures=50, max_consecutive_failures=50))
    assert (
        killed(days.tick(lab.at("10:00"), results=days.results(5, "server") + days.results(20, "", "ACCEPTED")))
        is Reason.NONE
    )
    assert killed(days.tick(lab.at("10:01"), results=days.results(2, "server"))) is Reason.KILL_RATE


def test_one_order_fails_once(lab: Any) -> None:
    days = Days(lab)
    again = days.results(1, "unknown", "UNKNOWN")
    for minute in range(6):
        assert killed(days.tick(lab.at("10:00") + minute * 60, results=again)) is Reason.NONE


def test_one_auth_error_kills_and_does_not_recover(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("10:00"), results=days.results(1, "auth"))
    assert killed(days.tick(lab.at("15:00"))) is Reason.KILL_AUTH


def test_failure_kills_recover_after_5_10_20_minutes_and_the_fourth_waits_for_a_person(lab: Any) -> None:
    days = Days(lab)
    now, waits = lab.at("10:00"), []
    for _ in range(4):
        days.tick(now, results=days.results(3, "server"))
        began = now
        while killed(days.tick(now + 60)) and now < began + 3_000:
            now += 60
        waits.append((now + 60 - began) // 60)
        now += 60
    assert waits == [5, 10, 20, 51]


def test_a_further_failure_starts_the_wait_again(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("10:00"), results=days.results(3, "server"))
    days.tick(lab.at("10:04"), results=days.results(1, "server"))
    assert killed(days.tick(lab.at("10:08"))) is Reason.KILL_CONSECUTIVE
    assert killed(days.tick(lab.at("10:09"))) is Reason.NONE


def test_a_business_reject_cools_entries_for_three_ticks(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("10:00"), results=days.results(1, "business"), signal=0)
    for minute, sent in ((1, False), (2, False), (3, True)):
        tick = days.tick(lab.at("10:00") + minute * 60, signal=1, decision=True)
        assert bool(tick.orders.leg.any()) == sent


def test_a_refused_exit_is_tried_next_tick_and_alerts_after_three(lab: Any) -> None:
    days = Days(lab)
    days.tick(lab.at("10:00"))
    alerts = []
    for minute in range(1, 5):
        answers = days.results(1, "business", leg="close")
        tick = days.tick(lab.at("10:00") + minute * 60, qty={"S000": 100}, results=answers, signal=-1, mark=90.0)
        alerts.append((bool(tick.orders.closing[0]), bool(tick.risk.alert[0])))
        if minute == 1:
            days.state = lab.locked(replace(days.state, owner=np.array([0], dtype=np.int16)))
    assert alerts == [(True, False), (True, False), (True, True), (True, True)]


def test_an_order_answers_once_however_it_goes_on(lab: Any) -> None:
    """The fill after an accepted submission is no second answer: 5 failures of 25 are over 20 % only when counted so."""
    once = Days(lab)
    once.tick(lab.at("10:00"), results=once.results(16, "", "ACCEPTED"))
    ticks = once.tick(lab.at("10:01"), results=once.results(16, "", "FILLED"))
    orders = int(ticks.gate.ring_orders.sum())
    assert orders == 16
