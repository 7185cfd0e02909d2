"""R05: the program is killed at every step, alone and with faults of broker and network, and nothing is doubled or lost.

The short form of `bench/crash.py`: two sessions of made-up bars, the world that is shipped. Kills at named steps alone end with
the book of a run without kills; with faults the laws hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .campaign import Month, Nursery, Plan, comparable, month, nursery
from .markets import made_up

START, END = "2025-11-12", "2025-11-13"


@pytest.fixture(scope="module")
def lives() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    bars, vix = made_up(tmp_path_factory.mktemp("market"), START, END, 7)
    return Plan(bars, vix, START, END, 7)


@pytest.fixture(scope="module")
def whole(plan: Plan, lives: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Month:
    return month(plan, tmp_path_factory.mktemp("whole"), lives)


def told(done: Month) -> Any:
    verdict = done.verdict
    assert verdict is not None
    assert verdict.wrong == ()
    return verdict


def test_r05_without_kills_every_order_is_one_order(whole: Month) -> None:
    verdict = told(whole)
    assert verdict.orders > 20
    assert verdict.fills > 20
    assert all(order["posts"] == 1 for order in whole.book["orders"])


def test_r05_kills_at_every_step_end_with_the_same_book(
    plan: Plan, whole: Month, lives: Nursery, tmp_path: Path
) -> None:
    done = month(replace(plan, kills=60, passed=whole.passed), tmp_path, lives)
    assert done.kills >= 60
    assert told(done).well
    assert comparable(done.book) == comparable(whole.book)


def test_r01_kills_with_faults_of_broker_and_network_double_and_lose_nothing(
    plan: Plan, whole: Month, lives: Nursery, tmp_path: Path
) -> None:
    done = month(replace(plan, kills=12, faults=True, passed=whole.passed), tmp_path, lives)
    assert sum(done.injected.values()) > 20
    assert told(done).well
