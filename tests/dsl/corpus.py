"""The generated worlds of `bench/worldcorpus.py`, for tests: bench is no package, so it is loaded by its path."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


def worldcorpus() -> ModuleType:
    """The module that writes worlds."""
    spec = importlib.util.spec_from_file_location("worldcorpus", ROOT / "bench" / "worldcorpus.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
