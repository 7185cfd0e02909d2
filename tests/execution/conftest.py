"""The broker in memory, and its orders."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

_HERE = Path(__file__).parent


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("execution_venue", _HERE / "venue.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


_VENUE = _module()


@pytest.fixture
def venue() -> Any:
    return _VENUE.Venue()


@pytest.fixture
def order() -> Any:
    return _VENUE.order


@pytest.fixture
def new_venue() -> Any:
    """A fresh one for each example of a law."""
    return _VENUE.Venue


@pytest.fixture(scope="session")
def order_of() -> Any:
    return _VENUE.order
