"""The shipped cases are worth something: when a setting of us_core is changed, some case fails."""

from __future__ import annotations

import re
import shutil
from contextlib import ExitStack
from pathlib import Path

import pytest

from qmtl.cli.casefiles import Suite, load_suite, worlds_under_test
from qmtl.cli.caserun import account_for
from qmtl.dsl.cases.model import Case
from qmtl.dsl.compile import compile_world
from qmtl.dsl.lower import lower_world
from qmtl.engine.cases.compare import mismatches
from qmtl.engine.cases.run import WorldUnderTest, play

WORLD = "worlds/us_core.yaml"

MUTATIONS = [
    ("stale_15m_bars: 2", "stale_15m_bars: 1"),
    ("stale_15m_bars: 2", "stale_15m_bars: 3"),
    ("stale_60m_bars: 1", "stale_60m_bars: 2"),
    ("regular_hours_only: true", "regular_hours_only: true, max_gap: 41%"),
    ("regular_hours_only: true", "regular_hours_only: true, max_gap: 39%"),
    ("neutral_after: 4", "neutral_after: 3"),
    ("neutral_after: 4", "neutral_after: 5"),
    ("p_high_vol >= 0.40", "p_high_vol >= 0.38"),
    ("p_high_vol >= 0.40", "p_high_vol >= 0.42"),
    ("p_trend_down >= p_trend_up", "p_trend_down > p_trend_up"),
    ("p_trend_down >= 0.45", "p_trend_down >= 0.46"),
    ("p_chop >= 0.50", "p_chop > 0.50"),
    ("p_chop >= 0.50", "p_chop >= 0.40"),
    ("p_trend_up >= 0.55", "p_trend_up > 0.55"),
    ("p_trend_up >= 0.55", "p_trend_up >= 0.54"),
    ("hysteresis: 0.07", "hysteresis: 0.05"),
    ("hysteresis: 0.07", "hysteresis: 0.08"),
    ("    strategies: [bear_probability]\n    exposure: 40%", "    strategies: [bear_probability]\n    exposure: 39%"),
    ("bb_rsi_reversion]\n    exposure: 40%", "bb_rsi_reversion]\n    exposure: 41%"),
    ("exposure: 90%", "exposure: 91%"),
    ("exposure: 65%", "exposure: 64%"),
    ("SPY:  [roc_momentum, zscore_reversion", "SPY:  [zscore_reversion"),
    ("GOOG: [roc_momentum", "GOOG: [atr_ratchet"),
    ("switch_edge: 0.15", "switch_edge: 0.001"),
    ("switch_edge: 0.15", "switch_edge: 1.5"),
    ("cooldown: 120m", "cooldown: 121m"),
    ("cooldown: 120m", "cooldown: 119m"),
    ("only_when_flat: true", "only_when_flat: false"),
    ("vix.close > 20", "vix.close >= 20"),
    ("vix.close > 20", "vix.close > 20.1"),
    ("on_missing: block", "on_missing: false"),
    ("block: long_entries", "block: entries"),
    ("min_target: 2.2%", "min_target: 2.1%"),
    ("min_target: 2.2%", "min_target: 2.3%"),
    ("deadband: 2%", "deadband: 1.4%"),
    ("deadband: 2%", "deadband: 2.2%"),
    ("side_cooldown: 60m", "side_cooldown: 61m"),
    ("side_cooldown: 60m", "side_cooldown: 44m"),
    ("min_hold: 60m", "min_hold: 61m"),
    ("flat: 0.3%", "flat: 0.1%"),
    ("max_symbol: 15%", "max_symbol: 14%"),
    ("max_symbol: 15%", "max_symbol: 16%"),
    ("max_sector: 20%", "max_sector: 19%"),
    ("max_sector: 20%", "max_sector: 21%"),
    ("max_total: 60%", "max_total: 59%"),
    ("max_total: 60%", "max_total: 61%"),
    ("position_stop: 5%", "position_stop: 4.9%"),
    ("position_stop: 5%", "position_stop: 5.1%"),
    ("position_stop: 5%", "position_stop: 5%\n  cap_tolerance: 1.06"),
    ("position_stop: 5%", "position_stop: 5%\n  cap_tolerance: 1.04"),
    ("position_stop: 5%", "position_stop: 5%\n  max_consecutive_failures: 4"),
    ("position_stop: 5%", "position_stop: 5%\n  max_consecutive_failures: 2"),
    ("position_stop: 5%", "position_stop: 5%\n  max_failures: 6"),
    ("position_stop: 5%", "position_stop: 5%\n  max_failures: 4"),
    ("daily_loss: -2%", "trading: reducing\n  daily_loss: -2%"),
    ("daily_loss: -2%", "trading: halted\n  daily_loss: -2%"),
    ("daily_loss: -2%", "on_kill: flatten\n  daily_loss: -2%"),
    (
        "method: single_best",
        "alphas: {zscore_reversion: {p_chop: 10}, roc_momentum: {p_trend_up: -10}}, method: single_best",
    ),
    ("daily_loss: -2%", "daily_loss: -2.1%"),
    ("daily_loss: -2%", "daily_loss: -1.9%"),
    ("weekly_loss: -5%", "weekly_loss: -5.1%"),
    ("weekly_loss: -5%", "weekly_loss: -4.9%"),
    ("min_delta: 0.5%", "min_delta: 0.3%"),
    ("min_delta: 0.5%", "min_delta: 0.7%"),
    ("open_delay: 15m", "open_delay: 16m"),
    ("open_delay: 15m", "open_delay: 5m"),
    ("close_buffer: 5m", "close_buffer: 6m"),
    ("close_buffer: 5m", "close_buffer: 4m"),
    ("close_buffer: 5m", "close_buffer: 5m, cancel_after: 3"),
    ("close_buffer: 5m", "close_buffer: 5m, cancel_after: 1"),
    ("close_buffer: 5m", "close_buffer: 5m, collar: 2.1%"),
    ("close_buffer: 5m", "close_buffer: 5m, collar: 1.9%"),
    ("close_buffer: 5m", "close_buffer: 5m, reject_cooldown: 4"),
    ("close_buffer: 5m", "close_buffer: 5m, reject_cooldown: 2"),
    ("capital: 60%", "capital: 50%"),
]

#: a change that no case can see today, and why
UNSEEN = {
    # min_hold equals side_cooldown, which acts first: a shorter one changes nothing in this world
    ("min_hold: 60m", "min_hold: 30m"),
    # counts within one tick need no window; cases have no answers of earlier ticks yet
    ("position_stop: 5%", "position_stop: 5%\n  failure_window: 10m"),
}


@pytest.fixture(scope="module")
def suite(request: pytest.FixtureRequest) -> Suite:
    return load_suite([str(request.config.rootpath / "worlds")])


@pytest.fixture(scope="module")
def cases(suite: Suite) -> tuple[Case, ...]:
    """The rule cases of us_core; those that compute the regime from long series are left out, they are slow."""
    every = (case for one in suite.documents for case in one.cases)
    return tuple(case for case in every if case.world == "us_core" and case.steps[0].regime is not None)


@pytest.fixture(scope="module")
def before(suite: Suite) -> WorldUnderTest:
    (file,) = (file for file, world in suite.worlds.items() if world.name == "us_core")
    return worlds_under_test(suite)[file]


def failing(cases: tuple[Case, ...], world: WorldUnderTest) -> list[str]:
    """Names of cases that fail, at most one."""
    with ExitStack() as closing:
        account = account_for(world, closing)
        for case in cases:
            if any(mismatches(tick) for tick in play(case, world, account)):
                return [case.name]
    return []


#: documents whose cases are about a section of a world, where they are not called like it
ABOUT = {
    "hysteresis": ("chains",),
    "allowlist": ("selection",),
    "select": ("selection",),
    "risk": ("caps", "stops", "kill_switch"),
    "capital": ("orders", "caps"),
}


def likely(suite: Suite, text: str, change: tuple[str, str]) -> list[str]:
    """Names of the cases about the section that is changed: to try them first is quicker, one that fails is enough."""
    section = re.findall(r"^(\w+):", text[: text.index(change[0]) + len(change[0])], re.MULTILINE)[-1]
    documents = ABOUT.get(section, (section,))
    return [
        case.name for one in suite.documents if one.document.name.replace(" ", "_") in documents for case in one.cases
    ]


def mutated(root: Path, folder: Path, change: tuple[str, str], before: WorldUnderTest) -> WorldUnderTest:
    shutil.copytree(root / "worlds", folder / "worlds", ignore=shutil.ignore_patterns("cases"))
    path = folder / WORLD
    text = path.read_text()
    assert text.count(change[0]) == 1, f"{change[0]!r} stands {text.count(change[0])} times"
    path.write_text(text.replace(*change))
    compiled = compile_world(path)
    assert compiled.program is not None, compiled.diagnostics
    assert compiled.world is not None
    assert compiled.library is not None
    given, _ = lower_world(compiled.world, compiled.library, regime_given=True)
    assert given is not None
    return WorldUnderTest.of(compiled.program, given, before.calendar)


def test_without_a_change_no_case_fails(cases: tuple[Case, ...], before: WorldUnderTest) -> None:
    assert failing(cases, before) == []


@pytest.mark.parametrize("change", MUTATIONS, ids=lambda change: " -> ".join(part.split("\n")[-1] for part in change))
def test_every_changed_setting_is_caught_by_a_case(
    root: Path, tmp_path: Path, change: tuple[str, str], cases: tuple[Case, ...], before: WorldUnderTest, suite: Suite
) -> None:
    first = likely(suite, (root / WORLD).read_text(), change)
    every = tuple(sorted(cases, key=lambda case: case.name not in first))
    assert failing(every, mutated(root, tmp_path, change, before))


@pytest.mark.parametrize("change", sorted(UNSEEN), ids=lambda change: change[1].split("\n")[-1])
def test_what_no_case_sees_is_listed(
    root: Path, tmp_path: Path, change: tuple[str, str], cases: tuple[Case, ...], before: WorldUnderTest
) -> None:
    """Move a change that fails here to MUTATIONS: a case sees it now."""
    assert not failing(cases, mutated(root, tmp_path, change, before))
