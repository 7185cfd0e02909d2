"""A small market, and a venue on it in a thread of this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .made import at, market
from .start import Handle, hosted

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # alpaca-py imports a part of websockets that is deprecated
    import alpaca.trading.client  # noqa: F401

MONDAY = "2025-11-24 10:00"


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of generated bars."""
    return market(tmp_path_factory.mktemp("bars"))


@pytest.fixture
def venues(bars: Path) -> Iterator[Callable[..., Handle]]:
    """Start venues: Monday ten o'clock unless told, with any option of `hosted`."""
    with ExitStack() as stack:

        def start(now: str | float | None = MONDAY, **options: Any) -> Handle:
            moment = at(now) if isinstance(now, str) else now
            return stack.enter_context(hosted(**{"bars": bars, "now": moment, **options}))

        yield start


@pytest.fixture
def venue(venues: Callable[..., Handle]) -> Handle:
    """A margin account with 100,000 dollars on Monday at ten."""
    return venues()
