"""The long run can be stopped anywhere and goes on where it stood."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """bench/noise.py, which is no part of the package."""
    spec = importlib.util.spec_from_file_location("bench_noise", ROOT / "bench" / "noise.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_noise"] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def part(bench: ModuleType) -> object:
    """Years whose P&L is their own number."""

    def make(seed: int, number: int) -> tuple[np.ndarray, None]:
        return np.full((2, 3), seed * 100.0 + number), None

    return bench.Part("worlds", ("a", "b", "c"), 1, 50.4, make)


def test_a_run_goes_on_where_it_stopped(bench: ModuleType, part: object, tmp_path: Path) -> None:
    first = bench.Done(tmp_path, 7, part)
    for _ in range(3):
        first.step(7)
    again = bench.Done(tmp_path, 7, part)
    assert again.years == 3
    again.step(7)
    np.testing.assert_array_equal(again.units("pnl")[:, 0], [700, 700, 701, 701, 702, 702, 703, 703])
    np.testing.assert_array_equal(bench.Done(tmp_path, 7, part).units("pnl"), again.units("pnl"))


def test_a_year_that_was_cut_off_while_it_was_written_is_done_again(
    bench: ModuleType, part: object, tmp_path: Path
) -> None:
    done = bench.Done(tmp_path, 7, part)
    for _ in range(2):
        done.step(7)
    text = done.path.read_text()
    done.path.write_text(text[:-20])
    again = bench.Done(tmp_path, 7, part)
    assert again.years == 1
    again.step(7)
    assert done.path.read_text() == text


def test_years_of_another_run_are_not_mixed_in(bench: ModuleType, part: object, tmp_path: Path) -> None:
    done = bench.Done(tmp_path, 7, part)
    done.path.write_text(json.dumps({**done.header, "names": ["x"]}) + "\n")
    with pytest.raises(SystemExit, match="of another run or version"):
        bench.Done(tmp_path, 7, part)


def test_strategies_come_first_then_the_others_take_turns(bench: ModuleType, part: object, tmp_path: Path) -> None:
    parts = [
        bench.Part(name, ("a",), years, 1.0, part.make)
        for name, years in (("strategies", 2), ("markets", 1), ("worlds", 1))
    ]  # type: ignore[attr-defined]
    order = []
    for done in bench._turns([bench.Done(tmp_path, 1, one) for one in parts], 3):
        done.lines[len(done.lines)] = {}
        order.append(done.part.name)
    assert order == ["strategies", "strategies", "markets", "worlds", "markets", "worlds", "markets", "worlds"]
