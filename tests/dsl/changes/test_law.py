"""The law of `qmtl diff`: it says nothing exactly when the program ids are equal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qmtl.dsl.changes.compare import differences
from qmtl.dsl.changes.side import read_side
from qmtl.dsl.documents import load_file
from qmtl.dsl.surface.convert import to_yaml_files

WORLD = "worlds/us_core.yaml"
DAY = "2026-06-01"
SILENT = [
    ((WORLD, "p_chop >= 0.50", "p_chop  >=  0.5"),),
    ((WORLD, "vix.close > 20,", "vix.close > 2_0,"),),
    ((WORLD, "# All percentages below", "# Every percentage below"),),
    ((WORLD, "deadband: 2%, side_cooldown: 60m", "side_cooldown: 1h, deadband: 200bps"),),
    ((WORLD, "description: Large US names", "description: Other words for large US names"),),
    ((WORLD, "XLV: health, XLI: industrials", "XLI: industrials, XLV: health"),),
    ((WORLD, "freshness: {stale_15m_bars: 2, stale_60m_bars: 1, regular_hours_only: true}", "freshness: {}"),),
    ((WORLD, "MSFT: [atr_ratchet, zscore_reversion]", "MSFT: [zscore_reversion, atr_ratchet]"),),
    ((WORLD, "QQQ: {fast: 15}", "QQQ: {slow: 40, fast: 15}"),),
    ((WORLD, "p_high_vol >= 0.40 and p_trend_down", "(p_high_vol >= 0.40) and p_trend_down"),),
    (
        ("strategies/roc_momentum.qmtl", "quick = sma(", "quicker = sma("),
        (
            "strategies/roc_momentum.qmtl",
            "long  when quick > calm and quick >",
            "long  when quicker > calm and quicker >",
        ),
        (
            "strategies/roc_momentum.qmtl",
            "short when quick < calm and quick <",
            "short when quicker < calm and quicker <",
        ),
        (
            "strategies/roc_momentum.qmtl",
            "clip(abs(quick) / highest(abs(quick)",
            "clip(abs(quicker) / highest(abs(quicker)",
        ),
    ),
    (("strategies/zscore_reversion.qmtl", 'doc   "Fade', 'doc   "Quietly fade'),),
    (("worlds/allowlists/tail_hedge.yaml", "reason: false breaks in 2025", "reason: something else"),),
]
LOUD = [
    ((WORLD, "p_chop >= 0.50", "p_chop > 0.50"),),
    ((WORLD, "hysteresis: 0.07", "hysteresis: 0.05"),),
    ((WORLD, "universe: [SPY, QQQ,", "universe: [QQQ, SPY,"),),
    ((WORLD, "[roc_momentum, ema_cross_atr]", "[ema_cross_atr, roc_momentum]"),),
    ((WORLD, "name: neutral", "name: rest"),),
    ((WORLD, "XLE: energy", "XLE: oil"),),
    ((WORLD, "COST: [bb_rsi_reversion]", "COST: []"),),
    (("strategies/features.qmtl", "stdev(ret_1, 20)", "stdev(ret_1, 21)"),),
    (("strategies/us_heuristic.qmtl", "regime us_heuristic {", "regime us_heuristic {\n  confidence 0.5\n"),),
    (("strategies/atr_ratchet.qmtl", "style trend", "style chop"),),
    (("worlds/exchanges/alpaca_us_equity.yaml", "lot_size: 1", "lot_size: 10"),),
    (("worlds/allowlists/tail_hedge.yaml", '"2030-12-31"', '"2026-11-30"'),),
    (("worlds/allowlists/tail_hedge.yaml", "enabled: false", "enabled: true"),),
    (("worlds/tail_hedge.qmtl", "exposure 90%", "exposure 80%"),),
]


@pytest.mark.parametrize("made", SILENT, ids=lambda made: made[0][1][:24])
def test_what_means_the_same_is_no_change(edits: Any, made: Any) -> None:
    done = edits(*made)
    assert done.ids()[0] == done.ids()[1]
    assert done.found == ()


@pytest.mark.parametrize("made", LOUD, ids=lambda made: made[-1][1][:24])
def test_what_means_something_else_is_said_and_named(edits: Any, made: Any) -> None:
    done = edits(*made)
    assert done.ids()[0] != done.ids()[1]
    changes = [change for one in done.found for change in one.changes]
    assert changes
    assert "graph" not in {change.path for change in changes}, "named only as a difference somewhere"
    for change in changes:
        assert change.before != change.after
        assert bool(change.before_at) == (change.sign != "added")
        assert bool(change.after_at) == (change.sign != "removed")


def test_the_other_surface_is_no_change(tmp_path: Path, root: Path) -> None:
    sides = []
    shipped = root / "worlds/tail_hedge.qmtl"
    (converted,) = to_yaml_files(load_file(shipped))
    for name, text in (("a.yaml", converted.text), ("b.qmtl", shipped.read_text())):
        home = tmp_path / name[0]
        for folder in ("exchanges", "allowlists"):
            shutil.copytree(root / "worlds" / folder, home / folder)
        (home / name).write_text(text)
        sides.append(read_side((home / name,)))
    assert all(set(side.worlds) == {"tail_hedge"} and not side.broken for side in sides)
    assert differences(*sides, DAY) == ()


NUMBERS = re.compile(r"(?<=[ :>=])(\d+\.\d+|\d+%|\d+m)(?=[ ,}\n])")


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_diff_is_empty_exactly_when_the_ids_are_equal(
    data: st.DataObject, shipped: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Numbers of the shipped world are nudged, entries of its allowlist dropped, lines of comment added."""
    home, before = shipped
    text = (home / WORLD).read_text()
    steps: list[Callable[[str], str]] = data.draw(
        st.lists(st.sampled_from([_nudge(data), _drop(data), _comment(data)]), min_size=0, max_size=3)
    )
    for step in steps:
        text = step(text)
    folder = tmp_path_factory.mktemp("after")
    for file in (home / "worlds").rglob("*.*"):
        target = folder / file.relative_to(home)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    (folder / "strategies").symlink_to(home / "strategies")
    (folder / WORLD).write_text(text)
    after = read_side((folder / "worlds",))
    if after.broken:
        return
    equal = before.worlds["us_core"].program.program_id == after.worlds["us_core"].program.program_id
    found = differences(before, after, DAY)
    assert (found == ()) is equal
    assert not any(change.path == "graph" for one in found for change in one.changes)


def _nudge(data: st.DataObject) -> Callable[[str], str]:
    def step(text: str) -> str:
        places = list(NUMBERS.finditer(text))
        at = data.draw(st.sampled_from(places))
        word = re.sub(r"\d", lambda m: data.draw(st.sampled_from([m[0], "1", "4"])), at[0])
        return text[: at.start()] + word + text[at.end() :]

    return step


def _drop(data: st.DataObject) -> Callable[[str], str]:
    def step(text: str) -> str:
        places = list(re.finditer(r"^  [A-Z]{2,4}: +\[(\w+), ", text, re.MULTILINE))
        if not places:
            return text
        at = data.draw(st.sampled_from(places))
        return text[: at.start(1)] + text[at.end() :]

    return step


def _comment(data: st.DataObject) -> Callable[[str], str]:
    def step(text: str) -> str:
        return text + "# " + data.draw(st.text("abc ", max_size=5)) + "\n"

    return step
