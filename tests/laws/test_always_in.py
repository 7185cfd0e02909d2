"""The scenario of the issue: an always-in strategy whose signal flips every five hours enters twelve times in 60 hours.

The runner is a parameter: whatever runs a program over bars must count the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qmtl.dsl.program import Program

from .runners import RUNNERS, Runner, compiled
from .scenes import SHORT, STEADY, calendar, rows_of

HOUR = 4  # bars
ALWAYS_IN = """
strategy always_in { style trend
  long when volume > 100
  short when volume < 100
  size 50% }
"""
WORLD = """
version: 1
world: always
calendar: XNYS
universe: [AAA]
regime: {heuristic: steady}
chains:
  - {name: all, otherwise: true, strategies: [always_in]}
allowlist: all
"""


def program(folder: Path, name: str) -> Program:
    """The text knows only XNYS in this version; the engine takes the calendar that it is given."""
    of = compiled(folder, WORLD, SHORT + STEADY + ALWAYS_IN)
    return replace(of, settings=replace(of.settings, calendar=name))


def entered(runner: Runner, of: Program, name: str, signal: np.ndarray) -> list[int]:
    """When positions were opened from flat, over bars of one price whose volume carries the signal; the bars that the
    formulas warm up on come before them."""
    told = np.concatenate((np.full(13, signal[0]), signal))
    volume = np.where(told > 0, 200.0, 50.0)[:, None]
    return runner(of, rows_of(np.full_like(volume, 100.0), volume, name), calendar(name)).entries("AAA")


def flips(every: int, bars: int) -> np.ndarray:
    return np.where(np.arange(bars) // every % 2 == 0, 1, -1)


@pytest.mark.parametrize("name", ["XNYS", "24/7"])
@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_a_signal_that_flips_every_5_hours_over_60_hours_gives_12_entries(
    runner: Runner, name: str, tmp_path: Path
) -> None:
    assert len(entered(runner, program(tmp_path, name), name, flips(5 * HOUR, 60 * HOUR))) == 12


@pytest.mark.parametrize("runner", RUNNERS.values(), ids=RUNNERS)
def test_a_signal_that_flips_every_bar_enters_at_most_once_an_hour(runner: Runner, tmp_path: Path) -> None:
    """side_cooldown and min_hold: 60 minutes from the first opening fill of a side to the first one of the other."""
    times = entered(runner, program(tmp_path, "24/7"), "24/7", flips(1, 60 * HOUR))
    assert len(times) > 12
    assert np.diff(times).min() >= 3600


@pytest.mark.parametrize("runner", list(RUNNERS.values())[1:], ids=list(RUNNERS)[1:])
def test_every_runner_enters_when_the_live_one_does(runner: Runner, tmp_path: Path) -> None:
    of, signal = program(tmp_path, "XNYS"), flips(5 * HOUR, 60 * HOUR)
    assert entered(runner, of, "XNYS", signal) == entered(RUNNERS["live"], of, "XNYS", signal)
