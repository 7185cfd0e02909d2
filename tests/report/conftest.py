"""Pages that several tests look at, and one browser for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qmtl.engine.backtest.result import Notice
from qmtl.engine.report.page import page

from .browser import Browser, browsing
from .made import Made, Shape, made

KILL = Notice("kill.daily_loss", 1_760_545_800, 1, "us_core", "", "the daily loss limit was reached")


@pytest.fixture(scope="session")
def quarter() -> Made:
    """41 sessions of one world, with a kill."""
    return made(Shape(killed=600, notices=(KILL,)))


@pytest.fixture(scope="session")
def quarter_file(quarter: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its page, as a file."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(page(quarter.result, quarter.summary, quarter.trips), encoding="utf-8")
    return file


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A headless browser; skips where there is none, unless QMTL_NEED_BROWSER=1."""
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found
