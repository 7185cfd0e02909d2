"""`qmtl validate` beside a bare YAML load with a schema check. Limits are loose, so that a busy machine fails nobody; the
numbers that count are those of `python bench/validate.py` (docs/performance.md)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"
TRIES = 3


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", [str(BENCH), *sys.path])
    spec = importlib.util.spec_from_file_location("bench_validate", BENCH / "validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_hundred_worlds_cost_few_bare_loads(bench: ModuleType) -> None:
    ratios = []
    for _ in range(TRIES):
        measured = bench.corpus(100, 1, 2)
        ratios.append(measured["ours_ms"] / measured["base_ms"])
        if ratios[-1] < 8:
            return
    raise AssertionError(ratios)


def test_a_cold_start_costs_few_imports(bench: ModuleType) -> None:
    ratios = []
    for _ in range(TRIES):
        ours, libraries = bench.cold(4)
        ratios.append(ours / libraries)
        if ratios[-1] < 4:
            return
    raise AssertionError(ratios)
