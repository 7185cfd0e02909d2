"""What `qmtl diff` says of changed settings is what decide does: each sentence beside the old state under the new program.

A world holds something under the settings before, the edit comes in force as a hot reload does it (`state.remap`), and the
ticks after it are compared with the sentence, whose numbers are read out of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.changes.consequences import consequences
from qmtl.dsl.model import ChurnGuard, EntryGuard, EntryGuardSettings, ExchangePolicy, Regime, RiskLimits, World
from qmtl.dsl.parser import parse_predicate
from qmtl.dsl.source import Source, Span
from qmtl.dsl.tree import Scalar
from qmtl.engine.decide import decide
from qmtl.engine.frame import Frame
from qmtl.engine.killswitch import resume
from qmtl.engine.market import WorkingOrder
from qmtl.engine.net import net
from qmtl.engine.reasons import Reason
from qmtl.engine.shadow import Beside
from qmtl.engine.state import DecideState, initial, remap
from qmtl.engine.tick import CLOSE_LEG, Tick

VENUE = ExchangePolicy("test", min_notional=Decimal(1))


def condition(text: str) -> Any:
    source = Source("w.yaml", text)
    expr, problems = parse_predicate(Scalar(text, Span(source, 0, len(text)), tuple(range(len(text) + 1))))
    assert not problems
    return expr


@dataclass
class Edit:
    """One edit: the frames on both sides and what diff says of it."""

    lab: Any
    before: Frame
    after: Frame
    said: dict[str, list[str]]

    def state(self, parts: dict[str, float], account: float = 1.0) -> tuple[DecideState, Any]:
        """What is held under the settings before, as shares of 100,000; taken over by the program after."""
        state, holds = self.lab.book(
            self.before, {s: part * account for s, part in parts.items()}, self.lab.at("09:46")
        )
        return self.lab.locked(remap(state, self.before, self.after)), holds

    def tick(self, clock: str, held: tuple[DecideState, Any], **columns: Any) -> Tick:
        return self.lab.decide(self.after, self.lab.at(clock), *held, **columns)


def edit(lab: Any, before: dict[str, Any], after: dict[str, Any], symbols: int = 1) -> Edit:
    frames, worlds = [], []
    for settings in (before, after):
        guards = tuple(settings.get("guards", ()))
        of = lab.frame(symbols, ("alpha",), **settings)
        frames.append(of)
        rules = tuple(EntryGuard(guard, condition("vix.close > 20")) for guard in guards)
        worlds.append(World(of.program.settings, (), None, (), rules))
    said: dict[str, list[str]] = {}
    for one in consequences((worlds[0], worlds[1])):
        said.setdefault(one.path, []).append(one.text)
    return Edit(lab, frames[0], frames[1], said)


def ratios(text: str) -> list[float]:
    return [float(found) / 100 for found in re.findall(r"(-?[\d.]+)%", text)]


def test_nothing_changed_says_nothing(lab: Any) -> None:
    assert edit(lab, {}, {}).said == {}


# ---- capital


def test_all_targets_scale_with_the_capital(lab: Any) -> None:
    made = edit(lab, {"capital": 0.3}, {"capital": 0.6})
    first, losses = made.said["capital"]
    factor = float(re.search(r"scale by ([\d.]+):", first)[1])  # type: ignore[index]
    assert factor == 2.0
    size = 0.1
    old = lab.decide(made.before, lab.at("10:00"), signal=1, size=size)
    held = made.state({"S000": size}, account=0.3)
    new = made.tick("10:00", held, signal=1, size=size)
    wished = [t.orders.target[0] * t.load.capital for t in (old, new)]
    assert wished[1] == pytest.approx(factor * wished[0])
    (order,) = net((new,), held[1], "lab-account").orders  # resized at the next decision
    assert float(order.signed) == pytest.approx(size * 60_000 / 100 - size * 30_000 / 100)
    assert not made.tick("10:01", held, signal=1, size=size).orders.leg.any()  # and not before
    assert "counts 0.5 times as much" in losses


def test_less_capital_trims_at_any_tick_and_counts_losses_double(lab: Any) -> None:
    made = edit(lab, {"capital": 0.6}, {"capital": 0.3})
    scale, losses, trims = made.said["capital"]
    assert "scale by 0.5:" in scale
    assert "held positions of one sector" not in trims  # this world has none
    above, to = ratios(trims)[:2]
    held = made.state({"S000": 0.12}, account=0.6)  # 24 % of what is left
    tick = made.tick("10:01", held, signal=1)
    assert tick.load.current[0] > above
    assert tick.orders.target[0] == pytest.approx(to)
    assert lab.why(tick, 0, "orders") is Reason.TRIM
    times = float(re.search(r"counts ([\d.]+) times", losses)[1])  # type: ignore[index]
    results = []
    for of in (made.before, made.after):
        state = replace(held[0], day_level=np.array(100_000.0), week_level=np.array(100_000.0))
        state = replace(state, equity=np.array(100_000.0), close_equity=np.array(100_000.0), day=held[0].day)
        holds = lab.account(of, equity=99_500.0, qty={"S000": 72})
        results.append(lab.decide(of, lab.at("10:01"), lab.locked(state), holds).gate.day_loss)
    assert results[1] == pytest.approx(times * results[0])
    assert results[0] < 0


# ---- shorting


def test_without_shorting_a_short_can_be_closed_and_nothing_else(lab: Any) -> None:
    made = edit(lab, {"exchange": VENUE}, {"exchange": replace(VENUE, shorting=False)})
    assert made.said == {
        "exchange.shorting": [
            "a short position can be closed, but none is opened or added to; a turn from long to short ends flat"
        ]
    }
    held = made.state({"S000": -0.1})
    for signal, size, sides in ((0, 1.0, ["buy"]), (-1, 0.07, ["buy"]), (-1, 0.14, [])):
        tick = made.tick("10:00", held, signal=signal, size=size)
        assert [order.side for order in net((tick,), held[1], "lab-account").orders] == sides
    assert net((made.tick("10:00", made.state({}), signal=-1),), lab.account(made.after), "a").orders == ()
    broker = lab.Broker(made.after)
    broker.step(lab.at("10:00"), signal=1)
    for clock in ("10:15", "11:15", "11:16", "11:17", "11:30", "11:31"):
        broker.step(lab.at(clock), signal=1 if clock == "10:15" else -1)
    assert [order.side for order in broker.sent] == ["buy", "sell"]
    assert broker.qty == {"S000": Decimal(0)}


def test_shorting_that_is_allowed_from_now_on_does_nothing_to_what_is_held(lab: Any) -> None:
    assert edit(lab, {"exchange": replace(VENUE, shorting=False)}, {"exchange": VENUE}).said == {}


# ---- entry guards


def guard(block: str = "long_entries", on_missing: str = "block", *, value: bool = False) -> EntryGuardSettings:
    return EntryGuardSettings("fear", block, on_missing, value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("block", "side", "noun", "turn"),
    [
        ("long_entries", 1, "long entries", "from short to long"),
        ("short_entries", -1, "short entries", "from long to short"),
        ("entries", 1, "entries", "to the other side"),
        ("entries", -1, "entries", "to the other side"),
    ],
)
def test_a_new_guard_stops_entries_and_touches_nothing_held(
    lab: Any, block: str, side: int, noun: str, turn: str
) -> None:
    made = edit(lab, {}, {"guards": (guard(block),)})
    (text,) = made.said["entry_guards.fear"]
    assert f"it stops {noun};" in text
    assert f"a turn {turn} ends flat" in text
    flat = made.state({})
    for truth in (2, 1):  # it holds; it cannot be judged
        assert not made.tick("10:00", flat, signal=side, guards=truth).orders.leg.any()
        held = made.state({"S000": 0.1 * side})
        for size in (0.1, 0.14):  # stays; may grow
            assert made.tick("10:00", held, signal=side, size=size, guards=truth).orders.target[0] == pytest.approx(
                size * side
            )
        other = made.state({"S000": -0.1 * side})
        tick = made.tick("11:00", other, signal=side, guards=truth)  # after the cooldown of the side
        assert tick.orders.target[0] == 0
        assert tick.after.pending[0] == 0
    assert made.tick("10:00", flat, signal=side, guards=0).orders.leg.any()
    assert "or cannot be judged" in text


@pytest.mark.parametrize("value", [False, True])
def test_an_unknown_guard_counts_as_its_value(lab: Any, value: bool) -> None:
    made = edit(lab, {}, {"guards": (guard(on_missing="value", value=value),)})
    (text,) = made.said["entry_guards.fear"]
    assert ("or cannot be judged" in text) == value
    assert made.tick("10:00", made.state({}), signal=1, guards=1).orders.leg.any() != value


def test_a_guard_that_holds_freezes_its_side_until_it_is_to_be_closed(lab: Any) -> None:
    made = edit(lab, {"guards": (guard(),)}, {"guards": (guard(on_missing="hold"),)})
    (text,) = made.said["entry_guards.fear"]
    assert text.endswith("while it cannot be judged, a long position keeps its size until it is to be closed")
    held = made.state({"S000": 0.1})
    for size in (0.05, 0.1, 0.15):
        assert made.tick("10:00", held, signal=1, size=size, guards=1).orders.target[0] == pytest.approx(0.1)
    assert made.tick("10:00", held, signal=0, guards=1).orders.target[0] == 0


def test_a_position_below_flat_counts_as_flat(lab: Any) -> None:
    quiet = ChurnGuard(enabled=())
    made = edit(lab, {"churn_guard": quiet}, {"churn_guard": quiet, "guards": (guard(),)})
    (text,) = made.said["entry_guards.fear"]
    (least,) = ratios(text)
    for part, kept in ((least * 1.1, True), (least * 0.9, False)):
        tick = made.tick("10:00", made.state({"S000": part}), signal=1, size=part, guards=2)
        assert (tick.target.target[0] != 0) == kept


def test_a_guard_that_is_gone_lets_entries_pass_and_touches_nothing_held(lab: Any) -> None:
    made = edit(lab, {"guards": (guard(),)}, {})
    (text,) = made.said["entry_guards.fear"]
    assert text == "it no longer stops long entries from the next decision on; what is held is not touched"
    assert made.tick("10:00", made.state({}), signal=1).orders.leg.any()
    assert not made.tick("10:01", made.state({}), signal=1).orders.leg.any()
    assert made.tick("10:00", made.state({"S000": 0.1}), signal=1, size=0.1).orders.target[0] == pytest.approx(0.1)


def test_a_guard_that_has_another_name_only_says_nothing(lab: Any) -> None:
    assert edit(lab, {"guards": (guard(),)}, {"guards": (replace(guard(), name="dread"),)}).said == {}


# ---- caps

SECTORS = {"sectors": (("S000", "tech"), ("S001", "tech"))}


@pytest.mark.parametrize(
    ("cap", "before", "after", "more"),
    [
        ("max_symbol", {}, {"max_symbol": 0.12}, {}),
        ("max_symbol", {}, {"cap_tolerance": 1.0}, {}),
        ("max_sector", {}, {"max_sector": 0.16}, SECTORS),
        ("max_total", {}, {"max_total": 0.2}, {}),
    ],
)
def test_what_is_above_a_tighter_cap_is_trimmed_to_it(
    lab: Any, cap: str, before: dict[str, float], after: dict[str, float], more: dict[str, Any]
) -> None:
    symbols = 1 if cap == "max_symbol" else 2
    sides = [{"risk": RiskLimits(**side), **more} for side in (before, after)]
    made = edit(lab, sides[0], sides[1], symbols)
    (text,) = made.said[f"risk.{cap}"]
    above, to = ratios(text)
    assert text.endswith("at the next tick in regular hours")
    for share, trimmed in ((above - 0.002, False), (above + 0.002, True)):
        held = made.state({f"S{i:03d}": share / symbols for i in range(symbols)})
        for clock in ("10:01", "10:15"):  # a follow-up tick; a decision that wishes no less
            tick = made.tick(clock, held, signal=1, size=share / symbols)
            reasons = [lab.why(tick, i, "orders") for i in range(symbols)]
            assert (set(reasons) == {Reason.TRIM}) == trimmed
            if trimmed:
                assert np.abs(tick.orders.target).sum() == pytest.approx(to)
    if cap != "max_symbol":
        assert "together" in text


def test_caps_that_are_wider_or_that_nothing_reads_say_nothing(lab: Any) -> None:
    wider = RiskLimits(max_symbol=0.2, max_sector=0.3, max_total=0.9, cap_tolerance=1.2)
    assert edit(lab, {}, {"risk": wider}).said == {}
    assert edit(lab, {}, {"risk": RiskLimits(max_sector=0.1)}).said == {}  # no sectors


# ---- loss limits


class Days:
    """The ticks of a world whose equity is given, before and after an edit."""

    def __init__(self, made: Edit) -> None:
        self.made, self.of = made, made.before
        self.state = made.lab.locked(initial(self.of))

    def tick(self, clock: str, equity: float, **columns: Any) -> Tick:
        lab = self.made.lab
        row = lab.market(self.of, lab.at(clock), **columns)
        state, tick = decide(self.of, self.state, row, lab.account(self.of, equity=equity), lab.at(clock))
        self.state = lab.locked(state)
        return tick

    def edited(self) -> None:
        self.state = self.made.lab.locked(remap(self.state, self.made.before, self.made.after))
        self.of = self.made.after


@pytest.mark.parametrize(("limit", "reason"), [("daily_loss", Reason.KILL_DAY), ("weekly_loss", Reason.KILL_WEEK)])
def test_a_tighter_loss_limit_counts_from_the_same_level(lab: Any, limit: str, reason: Reason) -> None:
    made = edit(lab, {"risk": RiskLimits(**{limit: -0.015})}, {"risk": RiskLimits(**{limit: -0.01})})
    (text,) = made.said[f"risk.{limit}"]
    (share,) = ratios(text)
    for beyond, killed in ((share, True), (share + 0.001, False)):
        days = Days(made)
        days.tick("09:45", 100_000)
        days.tick("10:00", 100_000 * (1 + beyond))
        level = float(days.state.day_level)
        days.edited()
        first = days.tick("10:15", 100_000 * (1 + beyond), signal=1)
        assert float(days.state.day_level) == level
        assert first.gate.kill == 0
        assert first.orders.leg.any() != killed  # enters nothing from here on
        second = days.tick("10:16", 100_000 * (1 + beyond))
        assert (Reason(second.gate.kill) is reason) == killed


@pytest.mark.parametrize("limit", ["daily_loss", "weekly_loss"])
def test_a_wider_loss_limit_revives_no_world(lab: Any, limit: str) -> None:
    made = edit(lab, {"risk": RiskLimits(**{limit: -0.01})}, {"risk": RiskLimits(**{limit: -0.05})})
    (text,) = made.said[f"risk.{limit}"]
    assert text.endswith("a world that was killed already stays killed until `qmtl resume`")
    days = Days(made)
    for clock, equity in (("09:45", 100_000), ("10:00", 98_900), ("10:01", 98_900)):
        tick = days.tick(clock, equity)
    assert tick.gate.kill
    days.edited()
    assert days.tick("10:02", 98_900).gate.kill
    days.state = lab.locked(resume(days.state, lab.at("10:03")))
    assert not days.tick("10:04", 98_900).gate.kill


# ---- what may be traded at all


def test_reducing_opens_and_adds_nothing_while_reductions_and_exits_go_on(lab: Any) -> None:
    made = edit(lab, {}, {"risk": RiskLimits(trading="reducing")}, symbols=2)
    (text,) = made.said["risk.trading"]
    assert "nothing is opened or added to from the next tick on" in text
    held = made.state({"S000": 0.10})
    for size, legs in ((0.14, [0, 0]), (0.05, [CLOSE_LEG, 0])):  # an add and an entry; a reduction and an entry
        assert made.tick("10:15", held, signal=1, size=size).orders.leg.tolist() == legs
    assert made.tick("10:15", held, signal=0).orders.closing.tolist() == [True, False]


def test_halted_leaves_protective_exits_only(lab: Any) -> None:
    made = edit(lab, {}, {"risk": RiskLimits(trading="halted")})
    assert "only protective exits are sent from the next tick on" in made.said["risk.trading"][0]
    held = made.state({"S000": 0.10})
    assert not made.tick("10:15", held, signal=1, size=0.05).orders.leg.any()  # keeps its size
    assert made.tick("10:15", held, signal=0).orders.closing[0]


@pytest.mark.parametrize("trading", ["reducing", "halted"])
def test_open_entries_are_cancelled_at_once(lab: Any, trading: str) -> None:
    made = edit(lab, {}, {"risk": RiskLimits(trading=trading)}, symbols=2)
    assert "open entries are cancelled" in made.said["risk.trading"][0]
    working = (
        WorkingOrder("q1-a", "S000", Decimal(10), "open", lab.at("10:00"), 1),
        WorkingOrder("q1-b", "S001", Decimal(-5), "close", lab.at("10:00"), 1),
    )
    state, _ = made.state({"S001": 0.1})
    tick = made.tick("10:01", (state, lab.account(made.after, qty={"S001": 100}, working=working)), signal=1)
    assert tick.orders.cancel.tolist() == [int(Reason.CANCEL_TRADING), 0]


def test_active_again_enters_at_the_next_decision(lab: Any) -> None:
    made = edit(lab, {"risk": RiskLimits(trading="halted")}, {})
    assert made.said["risk.trading"][0].startswith("entries are possible again from the next decision on")
    held = made.state({})
    assert not made.tick("10:01", held, signal=1).orders.leg.any()
    assert made.tick("10:15", held, signal=1).orders.leg.any()


def test_flatten_closes_a_world_that_is_killed_already_and_hold_stops_it(lab: Any) -> None:
    flat, hold = RiskLimits(on_kill="flatten"), RiskLimits()
    for before, after, closed in ((hold, flat, True), (flat, hold, False)):
        made = edit(lab, {"risk": before}, {"risk": after})
        (text,) = made.said["risk.on_kill"]
        assert ("closes everything of its own" in text) == closed
        state, holds = made.state({"S000": 0.1})
        state = lab.locked(replace(state, kill=np.array(int(Reason.KILL_DAY), dtype=np.uint8)))
        tick = made.tick("10:01", (state, holds), signal=1)
        assert bool(tick.orders.closing[0]) == closed
        assert made.tick("10:15", (state, holds), signal=0).orders.closing[0]  # its exits go on in either


def test_a_shadow_changes_no_target(lab: Any) -> None:
    made = edit(lab, {}, {"regime": Regime(source="shadow", shadow="second")})
    assert made.said["regime.shadow"] == [
        "it decides nothing: no target and no position changes; its counts start anew"
    ]
    held = made.state({"S000": 0.1})
    other = np.array([[0.1], [0.8], [0.1], [0.9], [0.8]])
    ticks = [made.tick("10:15", held, signal=1, size=0.05, shadow=p) for p in (None, other)]
    assert ticks[0].orders.target.tolist() == ticks[1].orders.target.tolist()
    assert ticks[1].regime.shadow.tolist() == [int(Beside.DIFFERS)]


# ---- the position stop


def test_a_nearer_position_stop_closes_what_is_beyond_it(lab: Any) -> None:
    made = edit(lab, {}, {"risk": RiskLimits(position_stop=0.03)})
    (text,) = made.said["risk.position_stop"]
    (lost,) = ratios(text)
    for side in (1, -1):
        held = made.state({"S000": 0.1 * side})
        for part, closed in ((lost + 0.001, True), (lost - 0.001, False)):
            mark = 100 * (1 - side * part)
            for clock, since in (("10:01", True), ("09:50", False)):  # no bar has closed since 09:46 at 09:50
                tick = made.tick(clock, held, signal=side, mark=mark)
                assert (lab.why(tick, 0, "orders") is Reason.POSITION_STOP) == (closed and since)


def test_a_wider_position_stop_calls_no_exit_back(lab: Any) -> None:
    made = edit(lab, {"risk": RiskLimits(position_stop=0.03)}, {})
    assert made.said == {"risk.position_stop": ["a position whose stop was reached already is still closed"]}
    state, holds = lab.book(made.before, {"S000": 0.1}, lab.at("09:46"))
    row = lab.market(made.before, lab.at("10:01"), signal=1, mark=96.5)
    state = lab.locked(decide(made.before, state, row, holds, lab.at("10:01"))[0])
    state = lab.locked(remap(state, made.before, made.after))
    tick = made.tick("10:02", (state, holds), signal=1, mark=96.5)
    assert lab.why(tick, 0, "orders") is Reason.POSITION_STOP


def test_the_sentences_stand_where_the_engine_is_not_imported() -> None:
    text = Path(consequences.__code__.co_filename).read_text()
    assert "qmtl.engine" not in text
