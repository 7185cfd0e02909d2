"""Every kind of expectation can fail: the shipped cases, turned into their opposite, do."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import get_args

import pytest

from qmtl.cli.casefiles import Suite, load_suite, worlds_under_test
from qmtl.cli.caserun import account_for
from qmtl.dsl.cases.model import About, Case, Expectation, Wanted, WantedOrder, Weight
from qmtl.engine.cases.compare import Mismatch, mismatches
from qmtl.engine.cases.run import WorldUnderTest, play
from qmtl.engine.cases.way import percent

#: for each kind an answer that is wrong wherever the right one holds
OTHER = {
    "chain": {"trend": "chop"},
    "regime": {"known": "missing"},
    "market_phase": {"regular": "outside_rth"},
    "freshness": {"active": "stale"},
    "position_policy": {"normal": "external/ignore"},
    "kill": {"none": "kill.auth"},
}


def opposite(about: str, wanted: Wanted) -> Wanted:
    """What cannot come out as well."""
    if isinstance(wanted, float):
        return wanted + 0.0003  # sizes are rounded to lots
    if isinstance(wanted, str):
        (right, wrong), *_ = OTHER.get(about, {"none": "order.trim"}).items()
        return wrong if wanted == right else right
    if about == "because":
        return ("policy.unwind_only", "net.reduced_funds", "kill.auth")
    if about == "guards":
        return () if wanted else ("nobody",)
    if about == "weights":
        return tuple(Weight(w.strategy, w.share + 0.0002) for w in wanted if isinstance(w, Weight))
    orders = tuple(order for order in wanted if isinstance(order, WantedOrder))
    return orders[1:] if orders else (WantedOrder("SPY"),)


@pytest.fixture(scope="module")
def suites(request: pytest.FixtureRequest) -> list[tuple[Suite, dict[str, WorldUnderTest]]]:
    paths = [request.config.rootpath / "worlds", request.config.rootpath / "tests" / "cases" / "rules"]
    loaded = [load_suite([str(path)]) for path in paths]
    return [(suite, worlds_under_test(suite)) for suite in loaded]


def found(case: Case, world: WorldUnderTest) -> list[Mismatch]:
    with ExitStack() as closing:
        return [m for tick in play(case, world, account_for(world, closing)) for m in mismatches(tick)]


def test_the_opposite_of_every_expectation_fails(suites: list[tuple[Suite, dict[str, WorldUnderTest]]]) -> None:
    seen: set[str] = set()
    for suite, ready in suites:
        for one in suite.documents:
            for case in one.cases:
                assert one.world is not None
                if case.steps[0].regime is None and "heuristic" in case.name:
                    continue
                turned = tuple(
                    replace(step, expect=tuple(replace(e, wanted=opposite(e.about, e.wanted)) for e in step.expect))
                    for step in case.steps
                )
                failed = found(replace(case, steps=turned), ready[one.world.file])
                wanted = [e for step in turned for e in step.expect]
                assert [m.expectation for m in failed] == wanted, case.name
                seen |= {e.about for e in wanted}
    assert seen == set(get_args(About))


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ((WantedOrder("SPY"),), True),
        ((WantedOrder("SPY", "buy", "open", Decimal(16), "order.entry"),), True),
        ((WantedOrder("SPY", "sell"),), False),
        ((WantedOrder("SPY", leg="close"),), False),
        ((WantedOrder("SPY", qty=Decimal(17)),), False),
        ((WantedOrder("SPY", because="order.add"),), False),
        ((WantedOrder("SPY"), WantedOrder("SPY")), False),
        ((WantedOrder("QQQ"),), False),
        ((), False),
    ],
)
def test_orders_are_compared_by_what_is_said_of_them(
    suites: list[tuple[Suite, dict[str, WorldUnderTest]]], wanted: tuple[WantedOrder, ...], holds: bool
) -> None:
    suite, ready = suites[0]
    (case, file), *_ = [
        (case, one.world.file)
        for one in suite.documents
        for case in one.cases
        if one.world and case.name == "an entry buys the fraction of world capital in whole shares"
    ]
    step = replace(case.steps[0], expect=(Expectation("orders", "", wanted, "expect.orders"),))
    failed = found(replace(case, steps=(step,)), ready[file])
    assert (not failed) == holds
    if failed:
        assert failed[0].came == "buy 16 SPY (open: order.entry)"


@pytest.mark.parametrize(("value", "text"), [(0.135, "13.5%"), (-0.02, "-2%"), (0.0, "0%"), (0.12346, "12.35%")])
def test_fractions_are_shown_as_people_write_them(value: float, text: str) -> None:
    assert percent(value) == text
