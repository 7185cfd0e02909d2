"""Pitfalls R10 to R19 on the real thing: what the account holds, what is remembered, what a restart makes of both."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qmtl.engine import runtime as runtimes
from qmtl.engine.errors import BrokerError, JournalError, StateError
from qmtl.engine.execution.lifecycle import TRANSITIONS, Tracked
from qmtl.engine.execution.phases import MOVES, Phase, phases
from qmtl.engine.orders import TERMINAL, Attribution, Order, OrderState
from qmtl.engine.reasons import Reason

from .market import moment
from .rig import Rig, calls, held, orders

Build = Callable[..., Any]
POSITIONS = {"method": "GET", "path": "/v2/positions"}


# ---- R10 to R12: what the broker says


def test_r10_an_unknown_position_is_external_and_nothing_is_opened_beside_it(place: Build) -> None:
    here = place(AAA="0+", BBB="0+")
    here.venue.manual(do="trade", symbol="AAA", qty="7", price="100")
    run = here.rig()
    run.tick("09:45")
    run.tick("10:00", times=3)
    assert run.world.policy.reason[0] == Reason.EXTERNAL
    assert run.world.load.external[0]
    assert [o["symbol"] for o in orders(here.venue)] == ["BBB"]
    assert held(here.venue)["AAA"] == 7
    assert "AAA" not in run.ledger()


def test_r10_an_unknown_position_is_unwound_where_the_text_says_so(place: Build) -> None:
    here = place()
    here.edit("exchange:", "position_policy: {external: unwind_only}\nexchange:")
    here.venue.manual(do="trade", symbol="AAA", qty="7", price="100")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:00", times=2)
    (order,) = orders(here.venue)
    assert (order["symbol"], order["side"], order["qty"]) == ("AAA", "sell", "7")
    assert held(here.venue) == {}


def test_r10_while_fills_and_positions_do_not_agree_nothing_is_opened_in_that_symbol(place: Build) -> None:
    """Ours was sold by hand. Until a second reading says so too, and it is written off, the symbol is blocked; others trade."""
    here = place(AAA="+", BBB="0+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("09:59")
    here.venue.manual(do="trade", symbol="AAA", qty=f"-{held(here.venue)['AAA']}", price="102")
    run.tick("10:00")
    assert run.world.load.external[0]
    assert [o.symbol for o in run.last.netted.orders] == ["BBB"]
    run.tick(times=3)
    assert "AAA" not in run.ledger()
    run.tick("10:15", times=2)
    assert run.ledger() == held(here.venue)
    assert len(orders(here.venue, "AAA")) == 2


@pytest.mark.parametrize("fault", ["503", "drop_before", "html_200", "empty_200", "truncated_json", "hang"])
def test_r11_positions_that_cannot_be_read_are_not_flat_and_the_tick_sends_nothing(place: Build, fault: str) -> None:
    here = place(AAA="+0", BBB="0+", CCC="0-")
    run = here.rig()
    run.tick("09:45", times=2)
    before = run.ledger()
    assert before
    here.venue.fault({"do": fault, "match": POSITIONS, "times": 0})
    posts = here.venue.calls()["POST /v2/orders"]
    run.tick("10:00")
    if fault != "hang":
        run.tick(times=2)
    assert run.last.snapshot is None
    assert here.venue.calls()["POST /v2/orders"] == posts
    assert calls(here.venue, "DELETE") == {}
    assert run.ledger() == before
    assert any("the account cannot be read, so nothing is sent" in text for text in run.told.said)
    here.venue.heal()
    run.tick("10:15", times=2)
    assert {o["symbol"]: o["side"] for o in orders(here.venue)[1:]} == {"AAA": "sell", "BBB": "buy", "CCC": "sell"}
    assert held(here.venue) == run.ledger()


def test_r11_a_start_without_readable_positions_does_not_begin_as_if_it_were_flat(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.crash()
    here.venue.fault({"do": "503", "match": POSITIONS, "times": 0})
    with pytest.raises(BrokerError, match="/positions failed"):
        here.rig()
    here.venue.heal()
    again = here.rig()
    again.tick("10:00", times=2)
    assert len(orders(here.venue)) == 1
    assert again.ledger() == held(here.venue)


def test_r12_a_partial_fill_counts_at_once_and_the_next_decision_sizes_from_the_brokers_quantity(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    here.venue.fault({"do": "partial_fills", "parts": 4, "match": {"symbol": "AAA"}})
    (wanted,) = run.tick("09:45").netted.orders
    for _ in range(4):
        run.tick()
        assert run.ledger() == held(here.venue)
        assert run.world.account.qty[0] == float(held(here.venue)["AAA"])
    part = held(here.venue)["AAA"]
    assert 0 < part < wanted.qty
    (rest,) = run.tick("10:00").netted.orders
    assert rest.qty == wanted.qty - part
    run.tick(times=2)
    assert held(here.venue) == run.ledger() == {"AAA": wanted.qty}


def test_r12_nothing_is_sent_while_a_remainder_is_open_nor_while_orders_cannot_be_read(place: Build) -> None:
    here = place(AAA="++0", BBB="00+")
    here.edit("min_delta:", "cancel_after: 40, min_delta:")
    run = here.rig()
    here.venue.fault({"do": "partial_fills", "parts": 50, "match": {"symbol": "AAA"}})
    run.tick("09:45", times=3)
    run.tick("10:00")
    assert run.why("AAA") == Reason.WORKING
    assert len(orders(here.venue)) == 1
    here.venue.fault({"do": "503", "match": {"method": "GET", "path": "/v2/orders"}, "times": 0})
    run.tick("10:15", times=2)
    assert len(orders(here.venue)) == 1
    here.venue.heal()
    run.tick("10:30", times=17)
    assert held(here.venue) == run.ledger()
    assert "AAA" not in run.ledger()  # the remainder was cancelled, then exactly what was held was sold
    assert sum(Decimal(o["filled_qty"]) * (1 if o["side"] == "buy" else -1) for o in orders(here.venue, "AAA")) == 0


# ---- R13 to R15: what a restart remembers


def test_r13_a_restart_in_the_middle_of_a_drawdown_keeps_the_limit_that_was(place: Build) -> None:
    """Half of the loss before the restart, half after it: together they are beyond the limit of the day."""
    here = place(AAA="h+", BBB="hh+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:00", times=2)
    level, loss = run.world.gate.day_level, run.world.gate.day_loss
    assert -0.02 < loss < -0.01
    assert not run.world.gate.kill
    run.crash()
    again = here.rig()
    again.tick("10:05")
    assert (again.world.gate.day_level, again.world.gate.day_loss) == (level, loss)
    again.tick("10:15", times=2)
    assert again.world.gate.kill == Reason.KILL_DAY
    assert again.world.gate.killed_at == moment("10:16")


def test_r13_a_kill_its_reason_and_its_moment_survive_a_restart_and_end_by_a_person_only(
    place: Build, resume: Build
) -> None:
    here = place(AAA="hh+", BBB="hh+", CCC="000-")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:15", times=2)
    gate = run.world.gate
    assert gate.kill == Reason.KILL_DAY
    for when in ("10:20", "10:30"):
        run.crash()
        run = here.rig()
        run.tick(when)
        assert (run.world.gate.kill, run.world.gate.killed_at) == (gate.kill, gate.killed_at)
        assert any("is still killed: kill.daily_loss" in text for text in run.told.said)
        run.tick(times=2)
    assert orders(here.venue, "CCC") == []
    assert resume(run.out).exit_code == 0
    run.tick("10:45", times=2)
    assert not run.world.gate.kill
    assert len(orders(here.venue, "CCC")) == 1


def test_r14_a_loss_that_is_realised_counts_after_a_restart_with_nothing_held(place: Build) -> None:
    here = place(AAA="h0", BBB="00h+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.tick("10:00", times=2)
    assert held(here.venue) == run.ledger() == {}
    loss = run.world.gate.day_loss
    assert loss < -0.015
    run.crash()
    again = here.rig()
    again.tick("10:15", times=2)
    assert again.world.gate.day_loss == pytest.approx(loss)
    again.tick("10:30", times=2)
    assert again.world.gate.kill == Reason.KILL_DAY


def test_r14_a_start_adds_a_version_of_what_is_stored_and_takes_none_away(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.stop()
    before = _rows(run.out, "SELECT * FROM entries ORDER BY seq")
    newest = _rows(run.out, "SELECT * FROM snapshots ORDER BY 1")[-1]
    again = here.rig()
    assert _rows(run.out, "SELECT * FROM entries ORDER BY seq")[: len(before)] == before
    assert newest in _rows(run.out, "SELECT * FROM snapshots ORDER BY 1")
    assert again.ledger() == held(here.venue)


def _rows(out: Path, query: str) -> list[Any]:
    with sqlite3.connect(out / "journal.db") as db:
        return db.execute(query).fetchall()


@pytest.mark.parametrize("torn", [1, 2])
def test_r15_a_torn_snapshot_is_left_for_the_one_before_or_for_a_new_warm_up(place: Build, torn: int) -> None:
    """The next decisions are those of a run whose snapshots are sound; with none that is, the account is read first, as ever."""
    decided = []
    for damage in (0, torn):
        here = place(AAA="++0", BBB="000+")
        run = here.rig()
        run.tick("09:45", times=2)
        run.tick("10:00", times=2)
        run.stop()
        with sqlite3.connect(run.out / "journal.db") as db:
            names = [row[0] for row in db.execute("SELECT rowid FROM snapshots ORDER BY rowid DESC")]
            assert len(names) == 2
            for name in names[:damage]:
                db.execute(
                    "UPDATE snapshots SET payload = substr(payload, 1, length(payload) / 2) WHERE rowid = ?", (name,)
                )
        db.close()
        again = here.rig()
        reports = [again.tick("10:15"), again.tick(), again.tick("10:30"), again.tick()]
        decided.append([(o.symbol, o.side, o.qty, o.reason) for r in reports for o in r.netted.orders])
        assert again.ledger() == held(here.venue)
        again.crash()
    assert decided[0] == decided[1]
    assert [(symbol, side) for symbol, side, _, _ in decided[0]] == [("AAA", "sell"), ("BBB", "buy")]


def test_r15_a_journal_that_is_torn_is_refused_before_anything_is_sent(place: Build) -> None:
    here = place(AAA="+")
    run = here.rig()
    run.tick("09:45", times=2)
    run.stop()
    path = run.out / "journal.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    posts = here.venue.calls()["POST /v2/orders"]
    with pytest.raises((JournalError, StateError)):
        here.rig()
    assert here.venue.calls()["POST /v2/orders"] == posts


# ---- R16 to R19


def test_r16_the_stop_counts_from_the_brokers_average_and_holds_for_the_rest_of_a_partial_exit(place: Build) -> None:
    here = place(AAA="hd")
    here.edit("position_stop: 50%", "position_stop: 4%")
    run = here.rig()
    run.tick("09:45", times=2)
    average = Decimal(here.venue.book()["positions"]["AAA"]["average"])
    assert run.world.account.average_price[0] == float(average) == 110
    here.venue.fault({"do": "partial_fills", "parts": 5, "match": {"symbol": "AAA"}})
    run.tick("10:00", times=4)
    rest = held(here.venue)["AAA"]
    assert 0 < rest < Decimal(orders(here.venue)[0]["qty"])
    assert run.world.load.average[0] == 110
    assert run.why("AAA") in (Reason.POSITION_STOP, Reason.WORKING)
    run.tick("10:04", times=30)
    assert held(here.venue) == run.ledger() == {}
    assert {o.reason for o in run.intents().values() if o.leg == "close"} == {Reason.POSITION_STOP.code}


@pytest.mark.parametrize("seed", range(4))
def test_r17_a_random_walk_makes_no_jump(place: Build, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Random signals and faults; each half of a tick (what was heard, what is sent) moves a symbol by the table or not at all."""
    draw = random.Random(seed)
    here = place(**{name: "".join(draw.choice("+-0") for _ in range(26)) for name in ("AAA", "BBB", "CCC", "DDD")})
    run = here.rig()
    walked: list[tuple[Phase, Phase]] = []
    before: dict[str, Phase] = {}
    inner = runtimes.check_moves

    def moved(book: Any) -> None:
        now = phases(book)
        names = before.keys() | now.keys()
        walked.extend((before.get(name, Phase.FLAT), now.get(name, Phase.FLAT)) for name in names)
        before.clear()
        before.update(now)

    def check(book: Any, sent: Any) -> None:
        moved(book)
        inner(book, sent)

    monkeypatch.setattr(runtimes, "check_moves", check)
    rates = {
        "partial_fills": 0.3,
        "slow_fill": 0.15,
        "reject_after_accept": 0.1,
        "slow_cancel": 0.15,
        "accept_then_drop": 0.1,
        "drop_before": 0.05,
    }
    here.venue.draw(seed, rates, {"method": "POST"})
    for bar in range(24):
        run.tick(_clock(bar))
        moved(run.runtime.progress.book)
        for _ in range(3):
            run.tick()
            moved(run.runtime.progress.book)
    assert {phase for step in walked for phase in step} == set(Phase)
    wrong = [(a, b) for a, b in walked if a is not b and b not in MOVES[a]]
    assert wrong == []
    assert run.world.gate.kill in (0, Reason.KILL_CONSECUTIVE, Reason.KILL_FAILURES, Reason.KILL_RATE, Reason.KILL_DAY)


def _clock(bar: int) -> str:
    minutes = 9 * 60 + 45 + 15 * bar
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@given(st.lists(st.sampled_from(OrderState), max_size=12))
def test_r17_an_order_takes_only_the_steps_of_its_table(walk: list[OrderState]) -> None:
    order = Order(
        "q1-a", "AAA", "buy", Decimal(5), "open", 900, 1, "ok", Decimal(1), 0, (Attribution("w", "s", "g", Decimal(5)),)
    )
    tracked = Tracked(order, OrderState.INTENDED)
    for state in walk:
        if state is tracked.state or state in TRANSITIONS[tracked.state]:
            tracked = tracked.to(state)
            assert tracked.state is state
        else:
            with pytest.raises(StateError):
                tracked.to(state)
    if tracked.state in TERMINAL:
        assert TRANSITIONS[tracked.state] == frozenset()


def test_r17_opening_what_closes_is_refused_before_it_is_journaled(
    place: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(AAA="+0")
    run = here.rig()
    run.tick("09:45", times=2)
    here.venue.fault({"do": "slow_fill", "seconds": 36_000, "match": {"symbol": "AAA"}})
    run.tick("10:00")
    assert phases(run.runtime.progress.book) == {"AAA": Phase.CLOSING}
    intents = run.intents()
    inner = runtimes.net

    def again(*arguments: Any) -> Any:
        netted = inner(*arguments)
        (order,) = [o for o in intents.values() if o.leg == "open"]
        return type(netted)(**{**{f: getattr(netted, f) for f in netted.__slots__}, "orders": (order,)})

    monkeypatch.setattr(runtimes, "net", again)
    with pytest.raises(StateError, match="would open AAA, which is closing"):
        run.tick()
    assert run.intents() == intents
    assert len(orders(here.venue)) == 2


def test_r18_a_night_and_ticks_without_a_symbol_wipe_nothing_that_is_remembered_of_it(place: Build) -> None:
    here = place(AAA="+", BBB="+")
    here.edit("side_cooldown: 15m", "side_cooldown: 2d")
    run = here.rig()
    run.tick("09:45", times=3)
    kept = _memory(run)
    assert kept["owner"][0] >= 0
    here.venue.fault({"do": "missing_symbols", "symbols": ["AAA"], "times": 0, "match": {"path": "/v2/stocks*"}})
    run.tick("10:00", times=2)
    here.venue.heal()
    for when in ("16:01", "20:00", "2025-11-25 03:00", "2025-11-25 08:00"):
        run.tick(when)
        assert _memory(run) == kept
    run.crash()
    again = here.rig()
    again.tick("2025-11-25 09:10")
    assert _memory(again) == kept


def _memory(run: Rig) -> dict[str, list[Any]]:
    state = run.runtime.worlds[0].state
    names = ("owner", "side", "side_opened_at", "reject_until", "selected")
    return {name: getattr(state, name)[:2].tolist() for name in names if hasattr(state, name)}


def test_r19_a_cooldown_is_a_moment_and_a_restart_moves_it_nowhere(place: Build) -> None:
    here = place(AAA="0+", BBB="0+")
    here.edit("min_delta:", "reject_cooldown: 25, min_delta:")
    run = here.rig()
    run.tick("09:45")
    here.venue.fault({"do": "refuse", "as": "buying_power", "match": {"method": "POST", "symbol": "AAA"}})
    run.tick("10:00", times=2)
    until = int(run.runtime.worlds[0].state.reject_until[0])
    assert until == moment("10:26")  # heard of at 10:01
    for when in ("10:05", "10:10"):
        run.crash()
        run = here.rig()
        run.tick(when)
        assert run.runtime.worlds[0].state.reject_until[0] == until
    run.tick("10:15", times=2)
    assert run.world.orders.reason[0] == Reason.REJECT_COOLDOWN or not run.world.market.decision
    assert [o["symbol"] for o in orders(here.venue)] == ["BBB"]
    run.tick("10:30", times=2)
    assert [o["symbol"] for o in orders(here.venue)] == ["BBB", "AAA"]


def test_r10_an_entry_that_fills_beside_a_purchase_by_hand_has_its_owner_when_that_is_undone(place: Build) -> None:
    here = place(AAA="++")
    run = here.rig()
    run.tick("09:45")
    assert run.runtime.progress.book.orders
    here.venue.manual(do="trade", symbol="AAA", qty="7", price="100")
    run.tick()  # the entry fills, and somebody else has shares too: external as a whole
    column = run.world.frame.index["AAA"]
    assert run.world.load.external[column]
    ours = dict(run.runtime.progress.book.ledger)["AAA"]
    assert run.world.after.owner[column] >= 0
    assert run.world.after.side[column] == 1
    here.venue.manual(do="trade", symbol="AAA", qty="-7", price="100")
    run.tick()
    assert not run.world.load.external[column]
    assert held(here.venue)["AAA"] == ours
    assert run.world.after.owner[column] >= 0
