"""Pitfalls R01 to R09 on the real thing: program, journal and venue; what is sent, what is known of it, and who may send."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from qmtl.engine.errors import LockedError
from qmtl.engine.journal.reader import JournalReader
from qmtl.engine.orders import PREFIX, OrderState, client_order_id
from qmtl.engine.reasons import Reason

from ..crash.campaign import Nursery, nursery
from ..crash.child import Life
from ..crash.points import new_counts
from .market import DAY, deployed, moment
from .rig import Rig, held, orders

Build = Callable[..., Any]
POST = {"method": "POST", "path": "/v2/orders"}
BY_ID = {"method": "GET", "path": "/v2/orders:by_client_order_id"}
#: replies of orders that were taken, and say nothing or nonsense
TAKEN = (
    "accept_then_drop",
    "accept_then_504",
    "accept_then_500",
    "accept_then_hang",
    "empty_200",
    "html_200",
    "truncated_json",
    "unknown_enum",
)


@pytest.fixture(scope="module")
def lives() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


@pytest.mark.parametrize("fault", TAKEN)
def test_r01_an_order_that_is_taken_without_an_answer_is_exactly_one_order(place: Build, fault: str) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": fault, "match": POST})
    run.tick("09:45")
    run.tick(times=4)
    (order,) = orders(here.venue)
    assert (order["posts"], order["status"]) == (1, "filled")
    assert here.venue.log()[0]["kind"] == fault
    assert held(here.venue) == run.ledger() == {"AAA": Decimal(order["qty"])}
    run.tick("10:00", times=3)
    assert len(orders(here.venue)) == 1


@pytest.mark.parametrize("fault", ["drop_before", "500", "503", "hang"])
def test_r01_an_order_that_was_not_taken_is_sent_again_under_its_id_and_is_one_order(place: Build, fault: str) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": fault, "match": POST})
    (sent,) = run.tick("09:45").netted.orders
    assert orders(here.venue) == []
    run.tick()
    (order,) = orders(here.venue)
    assert order["client_order_id"] == sent.client_order_id
    run.tick(times=3)  # nothing fills between two bars here: its age ends it, and the next decision asks anew
    run.tick("10:00", times=3)
    assert [o["status"] for o in orders(here.venue)] == ["canceled", "filled"]
    assert held(here.venue) == run.ledger() == {"AAA": sent.qty}


def test_r01_while_no_lookup_is_answered_the_symbol_is_blocked_and_a_person_is_told(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "drop_before", "match": POST}, {"do": "503", "match": BY_ID, "times": 0})
    run.tick("09:45", times=4)
    (tracked,) = run.runtime.progress.book.orders
    assert tracked.state is OrderState.UNKNOWN
    assert any("nobody knows whether the broker has it" in text for text in run.told.said)
    run.tick("10:00")
    assert run.why("AAA") == Reason.WORKING
    assert [o["symbol"] for o in orders(here.venue)] == ["BBB"]
    here.venue.heal()
    run.tick(times=3)
    assert not run.runtime.progress.book.orders
    run.tick("10:15", times=2)
    assert [o["symbol"] for o in orders(here.venue)] == ["BBB", "AAA"]
    assert held(here.venue) == run.ledger()


def test_r01_an_order_that_was_taken_is_found_when_the_account_can_be_read_again(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "accept_then_drop", "match": POST})
    run.tick("09:45")
    here.venue.fault({"do": "503", "match": {"method": "GET", "path": "/v2/*"}, "times": 0})
    run.tick(times=4)
    run.tick("10:00")
    assert [o["posts"] for o in orders(here.venue)] == [1]
    assert not run.last.netted.orders
    here.venue.heal()
    run.tick(times=2)
    run.tick("10:15", times=2)
    assert len(orders(here.venue, "AAA")) == 1
    assert held(here.venue) == run.ledger()
    assert sorted(run.ledger()) == ["AAA", "BBB"]


def test_r02_the_id_follows_from_the_decision_and_stands_in_the_journal_before_the_order_leaves(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+")
    run = here.rig()
    on_disk: list[set[str]] = []
    broker = run.runtime.edges.broker
    inner = type(broker).submit

    def submit(self: Any, order: Any, now: int) -> Any:
        with JournalReader(
            run.out / "journal.db"
        ) as journal:  # another connection sees what is committed, nothing else
            on_disk.append({stored.entry.key for stored in journal.read("intent")})
        return inner(self, order, now)

    monkeypatch.setattr(type(broker), "submit", submit)
    run.tick("09:45")
    name = client_order_id("tiny", moment("09:45"), "AAA", "open", 1)
    assert on_disk == [{name}]
    assert [o["client_order_id"] for o in orders(here.venue)] == [name]
    assert len(name) <= 32
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@pytest.mark.parametrize(
    ("point", "there"), [("before POST order", 0), ("sent POST order", 1), ("after POST order", 1)]
)
def test_r02_r05_a_process_that_is_killed_around_the_sending_left_its_intent_and_sends_one_order(
    place: Build, lives: Nursery, tmp_path: Path, point: str, there: int
) -> None:
    here = place(AAA="0+")
    config = deployed(here.home, here.venue.url)
    log, name = tmp_path / "lives.log", client_order_id("tiny", moment("10:00"), "AAA", "open", 1)
    counts = tmp_path / "points.bin"
    new_counts(counts)
    life = Life(
        str(config),
        here.venue.url,
        here.venue.key,
        here.venue.secret,
        str(tmp_path / "state"),
        DAY,
        DAY,
        str(log),
        str(counts),
    )
    ended = lives.live(replace(life, deaths={point: 1}))
    assert ended["killed"], log.read_text()
    with JournalReader(here.home / "out" / "journal.db") as journal:
        assert [stored.entry.key for stored in journal.read("intent")] == [name]
    assert [o["client_order_id"] for o in orders(here.venue)] == [name] * there
    assert lives.live(life)["code"] == 0, log.read_text()
    (order,) = orders(here.venue)
    assert (order["client_order_id"], order["posts"], order["status"]) == (name, 1, "filled")


def test_r03_an_id_that_is_used_already_means_already_placed(place: Build) -> None:
    """The lookup says that it is not there, so the same order is sent again; the refusal of its id is no refusal of it."""
    here = place(AAA="+")
    here.edit("min_delta:", "cancel_after: 40, min_delta:")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 90, "match": {"symbol": "AAA"}})
    here.venue.fault({"do": "accept_then_drop", "match": POST}, {"do": "refuse", "as": "no_order", "match": BY_ID})
    here.venue.fault({"do": "stale_list", "match": {"method": "GET", "path": "/v2/orders"}, "times": 3})
    run.tick("09:45")
    run.tick(times=3)
    run.tick("10:00", times=2)
    (order,) = orders(here.venue)
    assert order["posts"] == 2
    assert here.venue.book()["posts"][order["client_order_id"]]["refused"] == 1
    assert [r.state for r in run.replies()][-1] == "ACCEPTED"
    assert run.ledger() == held(here.venue) == {"AAA": Decimal(order["qty"])}


def test_r03_after_a_cancel_the_next_try_has_another_id(place: Build) -> None:
    """Alpaca refuses a used id for ever; the next decision is another one and never runs into that."""
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("09:45")
    run.tick(times=3)
    assert [o["status"] for o in orders(here.venue)] == ["canceled"]
    run.tick("10:00")
    run.tick()
    first, second = orders(here.venue)
    assert first["client_order_id"] != second["client_order_id"]
    assert second["status"] == "filled"
    assert all(post["refused"] == 0 for post in here.venue.book()["posts"].values())


def test_r03_a_used_id_whose_order_was_cancelled_ends_as_cancelled(place: Build) -> None:
    here = place(AAA="+++")
    run = here.rig()
    here.venue.fault({"do": "accept_then_drop", "match": POST})
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    (sent,) = run.tick("09:45").netted.orders
    here.venue.manual(do="cancel", client_order_id=sent.client_order_id)
    here.venue.fault({"do": "refuse", "as": "no_order", "match": BY_ID})
    run.tick(times=2)
    (order,) = orders(here.venue)
    assert (order["status"], order["posts"]) == ("canceled", 2)
    assert not run.runtime.progress.book.orders
    assert [e.kind for e in run.events()] == ["canceled"]
    run.tick("10:00")
    run.tick()
    assert run.ledger() == held(here.venue) != {}


def test_r04_an_order_of_somebody_else_that_looks_the_same_is_never_taken_for_ours(place: Build) -> None:
    """Ours never arrived; a person bought the same number of the same shares. Theirs is external, ours is looked up by id."""
    here = place(AAA="0+")
    run = here.rig()
    run.tick("09:45")
    here.venue.fault({"do": "drop_before", "match": POST}, {"do": "503", "match": BY_ID, "times": 0})
    (sent,) = run.tick("10:00").netted.orders
    here.venue.manual(do="order", symbol="AAA", side="buy", qty=str(sent.qty))
    run.tick(times=4)
    assert held(here.venue) == {"AAA": sent.qty}
    assert run.ledger() == {}
    assert [t.state for t in run.runtime.progress.book.orders] == [OrderState.UNKNOWN]
    assert bool(run.world.load.external[run.world.frame.index["AAA"]])
    assert orders(here.venue) == []
    here.venue.heal()
    run.tick(times=3)  # too late for an entry: it is looked for three times and given up
    assert not run.runtime.progress.book.orders
    assert orders(here.venue) == []
    assert [r.state for r in run.replies()][-1] == "EXPIRED_UNSENT"


def test_r06_what_filled_while_nobody_ran_is_applied_before_anything_is_decided(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    run.tick("09:45")
    assert [o["status"] for o in orders(here.venue)] == ["new"]
    run.crash()
    here.venue.move(moment("09:59"))
    (order,) = orders(here.venue)
    assert order["status"] == "filled"
    again = here.rig()
    report = again.tick("10:00")
    assert [fill.symbol for fill in report.changes.fills] == ["AAA"]
    assert [o.symbol for o in report.netted.orders] == ["BBB"]
    assert again.ledger() == {"AAA": Decimal(order["qty"])} == held(here.venue)
    again.tick(times=2)
    assert len(orders(here.venue, "AAA")) == 1


def test_r07_after_a_stop_nothing_leaves_not_even_when_the_network_is_back(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two entries are decided; somebody stops while the first is on its way into a dead network."""
    here = place(AAA="+", BBB="+")
    run = here.rig()
    broker = run.runtime.edges.broker
    inner = type(broker).submit

    def submit(self: Any, order: Any, now: int) -> Any:
        run.session.stopped.set()
        return inner(self, order, now)

    monkeypatch.setattr(type(broker), "submit", submit)
    here.venue.fault({"do": "drop_before", "match": {"method": "POST"}, "times": 0})
    assert len(run.tick("09:45").netted.orders) == 2
    run.runtime.stop()
    here.venue.heal()
    tried = here.venue.calls()["POST /v2/orders"]
    assert tried == 1
    run.crash()
    reply = inner(broker, run.last.netted.orders[1], int(run.now))
    assert (reply.state, reply.detail) == ("UNKNOWN", "not sent: the connection to the broker is closed")
    here.venue.move(moment("09:50"))
    assert here.venue.calls()["POST /v2/orders"] == tried
    assert orders(here.venue) == []


def test_r07_after_a_kill_an_entry_that_waits_for_the_network_never_leaves(place: Build, kill: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    here.venue.fault({"do": "drop_before", "match": {"method": "POST"}, "times": 0})
    run.tick("09:45")
    here.venue.fault({"do": "503", "match": {"method": "GET"}, "times": 0})
    run.tick()
    kill(run.out)
    here.venue.heal()
    run.tick(times=5)
    assert run.world.gate.kill == Reason.KILL_OPERATOR
    assert [r.state for r in run.replies()][-1] == "EXPIRED_UNSENT"
    run.tick("10:00")
    run.tick(times=3)
    assert orders(here.venue) == []
    assert here.venue.calls()["POST /v2/orders"] == 1


def test_r07_a_kill_is_heard_between_two_orders_of_one_tick(
    place: Build, kill: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+", BBB="+", CCC="+")
    run = here.rig()
    broker = run.runtime.edges.broker
    inner = type(broker).submit

    def submit(self: Any, order: Any, now: int) -> Any:
        kill(run.out)
        return inner(self, order, now)

    monkeypatch.setattr(type(broker), "submit", submit)
    assert len(run.tick("09:45").netted.orders) == 3
    assert here.venue.calls()["POST /v2/orders"] == 1


def test_r07_without_its_lock_a_run_sends_nothing_and_ends(place: Build) -> None:
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    for lock in run.opened.locks:
        lock.path.unlink()
    with pytest.raises(LockedError, match="was taken away while this run held it"):
        run.tick("09:45")
    assert "POST /v2/orders" not in here.venue.calls()


def test_r08_an_account_has_one_runner_wherever_its_files_are(place: Build) -> None:
    """The same folder, another folder, another name of the deployment: the account is the same, and so is the answer."""
    here = place(AAA="+")
    run = here.rig()
    for options in ({}, {"out": "elsewhere"}, {"name": "other", "out": "elsewhere"}):
        with pytest.raises(LockedError, match=r"in use by process \d+ on .* since"):
            here.rig(**options)
    run.tick("09:45")
    watcher = here.rig(name="watcher", out="watched", mode="dry")  # whoever only looks disturbs nobody
    watcher.tick("10:00")
    run.crash()
    assert isinstance(here.rig(name="other", out="later"), Rig)


def test_r08_an_order_of_another_runner_halts_the_account(place: Build) -> None:
    """Another machine, where no lock of ours is seen: its order has our prefix and no intent here."""
    here = place(AAA="0+", BBB="00+")
    run = here.rig()
    run.tick("09:45")
    here.venue.fault({"do": "slow_fill", "seconds": 36_000})
    here.venue.manual(do="order", symbol="DDD", side="buy", qty="5", client_order_id=f"{PREFIX}{'a' * 26}")
    report = run.tick("10:00")
    assert report.ticks[0].gate.kill == Reason.KILL_RUNNER
    assert not report.netted.orders
    assert any("another runner trades this account" in text for text in run.told.said)
    run.tick("10:15")
    run.tick()
    assert [o["symbol"] for o in orders(here.venue)] == ["DDD"]
    assert orders(here.venue, "DDD")[0]["status"] == "new"  # it is not ours to cancel


def test_r09_a_held_leg_of_somebody_elses_order_is_an_open_order(place: Build) -> None:
    here = place(AAA="0+", BBB="0+")
    run = here.rig()
    run.tick("09:45")
    here.venue.manual(
        do="order", symbol="AAA", side="buy", qty="10", order_class="bracket", time_in_force="gtc", type="limit",
        limit_price="90", take_profit={"limit_price": "120"}, stop_loss={"stop_price": "80"},
    )  # fmt: skip
    statuses = {o["status"] for o in here.venue.book()["orders"]}
    assert "held" in statuses
    report = run.tick("10:00")
    assert [o.symbol for o in report.netted.orders] == ["BBB"]
    assert run.why("AAA") == Reason.EXTERNAL_ORDER
    run.tick(times=3)
    assert {o["status"] for o in orders(here.venue, "AAA", ours=False)} == statuses  # never cancelled


def test_r09_an_entry_that_hangs_is_cancelled_and_its_symbol_is_free_again(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("09:45")
    run.tick()
    assert here.venue.book()["orders"][0]["status"] == "new"
    run.tick()
    assert run.world.orders.cancel[0] == Reason.CANCEL_AGE
    assert here.venue.book()["orders"][0]["status"] == "canceled"
    run.tick("10:00")
    assert [o["status"] for o in orders(here.venue)] == ["canceled", "new"]


def test_r09_an_exit_that_hangs_is_cancelled_confirmed_and_replaced(place: Build) -> None:
    """One exit at a time, each cancelled before the next; together they sell what is held, and no share more."""
    here = place(AAA="++0")
    run = here.rig()
    run.tick("09:45")
    run.tick()
    bought = held(here.venue)["AAA"]
    run.tick("10:00")
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("10:15")
    for _ in range(17):
        working = [o for o in orders(here.venue, "AAA") if o["side"] == "sell" and o["status"] == "new"]
        assert len(working) <= 1
        assert held(here.venue).get("AAA", 0) >= 0
        run.tick()
    exits = [o for o in orders(here.venue, "AAA") if o["side"] == "sell"]
    assert exits[0]["status"] == "canceled"
    assert len(exits) > 2
    assert sum(Decimal(o["filled_qty"]) for o in exits) == bought
    assert held(here.venue) == run.ledger() == {}


def test_r09_an_order_whose_cancel_never_ends_is_told_by_its_name(place: Build) -> None:
    """Only the broker can end it. Its symbol waits, which a person hears; others trade."""
    here = place(AAA="+", BBB="00+")
    run = here.rig()
    here.venue.fault({"do": "cancel_pending_forever", "match": {"symbol": "AAA"}})
    run.tick("09:45")
    here.venue.fault({"do": "halted", "match": {"symbol": "AAA"}})  # and a halt keeps it from filling
    run.tick(times=8)
    (order,) = orders(here.venue)
    assert order["status"] == "pending_cancel"
    (told,) = [text for text in run.told.said if "it should have ended by now" in text]
    assert order["client_order_id"] in told
    assert "AAA" in told
    run.tick("10:15")
    assert [o["symbol"] for o in orders(here.venue)] == ["AAA", "BBB"]
    assert run.why("AAA") == Reason.WORKING
