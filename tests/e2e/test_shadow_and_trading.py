"""`qmtl run` with a shadow regime, a world that is halted by its text, and a kill that flattens: what a person is told."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
SECOND = "regime last_hours {{\n  score trend_up {up}\n  score trend_down -100 * ret_8\n  score chop 0.3\n  high_vol 0.1\n}}\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The texts of the demo."""
    for name in ("worlds", "strategies", "schemas"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "demo.yaml", tmp_path / "demo.yaml")
    return tmp_path


def edit(home: Path, old: str, new: str) -> None:
    path = home / "worlds" / "us_core.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def shadow(home: Path, up: str) -> None:
    (home / "strategies" / "last_hours.qmtl").write_text(SECOND.format(up=up))
    edit(home, "regime: {source: heuristic,", "regime: {source: shadow, shadow: last_hours,")


def rows(home: Path) -> list[dict[str, str]]:
    with (home / "out" / "demo" / "live_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_rates_of_a_shadow_stand_in_summary_log_and_state(home: Path, qmtl: Run) -> None:
    shadow(home, "100 * ret_8")
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 20, "--quiet", cwd=home).stdout
    (line,) = [line for line in said.splitlines() if line.startswith("shadow ")]
    last = rows(home)[-1]
    share = float(last["shadow_differing_rate"])
    assert 0 < share < 1
    assert last["shadow_fallback_rate"] == "0.0"
    assert line.endswith(f" compared, {share:.1%} differ, 0.0% without its output")
    assert line.startswith("shadow   us_core, last_hours: ")
    state = json.loads((home / "out" / "demo" / "state.json").read_text())["worlds"]["us_core"]["shadow"]
    assert (state["differing_rate"], state["unreliable"]) == (share, False)
    # going on counts on
    qmtl("run", "--config", "demo.yaml", "--ticks", 5, "--quiet", cwd=home)
    again = json.loads((home / "out" / "demo" / "state.json").read_text())["worlds"]["us_core"]["shadow"]
    assert again["compared"] > state["compared"]


def test_r51_a_shadow_that_is_often_silent_is_told_once(home: Path, qmtl: Run) -> None:
    shadow(home, "log(ret_8 - 200%)")
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 20, "--quiet", cwd=home).stdout
    assert (
        said.count("world us_core has a shadow regime that often says nothing: last_hours has no output for 100.0%")
        == 1
    )
    assert "shadow   us_core, last_hours: nothing compared, 100.0% without its output (above 5%)" in said


def test_a_run_without_a_shadow_says_nothing_of_one(home: Path, qmtl: Run) -> None:
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 10, "--quiet", cwd=home).stdout
    assert "shadow" not in said
    assert "trading" not in said
    assert {row["shadow_differing_rate"] for row in rows(home)} == {""}
    assert {row["trading_state"] for row in rows(home)} == {"active"}
    assert "shadow" not in json.loads((home / "out" / "demo" / "state.json").read_text())["worlds"]["us_core"]


def test_a_world_that_its_text_halts_says_so_at_every_start(home: Path, qmtl: Run) -> None:
    edit(home, "daily_loss: -2%", "trading: halted\n  daily_loss: -2%")
    for _ in range(2):
        said = qmtl("run", "--config", "demo.yaml", "--ticks", 5, "--quiet", cwd=home).stdout
        assert "world us_core is halted by its text: risk.halted; `risk: {trading: active}` lets it trade" in said
        assert "trading  us_core: halted (risk.halted)" in said
        assert " 0 orders," in said
    assert {row["trading_state"] for row in rows(home)} == {"halted"}


def test_r43_a_kill_that_flattens_leaves_nothing_behind(home: Path, qmtl: Run) -> None:
    edit(home, "daily_loss: -2%", "on_kill: flatten\n  daily_loss: -0.1%")
    said = qmtl("run", "--config", "demo.yaml", "--ticks", 300, cwd=home).stdout
    assert (
        "world us_core is killed: kill.daily_loss; everything that is ours is to be closed, lift it with `qmtl resume`"
        in said
    )
    assert "(order.flatten)" in said
    assert "is still killed after" in said  # the next days of the replay (R46)
    state = json.loads((home / "out" / "demo" / "state.json").read_text())
    world = state["worlds"]["us_core"]
    assert (world["trading"], world["trading_why"]) == ("halted", "kill.daily_loss")
    assert world["killed_at"].endswith("Z")
    assert not any(position["held"] for position in world["positions"].values())
    assert [row["trading_state"] for row in rows(home)][-1] == "halted"
