"""`qmtl gate` as a person uses it: after a run, beside a backtest of the same days, with a shadow regime and after a kill."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .test_shadow_and_trading import edit, home, shadow

__all__ = ["home"]  # the fixture

Run = Callable[..., subprocess.CompletedProcess[str]]
DAYS = ("2025-11-12", "2025-11-19")


def ran(qmtl: Run, folder: Path) -> None:
    qmtl("run", "--config", "demo.yaml", "--start", DAYS[0], "--end", DAYS[1], "--quiet", cwd=folder)


def test_a_run_that_decides_as_its_backtest_passes(home: Path, qmtl: Run) -> None:
    ran(qmtl, home)
    qmtl(
        "backtest", "--config", "demo.yaml", "--from", DAYS[0], "--to", DAYS[1], "--quick", "--quiet", "--out", "out/same",
        cwd=home,
    )  # fmt: skip
    said = qmtl("gate", "out/demo", "--backtest", "out/same", cwd=home).stdout
    assert said.startswith("paper run over synthetic")
    assert ": 6 sessions, 2025-11-12 to 2025-11-19, 156 decisions\n\nlive gate: passed\n" in said
    for line in (
        "  ok     decisions unlike the backtest 0 <= 0",
        "  ok     slippage in bps 1 <= 2",
        "  shown  sharpe ",
    ):
        assert line in said
    assert "shadow" not in said
    alone = qmtl("gate", "out/demo", "--json", cwd=home, code=1).stdout
    live = json.loads(alone)["live"]
    assert not live["passed"]
    assert [check["name"] for check in live["checks"] if check["gating"] and not check["passed"]] == [
        "decisions unlike the backtest", "slippage in bps",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("up", "said"),
    [
        ("100 * ret_8", "shadow gate of us_core: passed\n  ok     sessions 6 >= 5\n  ok     fallback rate 0 % < 5 %\n"),
        ("log(ret_8 - 200%)", "shadow gate of us_core: not passed\n  ok     sessions 6 >= 5\n  fails  fallback rate 100 % >= 5 %\n"),
    ],
    ids=["speaks", "silent"],
)  # fmt: skip
def test_r51_a_shadow_that_speaks_passes_and_one_that_is_silent_does_not(
    home: Path, qmtl: Run, up: str, said: str
) -> None:
    shadow(home, up)
    ran(qmtl, home)
    found = qmtl("gate", "out/demo", cwd=home, code=1).stdout  # without a backtest the live gate never passes
    assert said in found
    assert "  ok     kills 0 <= 0\n" in found


def test_kills_and_ticks_without_a_regime_are_counted(home: Path, qmtl: Run) -> None:
    shadow(home, "100 * ret_8")
    edit(home, "daily_loss: -2%", "daily_loss: -0.01%")
    ran(qmtl, home)
    found = qmtl("gate", "out/demo", cwd=home, code=1).stdout
    assert "  fails  kills 1 > 0\n" in found
    assert "  ok     ticks without a regime 0 <= 0\n" in found


def test_a_folder_that_is_no_run_or_no_backtest_says_so(tmp_path: Path, home: Path, qmtl: Run) -> None:
    said = qmtl("gate", tmp_path, code=74).stderr
    assert f"error: there is no journal {tmp_path / 'journal.db'}" in said
    qmtl("run", "--config", "demo.yaml", "--ticks", 5, "--quiet", cwd=home)
    said = qmtl("gate", "out/demo", "--backtest", tmp_path, cwd=home, code=1).stderr
    assert said.startswith("error: ")
    assert " = help: " in said
