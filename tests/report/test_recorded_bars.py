"""The report of a real backtest - recorded bars, the shipped world, the real command - opens without errors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .browser import Browser
from .test_browser import complaints, foreign

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (DATA / "us_15m").is_dir():
        pytest.skip("recorded bars are not at hand: ../shared/data/us_15m is missing")
    out = tmp_path_factory.mktemp("recorded") / "out"
    done = subprocess.run(
        [sys.executable, "-m", "qmtl", "backtest", "--world", "us_core", "--bars", str(DATA / "us_15m"), "--vix",
         str(DATA / "vix" / "vix_daily_cboe.csv"), "--from", "2025-10-01", "--to", "2025-11-28", "--out", str(out)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out / "report.html"


def test_the_report_of_recorded_bars_opens_without_errors(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.value("document.querySelectorAll('svg path').length") > 12
    assert browser.value("document.querySelector('h1').textContent") == "us_core"
    assert complaints(browser) == []
    assert foreign(browser, report) == []
