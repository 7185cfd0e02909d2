"""Everything that a policy or a world says of orders, in a backtest and in a replay: order for order, fill for fill."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qmtl.dsl.exchange import ExchangePolicy, FinerTick, SymbolRules
from qmtl.dsl.program import Program
from qmtl.engine.backtest.plan import Plan
from qmtl.engine.backtest.result import Costs, Result
from qmtl.engine.backtest.run import _Backtest, run
from qmtl.engine.runtime import Runtime

from .test_parity import fills_of, replayed, same
from .test_shortcut import HOURS, Lines, market

D = Decimal
PLAN = Plan("orders", "2025-10-06", "2025-10-17")


def venue(**more: Any) -> ExchangePolicy:
    return ExchangePolicy("somewhere", lot_size=D("0.001"), fractional=True, **more)


def under(program: Program, policy: ExchangePolicy | None = None, **orders: Any) -> Program:
    """The program on another venue, or with other limits of orders."""
    settings = program.settings
    rules = replace(settings.orders, **orders)
    return replace(program, settings=replace(settings, exchange=policy or settings.exchange, orders=rules))


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that goes on with what sizing counted."""
    tick = Runtime.tick

    def counted(self: Runtime, now: int) -> Any:
        report = tick(self, now)
        for world, done in zip(self.worlds, report.ticks, strict=True):
            world.state = done.after
        return report

    monkeypatch.setattr(Runtime, "tick", counted)


POLICIES: dict[str, ExchangePolicy] = {
    "symbols": venue(
        symbols=(
            SymbolRules("*", min_notional=D(50)),
            SymbolRules("AA", lot_size=D(5), fractional=False),
            SymbolRules("BB", lot_size=D("0.25"), max_quantity=D(20), fractional_shorts=True),
            SymbolRules("CC", shorting=False, min_quantity=D(40)),
        )
    ),
    "sizes": venue(max_notional=D(4000), min_quantity=D(2), market_lot_size=D("0.5"), closing="bound"),
    "limits": venue(order_type="limit", collar=0.0005),
    "limits at once": venue(order_type="limit", collar=0.0003, limit_time_in_force="ioc"),
    "limits for exits": venue(
        order_type="limit", exit_order_type="limit", collar=0.0002, finer_ticks=(FinerTick(D(50), D("0.001")),)
    ),
}


@pytest.mark.parametrize("name", POLICIES)
def test_a_backtest_under_a_policy_is_the_replay_under_it(name: str, tmp_path: Path) -> None:
    program, feed = under(Lines(short=True, stop="stop 2 * atr(10)").program(), POLICIES[name]), market(3)
    result = run([program], (feed, feed.vix), HOURS, PLAN)
    live = replayed([program], (feed, feed.vix), HOURS, PLAN, tmp_path)
    assert len(live.orders) > 60
    same(result, live)
    plain = run([under(program, venue())], (feed, feed.vix), HOURS, PLAN)
    assert fills_of(plain) != fills_of(result), "the policy changes nothing here, so the law says nothing"


@pytest.mark.usefixtures("counting")
@pytest.mark.parametrize(
    "orders",
    [
        {"max_per_day": 12},
        {"max_per_tick": 1},
        {"max_turnover": 1.5},
        {"max_notional": D(16000)},
        {"max_per_tick": 2, "max_per_day": 20, "max_turnover": 2.0},
    ],
    ids=" ".join,
)
def test_a_backtest_under_limits_is_the_replay_under_them(orders: dict[str, Any], tmp_path: Path) -> None:
    program, feed = under(Lines(short=True).program(), **orders), market(3)
    result = run([program], (feed, feed.vix), HOURS, PLAN)
    live = replayed([program], (feed, feed.vix), HOURS, PLAN, tmp_path)
    assert len(live.orders) > 20
    same(result, live)
    free = run([under(program, **dict.fromkeys(orders))], (feed, feed.vix), HOURS, PLAN)
    assert fills_of(free) != fills_of(result)


def test_an_order_is_a_share_of_the_average_volume_at_most_in_both(tmp_path: Path) -> None:
    """The average is a node of the graph: a backtest, which observes blocks, reads the very number that a run does."""
    tight = Lines(short=True, cancel=", max_volume: 0.01%").program()
    loose, feed = Lines(short=True, cancel=", max_volume: 100%").program(), market(3)
    assert dict(tight.warmup)["60m"] >= 140
    result = run([tight], (feed, feed.vix), HOURS, PLAN)
    same(result, replayed([tight], (feed, feed.vix), HOURS, PLAN, tmp_path))
    free = run([loose], (feed, feed.vix), HOURS, PLAN)
    assert 0 < len(fills_of(result)) < len(fills_of(free))
    plain = run([Lines(short=True).program()], (feed, feed.vix), HOURS, PLAN)
    assert fills_of(free) == fills_of(plain)


def days(result: Result) -> dict[str, np.ndarray]:
    """Rows of orders by exchange day."""
    day = np.array([str(np.datetime64(int(at), "s"))[:10] for at in result.orders.sent])
    return {name: np.flatnonzero(day == name) for name in sorted(set(day))}


def test_limits_of_a_day_hold_every_day_and_never_keep_an_exit() -> None:
    feed, most = market(3), 14
    result = run([under(Lines(short=True).program(), max_per_day=most)], (feed, feed.vix), HOURS, PLAN)
    opens = ~np.asarray(result.orders.closing)
    counted = [(len(at), int(opens[at].sum())) for at in days(result).values()]
    assert max(opened for _, opened in counted) <= most
    for at in days(result).values():
        assert not opens[at[most:]].any(), "an opening order beyond the limit"
    assert any(sent > most for sent, _ in counted), "no exit beyond the limit, so nothing is shown"


def test_orders_are_counted_anew_every_day() -> None:
    feed = market(3)
    result = run([under(Lines(short=True).program(), max_per_day=6)], (feed, feed.vix), HOURS, PLAN)
    opened = [int((~np.asarray(result.orders.closing)[at]).sum()) for at in days(result).values()]
    assert len(opened) > 5
    assert min(opened) >= 1


def test_no_limit_order_fills_at_a_worse_price_than_its_limit() -> None:
    feed, collar = market(5), 0.0005
    program = under(Lines(short=True).program(), venue(order_type="limit", exit_order_type="limit", collar=collar))
    rows = run([program], (feed, feed.vix), HOURS, replace(PLAN, costs=Costs(slippage=0.0002))).orders
    done = np.flatnonzero(rows.filled)
    assert len(done) > 50
    assert len(done) < len(rows.filled), "none was beyond its limit, so nothing is shown"
    side = np.sign(rows.qty[done])
    assert (side * (rows.price[done] / rows.mark[done] - 1) <= collar + 1e-12).all()


def test_worlds_with_rules_of_their_own_take_no_shortcut() -> None:
    feed, program = market(3), Lines().program()
    for one in (
        under(program, venue(max_quantity=D(5))),
        under(program, max_per_day=5),
        under(program, POLICIES["limits"]),
    ):
        assert _Backtest([one], (feed, feed.vix), HOURS, PLAN, shortcut=True).shortcut is None
    assert _Backtest([program], (feed, feed.vix), HOURS, PLAN, shortcut=True).shortcut is not None
