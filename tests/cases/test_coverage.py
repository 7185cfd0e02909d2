"""Coverage counts what can happen in a world, and only what did happen."""

from __future__ import annotations

from contextlib import ExitStack
from decimal import Decimal

import numpy as np
import pytest

from qmtl.cli.casefiles import Suite, load_suite, worlds_under_test
from qmtl.cli.caserun import account_for
from qmtl.engine.bars import BarRow
from qmtl.engine.cases.coverage import Coverage, Rule, coverage, rules_of
from qmtl.engine.cases.feed import CaseFeed
from qmtl.engine.cases.run import WorldUnderTest, play
from qmtl.engine.ports import BrokerSnapshot, Position

AT = 1767713400  # 2026-01-06, 10:30 in New York


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> Suite:
    paths = [request.config.rootpath / "worlds", request.config.rootpath / "tests" / "cases" / "rules"]
    return load_suite([str(path) for path in paths])


@pytest.fixture(scope="module")
def worlds(suite: Suite) -> dict[str, WorldUnderTest]:
    return {suite.worlds[file].name: world for file, world in worlds_under_test(suite).items()}


def names(world: WorldUnderTest, kind: str) -> list[str]:
    return [rule.name for rule in rules_of(world.computed) if rule.kind == kind]


def covered(suite: Suite, worlds: dict[str, WorldUnderTest], *cases: str) -> Coverage:
    """Coverage of us_core by the cases of these names."""
    world = worlds["us_core"]
    with ExitStack() as closing:
        account = account_for(world, closing)
        wanted = [case for one in suite.documents for case in one.cases if case.name in cases]
        return coverage("us_core", world.computed, [tick for case in wanted for tick in play(case, world, account)])


def test_rules_that_cannot_act_in_a_world_do_not_count(worlds: dict[str, WorldUnderTest]) -> None:
    # side_cooldown and min_hold are equal, so the second never acts
    assert "churn.min_hold" not in names(worlds["us_core"], "churn guard")
    assert "churn.min_hold" in names(worlds["odd"], "churn guard")
    # every symbol has a row without an end, but CCC of `odd` has none
    assert "unwind_only/disabled_symbol" not in names(worlds["us_core"], "position policy")
    assert "unwind_only/disabled_symbol" in names(worlds["odd"], "position policy")
    # the mix owns everything
    assert "legacy_hold/owner_mismatch" not in names(worlds["mixer"], "position policy")
    # two symbols of 30 % each are 60 %
    assert names(worlds["tail_hedge"], "cap") == ["cap.symbol"]
    assert names(worlds["us_core"], "cap") == ["cap.symbol", "cap.sector", "cap.total", "cap.breadth"]


def test_a_guard_counts_twice_as_it_has_two_answers(suite: Suite, worlds: dict[str, WorldUnderTest]) -> None:
    assert names(worlds["us_core"], "guard") == ["fear blocks", "fear lets pass"]
    blocks = covered(suite, worlds, "fear blocks new longs")
    assert Rule("guard", "fear blocks") in blocks.seen
    assert Rule("guard", "fear lets pass") in blocks.missed
    passes = covered(suite, worlds, "a VIX of exactly 20 does not")
    assert Rule("guard", "fear lets pass") in passes.seen
    assert Rule("guard", "fear blocks") in passes.missed


def test_nothing_run_is_nothing_covered(suite: Suite, worlds: dict[str, WorldUnderTest]) -> None:
    none = covered(suite, worlds)
    assert (none.share, none.missed) == (0.0, none.rules)
    one = covered(suite, worlds, "a small drift stays inside the deadband")
    assert Rule("churn guard", "churn.deadband") in one.seen
    assert Rule("chain", "trend") in one.seen
    assert Rule("chain", "chop") in one.missed
    assert 0 < one.share < 1


def test_the_feed_of_a_case_opens_at_the_last_close_beyond_its_bars(worlds: dict[str, WorldUnderTest]) -> None:
    values = np.array([[10.0], [12.0], [9.0], [11.0], [1000.0]])
    row = BarRow(AT - 900, AT, AT, values, np.array([True]))
    feed = CaseFeed(("SPY",), [row], worlds["us_core"].calendar)
    opens = [(o.start, float(o.prices[0])) for o in feed.opens(AT - 901, AT + 1000)]
    assert opens == [(AT - 900, 10.0), (AT, 11.0), (AT + 900, 11.0)]
    assert (feed.span(), feed.source, feed.symbols) == ((AT - 900, AT), "case", ("SPY",))
    assert list(feed.rows(AT - 1, AT)) == [row]
    assert list(feed.rows(AT, AT + 900)) == []
    assert CaseFeed(("SPY",), [], worlds["us_core"].calendar).span() == (0, 0)


def test_a_seeded_account_shows_what_it_was_seeded_with(worlds: dict[str, WorldUnderTest]) -> None:
    world = worlds["us_core"]
    values = np.full((5, 1), 50.0)
    feed = CaseFeed(("SPY",), [BarRow(AT - 900, AT, AT, values, np.array([True]))], world.calendar)
    position = Position("SPY", Decimal(-20), Decimal(55))
    given = BrokerSnapshot(Decimal(9_000), Decimal(10_000), Decimal(0), (position,), (), 0)
    with ExitStack() as closing:
        account = account_for(world, closing)(feed, given)
        shown = account.snapshot(AT)
    assert (shown.cash, shown.equity, shown.positions) == (Decimal(10_000), Decimal(9_000), (position,))
    assert shown.buying_power == Decimal(8_500)  # cash less 1.5 times what the short is worth
