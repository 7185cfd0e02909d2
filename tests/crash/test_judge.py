"""The judge of the crash proof sees what it counts: programs that are broken on purpose do not come through, and the same scenario
with the real program does.

All begin with the same first tick, which is run once. Each lives through a part of a session without kills, or with one at the step
where its defect shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from .campaign import Month, Nursery, Plan, month

TICKS = 14
#: an order of that symbol waits for half an hour, so that there is time to find and cancel it
SLOW = {"do": "slow_fill", "times": 0, "seconds": 1800}
Try = Callable[..., Month]


@pytest.fixture(scope="module")
def attempt(market: Plan, lives: Nursery, first: Path) -> Try:
    """Goes on from the first tick with these breaks: a function of a folder and a plan's fields."""
    plan = replace(market, end=market.start, limit=TICKS)

    def go_on(home: Path, **more: Any) -> Month:
        shutil.copytree(first, home, dirs_exist_ok=True)
        return month(replace(plan, **more), home, lives)

    return go_on


def test_the_real_program_comes_through(attempt: Try, tmp_path: Path) -> None:
    verdict = attempt(tmp_path).verdict
    assert verdict is not None
    assert (verdict.wrong, verdict.well) == ((), True)
    assert verdict.fills > 3


def told(done: Month) -> Any:
    assert done.verdict is not None
    return done.verdict


def test_r11_an_order_that_arrives_late_is_found_and_not_sent_twice(attempt: Try, tmp_path: Path) -> None:
    assert told(attempt(tmp_path / "well", broken=("late",))).wrong == ()
    broken = told(attempt(tmp_path / "broken", broken=("late", "hasty")))
    assert broken.doubled
    assert not broken.well


def test_r05_an_order_that_leaves_before_its_intent_is_seen_at_the_kill(attempt: Try, tmp_path: Path) -> None:
    sent = (("after POST order", 1),)
    assert told(attempt(tmp_path / "well", deaths=sent)).wrong == ()
    broken = attempt(tmp_path / "broken", deaths=sent, broken=("early",))
    assert told(broken).unexplained
    assert "left before its intent" in broken.early[0]
    assert not told(broken).well


def test_r12_a_fill_that_is_not_heard_is_lost(attempt: Try, tmp_path: Path) -> None:
    broken = told(attempt(tmp_path, broken=("deaf",)))
    assert broken.lost
    assert broken.unexplained
    assert not broken.well


def test_r01_an_order_that_was_given_up_and_arrives_is_watched_for(attempt: Try, tmp_path: Path) -> None:
    assert told(attempt(tmp_path / "well", broken=("very late",), rules=(SLOW,))).wrong == ()
    broken = told(attempt(tmp_path / "broken", broken=("very late", "careless"), rules=(SLOW,)))
    assert broken.lost
    assert not broken.well
