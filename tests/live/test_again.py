"""What happened between a decision and its order: orders that are found late, sent again, or not any more."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from qmtl.cli.wiring import stored_program
from qmtl.engine.errors import BrokerError
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.orders import PREFIX, OrderState
from qmtl.engine.reasons import Reason
from qmtl.engine.standing import standing

from .conftest import Place
from .market import moment
from .rig import Rig, calls, held, orders

Build = Callable[..., Any]
POST = {"method": "POST", "path": "/v2/orders"}
BY_ID = {"method": "GET", "path": "/v2/orders:by_client_order_id"}
POSITIONS = {"method": "GET", "path": "/v2/positions"}
LIST = {"method": "GET", "path": "/v2/orders"}
STRANGER = PREFIX + "a" * 26


def lost_then_found(here: Place, run: Rig) -> None:
    """An entry whose answer was lost, which one lookup does not find and the next one does."""
    here.venue.fault({"do": "accept_then_drop", "match": POST})
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("09:45")
    here.venue.fault({"do": "refuse", "as": "no_order", "match": BY_ID})
    here.venue.fault({"do": "stale_list", "match": LIST, "times": 1})
    run.tick("09:48")
    assert [t.missed for t in run.runtime.progress.book.orders] == [1]
    run.tick()
    assert [(t.state, t.missed) for t in run.runtime.progress.book.orders] == [(OrderState.ACCEPTED, 0)]


def test_r09_an_order_that_was_lost_and_found_is_cancelled_by_its_age(place: Build) -> None:
    here = place(AAA="+0000")
    run = here.rig()
    lost_then_found(here, run)
    run.tick(times=3)
    assert [o["status"] for o in orders(here.venue)] == ["canceled"]
    assert run.runtime.progress.book.orders == ()


def test_r43_a_kill_cancels_an_order_that_was_lost_and_found(place: Build, kill: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    submit, under_way = type(run.runtime.edges.broker).submit, []

    def late(_broker: Any, order: Any, _now: int) -> Any:
        under_way.append(order)
        raise BrokerError("no answer within 10 s")

    type(run.runtime.edges.broker).submit = late  # type: ignore[method-assign]
    try:
        run.tick("09:45")
        run.tick("09:48")  # two ticks were missed: not there, and too late to be sent again
    finally:
        type(run.runtime.edges.broker).submit = submit  # type: ignore[method-assign]
    order = under_way[0]
    here.venue.manual(do="order", symbol="AAA", side="buy", qty=str(order.qty), client_order_id=order.client_order_id)
    run.tick()
    kill(run.out, "--flatten")
    run.tick(times=3)
    assert run.world.gate.kill
    assert [o["status"] for o in orders(here.venue)] == ["canceled"]
    assert held(here.venue) == {}


def test_r12_an_exit_is_not_sent_again_after_somebody_else_sold(place: Build) -> None:
    here = place(AAA="+0++")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "drop_before", "match": POST})
    assert [o.leg for o in run.tick("10:00").netted.orders] == ["close"]
    here.venue.manual(do="order", symbol="AAA", side="sell", qty=str(held(here.venue)["AAA"]))
    here.venue.move(moment("10:00") + 30)
    assert held(here.venue) == {}
    run.tick(times=3)
    run.tick("10:14")
    assert held(here.venue) == {}
    assert len([o for o in orders(here.venue) if o["side"] == "sell"]) == 0


def test_r11_an_order_whose_last_look_failed_is_looked_at_again_before_it_is_sent(place: Build) -> None:
    """The positions cannot be read before sending; by the next tick somebody else has sold."""
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "503", "match": {**POSITIONS, "nth": 2}})
    assert [o.leg for o in run.tick("10:00").netted.orders] == ["close"]
    assert len(orders(here.venue)) == 1
    here.venue.manual(do="trade", symbol="AAA", qty=f"-{held(here.venue)['AAA']}", price="102")
    run.tick(times=5)
    assert held(here.venue) == {}
    assert len(orders(here.venue)) == 1


def test_r05_what_the_last_look_stopped_is_not_sent_by_the_next_start_either(place: Build) -> None:
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    kind = type(run.runtime.edges.broker)
    positions = kind.positions

    def sold(broker: Any) -> Any:
        here.venue.manual(do="trade", symbol="AAA", qty=f"-{held(here.venue)['AAA']}", price="102")
        return positions(broker)

    kind.positions = sold  # type: ignore[method-assign]
    try:
        report = run.tick("10:00")
    finally:
        kind.positions = positions  # type: ignore[method-assign]
    assert [r.state for r in report.replies] == ["EXPIRED_UNSENT"]
    run.crash()
    again = here.rig()
    again.tick(times=4)
    assert held(here.venue) == {}
    assert len(orders(here.venue)) == 1


def test_an_exit_that_never_arrived_is_sent_as_soon_as_the_broker_takes_it(place: Build) -> None:
    here = place(AAA="+0++")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "drop_before", "match": POST, "times": 0})
    run.tick("10:00")
    run.tick(times=5)
    here.venue.heal()
    run.tick()
    assert [(o["side"], o["status"]) for o in orders(here.venue)] == [("buy", "filled"), ("sell", "new")]
    assert len(run.intents()) == 2
    run.tick()
    assert calls(here.venue, "DELETE") == {}, "it ages from when it was sent"


@pytest.mark.parametrize("what", ["skew", "blocked", "not_tradable", "external_order", "runner"])
def test_an_entry_is_not_sent_again_into_an_account_that_changed(place: Build, what: str) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "drop_before", "match": POST})
    run.tick("09:45")
    faults = {
        "skew": {"do": "clock_skew", "seconds": 600},
        "blocked": {"do": "trading_blocked"},
        "not_tradable": {"do": "not_tradable", "match": {"symbol": "AAA"}},
    }
    if what in faults:
        here.venue.fault(faults[what])
        run.runtime.edges.broker.refresh_assets()
    elif what == "external_order":
        here.venue.manual(do="order", symbol="AAA", side="buy", qty="5", type="limit", limit_price="1")
    else:
        here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "DDD"}})
        here.venue.manual(do="order", symbol="DDD", side="buy", qty="5", client_order_id=STRANGER)
    before = calls(here.venue, "POST").get("POST /v2/orders", 0)
    run.tick()
    assert calls(here.venue, "POST").get("POST /v2/orders", 0) == before
    assert orders(here.venue, "AAA") == []


def test_r36_prices_are_looked_at_again_before_an_order_is_sent_again(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+")
    here.edit("collar: 50%", "collar: 2%")
    run = here.rig()
    here.venue.fault({"do": "drop_before", "match": POST})
    run.tick("09:45")
    monkeypatch.setattr(run.runtime._prices, "_look_again", 0.0)
    quotes = run.runtime.edges.quotes
    assert quotes is not None
    read = type(quotes).quotes

    def moved(feed: Any, now: int) -> Any:
        row = read(feed, now)
        row.prices[:] = 150.0
        row.at[:] = now
        return row

    monkeypatch.setattr(type(quotes), "quotes", moved)
    run.tick(times=2)
    assert orders(here.venue) == []
    monkeypatch.undo()


def test_answers_of_the_same_tick_that_come_one_after_another_are_all_stored(place: Build) -> None:
    """A clean stop, a resend whose answer is lost, a tick that finds it: three times answers of one tick."""
    here = place(AAA="+", BBB="+")
    run = here.rig()
    here.venue.fault({"do": "drop_before", "match": {"method": "POST", "symbol": "AAA"}})
    run.tick("09:45")
    run.stop()
    here.venue.fault({"do": "accept_then_drop", "match": {"method": "POST", "symbol": "AAA"}})
    for _ in range(3):
        again = here.rig()
        again.tick()
        again.crash()
    again = here.rig()
    again.tick(times=2)
    assert [o["status"] for o in orders(here.venue, "AAA")] == ["filled"]
    assert again.ledger() == held(here.venue)


def test_r08_another_runner_whose_orders_fill_at_once_is_seen(place: Build) -> None:
    here = place(AAA="0+", BBB="00+")
    run = here.rig()
    run.tick("09:45")
    here.venue.manual(do="order", symbol="DDD", side="buy", qty="5", client_order_id=STRANGER)
    run.tick("10:01")
    run.tick("10:02")
    assert held(here.venue) == {"DDD": Decimal(5)}
    assert run.world.gate.kill
    assert any("another runner" in said for said in run.told.said)


def test_r03_a_refusal_that_says_the_id_is_used_for_something_else_kills(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+", BBB="00+")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    broker = type(run.runtime.edges.broker)
    submit = broker.submit

    def second(self: Any, order: Any, now: int) -> Any:
        if not orders(here.venue):
            here.venue.manual(do="order", symbol="AAA", side="buy", qty="5", client_order_id=order.client_order_id)
        return submit(self, order, now)

    monkeypatch.setattr(broker, "submit", second)
    run.tick("09:45")
    run.tick()
    assert run.world.gate.kill
    assert int(run.world.gate.why) == Reason.KILL_RUNNER
    run.tick("10:15", times=2)
    assert len(orders(here.venue)) == 1


def test_r42_a_lost_entry_is_not_sent_again_into_an_exit(place: Build) -> None:
    """An addition is lost; the text closes the symbol meanwhile, and that exit is lost too: the exit comes first, and alone."""
    here = place(AAA="++++")
    here.edit("risk: {max_symbol: 20%", "risk: {max_symbol: 10%")
    run = here.rig()
    run.tick("09:45", times=2)
    here.edit("risk: {max_symbol: 10%", "risk: {max_symbol: 20%")
    here.venue.fault({"do": "drop_before", "match": POST, "times": 0})
    run.tick("10:00")
    assert [o.leg for o in run.last.netted.orders] == ["open"]
    here.edit("allowlist: all", "allowlist: {BBB: [level], CCC: [level], DDD: [level]}")
    run.tick(times=2)
    here.venue.heal()
    run.tick(times=2)
    assert [o["side"] for o in orders(here.venue, "AAA")] == ["buy", "sell"]
    assert not [o for o in orders(here.venue) if o["status"] == "rejected"]


def test_r10_what_others_traded_in_what_is_ours_is_told(place: Build) -> None:
    here = place(AAA="+hhh")
    run = here.rig()
    run.tick("09:45", times=2)
    ours = held(here.venue)["AAA"]
    here.venue.manual(do="trade", symbol="AAA", qty=f"-{ours + 104}", price="100")
    run.tick(times=2)
    assert any(f"the account holds -104, and by our fills it is {ours}" in said for said in run.told.said)
    with JournalReader(run.out / "journal.db") as journal:
        found = standing(journal, stored_program)
    assert found is not None
    assert found.differs == (("AAA", ours, Decimal(-104)),)
    here.venue.manual(do="trade", symbol="AAA", qty="104", price="100")
    run.tick(times=3)
    assert any(f"{ours} AAA of ours are gone without an order of ours" in said for said in run.told.said)
    assert run.ledger() == held(here.venue) == {}


def test_an_order_is_stuck_when_the_world_would_have_cancelled_it_long_ago(place: Build) -> None:
    here = place(AAA="+")
    here.edit("min_delta:", "cancel_after: 25, min_delta:")
    run = here.rig()
    here.venue.fault({"do": "cancel_pending_forever", "match": {"symbol": "AAA"}})
    run.tick("09:45")
    here.venue.fault({"do": "halted", "match": {"symbol": "AAA"}})  # keeps it from filling
    run.tick(times=27)
    assert run.told.said == []
    run.tick(times=4)
    assert any("it should have ended by now" in said for said in run.told.said)


def test_r05_a_cancel_that_a_crash_kept_from_leaving_is_asked_for_by_the_next_start(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("09:45", times=2)
    with monkeypatch.context() as patch:

        def killed(*_: Any) -> Any:
            raise KeyboardInterrupt

        patch.setattr(type(run.runtime.edges.broker), "cancel", killed)
        with pytest.raises(KeyboardInterrupt):
            run.tick()
    run.crash()
    assert calls(here.venue, "DELETE") == {}
    here.rig()
    assert sum(calls(here.venue, "DELETE").values()) == 1
    assert [o["status"] for o in orders(here.venue)] == ["canceled"]


def test_r10_a_new_journal_says_what_it_finds_on_the_account(place: Build) -> None:
    here = place(AAA="+", BBB="0")
    before = here.rig()
    assert before.runtime.progress.remarks == ()
    before.crash()
    here.venue.manual(do="trade", symbol="AAA", qty="7", price="100")
    here.venue.manual(do="trade", symbol="XXX", qty="7", price="100")
    (remark,) = here.rig(out="other", name="tiny2").runtime.progress.remarks
    assert "the account holds AAA, which this journal did not buy" in remark
