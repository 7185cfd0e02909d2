"""What may be traded: the state that the gate derives, the one that the text declares, and the flattening of a kill."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qmtl.dsl.model import ChurnGuard, RiskLimits
from qmtl.engine.alerts import DAY, HOUR, alerts_of
from qmtl.engine.decide import decide
from qmtl.engine.killswitch import resume
from qmtl.engine.market import OrderResult, WorkingOrder
from qmtl.engine.net import net
from qmtl.engine.reasons import Reason
from qmtl.engine.state import initial
from qmtl.engine.tick import CLOSE_LEG, Tick, columns
from qmtl.engine.trading import TradingState

FLATTEN = RiskLimits(on_kill="flatten")


def killed(state: Any, lab: Any, reason: Reason = Reason.KILL_DAY, at: int = 0) -> Any:
    """The state with a kill in force."""
    return lab.locked(replace(state, kill=np.array(int(reason), dtype=np.uint8), killed_at=np.array(at)))


def working(symbol: str, qty: object, since: int, leg: str = "open") -> WorkingOrder:
    return WorkingOrder(f"q1-{symbol}", symbol, Decimal(str(qty)), leg, since, 1)


# ---- the state


@pytest.mark.parametrize(
    ("declared", "kill", "equity", "breach", "state", "why"),
    [
        ("active", 0, 100_000.0, 0, TradingState.ACTIVE, Reason.NONE),
        ("active", 0, 100_000.0, 1, TradingState.REDUCING, Reason.LOSS_PENDING),
        ("active", 0, float("nan"), 0, TradingState.REDUCING, Reason.EQUITY_DOUBT),
        ("active", 0, float("nan"), 1, TradingState.REDUCING, Reason.EQUITY_DOUBT),
        ("active", 1, 100_000.0, 0, TradingState.HALTED, Reason.KILL_AUTH),
        ("reducing", 0, 100_000.0, 0, TradingState.REDUCING, Reason.DECLARED_REDUCING),
        ("reducing", 0, float("nan"), 0, TradingState.REDUCING, Reason.DECLARED_REDUCING),
        ("reducing", 1, 100_000.0, 0, TradingState.HALTED, Reason.KILL_AUTH),
        ("halted", 0, 100_000.0, 1, TradingState.HALTED, Reason.DECLARED_HALTED),
        ("halted", 1, 100_000.0, 0, TradingState.HALTED, Reason.KILL_AUTH),
    ],
)
def test_the_state_follows_kill_text_and_readings(
    lab: Any, declared: str, kill: int, equity: float, breach: int, state: TradingState, why: Reason
) -> None:
    of = lab.frame(1, risk=RiskLimits(trading=declared))
    before = replace(initial(of), equity=np.array(100_000.0), kill=np.array(kill * int(Reason.KILL_AUTH), np.uint8))
    if breach:  # a first reading beyond the limit, a moment ago
        before = replace(before, day_level=np.array(110_000.0), day_anchor=np.array(110_000.0))
        before = replace(before, close_equity=np.array(100_000.0), day=np.array(10**6, dtype=np.int32))
    tick = lab.decide(of, lab.at("10:00"), lab.locked(before), lab.account(of, equity=equity), signal=1)
    assert (TradingState(tick.gate.trading), Reason(tick.gate.why)) == (state, why)
    assert tick.gate.entries == (state is TradingState.ACTIVE)
    assert tick.orders.leg.any() == (state is TradingState.ACTIVE)
    assert dict(columns(tick))["gate.trading"] == int(state)
    if state is not TradingState.ACTIVE:
        assert lab.why(tick, 0, "orders") is why


def test_numbers_are_frozen() -> None:
    assert [(state.text, int(state)) for state in TradingState] == [("active", 0), ("reducing", 1), ("halted", 2)]


# ---- reducing and halted, by the text


def test_reducing_finishes_a_reversal_flat(lab: Any) -> None:
    """The first leg is a reduction to nothing, the second an entry; it is not kept for later either."""
    of = lab.frame(1, ("alpha",), risk=RiskLimits(trading="reducing"), churn_guard=ChurnGuard(enabled=()))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    after, tick = decide(of, state, lab.market(of, lab.at("11:00"), signal=-1), holds, lab.at("11:00"))
    assert (tick.orders.closing[0], tick.orders.leg[0]) == (True, CLOSE_LEG)
    for clock in ("11:01", "11:15", "11:16"):
        flat = lab.account(of)
        after, tick = decide(of, lab.locked(after), lab.market(of, lab.at(clock), signal=-1), flat, lab.at(clock))
        assert not tick.orders.leg.any()


def test_halted_plans_no_second_leg(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), risk=RiskLimits(trading="halted"))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("11:00"), state, holds, signal=-1)
    assert not tick.orders.leg.any()  # an opposite signal is no exit: the owner does not say 0
    assert not tick.after.pending.any()


def test_a_declared_state_is_no_kill(lab: Any) -> None:
    """Nothing is to be resumed, nothing is flattened, and a kill beside it is a kill."""
    of = lab.frame(1, risk=RiskLimits(trading="halted", on_kill="flatten"))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:15"), state, holds, signal=1)
    assert (tick.gate.kill, tick.orders.leg.any()) == (0, False)
    tick = lab.decide(of, lab.at("10:15"), killed(state, lab), holds, signal=1)
    assert tick.orders.closing[0]


# ---- exits are possible in every state (R42)

EXITS: dict[str, tuple[dict[str, Any], dict[str, Any], Reason]] = {
    "the owner's signal": ({"signal": 0}, {}, Reason.OWNER_EXIT),
    "the position stop": ({"signal": 1, "mark": 94.0}, {}, Reason.POSITION_STOP),
    "a disabled symbol": ({"signal": 1}, {"allowed": ((False,),)}, Reason.UNWIND),
    "a trim": ({"signal": 1}, {"risk": {"max_symbol": 0.05, "cap_tolerance": 1.0}}, Reason.TRIM),
}
STATES: dict[str, dict[str, Any]] = {
    "active": {},
    "reducing": {"risk": {"trading": "reducing"}},
    "halted": {"risk": {"trading": "halted"}},
    "killed": {"kill": Reason.KILL_DAY},
    "killed by failures": {"kill": Reason.KILL_CONSECUTIVE},
    "killed and flattening": {"kill": Reason.KILL_AUTH, "risk": {"on_kill": "flatten"}},
    "equity in doubt": {"equity": float("nan")},
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("exit_", EXITS)
@pytest.mark.parametrize("side", [1, -1])
def test_r42_every_protective_exit_leaves_in_every_state(lab: Any, exit_: str, state: str, side: int) -> None:
    row, world, why = EXITS[exit_]
    said = STATES[state]
    risk = RiskLimits(**{**world.get("risk", {}), **said.get("risk", {})})
    of = lab.frame(1, ("alpha",), risk=risk, **({"allowed": world["allowed"]} if "allowed" in world else {}))
    opened = lab.frame(1, ("alpha",))
    before, holds = lab.book(opened, {"S000": 0.1 * side}, lab.at("09:46"))
    if "kill" in said:
        before = killed(before, lab, said["kill"])
    if "equity" in said:
        holds = lab.account(of, qty={"S000": 100 * side}, equity=said["equity"])
    mark = 100 - side * (100 - row.get("mark", 100.0))
    for clock in ("10:01", "10:15"):  # follow-ups and decisions
        tick = lab.decide(of, lab.at(clock), before, holds, **{**row, "signal": row["signal"] * side, "mark": mark})
        assert tick.orders.leg[0] == CLOSE_LEG, (lab.why(tick), clock)
        if exit_ == "a trim" and state == "killed and flattening":
            why = Reason.FLATTEN  # the whole, where the cap asked for a part
        elif exit_ == "a trim" and clock == "10:15" and tick.gate.trading != TradingState.HALTED:
            why = Reason.REDUCE  # the decision itself wishes no more than the cap
        assert lab.why(tick, 0, "orders") is why
        (order,) = net((tick,), holds, "lab-account").orders
        assert order.side == ("sell" if side > 0 else "buy")
        assert order.qty <= 100


@given(
    st.integers(0, 10_000),
    st.sampled_from(["active", "reducing", "halted"]),
    st.sampled_from([0, int(Reason.KILL_WEEK)]),
    st.sampled_from(["hold", "flatten"]),
)
@settings(max_examples=120, deadline=None)
def test_r42_what_leaves_a_world_that_is_not_active_only_reduces(
    lab: Any, seed: int, declared: str, kill: int, on_kill: str
) -> None:
    """Random books, targets and working orders: no order opens or grows anything, crosses zero or exceeds what is held."""
    rng = np.random.default_rng(seed)
    of = lab.frame(5, ("alpha", "beta"), risk=RiskLimits(trading=declared, on_kill=on_kill))
    book = {f"S{i:03d}": float(np.round(rng.normal() * 0.1, 3)) for i in range(5) if rng.random() < 0.7}
    book = {symbol: part for symbol, part in book.items() if part}
    state, holds = lab.book(of, book, lab.at("09:46"))
    if kill:
        state = killed(state, lab, Reason(kill))
    orders = tuple(
        working(f"S{i:03d}", rng.integers(-50, 50) or 1, lab.at("10:00")) for i in range(5) if rng.random() < 0.3
    )
    holds = lab.locked(replace(holds, working=orders))
    clock = lab.at("10:01") if rng.random() < 0.5 else lab.at("10:15")
    signal = rng.integers(-1, 2, (2, 5))
    tick = lab.decide(
        of, clock, state, holds, signal=signal, size=rng.random((2, 5)), mark=100 * rng.uniform(0.9, 1.1, 5)
    )
    sent = net((tick,), holds, "lab-account").orders
    assert not {order.symbol for order in sent} & {order.symbol for order in orders}  # one live order per symbol
    if tick.gate.trading == TradingState.ACTIVE:
        return
    held = dict(zip(of.names.symbols, holds.exact, strict=True))
    for order in sent:
        assert order.leg == "close"
        assert abs(held[order.symbol] + order.signed) < abs(held[order.symbol])
        assert held[order.symbol] * (held[order.symbol] + order.signed) >= 0
    if kill and on_kill == "flatten":
        free = {s for s, part in book.items() if s not in {order.symbol for order in orders}}
        assert {order.symbol for order in sent} == free
        assert all(held[order.symbol] + order.signed == 0 for order in sent)


# ---- flatten (R43)


class Account:
    """A broker by hand: what is held and what works is said, orders and cancels are read."""

    def __init__(self, lab: Any, of: Any, state: Any) -> None:
        self.lab, self.of, self.state = lab, of, state
        self.qty: dict[str, Decimal] = {}
        self.open: list[WorkingOrder] = []

    def tick(self, now: int, **row: Any) -> tuple[Tick, tuple[str, ...], tuple[str, ...]]:
        """(tick, orders as text, cancelled symbols)."""
        fields = {name: row.pop(name) for name in ("equity", "results", "fills", "external") if name in row}
        holds = self.lab.account(self.of, qty=self.qty, working=tuple(self.open), **fields)
        state, tick = decide(self.of, self.state, self.lab.market(self.of, now, **row), holds, now)
        self.state = self.lab.locked(state)
        netted = net((tick,), holds, "lab-account")
        orders = tuple(f"{o.leg} {o.signed:+f} {o.symbol} {o.reason}" for o in netted.orders)
        return tick, orders, tuple(cancel.symbol for cancel in netted.cancels)


def test_r43_a_kill_cancels_confirms_and_then_flattens(lab: Any) -> None:
    of = lab.frame(3, ("alpha",), risk=FLATTEN)
    state, _ = lab.book(of, {"S000": 0.1, "S001": -0.05}, lab.at("09:46"))
    state = lab.locked(replace(state, day_breach_at=np.array(lab.at("09:59"))))
    desk = Account(lab, of, state)
    desk.qty = {"S000": Decimal(100), "S001": Decimal(-50)}
    desk.open = [working("S000", 40, lab.at("09:59")), working("S002", 30, lab.at("09:59"))]
    broke = {"equity": 97_000.0, "signal": 1}
    tick, orders, cancels = desk.tick(lab.at("10:00"), **broke)
    assert tick.gate.fired
    # what has an order working waits for the cancel; what has none goes at once
    assert cancels == ("S000", "S002")
    assert orders == ("close +50 S001 order.flatten",)
    # the cancel is not confirmed yet: nothing is sent into it, and it is asked for again
    desk.qty = {"S000": Decimal(100)}
    tick, orders, cancels = desk.tick(lab.at("10:01"), **broke)
    assert (orders, cancels) == ((), ("S000", "S002"))
    # S000 is confirmed with a part that was filled before; S002 was filled, not cancelled: both are ours, both go
    desk.qty, desk.open = {"S000": Decimal(110), "S002": Decimal(30)}, []
    fills = (lab.fill("S002", 30, lab.at("10:01")), lab.fill("S000", 10, lab.at("10:01")))
    tick, orders, cancels = desk.tick(lab.at("10:02"), fills=fills, **broke)
    assert sorted(orders) == ["close -110 S000 order.flatten", "close -30 S002 order.flatten"]
    # its own exits work now and are left alone
    desk.open = [working("S000", -110, lab.at("10:02"), "close"), working("S002", -30, lab.at("10:02"), "close")]
    assert desk.tick(lab.at("10:03"), **broke)[1:] == ((), ())
    # flat, and it stays so
    desk.qty, desk.open = {}, []
    for clock in ("10:04", "10:15", "11:00"):
        assert desk.tick(lab.at(clock), **broke)[1:] == ((), ())
    desk.state = lab.locked(resume(desk.state, lab.at("11:01")))
    desk.tick(lab.at("11:14"), **broke)
    assert desk.tick(lab.at("11:15"), **broke)[1]  # somebody lifted it


def test_a_kill_by_failures_flattens_and_trades_again_when_it_ends(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), risk=FLATTEN)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    desk = Account(lab, of, state)
    desk.qty = {"S000": Decimal(100)}
    failed = tuple(OrderResult(f"q1-{i}", "S000", "REJECTED", "server", "", "open") for i in range(3))
    assert desk.tick(lab.at("10:00"), results=failed, signal=1)[1] == ("close -100 S000 order.flatten",)
    desk.qty = {}
    for clock in ("10:01", "10:04"):
        assert desk.tick(lab.at(clock), signal=1, decision=True)[1] == ()
    tick, orders, _ = desk.tick(lab.at("10:15"), signal=1)
    assert (tick.gate.kill, len(orders)) == (0, 1)


def test_a_refused_flattening_is_tried_at_the_next_tick(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), risk=FLATTEN)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    desk = Account(lab, of, killed(state, lab, Reason.KILL_AUTH))
    desk.qty = {"S000": Decimal(100)}
    for minute in range(1, 6):
        refused = (OrderResult(f"q1-{minute}", "S000", "REJECTED", "business", "", "close"),)
        _, orders, _ = desk.tick(lab.at("10:00") + minute * 60, results=refused, signal=1)
        assert orders == ("close -100 S000 order.flatten",)


@pytest.mark.parametrize("row", [{"behind_15m": 9}, {"mark": np.nan}, {"p": np.nan}, {"signal_known": False}])
def test_flattening_asks_for_no_data(lab: Any, row: dict[str, Any]) -> None:
    of = lab.frame(1, ("alpha",), risk=FLATTEN)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    tick = lab.decide(of, lab.at("10:15"), killed(state, lab), holds, **{"signal": 1, **row})
    assert tick.orders.closing[0]


def test_flattening_waits_for_the_open(lab: Any) -> None:
    of = lab.frame(1, ("alpha",), risk=FLATTEN)
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    state = killed(state, lab)
    assert not lab.decide(of, lab.at("16:30"), state, holds, signal=1).orders.leg.any()
    assert lab.decide(of, lab.at("09:31", 1), state, holds, signal=1).orders.closing[0]


def test_external_positions_are_left(lab: Any) -> None:
    of = lab.frame(2, ("alpha",), risk=FLATTEN)
    state, _ = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    holds = lab.account(of, qty={"S000": 100, "S001": 70}, external=np.array([False, True]))
    tick = lab.decide(of, lab.at("10:01"), killed(state, lab), holds, signal=1)
    assert tick.orders.leg.tolist() == [CLOSE_LEG, 0]


def test_without_flatten_a_kill_holds(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    for clock in ("10:01", "10:15"):
        assert not lab.decide(of, lab.at(clock), killed(state, lab), holds, signal=1).orders.leg.any()


# ---- what is told (R46)


def ticks(lab: Any, of: Any, state: Any, times: list[int], **row: Any) -> list[Tick]:
    found = []
    for now in times:
        state, tick = decide(of, lab.locked(state), lab.market(of, now, **row), lab.account(of), now)
        found.append(tick)
    return found


def told(found: list[Tick], every: int) -> list[tuple[int, str]]:
    return [(tick.now, text) for tick in found for text in alerts_of(tick, every)]


def test_r46_a_halt_is_told_again_and_again(lab: Any) -> None:
    of = lab.frame(1)
    start = lab.at("10:00")
    state = replace(killed(initial(of), lab, Reason.KILL_DAY, start), now=np.array(start))
    minutes = [start + 60 * n for n in range(1, 241)]
    hourly = told(ticks(lab, of, state, minutes), HOUR)
    assert [now for now, _ in hourly] == [start + HOUR * n for n in (1, 2, 3, 4)]
    assert (
        hourly[2][1] == "is still killed after 3 hours: kill.daily_loss; lift it with `qmtl resume` when you know why"
    )
    days = [lab.at(clock, day) for day in range(3) for clock in ("10:15", "12:00", "15:45")]
    assert [now for now, _ in told(ticks(lab, of, state, days), DAY)] == [lab.at("10:15", 1), lab.at("10:15", 2)]


def test_a_kill_is_told_when_it_comes_and_when_it_ends(lab: Any) -> None:
    of = lab.frame(1)
    failed = tuple(OrderResult(f"q1-{i}", "S000", "REJECTED", "server", "", "open") for i in range(3))
    now = lab.at("10:00")
    state, tick = decide(of, lab.locked(initial(of)), lab.market(of, now), lab.account(of, results=failed), now)
    (text,) = alerts_of(tick, HOUR)
    assert text == (
        "is killed: kill.consecutive; only exits from now on, it ends by itself in 5 minutes unless orders go on failing"
    )
    found = ticks(lab, of, state, [now + 60 * n for n in range(1, 8)])
    assert told(found, HOUR) == [
        (now + 300, "is no longer killed: kill.consecutive has ended, entries are possible again")
    ]
    fourth = replace(state, recover_at=np.array(0))
    (again,) = alerts_of(ticks(lab, of, fourth, [now + 60])[0], HOUR, first=True)
    assert "lift it with `qmtl resume`" in again  # and not: it ends by itself


def test_a_kill_that_flattens_says_so(lab: Any) -> None:
    of = lab.frame(1, risk=FLATTEN)
    failed = (OrderResult("q1-a", "S000", "REJECTED", "auth", "", "open"),)
    now = lab.at("10:00")
    _, tick = decide(of, lab.locked(initial(of)), lab.market(of, now), lab.account(of, results=failed), now)
    assert alerts_of(tick, HOUR) == (
        "is killed: kill.auth; everything that is ours is to be closed, lift it with `qmtl resume` when you know why",
    )


@pytest.mark.parametrize(("trading", "count"), [("active", 0), ("reducing", 0), ("halted", 3)])
def test_a_halt_by_the_text_is_told_too(lab: Any, trading: str, count: int) -> None:
    of = lab.frame(1, risk=RiskLimits(trading=trading))
    state = replace(initial(of), now=np.array(lab.at("10:00")))
    hourly = told(ticks(lab, of, state, [lab.at("10:00") + 60 * n for n in range(1, 181)]), HOUR)
    assert len(hourly) == count
    assert all("halted by its text" in text for _, text in hourly)


def test_an_exit_that_is_refused_three_times_is_told(lab: Any) -> None:
    of = lab.frame(1, ("alpha",))
    state, holds = lab.book(of, {"S000": 0.1}, lab.at("09:46"))
    said = []
    for minute in range(1, 6):
        now = lab.at("10:00") + 60 * minute
        refused = (OrderResult(f"q1-{minute}", "S000", "REJECTED", "business", "", "close"),)
        state, tick = decide(of, lab.locked(state), lab.market(of, now), replace(holds, results=refused), now)
        said.append(alerts_of(tick, HOUR))
    assert said == [(), (), ("cannot close S000: the exit was refused 3 times in a row",), (), ()]


def test_an_unharmed_world_says_nothing(lab: Any) -> None:
    of = lab.frame(1)
    found = ticks(lab, of, initial(of), [lab.at("10:00") + 60 * n for n in range(60)], signal=1)
    assert told(found, 60) == []
    assert alerts_of(found[0], 60, first=True) == ()
