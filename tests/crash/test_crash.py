"""R05: the program is killed at every step, alone and with faults of broker and network, and nothing is doubled or lost.

The short form of `bench/crash.py`: two sessions of made-up bars, the world that is shipped, two symbols that fill late, so that their
orders are cancelled. Killed alone, at every point and at moments of the clock on the wall, a run ends with the book of a run without
kills; with faults the laws hold. That the judge sees what it counts is shown in `test_judge`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .campaign import LATE, Month, Nursery, Plan, comparable, month
from .deaths import WALL
from .points import AFTER_A_CRASH, POINTS


@pytest.fixture(scope="module")
def plan(market: Plan) -> Plan:
    return replace(market, rules=LATE)


@pytest.fixture(scope="module")
def whole(plan: Plan, lives: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Month:
    return month(plan, tmp_path_factory.mktemp("whole"), lives)


def told(done: Month) -> Any:
    verdict = done.verdict
    assert verdict is not None
    assert verdict.wrong == ()
    assert verdict.well
    return verdict


def test_r05_without_kills_every_order_is_one_order(whole: Month) -> None:
    verdict = told(whole)
    assert verdict.orders > 20
    assert verdict.fills > 20
    assert all(order["posts"] == 1 for order in whole.book["orders"])
    # every point but those of lookups, which nothing needs here
    assert {point for point, _ in whole.passed} == set(POINTS) - set(AFTER_A_CRASH)


def test_r05_kills_at_every_step_end_with_the_same_book(
    plan: Plan, whole: Month, lives: Nursery, tmp_path: Path
) -> None:
    done = month(replace(plan, kills=55, passed=whole.passed), tmp_path, lives)
    assert done.kills == 55
    assert set(done.at) == {*POINTS, WALL}
    assert told(done).orders == told(whole).orders
    assert comparable(done.book) == comparable(whole.book)


def test_r01_kills_with_faults_of_broker_and_network_double_and_lose_nothing(
    plan: Plan, whole: Month, lives: Nursery, first: Path, tmp_path: Path
) -> None:
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    done = month(replace(plan, kills=14, faults=True, passed=whole.passed), tmp_path, lives)
    assert done.kills >= 10  # a day with faults has fewer orders, and a last kill may find no more of them
    assert set(done.at) >= {*AFTER_A_CRASH, WALL}
    assert done.injected["network"] > 0
    assert sum(done.injected.values()) > 20
    assert told(done).orders > 10
    assert told(done).fills > 10
