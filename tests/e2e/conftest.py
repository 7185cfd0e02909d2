"""Runs of the real program as a user starts it, on recorded bars where they are at hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..program.start import call as start

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"

Qmtl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def qmtl() -> Qmtl:
    """Run `qmtl ...` to its end and return what it said."""

    def call(
        *arguments: object, code: int | None = 0, cwd: Path = ROOT, timeout: int = 240
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "ignore"}
        done = start(arguments, cwd=cwd, env=environment, timeout=timeout)
        assert "Traceback" not in done.stderr + done.stdout, done.stderr
        if code is not None:
            assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
        return done

    return call


@pytest.fixture(scope="session")
def real_bars() -> Path:
    """The folder of recorded data; tests that need it skip where it is absent."""
    if not (DATA / "us_15m").is_dir():
        pytest.skip("recorded bars are not at hand: ../shared/data/us_15m is missing")
    return DATA


@pytest.fixture
def replay(qmtl: Qmtl, real_bars: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`qmtl run` over real bars into a folder."""

    def call(
        out: Path, *more: object, start: str = "2025-10-01", end: str = "2025-11-28", code: int | None = 0
    ) -> subprocess.CompletedProcess[str]:
        return qmtl(
            "run", "--config", "recorded.yaml", "--bars", real_bars / "us_15m", "--vix", real_bars / "vix" / "vix_daily_cboe.csv",
            "--start", start, "--end", end, "--out", out, *more, code=code,
        )  # fmt: skip

    return call
