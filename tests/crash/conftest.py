"""The market and the process that forks lives, once for all tests of crashes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .campaign import Nursery, Plan, month, nursery
from .markets import made_up

START, END = "2025-11-12", "2025-11-13"


@pytest.fixture(scope="package")
def lives() -> Iterator[Nursery]:
    with nursery() as found:
        yield found


@pytest.fixture(scope="package")
def market(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Two sessions of made-up bars, in which nothing goes wrong."""
    bars, vix = made_up(tmp_path_factory.mktemp("market"), START, END, 7)
    return Plan(bars, vix, START, END, 7)


@pytest.fixture(scope="package")
def first(market: Plan, lives: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run after its first tick: others go on from a copy, and need not read two months of bars again."""
    home = tmp_path_factory.mktemp("first")
    month(replace(market, limit=1), home, lives, rest=False)
    return home
